"""Calls out with an agent in the room: its session closes itself or not, as LiveKit's table of disconnect
reasons says for each."""

import asyncio

import pytest
from livekit import api

from harness import outbound
from harness.callee import Callee
from harness.outbound import CALLED
from harness.server import eventually
from harness.workers import Worker

IDENTITY = f"sip_{CALLED}"

# What the far end does, the reason it leaves with, whether a session closes itself.
ROWS = [
    ("486 Busy Here", "USER_REJECTED", True),
    ("603 Decline", "USER_REJECTED", True),
    ("408 Request Timeout", "USER_UNAVAILABLE", False),
    ("480 Temporarily Unavailable", "USER_UNAVAILABLE", False),
    ("503 Service Unavailable", "SIP_TRUNK_FAILURE", False),
    ("hangs up", "CLIENT_INITIATED", True),
    ("room", "ROOM_DELETED", True),
]


@pytest.mark.parametrize("what,reason,closes", ROWS, ids=[row[0].replace(" ", "-") for row in ROWS])
async def test_a_session_closes_itself_or_not(server, lk, what, reason, closes):
    async def script(call):
        call.respond("180 Ringing")
        await call.go.wait()
        if what[0].isdigit():
            call.respond(what)
        else:
            await call.answer()
            if what == "hangs up":
                await call.send("BYE")

    async with Callee(script) as callee, Worker(server, "assistant", name="dialer") as worker:
        trunk = await outbound.trunk(lk, callee.place)
        await lk.room.create_room(api.CreateRoomRequest(name="out", agents=[api.RoomAgentDispatch(agent_name="dialer")]))
        await lk.sip.create_sip_participant(outbound.request(trunk, wait=False))
        assert (await worker.event("caller"))["identity"] == IDENTITY

        async def speaks():
            shown = await lk.room.list_participants(api.ListParticipantsRequest(room="out"))
            agents = [p for p in shown.participants if p.kind == api.ParticipantInfo.Kind.AGENT]
            return any(agent.tracks for agent in agents)

        await eventually(speaks, "the agent's session", 30)
        (await callee.call()).go.set()
        if what == "room":
            await outbound.status(lk, "out", IDENTITY, "active")
            await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
            gone = await worker.event("disconnected")
        else:
            gone = await worker.event("left")
            assert gone["identity"] == IDENTITY
        assert gone["reason"] == api.DisconnectReason.Value(reason)
        if closes:
            await worker.event("closed")
        else:
            # That it stays open is told by nothing but time.
            await asyncio.sleep(2)
            assert not worker.seen("closed")
