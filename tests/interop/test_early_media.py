"""What the far end says before it answers and what it says then are one speech: nothing is lost or said twice where
the one becomes the other, wherever the second comes from."""

import asyncio
import itertools
import math
import random
import struct
import time

import numpy
import pytest

from harness import outbound
from harness.callee import FRAME, RATE, Callee, Sound, encoded
from harness.outbound import CALLED
from harness.peer import Peer

IDENTITY = f"sip_{CALLED}"
# Each step of the speech is a tone of its own; so many packets long.
STEP = 10
LOWEST, APART = 400, 100
STEPS = 24
WIDE = 48_000


def hertz(step: int) -> float:
    """The tone of a step."""
    return LOWEST + APART * step


class Speech:
    """A speech of steps, said in packets; who says it, and to whom, may change in its midst."""

    def __init__(self):
        self.sound, self.target = None, None
        self.at = 0
        self.number, self.source, self.stamp = 0, 0, 0

    def say_with(self, sound: Sound, target: tuple[str, int], anew: bool):
        """From now on; `anew` as another stream (RFC 3550 §8.1)."""
        if anew:
            self.number, self.source, self.stamp = (random.getrandbits(bits) for bits in (16, 32, 32))
        self.sound, self.target = sound, target

    async def run(self, until: int):
        """Says it up to this step."""
        began, first = time.monotonic(), self.at
        while self.at < until * STEP:
            step, within = divmod(self.at, STEP)
            times = (numpy.arange(FRAME) + within * FRAME) / RATE
            payload = encoded(9_000 * numpy.sin(2 * math.pi * hertz(step) * times))
            head = struct.pack(">BBHII", 0x80, 0, self.number & 0xFFFF, self.stamp & 0xFFFFFFFF, self.source)
            self.sound.transport.sendto(head + payload, self.target)
            self.number, self.stamp, self.at = self.number + 1, self.stamp + FRAME, self.at + 1
            await asyncio.sleep(max(0, began + (self.at - first) * 0.02 - time.monotonic()))


def heard_steps(samples: numpy.ndarray) -> list[int]:
    """The steps one after the other as they are heard, each for 80 ms at least: what a
    listener makes up in place of a packet that is late is shorter."""
    piece = WIDE // 50
    window = numpy.hanning(piece)
    times = numpy.arange(piece) / WIDE
    tones = [numpy.exp(-2j * math.pi * hertz(step) * times) * window for step in range(STEPS)]
    pieces = [samples[at : at + piece] for at in range(0, len(samples) - piece + 1, piece)]
    loud = [part for part in pieces if numpy.sqrt(numpy.mean(part**2)) >= 800]
    steps = [int(numpy.argmax([abs(numpy.sum(part * tone)) for tone in tones])) for part in loud]
    runs = [(step, len(list(run))) for step, run in itertools.groupby(steps)]
    long = [step for step, length in runs if length >= 4]
    return [step for step, _ in itertools.groupby(long)]


def is_over(heard: list[numpy.ndarray]) -> bool:
    """Whether one of the last steps is among what was heard last."""
    return bool(heard) and any(step >= STEPS - 2 for step in heard_steps(numpy.concatenate(heard[-50:])))


@pytest.mark.parametrize("how", ["the same", "another port", "another stream"])
async def test_the_answer_goes_on_where_the_early_media_ends(server, lk, how):
    speech = Speech()

    async def announces(call):
        call.respond("183 Session Progress", body=await call.media())
        speech.say_with(call.sound, call.theirs, True)
        await call.go.wait()
        await speech.run(STEPS // 2)
        if how == "another port":
            # Another machine has taken over, and says so with another description.
            call.sound = None
            body = (await call.media()).replace(b"o=- 1 1 ", b"o=- 2 2 ")
        else:
            body = (await call.media()).replace(b"o=- 1 1 ", b"o=- 1 2 ")
        answering = asyncio.create_task(call.answer(None, body=body))
        await call.request("ACK")
        speech.say_with(call.sound, call.theirs, how != "the same")
        await speech.run(STEPS)
        await answering

    async with Callee(announces) as callee, Peer(server, "out", "agent") as agent:
        trunk = await outbound.trunk(lk, callee.place)
        waiting = asyncio.create_task(lk.sip.create_sip_participant(outbound.request(trunk)))
        call = await callee.call()
        await agent.until(lambda: agent.tracks.get(IDENTITY), "the track")
        stop = agent.record(IDENTITY)
        call.go.set()
        await waiting
        await callee.tasks[0]
        # All was said, but perhaps not heard yet.
        await agent.until(lambda: is_over(stop.so_far), "the last of it", 20)
        heard = heard_steps(await stop())
        # The first steps may pass before the listener is ready, the last ones behind the end.
        middle = [step for step in heard if 2 <= step < STEPS - 2]
        assert middle == list(range(2, STEPS - 2)), heard
