"""A far end of the project's own: `trunkline sim persona`, watched by the lines it prints."""

import asyncio
import json

from .server import BINARY
from .watched import Watched, finish, spawn


class Persona(Watched):
    """One persona; `async with` starts it, and ends it by closing its standard input."""

    def __init__(self, name: str, *words: str, transport: str = "udp", **settings):
        super().__init__(name)
        self.command = [BINARY, "sim", "persona", name, "--transport", transport, *words]
        for key, value in settings.items():
            self.command += ["--set", f"{key}={value}"]

    async def __aenter__(self) -> "Persona":
        self.process = await spawn(*self.command, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(15):
            first = await self.process.stdout.readline()
        if not first.startswith(b"{"):
            raise AssertionError(f"persona {self.name}: {first!r} {(await self.process.stderr.read())!r}")
        self.place = json.loads(first)["sip"]
        self.reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        await finish(self.process)
        self.reader.cancel()

    async def _read(self):
        while line := await self.process.stdout.readline():
            self.tell(json.loads(line))

    @staticmethod
    def brief(event: dict) -> str:
        """Its first line if it is a message."""
        return event.get("text", "").split("\r\n")[0] or str(event)

    async def request(self, method: str, seconds: float = 20) -> str:
        """The first request of that method it received."""
        found = await self.event("received", seconds, lambda event: event["text"].startswith(f"{method} "))
        return found["text"]
