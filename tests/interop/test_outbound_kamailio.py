"""Calls out through Kamailio: it stays in the path, and asks for a password of each kind."""

import asyncio

import pytest
from livekit import api
from livekit.protocol.sip import STR_COMPLETED, TransferSIPParticipantRequest

from harness import outbound
from harness.callee import Callee, answers
from harness.kamailio import Kamailio
from harness.outbound import CALLED, NUMBER, refused

IDENTITY = f"sip_{CALLED}"
TEL = "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support"
# Kamailio 5.6 offers auth-int and does not hash the body for it; `picky` in test_personas.py does.
QOP = {"auth": "1", "none": "0"}


async def through(server, lk, proxy: Kamailio, callee: Callee, **more) -> str:
    """A trunk to the far end, by way of the proxy."""
    trunk = await outbound.trunk(lk, callee.place, **more)
    options = {"outbound_proxy": "sip:%s:%d;lr" % proxy.address}
    await server.twirp("trunkline.Options/SetOptions", {"trunk_id": trunk, "options": options})
    return trunk


async def transfer(call) -> bytes:
    """Takes the REFER, with success; its Refer-To."""
    refer = await call.request("REFER")
    call.respond("202 Accepted", request=refer)
    assert (await call.notify("SIP/2.0 200 OK", "terminated;reason=noresource")).start == b"SIP/2.0 200 OK"
    return refer.get("Refer-To")


async def test_a_transfer_passes_a_record_routing_proxy_byte_for_byte(server, lk, tmp_path):
    async with Callee(answers()) as callee:
        proxy = await Kamailio(tmp_path, callee.address).start()
        try:
            trunk = await through(server, lk, proxy, callee)
            await lk.sip.create_sip_participant(outbound.request(trunk))
            call = await callee.call()
            taking = asyncio.create_task(transfer(call))
            request = TransferSIPParticipantRequest(room_name="out", participant_identity=IDENTITY, transfer_to=TEL)
            assert (await lk.sip.transfer_sip_participant(request)).reason == STR_COMPLETED
            assert await taking == f"<{TEL}>".encode()
            for method in ("ACK", "REFER", "BYE"):
                assert len((await call.request(method)).all("Via")) == 2, f"{method} came past the proxy"
        finally:
            await proxy.stop()


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", QOP)
async def test_kamailio_believes_our_digest(server, lk, tmp_path, algorithm, qop):
    async with Callee(answers()) as callee:
        fill = {"algorithm": algorithm, "qop": QOP[qop], "user": NUMBER, "password": "secret"}
        proxy = await Kamailio(tmp_path, callee.address, "digest.cfg", **fill).start()
        try:
            account = {"auth_username": "alice", "auth_password": "secret"}
            trunk = await through(server, lk, proxy, callee, **account)
            await lk.sip.create_sip_participant(outbound.request(trunk))
            call = await callee.call()
            # Every request of ours is asked for its password: REFER and BYE as well.
            taking = asyncio.create_task(transfer(call))
            request = TransferSIPParticipantRequest(room_name="out", participant_identity=IDENTITY, transfer_to=TEL)
            assert (await lk.sip.transfer_sip_participant(request)).reason == STR_COMPLETED
            await taking
            await call.request("BYE")
            wrong = await through(server, lk, proxy, callee, **{**account, "auth_password": "wrong"})
            error = await refused(lk.sip.create_sip_participant(outbound.request(wrong, room="second")))
            assert (error.code, error.sip_status_code) == ("failed_precondition", 407)
            assert len(callee.calls) == 1
            await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        finally:
            await proxy.stop()
