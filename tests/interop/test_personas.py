"""Calls out and transfers with the far ends of `trunkline sim persona`, over every transport and through
proxies that record their route."""

import pytest
from livekit import api
from livekit.protocol.sip import STR_COMPLETED, TransferSIPParticipantRequest

from harness import five9, outbound
from harness.certificates import certificate
from harness.outbound import CALLED, refused
from harness.peer import Peer
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


@pytest.fixture
def files(tmp_path):
    """Certificate and key of the far ends."""
    return certificate(tmp_path)


@pytest.fixture
async def server(tmp_path, files):
    """A server that trusts the far ends' certificate, and has one itself."""
    chain, key = (str(file) for file in files)
    tls = {"port": 0, "certs": [{"cert_file": chain, "key_file": key}], "ca_file": chain}
    trunkline = await Trunkline(tmp_path, {"tls": tls}).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


def persona(name: str, transport: str, files, **settings) -> Persona:
    """A far end on this transport."""
    if transport == "tls":
        settings |= {"cert": files[0], "key": files[1]}
    return Persona(name, transport=transport, **settings)


@pytest.mark.parametrize("given", [TEL, f"<{TEL}>"], ids=["bare", "in-brackets"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_invoca_gets_every_byte(server, lk, files, transport, given):
    async with persona("invoca", transport, files) as invoca:
        trunk = await outbound.trunk(lk, invoca.place, transport=TRANSPORTS[transport])
        record = await transferred(server, lk, trunk, given)
        assert (await invoca.event("refer_to"))["value"] == f"<{TEL}>"
        assert record["ending"]["reason"] == "transferred"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_invoca_gets_every_byte_through_two_proxies(server, lk, files, transport):
    async with (
        persona("invoca", transport, files) as invoca,
        persona("proxy", transport, files, next=invoca.place) as inner,
        persona("proxy", transport, files, next=inner.place) as outer,
    ):
        trunk = await outbound.trunk(lk, invoca.place, transport=TRANSPORTS[transport])
        options = {"outbound_proxy": f"sip:{outer.place};lr"}
        await server.twirp("trunkline.Options/SetOptions", {"trunk_id": trunk, "options": options})
        await transferred(server, lk, trunk, TEL)
        assert (await invoca.event("refer_to"))["value"] == f"<{TEL}>"
        for method in ("INVITE", "ACK", "REFER", "BYE"):
            seen = await invoca.request(method)
            assert seen.count("\r\nVia:") >= 3, f"{method} came past a proxy"
        for proxy in (inner, outer):
            passed = [event["text"].split(" ")[0] for event in proxy.events if event["event"] == "received"]
            assert "NOTIFY" in passed, "what the far end asks goes back the same way"


async def test_a_caller_is_transferred_byte_for_byte(server, lk):
    await five9.set_up(lk)
    async with Persona("invoca", "--call", server.addresses["sip_udp"], "--to", five9.NUMBER) as invoca:
        room, participant = await five9.only_caller(lk)
        request = TransferSIPParticipantRequest(
            room_name=room, participant_identity=participant.identity, transfer_to=TEL
        )
        assert (await lk.sip.transfer_sip_participant(request)).reason == STR_COMPLETED
        assert (await invoca.event("refer_to"))["value"] == f"<{TEL}>"


@pytest.mark.parametrize(
    "name,code,status,reason",
    [
        ("busy", "resource_exhausted", 486, "rejected"), ("declines", "permission_denied", 603, "rejected"),
        ("failing", "failed_precondition", 503, "trunk_failure"),
    ],
)
async def test_those_who_do_not_take_the_call(server, lk, name, code, status, reason):
    async with Persona(name) as far:
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
    settings = {"algorithm": algorithm, "qop": qop, "user": "alice", "password": "secret"}
    async with Persona("picky", **settings, methods="INVITE,BYE") as far:
        trunk = await outbound.trunk(lk, far.place, auth_username="alice", auth_password="secret")
        await lk.sip.create_sip_participant(outbound.request(trunk))
        await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        await far.event("received", check=lambda e: e["text"].startswith("BYE ") and "uthorization:" in e["text"])
        await far.event("over")


async def test_a_wrong_password_is_shown_once(server, lk):
    async with Persona("picky", user="alice", password="secret") as far:
        trunk = await outbound.trunk(lk, far.place, auth_username="alice", auth_password="wrong")
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert error.code == "failed_precondition" and error.sip_status_code == 401
        shown = [e for e in far.events if e["event"] == "received" and "uthorization:" in e["text"]]
        assert len(shown) == 1
        assert (await outbound.only_record(server))["ending"]["disconnect_reason"] == "SIP_TRUNK_FAILURE"


async def test_a_challenge_that_a_route_leads_to_gets_no_credentials(server, lk):
    async with Persona("picky", user="alice", password="secret") as stranger:
        trunk = await outbound.trunk(lk, "far.example.com", auth_username="alice", auth_password="secret")
        request = outbound.request(trunk, headers={"Route": f"<sip:{stranger.place};lr>"})
        error = await refused(lk.sip.create_sip_participant(request))
        assert error.code == "failed_precondition"
        assert not [e for e in stranger.events if e["event"] == "received" and "uthorization:" in e["text"]]


@pytest.mark.parametrize("name", ["twilio", "avaya", "forks", "recoder", "holds", "timer"])
async def test_calls_of_every_kind_stay_up_and_are_heard(server, lk, name):
    async with Persona(name, **{"after": "0.5"} if name in ("recoder", "holds") else {}) as far:
        async with Peer(server, "out", "agent") as agent:
            await agent.play(700)
            trunk = await outbound.trunk(lk, far.place)
            await lk.sip.create_sip_participant(outbound.request(trunk))
            _, level = await agent.hear(IDENTITY, 5)
            assert level > 500
            shown = await outbound.participant(lk, "out", IDENTITY)
            assert shown.attributes["sip.callStatus"] == "active"
            await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
            # A fork that was not taken is over as well, and has heard nothing.
            over = await far.event("over", check=lambda event: event["packets_in"])
            assert over["packets_in"] > 100 and over["peak"] > 1_000


async def test_the_first_to_hang_up(server, lk):
    async with Persona("hangs-up", hangup_after="0.5") as far:
        trunk = await outbound.trunk(lk, far.place)
        await lk.sip.create_sip_participant(outbound.request(trunk))
        record = await outbound.only_record(server)
        assert record["ending"]["reason"] == "remote_bye"
        assert record["ending"]["disconnect_reason"] == "CLIENT_INITIATED"


async def test_a_refer_that_is_refused(server, lk):
    async with Persona("refuses-refer") as far:
        trunk = await outbound.trunk(lk, far.place)
        await lk.sip.create_sip_participant(outbound.request(trunk))
        request = TransferSIPParticipantRequest(room_name="out", participant_identity=IDENTITY, transfer_to=TEL)
        error = await refused(lk.sip.transfer_sip_participant(request))
        assert error.sip_transfer_reason == "STR_REJECTED" and error.sip_status_code
        assert (await outbound.participant(lk, "out", IDENTITY)).attributes["sip.callStatus"] == "active"
        assert far.process.returncode is None


async def test_a_target_that_is_silent(server, lk):
    async with Persona("silent") as far:
        trunk = await outbound.trunk(lk, far.place)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk, ringing=3)))
        assert error.code in ("canceled", "deadline_exceeded")
        assert (await outbound.only_record(server))["ending"]["disconnect_reason"] in (
            "USER_UNAVAILABLE", "SIP_TRUNK_FAILURE"
        )
