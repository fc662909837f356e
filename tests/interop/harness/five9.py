"""The trunk of the Five9 guide, the routing attributes of its agent, and what must come of them."""

import asyncio

from livekit import api

from .server import Trunkline, eventually

NUMBER = "+15551234567"
TRUNK = {
    "name": "Five9 Inbound",
    "numbers": [NUMBER],
    "headers_to_attributes": {
        "X-CallANI": "five9.call_ani",
        "X-CallDNIS": "five9.call_dnis",
        "X-CallID": "five9.call_id",
        "X-CallSessionID": "five9.session_id",
    },
    "attributes_to_headers": {
        "five9.route_reason": "X-RouteReason",
        "five9.route_type": "X-RouteType",
        "five9.route_value": "X-RouteValue",
        "five9.metadata": "X-MetaData",
    },
}
HEADERS = TRUNK["attributes_to_headers"]
CALL_HEADERS = {
    "X-CallANI": "+15557654321",
    "X-CallDNIS": NUMBER,
    "X-CallSessionID": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "X-CallCampaign": "Billing (EU)",
}


async def set_up(lk: api.LiveKitAPI, **trunk) -> tuple[str, str]:
    """Creates the trunk and an individual rule; returns their ids."""
    made = await lk.sip.create_inbound_trunk(
        api.CreateSIPInboundTrunkRequest(trunk=api.SIPInboundTrunkInfo(**{**TRUNK, **trunk}))
    )
    rule = await lk.sip.create_dispatch_rule(
        api.CreateSIPDispatchRuleRequest(
            trunk_ids=[made.sip_trunk_id],
            name="a room per caller",
            rule=api.SIPDispatchRule(dispatch_rule_individual=api.SIPDispatchRuleIndividual(room_prefix="call")),
        )
    )
    return made.sip_trunk_id, rule.sip_dispatch_rule_id


def routing(call_id: str) -> dict[str, str]:
    """Routing attributes that tell one call from another."""
    return {
        "five9.route_reason": "customer asked for billing: 100%",
        "five9.route_type": "SKILL_TRANSFER",
        "five9.route_value": f"billing;call={call_id}",
        "five9.metadata": f'{{"intent": "department_transfer", "confidence": 0.95, "call": "{call_id}"}}',
    }


def expected(attributes: dict[str, str]) -> dict[bytes, bytes]:
    """The headers that those attributes become."""
    return {HEADERS[name].encode(): value.encode() for name, value in attributes.items()}


async def rooms(lk: api.LiveKitAPI) -> list[str]:
    """The names of all rooms."""
    answer = await lk.room.list_rooms(api.ListRoomsRequest())
    return [room.name for room in answer.rooms]


async def caller(lk: api.LiveKitAPI, room: str) -> api.ParticipantInfo | None:
    """The room's SIP participant, once its call is active."""
    answer = await lk.room.list_participants(api.ListParticipantsRequest(room=room))
    for participant in answer.participants:
        if participant.attributes.get("sip.callStatus") == "active":
            return participant
    return None


async def only_caller(lk: api.LiveKitAPI) -> tuple[str, api.ParticipantInfo]:
    """Room and participant of the one call that runs."""

    async def found():
        for room in await rooms(lk):
            try:
                if participant := await caller(lk, room):
                    return room, participant
            except api.TwirpError as error:
                # Deleted between the two questions.
                if error.code != "not_found":
                    raise
        return None

    return await eventually(found, "a SIP participant with an active call")


async def set_attributes(lk: api.LiveKitAPI, room: str, identity: str, attributes: dict[str, str]):
    """What the guide's agent does first."""
    await lk.room.update_participant(
        api.UpdateParticipantRequest(room=room, identity=identity, attributes=attributes)
    )


async def delete_room(lk: api.LiveKitAPI, room: str, _identity: str):
    """What the guide's agent does second."""
    await lk.room.delete_room(api.DeleteRoomRequest(room=room))


async def remove(lk: api.LiveKitAPI, room: str, identity: str):
    """The other way to end a call."""
    await lk.room.remove_participant(api.RoomParticipantIdentity(room=room, identity=identity))


class Agent:
    """Serves every call: looks at the participant, sets the attributes and ends the call at once."""

    def __init__(self, server: Trunkline, end):
        self.server = server
        self.end = end
        self.served: dict[str, api.ParticipantInfo] = {}
        self.given: dict[str, dict[str, str]] = {}

    async def run(self, calls: int):
        """Until that many calls were served."""
        async with self.server.client() as lk, asyncio.TaskGroup() as tasks:
            seen = set()

            async def more():
                for room in await rooms(lk):
                    if room not in seen:
                        seen.add(room)
                        tasks.create_task(self.serve(lk, room))
                return len(self.served) >= calls

            await eventually(more, f"{calls} calls, of which came {len(seen)}", 60 + calls)

    async def serve(self, lk: api.LiveKitAPI, room: str):
        """One call."""

        async def active():
            return await caller(lk, room)

        participant = await eventually(active, f"an active caller in {room}")
        sip_call_id = participant.attributes["sip.callIDFull"]
        attributes = routing(sip_call_id)
        self.given[sip_call_id] = attributes
        await set_attributes(lk, room, participant.identity, attributes)
        await self.end(lk, room, participant.identity)
        self.served[sip_call_id] = participant
