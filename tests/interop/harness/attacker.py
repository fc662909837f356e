"""A stranger who sends bad datagrams: `python -m harness.attacker KIND COUNT RATE SSRC HOST:PORT…`.

It runs as a process of its own, so that its work is not taken from the ears of a test.
"""

import asyncio
import random
import socket
import struct
import sys
import time
from pathlib import Path

# Addresses of the loopback network that nobody else uses; forged reports come from the caller's own.
STRANGERS = ("127.0.0.2", "127.0.0.3")
CALLERS = ("127.0.0.1",)
SOCKETS = 32
# Datagrams in a row from one port, so that it could pass for somebody, between two looks at the clock.
BATCH = 10
# Different ones; they are made before, so that sending is all that costs something later.
POOL = 20_000
COOKIE = b"\x21\x12\xa4\x42"
LENGTHS = (0, 1, 3, 4, 0x7FFF, 0xFFFC, 0xFFFF)


def noise(dice: random.Random, _ssrc: int) -> bytes:
    """Bytes by chance, the short ones more often."""
    return dice.randbytes(dice.choice((dice.randrange(16), dice.randrange(200), dice.randrange(1_400))))


def rtp(dice: random.Random, ssrc: int) -> bytes:
    """RTP that nobody agreed on, loud as can be; some of it under the caller's own SSRC."""
    version = 0x80 if dice.random() < 0.7 else dice.choice((0, 1, 2, 3)) << 6 | dice.choice((0, 0x0F, 0x10, 0x20, 0x3F))
    kind = dice.choice((0, 8, 101, dice.randrange(128))) | dice.choice((0, 0x80))
    source = dice.choice((ssrc, ssrc, ssrc, dice.getrandbits(32)))
    head = struct.pack("!BBHII", version, kind, dice.getrandbits(16), dice.getrandbits(32), source)
    payload = dice.choice((b"\x00\x80" * 80, dice.randbytes(160), b"\x05\x8a\x03\x20", b"", dice.randbytes(700)))
    return head + payload


def rtcp(dice: random.Random, ssrc: int) -> bytes:
    """Reports and farewells in the caller's name: cut, with lengths and counts that lie, in heaps."""
    whole = b""
    for _ in range(dice.choice((1, 1, 2, 5))):
        kind = dice.choice((200, 201, 202, 203, 203, 204, 205, 206, 207, dice.randrange(192, 224)))
        body = struct.pack("!I", dice.choice((ssrc, dice.getrandbits(32)))) + dice.randbytes(4 * dice.randrange(20))
        length = dice.choice((len(body) // 4, len(body) // 4, *LENGTHS))
        whole += struct.pack("!BBH", 0x80 | dice.choice((0, 1, 1, 31, 0x20 | 31)), kind, length) + body
    return whole if dice.random() < 0.7 else whole[: dice.randrange(len(whole))]


def stun(dice: random.Random, _ssrc: int) -> bytes:
    """STUN for nobody: requests, indications and answers with names, keys and lengths that lie."""
    attributes = b""
    for _ in range(dice.randrange(6)):
        kind = dice.choice((0x0001, 0x0006, 0x0006, 0x0008, 0x0020, 0x0024, 0x0025, 0x8028, 0x802A, dice.getrandbits(16)))
        value = b"%08x:%08x" % (dice.getrandbits(32), dice.getrandbits(32)) if kind == 6 else dice.randbytes(dice.randrange(24))
        length = len(value) if dice.random() < 0.8 else dice.choice(LENGTHS)
        attributes += struct.pack("!HH", kind, length) + value + bytes(-len(value) % 4)
    kind = dice.choice((0x0001, 0x0001, 0x0011, 0x0101, 0x0111, 0x0003, dice.getrandbits(14)))
    length = len(attributes) if dice.random() < 0.8 else dice.choice(LENGTHS)
    cookie = COOKIE if dice.random() < 0.9 else dice.randbytes(4)
    whole = struct.pack("!HH", kind, length) + cookie + dice.randbytes(12) + attributes
    return whole if dice.random() < 0.9 else whole[: dice.randrange(len(whole))]


def webrtc(dice: random.Random, _ssrc: int) -> bytes:
    """What looks like DTLS, SRTP and SRTCP (RFC 7983 §7) and is none."""
    if dice.random() < 0.5:
        # Records of handshakes, alerts and data (RFC 6347 §4.1) with hellos in pieces of any size.
        body = dice.randbytes(dice.randrange(300))
        if dice.random() < 0.5:
            whole, part = dice.choice((0, 40, 0xFFFF, 0xFFFFFF)), dice.choice((0, len(body), 0xFFFFFF))
            body = struct.pack("!BI", dice.choice((1, 2, 11, 16, 20)), whole << 8)[:4] + dice.randbytes(5) + struct.pack("!I", part)[1:] + body
        length = len(body) if dice.random() < 0.7 else dice.choice(LENGTHS)
        version = dice.choice((b"\xfe\xfd", b"\xfe\xff", b"\xfe\xfc", b"\x03\x03"))
        return bytes([dice.randrange(20, 64)]) + version + dice.choice((bytes(8), dice.randbytes(8))) + struct.pack("!H", length) + body
    kind = dice.choice((0x6F, 111 | 0x80, 200, 201, 203, 205, 206, dice.randrange(256)))
    head = struct.pack("!BBHII", 0x80 | dice.choice((0, 0x10, 0x1F)), kind, dice.getrandbits(16), dice.getrandbits(32), dice.getrandbits(32))
    return (head + dice.randbytes(dice.randrange(200)))[: dice.choice((4, 12, 13, 30, 999))]


KINDS = {each.__name__: each for each in (noise, rtp, rtcp, stun, webrtc)}


def drops(ports) -> int:
    """Datagrams that the kernel has thrown away because nobody read the sockets of these ports."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return sum(int(line.split()[-1]) for line in lines if int(line.split()[1].split(":")[1], 16) in ports)


async def attack(kind: str, targets: list[tuple[str, int]], count: int, rate: int, ssrc: int = 0):
    """Sends so many datagrams at so many per second, and returns when they are sent."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harness.attacker", kind, str(count), str(rate), str(ssrc),
        *(f"{host}:{port}" for host, port in targets), cwd=Path(__file__).parents[1],
    )
    try:
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()


def main():
    """The child process."""
    kind, count, rate, ssrc = sys.argv[1], *map(int, sys.argv[2:5])
    targets = [(host, int(port)) for host, _, port in (target.rpartition(":") for target in sys.argv[5:])]
    dice, make = random.Random(f"{kind} {count}"), KINDS[kind]
    sockets = []
    for at in range(SOCKETS):
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        names = CALLERS if kind == "rtcp" else STRANGERS
        sockets[-1].bind((names[at % len(names)], 0))
    pool = [make(dice, ssrc) for _ in range(min(count, POOL))]
    began = time.monotonic()
    for sent in range(count):
        if sent % BATCH == 0:
            stranger = dice.choice(sockets)
            time.sleep(max(0, began + sent / rate - time.monotonic()))
        try:
            stranger.sendto(dice.choice(pool), targets[sent % len(targets)])
        except ConnectionRefusedError:
            # An answer to an earlier datagram; whether the server lives is for the test to say.
            pass


if __name__ == "__main__":
    main()
