"""A Five9 caller talks with an agent, which sends him back to Five9's IVR with what it has learned.

    pip install livekit-agents
    LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=… python five9_agent.py start

The trunk maps the attributes `five9.*` to the headers `X-RouteReason`, `X-RouteType`, `X-RouteValue` and
`X-MetaData`; they leave on the BYE.
"""

import json
import logging
import math

from livekit import api, rtc
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, RunContext, cli, function_tool, get_job_context

from scripted import ScriptedLLM, ScriptedSTT, ToneTTS, call_tool, last_user_text

logger = logging.getLogger("five9-agent")

# In development a small machine would call itself full at once; take this out in production.
server = AgentServer(load_threshold=math.inf, num_idle_processes=1)


class Receptionist(Agent):
    """Asks what the caller wants and finds the department."""

    def __init__(self):
        super().__init__(instructions="You answer the phone. Find out whether the caller needs sales or billing.")

    async def on_enter(self):
        """The first word."""
        self.session.say("Hello, how may I direct your call?", allow_interruptions=False)

    @function_tool
    async def send_to(self, ctx: RunContext, department: str, why: str) -> str:
        """Send the caller to a department."""
        job = get_job_context()
        phones = (p for p in job.room.remote_participants.values() if p.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP)
        caller = next(phones, None)
        if caller is None:
            return "There is no caller."
        await job.api.room.update_participant(
            api.UpdateParticipantRequest(
                room=job.room.name,
                identity=caller.identity,
                attributes={
                    "five9.route_reason": why,
                    "five9.route_type": "SKILL_TRANSFER",
                    "five9.route_value": department,
                    "five9.metadata": json.dumps({"intent": "transfer", "department": department}),
                },
            )
        )
        # The last word: it is heard before the call ends.
        await ctx.session.say(f"I am connecting you with {department}. Goodbye!", allow_interruptions=False)
        await job.delete_room()
        return "done"


def receptionist(chat) -> object:
    """What the scripted model answers."""
    heard = last_user_text(chat)
    if "bill" in heard:
        return call_tool("send_to", json.dumps({"department": "billing", "why": "asked about an invoice"}))
    return "Do you need sales or billing?"


@server.rtc_session()
async def entrypoint(ctx: JobContext):
    """One call."""
    await ctx.connect()
    participant = await ctx.wait_for_participant()
    stt = "deepgram/nova-3"
    if participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP:
        # A telephone's voice has a model of its own; the attributes are there at first sight.
        stt = "deepgram/nova-2-phonecall"
        known = participant.attributes
        logger.info("caller %s, Twilio's call %s", known["sip.phoneNumber"], known.get("sip.twilio.callSid"))
    # A real agent has real models here, for instance:
    # AgentSession(stt=stt, llm="openai/gpt-4.1-mini", tts="cartesia/sonic-3")
    logger.info("ears for this call: %s", stt)
    session = AgentSession(
        stt=ScriptedSTT(["I have a question about my bill"]),
        llm=ScriptedLLM(receptionist),
        tts=ToneTTS(),
        turn_handling={"turn_detection": "stt"},
    )
    await session.start(agent=Receptionist(), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
