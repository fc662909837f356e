"""WebRTC over TCP alone: callers and clients hear each other, and strangers at that port harm nobody."""

import asyncio
import json
import os
import random
import socket
import struct
from pathlib import Path

import pytest
import pytest_asyncio

from harness.browser import Browser
from harness.peer import Peer, token
from harness.phone import Phone
from harness.server import Trunkline, eventually, split
from test_bridge import ROOM, caller_of, direct, ring

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])
# A sine of amplitude 8,000 has an RMS of 5,657; within one decibel.
LEVEL = pytest.approx(5_657, rel=0.12)
# What the server allows of streams that have not said whose they are, from one address.
WAITING = 32
FIRST_MESSAGE_SECONDS = 5


@pytest_asyncio.fixture
async def server(tmp_path):
    """A server that names its TCP port alone to WebRTC clients."""
    rtc = {"udp_port": 0, "tcp_port": 0, "force_tcp": True}
    trunkline = await Trunkline(tmp_path, {"rtc": rtc}).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


def descriptors(server: Trunkline) -> int:
    """How many files and sockets the server has open."""
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


@BOTH_WAYS
async def test_a_caller_and_a_participant_hear_each_other(server, lk, far_end, dual):
    await direct(lk)
    async with Peer(server, ROOM, "anna", dual) as anna, Phone(600) as phone:
        await anna.play(440)
        dialog = await ring(server, far_end, phone)
        caller = await anna.until(lambda: caller_of(anna), "the caller")
        (up, up_level), (down, down_level) = await asyncio.gather(anna.hear(caller), phone.hear())
        assert abs(up - 600) <= 2 and abs(down - 440) <= 2
        assert 5_657 / 1.3 < up_level < 5_657 * 1.3 and 5_657 / 1.3 < down_level < 5_657 * 1.3
        await anna.room.local_participant.publish_data(b"x" * 10_000, reliable=True)
        await dialog.bye()
        await anna.until(lambda: anna.saw("participant_disconnected"), "the caller's leaving")


async def test_a_browser_hears_sees_and_is_seen(server):
    async with Peer(server, "web", "anna") as anna, Browser("carl", 520) as carl:
        await anna.play(440)
        await carl.ask("join", url=server.url, token=token("carl", "web"), dual=False)
        await carl.ask("microphone")
        await carl.ask("camera")
        (down, down_level), (up, up_level) = await asyncio.gather(carl.ask("hear", identity="anna"), anna.hear("carl"))
        assert abs(down - 440) <= 2 and abs(up - 520) <= 2 and down_level == LEVEL and up_level == LEVEL
        width, _ = await anna.watch("carl")
        assert width >= 160


async def test_who_may_choose_between_udp_and_tcp_is_heard_either_way(tmp_path):
    server = await Trunkline(tmp_path).start()
    try:
        options = ("sim", "room", "--json", "--room", "both", "--no-dtx", "--seconds", "4")
        udp, tcp = await asyncio.gather(
            server.command(*options, "--identity", "udp"), server.command(*options, "--identity", "tcp", "--tcp")
        )
        for code, out, errors in (udp, tcp):
            assert code == 0, errors
            seen = json.loads(out)
            assert seen["connected"] == 1 and seen["received"] > 100 and seen["lost"] == 0, seen
    finally:
        await server.stop()


def framed(packet: bytes) -> bytes:
    """A packet as RFC 4571 frames it."""
    return struct.pack("!H", len(packet)) + packet


def request(name: bytes) -> bytes:
    """A binding request in somebody's name with a key by chance (RFC 8489 §5, §14)."""
    dice = random.Random(1)
    attributes = struct.pack("!HH", 6, len(name)) + name + bytes(-len(name) % 4)
    attributes += struct.pack("!HH", 8, 20) + dice.randbytes(20)
    return struct.pack("!HH", 1, len(attributes)) + b"\x21\x12\xa4\x42" + dice.randbytes(12) + attributes


