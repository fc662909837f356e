"""Somebody elsewhere, watched by what is told: events that are waited for, and last words for when they do not come."""

import asyncio

# The longest line that is told.
LINE = 1 << 22


class Watched:
    """What was told so far. Subclasses know how it comes here, and give it to `tell`."""

    def __init__(self, name: str):
        self.name = name
        self.events: list[dict] = []
        self.changed = asyncio.Event()
        self.words: list[str] = []
        """What was printed besides."""

    def tell(self, event: dict):
        """One more event."""
        self.events.append(event)
        self.changed.set()

    def last_words(self) -> str:
        """What was printed last, for an error message."""
        return "\n" + "\n".join(self.words[-30:])

    @staticmethod
    def brief(event: dict) -> str:
        """An event in an error message."""
        return str(event.get("event"))

    def saw(self, name: str, check=lambda _: True, **fields) -> dict | None:
        """The first event of that name with those fields that passes."""
        wanted = {"event": name, **fields}
        return next((e for e in self.events if wanted.items() <= e.items() and check(e)), None)

    async def until(self, wanted, what: str, seconds: float = 15):
        """Waits until `wanted()` gives something, looking after each event."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := wanted()):
                    self.changed.clear()
                    await self.changed.wait()
                return found
        except TimeoutError:
            seen = [self.brief(event) for event in self.events]
            raise AssertionError(f"{self.name}: no {what} within {seconds} s; saw {seen}{self.last_words()}") from None

    async def event(self, name: str, seconds: float = 20, check=lambda _: True, **fields) -> dict:
        """Waits for that event, unless it was."""
        return await self.until(lambda: self.saw(name, check, **fields), f"{name} {fields or ''}", seconds)


async def spawn(*command: str, **more) -> asyncio.subprocess.Process:
    """A child process that is told on its standard input, and tells in lines."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, **{"stdin": pipe, "stdout": pipe, "limit": LINE, **more})


async def finish(process: asyncio.subprocess.Process, seconds: float = 10):
    """Ends it by closing its standard input, as it is used to; by force if that is not enough."""
    process.stdin.close()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
