"""A SIP far end in a few lines, for what is easier to see here than in a sipp scenario."""

import asyncio
import itertools
import random
import re

from . import wire
from .sipp import Message

SERIAL = itertools.count(1)


def sdp(address: tuple[str, int], direction: str = "sendrecv", version: int = 1) -> bytes:
    """An offer of PCMU."""
    kind = wire.family(address[0])
    lines = [
        "v=0", f"o=- 4711 {version} IN {kind} {address[0]}", "s=-", f"c=IN {kind} {address[0]}", "t=0 0",
        "m=audio 40000 RTP/AVP 0 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000",
        "a=ptime:20", f"a={direction}", "",
    ]
    return "\r\n".join(lines).encode()


def uri_of(value: bytes) -> str:
    """The URI of a name-addr."""
    found = re.search(rb"<([^>]*)>", value)
    return (found[1] if found else value.split(b";")[0]).decode()


class FarEnd(asyncio.DatagramProtocol):
    """One socket, of UDP unless another `kind` is named; `async with` opens and closes it."""

    def __init__(self, host: str = "127.0.0.1", kind: str = "udp"):
        self.host, self.kind = host, kind
        self.received: list[Message] = []
        self.arrived = asyncio.Event()
        self.answer_byes = True

    async def __aenter__(self) -> "FarEnd":
        self.transport = await wire.open_wire(self, self.host, self.kind)
        self.address = self.transport.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(self, *_):
        self.transport.close()

    @property
    def place(self) -> str:
        """`host:port`, as a trunk names it."""
        return wire.of(self.address)

    @property
    def contact(self) -> str:
        """Its URI."""
        return f"sip:far@{self.place}" + (f";transport={self.kind}" if self.kind != "udp" else "")

    def datagram_received(self, data: bytes, source):
        """Keeps every message; a BYE and a NOTIFY are answered at once."""
        if not data.strip():
            return
        message = Message(False, data)
        self.received.append(message)
        if message.is_request and self.answer_byes and message.start.startswith((b"BYE ", b"NOTIFY ")):
            self.transport.sendto(self.response(message, "200 OK"), source)
        self.arrived.set()

    def error_received(self, _error):
        """Nobody is there yet: the request is sent again."""

    def response(self, request: Message, status: str) -> bytes:
        """A response without a body."""
        copied = [line for name in ("Via", "From", "To", "Call-ID", "CSeq") for line in self.lines(request, name)]
        return b"\r\n".join([f"SIP/2.0 {status}".encode(), *copied, b"Content-Length: 0", b"", b""])

    @staticmethod
    def lines(message: Message, name: str) -> list[bytes]:
        """A header's lines."""
        return [name.encode() + b": " + value for value in message.all(name)]

    async def wait(self, wanted, what: str, seconds: float = 10) -> Message:
        """The first message that is wanted, perhaps one that is here already."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for message in self.received:
                        if wanted(message):
                            return message
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError:
            seen = [message.start.decode(errors="replace") for message in self.received]
            raise AssertionError(f"not within {seconds} s: {what}; seen: {seen}") from None

    async def request(self, server, raw: bytes, call_id: str, cseq: str, seconds: float = 10) -> Message:
        """Sends a request, again after T1, 2·T1 …, until its final response is here."""
        again = asyncio.create_task(self.repeat(server, raw))
        try:
            return await self.wait(lambda m: self.is_final(m, call_id, cseq), f"final response to {cseq}", seconds)
        finally:
            again.cancel()

    async def repeat(self, server, raw: bytes):
        """RFC 3261, timers A and E."""
        pause = 0.5
        while True:
            self.transport.sendto(raw, server)
            # A stream loses nothing.
            await asyncio.sleep(pause if self.kind == "udp" else 3600)
            pause = min(2 * pause, 4)

    @staticmethod
    def is_final(message: Message, call_id: str, cseq: str) -> bool:
        """Whether it is the final response to that request."""
        return (
            not message.is_request
            and not message.start.startswith(b"SIP/2.0 1")
            and message.get("Call-ID") == call_id.encode()
            and message.get("CSeq") == cseq.encode()
        )

    def via(self) -> str:
        """A Via with a new branch."""
        return f"SIP/2.0/{self.kind.upper()} {self.place};branch=z9hG4bK{random.getrandbits(64):x};rport"

    async def options(self, server, seconds: float = 10) -> Message:
        """Asks whether somebody is there."""
        return await self.outside(server, "OPTIONS", seconds=seconds)

    async def outside(self, server, method: str, headers: dict | None = None, body: bytes = b"", seconds: float = 10):
        """A request outside any dialog, and its final response."""
        call_id = f"{method.lower()}{next(SERIAL)}@{wire.bracketed(self.host)}"
        uri = f"sip:{wire.of(server)}"
        raw = message_bytes(
            f"{method} {uri} SIP/2.0",
            {"Via": self.via(), "From": f"<sip:probe@{wire.bracketed(self.host)}>;tag=p", "To": f"<{uri}>",
             "Call-ID": call_id, "CSeq": f"1 {method}", "Max-Forwards": "70", "Contact": f"<{self.contact}>",
             **(headers or {})},
            body,
        )
        return await self.request(server, raw, call_id, f"1 {method}", seconds)

    async def call(
        self,
        server,
        number: str,
        caller: str = "+15557654321",
        headers: dict | None = None,
        body: bytes | None = None,
    ) -> "Dialog":
        """Places a call; the dialog holds the final response. Without a body nobody listens to RTP."""
        dialog = Dialog(self, server, number, caller)
        await dialog.invite(headers or {}, body=body)
        return dialog


def message_bytes(start: str, headers: dict[str, str] | list[tuple[str, str]], body: bytes = b"") -> bytes:
    """A message from its parts."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    lines = [start, *(f"{name}: {value}" for name, value in pairs), f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class Dialog:
    """The caller's side of one dialog."""

    def __init__(self, far_end: FarEnd, server, number: str, caller: str):
        self.far_end = far_end
        self.server = server
        self.call_id = f"far{next(SERIAL)}-{random.getrandbits(48):x}@{wire.bracketed(far_end.host)}"
        self.cseq = 0
        self.target = f"sip:{number}@{wire.of(server)}"
        self.local = f'"Caller" <sip:{caller}@{wire.bracketed(far_end.host)}>;tag={random.getrandbits(32):x}'
        self.remote = f"<{self.target}>"
        self.routes: list[str] = []
        self.final: Message | None = None

    @property
    def status(self) -> int:
        """The status of the last final response."""
        return int(self.final.start.split()[1])

    def build(self, method: str, more: dict[str, str], body: bytes = b"", cseq: int | None = None) -> bytes:
        """A request within or at the start of the dialog."""
        contact = f"<{self.far_end.contact}>"
        headers = [
            ("Via", self.far_end.via()),
            *(("Route", route) for route in self.routes),
            ("From", self.local), ("To", self.remote), ("Call-ID", self.call_id),
            ("CSeq", f"{cseq or self.cseq} {method}"), ("Contact", contact), ("Max-Forwards", "70"),
            *more.items(),
        ]
        return message_bytes(f"{method} {self.target} SIP/2.0", headers, body)

    async def send(self, method: str, more: dict[str, str], body: bytes = b"") -> Message:
        """Sends a request and waits for its final response; for that of an INVITE as long as an agent may take."""
        self.cseq += 1
        raw = self.build(method, more, body)
        seconds = 32 if method == "INVITE" else 10
        self.final = await self.far_end.request(self.server, raw, self.call_id, f"{self.cseq} {method}", seconds)
        return self.final

    async def invite(
        self, headers: dict[str, str], direction: str = "sendrecv", body: bytes | None = None
    ) -> Message:
        """Sends an INVITE or re-INVITE and acknowledges what comes."""
        body = body or sdp(self.far_end.address, direction, self.cseq + 1)
        final = await self.send("INVITE", {**headers, "Content-Type": "application/sdp"}, body)
        if 200 <= self.status < 300:
            self.remote = final.get("To").decode()
            self.target = uri_of(final.get("Contact"))
            self.routes = [value.decode() for value in reversed(final.all("Record-Route"))]
            self.far_end.transport.sendto(self.build("ACK", {}), self.server)
        return final

    async def bye(self) -> Message:
        """Hangs up."""
        return await self.send("BYE", {})

    async def wait_bye(self, seconds: float = 10) -> Message:
        """The other side's BYE."""
        return await self.far_end.wait(
            lambda m: m.start.startswith(b"BYE ") and m.get("Call-ID") == self.call_id.encode(), "a BYE", seconds
        )
