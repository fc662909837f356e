"""Attended transfers to us: an INVITE with Replaces (RFC 3891) puts another telephone in the place of one, and a
REFER of a far end (RFC 3515) brings somebody into the room, where the trunk allows it."""

import asyncio
import re

import pytest
from livekit import api

from harness import five9, outbound
from harness.callee import Callee, answers, refuses, rings
from harness.farend import Dialog, FarEnd
from harness.outbound import CALLED
from harness.peer import Peer
from harness.phone import Phone
from harness.server import eventually
from test_bridge import ROOM, caller_of, direct, ring


def tag(value: bytes | str) -> str:
    """The tag of a From or To."""
    return re.search(r";tag=([^;>\s]+)", value.decode() if isinstance(value, bytes) else value)[1]


def replaces(dialog: Dialog, more: str = "") -> dict[str, str]:
    """The header that names a dialog, as the server knows it."""
    return {"Replaces": f"{dialog.call_id};to-tag={tag(dialog.remote)};from-tag={tag(dialog.local)}{more}"}


async def ended(server, count: int) -> list[str]:
    """Why so many calls ended, in the order they began, once all have."""

    async def all_over():
        records = await server.calls()
        return records if len(records) == count and all(r.get("ended_at_ms") for r in records) else None

    records = await eventually(all_over, f"the end of {count} calls")
    return [r["ending"]["reason"] for r in sorted(records, key=lambda r: r["created_at_ms"])]


async def test_another_telephone_takes_the_place_of_a_caller(server, lk):
    await direct(lk)
    async with (
        Peer(server, ROOM, "anna") as anna, FarEnd() as b, FarEnd() as c, Phone(600) as first, Phone(700) as second,
    ):
        await anna.play(440)
        old = await ring(server, b, first)
        caller = await anna.until(lambda: caller_of(anna), "the caller")
        assert abs((await anna.hear(caller))[0] - 600) <= 3
        del anna.tracks[caller]
        joined = len([e for e in anna.events if e[0] == "participant_connected"])
        new = await c.call(server.sip, five9.NUMBER, "+15550002", replaces(old), second.offer())
        assert new.status == 200
        second.talk_to(new.final.body)
        await old.wait_bye()
        first.task.cancel()
        # It is one and the same participant, with another voice.
        (heard, _), (down, _) = await asyncio.gather(anna.hear(caller, 3), second.hear(3))
        assert abs(heard - 700) <= 3 and abs(down - 440) <= 3
        assert len([e for e in anna.events if e[0] == "participant_connected"]) == joined
        assert not anna.saw("participant_disconnected")
        await five9.delete_room(lk, ROOM, "")
        await new.wait_bye()
        assert await ended(server, 2) == ["replaced", "room_deleted"]


async def test_what_cannot_be_replaced(server, lk):
    await direct(lk)
    async with FarEnd() as b, FarEnd() as c, Phone(600) as phone:
        old = await ring(server, b, phone)

        async def refused(headers: dict) -> int:
            return (await c.call(server.sip, five9.NUMBER, "+15550002", headers, phone.offer())).status

        assert await refused({"Replaces": "nobody@nowhere;to-tag=a;from-tag=b"}) == 481
        right = replaces(old)["Replaces"]
        assert await refused({"Replaces": right.replace(tag(old.local), "guessed")}) == 481
        assert await refused({"Replaces": right.replace(tag(old.remote), "guessed")}) == 481
        assert await refused({"Replaces": old.call_id}) == 400
        # It is answered: too late for who would have picked it up (RFC 3891 §3).
        assert await refused(replaces(old, ";early-only")) == 486
        assert len((await lk.room.list_participants(api.ListParticipantsRequest(room=ROOM))).participants) == 1
        await old.bye()
        assert await ended(server, 1) == ["remote_bye"]
        # The dialog may be remembered for a while or not.
        assert await refused(replaces(old)) in (481, 603)
        assert await ended(server, 1) == ["remote_bye"]


