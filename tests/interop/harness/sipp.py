"""sipp as the caller, and the messages it saw, byte for byte."""

import asyncio
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

SCENARIOS = Path(__file__).resolve().parents[1] / "sipp"
FRAME = re.compile(rb"-{20,}[^\n]*\n(UDP|TCP) message (sent|received)(?: \((\d+) bytes\)| \[(\d+)\] bytes)[ :]*\n\n")


@dataclass
class Message:
    """A SIP message as it was on the wire."""

    sent: bool
    raw: bytes
    start: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def __post_init__(self):
        head = self.raw.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
        self.start = head[0]
        for line in head[1:]:
            name, _, value = line.partition(b":")
            # One space behind the colon is the notation; any further one belongs to the value.
            self.headers.append((name, value.removeprefix(b" ")))

    def all(self, name: str) -> list[bytes]:
        """The values of a header, in order; the name as it is written, without regard to case."""
        return [value for key, value in self.headers if key.lower() == name.lower().encode()]

    def get(self, name: str) -> bytes:
        """The one value of a header."""
        values = self.all(name)
        assert len(values) == 1, f"{name}: {values} in\n{self.raw.decode(errors='replace')}"
        return values[0]

    @property
    def body(self) -> bytes:
        """What follows the headers."""
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def is_request(self) -> bool:
        """Whether it is one."""
        return not self.start.startswith(b"SIP/2.0")

    @property
    def method(self) -> str:
        """The method; of a response, that of its request."""
        return self.get("CSeq").split()[1].decode()


def messages(trace: Path) -> list[Message]:
    """The messages of a trace file."""
    data = trace.read_bytes()
    found = []
    for match in FRAME.finditer(data):
        length = int(match[3] or match[4])
        found.append(Message(match[2] == b"sent", data[match.end() : match.end() + length]))
    return found


@dataclass
class Caller:
    """A running sipp."""

    process: asyncio.subprocess.Process
    trace: Path
    output: Path

    async def done(self, seconds: float) -> list[Message]:
        """Waits for its end, which must be a good one; returns what it saw."""
        try:
            async with asyncio.timeout(seconds):
                code = await self.process.wait()
        except TimeoutError:
            await self.end()
            raise AssertionError(f"sipp did not end within {seconds} s:\n{self.tail()}") from None
        assert code == 0, f"sipp ended with {code} (1: a call failed):\n{self.tail()}"
        return messages(self.trace)

    async def end(self):
        """Ends it now."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def tail(self) -> str:
        """The last of what it wrote, for the report of a failed test."""
        texts = [path.read_text(errors="replace")[-3000:] for path in (self.output, self.trace) if path.exists()]
        return "\n".join(texts)


async def call(
    folder: Path,
    scenario: str,
    server: tuple[str, int],
    number: str,
    *,
    calls: int = 1,
    at_once: int = 1,
    rate: int = 50,
    keys: dict[str, str] | None = None,
) -> Caller:
    """Starts sipp with a scenario of this repository against a server."""
    program = shutil.which("sipp")
    assert program, "sipp is missing; as root: apt-get install -y sipp (or sip-tester)"
    trace = folder / f"{scenario}.messages"
    output = folder / f"{scenario}.out"
    words = [
        program, f"{server[0]}:{server[1]}",
        "-sf", str(SCENARIOS / f"{scenario}.xml"),
        "-s", number,
        "-i", "127.0.0.1",
        "-m", str(calls), "-l", str(at_once), "-r", str(rate),
        "-recv_timeout", "20000",
        "-trace_msg", "-message_file", str(trace),
        "-trace_err", "-error_file", str(folder / f"{scenario}.errors"),
        "-nostdin",
    ]
    for name, value in (keys or {}).items():
        words += ["-key", name, value]
    with open(output, "wb") as log:
        process = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log, cwd=folder)
    return Caller(process, trace, output)
