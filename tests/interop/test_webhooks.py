"""Webhooks, verified by the official receiver."""

from livekit import api

from harness import five9
from harness.hooks import Hooks
from harness.server import Trunkline

ROOM_EVENTS = ["room_started", "participant_joined", "participant_left", "room_finished"]
CALL_EVENTS = ["sip_call_ringing", "sip_call_answered", "sip_call_ended"]


async def test_one_call_in_order(tmp_path, far_end):
    async with Hooks() as hooks:
        server = await Trunkline(tmp_path, hooks.settings()).start()
        try:
            async with server.client() as lk:
                await five9.set_up(lk)
                dialog = await far_end.call(server.sip, five9.NUMBER, headers=five9.CALL_HEADERS)
                room, participant = await five9.only_caller(lk)
                await five9.set_attributes(lk, room, participant.identity, five9.routing("1"))
                await five9.delete_room(lk, room, participant.identity)
                await dialog.wait_bye()
            await hooks.wait("room_finished")
            ended = await hooks.wait("sip_call_ended")
        finally:
            await server.stop()
    names = hooks.names()
    assert [name for name in names if name in ROOM_EVENTS] == ROOM_EVENTS
    assert [name for name in names if name in CALL_EVENTS] == CALL_EVENTS
    by_name = {hook.name: hook for hook in hooks.received}
    for name in ROOM_EVENTS:
        assert by_name[name].event.room.name == room
        assert by_name[name].event.id and by_name[name].event.created_at
    joined = by_name["participant_joined"].event.participant
    assert joined.identity == participant.identity
    assert joined.kind == api.ParticipantInfo.Kind.SIP
    left = by_name["participant_left"].event.participant
    assert left.disconnect_reason == api.DisconnectReason.ROOM_DELETED
    assert left.attributes["five9.route_type"] == "SKILL_TRANSFER"
    assert len({hook.event.id for hook in hooks.received}) == len(hooks.received)
    call = ended.body["call"]
    assert call["ending"]["reason"] == "room_deleted"
    assert call["ending"]["by"] == "room"
    assert {r["header"] for r in call["receipts"] if r["message"] == "BYE"} == set(five9.HEADERS.values())
