"""A participant on `livekit-client` in a page of headless Chromium, with fake devices."""

import asyncio
import json
import math
import os
import shutil
import signal
import tempfile
import wave
from pathlib import Path

import numpy
from aiohttp import WSMsgType, web

from .remote import FOLDER, NODE, Remote

RATE = 48_000
PAGE = {
    "/": FOLDER / "browser" / "page.html",
    "/page.mjs": FOLDER / "browser" / "page.mjs",
    "/peak.mjs": FOLDER / "node" / "peak.mjs",
    "/livekit-client.mjs": NODE / "node_modules" / "livekit-client" / "dist" / "livekit-client.esm.mjs",
}
TYPES = {".html": "text/html", ".mjs": "text/javascript"}
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio", "--disable-dev-shm-usage",
    "--allow-loopback-in-peer-connection", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required", "--enable-logging=stderr", "--log-level=0",
]


class Browser(Remote):
    """One browser with one page; its microphone says a tone. `async with` starts and ends it."""

    def __init__(self, name: str, hertz: float, amplitude: int = 8_000, flags: list[str] | None = None):
        super().__init__(name)
        self.hertz, self.amplitude, self.flags = hertz, amplitude, flags or []
        self.socket: web.WebSocketResponse | None = None
        self.opened = asyncio.Event()

    async def __aenter__(self) -> "Browser":
        assert shutil.which("chromium"), "chromium is missing: apt-get install chromium"
        assert PAGE["/livekit-client.mjs"].is_file(), f"{NODE}/node_modules is missing: `cargo xtask test` installs it"
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._record_tone(Path(self.folder.name) / "tone.wav")
        app = web.Application()
        app.router.add_get("/control", self._control)
        for path, file in PAGE.items():
            app.router.add_get(path, self._file(file))
        self.runner = web.AppRunner(app, shutdown_timeout=1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        await self._start(f"http://127.0.0.1:{self.runner.addresses[0][1]}/")
        return self

    async def _start(self, address: str):
        self.process = await asyncio.create_subprocess_exec(
            "chromium", *FLAGS, *self.flags, f"--user-data-dir={self.folder.name}/profile",
            f"--use-file-for-fake-audio-capture={self.folder.name}/tone.wav", address,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True, limit=1 << 22,
        )
        self.reader = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(60):
                await self.opened.wait()
        except TimeoutError:
            await self.__aexit__()
            raise AssertionError(f"the page did not come up{self.last_words()}") from None

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            # Its own session: the renderers go with it.
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        await self.reader
        await self.runner.cleanup()
        self.folder.cleanup()

    def _record_tone(self, path: Path):
        """Whole seconds of whole periods: it is played round and round."""
        times = numpy.arange(10 * RATE) / RATE
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            samples = self.amplitude * numpy.sin(2 * math.pi * self.hertz * times)
            file.writeframes(samples.astype(numpy.int16).tobytes())

    @staticmethod
    def _file(path: Path):
        async def give(_request):
            return web.Response(body=path.read_bytes(), content_type=TYPES[path.suffix], charset="utf-8")

        return give

    async def _control(self, request: web.Request) -> web.WebSocketResponse:
        self.socket = web.WebSocketResponse(max_msg_size=1 << 22)
        await self.socket.prepare(request)
        self.opened.set()
        async for message in self.socket:
            if message.type == WSMsgType.TEXT:
                self.take(json.loads(message.data))
        self.gone()
        return self.socket

    async def _read(self):
        while line := await self.process.stderr.readline():
            if b"CONSOLE" in line:
                self.words.append(line.decode(errors="replace").rstrip()[:400])

    async def send(self, message: str):
        """Sends it to the page."""
        await self.socket.send_str(message)
