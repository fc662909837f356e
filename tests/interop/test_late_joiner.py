"""Who comes after an hour of speech hears it as anybody else: numbers that have wrapped are no obstacle."""

import asyncio
import json
import signal

from harness.peer import Peer

# 16 bits of sequence numbers are used up, and SRTP's rollover counter stands at one (RFC 3711 §3.3.1).
PACKETS, PER_SECOND = 70_000, 3_500
# The tone of `trunkline sim room`.
TONE = 1_000


class Headless:
    """`trunkline sim room` with these arguments; `async with` starts and ends it."""

    def __init__(self, server, *words: str):
        self.server, self.words = server, words

    async def __aenter__(self) -> "Headless":
        self.process = await self.server.spawn("sim", "room", "--json", *self.words)
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def says(self, seconds: float) -> dict:
        """The next line of its output."""
        async with asyncio.timeout(seconds):
            line = await self.process.stdout.readline()
        assert line, "it ended without a word"
        return json.loads(line)


async def test_after_seventy_thousand_packets_a_newcomer_hears_the_speaker(server):
    said = ("--room", "long", "--identity", "speaker", "--no-dtx", "--seconds", "600")
    rush = ("--rush", str(PACKETS), "--packets-per-second", str(PER_SECOND))
    heard = ("--room", "long", "--identity", "listener", "--mute", "--seconds", "600")
    async with (
        Headless(server, *heard) as listener,
        Headless(server, *said, *rush) as speaker,
    ):
        assert await speaker.says(120) == {"rushed": PACKETS}
        for dual in (False, True):
            async with Peer(server, "long", f"late-{dual}", dual) as late:
                hertz, level = await late.hear("speaker")
                assert abs(hertz - TONE) <= 2 and 5_657 / 1.3 < level < 5_657 * 1.3
        # Who has been there all the time has gone through the wrap with the speaker.
        listener.process.send_signal(signal.SIGINT)
        counted = await listener.says(30)
        assert counted["ended_early"] == 0 and counted["received"] > PACKETS
        assert counted["lost"] < PACKETS / 100
