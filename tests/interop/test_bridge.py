"""A caller on the telephone and participants on unmodified LiveKit clients, in one room."""

import asyncio

import pytest
from livekit import api, rtc

from harness import five9
from harness.peer import Peer
from harness.phone import Phone
from harness.server import Trunkline, eventually

ROOM = "bridge"


@pytest.fixture(params=["immediate", "on_audio"])
def policy(request):
    """The two answer policies that need no agent."""
    return request.param


async def direct(lk, **trunk):
    """A trunk, with these fields besides, whose calls all go to one room."""
    trunk, _ = await five9.set_up(lk, **trunk)
    for rule in (await lk.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items:
        await lk.sip.delete_dispatch_rule(
            api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
        )
    await lk.sip.create_dispatch_rule(
        api.CreateSIPDispatchRuleRequest(
            name="one room",
            trunk_ids=[trunk],
            rule=api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name=ROOM)),
        )
    )


async def ring(server, far_end, phone: Phone):
    """Places a call with the phone's audio."""
    dialog = await far_end.call(server.sip, five9.NUMBER, body=phone.offer())
    assert dialog.status == 200
    phone.talk_to(dialog.final.body)
    return dialog


def caller_of(peer: Peer):
    """The SIP participant, once it is there."""
    return next((i for i in peer.room.remote_participants if i.startswith("sip_")), None)


async def test_caller_and_participant_hear_each_other(tmp_path, policy, far_end):
    server = await Trunkline(tmp_path, {"answer_policy": policy}).start()
    try:
        async with server.client() as lk:
            await direct(lk)
            async with Peer(server, ROOM, "anna") as anna, Phone(600) as phone:
                await anna.play(440)
                dialog = await ring(server, far_end, phone)
                caller = await anna.until(lambda: caller_of(anna), "the caller")
                seen = anna.room.remote_participants[caller]
                assert seen.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP
                assert seen.attributes["sip.callID"].startswith("SCL_")
                (up, up_level), (down, down_level) = await asyncio.gather(anna.hear(caller), phone.hear())
                assert abs(up - 600) <= 2 and abs(down - 440) <= 2
                assert 5_657 / 1.3 < up_level < 5_657 * 1.3
                assert 5_657 / 1.3 < down_level < 5_657 * 1.3
                await dialog.bye()
                await anna.until(lambda: anna.saw("participant_disconnected"), "the caller's leaving")
    finally:
        await server.stop()


async def test_a_second_participant_is_mixed_in_and_muting_works(server, lk, far_end):
    await direct(lk)
    async with Peer(server, ROOM, "anna") as anna, Peer(server, ROOM, "bert") as bert, Phone(600) as phone:
        await anna.play(440, 6_000)
        track = await bert.play(1_000, 12_000)
        await ring(server, far_end, phone)
        await asyncio.gather(anna.hear("bert"), bert.hear("anna"))
        assert abs((await phone.hear())[0] - 1_000) <= 2
        track.track.mute()

        async def only_anna():
            hertz, level = await phone.hear(1.2)
            return abs(hertz - 440) <= 2 and level < 6_000

        await eventually(only_anna, "bert's silence")


async def test_keys_arrive_once_each_way(server, lk, far_end):
    await direct(lk)
    async with Peer(server, ROOM, "anna") as anna, Phone(600) as phone:
        await anna.play(440)
        await ring(server, far_end, phone)
        await anna.until(lambda: caller_of(anna), "the caller")
        await phone.hear(0.5)
        phone.press(5)
        await anna.until(lambda: anna.saw("sip_dtmf_received", lambda d: d.digit == "5"), "the key 5")
        for code, digit in ((1, "1"), (11, "#")):
            await anna.room.local_participant.publish_dtmf(code=code, digit=digit)

        async def keys():
            return phone.keys() == [1, 11]

        await eventually(keys, "the keys 1 and #")
        assert len([e for e in anna.events if e[0] == "sip_dtmf_received"]) == 1


async def test_keys_in_info_and_in_the_audio_itself(server, lk, far_end):
    await direct(lk)
    async with Peer(server, ROOM, "anna") as anna, Phone(0, 0) as phone:
        await anna.play(440)
        offer = phone.offer().replace(b" 0 101", b" 0").replace(b"a=rtpmap:101 telephone-event/8000\r\n", b"")
        dialog = await far_end.call(server.sip, five9.NUMBER, body=offer.replace(b"a=fmtp:101 0-16\r\n", b""))
        phone.talk_to(dialog.final.body)
        await anna.until(lambda: caller_of(anna), "the caller")
        info = await dialog.send("INFO", {"Content-Type": "application/dtmf-relay"}, b"Signal=7\r\nDuration=160\r\n")
        assert info.start.startswith(b"SIP/2.0 200")
        await anna.until(lambda: anna.saw("sip_dtmf_received", lambda d: d.digit == "7"), "the key 7")
        strange = await dialog.send("INFO", {"Content-Type": "text/plain"}, b"hello")
        assert strange.start.startswith(b"SIP/2.0 415")
        # The key 3 as its two tones (ITU-T Q.23).
        phone.tones((697, 1_477))
        await anna.until(lambda: anna.saw("sip_dtmf_received", lambda d: d.digit == "3"), "the key 3")
        phone.tones(())
        await phone.hear(0.5)
        assert [e[1].digit for e in anna.events if e[0] == "sip_dtmf_received"] == ["7", "3"]


async def test_the_last_word_is_heard_before_the_bye(server, lk, far_end):
    await direct(lk)
    async with Peer(server, ROOM, "anna") as anna, Phone() as phone:
        await anna.play(440)
        dialog = await ring(server, far_end, phone)
        await phone.hear(1.0)
        await lk.room.delete_room(api.DeleteRoomRequest(room=ROOM))
        await dialog.wait_bye()
