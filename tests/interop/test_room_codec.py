"""Rooms of telephones: where a room speaks G.711 its callers' packets pass as they are, and clients speak it too."""

import asyncio
import json

import pytest
from livekit import api

from harness import five9, outbound
from harness.browser import Browser
from harness.callee import Callee, answers
from harness.peer import Peer, token
from harness.phone import Phone
from harness.server import Trunkline, eventually
from test_bridge import ROOM, caller_of, direct, ring

# A sine of amplitude 8,000 has an RMS of 5,657; within one decibel.
LEVEL = pytest.approx(5_657, rel=0.12)
# G.711's own: a libwebrtc client that is told to send less cannot send it at all.
BITRATE = 64_000
BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])


async def rooms_speak(lk, server, codec: str):
    """Every rule's rooms speak this codec."""
    for rule in (await lk.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items:
        await server.twirp(
            "trunkline.Options/SetOptions",
            {"rule_id": rule.sip_dispatch_rule_id, "options": {"audio_codec": codec}},
        )


@BOTH_WAYS
@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
async def test_clients_of_a_g711_room_hear_callers_and_each_other(tmp_path, far_end, codec, dual):
    server = await Trunkline(tmp_path, {"room": {"audio_codec": codec}}).start()
    try:
        async with server.client() as lk:
            await direct(lk)
            async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
                await anna.play(440, bitrate=BITRATE)
                assert abs((await bert.hear("anna"))[0] - 440) <= 2
                seen = bert.room.remote_participants["anna"].track_publications.values()
                assert [track.mime_type.lower() for track in seen] == [f"audio/{codec}"]
                async with Phone(600) as phone:
                    dialog = await ring(server, far_end, phone)
                    caller = await anna.until(lambda: caller_of(anna), "the caller")
                    (up, up_level), (down, down_level) = await asyncio.gather(anna.hear(caller), phone.hear())
                    assert abs(up - 600) <= 2 and abs(down - 440) <= 2 and up_level == LEVEL and down_level == LEVEL
                    # With a second voice there is a mix.
                    await bert.play(1_000, 12_000, BITRATE)

                    async def both():
                        hertz, level = await phone.hear(1.2)
                        return abs(hertz - 1_000) <= 2 and level > 8_000

                    await eventually(both, "two voices on the phone")
                    await dialog.bye()
    finally:
        await server.stop()


async def test_a_callers_packets_go_to_the_room_and_back_as_they_are(server, lk, far_end):
    await direct(lk)
    await rooms_speak(lk, server, "pcmu")
    async with Phone(600) as phone:
        # Negative zero: whoever decodes and encodes writes positive zero instead.
        said = bytes([0x7F, 0x80, 0x00, 0x55] * 40)
        phone.speech = said
        dialog = await ring(server, far_end, phone)
        echo = await server.spawn(
            "sim", "room", "--room", ROOM, "--codec", "pcmu", "--echo", "--seconds", "6", "--json"
        )
        try:

            async def echoed():
                return sum(payload == said for kind, _, _, payload in phone.packets if kind == 0) > 100

            await eventually(echoed, "the caller's own packets")
            assert await echo.wait() == 0
        finally:
            if echo.returncode is None:
                echo.kill()
                await echo.wait()
        await dialog.bye()


def formats(sdp: bytes) -> list[str]:
    """The payload types of a description, the preferred one first."""
    return next(line.split()[3:] for line in sdp.decode().split("\r\n") if line.startswith("m=audio"))


@pytest.mark.parametrize("codec, law", [("pcmu", 0), ("pcma", 8)])
async def test_a_caller_of_both_laws_and_more_gets_the_rooms_and_its_packets_pass(server, lk, far_end, codec, law):
    await direct(lk)
    await rooms_speak(lk, server, codec)
    async with Phone() as phone:
        # In neither law is this what whoever decodes and encodes it would write.
        said = bytes(range(160))
        phone.speech, phone.speech_type = said, law
        offer = phone.offer(formats="9 8 0" if law == 0 else "9 0 8")
        dialog = await far_end.call(server.sip, five9.NUMBER, body=offer)
        assert dialog.status == 200 and formats(dialog.final.body) == [str(law), "101"]
        phone.talk_to(dialog.final.body)
        options = ("--room", ROOM, "--codec", codec, "--echo", "--seconds", "6", "--json")
        echo = await server.spawn("sim", "room", *options)
        try:

            async def echoed():
                return sum((kind, payload) == (law, said) for kind, _, _, payload in phone.packets) > 100

            await eventually(echoed, "the caller's own packets")
            assert await echo.wait() == 0
        finally:
            if echo.returncode is None:
                echo.kill()
                await echo.wait()
        await dialog.bye()


@pytest.mark.parametrize("codec, law", [("opus", "9"), ("pcmu", "0"), ("pcma", "8")])
async def test_who_is_called_out_of_a_room_is_offered_its_law_first(tmp_path, codec, law):
    server = await Trunkline(tmp_path, {"room": {"audio_codec": codec}}).start()
    try:
        async with server.client() as lk, Callee(answers(600)) as callee:
            trunk = await outbound.trunk(lk, callee.place)
            await lk.sip.create_sip_participant(outbound.request(trunk))
            call = await callee.call()
            offered = formats(call.invite.body)
            assert offered[0] == law and {"0", "8", "9"} <= set(offered), offered
    finally:
        await server.stop()


async def test_a_browser_joins_a_g711_room(tmp_path, far_end):
    server = await Trunkline(tmp_path, {"room": {"audio_codec": "pcmu"}}).start()
    try:
        async with server.client() as lk:
            await direct(lk)
            async with Browser("carl", 520) as carl, Phone(600) as phone:
                await carl.ask("join", url=server.url, token=token("carl", ROOM), dual=False)
                await carl.ask("microphone", bitrate=BITRATE)
                await ring(server, far_end, phone)

                async def heard():
                    hertz, level = await phone.hear(1.2)
                    return abs(hertz - 520) <= 2 and level == LEVEL

                await eventually(heard, "the browser on the phone")
    finally:
        await server.stop()


async def test_phones_of_other_codecs_are_translated(tmp_path):
    server = await Trunkline(tmp_path, {"room": {"audio_codec": "pcma"}}).start()
    try:
        async with server.client() as lk:
            await lk.sip.create_inbound_trunk(
                api.CreateSIPInboundTrunkRequest(
                    trunk=api.SIPInboundTrunkInfo(name="any", allowed_addresses=["127.0.0.1"])
                )
            )
            rule = api.SIPDispatchRule(dispatch_rule_callee=api.SIPDispatchRuleCallee(room_prefix="law"))
            await lk.sip.create_dispatch_rule(
                api.CreateSIPDispatchRuleRequest(dispatch_rule=api.SIPDispatchRuleInfo(name="any", rule=rule))
            )
        host, port = server.sip
        for codec in ("pcmu", "g722", "opus", "pcma"):
            code, out, errors = await server.command(
                "sim", "bridge", "--json", "--server", f"{host}:{port}", "--to", "+1555", "--room-prefix", "law_",
                "--room-codec", "pcma", "--count", "1", "--seconds", "6", "--codec", codec, "--first", "caller",
                "--measure", "one-way",
            )
            assert code == 0, errors
            report = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
            assert report["up_ms"]["n"] > 0 and report["down_ms"]["n"] > 0, (codec, report)
    finally:
        await server.stop()
