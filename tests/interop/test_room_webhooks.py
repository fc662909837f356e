"""The webhooks of a room of clients, each verified by the official receiver (see `Hooks`)."""

import asyncio

import pytest
from livekit import api

from harness.hooks import Hooks
from harness.peer import Peer
from harness.server import Trunkline

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])
ROOM = "watched"


def where(hooks: Hooks, name: str, identity: str) -> int:
    """At which place the event of that participant came."""
    (place,) = [
        n for n, hook in enumerate(hooks.received) if (hook.name, hook.event.participant.identity) == (name, identity)
    ]
    return place


@BOTH_WAYS
@pytest.mark.parametrize("end", ["deleted", "left"])
async def test_all_have_left_before_the_room_is_finished(tmp_path, dual, end):
    names = ["anna", "bert", "dora"]
    async with Hooks() as hooks:
        settings = {"room": {"empty_timeout": 1, "departure_timeout": 1}}
        server = await Trunkline(tmp_path, {**hooks.settings(), **settings}).start()
        try:
            async with server.client() as lk:
                peers = [Peer(server, ROOM, name, dual) for name in names]
                await asyncio.gather(*(peer.__aenter__() for peer in peers))
                tracks = {peer.identity: (await peer.play(440)).sid for peer in peers}
                # The last word of the publishing: all hear all.
                await asyncio.gather(*(a.hear(b.identity) for a in peers for b in peers if a is not b))
                if end == "deleted":
                    await lk.room.delete_room(api.DeleteRoomRequest(room=ROOM))
                    await asyncio.gather(*(peer.until(lambda: peer.saw("disconnected"), "the end") for peer in peers))
                await asyncio.gather(*(peer.__aexit__() for peer in peers))
                await hooks.wait("room_finished", 30)
        finally:
            await server.stop()
    seen = hooks.names()
    assert seen[0] == "room_started" and seen[-1] == "room_finished"
    assert seen.count("room_started") == seen.count("room_finished") == 1
    for name in names:
        joined, published = where(hooks, "participant_joined", name), where(hooks, "track_published", name)
        unpublished, left = where(hooks, "track_unpublished", name), where(hooks, "participant_left", name)
        assert 0 < joined < published < unpublished and published < left < len(seen) - 1
        assert hooks.received[published].event.track.sid == tracks[name]
        assert hooks.received[unpublished].event.track.sid == tracks[name]
        why = api.DisconnectReason.ROOM_DELETED if end == "deleted" else api.DisconnectReason.CLIENT_INITIATED
        assert hooks.received[left].event.participant.disconnect_reason == why
    assert len(seen) == 2 + 4 * len(names), seen
    rooms = {(hook.event.room.name, hook.event.room.sid) for hook in hooks.received}
    assert len(rooms) == 1 and rooms.pop()[0] == ROOM
    assert len({hook.event.id for hook in hooks.received}) == len(seen)
    assert not hooks.refused
