"""Trunks that call out, calls, and what became of them everywhere it is told."""

import asyncio

from google.protobuf.duration_pb2 import Duration
from livekit import api

from .hooks import Hooks
from .server import Trunkline, eventually

NUMBER = "+15550100"
CALLED = "+4930123456"


async def trunk(lk: api.LiveKitAPI, address: str, **more) -> str:
    """Stores an outbound trunk to there; its id."""
    info = api.SIPOutboundTrunkInfo(**{"name": "out", "address": address, "numbers": [NUMBER], **more})
    made = await lk.sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=info))
    return made.sip_trunk_id


def request(trunk_id: str, room: str = "out", wait: bool = True, ringing: float = 20, **more):
    """A request to call."""
    return api.CreateSIPParticipantRequest(
        **{
            "sip_trunk_id": trunk_id, "sip_call_to": CALLED, "room_name": room, "wait_until_answered": wait,
            "ringing_timeout": Duration(seconds=int(ringing)), **more,
        }
    )


async def refused(call) -> api.TwirpError:
    """The error that a request must end with."""
    try:
        done = await call
    except api.TwirpError as error:
        return error
    raise AssertionError(f"it was not refused: {done}")


async def participant(lk: api.LiveKitAPI, room: str, identity: str) -> api.ParticipantInfo:
    """The participant as the API shows it."""
    return await lk.room.get_participant(api.RoomParticipantIdentity(room=room, identity=identity))


async def status(lk: api.LiveKitAPI, room: str, identity: str, wanted: str) -> api.ParticipantInfo:
    """The participant once its call has that status."""

    async def found():
        try:
            held = await participant(lk, room, identity)
        except api.TwirpError as error:
            if error.code != "not_found":
                raise
            return None
        return held if held.attributes.get("sip.callStatus") == wanted else None

    return await eventually(found, f"{identity} with sip.callStatus {wanted}")


async def only_record(server: Trunkline) -> dict:
    """The record of the one call there was, once it is over."""

    async def ended():
        records = await server.calls()
        return records if records and all(record.get("ended_at_ms") for record in records) else None

    records = await eventually(ended, "the end of the call in the records")
    assert len(records) == 1, records
    return records[0]


async def left(hooks: Hooks, identity: str, seconds: float = 15):
    """The webhook of that participant's leaving."""

    def found():
        return next(
            (h for h in hooks.received if h.name == "participant_left" and h.event.participant.identity == identity),
            None,
        )

    async with asyncio.timeout(seconds):
        while not (hook := found()):
            hooks.arrived.clear()
            await hooks.arrived.wait()
    return hook
