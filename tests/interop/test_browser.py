"""`livekit-client` in Chromium: with a Python participant, and with a caller on the telephone."""

import asyncio

import pytest
from livekit import api, rtc

from harness.browser import Browser
from harness.peer import Peer, token
from harness.phone import Phone
from harness.server import eventually
from test_bridge import ROOM, caller_of, direct, ring

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])
# A sine of amplitude 8,000 has an RMS of 5,657; within one decibel.
LEVEL = pytest.approx(5_657, rel=0.12)


async def enter(browser: Browser, server, room: str, dual: bool = False):
    """Joins with microphone."""
    await browser.ask("join", url=server.url, token=token("carl", room), dual=dual)
    await browser.ask("microphone")


async def both_hear(anna: Peer, carl: Browser):
    """Tones both ways, frequency and level."""
    (down, down_level), (up, up_level) = await asyncio.gather(carl.ask("hear", identity="anna"), anna.hear("carl"))
    assert abs(down - 440) <= 2 and abs(up - 520) <= 2
    assert down_level == LEVEL and up_level == LEVEL


@BOTH_WAYS
async def test_browser_and_python_hear_and_see(server, dual):
    async with Peer(server, "web", "anna", dual) as anna, Browser("carl", 520) as carl:
        await anna.play(440)
        await enter(carl, server, "web", dual)
        await both_hear(anna, carl)
        await carl.ask("camera")
        width, height = await anna.watch("carl")
        assert width >= 160 and abs(width / height - 16 / 9) < 0.05
        await both_hear(anna, carl)
        await carl.ask("leave")
        assert (await carl.event("disconnected"))["reason"] == "CLIENT_INITIATED"
        _, gone = await anna.until(lambda: anna.saw("participant_disconnected"), "carl's leaving")
        assert gone.identity == "carl" and gone.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED


@BOTH_WAYS
async def test_texts_data_attributes_and_procedures_with_a_browser(server, dual):
    async with Peer(server, "web", "anna", dual) as anna, Browser("carl", 520) as carl:
        texts = anna.texts("lk.chat")

        @anna.room.local_participant.register_rpc_method("greet")
        async def greet(data: rtc.RpcInvocationData):
            return f"hello {data.caller_identity}: {data.payload}"

        assert await carl.ask("join", url=server.url, token=token("carl", "web"), dual=dual) == ["anna"]
        await anna.until(lambda: "carl" in anna.room.remote_participants, "carl")
        me = anna.room.local_participant
        long = "ein langer Text " * 2_500
        await carl.ask("text", text=long)
        async with asyncio.timeout(10):
            assert await texts.get() == ("carl", long)
        await me.send_text(long, topic="lk.chat")
        await carl.event("text", text=long, identity="anna")
        for reliable in (True, False):
            await me.publish_data(b"down", reliable=reliable, topic=f"{reliable}")
            await carl.event("data", text="down", topic=f"{reliable}", identity="anna")
            await carl.ask("data", text="up", reliable=reliable, topic=f"{reliable}")
            _, packet = await anna.until(
                lambda: anna.saw("data_received", lambda p: p.topic == f"{reliable}"), "carl's packet"
            )
            assert packet.data == b"up" and packet.participant.identity == "carl"
        assert await me.perform_rpc(destination_identity="carl", method="greet", payload="1") == "hello anna: 1"
        assert await carl.ask("rpc", to="anna", payload="2") == "hello carl: 2"
        await carl.ask("attributes", attributes={"mood": "fine", "gone": "soon"})
        await carl.ask("attributes", attributes={"gone": ""})
        seen = anna.room.remote_participants["carl"]
        await anna.until(lambda: seen.attributes == {"mood": "fine"}, "carl's attributes")
        await me.set_attributes({"mood": "good"})
        await carl.event("attributes", identity="anna", changed={"mood": "good"})


@BOTH_WAYS
async def test_a_browser_that_lost_signalling_goes_on(server, dual):
    async with Peer(server, "web", "anna", dual) as anna, Browser("carl", 520) as carl:
        await anna.play(440)
        await enter(carl, server, "web", dual)
        await both_hear(anna, carl)
        await carl.ask("simulate", scenario="signal-reconnect")
        await carl.event("reconnected")
        await both_hear(anna, carl)
        await carl.ask("text", text="still here")
        assert not anna.saw("participant_disconnected")
        assert carl.saw("state", state="signalReconnecting") and not carl.saw("state", state="reconnecting")


@BOTH_WAYS
async def test_a_browser_that_reconnects_fully_hears_again(server, dual):
    async with Peer(server, "web", "anna", dual) as anna, Browser("carl", 520) as carl:
        await anna.play(440)
        await enter(carl, server, "web", dual)
        await both_hear(anna, carl)
        before = anna.tracks["carl"]
        await carl.ask("simulate", scenario="full-reconnect")
        await carl.event("reconnected")
        await anna.until(lambda: anna.tracks["carl"] is not before, "carl's new track")
        await both_hear(anna, carl)
        # Procedures work once it says `reconnected`; before, it drops what it cannot attribute.
        me = anna.room.local_participant
        assert await me.perform_rpc(destination_identity="carl", method="greet", payload="1") == "hello anna: 1"


async def test_a_browser_learns_why_it_has_to_go(server, lk):
    async with Browser("carl", 520) as carl:
        await enter(carl, server, "web")
        await lk.room.remove_participant(api.RoomParticipantIdentity(room="web", identity="carl"))
        assert (await carl.event("disconnected"))["reason"] == "PARTICIPANT_REMOVED"


@BOTH_WAYS
async def test_a_browser_talks_with_a_caller(server, lk, far_end, dual):
    await direct(lk)
    async with Browser("carl", 520) as carl, Peer(server, ROOM, "ear") as ear, Phone(600) as phone:
        await enter(carl, server, ROOM, dual)
        dialog = await ring(server, far_end, phone)
        caller = await ear.until(lambda: caller_of(ear), "the caller")
        (up, up_level), (down, down_level) = await asyncio.gather(carl.ask("hear", identity=caller), phone.hear())
        assert abs(up - 600) <= 2 and abs(down - 520) <= 2
        assert 5_657 / 1.3 < up_level < 5_657 * 1.3
        assert 5_657 / 1.3 < down_level < 5_657 * 1.3
        phone.press(5)
        await carl.event("key", digit="5", identity=caller)
        await carl.ask("press", code=7, digit="7")

        async def keys():
            return phone.keys() == [7]

        await eventually(keys, "the key 7")
        await dialog.bye()
        await carl.event("left", identity=caller)
