"""The torture messages of RFC 4475 and 5118 against the real server, and an OPTIONS after each.

What must come of each stands in `crates/sip/tests/torture/expected.txt`, next to the messages.
"""

import asyncio
import re
from pathlib import Path

import pytest

from harness import five9
from harness.farend import FarEnd
from harness.server import split

FOLDER = Path(__file__).resolve().parents[2] / "crates/sip/tests/torture"
LINES = [line.split() for line in (FOLDER / "expected.txt").read_text().splitlines() if line and line[0] != "#"]
# No trunk has the numbers of these INVITEs.
STATUS = {"invite": "404", "options": "200"}
# Longer than the server takes to say something; the OPTIONS behind it shows that it is not busy.
SILENCE = 0.2
# How often a message is sent again: answers to nonsense are rationed, ten a second.
TRIES, PAUSE = 10, 0.3


def rounds() -> list[list[list[str]]]:
    """The lines, apart where a server would take one message for a repetition of another: some
    share their top Via, and with it their transaction (RFC 3261, 17.2.3)."""
    found: list[tuple[set, list]] = []
    for line in LINES:
        via = re.search(rb"(?im)^(?:via|v)[ \t]*:.*$", (FOLDER / f"{line[0]}.dat").read_bytes())[0]
        fitting = next((pair for pair in found if via not in pair[0]), None)
        if fitting is None:
            found.append(fitting := (set(), []))
        fitting[0].add(via)
        fitting[1].append(line)
    return [lines for _, lines in found]


def statuses(expected: str) -> list[str]:
    """The final answers that a word of the table stands for."""
    words = [word.removesuffix("+close").removesuffix("+rest") for word in expected.split(",")]
    return [STATUS.get(word, word) for word in words if word not in ("drop", "wait")]


def finals(raw: bytes) -> list[str]:
    """The final answers among those bytes, each once: some are repeated until an ACK."""
    seen = dict.fromkeys(line for line in raw.split(b"\r\n") if line.startswith(b"SIP/2.0 "))
    return [status for line in seen if not (status := line.split()[1].decode()).startswith("1")]


class Datagrams(asyncio.DatagramProtocol):
    """A socket of its own for each message: repeated answers to others do not get in the way."""

    def __init__(self):
        self.raw = b""
        self.arrived = asyncio.Event()

    def datagram_received(self, data: bytes, _source):
        self.raw += data
        if finals(self.raw):
            self.arrived.set()


async def over_udp(server: tuple[str, int], message: bytes, wanted: list[str]) -> list[str]:
    """Sends it, again like any peer if nothing comes: answers to nonsense are rationed."""
    loop = asyncio.get_running_loop()
    transport, heard = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    try:
        for _ in range(TRIES):
            transport.sendto(message, server)
            try:
                await asyncio.wait_for(heard.arrived.wait(), PAUSE if wanted else SILENCE)
            except TimeoutError:
                if wanted:
                    continue
            break
        return finals(heard.raw)
    finally:
        transport.close()


async def over_tcp(server: tuple[str, int], message: bytes, expected: str, size: int) -> tuple[list[str], bool]:
    """Sends it in pieces; returns the final answers and whether the server closed."""
    reader, writer = await asyncio.open_connection(*server)
    raw, closed, wanted = b"", False, statuses(expected)
    try:
        for at in range(0, len(message), size):
            writer.write(message[at : at + size])
            await writer.drain()
        try:
            async with asyncio.timeout(5 if wanted or "close" in expected else SILENCE):
                while not closed and (len(finals(raw)) < len(wanted) or "close" in expected):
                    piece = await reader.read(65536)
                    raw, closed = raw + piece, not piece
                if not wanted and not closed:
                    raw += await reader.read(65536)
        except TimeoutError:
            pass
        return finals(raw), closed
    finally:
        writer.close()


async def alive(server, far_end: FarEnd, name: str):
    """The next request is answered."""
    answer = await far_end.options(server.sip, seconds=2)
    assert answer.start.startswith(b"SIP/2.0 200 "), f"after {name}: {answer.start}"


@pytest.mark.parametrize("lines", rounds(), ids=lambda lines: f"{len(lines)} messages")
async def test_every_message_is_answered_over_udp(server, lk, far_end, lines):
    await five9.set_up(lk, allowed_addresses=["127.0.0.1/32"])
    wrong = []
    for name, expected, *_ in lines:
        message = (FOLDER / f"{name}.dat").read_bytes()
        answered = await over_udp(server.sip, message, statuses(expected))
        if answered != statuses(expected):
            wrong.append(f"{name}: {expected} expected, was {answered}")
        await alive(server, far_end, name)
    assert not wrong, "\n".join(wrong)
    assert await five9.rooms(lk) == []


@pytest.mark.parametrize("size", [65536, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("lines", rounds(), ids=lambda lines: f"{len(lines)} messages")
async def test_every_message_is_answered_over_tcp(server, lk, far_end, lines, size):
    await five9.set_up(lk, allowed_addresses=["127.0.0.1/32"])
    wrong = []
    for name, _, expected, *_ in lines:
        message, wanted = (FOLDER / f"{name}.dat").read_bytes(), statuses(expected)
        for _ in range(TRIES):
            answered, closed = await over_tcp(split(server.addresses["sip_tcp"]), message, expected, size)
            if answered or not wanted:
                break
            await asyncio.sleep(PAUSE)
        if expected.endswith("drop+close"):
            # The close does not wait for the answers to what came before.
            wanted = wanted[: len(answered)]
        if answered != wanted or closed != ("close" in expected):
            wrong.append(f"{name}: {expected} expected, was {answered}, {'closed' if closed else 'open'}")
        await alive(server, far_end, name)
    assert not wrong, "\n".join(wrong)
    assert await five9.rooms(lk) == []


async def test_a_message_that_never_ends_is_closed_at_its_deadline(server, far_end):
    reader, writer = await asyncio.open_connection(*split(server.addresses["sip_tcp"]))
    writer.write((FOLDER / "rfc4475/clerr.dat").read_bytes())
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()
    await alive(server, far_end, "clerr")
