"""A telephone's audio: RTP with PCMU both ways, a tone out, and a measure of what comes in."""

import asyncio
import base64
import math
import os
import random
import struct

import numpy
from pylibsrtp import Policy, Session

from .peer import peak

RATE = 8_000
FRAME = 160
# libsrtp's profile and the bytes of key and salt.
SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}


def _table() -> numpy.ndarray:
    """The sample of each byte of G.711 μ-law (ITU-T G.711)."""
    values = []
    for byte in range(256):
        flipped = ~byte & 0xFF
        magnitude = (((flipped & 0x0F) << 3) + 0x84 << (flipped >> 4 & 7)) - 0x84
        values.append(-magnitude if flipped & 0x80 else magnitude)
    return numpy.array(values, dtype=numpy.int32)


DECODE = _table()
ORDER = numpy.argsort(DECODE, kind="stable")


def encode(samples: numpy.ndarray) -> bytes:
    """The bytes whose samples are nearest."""
    values = DECODE[ORDER]
    right = numpy.clip(numpy.searchsorted(values, samples), 1, 255)
    nearest = numpy.where(samples - values[right - 1] <= values[right] - samples, right - 1, right)
    return ORDER[nearest].astype(numpy.uint8).tobytes()


class Phone(asyncio.DatagramProtocol):
    """One RTP socket; `async with` opens and closes it."""

    def __init__(self, hertz: float = 0, amplitude: int = 8_000, suite: str | None = None, profile: str = "RTP/SAVP"):
        self.hertz, self.amplitude = hertz, amplitude
        self.suite, self.profile = suite, profile if suite else "RTP/AVP"
        self.key_material = os.urandom(SUITES[suite][1]) if suite else b""
        self.outward = self.inward = None
        self.packets: list[tuple[int, int, int, bytes]] = []
        self.sequence, self.timestamp = random.getrandbits(16), random.getrandbits(32)
        self.ssrc = random.getrandbits(32)
        self.remote: tuple[str, int] | None = None
        self.arrived = asyncio.Event()
        self.task: asyncio.Task | None = None
        self.at = 0
        self.also: tuple = ()
        # The payload of every packet, in place of a tone, and its type.
        self.speech: bytes | None = None
        self.speech_type = 0

    async def __aenter__(self) -> "Phone":
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.address = self.transport.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(self, *_):
        if self.task:
            self.task.cancel()
        self.transport.close()

    def offer(self, direction: str = "sendrecv", formats: str = "0") -> bytes:
        """An offer of these static payload types, PCMU unless told otherwise, and telephone-event on this socket."""
        host, port = self.address
        lines = [
            "v=0", f"o=- 1 {random.getrandbits(31)} IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0",
            f"m=audio {port} {self.profile} {formats} 101", "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16", "a=ptime:20", f"a={direction}", "",
        ]
        if self.suite:
            lines.insert(-1, f"a=crypto:1 {self.suite} inline:{base64.b64encode(self.key_material).decode()}")
        return "\r\n".join(lines).encode()

    def talk_to(self, answer: bytes):
        """Begins to send where an SDP answer says."""
        lines = answer.decode().split("\r\n")
        host = next(line.split()[-1] for line in lines if line.startswith("c="))
        port = next(int(line.split()[1]) for line in lines if line.startswith("m=audio"))
        self.remote = (host, port)
        crypto = next((line.split() for line in lines if line.startswith("a=crypto:")), None)
        if crypto:
            assert crypto[1] == self.suite
            theirs = base64.b64decode(crypto[2].removeprefix("inline:").split("|")[0])
            profile = SUITES[self.suite][0]
            self.outward = Session(Policy(self.key_material, Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
            self.inward = Session(Policy(theirs, Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
        if not self.task:
            self.task = asyncio.create_task(self._talk())

    async def _talk(self):
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            times = (numpy.arange(FRAME) + self.at) / RATE
            self.at += FRAME
            voices = [(self.hertz, self.amplitude), *((hertz, 6_000) for hertz in self.also)]
            speech = sum(amplitude * numpy.sin(2 * math.pi * hertz * times) for hertz, amplitude in voices)
            self.send(self.speech_type, self.speech or encode(speech.astype(int)))
            self.timestamp += FRAME
            next_at += 0.02
            await asyncio.sleep(max(0, next_at - loop.time()))

    def send(self, payload_type: int, payload: bytes, marker: bool = False, timestamp: int | None = None):
        """Sends one RTP packet."""
        at = self.timestamp if timestamp is None else timestamp
        head = struct.pack(
            "!BBHII", 0x80, payload_type | marker << 7, self.sequence & 0xFFFF, at & 0xFFFFFFFF, self.ssrc
        )
        self.sequence += 1
        packet = head + payload
        self.transport.sendto(self.outward.protect(packet) if self.outward else packet, self.remote)

    def tones(self, frequencies):
        """Adds these tones to what is said from now on."""
        self.also = frequencies

    def press(self, code: int):
        """Sends a key as RFC 4733 events, the last one three times."""
        at = self.timestamp
        for n, end in ((1, 0), (2, 0), (3, 0), (4, 1), (4, 1), (4, 1)):
            self.send(101, struct.pack("!BBH", code, end << 7 | 10, n * 160), marker=n == 1, timestamp=at)

    def datagram_received(self, data: bytes, _source):
        """Keeps every RTP packet."""
        if len(data) > 12 and data[0] >> 6 == 2 and not 192 <= data[1] <= 223:
            if self.suite:
                if self.inward is None:
                    return
                data = self.inward.unprotect(data)
            _, kind, sequence, timestamp, _ = struct.unpack("!BBHII", data[:12])
            self.packets.append((kind & 0x7F, sequence, timestamp, data[12:]))
            self.arrived.set()

    def error_received(self, _error):
        """Nobody is there yet."""

    async def hear(self, seconds: float = 2.0) -> tuple[float, float]:
        """Frequency and level of what is heard from now on, in the last second of so many."""
        start = len(self.packets)
        wanted = int(seconds * 50)
        async with asyncio.timeout(seconds + 10):
            while len(self.packets) < start + wanted:
                self.arrived.clear()
                await self.arrived.wait()
        speech = b"".join(payload for kind, _, _, payload in self.packets[start:] if kind == 0)
        samples = DECODE[numpy.frombuffer(speech, dtype=numpy.uint8)].astype(float)
        return peak(samples[-RATE:], RATE)

    def keys(self) -> list[int]:
        """The RFC 4733 event codes heard, one for each timestamp."""
        seen: dict[int, int] = {}
        for kind, _, timestamp, payload in self.packets:
            if kind == 101 and len(payload) >= 4:
                seen.setdefault(timestamp, payload[0])
        return list(seen.values())
