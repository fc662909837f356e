"""A worker of `livekit-agents` with scripted plugins. `AGENT` says which agent, `AGENT_NAME` its name.

What its agents see goes to the UDP port `EVENTS`, a JSON object in each datagram.
"""

import json
import math
import os
import socket
import sys
from pathlib import Path

from livekit import api, rtc
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, RunContext, cli, function_tool, get_job_context
from livekit.agents.beta.tools import EndCallTool
from livekit.agents.beta.workflows import WarmTransferTask

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))
from scripted import ScriptedLLM, ScriptedSTT, ToneTTS, call_tool, last_user_text  # noqa: E402

KIND = os.environ["AGENT"]
GREETING = "Hello, who is calling?"
GOODBYE = "Thank you for your call, you are being connected with the billing department now"
ROUTING = {
    "route_reason": "customer asked for billing: 100%",
    "route_type": "SKILL_TRANSFER",
    "route_value": "billing;call=1",
    "metadata": '{"intent": "transfer", "confidence": 0.95, "entities": {"department": "billing"}}',
}


def load() -> float:
    """The same for all, for what else the machine does is no matter of the tests."""
    return 0.1


server = AgentServer(load_fnc=load, load_threshold=math.inf, num_idle_processes=int(os.environ.get("IDLE", "1")), port=0)


def tell(event: str, **details):
    """Tells what was seen."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(json.dumps({"event": event, **details}).encode(), ("127.0.0.1", int(os.environ["EVENTS"])))


def caller(room: rtc.Room) -> rtc.RemoteParticipant:
    """The telephone in the room."""
    phones = (p for p in room.remote_participants.values() if p.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP)
    return next(phones)


class Voice(ToneTTS):
    """The goodbye has a tone of its own. It is one sentence, for each is synthesized by itself."""

    def synthesize(self, text: str, **options):
        """Hums a text."""
        goodbye = ToneTTS(1_040.0, self.seconds_per_letter)
        return goodbye.synthesize(text, **options) if text.startswith(GOODBYE) else super().synthesize(text, **options)


class Assistant(Agent):
    """Greets, and listens."""

    def __init__(self, **options):
        super().__init__(instructions="You answer the phone.", **options)

    async def on_enter(self):
        """The first word."""
        self.session.say(GREETING, allow_interruptions=False)


async def set_attributes():
    """What becomes headers of the BYE."""
    job = get_job_context()
    await job.api.room.update_participant(
        api.UpdateParticipantRequest(
            room=job.room.name,
            identity=caller(job.room).identity,
            attributes={f"five9.{name}": value for name, value in ROUTING.items()},
        )
    )


class Router(Assistant):
    """Sends the caller on, and says nothing."""

    @function_tool
    async def act(self, _ctx: RunContext) -> str:
        """Send the caller to billing."""
        await set_attributes()
        job = get_job_context()
        await job.api.room.delete_room(api.DeleteRoomRequest(room=job.room.name))
        return "done"


class Polite(Assistant):
    """Says goodbye before it sends the caller on."""

    @function_tool
    async def act(self, ctx: RunContext) -> str:
        """Send the caller to billing."""
        await set_attributes()
        await ctx.session.generate_reply(instructions="Tell the caller goodbye.")
        job = get_job_context()
        await job.api.room.delete_room(api.DeleteRoomRequest(room=job.room.name))
        return "done"


class Caller(Assistant):
    """Asks the telephone for its headers, and has it hang up."""

    @function_tool
    async def act(self, _ctx: RunContext) -> str:
        """End the call."""
        room = get_job_context().room
        ask = room.local_participant.perform_rpc
        identity = caller(room).identity
        wanted = json.dumps({"include": ["X-CallID", "X-CallCampaign"]})
        answer = await ask(destination_identity=identity, method="lk.sip.GetRemoteHeaders", payload=wanted)
        tell("headers", headers=json.loads(answer)["headers"])
        await set_attributes()
        payload = json.dumps({"headers": {"X-RouteType": "EXPLICIT", "X-More": "grün"}})
        tell("ended", answer=await ask(destination_identity=identity, method="lk.sip.EndCall", payload=payload))
        return "done"


class Leaver(Assistant):
    """Leaves the caller alone."""

    @function_tool
    async def act(self, _ctx: RunContext) -> str:
        """Leave."""
        get_job_context().shutdown("enough")
        return "done"


class EndsByTool(Assistant):
    """Has the SDK's own tool end the call."""

    def __init__(self):
        super().__init__(tools=[EndCallTool(end_instructions=None)])

    async def on_enter(self):
        """Headers first."""
        await set_attributes()
        await super().on_enter()


SUMMARY = "A caller wants to talk about an invoice, shall I connect you"


def consult(chat) -> object:
    """What the model says to the human who is asked to take the caller."""
    return {"who is it": SUMMARY, "connect us": call_tool("connect_to_caller", "{}")}.get(last_user_text(chat), "")


class Warm(Assistant):
    """Asks a human in a room of their own, brings both together, and leaves."""

    @function_tool
    async def act(self, _ctx: RunContext) -> str:
        """Have a human take the caller."""
        result = await WarmTransferTask(
            sip_call_to=os.environ["HUMAN"], sip_trunk_id=os.environ["TRUNK"], hold_audio=None, chat_ctx=self.chat_ctx,
            stt=ScriptedSTT(["who is it", "connect us"]), llm=ScriptedLLM(consult), tts=ToneTTS(1_040.0),
        )
        tell("merged", identity=result.human_agent_identity)
        get_job_context().shutdown("the human has taken over")
        return "done"


AGENTS = {
    "router": Router, "polite": Polite, "rpc": Caller, "leaver": Leaver, "tool": EndsByTool, "assistant": Assistant,
    "warm": Warm,
}


def script(chat) -> object:
    """What the model answers."""
    if last_user_text(chat):
        return call_tool("end_call" if KIND == "tool" else "act", "{}") if KIND != "assistant" else "I see."
    return GOODBYE


@server.rtc_session(agent_name=os.environ.get("AGENT_NAME", ""))
async def entrypoint(ctx: JobContext):
    """One call."""
    await ctx.connect()
    who = await ctx.wait_for_participant()
    tell(
        "caller", room=ctx.room.name, job=ctx.job.id, identity=who.identity, kind=who.kind, name=ctx.job.agent_name,
        attributes=dict(who.attributes), metadata=ctx.job.metadata, pid=os.getpid(), worker=os.getppid(),
        job_attributes=dict(ctx.job.attributes),
    )
    ctx.room.on("participant_disconnected", lambda p: tell("left", identity=p.identity, reason=p.disconnect_reason))
    ctx.room.on("disconnected", lambda reason: tell("disconnected", reason=reason))
    session = AgentSession(
        stt=ScriptedSTT(["please"]), llm=ScriptedLLM(script), tts=Voice(), turn_handling={"turn_detection": "stt"},
    )
    session.on("close", lambda ev: tell("closed", reason=ev.reason.value))

    async def over():
        tell("over", job=ctx.job.id)

    ctx.add_shutdown_callback(over)
    await session.start(agent=AGENTS[KIND](), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
