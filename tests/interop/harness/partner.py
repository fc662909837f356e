"""The far end of `remote.Away`: a `Peer` told what to do by lines on standard input."""

import asyncio
import importlib.metadata
import json
import sys
from types import SimpleNamespace

from livekit import rtc

from .peer import Peer

PREFIX = "@@"


def tell(message: dict):
    """Writes a message to whoever started this."""
    print(PREFIX + json.dumps(message), flush=True)


class Partner:
    """The verbs."""

    def __init__(self):
        self.peer: Peer | None = None

    async def version(self) -> str:
        """Of the SDK."""
        return importlib.metadata.version("livekit")

    async def join(self, url: str, room: str, identity: str, dual: bool = False):
        """Enters a room; texts and procedures are served from then on."""
        self.peer = Peer(SimpleNamespace(url=url), room, identity, dual)
        self.peer.room.on("participant_disconnected", lambda who: tell({"event": "left", "identity": who.identity}))
        for event in ("track_subscribed", "track_unsubscribed"):
            self.peer.room.on(event, lambda _, what, who, e=event: tell({"event": e, "identity": who.identity}))
        self.peer.room.on(
            "data_received",
            lambda p: tell({
                "event": "data", "text": p.data.decode(), "topic": p.topic,
                "identity": p.participant and p.participant.identity,
            }),
        )
        await self.peer.__aenter__()
        self.peer.room.register_text_stream_handler(
            "lk.chat", lambda reader, who: asyncio.ensure_future(self._text(reader, who))
        )

        @self.peer.room.local_participant.register_rpc_method("greet")
        async def greet(data: rtc.RpcInvocationData):
            return f"hello {data.caller_identity}: {data.payload}"

    @staticmethod
    async def _text(reader, who: str):
        tell({"event": "text", "text": await reader.read_all(), "identity": who})

    async def play(self, hertz: float, amplitude: int = 8_000):
        """Publishes a tone."""
        await self.peer.play(hertz, amplitude)

    async def hear(self, identity: str, seconds: float = 2.0) -> tuple[float, float]:
        """Frequency and level of somebody."""
        return await self.peer.hear(identity, seconds)

    async def hear_all(self, identities: list[str], seconds: float = 2.0) -> dict:
        """The same of many at once."""
        heard = await asyncio.gather(*(self.peer.hear(identity, seconds) for identity in identities))
        return dict(zip(identities, heard))

    async def subscribe(self, identity: str, wanted: bool):
        """Begins or ends the subscription to all that somebody publishes."""
        for publication in self.peer.room.remote_participants[identity].track_publications.values():
            publication.set_subscribed(wanted)

    async def data(self, text: str, reliable: bool = True, topic: str = ""):
        """Sends a packet to all."""
        await self.peer.room.local_participant.publish_data(text.encode(), reliable=reliable, topic=topic)

    async def text(self, text: str):
        """Sends a text stream to all."""
        await self.peer.room.local_participant.send_text(text, topic="lk.chat")

    async def rpc(self, to: str, payload: str) -> str:
        """Calls `greet`."""
        return await self.peer.room.local_participant.perform_rpc(
            destination_identity=to, method="greet", payload=payload
        )

    async def leave(self):
        """Leaves the room."""
        await self.peer.__aexit__()


async def serve(partner: Partner, message: dict):
    """Answers one question."""
    number, verb = message.pop("id"), message.pop("do")
    try:
        tell({"id": number, "answer": await getattr(partner, verb)(**message)})
    except Exception as error:
        tell({"id": number, "error": f"{verb}: {error!r}"})


async def main():
    """Until standard input ends."""
    partner, loop = Partner(), asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks = set()
    while line := await lines.readline():
        task = asyncio.create_task(serve(partner, json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
