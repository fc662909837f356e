"""Publishers choose who hears them, and everybody learns how good connections are; as the clients see it."""

import asyncio
import sys

import pytest
from livekit import rtc

from harness.peer import Peer
from harness.remote import Away

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])
ROOM = "permitted"
# Of a tone of amplitude 8,000; what does not come is below a hundredth of it.
SILENT = 57


def times(peer: Peer, event: str) -> int:
    """How often it happened."""
    return len([e for e in peer.events if e[0] == event])


async def heard(away: Away, identity: str) -> float:
    """The frequency of what is heard of somebody, 0 if nothing is."""
    try:
        hertz, level = await away.ask("hear", identity=identity, seconds=1.0)
    except AssertionError as error:
        # No sound arrives at all.
        assert "TimeoutError" in str(error), error
        return 0
    return hertz if level > SILENT else 0


async def hears(away: Away, identity: str, hertz: float):
    """Waits until somebody is heard."""
    async with asyncio.timeout(30):
        while abs(await heard(away, identity) - hertz) > 2:
            pass


@BOTH_WAYS
async def test_a_publisher_chooses_who_hears_it(server, dual):
    # The listeners are in processes of their own: the SDK ends its process when it is offered what it cannot take.
    async with (
        Peer(server, ROOM, "anna", dual) as anna,
        Away("bert", sys.executable) as bert,
        Away("cara", sys.executable) as cara,
        Away("dora", sys.executable) as dora,
    ):
        for away in (bert, cara):
            await away.ask("join", url=server.url, room=ROOM, identity=away.name, dual=dual)
        publication = await anna.play(440)
        for away in (bert, cara):
            await hears(away, "anna", 440)
        only_bert = rtc.ParticipantTrackPermission(participant_identity="bert", allowed_track_sids=[publication.sid])
        anna.room.local_participant.set_track_subscription_permissions(
            allow_all_participants=False, participant_permissions=[only_bert]
        )
        # The SDK has no event for this.
        async with asyncio.timeout(30):
            while await heard(cara, "anna"):
                pass
        # Who comes later does not get the track either.
        await dora.ask("join", url=server.url, room=ROOM, identity="dora", dual=dual)
        with pytest.raises(AssertionError, match="in vain for the track of anna"):
            await dora.ask("hear", identity="anna", seconds=1.0)
        await hears(bert, "anna", 440)
        anna.room.local_participant.set_track_subscription_permissions(allow_all_participants=True)
        for away in (cara, dora, bert):
            await hears(away, "anna", 440)


@BOTH_WAYS
async def test_good_connections_are_called_so(server, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
        for peer in (anna, bert):
            peer.room.on("connection_quality_changed", peer._noting("connection_quality_changed"))
        await anna.play(440)
        excellent = rtc.ConnectionQuality.QUALITY_EXCELLENT

        def everybody_is(peer: Peer, other: str) -> bool:
            both = (peer.room.local_participant, peer.room.remote_participants[other])
            return all(participant.connection_quality == excellent for participant in both)

        await asyncio.gather(
            anna.until(lambda: everybody_is(anna, "bert"), "excellent connections", 20),
            bert.until(lambda: everybody_is(bert, "anna"), "excellent connections", 20),
        )
        # What does not change is not told again.
        before = times(anna, "connection_quality_changed")
        await asyncio.sleep(6)
        assert times(anna, "connection_quality_changed") == before
