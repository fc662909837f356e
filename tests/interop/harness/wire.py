"""SIP on one end's socket, whatever it goes over: UDP, TCP or TLS, on IPv4 or IPv6, behind one `sendto`.

A stream's far end is known by the address its connection came from, as a datagram's is by its source.
"""

import asyncio
import re
import ssl

LENGTH = re.compile(rb"\r\n(?:Content-Length|l)\s*:\s*(\d+)", re.IGNORECASE)


def bracketed(host: str) -> str:
    """The host as it stands in a URI or a Via."""
    return f"[{host}]" if ":" in host else host


def of(address: tuple[str, int]) -> str:
    """`host:port`."""
    return f"{bracketed(address[0])}:{address[1]}"


def family(host: str) -> str:
    """The address type of SDP (RFC 4566 §5.7)."""
    return "IP6" if ":" in host else "IP4"


def message_end(data: bytes) -> int | None:
    """Where the first message of a stream ends (RFC 3261 §18.3), once it is all here."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = LENGTH.search(data, 0, head + 4)
    end = head + 4 + (int(length[1]) if length else 0)
    return end if len(data) >= end else None


class Streams:
    """A listener and the connections of one end; `sendto` opens one to whom there is none."""

    def __init__(self, take, host: str, server: ssl.SSLContext | None, client: ssl.SSLContext | None):
        self.take, self.host, self.server_tls, self.client_tls = take, host, server, client
        self.writers: dict[tuple[str, int], asyncio.StreamWriter] = {}
        self.opening: dict[tuple[str, int], list[bytes]] = {}
        self.tasks: set[asyncio.Task] = set()
        self.secured: list[ssl.SSLObject] = []
        """What TLS agreed on, of each connection that was accepted."""
        self.refused: list[str] = []
        """Why connections broke."""

    async def open(self) -> "Streams":
        """Listens."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        self.server = await asyncio.start_server(self._accepted, self.host, 0, ssl=self.server_tls)
        self.address = self.server.sockets[0].getsockname()[:2]
        return self

    def _broken(self, loop, context: dict):
        """A handshake that a client breaks off is what a test may want."""
        if isinstance(context.get("exception"), (ssl.SSLError, ConnectionError)):
            self.refused.append(str(context["exception"]))
        else:
            loop.default_exception_handler(context)

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        """Where it listens, as a datagram's transport says it."""
        return self.address

    def close(self):
        """Ends everything."""
        self.server.close()
        for writer in self.writers.values():
            writer.transport.abort()
        for task in self.tasks:
            task.cancel()

    def sendto(self, data: bytes, target: tuple):
        """Sends on the connection to there, or on a new one."""
        target = tuple(target[:2])
        if writer := self.writers.get(target):
            writer.write(data)
        elif target in self.opening:
            self.opening[target].append(data)
        else:
            self.opening[target] = [data]
            self._task(self._connect(target))

    def _task(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _connect(self, target: tuple[str, int]):
        name = "" if self.client_tls else None
        try:
            reader, writer = await asyncio.open_connection(
                *target, ssl=self.client_tls, server_hostname=name, local_addr=(self.host, 0)
            )
        except OSError as error:
            self.refused.append(str(error))
            self.opening.pop(target, None)
            return
        self.writers[target] = writer
        writer.write(b"".join(self.opening.pop(target, [])))
        await self._read(reader, target)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        source = writer.get_extra_info("peername")[:2]
        if secured := writer.get_extra_info("ssl_object"):
            self.secured.append(secured)
        self.writers[source] = writer
        await self._read(reader, source)

    async def _read(self, reader: asyncio.StreamReader, source: tuple[str, int]):
        data = b""
        try:
            while chunk := await reader.read(65_536):
                data = (data + chunk).lstrip(b"\r\n")
                while data and (end := message_end(data)) is not None:
                    self.take(data[:end], source)
                    data = data[end:].lstrip(b"\r\n")
        except OSError as error:
            self.refused.append(str(error))
        finally:
            if writer := self.writers.pop(source, None):
                writer.transport.abort()


async def open_wire(end: asyncio.DatagramProtocol, host: str, kind: str, server=None, client=None):
    """The socket of this end: what came goes to its `datagram_received`."""
    if kind == "udp":
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: end, local_addr=(host, 0))
        return transport
    return await Streams(end.datagram_received, host, server, client).open()