async def test_a_call_of_one_trunk_is_not_taken_over_through_another(server, lk):
    await direct(lk, allowed_addresses=["127.0.0.1"])
    other = "+15559990000"
    made = await lk.sip.create_inbound_trunk(
        api.CreateSIPInboundTrunkRequest(
            trunk=api.SIPInboundTrunkInfo(name="others", numbers=[other], allowed_addresses=["127.0.0.2"])
        )
    )
    rule = api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name="theirs"))
    await lk.sip.create_dispatch_rule(
        api.CreateSIPDispatchRuleRequest(name="theirs", trunk_ids=[made.sip_trunk_id], rule=rule)
    )
    async with FarEnd() as b, FarEnd("127.0.0.2") as thief, Phone(600) as phone:
        old = await ring(server, b, phone)
        taken = await thief.call(server.sip, other, "+15550002", replaces(old), phone.offer())
        assert taken.status == 481
        await old.bye()
        assert await ended(server, 1) == ["remote_bye"]


@pytest.mark.parametrize("more", ["", ";early-only"], ids=["plain", "early-only"])
async def test_a_call_of_ours_that_rings_is_picked_up_elsewhere(server, lk, more):
    await direct(lk)
    async with Callee(rings) as desk, Peer(server, "out", "anna") as anna, FarEnd() as c, Phone(700) as phone:
        await anna.play(440)
        trunk = await outbound.trunk(lk, desk.place)
        await lk.sip.create_sip_participant(outbound.request(trunk, wait=False))
        identity = f"sip_{CALLED}"
        await outbound.status(lk, "out", identity, "ringing")
        call = await desk.call()
        await anna.until(lambda: anna.tracks.get(identity), "the track")
        del anna.tracks[identity]
        named = f"{call.invite.get('Call-ID').decode()};to-tag={tag(call.invite.get('From'))};from-tag={call.tag}{more}"
        new = await c.call(server.sip, five9.NUMBER, "+15550002", {"Replaces": named}, phone.offer())
        assert new.status == 200
        phone.talk_to(new.final.body)
        await call.request("CANCEL")
        (heard, _), (down, _) = await asyncio.gather(anna.hear(identity, 3), phone.hear(3))
        assert abs(heard - 700) <= 3 and abs(down - 440) <= 3
        await five9.delete_room(lk, "out", "")
        await new.wait_bye()
        assert await ended(server, 2) == ["replaced", "room_deleted"]


async def test_a_far_end_that_we_called_is_replaced_by_its_colleague(server, lk):
    await direct(lk)
    async with Callee(answers()) as desk, Peer(server, "out", "anna") as anna, FarEnd() as c, Phone(700) as phone:
        await anna.play(440)
        trunk = await outbound.trunk(lk, desk.place)
        await lk.sip.create_sip_participant(outbound.request(trunk))
        identity = f"sip_{CALLED}"
        call = await desk.call()
        await anna.hear(identity)
        del anna.tracks[identity]
        named = f"{call.invite.get('Call-ID').decode()};to-tag={tag(call.invite.get('From'))};from-tag={call.tag}"
        early = await c.call(server.sip, five9.NUMBER, "+15550002", {"Replaces": f"{named};early-only"}, phone.offer())
        assert early.status == 486
        async with FarEnd("127.0.0.2") as stranger:
            thief = await stranger.call(server.sip, five9.NUMBER, "+15550002", {"Replaces": named}, phone.offer())
            assert thief.status == 481
        new = await c.call(server.sip, five9.NUMBER, "+15550002", {"Replaces": named}, phone.offer())
        assert new.status == 200
        phone.talk_to(new.final.body)
        await call.request("BYE")
        (heard, _), (down, _) = await asyncio.gather(anna.hear(identity, 3), phone.hear(3))
        assert abs(heard - 700) <= 3 and abs(down - 440) <= 3
        await five9.delete_room(lk, "out", "")
        await new.wait_bye()
        assert await ended(server, 2) == ["replaced", "room_deleted"]


TARGET = {"Refer-To": f"<tel:{CALLED}>", "Referred-By": "<sip:b@127.0.0.1>"}


def reports(far_end: FarEnd) -> list[tuple[str, str]]:
    """What NOTIFY has told, once each: the first line of the fragment, and the state."""
    seen = {m.get("CSeq"): m for m in far_end.received if m.start.startswith(b"NOTIFY ")}
    return [(m.body.decode().splitlines()[0], m.get("Subscription-State").decode()) for m in seen.values()]


