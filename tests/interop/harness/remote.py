"""A client that runs elsewhere (another interpreter, Node, a browser) and is told what to do.

Both directions speak JSON, a message each: a question is `{"id", "do", …}`, its answer
`{"id", "answer"}` or `{"id", "error"}`, and what happens unasked is `{"event", …}`.
"""

import asyncio
import itertools
import json
import os
from pathlib import Path

from .server import ROOT

PREFIX = "@@"
HOME = ROOT / "target" / "interop"
FOLDER = Path(__file__).resolve().parents[1]
NEWEST = HOME / "venv-newest" / "bin" / "python"
NODE = HOME / "node"


class Remote:
    """The near end of such a client. Subclasses know how to send."""

    def __init__(self, name: str):
        self.name = name
        self.events: list[dict] = []
        self.changed = asyncio.Event()
        self.answers: dict[int, asyncio.Future] = {}
        self.numbers = itertools.count(1)
        self.words: list[str] = []

    async def send(self, message: str):
        """Brings a message to the client."""
        raise NotImplementedError

    def take(self, message: dict):
        """Takes a message that came from the client."""
        if "id" not in message:
            self.events.append(message)
            self.changed.set()
        elif (future := self.answers.pop(message["id"], None)) and not future.done():
            if "error" in message:
                future.set_exception(AssertionError(f"{self.name}: {message['error']}{self.last_words()}"))
            else:
                future.set_result(message.get("answer"))

    def gone(self):
        """No more will come: whoever waits is told."""
        for future in self.answers.values():
            if not future.done():
                future.set_exception(AssertionError(f"{self.name} ended{self.last_words()}"))
        self.answers.clear()

    def last_words(self) -> str:
        """What it printed last, for an error message."""
        return "\n" + "\n".join(self.words[-30:])

    async def ask(self, verb: str, /, *, within: float = 30, **details):
        """Has it do something and waits for the result."""
        number = next(self.numbers)
        future = self.answers[number] = asyncio.get_running_loop().create_future()
        await self.send(json.dumps({"id": number, "do": verb, **details}))
        try:
            async with asyncio.timeout(within):
                return await future
        except TimeoutError:
            raise AssertionError(f"{self.name} did not {verb} within {within} s{self.last_words()}") from None

    def saw(self, name: str, **fields) -> dict | None:
        """The first event of that name with those fields."""
        wanted = {"event": name, **fields}
        return next((e for e in self.events if wanted.items() <= e.items()), None)

    async def until(self, wanted, what: str, seconds: float = 15):
        """Waits until `wanted()` gives something, looking after each event."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := wanted()):
                    self.changed.clear()
                    await self.changed.wait()
                return found
        except TimeoutError:
            seen = [event["event"] for event in self.events]
            raise AssertionError(f"{self.name}: no {what}; saw {seen}{self.last_words()}") from None

    async def event(self, name: str, seconds: float = 15, **fields) -> dict:
        """Waits for that event, unless it was."""
        return await self.until(lambda: self.saw(name, **fields), f"{name} {fields}", seconds)


class Child(Remote):
    """Such a client as a child process, told on its standard input; `async with` starts and ends it."""

    def __init__(self, name: str, *command, env: dict | None = None):
        super().__init__(name)
        self.command = [str(word) for word in command]
        self.env = {**os.environ, **(env or {})}

    async def __aenter__(self):
        assert Path(self.command[0]).exists() or "/" not in self.command[0], (
            f"{self.command[0]} is missing: `cargo xtask test` installs it"
        )
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, cwd=FOLDER, env=self.env,
            limit=1 << 22,
        )
        self.reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        self.process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self.reader.cancel()

    async def _read(self):
        while line := (await self.process.stdout.readline()).decode(errors="replace"):
            if line.startswith(PREFIX):
                self.take(json.loads(line[len(PREFIX):]))
            else:
                self.words.append(line.rstrip())
        self.gone()

    async def send(self, message: str):
        """Writes it as a line."""
        self.process.stdin.write(message.encode() + b"\n")
        await self.process.stdin.drain()


class Away(Child):
    """A participant on the Python SDK in a process of its own, with any interpreter."""

    def __init__(self, name: str, python):
        super().__init__(name, python, "-m", "harness.partner")


class Node(Child):
    """A participant on `@livekit/rtc-node`."""

    def __init__(self, name: str):
        super().__init__(name, "node", FOLDER / "node" / "partner.mjs", env={"INTEROP_NODE": str(NODE)})
        assert (NODE / "node_modules").is_dir(), f"{NODE}/node_modules is missing: `cargo xtask test` installs it"
