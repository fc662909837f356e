"""A SIP far end that is called: it plays what a script says, with RTP of its own."""

import asyncio
import math
import random
import re
import ssl
import struct
import time

import numpy

from . import wire
from .farend import message_bytes, uri_of
from .sipp import Message

RATE = 8_000
FRAME = 160


def table() -> numpy.ndarray:
    """G.711 μ-law to linear (ITU-T G.711)."""
    codes = ~numpy.arange(256, dtype=numpy.uint8)
    exponent, mantissa = (codes >> 4) & 7, (codes & 15).astype(int)
    level = (((mantissa << 3) + 132) << exponent) - 132
    return numpy.where(codes & 0x80, -level, level).astype(float)


LINEAR = table()


def encoded(samples: numpy.ndarray) -> bytes:
    """Linear to G.711 μ-law, by the nearest of the values there are."""
    order = numpy.argsort(LINEAR)
    at = numpy.clip(numpy.searchsorted(LINEAR[order], samples), 0, 255)
    return order[at].astype(numpy.uint8).tobytes()


class Sound(asyncio.DatagramProtocol):
    """An RTP socket: says a tone, keeps what it hears and the digits."""

    def __init__(self, host: str):
        self.host = host
        self.heard: list[tuple[float, bytes]] = []
        self.digits: list[str] = []
        self.seen_digits: set[int] = set()
        self.event_type = 101
        self.task = None
        self.sent = 0

    async def open(self) -> int:
        """Binds it; the port."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
        return self.transport.get_extra_info("sockname")[1]

    def close(self):
        """Ends it."""
        if self.task:
            self.task.cancel()
        self.transport.close()

    def error_received(self, _error):
        """Nobody is there any more."""

    def datagram_received(self, data: bytes, _source):
        """Keeps audio and digits."""
        if len(data) < 12:
            return
        kind, stamp = data[1] & 0x7F, struct.unpack(">I", data[4:8])[0]
        if kind == 0:
            self.heard.append((time.monotonic(), data[12:]))
        elif kind == self.event_type and len(data) >= 16 and stamp not in self.seen_digits:
            self.seen_digits.add(stamp)
            self.digits.append("0123456789*#ABCD"[data[12]] if data[12] < 16 else "?")

    def say(self, hertz: float, target: tuple[str, int], amplitude: int = 8_000):
        """Says a tone to there from now on."""
        if self.task:
            self.task.cancel()
        self.task = asyncio.create_task(self._say(hertz, target, amplitude))

    async def _say(self, hertz: float, target: tuple[str, int], amplitude: int):
        number, source, began = random.getrandbits(16), random.getrandbits(32), time.monotonic()
        for at in range(1 << 30):
            times = (numpy.arange(FRAME) + at * FRAME) / RATE
            payload = encoded(amplitude * numpy.sin(2 * math.pi * hertz * times))
            head = struct.pack(">BBHII", 0x80, 0, (number + at) & 0xFFFF, (at * FRAME) & 0xFFFFFFFF, source)
            self.transport.sendto(head + payload, target)
            self.sent += 1
            await asyncio.sleep(max(0, began + (at + 1) * 0.02 - time.monotonic()))

    def samples(self) -> numpy.ndarray:
        """All that was heard."""
        return LINEAR[numpy.frombuffer(b"".join(payload for _, payload in self.heard), dtype=numpy.uint8)]

    async def tone(self, seconds: float = 15) -> tuple[float, float]:
        """The loudest frequency and the level of a second, once a second with sound is here."""
        deadline = time.monotonic() + seconds
        while True:
            last = self.samples()[-RATE:]
            if len(last) == RATE and numpy.sqrt(numpy.mean(last**2)) > 300:
                spectrum = numpy.abs(numpy.fft.rfft(last * numpy.hanning(RATE)))
                spectrum[:50] = 0
                return float(numpy.argmax(spectrum)), float(numpy.sqrt(numpy.mean(last**2)))
            assert time.monotonic() < deadline, f"silence for {seconds} s; {len(self.heard)} packets came"
            await asyncio.sleep(0.05)


class Incoming:
    """One call that arrived."""

    def __init__(self, callee: "Callee", invite: Message, source):
        self.callee, self.invite, self.source = callee, invite, source
        self.tag = f"{random.getrandbits(40):x}"
        self.received: list[Message] = [invite]
        self.arrived = asyncio.Event()
        self.cseq = 100
        self.sound: Sound | None = None
        self.go = asyncio.Event()
        """For scripts that wait until they are told."""
        self.gives_up = True
        """A CANCEL ends the INVITE with 487, as it has to."""

    def response(self, request: Message, status: str, headers=(), body: bytes = b"", tag: str | None = None) -> bytes:
        """A response to a request of this call."""
        lines = [f"SIP/2.0 {status}".encode()]
        for name in ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq"):
            for value in request.all(name):
                if name == "To" and b";tag=" not in value and not status.startswith("100"):
                    value += f";tag={tag or self.tag}".encode()
                lines.append(name.encode() + b": " + value)
        lines.append(f"Contact: <{self.callee.contact}>".encode())
        lines += [f"{name}: {value}".encode() for name, value in headers]
        if body:
            lines.append(b"Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}".encode())
        return b"\r\n".join([*lines, b"", body])

    def respond(self, status: str, headers=(), body: bytes = b"", request: Message | None = None, tag=None):
        """Sends one, to where the request came from."""
        self.callee.transport.sendto(self.response(request or self.invite, status, headers, body, tag), self.source)

    async def media(self) -> bytes:
        """Opens RTP and gives the answer to the offer: PCMU, and digits if they were offered."""
        if self.sound is None:
            self.sound = Sound(self.callee.host)
            self.port = await self.sound.open()
            self.callee.sounds.append(self.sound)
        offer = self.invite.body.decode()
        events = re.search(r"a=rtpmap:(\d+) telephone-event/8000", offer)
        family = wire.family(self.callee.host)
        lines = ["v=0", f"o=- 1 1 IN {family} {self.callee.host}", "s=-", f"c=IN {family} {self.callee.host}", "t=0 0"]
        for kind, profile in re.findall(r"^m=(\w+) \d+ (\S+)", offer, re.MULTILINE):
            if (kind, profile) != ("audio", "RTP/AVP"):
                lines.append(f"m={kind} 0 {profile} 0")
                continue
            lines.append(f"m=audio {self.port} RTP/AVP 0" + (f" {events[1]}" if events else ""))
            lines.append("a=rtpmap:0 PCMU/8000")
            if events:
                self.sound.event_type = int(events[1])
                lines += [f"a=rtpmap:{events[1]} telephone-event/8000", f"a=fmtp:{events[1]} 0-15"]
            lines += ["a=ptime:20", "a=sendrecv"]
        return "\r\n".join([*lines, ""]).encode()

    @property
    def theirs(self) -> tuple[str, int]:
        """Where the offer wants RTP."""
        offer = self.invite.body.decode()
        host = re.search(r"^c=IN IP[46] (\S+)", offer, re.MULTILINE)[1]
        return host, int(re.search(r"^m=audio (\d+) RTP/AVP ", offer, re.MULTILINE)[1])

    async def answer(self, hertz: float | None = 600, headers=(), body: bytes | None = None):
        """200 with an answer, again and again until the ACK is here; then a tone."""
        body = await self.media() if body is None else body
        pause = 0.5
        while True:
            self.respond("200 OK", headers, body)
            try:
                await self.request("ACK", pause)
                break
            except AssertionError:
                pause = min(2 * pause, 4)
                assert pause < 4, "no ACK"
        if hertz and self.sound:
            self.sound.say(hertz, self.theirs)

    async def request(self, method: str, seconds: float = 15, after: int = 0) -> Message:
        """The request of that method, perhaps one that is here already, behind so many of them."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = [m for m in self.received if m.start.startswith(method.encode() + b" ")]
                    if len(found) > after:
                        return found[after]
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError:
            seen = [message.start.decode(errors="replace") for message in self.received]
            raise AssertionError(f"no {method} within {seconds} s; came: {seen}") from None

    async def send(self, method: str, headers=(), body: bytes = b"") -> Message:
        """A request of ours in the dialog, and its final response."""
        self.cseq += 1
        kind, branch = self.callee.kind.upper(), f"z9hG4bK{random.getrandbits(64):x}"
        fields = [
            ("Via", f"SIP/2.0/{kind} {self.callee.place};branch={branch};rport"),
            *(("Route", value.decode()) for value in self.invite.all("Record-Route")),
            ("From", f"{self.invite.get('To').decode()};tag={self.tag}"), ("To", self.invite.get("From").decode()),
            ("Call-ID", self.invite.get("Call-ID").decode()), ("CSeq", f"{self.cseq} {method}"),
            ("Contact", f"<{self.callee.contact}>"), ("Max-Forwards", "70"), *headers,
        ]
        raw = message_bytes(f"{method} {uri_of(self.invite.get('Contact'))} SIP/2.0", fields, body)
        cseq = f"{self.cseq} {method}".encode()
        for pause in (0.5, 1, 2, 4):
            self.callee.transport.sendto(raw, self.source)
            try:
                async with asyncio.timeout(pause):
                    while True:
                        for m in self.received:
                            final = not m.is_request and m.get("CSeq") == cseq and not m.start.startswith(b"SIP/2.0 1")
                            if final:
                                return m
                        self.arrived.clear()
                        await self.arrived.wait()
            except TimeoutError:
                pass
        raise AssertionError(f"no answer to {method}")

    async def notify(self, sipfrag: str, state: str = "active;expires=60", cseq: str | None = None) -> Message:
        """NOTIFY of a transfer (RFC 3515)."""
        event = f"refer;id={cseq}" if cseq else "refer"
        headers = [("Event", event), ("Subscription-State", state), ("Content-Type", "message/sipfrag;version=2.0")]
        return await self.send("NOTIFY", headers, f"{sipfrag}\r\n".encode())