STRANGE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "a frame beyond any packet": struct.pack("!H", 0xFFFF) + bytes(70_000),
    "no STUN": framed(b"\x80\x00" + bytes(160)),
    "an empty frame": framed(b""),
    "nobody's name": framed(request(b"nobody:nobody")),
    "noise": framed(random.Random(2).randbytes(700)),
}


async def is_closed(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the other end closes within so many seconds, without a word."""
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


async def test_strangers_are_put_out_and_members_do_not_notice(server):
    host, port = split(server.addresses["rtc_tcp"])
    async with Peer(server, "calm", "anna") as anna, Peer(server, "calm", "bert") as bert:
        await anna.play(440)
        assert abs((await bert.hear("anna"))[0] - 440) <= 2
        calm = descriptors(server)
        for what, data in STRANGE.items():
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(data)
            assert await is_closed(reader, FIRST_MESSAGE_SECONDS - 1), f"{what}: it may stay"
            writer.close()

        # Those who say nothing, or byte by byte, may stay for a while, but not many of them.
        flood = await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(400)))

        async def bounded():
            return descriptors(server) <= calm + WAITING

        await eventually(bounded, "a bound on silent streams")
        assert abs((await bert.hear("anna"))[0] - 440) <= 2
        for _ in range(3):
            for _, writer in flood:
                writer.write(b"\x00")
            await asyncio.sleep(0.3)
        closed = await asyncio.gather(*(is_closed(reader, 2 * FIRST_MESSAGE_SECONDS) for reader, _ in flood))
        assert all(closed), f"{closed.count(False)} of {len(closed)} are still there"
        for _, writer in flood:
            writer.close()

        async def calm_again():
            return descriptors(server) <= calm

        await eventually(calm_again, "all streams of strangers closed")
        # The next one is let in as before.
        async with Peer(server, "calm", "carl") as carl:
            assert abs((await carl.hear("anna"))[0] - 440) <= 2
        assert not anna.saw("reconnecting") and not bert.saw("reconnecting")
    assert "panic" not in server.log_text() and "a fault" not in server.log_text()


def addresses_at(port: int) -> set[str]:
    """From where the kernel says that somebody is connected to this port of ours, as it writes addresses."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here = (f"{port:04X}", "01")
    return {far.split(":")[0] for _, near, far, state, *_ in lines if (near.split(":")[1], state) == here}


async def test_idle_connections_keep_nobody_out(server):
    host, port = split(server.addresses["rtc_tcp"])
    async with Peer(server, "calm", "anna"):
        (source,) = addresses_at(port)
    # The crowd comes from where clients come from.
    source = socket.inet_ntoa(struct.pack("=I", int(source, 16)))
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    came = 0

    def connected():
        return asyncio.open_connection(host, port, local_addr=(source, 0))

    async def crowd():
        """500 of them at once, all from one address, and then new ones where the server closes some."""
        nonlocal came
        while True:
            for reader, writer in idle:
                if reader.at_eof():
                    writer.close()
            idle[:] = [(reader, writer) for reader, writer in idle if not reader.at_eof()]
            missing = min(100 if came >= 500 else 500, 500 - len(idle))
            idle.extend(await asyncio.gather(*(connected() for _ in range(missing))))
            came += missing
            await asyncio.sleep(0.2)

    async def is_crowded():
        return came >= 500

    crowding = asyncio.create_task(crowd())
    try:
        await eventually(is_crowded, "the crowd")
        for number in range(3):
            async with Peer(server, "calm", "anna") as anna, Peer(server, "calm", "bert") as bert:
                await anna.play(440)
                assert abs((await bert.hear("anna"))[0] - 440) <= 2, number
                assert not anna.saw("reconnecting") and not bert.saw("reconnecting")
        assert not crowding.done()
        assert descriptors(server) < 500
    finally:
        crowding.cancel()
        for _, writer in idle:
            writer.close()
