"""Encrypted media on the SIP leg (RFC 4568), with libsrtp as the far end."""

import asyncio

import pytest
from livekit import api

from harness import five9
from harness.peer import Peer
from harness.phone import SUITES, Phone

DISABLE, ALLOW, REQUIRE = (
    api.SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE,
    api.SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW,
    api.SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE,
)


async def set_up(lk, encryption):
    """A trunk with this policy."""
    await five9.set_up(lk, media_encryption=encryption)


@pytest.mark.parametrize("suite", SUITES)
async def test_both_sides_hear_each_other_encrypted(server, lk, far_end, suite):
    await set_up(lk, REQUIRE)
    async with Phone(600, suite=suite) as phone:
        dialog = await far_end.call(server.sip, five9.NUMBER, body=phone.offer())
        assert dialog.status == 200 and b"RTP/SAVP" in dialog.final.body
        phone.talk_to(dialog.final.body)
        room, participant = await five9.only_caller(lk)
        async with Peer(server, room, "anna") as anna:
            await anna.play(440)
            (up, _), (down, _) = await asyncio.gather(anna.hear(participant.identity), phone.hear())
            assert abs(up - 600) <= 2 and abs(down - 440) <= 2


@pytest.mark.parametrize(
    "policy, suite, profile, status, encrypted",
    [
        (DISABLE, None, "", 200, False),
        (DISABLE, "AES_CM_128_HMAC_SHA1_80", "RTP/SAVP", 488, False),
        (DISABLE, "AES_CM_128_HMAC_SHA1_80", "RTP/AVP", 200, False),
        (ALLOW, None, "", 200, False),
        (ALLOW, "AES_CM_128_HMAC_SHA1_80", "RTP/SAVP", 200, True),
        (ALLOW, "AES_CM_128_HMAC_SHA1_80", "RTP/AVP", 200, True),
        (REQUIRE, None, "", 488, False),
        (REQUIRE, "AES_CM_128_HMAC_SHA1_80", "RTP/SAVP", 200, True),
    ],
)
async def test_the_policy_decides(server, lk, far_end, policy, suite, profile, status, encrypted):
    await set_up(lk, policy)
    async with Phone(suite=suite, profile=profile) as phone:
        dialog = await far_end.call(server.sip, five9.NUMBER, body=phone.offer())
        assert dialog.status == status
        if status == 200:
            assert (b"a=crypto:" in dialog.final.body) == encrypted
            return await dialog.bye()
        # Both sides are told what to change.
        why = dialog.final.get("Warning").decode()
        wanted = "media_encryption" if policy == DISABLE else "a=crypto"
        assert why.startswith("399 ") and wanted in why
        assert why.split('"')[1] in server.log_text()


async def test_forged_packets_change_nothing(server, lk, far_end):
    await set_up(lk, REQUIRE)
    async with Phone(600, suite="AEAD_AES_128_GCM") as phone, Phone(1_000) as forger:
        dialog = await far_end.call(server.sip, five9.NUMBER, body=phone.offer())
        phone.talk_to(dialog.final.body)
        room, participant = await five9.only_caller(lk)
        async with Peer(server, room, "anna") as anna:
            await anna.hear(participant.identity, 1.0)
            forger.talk_to(dialog.final.body.split(b"a=crypto")[0])
            for n in range(2_000):
                forger.send(0, bytes([n & 0xFF]) * 160)
            hertz, _ = await anna.hear(participant.identity)
            assert abs(hertz - 600) <= 2
        await dialog.bye()
        record = await server.ended_call(participant.attributes["sip.callID"])
        assert record["media"]["foreign"] >= 1_000
