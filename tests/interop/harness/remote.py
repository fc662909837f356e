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
from .watched import Watched, finish, spawn

PREFIX = "@@"
HOME = ROOT / "target" / "interop"
FOLDER = Path(__file__).resolve().parents[1]
NEWEST = HOME / "venv-newest" / "bin" / "python"
NODE = HOME / "node"


class Remote(Watched):
    """The near end of such a client. Subclasses know how to send."""

    def __init__(self, name: str):
        super().__init__(name)
        self.answers: dict[int, asyncio.Future] = {}
        self.numbers = itertools.count(1)

    async def send(self, message: str):
        """Brings a message to the client."""
        raise NotImplementedError

    def take(self, message: dict):
        """Takes a message that came from the client."""
        if "id" not in message:
            self.tell(message)
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
        self.process = await spawn(*self.command, stderr=asyncio.subprocess.STDOUT, cwd=FOLDER, env=self.env)
        self.reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        await finish(self.process)
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
