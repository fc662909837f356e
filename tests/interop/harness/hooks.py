"""A receiver of webhooks that verifies each as a user's would: with the official client."""

import asyncio
import json
from dataclasses import dataclass

from aiohttp import web
from livekit import api

from .server import KEY, SECRET


@dataclass
class Hook:
    """A webhook that was verified."""

    name: str
    event: object
    body: dict
    text: str
    authorization: str


class Hooks:
    """A local HTTP server; `async with` opens and closes it."""

    def __init__(self):
        self.receiver = api.WebhookReceiver(api.TokenVerifier(KEY, SECRET))
        self.received: list[Hook] = []
        self.refused: list[str] = []
        self.arrived = asyncio.Event()

    async def __aenter__(self) -> "Hooks":
        app = web.Application()
        app.router.add_post("/hook", self.take)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    def settings(self) -> dict:
        """What the server's configuration must say."""
        return {"webhook": {"api_key": KEY, "urls": [f"http://127.0.0.1:{self.port}/hook"]}}

    async def take(self, request: web.Request) -> web.Response:
        """Verifies one; a bad signature is kept for the report."""
        text = await request.text()
        try:
            authorization = request.headers.get("Authorization", "")
            event = self.receiver.receive(text, authorization)
        except Exception as error:
            self.refused.append(f"{error!r}: {text}")
            self.arrived.set()
            return web.Response(status=401)
        body = json.loads(text)
        self.received.append(Hook(event.event or body.get("event", ""), event, body, text, authorization))
        self.arrived.set()
        return web.Response()

    def names(self) -> list[str]:
        """The names of the events, in the order of their arrival."""
        return [hook.name for hook in self.received]

    async def wait(self, name: str, seconds: float = 15) -> Hook:
        """The first event of that name."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    assert not self.refused, self.refused
                    for hook in self.received:
                        if hook.name == name:
                            return hook
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError:
            raise AssertionError(f"no {name} within {seconds} s; came: {self.names()}") from None
