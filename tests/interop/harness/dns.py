"""A name server in fifty lines: it knows what a test tells it, and nothing else exists."""

import asyncio
import struct

KINDS = {"A": 1, "SRV": 33, "NAPTR": 35}


def name(text: str) -> bytes:
    """A name as labels (RFC 1035 §3.1)."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.strip(".").split(".") if label) + b"\0"


def strings(*texts: str) -> bytes:
    """Character strings (RFC 1035 §3.3)."""
    return b"".join(bytes([len(text)]) + text.encode() for text in texts)


def address(ip: str) -> tuple[int, bytes]:
    """An A record."""
    return KINDS["A"], bytes(int(part) for part in ip.split("."))


def srv(priority: int, weight: int, port: int, target: str) -> tuple[int, bytes]:
    """An SRV record (RFC 2782)."""
    return KINDS["SRV"], struct.pack("!HHH", priority, weight, port) + name(target)


def naptr(order: int, preference: int, service: str, replacement: str) -> tuple[int, bytes]:
    """A NAPTR record with the flag `s` (RFC 3263 §4.1)."""
    return KINDS["NAPTR"], struct.pack("!HH", order, preference) + strings("s", service, "") + name(replacement)


class NameServer(asyncio.DatagramProtocol):
    """One UDP socket; `records` maps names to lists of records."""

    def __init__(self, records: dict[str, list] | None = None):
        self.records = records or {}
        self.asked: list[tuple[str, int]] = []

    async def __aenter__(self) -> "NameServer":
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.place = "%s:%d" % self.transport.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(self, *_):
        self.transport.close()

    def datagram_received(self, data: bytes, source):
        """Answers one question; a name that is not there does not exist."""
        labels, at = [], 12
        while length := data[at]:
            labels.append(data[at + 1 : at + 1 + length].decode().lower())
            at += 1 + length
        question, (kind, _) = data[12 : at + 5], struct.unpack("!HH", data[at + 1 : at + 5])
        asked = ".".join(labels)
        self.asked.append((asked, kind))
        known = self.records.get(asked)
        found = [value for value in known or [] if value[0] == kind]
        flags = 0x8580 if known else 0x8583
        head = data[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
        answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", k, 1, 1, len(rdata)) + rdata for k, rdata in found)
        self.transport.sendto(head + question + answers, source)

    def error_received(self, _error):
        """Nobody waits for the answer any more."""
