"""A far end of the project's own: `trunkline sim persona`, watched by the lines it prints."""

import asyncio
import json

from .server import BINARY


class Persona:
    """One persona; `async with` starts it, and ends it by closing its standard input."""

    def __init__(self, name: str, *words: str, transport: str = "udp", **settings):
        self.name = name
        self.words = ["--transport", transport, *words]
        for key, value in settings.items():
            self.words += ["--set", f"{key}={value}"]
        self.events: list[dict] = []
        self.changed = asyncio.Event()
        self.errors = b""

    async def __aenter__(self) -> "Persona":
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            BINARY, "sim", "persona", self.name, *self.words, stdin=pipe, stdout=pipe, stderr=pipe, limit=1 << 22
        )
        async with asyncio.timeout(15):
            first = await self.process.stdout.readline()
        if not first.startswith(b"{"):
            raise AssertionError(f"persona {self.name}: {first!r} {(await self.process.stderr.read())!r}")
        self.place = json.loads(first)["sip"]
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
        while line := await self.process.stdout.readline():
            self.events.append(json.loads(line))
            self.changed.set()

    async def event(self, name: str, seconds: float = 20, check=lambda _: True) -> dict:
        """The first such event, perhaps one that was already."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for event in self.events:
                        if event.get("event") == name and check(event):
                            return event
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            seen = [event.get("text", "").split("\r\n")[0] or event for event in self.events]
            raise AssertionError(f"{self.name}: no {name} within {seconds} s; saw {seen}") from None

    async def request(self, method: str, seconds: float = 20) -> str:
        """The first request of that method it received."""
        found = await self.event("received", seconds, lambda event: event["text"].startswith(f"{method} "))
        return found["text"]
