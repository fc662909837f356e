"""A TCP relay that can be cut: signalling breaks while media goes on."""

import asyncio


class Proxy:
    """Relays to one address; `async with` opens and closes it."""

    def __init__(self, host: str, port: int):
        self.target = (host, port)
        self.open: set[asyncio.StreamWriter] = set()
        self.passing = asyncio.Event()
        self.passing.set()
        self.accepted = 0
        self.waiting = 0
        self.cuts = 0

    async def __aenter__(self) -> "Proxy":
        self.server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.passing.set()
        self.server.close()
        self.cut()

    @property
    def url(self) -> str:
        """What a client is told instead of the server's address."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self, stay: bool = False):
        """Breaks what is open, without a word; who comes again waits if it is to `stay` so."""
        if stay:
            self.passing.clear()
        self.cuts += len(self.open)
        for writer in self.open:
            writer.transport.abort()
        self.open.clear()

    def mend(self):
        """Lets them through again."""
        self.passing.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.accepted += 1
        self.open.add(writer)
        self.waiting += 1
        await self.passing.wait()
        self.waiting -= 1
        try:
            onward, back = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self.open.add(back)
        await asyncio.gather(self._pass(reader, back), self._pass(onward, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self.open.discard(writer)
            writer.close()
