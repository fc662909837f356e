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


ENDS = [("udp", "127.0.0.1"), ("tcp", "127.0.0.1"), ("udp", "::1"), ("tcp", "::1")]
NAMES = [f"{kind}-{'v6' if ':' in host else 'v4'}" for kind, host in ENDS]
TRANSPORTS = {"udp": api.SIP_TRANSPORT_UDP, "tcp": api.SIP_TRANSPORT_TCP}
CHALLENGES = [("401 Unauthorized", "WWW-Authenticate"), ("407 Proxy Authentication Required", "Proxy-Authenticate")]


@pytest.fixture(params=ENDS, ids=NAMES)
async def place(request, tmp_path):
    """A server without a default on an address, and how it is spoken to there."""
    kind, host = request.param
    trunkline = await Trunkline(tmp_path, {"listen_ip": host}).start()
    try:
        async with trunkline.client() as client:
            yield trunkline, client, kind, host
    finally:
        await trunkline.stop()


def challenged(answer: bytes, status: str, header: str) -> bytes:
    """The response with this status and a challenge."""
    lines = answer.split(b"\r\n")
    lines[0] = f"SIP/2.0 {status}".encode()
    lines.insert(1, f"{header}: {CHALLENGE}".encode())
    return b"\r\n".join(lines)


async def credentials_for(lk, far_end, kind: str, **more) -> str:
    """An outbound trunk with credentials to the very address of a far end."""
    more |= {"auth_username": USER, "auth_password": PASSWORD, "transport": TRANSPORTS[kind]}
    return await outbound.trunk(lk, far_end.place, **more)


# Whatever a caller may challenge: how we are made to say it, and our method.
async def our_bye(server, lk, room, identity):
    await five9.delete_room(lk, room, "")


async def our_reinvite(server, lk, room, identity):
    with pytest.raises(AssertionError, match="40[17]"):
        await server.twirp("trunkline.Calls/Hold", {"room": room, "identity": identity})


async def our_refer(server, lk, room, identity):
    request = api.TransferSIPParticipantRequest(room_name=room, participant_identity=identity, transfer_to="tel:+1")
    assert (await outbound.refused(lk.sip.transfer_sip_participant(request))).sip_transfer_reason


SAID = {"BYE": our_bye, "INVITE": our_reinvite, "REFER": our_refer}


@pytest.mark.parametrize("method", SAID)
async def test_a_caller_that_challenges_us_learns_nothing(place, method):
    """Not even where an outbound trunk of the same address has credentials."""
    server, lk, kind, host = place
    async with FarEnd(host, kind) as far_end:
        await five9.set_up(lk)
        await credentials_for(lk, far_end, kind)
        far_end.answer_byes = False
        dialog = await far_end.call(server.sip_over(kind), five9.NUMBER)
        assert dialog.status == 200
        room, participant = await five9.only_caller(lk)
        saying = asyncio.create_task(SAID[method](server, lk, room, participant.identity))
        request = await far_end.wait(lambda m: m.start.startswith(method.encode() + b" "), f"our {method}")
        challenge = CHALLENGES[method == "REFER"]
        far_end.transport.sendto(challenged(far_end.response(request, "401"), *challenge), dialog.server)
        await saying
        if method != "BYE":
            far_end.answer_byes = True
            await five9.delete_room(lk, room, "")
            await dialog.wait_bye()
        await outbound.only_record(server)
        assert secrets(far_end.received) == []


@pytest.mark.parametrize("challenge", CHALLENGES, ids=["401", "407"])
async def test_the_trunks_own_peer_is_told(place, challenge):
    """What the others must not see is there to be seen."""
    server, lk, kind, host = place

    async def asks(call):
        call.respond(challenge[0], [(challenge[1], CHALLENGE)])
        await call.request("INVITE", after=1)
        call.respond("486 Busy Here", request=call.received[-1])

    async with Callee(asks, host, kind) as callee:
        trunk = await credentials_for(lk, callee, kind)
        error = await outbound.refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert error.sip_status_code == 486
        assert len(secrets((await callee.call()).received)) == 1


@pytest.mark.parametrize("challenge", CHALLENGES, ids=["401", "407"])
async def test_a_stranger_that_challenges_us_learns_nothing(place, challenge):
    """Its answer has the right branch, but comes from elsewhere."""
    server, lk, kind, host = place
    async with Callee(None, host, kind) as callee, FarEnd(elsewhere(host), kind) as stranger:
        trunk = await credentials_for(lk, callee, kind)
        await lk.sip.create_sip_participant(outbound.request(trunk, wait=False))
        call = await callee.call()
        forged = call.response(call.invite, challenge[0], [(challenge[1], CHALLENGE)])
        stranger.transport.sendto(forged, server.sip_over(kind))
        # What the server answers the stranger afterwards shows that it has dealt with what came before.
        assert (await stranger.options(server.sip_over(kind))).start == b"SIP/2.0 200 OK"
        if stranger.host == host:
            # Nobody can tell the two of them apart by their address: what is said is said to the trunk's peer.
            call.respond("486 Busy Here", request=await call.request("INVITE", after=1))
        await outbound.only_record(server)
        assert secrets(stranger.received) == []
        if stranger.host != host:
            assert secrets(call.received) == []


async def test_a_probe_is_nobody_elses_login(place):
    """OPTIONS to a target that a route of the trunk leads to: it may challenge as it likes."""
    server, lk, kind, host = place
    async with FarEnd(host, kind) as stranger:
        trunk = await outbound.trunk(
            lk, "far.example.com", auth_username=USER, auth_password=PASSWORD, transport=TRANSPORTS[kind]
        )
        options = {"outbound_proxy": f"sip:{stranger.place};lr;transport={kind}", "probe_interval": 5}
        await server.twirp("trunkline.Options/SetOptions", {"trunk_id": trunk, "options": options})
        asked = await stranger.wait(lambda m: m.start.startswith(b"OPTIONS "), "a probe", 20)
        for status, header in CHALLENGES:
            answer = challenged(stranger.response(asked, "401"), status, header)
            stranger.transport.sendto(answer, server.sip_over(kind))
        again = lambda m: m.start.startswith(b"OPTIONS ") and m.get("CSeq") != asked.get("CSeq")  # noqa: E731
        await stranger.wait(again, "another", 20)
        assert secrets(stranger.received) == []


def elsewhere(host: str) -> str:
    """Another address of this machine, where it has one."""
    return host if ":" in host else "127.0.0.2"
