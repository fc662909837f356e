"""Silence of a caller on hold: it ends no call while somebody is there to take it back."""

import pytest

from harness.peer import Peer
from harness.phone import Phone
from harness.server import Trunkline
from test_bridge import ROOM, caller_of, direct, ring

SETTINGS = {"media_timeout": "2s", "media_timeout_initial": "2s"}


def quiet(phone: Phone):
    """Sends no more RTP."""
    phone.task.cancel()
    phone.task = None




@pytest.fixture
async def impatient(tmp_path):
    """A server that waits two seconds for RTP."""
    server = await Trunkline(tmp_path, SETTINGS).start()
    yield server
    await server.stop()


async def test_on_hold_with_a_participant_silence_ends_nothing(impatient, far_end):
    async with impatient.client() as lk:
        await direct(lk)
        async with Peer(impatient, ROOM, "anna") as anna, Phone(600) as held, Phone(700) as other:
            await anna.play(440)
            on_hold = await ring(impatient, far_end, held)
            caller = await anna.until(lambda: caller_of(anna), "the caller")
            await anna.hear(caller)
            await on_hold.invite({}, body=held.offer("sendonly"))
            assert on_hold.status == 200 and b"a=recvonly" in on_hold.final.body
            quiet(held)
            # Another call falls silent later and is not on hold: its end says that the time is up.
            control = await ring(impatient, far_end, other)
            await other.hear(1.0)
            quiet(other)
            await control.wait_bye(15)
            assert caller in anna.room.remote_participants
            # Taken back, it is held to what it says again.
            await on_hold.invite({}, body=held.offer())
            assert on_hold.status == 200
            held.talk_to(on_hold.final.body)
            assert abs((await anna.hear(caller))[0] - 600) <= 2
            assert abs((await held.hear())[0] - 440) <= 2
            quiet(held)
            await on_hold.wait_bye(15)
            await anna.until(lambda: caller not in anna.room.remote_participants, "the caller's leaving")
