"""Clients that an API client moves to another room (`RoomService.MoveParticipant`)."""

import asyncio

import pytest
from livekit import api, rtc

from harness.browser import Browser
from harness.peer import Peer
from harness.server import KEY, SECRET
from test_browser import BOTH_WAYS, enter

FIRST, NEXT = "first", "next"


def moving(identity: str, room: str = FIRST, to: str = NEXT) -> api.MoveParticipantRequest:
    """The request."""
    return api.MoveParticipantRequest(room=room, identity=identity, destination_room=to)


async def attributes(lk, room: str, identity: str, **changed: str):
    """Sets attributes."""
    await lk.room.update_participant(api.UpdateParticipantRequest(room=room, identity=identity, attributes=changed))


async def hears(peer: Peer, identity: str, hertz: float):
    """Waits until somebody is heard with this tone."""
    async with asyncio.timeout(30):
        while abs((await peer.hear(identity, 1.0))[0] - hertz) > 2:
            pass


def left(peer: Peer, identity: str):
    """The leaving of somebody for another room."""
    _, gone = peer.saw("participant_disconnected", lambda who: who.identity == identity) or (None, None)
    return gone and gone.disconnect_reason == rtc.DisconnectReason.MIGRATION


async def code_of(call) -> str:
    """The code of the error that a call must end with."""
    with pytest.raises(api.TwirpError) as refused:
        await call
    return refused.value.code


@BOTH_WAYS
async def test_a_client_is_moved_and_brings_all_it_has(server, lk, dual):
    async with (
        Peer(server, FIRST, "anna", dual) as anna, Peer(server, FIRST, "bert", dual) as bert,
        Peer(server, NEXT, "dora", dual) as dora,
    ):
        await asyncio.gather(anna.play(440), bert.play(520), dora.play(880))
        await asyncio.gather(hears(bert, "anna", 440), hears(anna, "bert", 520))
        await attributes(lk, FIRST, "anna", before="1", both="old")
        rights = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=False)
        await lk.room.update_participant(
            api.UpdateParticipantRequest(room=FIRST, identity="anna", name="Anna A.", metadata="m", permission=rights)
        )
        await lk.room.move_participant(moving("anna"))
        # At once, whether it has arrived or not.
        await attributes(lk, NEXT, "anna", both="new", meanwhile="2")
        assert await code_of(lk.room.get_participant(api.RoomParticipantIdentity(room=FIRST, identity="anna"))) == (
            "not_found"
        )
        await bert.until(lambda: left(bert, "anna"), "anna's leaving", 20)
        await anna.until(lambda: anna.saw("reconnected"), "its arrival", 40)
        assert anna.room.name == NEXT
        await asyncio.gather(hears(dora, "anna", 440), hears(anna, "dora", 880))
        assert set(anna.room.remote_participants) == {"dora"}
        wanted = {"before": "1", "both": "new", "meanwhile": "2"}
        there = dora.room.remote_participants["anna"]
        await dora.until(lambda: there.attributes == wanted, "anna's attributes")
        assert (there.name, there.metadata) == ("Anna A.", "m")
        info = await lk.room.get_participant(api.RoomParticipantIdentity(room=NEXT, identity="anna"))
        assert dict(info.attributes) == wanted and not info.permission.can_publish_data
        assert not anna.saw("disconnected")
        # And back, to tracks that are new again.
        for peer, other in ((bert, "anna"), (anna, "bert")):
            del peer.tracks[other]
        await lk.room.move_participant(moving("anna", NEXT, FIRST))
        await bert.until(lambda: "anna" in bert.room.remote_participants, "anna again", 40)
        await asyncio.gather(hears(bert, "anna", 440), hears(anna, "bert", 520))


@BOTH_WAYS
async def test_a_browser_is_moved(server, lk, dual):
    async with (
        Peer(server, FIRST, "anna", dual) as anna, Peer(server, NEXT, "dora", dual) as dora,
        Browser("carl", 520) as carl,
    ):
        await dora.play(880)
        await enter(carl, server, FIRST, dual)
        await hears(anna, "carl", 520)
        await attributes(lk, FIRST, "carl", mood="fine")
        await lk.room.move_participant(moving("carl"))
        await anna.until(lambda: left(anna, "carl"), "carl's leaving", 20)
        await carl.event("reconnected")
        await hears(dora, "carl", 520)
        assert abs((await carl.ask("hear", identity="dora"))[0] - 880) <= 2
        assert dora.room.remote_participants["carl"].attributes == {"mood": "fine"}


async def test_who_cannot_be_moved(server, lk):
    async with Peer(server, FIRST, "anna") as anna:
        assert await code_of(lk.room.move_participant(moving("anna", to=FIRST))) == "invalid_argument"
        assert await code_of(lk.room.move_participant(moving("anna", to=""))) == "invalid_argument"
        assert await code_of(lk.room.move_participant(moving("nobody"))) == "not_found"
        async with server.client() as client:
            rights = api.VideoGrants(room_admin=True, room=FIRST)
            token = api.AccessToken(KEY, SECRET).with_grants(rights).to_jwt()
            refused = await client._session.post(
                f"{server.url}/twirp/livekit.RoomService/MoveParticipant",
                json={"room": FIRST, "identity": "anna", "destinationRoom": NEXT},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert refused.status == 401, "the token has no destinationRoom"
        assert not anna.saw("reconnecting")
