"""Calls out and transfers with the far ends of `trunkline sim persona`, over every transport and through
proxies that record their route."""

import pytest
from livekit import api
from livekit.protocol.sip import STR_COMPLETED, TransferSIPParticipantRequest

from harness import outbound
from harness.outbound import CALLED, refused
from harness.persona import Persona
from harness.server import Trunkline

IDENTITY = f"sip_{CALLED}"
TEL = "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support"
TRANSPORTS = {"udp": api.SIP_TRANSPORT_UDP, "tcp": api.SIP_TRANSPORT_TCP, "tls": api.SIP_TRANSPORT_TLS}


async def transferred(server: Trunkline, lk: api.LiveKitAPI, trunk: str, given: str):
    """Calls, transfers and gives the record."""
    await lk.sip.create_sip_participant(outbound.request(trunk))
    request = TransferSIPParticipantRequest(room_name="out", participant_identity=IDENTITY, transfer_to=given)
    reply = await lk.sip.transfer_sip_participant(request)
    assert reply.reason == STR_COMPLETED
    return await outbound.only_record(server)


@pytest.mark.parametrize("given", [TEL, f"<{TEL}>"], ids=["bare", "in-brackets"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_invoca_gets_every_byte(server, lk, transport, given):
    async with Persona("invoca", transport=transport) as invoca:
        trunk = await outbound.trunk(lk, invoca.place, transport=TRANSPORTS[transport])
        record = await transferred(server, lk, trunk, given)
        assert (await invoca.event("refer_to"))["value"] == f"<{TEL}>"
        assert record["ending"]["reason"] == "transferred"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_invoca_gets_every_byte_through_two_proxies(server, lk, transport):
    async with (
        Persona("invoca", transport=transport) as invoca,
        Persona("proxy", "--set", f"next={invoca.place}", transport=transport) as inner,
        Persona("proxy", "--set", f"next={inner.place}", transport=transport) as outer,
    ):
        trunk = await outbound.trunk(lk, invoca.place, transport=TRANSPORTS[transport])
        options = {"outbound_proxy": f"sip:{outer.place};lr"}
        await server.twirp("trunkline.Options/SetOptions", {"trunk_id": trunk, "options": options})
        await transferred(server, lk, trunk, TEL)
        assert (await invoca.event("refer_to"))["value"] == f"<{TEL}>"
        for method in ("INVITE", "ACK", "REFER", "BYE"):
            seen = await invoca.request(method)
            assert seen.count("\r\nVia:") >= 3, f"{method} came past a proxy"


@pytest.mark.parametrize(
    "persona,code,status,reason",
    [
        ("busy", "resource_exhausted", 486, "rejected"), ("declines", "permission_denied", 603, "rejected"),
        ("failing", "failed_precondition", 503, "trunk_failure"),
    ],
)
async def test_those_who_do_not_take_the_call(server, lk, persona, code, status, reason):
    async with Persona(persona) as far:
        trunk = await outbound.trunk(lk, far.place)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert (error.code, error.sip_status_code) == (code, status)
        assert (await outbound.only_record(server))["ending"]["reason"] == reason


async def test_nobody_is_there(server, lk):
    async with Persona("no-answer") as far:
        trunk = await outbound.trunk(lk, far.place)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk, ringing=2)))
        assert error.code in ("canceled", "deadline_exceeded")
        await far.request("CANCEL")


async def test_a_voicemail_is_reached(server, lk):
    async with Persona("voicemail") as far:
        trunk = await outbound.trunk(lk, far.place)
        await lk.sip.create_sip_participant(outbound.request(trunk, dtmf="12"))
        assert (await outbound.participant(lk, "out", IDENTITY)).attributes["sip.callStatus"] == "active"
        await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        assert (await far.event("over"))["packets_in"] > 0


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
async def test_a_far_end_that_wants_a_password(server, lk, algorithm, qop):
    words = [f"algorithm={algorithm}", f"qop={qop}", "username=alice", "password=secret"]
    async with Persona("picky", *(part for word in words for part in ("--set", word))) as far:
        trunk = await outbound.trunk(lk, far.place, auth_username="alice", auth_password="secret")
        await lk.sip.create_sip_participant(outbound.request(trunk))
        await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        await far.request("BYE")
    async with Persona("picky", *(part for word in words for part in ("--set", word))) as far:
        trunk = await outbound.trunk(lk, far.place, auth_username="alice", auth_password="wrong")
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert error.code == "failed_precondition"
