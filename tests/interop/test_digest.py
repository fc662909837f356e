"""A trunk that wants a digest over the body too, and others who would like to see one and do not."""

import asyncio
import hashlib
import re

import pytest
from livekit import api

from harness import five9, outbound
from harness.callee import Callee
from harness.farend import FarEnd
from harness.server import Trunkline

REALM, USER, PASSWORD = "sip.example.com", "carol", "s3cret-of-the-trunk"
HASH = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@pytest.fixture
async def server(tmp_path):
    """A server without a default."""
    trunkline = await Trunkline(tmp_path).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


def right(message, algorithm: str, method: str) -> bool:
    """Whether the digest with `qop=auth-int` fits the request and its body, computed here."""

    def digest(text: bytes) -> str:
        return HASH[algorithm](text).hexdigest()

    shown = message.get("Authorization").decode()
    given = {n: q or v for n, q, v in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]*))', shown)}
    assert (given["qop"], given["username"], given["realm"]) == ("auth-int", USER, REALM), shown
    uri = message.start.split()[1].decode()
    assert given["uri"] == uri
    whole = message.raw.split(b"\r\n\r\n", 1)[1]
    first = digest(f"{USER}:{REALM}:{PASSWORD}".encode())
    second = digest(f"{method}:{uri}:{digest(whole)}".encode())
    middle = ":".join(given[name] for name in ("nonce", "nc", "cnonce", "qop"))
    return given["response"] == digest(f"{first}:{middle}:{second}".encode())


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_the_body_is_part_of_the_digest_where_that_is_asked_for(server, lk, algorithm):
    """Kamailio asks for `auth-int` but leaves the body out when it checks: here it counts."""
    challenge = f'Digest realm="{REALM}", nonce="n1", algorithm={algorithm}, qop="auth-int"'

    async def asks(call):
        call.respond("401 Unauthorized", [("WWW-Authenticate", challenge)])
        call.invite = await call.request("INVITE", after=1)
        await call.answer(600)

    async with Callee(asks) as callee:
        trunk = await outbound.trunk(lk, callee.place, auth_username=USER, auth_password=PASSWORD)
        made = await lk.sip.create_sip_participant(outbound.request(trunk, wait_until_answered=True))
        call = await callee.call()
        assert right(call.invite, algorithm, "INVITE")
        await lk.room.delete_room(api.DeleteRoomRequest(room=made.room_name))
        assert right(await call.request("BYE"), algorithm, "BYE")


def secrets(messages) -> list:
    """Requests that show credentials."""
    return [m for m in messages if m.all("Authorization") or m.all("Proxy-Authorization")]


CHALLENGE = f'Digest realm="{REALM}", nonce="n1", algorithm=MD5, qop="auth"'


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
async def test_a_caller_that_challenges_us_learns_nothing(server, lk, method):
    """Not even where an outbound trunk of the same address has credentials."""
    async with FarEnd() as far_end:
        await five9.set_up(lk)
        await outbound.trunk(lk, "%s:%d" % far_end.address, auth_username=USER, auth_password=PASSWORD)
        far_end.answer_byes = False
        dialog = await far_end.call(server.sip, five9.NUMBER)
        assert dialog.status == 200
        room, participant = await five9.only_caller(lk)
        if method == "BYE":
            await five9.delete_room(lk, room, "")
        else:
            hold = {"room": room, "identity": participant.identity}
            holding = asyncio.create_task(server.twirp("trunkline.Calls/Hold", hold))
        request = await far_end.wait(lambda m: m.start.startswith(method.encode() + b" "), f"our {method}")
        lines = far_end.response(request, "401 Unauthorized").split(b"\r\n")
        lines.insert(-3, b"WWW-Authenticate: " + CHALLENGE.encode())
        far_end.transport.sendto(b"\r\n".join(lines), server.sip)
        if method == "INVITE":
            with pytest.raises(AssertionError, match="401"):
                await holding
            far_end.answer_byes = True
            await five9.delete_room(lk, room, "")
            await dialog.wait_bye()
        await outbound.only_record(server)
        assert secrets(far_end.received) == []


async def test_a_stranger_that_challenges_us_learns_nothing(server, lk):
    """Its answer has the right branch, but comes from elsewhere."""
    async with Callee() as callee, FarEnd("127.0.0.2") as stranger:
        trunk = await outbound.trunk(lk, callee.place, auth_username=USER, auth_password=PASSWORD)
        await lk.sip.create_sip_participant(outbound.request(trunk, wait=False))
        call = await callee.call()
        forged = call.response(call.invite, "401 Unauthorized", [("WWW-Authenticate", CHALLENGE)])
        stranger.transport.sendto(forged, call.source)
        # What the trunk's own peer says afterwards is answered; then everything before has been dealt with.
        call.respond("486 Busy Here")
        await outbound.only_record(server)
        assert secrets(call.received) == [] and secrets(stranger.received) == []