async def refer_allowed(server, lk, target: Callee):
    """A trunk that calls the target, and that callers may refer to it."""
    await outbound.trunk(lk, target.place)
    await direct(lk)
    [trunk] = (await lk.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())).items
    body = {"trunk_id": trunk.sip_trunk_id, "options": {"incoming_refer": True}}
    await server.twirp("trunkline.Options/SetOptions", body)


async def test_a_refer_is_refused_unless_the_trunk_allows_it(server, lk):
    await direct(lk)
    async with Callee(answers()) as target, FarEnd() as b, Phone(600) as phone, Peer(server, ROOM, "anna") as anna:
        await outbound.trunk(lk, target.place)
        dialog = await ring(server, b, phone)
        caller = await anna.until(lambda: caller_of(anna), "the caller")
        assert (await dialog.send("REFER", TARGET)).start == b"SIP/2.0 403 Forbidden"
        assert abs((await anna.hear(caller))[0] - 600) <= 3
        assert not target.calls and reports(b) == []
        await dialog.bye()
        assert await ended(server, 1) == ["remote_bye"]


async def test_a_refer_that_is_allowed_brings_the_target_into_the_room(server, lk):
    async with Callee(answers(700)) as target, FarEnd() as b, Phone(600) as phone, Peer(server, ROOM, "anna") as anna:
        await refer_allowed(server, lk, target)
        await anna.play(440)
        dialog = await ring(server, b, phone)
        await anna.until(lambda: caller_of(anna), "the caller")
        assert (await dialog.send("REFER", {})).start.startswith(b"SIP/2.0 400 ")
        assert (await dialog.send("REFER", TARGET)).start == b"SIP/2.0 202 Accepted"
        called = await target.call()
        assert called.invite.start.startswith(f"INVITE sip:{CALLED}@".encode())
        over = (b"NOTIFY ", b"terminated")
        await b.wait(lambda m: m.start.startswith(over[0]) and over[1] in m.get("Subscription-State"), "the end")
        told = reports(b)
        assert [line for line, _ in told] == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"], told
        assert told[0][1].startswith("active") and told[1][1].startswith("terminated")
        # Who referred hangs up, as it is used; the two others talk.
        await dialog.bye()
        phone.task.cancel()
        identity = f"sip_{CALLED}"
        (heard, _), (down, _) = await asyncio.gather(anna.hear(identity, 3), called.sound.tone())
        assert abs(heard - 700) <= 3 and abs(down - 440) <= 3
        await five9.delete_room(lk, ROOM, "")
        await called.request("BYE")
        assert await ended(server, 2) == ["remote_bye", "room_deleted"]


async def test_a_refer_to_somebody_who_is_busy_says_so_and_leaves_the_call(server, lk):
    async with Callee(refuses("486 Busy Here")) as target, FarEnd() as b, Phone(600) as phone:
        async with Peer(server, ROOM, "anna") as anna:
            await refer_allowed(server, lk, target)
            await anna.play(440)
            dialog = await ring(server, b, phone)
            caller = await anna.until(lambda: caller_of(anna), "the caller")
            assert (await dialog.send("REFER", TARGET)).start == b"SIP/2.0 202 Accepted"
            await b.wait(lambda m: m.start.startswith(b"NOTIFY ") and b"486 " in m.body, "what became of it")
            assert reports(b)[-1][0] == "SIP/2.0 486 Busy Here" and reports(b)[-1][1].startswith("terminated")
            (heard, _), (down, _) = await asyncio.gather(anna.hear(caller), phone.hear())
            assert abs(heard - 600) <= 3 and abs(down - 440) <= 3
            # And to nobody whom a trunk of ours leads to.
            elsewhere = {"Refer-To": "<sip:+1@elsewhere.example.com>"}
            assert (await dialog.send("REFER", elsewhere)).start == b"SIP/2.0 202 Accepted"
            await b.wait(lambda m: m.start.startswith(b"NOTIFY ") and b"503 " in m.body, "that nobody was called")
            assert len(target.calls) == 1
            await dialog.bye()
            reasons = await ended(server, 2)
            assert reasons[0] == "remote_bye" and reasons[1] == "rejected"
