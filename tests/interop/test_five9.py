"""Five9's IVR calls in; an agent with the official client sends the call back with its context."""

import asyncio
import os

import pytest
from livekit import api

from harness import five9, sipp
from harness.kamailio import Kamailio

# By hand: TRUNKLINE_CALLS=1000 TRUNKLINE_AT_ONCE=20.
CALLS = int(os.environ.get("TRUNKLINE_CALLS", "100"))
AT_ONCE = int(os.environ.get("TRUNKLINE_AT_ONCE", "10"))


async def run_calls(server, folder, end, through=None) -> five9.Agent:
    """Places the calls, serves them, and checks the BYE of each."""
    async with server.client() as lk:
        trunk_id, rule_id = await five9.set_up(lk)
    agent = five9.Agent(server, end)
    caller = await sipp.call(
        folder, "five9", through or server.sip, five9.NUMBER, calls=CALLS, at_once=AT_ONCE
    )
    try:
        await agent.run(CALLS)
        seen = await caller.done(seconds=60)
    finally:
        await caller.end()
    check_participants(agent, trunk_id, rule_id)
    check_byes(agent, seen)
    return agent


def check_participants(agent: five9.Agent, trunk_id: str, rule_id: str):
    """Kind and attributes of every caller, as the documents promise them."""
    assert len(agent.served) == CALLS
    assert len({participant.attributes["sip.callID"] for participant in agent.served.values()}) == CALLS
    for sip_call_id, participant in agent.served.items():
        assert participant.kind == api.ParticipantInfo.Kind.SIP
        attributes = participant.attributes
        number = attributes["sip.phoneNumber"]
        assert number.startswith("+15557")
        assert participant.identity == f"sip_{number}"
        expected = {
            "sip.callIDFull": sip_call_id,
            "sip.callStatus": "active",
            "sip.trunkPhoneNumber": five9.NUMBER,
            "sip.trunkID": trunk_id,
            "sip.ruleID": rule_id,
            "five9.call_ani": five9.CALL_HEADERS["X-CallANI"],
            "five9.call_dnis": five9.CALL_HEADERS["X-CallDNIS"],
            "five9.call_id": f"five9-{sip_call_id}",
            "five9.session_id": five9.CALL_HEADERS["X-CallSessionID"],
        }
        assert {name: attributes.get(name) for name in expected} == expected
        assert attributes["sip.callID"].startswith("SCL_")


def check_byes(agent: five9.Agent, seen: list[sipp.Message]):
    """One BYE per call, with the four headers byte for byte and once each."""
    byes = {}
    for message in seen:
        if not message.sent and message.start.startswith(b"BYE "):
            byes.setdefault(message.get("Call-ID").decode(), []).append(message)
    assert byes.keys() == agent.given.keys()
    complete = 0
    for sip_call_id, attributes in agent.given.items():
        for bye in byes[sip_call_id]:
            for name, value in five9.expected(attributes).items():
                assert [v for n, v in bye.headers if n == name] == [value], bye.raw.decode(errors="replace")
        complete += 1
    print(f"{complete} of {CALLS} calls ended by a BYE with all headers, {AT_ONCE} at a time")


async def test_update_then_delete_room_at_once(server, tmp_path):
    agent = await run_calls(server, tmp_path, five9.delete_room)
    async with server.client() as lk:
        assert await five9.rooms(lk) == []
    record = await server.ended_call(next(iter(agent.served.values())).attributes["sip.callID"])
    receipts = {r["header"]: r for r in record["receipts"] if r["message"] == "BYE"}
    assert receipts.keys() == set(five9.HEADERS.values())
    for receipt in receipts.values():
        assert receipt["outcome"] == "sent"
        assert receipt["acknowledged_by"] == 200
        assert receipt["set_at_ms"] <= receipt["sent_at_ms"] <= receipt["acknowledged_at_ms"]


async def test_update_then_remove_participant_at_once(server, tmp_path):
    await run_calls(server, tmp_path, five9.remove)


async def test_through_a_record_routing_proxy(server, tmp_path):
    proxy = await Kamailio(tmp_path, server.sip).start()
    try:
        agent = await run_calls(server, tmp_path, five9.delete_room, through=proxy.address)
    finally:
        await proxy.stop()
    assert len(agent.served) == CALLS


@pytest.mark.parametrize("end", [five9.delete_room, five9.remove])
async def test_two_calls_from_one_number_both_live(server, lk, far_end, end):
    await five9.set_up(lk)
    first = await far_end.call(server.sip, five9.NUMBER)
    second = await far_end.call(server.sip, five9.NUMBER)
    assert (first.status, second.status) == (200, 200)
    names = await five9.rooms(lk)
    assert len(names) == 2
    byes = asyncio.gather(first.wait_bye(), second.wait_bye())
    for room in names:
        participant = await five9.caller(lk, room)
        assert participant, room
        await end(lk, room, participant.identity)
    await byes
