"""Unmodified LiveKit clients in a room: they hear each other, send data, and call procedures."""

import asyncio
import sys
from contextlib import AsyncExitStack

import pytest
from livekit import rtc

from harness.peer import Peer
from harness.remote import Away

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])


@BOTH_WAYS
async def test_two_participants_hear_each_other(server, dual):
    async with Peer(server, "tones", "anna", dual) as anna:
        await anna.play(440)
        async with Peer(server, "tones", "bert", dual) as bert:
            await bert.play(880)
            (a, a_level), (b, b_level) = await asyncio.gather(bert.hear("anna"), anna.hear("bert"))
            assert abs(a - 440) <= 2 and abs(b - 880) <= 2
            # A sine of amplitude 8,000 has an RMS of 5,657; within one decibel.
            assert all(5_657 / 1.12 < level < 5_657 * 1.12 for level in (a_level, b_level))
        await anna.until(lambda: anna.saw("participant_disconnected"), "bert's leaving")


@BOTH_WAYS
async def test_data_streams_attributes_and_procedures(server, dual):
    async with Peer(server, "data", "anna", dual) as anna, Peer(server, "data", "bert", dual) as bert:
        await anna.until(lambda: "bert" in anna.room.remote_participants, "bert")
        texts, answers = bert.texts("lk.chat"), anna.texts("lk.chat")

        @bert.room.local_participant.register_rpc_method("greet")
        async def greet(data: rtc.RpcInvocationData):
            return f"hello {data.caller_identity}: {data.payload}"

        await anna.room.local_participant.publish_data(b"for sure", reliable=True, topic="t1")
        await anna.room.local_participant.publish_data(b"perhaps", reliable=False, topic="t2")
        for payload, topic in ((b"for sure", "t1"), (b"perhaps", "t2")):
            _, packet = await bert.until(lambda: bert.saw("data_received", lambda p: p.data == payload), topic)
            assert packet.topic == topic and packet.participant.identity == "anna"
        long = "ein langer Text " * 2_500
        await anna.room.local_participant.send_text(long, topic="lk.chat")
        async with asyncio.timeout(10):
            assert await texts.get() == ("anna", long)
        await bert.room.local_participant.send_text(long, topic="lk.chat")
        async with asyncio.timeout(10):
            assert await answers.get() == ("bert", long)
        answer = await anna.room.local_participant.perform_rpc(
            destination_identity="bert", method="greet", payload="how are you"
        )
        assert answer == "hello anna: how are you"
        await anna.room.local_participant.set_attributes({"mood": "good", "gone": "soon"})
        await anna.room.local_participant.set_attributes({"gone": ""})
        seen = bert.room.remote_participants["anna"]
        await bert.until(lambda: seen.attributes == {"mood": "good"}, "anna's attributes")


@BOTH_WAYS
async def test_eight_join_at_once_and_all_hear_all(server, dual):
    # Each in a process of its own: one interpreter cannot mix 56 streams in time.
    names = [f"p{n}" for n in range(8)]
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(Away(name, sys.executable)) for name in names]
        await asyncio.gather(
            *(peer.ask("join", url=server.url, room="crowd", identity=peer.name, dual=dual) for peer in peers)
        )
        await asyncio.gather(
            *(peer.ask("play", hertz=300 + 100 * n, amplitude=4_000) for n, peer in enumerate(peers))
        )

        async def wrong() -> dict:
            heard = await asyncio.gather(
                *(peer.ask("hear_all", identities=[o for o in names if o != peer.name], seconds=4.0) for peer in peers)
            )
            return {
                f"{peer.name} hears {other}": hertz
                for peer, all_heard in zip(peers, heard)
                for other, (hertz, _) in all_heard.items()
                if abs(hertz - (300 + 100 * names.index(other))) > 3
            }

        # Eight clients that join at once keep the cores busy with themselves at first; then all must be right.
        found = await wrong() and await wrong() and await wrong()
        assert not found


async def test_a_name_taken_twice_throws_out_the_first(server):
    async with Peer(server, "twice", "anna") as first, Peer(server, "twice", "anna"):
        _, reason = await first.until(lambda: first.saw("disconnected"), "being thrown out")
        assert reason == rtc.DisconnectReason.DUPLICATE_IDENTITY


async def test_a_deleted_room_tells_everybody_why(server, lk):
    from livekit import api

    async with Peer(server, "gone", "anna") as anna:
        await lk.room.delete_room(api.DeleteRoomRequest(room="gone"))
        _, reason = await anna.until(lambda: anna.saw("disconnected"), "the room's end")
        assert reason == rtc.DisconnectReason.ROOM_DELETED
