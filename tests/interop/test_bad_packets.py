"""A call under fire: what strangers send to its ports is not heard and ends nothing."""

import asyncio
from pathlib import Path

import numpy
import pytest
from livekit import api

from harness import attacker, traitor
from harness.peer import RATE as WIDE
from harness.peer import Peer, peak
from harness.phone import DECODE, Phone
from harness.phone import RATE as NARROW
from harness.server import Trunkline, split
from test_bridge import ROOM, caller_of, direct, ring

COUNT, PER_SECOND = 100_000, 10_000
CALLER, ANNA = 600, 440
# The RMS of a sine of 8,000.
LEVEL = 5_657
# Of all windows of 100 ms so many may be off on a machine that has other work, too.
SPOILT = 0.02
# What the allocator may keep on top, KiB.
GROWTH = 6 * 1_024


def memory(server: Trunkline) -> int:
    """What the server holds in memory, KiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def spoilt(samples: numpy.ndarray, rate: int, hertz: float) -> tuple[int, int]:
    """How many windows of 100 ms are not that tone at its level, and how many there are."""
    windows = samples[: len(samples) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    found = [peak(window, rate) for window in windows]
    bad = sum(abs(heard - hertz) > 15 or not LEVEL / 1.5 < level < LEVEL * 1.5 for heard, level in found)
    return bad, len(windows)


async def check(anna: Peer, caller: str, phone: Phone, meanwhile, what: str):
    """Both hear each other without a gap while something goes on."""
    began, start = asyncio.get_running_loop().time(), len(phone.packets)
    recording = anna.record(caller)
    try:
        await meanwhile
    finally:
        upward = await recording()
    seconds = asyncio.get_running_loop().time() - began
    packets = phone.packets[start:]
    numbers = [sequence for _, sequence, _, _ in packets]
    assert all((after - before) % 65_536 == 1 for before, after in zip(numbers, numbers[1:])), f"{what}: numbers missing"
    assert len(packets) > seconds * 50 * 0.95, f"{what}: the phone got {len(packets)} packets in {seconds:.1f} s"
    speech = b"".join(payload for kind, _, _, payload in packets if kind == 0)
    downward = DECODE[numpy.frombuffer(speech, dtype=numpy.uint8)].astype(float)
    for who, samples, rate, hertz in (("anna", upward, WIDE, CALLER), ("the caller", downward, NARROW, ANNA)):
        bad, windows = spoilt(samples, rate, hertz)
        assert windows > seconds * 10 * 0.9, f"{what}: {who} heard {windows} windows in {seconds:.1f} s"
        assert bad <= max(1, windows * SPOILT), f"{what}: {bad} of {windows} windows are spoilt for {who}"


@pytest.mark.parametrize("suite", [None, "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"], ids=["plain", "cm", "gcm"])
async def test_bad_packets_are_not_heard_and_end_nothing(server, lk, far_end, suite):
    encryption = api.SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE if suite else None
    await direct(lk, **({"media_encryption": encryption} if suite else {}))
    async with Peer(server, ROOM, "anna") as anna, Phone(CALLER, suite=suite) as phone:
        await anna.play(ANNA)
        dialog = await ring(server, far_end, phone)
        caller = await anna.until(lambda: caller_of(anna), "the caller")
        call_id = anna.room.remote_participants[caller].attributes["sip.callID"]
        await asyncio.gather(anna.hear(caller), phone.hear())
        await check(anna, caller, phone, asyncio.sleep(2), "before")
        host, port = phone.remote
        call, rtc = [(host, port), (host, port + 1)], [split(address) for address in server.addresses["rtc_udp"]]
        before = memory(server)
        kinds = [("noise", call), ("rtp", call[:1]), ("rtcp", call)]
        # What strangers send to WebRTC knows nothing of the caller's encryption.
        kinds += [("stun", rtc), ("webrtc", rtc)] if not suite else []
        for kind, targets in kinds:
            ports = [port for _, port in targets]
            unread = attacker.drops(ports)
            attack = attacker.attack(kind, targets, COUNT, PER_SECOND, phone.ssrc)
            await check(anna, caller, phone, attack, kind)
            assert attacker.drops(ports) - unread < COUNT / 10, f"{kind}: the server did not read what came"
        await check(anna, caller, phone, asyncio.sleep(2), "after")
        assert memory(server) - before < GROWTH, f"it grew from {before} to {memory(server)} KiB"
        assert not anna.saw("reconnecting") and not anna.saw("track_unsubscribed")
        await dialog.bye()
        await anna.until(lambda: caller not in anna.room.remote_participants, "the caller's leaving")
        record = await server.ended_call(call_id)
        assert record["ending"]["by"] == "far_end", record["ending"]
        # Of what looks like RTP, more than a quarter can be read as such.
        assert record["media"]["foreign"] > COUNT / 4, "the attack has not reached the call"
    assert "panic" not in server.log_text() and "a fault" not in server.log_text()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_member_who_sends_garbage_harms_only_itself(server, lk, far_end, transport):
    await direct(lk)
    async with Peer(server, ROOM, "anna") as anna, Phone(CALLER) as phone:
        await anna.play(ANNA)
        dialog = await ring(server, far_end, phone)
        caller = await anna.until(lambda: caller_of(anna), "the caller")
        await asyncio.gather(anna.hear(caller), phone.hear())
        ports = [split(address)[1] for address in server.addresses["rtc_udp"]]
        await check(anna, caller, phone, asyncio.sleep(2), "before")
        before, unread = memory(server), attacker.drops(ports)
        done = {}

        async def betrayed():
            done.update(await traitor.betray(server.url, ROOM, transport, COUNT, PER_SECOND // 2))

        await check(anna, caller, phone, betrayed(), f"garbage over {transport}")
        assert done["sent"] >= COUNT and done["sessions"] > 0
        assert len(server.log_text().splitlines()) < 100 + 10 * done["sessions"], "it writes our log"
        assert attacker.drops(ports) - unread < COUNT / 10, "the server did not read what came"
        await check(anna, caller, phone, asyncio.sleep(2), "after")
        assert memory(server) - before < GROWTH, f"it grew from {before} to {memory(server)} KiB"
        assert not anna.saw("reconnecting") and not anna.saw("track_unsubscribed")
        await dialog.bye()
    assert "panic" not in server.log_text() and "a fault" not in server.log_text()
