"""Silence of a caller on hold: it ends no call while somebody is there to take it back."""

import asyncio
import socket
import struct

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


def forge(phone: Phone, strangers: list[socket.socket]):
    """An empty report in the caller's name from each of these, to both ports of the call."""
    host, port = phone.remote
    report = struct.pack("!BBHI", 0x80, 201, 1, phone.ssrc)
    for stranger in strangers:
        for target in (port, port + 1):
            stranger.sendto(report, (host, target))


async def test_reports_from_another_port_of_the_callers_host_keep_no_call(impatient, far_end):
    async with impatient.client() as lk:
        await direct(lk)
        strangers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
        for stranger in strangers:
            stranger.bind(("127.0.0.1", 0))
        async with Peer(impatient, ROOM, "anna") as anna, Phone(600) as phone:
            await anna.play(440)
            dialog = await ring(impatient, far_end, phone)
            await phone.hear(1.0)
            quiet(phone)
            ended = asyncio.create_task(dialog.wait_bye(15))
            while not ended.done():
                forge(phone, strangers)
                await asyncio.sleep(0.1)
            await ended
        for stranger in strangers:
            stranger.close()
