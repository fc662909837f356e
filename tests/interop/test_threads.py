"""Rooms are shared out among the media threads, each of which has a UDP port of its own."""

from collections import Counter
from contextlib import AsyncExitStack

from livekit import api

from harness.peer import Peer
from harness.server import Trunkline, eventually
from test_latency import metrics, of

THREADS, ROOMS = 4, 8


async def port_of(peer: Peer) -> int:
    """The server's port that the participant's media goes to."""
    (candidate,) = await eventually(peer.far_candidates, "a connection")
    return candidate.port


async def test_rooms_begin_where_there_is_least_to_do(tmp_path):
    server = await Trunkline(tmp_path, {"media_threads": THREADS}).start()
    try:

        async def all_have_reported():
            return len(of(await metrics(server), "trunkline_media_busy_ratio")) == THREADS

        await eventually(all_have_reported, "a report of each thread")
        names = [f"room-{n}" for n in range(ROOMS)]
        async with server.client() as lk, AsyncExitStack() as stack:
            for name in names:
                await lk.room.create_room(api.CreateRoomRequest(name=name))
            ports = Counter()
            for name in names:
                anna = await stack.enter_async_context(Peer(server, name, "anna"))
                await anna.play(440)
                ports[await port_of(anna)] += 1
            assert sorted(ports.values()) == [ROOMS // THREADS] * THREADS
    finally:
        await server.stop()