class Callee(asyncio.DatagramProtocol):
    """One socket, of UDP unless another `kind` is named; `script(call)` says what becomes of a call.
    BYE, CANCEL and OPTIONS are answered."""

    def __init__(self, script=None, host: str = "127.0.0.1", kind: str = "udp", tls: ssl.SSLContext | None = None):
        self.host, self.script, self.kind, self.tls = host, script, kind, tls
        self.outside: list[Message] = []
        """Requests that belong to no call."""
        self.calls: list[Incoming] = []
        self.sounds: list[Sound] = []
        self.tasks: list[asyncio.Task] = []
        self.arrived = asyncio.Event()

    async def __aenter__(self) -> "Callee":
        self.transport = await wire.open_wire(self, self.host, self.kind, self.tls)
        self.address = self.transport.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(self, kind, *_):
        for task in self.tasks:
            if kind is None and task.done() and not task.cancelled() and (error := task.exception()):
                raise error
            task.cancel()
        for sound in self.sounds:
            sound.close()
        self.transport.close()

    @property
    def place(self) -> str:
        """`host:port`, as a trunk names it."""
        return wire.of(self.address)

    @property
    def contact(self) -> str:
        """Its URI."""
        return f"sip:callee@{self.place}" + (f";transport={self.kind}" if self.kind != "udp" else "")

    def error_received(self, _error):
        """Nobody is there any more."""

    def datagram_received(self, data: bytes, source):
        """Hands a message to its call; a new INVITE is a new one."""
        if not data.strip():
            return
        message = Message(False, data)
        call_id = message.get("Call-ID")
        call = next((c for c in self.calls if c.invite.get("Call-ID") == call_id), None)
        if call is None:
            if not message.start.startswith(b"INVITE "):
                self.outside.append(message)
                if message.is_request and not message.start.startswith(b"ACK "):
                    self.transport.sendto(Incoming(self, message, source).response(message, "200 OK"), source)
                return
            call = Incoming(self, message, source)
            self.calls.append(call)
            self.arrived.set()
            if self.script:
                self.tasks.append(asyncio.create_task(self.script(call)))
            return
        again = message.is_request and any(m.raw == data for m in call.received)
        if not again:
            call.received.append(message)
        if message.start.startswith((b"BYE ", b"CANCEL ")):
            call.respond("200 OK", request=message)
            if message.start.startswith(b"CANCEL ") and not again and call.gives_up:
                call.respond("487 Request Terminated")
        if message.start.startswith(b"BYE "):
            for sound in filter(None, [call.sound]):
                if sound.task:
                    sound.task.cancel()
        call.arrived.set()

    async def call(self, number: int = 0, seconds: float = 15) -> Incoming:
        """The call that came as that one."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.calls) <= number:
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError:
            raise AssertionError(f"no call within {seconds} s") from None
        return self.calls[number]


def answers(hertz: float | None = 600, headers=(), ring: bool = True):
    """A script: it rings and is answered."""

    async def script(call: Incoming):
        if ring:
            call.respond("180 Ringing")
        await call.answer(hertz, headers)

    return script


def refuses(status: str, headers=(), body: bytes = b""):
    """A script: it rings and is refused with this status."""

    async def script(call: Incoming):
        call.respond("180 Ringing")
        call.respond(status, headers, body)

    return script


async def rings(call: Incoming):
    """A script: nobody answers."""
    call.respond("180 Ringing")
