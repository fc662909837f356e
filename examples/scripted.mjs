// Ears, a mind and a voice that need no network and no paid model: they follow a script.
//
// For trying an agent out, and for tests. A real agent has a speech-to-text service, a language model and a
// text-to-speech service in their place; see the line that says so in the example.

import { AudioByteStream, DEFAULT_API_CONNECT_OPTIONS, llm, shortuuid, stt, tts } from "@livekit/agents";

const RATE = 24_000;
// How loud a frame is that counts as speech, of 32,767.
const LOUD = 300;
// Seconds of sound that make an utterance, and of quiet that part two.
const UTTERANCE = 0.5;
const GAP = 0.3;

function loudness(frame) {
  let sum = 0;
  for (const sample of frame.data) sum += sample * sample;
  return Math.sqrt(sum / Math.max(1, frame.data.length));
}

class Listening extends stt.SpeechStream {
  label = "scripted.Listening";

  constructor(ears, lines, connOptions) {
    super(ears, undefined, connOptions);
    this.lines = [...lines];
  }

  async run() {
    let heard = 0, quiet = 0, said = false;
    for await (const frame of this.input) {
      if (frame === stt.SpeechStream.FLUSH_SENTINEL) continue;
      const seconds = frame.samplesPerChannel / frame.sampleRate;
      if (loudness(frame) < LOUD) {
        quiet += seconds;
        if (quiet >= GAP) { heard = 0; said = false; }
        continue;
      }
      heard += seconds;
      quiet = 0;
      if (heard < UTTERANCE || said) continue;
      said = true;
      const text = this.lines.shift();
      if (text === undefined) continue;
      const words = [{ language: "en", text, startTime: 0, endTime: 0, confidence: 1 }];
      this.queue.put({ type: stt.SpeechEventType.START_OF_SPEECH });
      this.queue.put({ type: stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives: words });
      this.queue.put({ type: stt.SpeechEventType.END_OF_SPEECH });
    }
  }
}

// Takes the first sound for the script's first line, the next sound after a pause for the second, and so on.
export class ScriptedSTT extends stt.STT {
  label = "scripted.STT";

  constructor(lines) {
    super({ streaming: true, interimResults: false });
    this.lines = lines;
  }

  async _recognize() {
    throw new Error("it only listens to streams");
  }

  stream(options) {
    return new Listening(this, this.lines, options?.connOptions);
  }
}

// The wish to call a tool.
export function callTool(name, args) {
  return llm.FunctionCall.create({ callId: shortuuid("call_"), name, args: JSON.stringify(args) });
}

// What the caller said last, if nothing has happened since.
export function lastUserText(chat) {
  for (const item of [...chat.items].reverse()) {
    if (item.type === "function_call_output") return "";
    if (item.type === "message" && item.role === "user") return item.textContent ?? "";
    if (item.type === "message" && item.role === "assistant") return "";
  }
  return "";
}

class Thinking extends llm.LLMStream {
  constructor(mind, options) {
    super(mind, options);
    this.script = mind.script;
  }

  async run() {
    const answer = this.script(this.chatCtx);
    const said = typeof answer === "string" ? { content: answer } : { toolCalls: [answer] };
    this.queue.put({ id: shortuuid("chat_"), delta: { role: "assistant", ...said } });
  }
}

// Asks a function what to say.
export class ScriptedLLM extends llm.LLM {
  constructor(script) {
    super();
    this.script = script;
  }

  label() {
    return "scripted.LLM";
  }

  chat({ chatCtx, toolCtx, connOptions = DEFAULT_API_CONNECT_OPTIONS }) {
    return new Thinking(this, { chatCtx, toolCtx, connOptions });
  }
}

class Humming extends tts.ChunkedStream {
  label = "scripted.Humming";

  constructor(text, voice, connOptions, signal) {
    super(text, voice, connOptions, signal);
    this.voice = voice;
  }

  async run() {
    const count = Math.floor(RATE * Math.max(0.4, this.inputText.length * this.voice.secondsPerLetter));
    const turn = (2 * Math.PI * this.voice.hertz) / RATE;
    const samples = Int16Array.from({ length: count }, (_, at) => 8_000 * Math.sin(turn * at));
    const chunks = new AudioByteStream(RATE, 1);
    const frames = [...chunks.write(samples.buffer), ...chunks.flush()];
    const requestId = shortuuid("hum_");
    frames.forEach((frame, at) => {
      this.queue.put({ requestId, segmentId: requestId, frame, final: at === frames.length - 1 });
    });
    this.queue.close();
  }
}

// Hums: the longer the text, the longer the tone.
export class ToneTTS extends tts.TTS {
  label = "scripted.TTS";

  constructor(hertz = 660, secondsPerLetter = 0.03) {
    super(RATE, 1, { streaming: false });
    this.hertz = hertz;
    this.secondsPerLetter = secondsPerLetter;
  }

  synthesize(text, connOptions, signal) {
    return new Humming(text, this, connOptions, signal);
  }

  stream() {
    throw new Error("it hums whole texts");
  }
}
