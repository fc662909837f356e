"""A warm transfer as `livekit-agents` does it: the human is told what it is about, then both talk, then the agent goes."""

import asyncio

from livekit import api

from harness import five9
from harness.callee import Callee
from harness.server import eventually
from harness.workers import Worker, heard_seconds
from test_agents import Call, house, options  # noqa: F401

SUMMARY_SECONDS = len("A caller wants to talk about an invoice, shall I connect you") * 0.03


async def outbound_trunk(lk, callee: Callee) -> str:
    """A trunk that leads to the callee."""
    trunk = api.SIPOutboundTrunkInfo(
        name="humans", address=callee.place, numbers=["+15550001111"], transport=api.SIPTransport.SIP_TRANSPORT_UDP
    )
    made = await lk.sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=trunk))
    return made.sip_trunk_id


def seconds_of(incoming, hertz: int) -> float:
    """For how long the human has heard a tone."""
    return heard_seconds([(0, 0, 0, payload) for _, payload in incoming.sound.heard], hertz)


async def both_hear(call, incoming):
    """The caller hears the human's tone, the human the caller's."""
    incoming.sound.heard.clear()
    (at_caller, _), (at_human, _) = await asyncio.gather(call.phone.hear(3), incoming.sound.tone())
    assert abs(at_caller - 520) <= 3 and abs(at_human - 440) <= 3, (at_caller, at_human)


async def test_the_human_hears_the_summary_then_both_talk_then_the_agent_leaves(house):  # noqa: F811
    async with Callee() as human, house.client() as lk:
        trunk = await outbound_trunk(lk, human)
        # It has a name, or another one of it would come into the room of the consultation.
        await options(house, answer_policy="immediate")
        worker = Worker(house, "warm", "transfers", HUMAN="+15559876543", TRUNK=trunk)
        async with worker, Call(house) as call:
            room, _ = await five9.only_caller(lk)
            await lk.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(agent_name="transfers", room=room))
            await call.greeted()
            call.talk()
            incoming = await human.call(seconds=30)
            incoming.respond("180 Ringing")
            await incoming.answer(520)
            # The human asks who it is, and listens.
            await asyncio.sleep(1)
            incoming.sound.task.cancel()

            async def told():
                return seconds_of(incoming, 1_040) >= SUMMARY_SECONDS - 0.1

            await eventually(told, f"the summary{worker.last_words()}", 20)
            assert seconds_of(incoming, 440) == 0, "the caller was heard before he was to be"
            assert heard_seconds(call.phone.packets, 520) == 0, "the human was heard before he was to be"
            incoming.sound.say(520, incoming.theirs)
            merged = await worker.event("merged")
            assert merged["identity"] == "human-agent-sip"
            await both_hear(call, incoming)
            await worker.event("over")
            found = await lk.room.list_participants(api.ListParticipantsRequest(room=room))
            kinds = {p.identity: p.kind for p in found.participants}
            assert set(kinds.values()) == {api.ParticipantInfo.Kind.SIP} and "human-agent-sip" in kinds, kinds
            await both_hear(call, incoming)
            rooms = (await lk.room.list_rooms(api.ListRoomsRequest())).rooms
            assert [r.name for r in rooms] == [room], "the room of the consultation is gone"
            await five9.delete_room(lk, room, "")
            await asyncio.gather(call.dialog.wait_bye(10), incoming.request("BYE"))
