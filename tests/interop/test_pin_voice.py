"""Rules with a pin: the caller hears a voice, enters digits, and is in the room or is not."""

import asyncio

import pytest
from livekit import api

from harness import five9
from harness.farend import FarEnd
from harness.peer import Peer
from harness.phone import Phone
from harness.server import Trunkline, eventually

# Longer than what chance puts into ids, tags and times.
PIN, WRONG = "4071955386", "8642097531"
KEYS = "0123456789*#"


@pytest.fixture
async def server(tmp_path):
    """A server whose callers ring until somebody is heard, but for those with a pin."""
    trunkline = await Trunkline(tmp_path, {"answer_policy": "on_audio"}).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


async def guarded(lk: api.LiveKitAPI) -> str:
    """The trunk of the guide and a room behind a pin; the rule's id."""
    _, rule = await five9.set_up(lk)
    await lk.sip.delete_dispatch_rule(api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule))
    direct = api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name="vault", pin=PIN))
    made = await lk.sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(rule=direct))
    return made.sip_dispatch_rule_id


async def enter(phone: Phone, digits: str):
    """Presses one key after the other; each has a time of its own."""
    for digit in digits:
        before = phone.timestamp
        phone.press(KEYS.index(digit))
        while phone.timestamp - before < 320:
            await asyncio.sleep(0.02)


async def heard(phone: Phone):
    """Waits until a voice is heard."""
    while True:
        _, level = await phone.hear(1)
        if level > 100:
            return


async def test_the_right_pin_opens_the_room_and_headers_come_back(server, lk):
    await guarded(lk)
    async with FarEnd() as far_end, Phone(440) as phone, Peer(server, "vault", "guard") as guard:
        await guard.play(600)
        dialog = await far_end.call(server.sip, five9.NUMBER, headers={**five9.CALL_HEADERS, "X-CallID": "pin-1"}, body=phone.offer())
        assert dialog.status == 200
        phone.talk_to(dialog.final.body)
        await heard(phone)
        inside = await lk.room.list_participants(api.ListParticipantsRequest(room="vault"))
        assert [p.identity for p in inside.participants] == ["guard"]
        await enter(phone, f"{PIN}#")

        async def admitted():
            found = await lk.room.list_participants(api.ListParticipantsRequest(room="vault"))
            return next((p for p in found.participants if p.kind == api.ParticipantInfo.Kind.SIP), None)

        caller = await eventually(admitted, "the caller in the room")
        assert caller.attributes["five9.call_id"] == "pin-1"
        assert caller.attributes["sip.callStatus"] == "active"

        async def talks():
            return abs((await phone.hear(1))[0] - 600) <= 3

        await eventually(talks, "the room's audio")
        await five9.set_attributes(lk, "vault", caller.identity, {"five9.route_value": "Sales"})
        await five9.remove(lk, "vault", caller.identity)
        assert (await dialog.wait_bye()).all("X-RouteValue") == [b"Sales"]
        record = await server.ended_call(caller.attributes["sip.callID"])
        assert PIN not in str(record["explanation"]) and PIN not in server.log_text()
        ladder = (await server.twirp("trunkline.Calls/GetLadder", {"call_id": record["call_id"]}))["entries"]
        assert PIN not in str([entry["text"] for entry in ladder])


async def test_a_wrong_pin_three_times_ends_the_call(server, lk):
    await guarded(lk)
    async with FarEnd() as far_end, Phone(0) as phone:
        dialog = await far_end.call(server.sip, five9.NUMBER, body=phone.offer())
        assert dialog.status == 200
        phone.talk_to(dialog.final.body)
        await heard(phone)
        for _ in range(3):
            await enter(phone, f"{WRONG}#")
            await heard(phone)
        await dialog.wait_bye(20)
        (record,) = await server.calls()
        ended = await server.ended_call(record["call_id"])
        assert ended["ending"]["reason"] == "wrong_pin"
        rooms = (await lk.room.list_rooms(api.ListRoomsRequest())).rooms
        assert "vault" not in [room.name for room in rooms]
        assert WRONG not in server.log_text()
