"""The real binary, started on free loopback ports and ended by its own process id."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import aiohttp
from livekit import api

KEY = "devkey"
SECRET = "a-secret-that-is-long-enough-for-hs256"
ROOT = Path(__file__).resolve().parents[3]
BINARY = os.environ.get("TRUNKLINE_BIN", str(ROOT / "target" / "debug" / "trunkline"))
START_SECONDS = 30


def split(address: str) -> tuple[str, int]:
    """Host and port of `host:port`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


async def eventually(probe, what: str, seconds: float = 15):
    """Asks until the answer is true, and returns it. For what no event announces."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)


class Trunkline:
    """One server with a data directory that outlives it."""

    def __init__(self, folder: Path, settings: dict | None = None):
        self.folder = folder
        self.settings = settings or {}
        self.process = None
        self.addresses = {}
        self.log = folder / "trunkline.log"

    def config(self) -> str:
        """The configuration, as JSON, which is YAML."""
        values = {
            "port": 0,
            "bind_addresses": ["127.0.0.1"],
            "sip_port": 0,
            "listen_ip": "127.0.0.1",
            "rtp_port": "20000-30000",
            "rtc": {"udp_port": 0, "tcp_port": 0},
            "keys": {KEY: SECRET},
            "answer_policy": "immediate",
            "data_dir": str(self.folder / "data"),
        }
        return json.dumps({**values, **self.settings})

    async def start(self) -> "Trunkline":
        """Starts it and waits for the line with its addresses."""
        assert Path(BINARY).is_file(), f"{BINARY} is missing: cargo build -p trunkline-cli, or set TRUNKLINE_BIN"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "TRUNKLINE_"))}
        with open(self.log, "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                BINARY, "run", "--config-body", self.config(), "--print-addresses",
                stdout=asyncio.subprocess.PIPE, stderr=log, env=env,
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                while line := await self.process.stdout.readline():
                    if line.startswith(b"{"):
                        self.addresses = json.loads(line)
                        return self
        except TimeoutError:
            pass
        await self.kill()
        raise AssertionError(f"no addresses from `trunkline run`; its log:\n{self.log_text()[-4000:]}")

    def log_text(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://{self.addresses['http']}"

    @property
    def sip(self) -> tuple[str, int]:
        """Where it takes SIP over UDP."""
        return split(self.addresses["sip_udp"])

    def sip_over(self, kind: str) -> tuple[str, int]:
        """Where it takes SIP over `udp`, `tcp` or `tls`."""
        return split(self.addresses[f"sip_{kind}"])

    async def stop(self):
        """Ends it in the orderly way; twice the signal means now."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(5):
                await self.process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self):
        """Ends it as a power cut would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def client(self, secret: str = SECRET) -> api.LiveKitAPI:
        """The official client."""
        return api.LiveKitAPI(self.url, KEY, secret)

    async def twirp(self, method: str, body: dict) -> dict:
        """Calls a method that the official client does not know, in JSON."""
        grants = api.VideoGrants(room_admin=True, room_create=True, room_list=True)
        token = (
            api.AccessToken(KEY, SECRET)
            .with_grants(grants)
            .with_sip_grants(api.SIPGrants(admin=True, call=True))
            .to_jwt()
        )
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{self.url}/twirp/{method}", json=body, headers=headers) as answer:
                text = await answer.text()
                assert answer.status == 200, f"{method}: {answer.status} {text}"
                return json.loads(text)

    async def call_record(self, call_id: str) -> dict:
        """The record of a call, by its `SCL_…`."""
        return (await self.twirp("trunkline.Calls/GetCall", {"call_id": call_id}))["call"]

    async def ended_call(self, call_id: str) -> dict:
        """The record of a call once it is over."""

        async def ended():
            record = await self.call_record(call_id)
            return record if record.get("ended_at_ms") else None

        return await eventually(ended, f"the end of {call_id}")

    async def calls(self) -> list[dict]:
        """The records of all calls."""
        found: dict[str, dict] = {}
        body = {"limit": 1000}
        while True:
            page = (await self.twirp("trunkline.Calls/ListCalls", body))["calls"]
            new = [record for record in page if record["call_id"] not in found]
            found.update((record["call_id"], record) for record in new)
            if not new or len(page) < body["limit"]:
                return list(found.values())
            # One more than the oldest: others may have begun in that very millisecond.
            body["before_ms"] = page[-1]["created_at_ms"] + 1

    async def spawn(self, *words: str) -> asyncio.subprocess.Process:
        """Starts `trunkline <words>` against this server."""
        env = {**os.environ, "LIVEKIT_URL": self.url, "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
        return await asyncio.create_subprocess_exec(
            BINARY, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env
        )

    async def command(self, *words: str) -> tuple[int, str, str]:
        """Runs `trunkline <words>` against this server: exit code, output, errors."""
        process = await self.spawn(*words)
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()
