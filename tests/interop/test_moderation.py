"""What a back end does to the participants of a room, as the clients see it."""

import asyncio
import sys

import pytest
from livekit import api, rtc

from harness.peer import Peer
from harness.remote import Away

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])
ROOM = "studio"
# Of a tone of amplitude 8,000; what is muted is below a hundredth of it.
SILENT = 57


async def silent(peer: Peer, identity: str):
    """Waits until nothing is heard of somebody."""
    async with asyncio.timeout(15):
        while (await peer.hear(identity, 1.0))[1] > SILENT:
            pass


@BOTH_WAYS
async def test_muting_oneself(server, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
        publication = await anna.play(440)
        assert abs((await bert.hear("anna"))[0] - 440) <= 2
        publication.track.mute()
        who, seen = (await bert.until(lambda: bert.saw("track_muted"), "the muting"))[1:]
        assert who.identity == "anna" and seen.sid == publication.sid and seen.muted
        await silent(bert, "anna")
        publication.track.unmute()
        await bert.until(lambda: bert.saw("track_unmuted"), "the end of it")
        async with asyncio.timeout(15):
            while abs((await bert.hear("anna", 1.0))[0] - 440) > 2:
                pass


@BOTH_WAYS
async def test_being_muted_by_the_back_end(server, lk, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
        publication = await anna.play(440)
        assert abs((await bert.hear("anna"))[0] - 440) <= 2
        request = {"room": ROOM, "identity": "anna", "track_sid": publication.sid}
        answer = await lk.room.mute_published_track(api.MuteRoomTrackRequest(**request, muted=True))
        assert answer.track.muted and answer.track.sid == publication.sid
        _, who, seen = await bert.until(lambda: bert.saw("track_muted"), "the muting")
        assert who.identity == "anna" and seen.sid == publication.sid
        await anna.until(lambda: anna.saw("track_muted", lambda who, _: who.identity == "anna"), "its own muting")
        await silent(bert, "anna")
        # Nobody's microphone is opened from afar.
        with pytest.raises(api.TwirpError) as refused:
            await lk.room.mute_published_track(api.MuteRoomTrackRequest(**request, muted=False))
        assert refused.value.code == "failed_precondition"
        with pytest.raises(api.TwirpError) as unknown:
            await lk.room.mute_published_track(
                api.MuteRoomTrackRequest(**{**request, "track_sid": "TR_AMnone"}, muted=True)
            )
        assert unknown.value.code == "not_found"


def times(away: Away, event: str) -> int:
    """How often it happened."""
    return len([e for e in away.events if e["event"] == event])


async def heard(away: Away, identity: str) -> float:
    """The frequency of what is heard of somebody, 0 if nothing is."""
    try:
        hertz, level = await away.ask("hear", identity=identity, seconds=1.0)
    except AssertionError as error:
        # No sound arrives at all.
        assert "TimeoutError" in str(error), error
        return 0
    return hertz if level > SILENT else 0


@BOTH_WAYS
async def test_subscriptions_by_the_back_end(server, lk, dual):
    # A process of its own: the SDK ends its process when it is offered what it cannot take.
    async with Peer(server, ROOM, "anna", dual) as anna, Away("bert", sys.executable) as bert:
        await bert.ask("join", url=server.url, room=ROOM, identity="bert", dual=dual)
        publication = await anna.play(440)
        assert abs(await heard(bert, "anna") - 440) <= 2
        request = {"room": ROOM, "identity": "bert", "track_sids": [publication.sid]}
        await lk.room.update_subscriptions(api.UpdateSubscriptionsRequest(**request, subscribe=False))
        # The SDK has no event for this.
        async with asyncio.timeout(30):
            while await heard(bert, "anna"):
                pass
        await lk.room.update_subscriptions(api.UpdateSubscriptionsRequest(**request, subscribe=True))
        async with asyncio.timeout(30):
            while abs(await heard(bert, "anna") - 440) > 2:
                pass
        with pytest.raises(api.TwirpError) as unknown:
            await lk.room.update_subscriptions(
                api.UpdateSubscriptionsRequest(**{**request, "identity": "nobody"}, subscribe=True)
            )
        assert unknown.value.code == "not_found"


@BOTH_WAYS
async def test_a_client_ends_and_renews_a_subscription(server, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Away("bert", sys.executable) as bert:
        await bert.ask("join", url=server.url, room=ROOM, identity="bert", dual=dual)
        await anna.play(440)
        assert abs(await heard(bert, "anna") - 440) <= 2
        for turn in (1, 2):
            await bert.ask("subscribe", identity="anna", wanted=False)
            await bert.until(lambda: times(bert, "track_unsubscribed") == turn, "the end of the subscription")
            async with asyncio.timeout(30):
                while await heard(bert, "anna"):
                    pass
            await bert.ask("subscribe", identity="anna", wanted=True)
            await bert.until(lambda: times(bert, "track_subscribed") == turn + 1, "the new subscription")
            assert abs(await heard(bert, "anna") - 440) <= 2


@BOTH_WAYS
async def test_data_from_the_back_end(server, lk, dual):
    async with (
        Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert,
        Peer(server, ROOM, "dora", dual) as dora,
    ):
        kinds = (
            (api.DataPacket.Kind.RELIABLE, rtc.DataPacketKind.KIND_RELIABLE),
            (api.DataPacket.Kind.LOSSY, rtc.DataPacketKind.KIND_LOSSY),
        )
        for kind, seen_as in kinds:
            topic = f"all {kind}"
            await lk.room.send_data(api.SendDataRequest(room=ROOM, data=b"to all", kind=kind, topic=topic))
            for peer in (anna, bert, dora):
                _, packet = await peer.until(lambda: peer.saw("data_received", lambda p: p.topic == topic), topic)
                assert packet.data == b"to all" and packet.participant is None and packet.kind == seen_as
        to_some = {"kind": api.DataPacket.Kind.RELIABLE, "destination_identities": ["anna", "bert"]}
        await lk.room.send_data(api.SendDataRequest(room=ROOM, data=b"to two", topic="some", **to_some))
        await lk.room.send_data(api.SendDataRequest(room=ROOM, data=b"end", topic="end"))
        for peer, some in ((anna, True), (bert, True), (dora, False)):
            await peer.until(lambda: peer.saw("data_received", lambda p: p.topic == "end"), "the last packet")
            assert bool(peer.saw("data_received", lambda p: p.topic == "some")) == some
        with pytest.raises(api.TwirpError) as refused:
            await lk.room.send_data(api.SendDataRequest(room="none", data=b"x"))
        assert refused.value.code == "not_found"


@BOTH_WAYS
async def test_what_the_back_end_says_about_room_and_participants(server, lk, dual):
    await lk.room.create_room(api.CreateRoomRequest(name=ROOM, metadata="first"))
    async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
        assert anna.room.metadata == "first"
        answer = await lk.room.update_room_metadata(api.UpdateRoomMetadataRequest(room=ROOM, metadata="second"))
        assert answer.metadata == "second"
        for peer in (anna, bert):
            await peer.until(lambda: peer.saw("room_metadata_changed"), "the new metadata")
            assert peer.room.metadata == "second"
        update = {"metadata": "m", "name": "Anna A.", "attributes": {"a": "1", "b": "2"}}
        info = await lk.room.update_participant(api.UpdateParticipantRequest(room=ROOM, identity="anna", **update))
        assert (info.metadata, info.name, dict(info.attributes)) == ("m", "Anna A.", {"a": "1", "b": "2"})
        await lk.room.update_participant(
            api.UpdateParticipantRequest(room=ROOM, identity="anna", attributes={"b": ""})
        )
        for seen, peer in ((anna.room.local_participant, anna), (bert.room.remote_participants["anna"], bert)):
            await peer.until(lambda: (seen.metadata, seen.name, seen.attributes) == ("m", "Anna A.", {"a": "1"}), "it")
        await lk.room.remove_participant(api.RoomParticipantIdentity(room=ROOM, identity="anna"))
        _, reason = await anna.until(lambda: anna.saw("disconnected"), "the removal")
        assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
        _, gone = await bert.until(lambda: bert.saw("participant_disconnected"), "anna's absence")
        assert gone.disconnect_reason == rtc.DisconnectReason.PARTICIPANT_REMOVED


@BOTH_WAYS
async def test_a_right_that_is_taken_away(server, lk, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
        await anna.play(440)
        assert abs((await bert.hear("anna"))[0] - 440) <= 2
        rights = api.ParticipantPermission(can_subscribe=True, can_publish=False, can_publish_data=True)
        await lk.room.update_participant(
            api.UpdateParticipantRequest(room=ROOM, identity="anna", permission=rights)
        )
        await bert.until(lambda: bert.saw("track_unpublished"), "the end of the track")
        info = await lk.room.get_participant(api.RoomParticipantIdentity(room=ROOM, identity="anna"))
        assert not info.tracks and not info.permission.can_publish


@BOTH_WAYS
async def test_a_late_joiner_hears_all(server, dual):
    async with Peer(server, ROOM, "p0", dual) as first, Peer(server, ROOM, "p1", dual) as second:
        await asyncio.gather(first.play(400), second.play(500))
        await asyncio.gather(first.hear("p1", 4.0), second.hear("p0", 4.0))
        async with Peer(server, ROOM, "late", dual) as late:
            await late.play(600)
            (a, _), (b, _), (c, _), (d, _) = await asyncio.gather(
                late.hear("p0"), late.hear("p1"), first.hear("late"), second.hear("late")
            )
            assert abs(a - 400) <= 2 and abs(b - 500) <= 2 and abs(c - 600) <= 2 and abs(d - 600) <= 2
