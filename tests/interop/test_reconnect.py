"""Clients whose connection breaks: they resume, or come back with all they had."""

import asyncio
import socket
from types import SimpleNamespace

import pytest
from livekit import api, rtc

from harness.peer import Peer
from harness.proxy import Proxy
from harness.server import Trunkline, split

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])


def numbers(peer: Peer) -> list[int]:
    """The numbered packets that came, in their order."""
    return [int(event[1].data) for event in peer.events if event[0] == "data_received"]


async def both_hear(anna: Peer, bert: Peer):
    """Anna says 440 Hz and Bert 880."""
    (a, _), (b, _) = await asyncio.gather(bert.hear("anna"), anna.hear("bert"))
    assert abs(a - 440) <= 2 and abs(b - 880) <= 2


@BOTH_WAYS
async def test_a_cut_websocket_is_resumed_and_no_message_is_lost(server, dual):
    async with Proxy(*split(server.addresses["http"])) as proxy:
        through = SimpleNamespace(url=proxy.url)
        async with Peer(through, "cut", "anna", dual) as anna, Peer(server, "cut", "bert", dual) as bert:
            await asyncio.gather(anna.play(440), bert.play(880))
            await both_hear(anna, bert)

            async def count(peer: Peer, first: int):
                for number in range(first, first + 50):
                    await peer.room.local_participant.publish_data(f"{number}", reliable=True)

            await asyncio.gather(count(anna, 0), count(bert, 0))
            proxy.cut(stay=True)
            assert proxy.cuts, "nothing was connected through the proxy"
            # What is sent while it is cut must arrive, too; the SDK makes its senders wait.
            meanwhile = asyncio.gather(count(anna, 50), count(bert, 50))
            await bert.until(lambda: proxy.waiting, "anna's second attempt")
            proxy.mend()
            await meanwhile
            await anna.until(lambda: anna.saw("reconnected"), "the resume", 30)
            await asyncio.gather(count(anna, 100), count(bert, 100))
            for peer in (anna, bert):
                await peer.until(lambda: len(numbers(peer)) >= 150, "all messages")
                assert numbers(peer) == list(range(150))
            await both_hear(anna, bert)
            for peer in (anna, bert):
                for event in ("participant_disconnected", "track_unpublished", "track_unsubscribed", "disconnected"):
                    assert not peer.saw(event), f"{peer.identity}: {event}"
            assert not anna.saw("local_track_republished"), "it rejoined instead of resuming"
            assert proxy.accepted >= 2


@BOTH_WAYS
async def test_what_changes_while_cut_is_known_after_the_resume(server, lk, dual):
    async with Proxy(*split(server.addresses["http"])) as proxy:
        through = SimpleNamespace(url=proxy.url)
        async with Peer(through, "cut", "anna", dual) as anna, Peer(server, "cut", "bert", dual) as bert:
            await anna.until(lambda: "bert" in anna.room.remote_participants, "bert")
            async with Peer(server, "cut", "dora", dual):
                await anna.until(lambda: "dora" in anna.room.remote_participants, "dora")
                # The SDK gives its first attempt five seconds, and no second one to resume.
                proxy.cut(stay=True)
                await lk.room.remove_participant(api.RoomParticipantIdentity(room="cut", identity="dora"))
            await bert.until(lambda: bert.saw("participant_disconnected"), "dora's leaving")
            await lk.room.update_room_metadata(api.UpdateRoomMetadataRequest(room="cut", metadata="meanwhile"))
            async with Peer(server, "cut", "emil", dual) as emil:
                await emil.play(660)
                proxy.mend()
                await anna.until(lambda: anna.saw("reconnected"), "the resume", 30)
                await anna.until(lambda: "dora" not in anna.room.remote_participants, "dora's absence")
                await anna.until(lambda: anna.room.metadata == "meanwhile", "the room's metadata")
                assert abs((await anna.hear("emil"))[0] - 660) <= 2
            assert not bert.saw("participant_disconnected", lambda who: who.identity == "anna")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@BOTH_WAYS
async def test_a_server_that_died_and_came_back_finds_everybody_again(tmp_path, dual):
    # The same ports again, as in life: what the clients still send to the dead server arrives at the new one.
    settings = {"port": free_port(), "rtc": {"udp_port": free_port(socket.SOCK_DGRAM), "tcp_port": free_port()}}
    server = await Trunkline(tmp_path, settings).start()
    try:
        async with Peer(server, "again", "anna", dual) as anna, Peer(server, "again", "bert", dual) as bert:
            await asyncio.gather(anna.play(440), bert.play(880))
            await both_hear(anna, bert)
            old = (anna.tracks.pop("bert"), bert.tracks.pop("anna"))
            before = server.addresses
            await server.kill()
            await server.start()
            for port in ("http", "rtc_udp"):
                assert server.addresses[port] == before[port]
            for peer in (anna, bert):
                await peer.until(lambda: peer.saw("reconnected"), "the reconnect", 40)
                await peer.until(lambda: peer.saw("local_track_republished"), "its own track", 20)
            await anna.until(lambda: anna.tracks.get("bert") not in (None, old[0]), "bert's new track", 20)
            await bert.until(lambda: bert.tracks.get("anna") not in (None, old[1]), "anna's new track", 20)
            await both_hear(anna, bert)
            await anna.room.local_participant.publish_data(b"1", reliable=True)
            await bert.until(lambda: numbers(bert) == [1], "a message")
            assert not anna.saw("disconnected") and not bert.saw("disconnected")
    finally:
        await server.stop()


async def test_a_server_that_stops_says_so(server):
    async with Peer(server, "bye", "anna") as anna:
        await server.stop()
        _, reason = await anna.until(lambda: anna.saw("disconnected"), "the farewell", 20)
        assert reason == rtc.DisconnectReason.SERVER_SHUTDOWN


@BOTH_WAYS
async def test_who_comes_after_another_left_is_heard(server, dual):
    async with Peer(server, "next", "anna", dual) as anna:
        for turn, hertz in enumerate((520, 660, 880)):
            async with Peer(server, "next", f"guest-{turn}", dual) as guest:
                await guest.play(hertz)
                assert abs((await anna.hear(guest.identity))[0] - hertz) <= 2
            await anna.until(
                lambda: anna.saw("participant_disconnected", lambda who: who.identity == guest.identity), "the leaving"
            )


@BOTH_WAYS
async def test_who_takes_the_place_of_its_former_self_is_heard(server, dual):
    async with Peer(server, "self", "anna", dual) as anna, Peer(server, "self", "bert", dual) as first:
        await first.play(520)
        assert abs((await anna.hear("bert"))[0] - 520) <= 2
        before = anna.tracks["bert"]
        async with Peer(server, "self", "bert", dual) as second:
            await second.play(660)
            await anna.until(lambda: anna.tracks["bert"] is not before, "the new track")
            assert abs((await anna.hear("bert"))[0] - 660) <= 2
