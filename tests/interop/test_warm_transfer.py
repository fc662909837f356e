"""A warm transfer as the agents' SDK does it: consult in a second room, move whom was consulted,
leave. Over the unmodified Python client and RTP that is listened to."""

import asyncio

from livekit import api

from harness import outbound
from harness.callee import Callee, Incoming, answers
from harness.peer import Peer
from harness.server import eventually


async def until_heard(call: Incoming, hertz: float, what: str):
    """Waits until this is what the telephone hears most of."""

    async def heard():
        call.sound.heard.clear()
        await asyncio.sleep(1.2)
        return abs((await call.sound.tone())[0] - hertz) <= 3

    await eventually(heard, what, seconds=20)


async def test_consult_merge_and_leave(server, lk):
    async with Callee(answers(600)) as customer, Callee(answers(750)) as human:
        async with Peer(server, "out", "agent") as agent:
            await agent.play(440)
            trunk = await outbound.trunk(lk, customer.place)
            made = await lk.sip.create_sip_participant(outbound.request(trunk, participant_identity="customer"))
            called = await customer.call()
            await until_heard(called, 440, "the agent")

            async with Peer(server, "consult", "agent-consult") as consulting:
                await consulting.play(880)
                trunk = await outbound.trunk(lk, human.place, name="desk", numbers=["+15550007777"])
                await lk.sip.create_sip_participant(
                    outbound.request(trunk, room="consult", participant_identity="human", sip_call_to="+15550008888")
                )
                consulted = await human.call()
                await until_heard(consulted, 880, "the summary, and nothing of the customer")
                await lk.room.move_participant(
                    api.MoveParticipantRequest(room="consult", identity="human", destination_room="out")
                )
            await lk.room.delete_room(api.DeleteRoomRequest(room="consult"))
        # The agent has left: the two hear each other, and nobody else.
        await until_heard(consulted, 600, "the customer")
        await until_heard(called, 750, "the human")
        there = await lk.room.list_participants(api.ListParticipantsRequest(room="out"))
        assert sorted(p.identity for p in there.participants) == ["customer", "human"]
        assert made.participant_identity == "customer"
        for call in (called, consulted):
            assert not [m for m in call.received if m.start.startswith((b"BYE ", b"INVITE "))][1:]
        await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        for call in (called, consulted):
            await call.request("BYE")
