"""Where a trunk's name leads: NAPTR, SRV and addresses from a name server of the tests' own, and the next target
when one is dead."""

import asyncio

import pytest
from livekit import api

from harness import outbound
from harness.callee import Callee, answers, refuses
from harness.dns import NameServer, address, naptr, srv
from harness.server import Trunkline

TRUNK = "trunk.example.test"


@pytest.fixture
async def names():
    """What the DNS says."""
    async with NameServer() as server:
        yield server


@pytest.fixture
async def server(tmp_path, names):
    """A server that asks it."""
    trunkline = await Trunkline(tmp_path, {"dns": {"servers": [names.place]}}).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


def listed(names: NameServer, *callees: Callee, service: str = f"_sip._udp.{TRUNK}"):
    """The callees by SRV, the first one first."""
    records = []
    for at, callee in enumerate(callees):
        host = f"host{at}.example.test"
        names.records[host] = [address("127.0.0.1")]
        records.append(srv(10 * at, 5, callee.address[1], host))
    names.records[service] = records


async def test_a_dead_first_target_is_left_and_its_late_answer_is_dismissed(server, lk, names):
    up = asyncio.Event()

    async def wakes_up_late(call):
        await up.wait()
        await call.answer(None)

    async with Callee(wakes_up_late) as dead, Callee(answers(600)) as alive:
        listed(names, dead, alive)
        trunk = await outbound.trunk(lk, TRUNK, transport=api.SIPTransport.SIP_TRANSPORT_UDP)
        await lk.sip.create_sip_participant(outbound.request(trunk))
        first, second = await dead.call(), await alive.call()
        # The same INVITE but for the branch, and a second call for nobody.
        assert first.invite.get("Call-ID") == second.invite.get("Call-ID")
        assert first.invite.get("Via") != second.invite.get("Via")
        up.set()
        await first.request("ACK")
        await first.request("BYE")
        assert not [m for m in second.received if m.start.startswith(b"BYE ")]
        await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        await second.request("BYE")
        await outbound.only_record(server)


async def test_a_target_that_has_no_time_is_left_for_the_next(server, lk, names):
    async with Callee(refuses("503 Service Unavailable", [("Retry-After", "60")])) as full, Callee(answers(600)) as free:
        listed(names, full, free)
        trunk = await outbound.trunk(lk, TRUNK, transport=api.SIPTransport.SIP_TRANSPORT_UDP)
        await lk.sip.create_sip_participant(outbound.request(trunk))
        await (await free.call()).request("ACK")
        assert len(full.calls) == 1
        # For a minute it is not asked first any more.
        await lk.sip.create_sip_participant(outbound.request(trunk, room="again", participant_identity="again"))
        await free.call(1)
        assert len(full.calls) == 1


async def test_naptr_chooses_the_transport(server, lk, names):
    async with Callee(answers(600)) as callee:
        names.records[TRUNK] = [naptr(10, 10, "SIP+D2U", f"_sip._udp.{TRUNK}")]
        listed(names, callee)
        trunk = await outbound.trunk(lk, TRUNK)
        await lk.sip.create_sip_participant(outbound.request(trunk))
        await callee.call()
        kinds = [kind for _, kind in names.asked]
        assert kinds[0] == 35 and 33 in kinds and (f"_sip._tcp.{TRUNK}", 33) not in names.asked


async def test_a_name_that_does_not_exist_is_told(server, lk):
    trunk = await outbound.trunk(lk, "nowhere.example.test")
    error = await outbound.refused(lk.sip.create_sip_participant(outbound.request(trunk)))
    assert "nowhere.example.test" in error.message, error.message
    record = await outbound.only_record(server)
    assert record["ending"]["disconnect_reason"] == "SIP_TRUNK_FAILURE"
