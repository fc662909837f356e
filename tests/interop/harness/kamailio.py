"""A record-routing Kamailio on loopback."""

import asyncio
import shutil
import socket
from pathlib import Path

from . import farend

CONFIGS = Path(__file__).resolve().parents[1] / "kamailio"


def free_port() -> int:
    """A UDP port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Kamailio:
    """A proxy in front of one server. What `fill` names stands in the configuration as `@NAME@`."""

    def __init__(self, folder: Path, server: tuple[str, int], config: str = "record_route.cfg", **fill: str):
        self.folder = folder
        self.config, self.fill = CONFIGS / config, fill
        self.address = ("127.0.0.1", free_port())
        self.server = server
        self.process = None

    async def start(self) -> "Kamailio":
        """Starts it and waits until it passes an OPTIONS on and an answer back."""
        path = shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        assert path, "kamailio is missing; as root: apt-get install -y kamailio"
        config = self.folder / "kamailio.cfg"
        text = self.config.read_text()
        for name, value in self.fill.items():
            text = text.replace(f"@{name.upper()}@", value)
        text = text.replace("@LISTEN@", "%s:%d" % self.address).replace("@SERVER@", "%s:%d" % self.server)
        config.write_text(text)
        log = self.folder / "kamailio.log"
        with open(log, "wb") as out:
            self.process = await asyncio.create_subprocess_exec(
                path, "-f", str(config), "-DD", "-E", "-m", "64", "-M", "8",
                "-w", str(self.folder), "-Y", str(self.folder), "-P", str(self.folder / "kamailio.pid"),
                stdout=out, stderr=out,
            )
        try:
            # Retransmission is the waiting: datagrams to a port that is not open yet are lost.
            async with farend.FarEnd() as probe:
                await probe.options(self.address, seconds=15)
        except AssertionError:
            await self.stop()
            raise AssertionError(f"kamailio does not answer:\n{log.read_text(errors='replace')[-3000:]}") from None
        return self

    async def stop(self):
        """Ends it and its children."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(10):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
