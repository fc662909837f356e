"""A member of a room who sends garbage: `python -m harness.traitor SERVER ROOM udp|tcp COUNT RATE`.

It joins, shows its key by STUN as any client does, and from then on sends what no client sends: to the server all of
it comes from a connection of its own. When its session ends for that it joins again. At the end it prints how many
packets went out and how many sessions it took. It is a process of its own, so that its work is not taken from the
ears of a test.
"""

import asyncio
import hashlib
import hmac
import json
import random
import re
import socket
import struct
import sys
import time
import zlib
from pathlib import Path

import aiohttp
from livekit.protocol import rtc as signal

from .attacker import COOKIE, KINDS
from .peer import token

NAME, PASSWORD = "traitor1", "a-password-of-enough-letters"
POOL = 20_000
# Packets in a row between two looks at the clock and at what came back, and between two that show its key.
BATCH, GREETING = 10, 200


def attribute(kind: int, value: bytes) -> bytes:
    """A STUN attribute (RFC 8489 §14)."""
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def binding(name: str, password: str) -> bytes:
    """A binding request as ICE wants it (RFC 8445 §7.2.2), with integrity and fingerprint."""
    body = attribute(0x0006, f"{name}:{NAME}".encode()) + attribute(0x0024, struct.pack("!I", 1_853_824_767))
    body += attribute(0x802A, bytes(8)) + attribute(0x0025, b"")
    number = random.randbytes(12)

    def head(length: int) -> bytes:
        return struct.pack("!HH", 1, length) + COOKIE + number

    # Both count the message up to themselves, with the length it has once they are in it.
    body += attribute(0x0008, hmac.new(password.encode(), head(len(body) + 24) + body, hashlib.sha1).digest())
    body += attribute(0x8028, struct.pack("!I", zlib.crc32(head(len(body) + 8) + body) ^ 0x5354554E))
    return head(len(body)) + body


def answer(offer: str) -> str:
    """An answer that takes the data channels of an offer."""
    mid = re.search(r"a=mid:(\S+)", offer)[1]
    print_of_nothing = ":".join(["AB"] * 32)
    lines = [
        "v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mid}",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", f"a=mid:{mid}",
        f"a=ice-ufrag:{NAME}", f"a=ice-pwd:{PASSWORD}", f"a=fingerprint:sha-256 {print_of_nothing}",
        "a=setup:active", "a=sctp-port:5000", "",
    ]
    return "\r\n".join(lines)


class Path4571:
    """Datagrams to the server, as they are or in a stream (RFC 4571)."""

    def __init__(self, transport: str, host: str, port: int):
        self.framed = transport == "tcp"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if self.framed else socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        self.socket.connect((host, port))

    def send(self, packets: list[bytes]):
        """Sends them in their order."""
        if self.framed:
            self.socket.sendall(b"".join(struct.pack("!H", len(packet)) + packet for packet in packets))
            return
        for packet in packets:
            self.socket.send(packet)

    def receive(self) -> bytes:
        """What came; an `OSError` if nothing does, or the server has closed."""
        got = self.socket.recv(65_536)
        if self.framed and not got:
            raise ConnectionResetError
        return got[2 * self.framed :]


async def join(session: aiohttp.ClientSession, server: str, room: str, transport: str):
    """Joins until it is known by its address; the WebSocket, the way there, and what shows its key."""
    bearer = {"Authorization": f"Bearer {token('traitor', room)}"}
    query = {"protocol": "16", "auto_subscribe": "0", "sdk": "go", "version": "1.0"}
    wire = await session.ws_connect(f"{server}/rtc", params=query, headers=bearer)
    async for message in wire:
        told = signal.SignalResponse.FromString(message.data)
        if told.WhichOneof("message") == "offer":
            break
    offer = told.offer
    await wire.send_bytes(
        signal.SignalRequest(
            answer=signal.SessionDescription(type="answer", sdp=answer(offer.sdp), id=offer.id)
        ).SerializeToString()
    )
    found = (line.split() for line in offer.sdp.splitlines() if line.startswith("a=candidate:"))
    host, port = next((words[4], int(words[5])) for words in found if words[2].lower() == transport)
    name, password = (re.search(rf"a=ice-{what}:(\S+)", offer.sdp)[1] for what in ("ufrag", "pwd"))
    while True:
        # The first may be there before the answer is.
        try:
            way = Path4571(transport, host, port)
            way.send([binding(name, password)])
            way.socket.settimeout(1)
            while struct.unpack("!H", way.receive()[:2])[0] != 0x0101:
                pass
            way.socket.settimeout(10)
            return wire, way, lambda: binding(name, password)
        except OSError:
            way.socket.close()


async def main():
    """The process."""
    server, room, transport, count, rate = *sys.argv[1:4], *map(int, sys.argv[4:6])
    dice = random.Random(f"{transport} {count}")
    pool = [dice.choice(list(KINDS.values()))(dice, dice.getrandbits(32)) for _ in range(min(count, POOL))]
    sent = sessions = 0
    async with aiohttp.ClientSession() as session:
        began = time.monotonic()
        while sent < count:
            wire, way, greeting = await join(session, server, room, transport)
            sessions += 1
            try:
                while sent < count and not wire.closed:
                    batch = [dice.choice(pool) for _ in range(BATCH)]
                    way.send(batch if sent % GREETING else [greeting(), *batch])
                    sent += BATCH
                    # What comes back is read by nobody; the WebSocket is, for it says when the session is over.
                    way.socket.setblocking(False)
                    try:
                        while way.receive():
                            pass
                    except BlockingIOError:
                        pass
                    way.socket.settimeout(10)
                    try:
                        message = await wire.receive(timeout=max(0.0005, began + sent / rate - time.monotonic()))
                    except TimeoutError:
                        continue
                    if message.type != aiohttp.WSMsgType.BINARY:
                        break
            except OSError:
                pass
            finally:
                way.socket.close()
                await wire.close()
    print(json.dumps({"sent": sent, "sessions": sessions}))


async def betray(server: str, room: str, transport: str, count: int, rate: int) -> dict:
    """Has such a member send so many packets at so many per second; what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harness.traitor", server, room, transport, str(count), str(rate),
        cwd=Path(__file__).parents[1], stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(out)
    finally:
        if process.returncode is None:
            process.kill()


if __name__ == "__main__":
    asyncio.run(main())
