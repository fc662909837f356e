"""A SIP far end that is called: it rings, answers, and hears who hangs up."""

import asyncio
import random

from .farend import Dialog, FarEnd
from .sipp import Message


class Callee(FarEnd):
    """One UDP socket that takes calls; `async with` opens and closes it."""

    async def called(self, seconds: float = 20) -> "Incoming":
        """The next call, once it is here; 180 is sent."""
        taken = {m.get("Call-ID") for m in getattr(self, "taken", [])}
        wanted = lambda m: m.start.startswith(b"INVITE ") and m.get("Call-ID") not in taken and b";tag=" not in m.get("To")  # noqa: E731
        invite = await self.wait(wanted, "an INVITE", seconds)
        self.taken = [*getattr(self, "taken", []), invite]
        return Incoming(self, invite)


class Incoming(Dialog):
    """The called side of one dialog."""

    def __init__(self, far_end: FarEnd, invite: Message):
        # What the server's address is stands in its own Via.
        sent_by = invite.get("Via").split()[1].split(b";")[0].decode()
        host, _, port = sent_by.rpartition(":")
        super().__init__(far_end, (host, int(port)), "unused", "unused")
        self.offer = invite
        self.call_id = invite.get("Call-ID").decode()
        self.tag = f"{random.getrandbits(32):x}"
        self.local = f"{invite.get('To').decode()};tag={self.tag}"
        self.remote = invite.get("From").decode()
        self.target = invite.get("Contact").decode().split("<")[1].split(">")[0]
        self.routes = [value.decode() for value in invite.all("Record-Route")]
        self.respond("180 Ringing")

    def respond(self, status: str, body: bytes = b""):
        """Answers the INVITE."""
        copied = [line for name in ("Via", "From", "Call-ID", "CSeq") for line in self.far_end.lines(self.offer, name)]
        host, port = self.far_end.address
        more = [f"To: {self.local}".encode(), f"Contact: <sip:callee@{host}:{port}>".encode()]
        if body:
            more.append(b"Content-Type: application/sdp")
        head = [f"SIP/2.0 {status}".encode(), *copied, *more, f"Content-Length: {len(body)}".encode(), b"", b""]
        self.far_end.transport.sendto(b"\r\n".join(head) + body, self.server)

    async def answer(self, phone):
        """200 until it is acknowledged; `phone` talks and listens from then on."""
        phone.talk_to(self.offer.raw.split(b"\r\n\r\n", 1)[1])
        again = asyncio.create_task(self.repeat_answer(phone.offer()))
        try:
            mine = self.call_id.encode()
            await self.far_end.wait(lambda m: m.start.startswith(b"ACK ") and m.get("Call-ID") == mine, "an ACK")
        finally:
            again.cancel()

    async def repeat_answer(self, body: bytes):
        """RFC 3261 §13.3.1.4."""
        pause = 0.5
        while True:
            self.respond("200 OK", body)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 4)
