"""Workers of `livekit-agents`, each a process in the environment that is made for them."""

import asyncio
import json
import os
import shutil
import signal

import numpy

from .phone import DECODE
from .remote import FOLDER, HOME
from .server import KEY, ROOT, SECRET, Trunkline, eventually
from .watched import Watched

PYTHON = HOME / "venv-agents" / "bin" / "python"
# Node looks for packages beside the program, so examples are copied there.
NODE_HOME = HOME / "node-agents"
EXAMPLES = ROOT / "examples"
WORKER = FOLDER / "agents" / "worker.py"
# What the voice of the worker sounds like: the greeting, the goodbye.
GREETING_HERTZ, GOODBYE_HERTZ = 660, 1_040


class Worker(Watched, asyncio.DatagramProtocol):
    """One worker; `async with` starts it, waits until it is registered, and ends it."""

    def __init__(
        self, server: Trunkline, agent: str, name: str = "", program=WORKER, wait: bool = True, idle: int = 1, **more: str
    ):
        super().__init__(agent)
        self.server, self.program, self.wait = server, program, wait
        self.environment = {"AGENT": agent, "AGENT_NAME": name, "IDLE": str(idle), **more}

    async def __aenter__(self) -> "Worker":
        command = self.command()
        keys = {"LIVEKIT_URL": self.server.url.replace("http", "ws"), "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
        loop = asyncio.get_running_loop()
        self.socket, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        keys["EVENTS"] = str(self.socket.get_extra_info("sockname")[1])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LIVEKIT_")}
        before = await self.registered() if self.wait else []
        # A group of its own, so that a kill reaches its jobs too.
        self.process = await asyncio.create_subprocess_exec(
            *command, "start", env={**kept, **keys, **self.environment},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True, limit=2**20,
        )
        self.reading = asyncio.create_task(self.read())
        if self.wait:
            await eventually(lambda: self.joined(len(before)), f"a worker's registration{self.last_words()}", 60)
        return self

    def command(self) -> list[str]:
        """The interpreter and the program."""
        if self.program.suffix == ".mjs":
            assert (NODE_HOME / "node_modules").is_dir(), f"{NODE_HOME} is missing; cargo xtask test makes it"
            for example in EXAMPLES.glob("*.mjs"):
                shutil.copy(example, NODE_HOME)
            return ["node", str(NODE_HOME / self.program.name)]
        assert PYTHON.is_file(), f"{PYTHON} is missing; cargo xtask test makes it"
        return [str(PYTHON), str(self.program)]

    async def joined(self, before: int) -> bool:
        """Whether there is one more worker than before that has said how it is: it gets its share from then on."""
        return len([worker for worker in await self.registered() if worker["reported"]]) > before

    async def registered(self) -> list[dict]:
        """The workers there are."""
        return (await self.server.twirp("trunkline.Agents/ListWorkers", {}))["workers"]

    async def __aexit__(self, *_):
        await self.kill()
        self.reading.cancel()
        self.socket.close()

    async def kill(self):
        """Ends it and its jobs as a power cut would."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()

    async def read(self):
        """Keeps what it prints last."""
        while line := await self.process.stdout.readline():
            self.words.append(line.decode(errors="replace").rstrip()[:300])
            del self.words[:-30]

    def datagram_received(self, data: bytes, _source):
        """Takes what its agents tell."""
        self.tell(json.loads(data))

    def seen(self, event: str) -> list[dict]:
        """All such events so far."""
        return [e for e in self.events if e["event"] == event]

    async def event(self, event: str, count: int = 1, seconds: float = 30) -> dict:
        """The `count`-th such event."""
        await self.until(lambda: len(self.seen(event)) >= count, f"{event} ({count})", seconds)
        return self.seen(event)[count - 1]


def heard_seconds(packets: list, hertz: int) -> float:
    """For how long a telephone has heard a tone, to a packet."""
    count = 0
    for kind, _, _, payload in packets:
        if kind == 0:
            samples = DECODE[numpy.frombuffer(payload, dtype=numpy.uint8)].astype(float)
            turn = numpy.exp(-2j * numpy.pi * hertz * numpy.arange(len(samples)) / 8_000)
            level = abs(numpy.sum(samples * turn)) / len(samples)
            rms = numpy.sqrt(numpy.mean(samples**2))
            count += bool(level > 500 and level > 0.4 * rms)
    return count * 0.02
