"""Ears, a mind and a voice that need no network and no paid model: they follow a script.

For trying an agent out, and for tests. A real agent has a speech-to-text service, a language model and a
text-to-speech service in their place; see the line that says so in each example.
"""

import math
import struct
from collections.abc import Callable

from livekit.agents import APIConnectOptions, DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, llm, stt, tts, utils

RATE = 24_000
# How loud a frame is that counts as speech, of 32,767.
LOUD = 300.0
# Seconds of sound that make an utterance, and of quiet that part two.
UTTERANCE = 0.5
GAP = 0.3


class ScriptedSTT(stt.STT):
    """Takes the first sound for the script's first line, the next sound after a pause for the second, and so on."""

    def __init__(self, lines: list[str]):
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))
        self.lines = lines

    async def _recognize_impl(self, buffer, *, language=NOT_GIVEN, conn_options: APIConnectOptions):
        raise NotImplementedError("it only listens to streams")

    def stream(self, *, language=NOT_GIVEN, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS):
        """Listens."""
        return _Listening(self, conn_options, iter(self.lines))


class _Listening(stt.RecognizeStream):
    def __init__(self, ears: ScriptedSTT, conn_options: APIConnectOptions, lines):
        super().__init__(stt=ears, conn_options=conn_options)
        self.lines = lines

    async def _run(self):
        heard, quiet, said = 0.0, 0.0, False
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                continue
            samples = memoryview(frame.data).cast("B").cast("h")
            level = math.sqrt(sum(sample * sample for sample in samples[::8]) / max(1, len(samples[::8])))
            seconds = frame.samples_per_channel / frame.sample_rate
            if level < LOUD:
                quiet += seconds
                if quiet >= GAP:
                    heard, said = 0.0, False
                continue
            heard, quiet = heard + seconds, 0.0
            if heard < UTTERANCE or said:
                continue
            said = True
            line = next(self.lines, None)
            if line is not None:
                self._say(line)

    def _say(self, line: str):
        words = [stt.SpeechData(language="en", text=line, confidence=1.0)]
        self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.START_OF_SPEECH))
        self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=words))
        self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.END_OF_SPEECH))


# What the script answers: words to say, or a tool to call with its arguments as JSON.
Answer = str | llm.FunctionToolCall
Script = Callable[[llm.ChatContext], Answer]


def call_tool(name: str, arguments: str) -> llm.FunctionToolCall:
    """The wish to call a tool."""
    return llm.FunctionToolCall(name=name, arguments=arguments, call_id=utils.shortuuid("call_"))


def last_user_text(chat: llm.ChatContext) -> str:
    """What the caller said last, if nothing has happened since."""
    for item in reversed(chat.items):
        if item.type == "function_call_output":
            return ""
        if item.type == "message" and item.role in ("user", "assistant"):
            return item.text_content or "" if item.role == "user" else ""
    return ""


class ScriptedLLM(llm.LLM):
    """Asks a function what to say."""

    def __init__(self, script: Script):
        super().__init__()
        self.script = script

    def chat(self, *, chat_ctx, tools=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, **_):
        """Answers."""
        return _Thinking(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Thinking(llm.LLMStream):
    async def _run(self):
        answer = self._llm.script(self._chat_ctx)
        delta = llm.ChoiceDelta(role="assistant")
        if isinstance(answer, str):
            delta.content = answer
        else:
            delta.tool_calls = [answer]
        self._event_ch.send_nowait(llm.ChatChunk(id=utils.shortuuid("chat_"), delta=delta))


class ToneTTS(tts.TTS):
    """Hums: the longer the text, the longer the tone."""

    def __init__(self, hertz: float = 660.0, seconds_per_letter: float = 0.03):
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1)
        self.hertz, self.seconds_per_letter = hertz, seconds_per_letter

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS):
        """Hums a text."""
        return _Humming(tts=self, input_text=text, conn_options=conn_options)


class _Humming(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter):
        output_emitter.initialize(
            request_id=utils.shortuuid("hum_"), sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        count = int(RATE * max(0.4, len(self._input_text) * self._tts.seconds_per_letter))
        turn = 2 * math.pi * self._tts.hertz / RATE
        output_emitter.push(struct.pack(f"<{count}h", *(int(8_000 * math.sin(turn * at)) for at in range(count))))
        output_emitter.flush()
