"""The newest Python SDK and the one that `livekit-agents` pins, in one room."""

import asyncio

import pytest
from livekit import rtc

from harness.exchange import exchange
from harness.peer import Peer
from harness.remote import NEWEST, Away

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])
# A sine of amplitude 8,000 has an RMS of 5,657; within one decibel.
LEVEL = pytest.approx(5_657, rel=0.12)


@BOTH_WAYS
async def test_the_newest_and_the_pinned_hear_each_other(server, dual):
    async with Peer(server, "mixed", "anna", dual) as anna, Away("bert", NEWEST) as bert:
        assert await bert.ask("version") == "1.2.0"
        await bert.ask("join", url=server.url, room="mixed", identity="bert", dual=dual)
        await asyncio.gather(anna.play(440), bert.ask("play", hertz=880))
        (down, down_level), (up, up_level) = await asyncio.gather(bert.ask("hear", identity="anna"), anna.hear("bert"))
        assert abs(down - 440) <= 2 and abs(up - 880) <= 2
        assert down_level == LEVEL and up_level == LEVEL


@BOTH_WAYS
async def test_the_newest_leaves_of_its_own_will(server, dual):
    async with Peer(server, "mixed", "anna", dual) as anna, Away("bert", NEWEST) as bert:
        await bert.ask("join", url=server.url, room="mixed", identity="bert", dual=dual)
        await anna.until(lambda: "bert" in anna.room.remote_participants, "bert")
        await bert.ask("leave")
        _, gone = await anna.until(lambda: anna.saw("participant_disconnected"), "bert's leaving")
        assert gone.identity == "bert" and gone.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED


@BOTH_WAYS
async def test_data_texts_and_procedures_between_the_newest_and_the_pinned(server, dual):
    async with Peer(server, "mixed", "anna", dual) as anna, Away("bert", NEWEST) as bert:
        await bert.ask("join", url=server.url, room="mixed", identity="bert", dual=dual)
        await anna.until(lambda: "bert" in anna.room.remote_participants, "bert")
        await exchange(anna, bert, "bert")
