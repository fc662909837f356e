"""Unmodified LiveKit clients in a room: they hear each other, send data, and call procedures."""

import asyncio

import pytest
from livekit import rtc

from harness.peer import Peer

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
        texts = asyncio.Queue()
        bert.room.register_text_stream_handler(
            "lk.chat", lambda reader, who: asyncio.ensure_future(_read(reader, who, texts))
        )

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
        answer = await anna.room.local_participant.perform_rpc(
            destination_identity="bert", method="greet", payload="how are you"
        )
        assert answer == "hello anna: how are you"
        await anna.room.local_participant.set_attributes({"mood": "good", "gone": "soon"})
        await anna.room.local_participant.set_attributes({"gone": ""})
        seen = bert.room.remote_participants["anna"]
        await bert.until(lambda: seen.attributes == {"mood": "good"}, "anna's attributes")


async def _read(reader, who, texts):
    await texts.put((who, await reader.read_all()))


async def test_eight_join_at_once_and_all_hear_all(server):
    peers = [Peer(server, "crowd", f"p{n}") for n in range(8)]
    await asyncio.gather(*(peer.__aenter__() for peer in peers))
    try:
        await asyncio.gather(*(peer.play(300 + 100 * n, 4_000) for n, peer in enumerate(peers)))
        pairs = [(a, b) for a in range(8) for b in range(8) if a != b]
        heard = await asyncio.gather(*(peers[a].hear(f"p{b}", 4.0) for a, b in pairs))
        wrong = {
            f"p{a} hears p{b}": hertz for (a, b), (hertz, _) in zip(pairs, heard) if abs(hertz - (300 + 100 * b)) > 3
        }
        assert not wrong
    finally:
        await asyncio.gather(*(peer.__aexit__() for peer in peers))


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
