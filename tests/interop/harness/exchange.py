"""What two participants can exchange besides tones: data, long texts and procedures, both ways."""

import asyncio

from livekit import rtc

from .peer import Peer
from .remote import Remote


async def exchange(anna: Peer, far: Remote, name: str):
    """Everything between anna and the participant `name` that lives in a process of its own."""
    texts = anna.texts("lk.chat")

    @anna.room.local_participant.register_rpc_method("greet")
    async def greet(data: rtc.RpcInvocationData):
        return f"hello {data.caller_identity}: {data.payload}"

    me = anna.room.local_participant
    for reliable in (True, False):
        await me.publish_data(b"down", reliable=reliable, topic=f"{reliable}")
        await far.event("data", text="down", topic=f"{reliable}", identity="anna")
        await far.ask("data", text="up", reliable=reliable, topic=f"{reliable}")
        _, packet = await anna.until(
            lambda: anna.saw("data_received", lambda p: p.topic == f"{reliable}"), f"{name}'s packet"
        )
        assert packet.data == b"up" and packet.participant.identity == name
    long = "ein langer Text " * 2_500
    await me.send_text(long, topic="lk.chat")
    await far.event("text", text=long, identity="anna")
    await far.ask("text", text=long)
    async with asyncio.timeout(10):
        assert await texts.get() == (name, long)
    assert await me.perform_rpc(destination_identity=name, method="greet", payload="1") == "hello anna: 1"
    assert await far.ask("rpc", to="anna", payload="2") == f"hello {name}: 2"
