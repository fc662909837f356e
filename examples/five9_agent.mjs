// A Five9 caller talks with an agent, which sends him back to Five9's IVR with what it has learned.
//
//     npm install @livekit/agents @livekit/rtc-node livekit-server-sdk zod
//     LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=… node five9_agent.mjs start
//
// The trunk maps the attributes `five9.*` to the headers `X-RouteReason`, `X-RouteType`, `X-RouteValue` and
// `X-MetaData`; they leave on the BYE.

import { ServerOptions, cli, defineAgent, getJobContext, llm, voice } from "@livekit/agents";
import { ParticipantKind } from "@livekit/rtc-node";
import { RoomServiceClient } from "livekit-server-sdk";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ScriptedLLM, ScriptedSTT, ToneTTS, callTool, lastUserText } from "./scripted.mjs";

// Asks what the caller wants and finds the department.
class Receptionist extends voice.Agent {
  constructor() {
    super({
      instructions: "You answer the phone. Find out whether the caller needs sales or billing.",
      tools: {
        sendTo: llm.tool({
          description: "Send the caller to a department.",
          parameters: z.object({ department: z.string(), why: z.string() }),
          execute: async ({ department, why }, { ctx }) => {
            const { room } = getJobContext();
            const caller = [...room.remoteParticipants.values()].find((p) => p.kind === ParticipantKind.SIP);
            if (!caller) return "There is no caller.";
            const rooms = new RoomServiceClient(process.env.LIVEKIT_URL.replace(/^ws/, "http"));
            await rooms.updateParticipant(room.name, caller.identity, {
              attributes: {
                "five9.route_reason": why,
                "five9.route_type": "SKILL_TRANSFER",
                "five9.route_value": department,
                "five9.metadata": JSON.stringify({ intent: "transfer", department }),
              },
            });
            // The last word: it is heard before the call ends.
            const goodbye = ctx.session.say(`I am connecting you with ${department}. Goodbye!`, {
              allowInterruptions: false,
            });
            // Not awaited here: the tool's own speech has to end first.
            goodbye.waitForPlayout().then(() => rooms.deleteRoom(room.name));
            return "done";
          },
        }),
      },
    });
  }

  // The first word.
  async onEnter() {
    this.session.say("Hello, how may I direct your call?", { allowInterruptions: false });
  }
}

// What the scripted model answers.
function receptionist(chat) {
  console.log("told before:", chat.items.find((item) => item.type === "message" && item.role === "assistant")?.textContent);
  const heard = lastUserText(chat);
  if (heard.includes("bill")) return callTool("sendTo", { department: "billing", why: "asked about an invoice" });
  return "Do you need sales or billing?";
}

export default defineAgent({
  entry: async (ctx) => {
    await ctx.connect();
    const caller = await ctx.waitForParticipant();
    // A real agent has real models here, for instance:
    // new voice.AgentSession({ stt: "deepgram/nova-3", llm: "openai/gpt-4.1-mini", tts: "cartesia/sonic-3" })
    const session = new voice.AgentSession({
      stt: new ScriptedSTT(["I have a question about my bill"]),
      llm: new ScriptedLLM(receptionist),
      tts: new ToneTTS(),
      turnHandling: { turnDetection: "stt" },
    });
    const agent = new Receptionist();
    if (caller.kind === ParticipantKind.SIP) {
      // The attributes are there at first sight; what they say is part of the conversation from its beginning.
      const { "sip.phoneNumber": number, "sip.twilio.callSid": twilio } = caller.attributes;
      const known = session.chatCtx.copy();
      known.addMessage({ role: "assistant", content: `The caller is ${number}, Twilio's call ${twilio}.` });
      await agent.updateChatCtx(known);
    }
    await session.start({ agent, room: ctx.room });
  },
});

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // In development a small machine would call itself full at once; take the threshold out in production.
  cli.runApp(
    new ServerOptions({ agent: fileURLToPath(import.meta.url), loadThreshold: Infinity, numIdleProcesses: 1, port: 0 }),
  );
}
