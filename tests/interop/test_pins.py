"""Rules with a pin: the caller enters it before any room has him."""

from livekit import api

from harness import five9
from harness.server import eventually

KEY = {"Content-Type": "application/dtmf-relay"}


async def set_up(lk: api.LiveKitAPI) -> None:
    """The Five9 trunk, and two rooms with a pin each."""
    trunk = await lk.sip.create_inbound_trunk(
        api.CreateSIPInboundTrunkRequest(trunk=api.SIPInboundTrunkInfo(**five9.TRUNK))
    )
    for room, pin in (("board", "271828"), ("staff", "99")):
        rule = api.SIPDispatchRuleInfo(
            name=room,
            trunk_ids=[trunk.sip_trunk_id],
            rule=api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name=room, pin=pin)),
        )
        await lk.sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=rule))


async def press(dialog, keys: str) -> None:
    for key in keys:
        await dialog.send("INFO", KEY, f"Signal={key}\r\nDuration=160\r\n".encode())
        assert dialog.status == 200


async def within(lk: api.LiveKitAPI, room: str) -> api.ParticipantInfo:
    async def found():
        there = await lk.room.list_participants(api.ListParticipantsRequest(room=room))
        return there.participants[0] if there.participants else None

    return await eventually(found, f"somebody in {room}")


async def test_the_pin_opens_its_room_and_mapped_headers_work(server, lk, far_end):
    await set_up(lk)
    dialog = await far_end.call(server.sip, five9.NUMBER)
    assert dialog.status == 200
    assert await five9.rooms(lk) == [], "no room has him yet"
    await press(dialog, "271828#")
    caller = await within(lk, "board")
    assert caller.attributes["sip.callStatus"] == "active"
    assert len(caller.tracks) == 1
    attributes = {"five9.route_reason": "let in"}
    await five9.set_attributes(lk, "board", caller.identity, attributes)
    await five9.delete_room(lk, "board", caller.identity)
    bye = await dialog.wait_bye()
    assert bye.get("X-RouteReason") == b"let in"
    far_end.transport.sendto(far_end.response(bye, "200 OK"), server.sip)
    call = caller.attributes["sip.callID"]

    async def ended():
        _, shown, _ = await server.command("calls", "show", call, "--json")
        return shown if '"room_deleted"' in shown else None

    shown = await eventually(ended, "the call's record")
    assert "INFO" in shown
    assert "Signal=2" not in shown and "271828" not in shown


async def test_a_wrong_pin_three_times_ends_the_call(server, lk, far_end):
    await set_up(lk)
    dialog = await far_end.call(server.sip, five9.NUMBER)
    for wrong in ("1#", "2718281828459045235#", "#"):
        await press(dialog, wrong)
    bye = await dialog.wait_bye(seconds=20)
    assert b"wrong_pin" in bye.get("Reason")
    far_end.transport.sendto(far_end.response(bye, "200 OK"), server.sip)
    assert await five9.rooms(lk) == []
