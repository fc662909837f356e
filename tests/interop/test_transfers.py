"""Callers are moved on: REFER, what comes of it everywhere it is told, and hold, with the unmodified
Python client and a far end of the tests' own."""

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration
from livekit import api
from livekit.protocol.sip import (
    STR_CALL_ENDED,
    STR_COMPLETED,
    STS_TRANSFER_FAILED,
    STS_TRANSFER_SUCCESSFUL,
    TransferSIPParticipantRequest,
)

from harness import outbound
from harness.callee import Callee, Incoming, answers
from harness.hooks import Hooks
from harness.outbound import CALLED, refused
from harness.peer import Peer
from harness.server import Trunkline, eventually

IDENTITY = f"sip_{CALLED}"
TEL = "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support"
SIP = "sip:+15559876543@pbx.example.com;user=phone?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&X-Q=%3C%3E"


@pytest.fixture
async def hooks():
    """A receiver of webhooks."""
    async with Hooks() as receiver:
        yield receiver


@pytest.fixture
async def server(tmp_path, hooks):
    """A server that tells it what happens."""
    trunkline = await Trunkline(tmp_path, hooks.settings()).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


def request(target: str, **more) -> TransferSIPParticipantRequest:
    """A request to transfer the one participant."""
    return TransferSIPParticipantRequest(
        **{"room_name": "out", "participant_identity": IDENTITY, "transfer_to": target, **more}
    )


async def accept(call: Incoming, *frags: str, last: str = "terminated;reason=noresource"):
    """Takes the REFER and reports; the last report ends the subscription."""
    refer = await call.request("REFER")
    call.respond("202 Accepted", request=refer)
    for number, frag in enumerate(frags):
        state = last if number == len(frags) - 1 else "active;expires=60"
        answer = await call.notify(frag, state)
        assert answer.start == b"SIP/2.0 200 OK", answer.start
    return refer


async def up(lk, callee: Callee, **trunk) -> Incoming:
    """A call that is up."""
    trunk_id = await outbound.trunk(lk, callee.place, **trunk)
    await lk.sip.create_sip_participant(outbound.request(trunk_id))
    return await callee.call()


@pytest.mark.parametrize(
    "given", [TEL, f"<{TEL}>", SIP, f"<{SIP}>", "TEL:+1", "sips:a@b"],
    ids=["tel", "tel-in-brackets", "sip", "sip-in-brackets", "capitals", "sips"],
)
async def test_the_target_arrives_byte_for_byte(server, lk, hooks, given):
    wanted = given if given.startswith("<") else f"<{given}>"
    async with Callee(answers()) as callee:
        call = await up(lk, callee, attributes_to_headers={"outcome": "X-Outcome", "both": "X-Both"})
        await lk.room.update_participant(
            api.UpdateParticipantRequest(
                room="out", identity=IDENTITY, attributes={"outcome": "transfer:Tech Support", "both": "mapped"}
            )
        )
        reports = asyncio.create_task(accept(call, "SIP/2.0 100 Trying", "SIP/2.0 200 OK"))
        reply = await lk.sip.transfer_sip_participant(request(given, headers={"X-Both": "of the request; ä"}))
        assert (reply.status, reply.reason) == (STS_TRANSFER_SUCCESSFUL, STR_COMPLETED)
        assert reply.transfer_id.startswith("STR_") and reply.sip_status.code == 200
        refer = await reports
        assert refer.get("Refer-To") == wanted.encode()
        assert refer.get("X-Outcome") == b"transfer:Tech Support"
        assert refer.all("X-Both") == ["of the request; ä".encode()]
        bye = await call.request("BYE")
        assert bye.get("X-Outcome") == b"transfer:Tech Support"
        left = await outbound.left(hooks, IDENTITY)
        assert left.event.participant.disconnect_reason == api.DisconnectReason.CLIENT_INITIATED
        record = await outbound.only_record(server)
        assert record["ending"]["reason"] == "transferred"
        [transfer] = record["transfers"]
        assert transfer["id"] == reply.transfer_id and transfer["outcome"] == "completed"
        assert transfer["target"] == wanted[1:-1]
        assert [attempt["method"] for attempt in transfer["attempts"]] == ["refer"]
        receipts = {r["header"]: r["value"] for r in record["receipts"] if r["message"] == "REFER"}
        assert receipts["X-Outcome"] == "transfer:Tech Support"
        ended = await hooks.wait("sip_transfer_ended")
        assert ended.body["call"]["transfers"][0]["outcome"] == "completed"
        assert "sip_transfer_started" in hooks.names()


@pytest.mark.parametrize(
    "target", ["tel:+1\r\nX-Evil: 1", "<tel:+1\n>", "tel:+1\0", "+15550100", "http://a", "<tel:+1>;a=b", "tel:"],
    ids=["crlf", "lf", "nul", "number", "http", "parameters-outside", "nobody"],
)
async def test_bad_targets_are_refused_by_the_name_of_the_field(server, lk, target):
    async with Callee(answers()) as callee:
        call = await up(lk, callee)
        error = await refused(lk.sip.transfer_sip_participant(request(target)))
        assert error.code == "invalid_argument" and "transfer_to" in error.message
        error = await refused(lk.sip.transfer_sip_participant(request("tel:+1", headers={"X-A": "a\r\nb"})))
        assert error.code == "invalid_argument" and "headers" in error.message
        assert not [m for m in call.received if m.start.startswith(b"REFER ")]
        assert (await outbound.participant(lk, "out", IDENTITY)).attributes["sip.callStatus"] == "active"


async def usable(lk, call: Incoming, agent: Peer):
    """The call goes on: both hear each other."""
    assert (await outbound.participant(lk, "out", IDENTITY)).attributes["sip.callStatus"] == "active"
    call.sound.heard.clear()
    (heard, _), (down, _) = await asyncio.gather(agent.hear(IDENTITY), call.sound.tone())
    assert abs(heard - 600) <= 3 and abs(down - 440) <= 3


async def test_a_refused_refer_leaves_the_call_usable(server, lk):
    async with Callee(answers()) as callee, Peer(server, "out", "agent") as agent:
        await agent.play(440)
        call = await up(lk, callee)

        async def refuse():
            call.respond("603 Decline", request=await call.request("REFER"))

        asyncio.create_task(refuse())
        error = await refused(lk.sip.transfer_sip_participant(request(TEL, play_dialtone=True)))
        assert (error.code, error.sip_status_code, error.sip_status) == ("permission_denied", 603, "Decline")
        assert error.sip_transfer_reason == "STR_REJECTED" and error.sip_transfer_id.startswith("STR_")
        await usable(lk, call, agent)


async def test_a_target_that_is_busy_leaves_the_call_usable(server, lk, hooks):
    async with Callee(answers()) as callee, Peer(server, "out", "agent") as agent:
        await agent.play(440)
        call = await up(lk, callee)
        reports = asyncio.create_task(accept(call, "SIP/2.0 180 Ringing", "SIP/2.0 486 Busy Here"))
        error = await refused(lk.sip.transfer_sip_participant(request(TEL)))
        assert (error.code, error.sip_status_code) == ("resource_exhausted", 486)
        await reports
        await usable(lk, call, agent)
        await hooks.wait("sip_transfer_ended")
        # And once more, now with success.
        again = asyncio.create_task(later(call))
        reply = await lk.sip.transfer_sip_participant(request("tel:+2"))
        assert reply.reason == STR_COMPLETED
        await again


async def later(call: Incoming):
    """Takes the second REFER."""
    refer = await call.request("REFER", after=1)
    call.respond("202 Accepted", request=refer)
    await call.notify("SIP/2.0 200 OK", "terminated;reason=noresource", refer.get("CSeq").split()[0].decode())


async def test_a_transfer_that_is_never_decided_ends_in_time(server, lk):
    async with Callee(answers()) as callee, Peer(server, "out", "agent") as agent:
        await agent.play(440)
        call = await up(lk, callee)
        reports = asyncio.create_task(accept(call, "SIP/2.0 100 Trying", last="active;expires=60"))
        error = await refused(lk.sip.transfer_sip_participant(request(TEL, ringing_timeout=Duration(seconds=2))))
        assert error.code in ("canceled", "deadline_exceeded")
        assert error.sip_transfer_reason == "STR_RINGING_TIMEOUT"
        await reports
        await usable(lk, call, agent)


async def test_the_far_end_hangs_up_before_it_is_decided(server, lk):
    async with Callee(answers()) as callee:
        call = await up(lk, callee)

        async def leave():
            await accept(call, "SIP/2.0 100 Trying", last="active;expires=60")
            await call.send("BYE")

        leaving = asyncio.create_task(leave())
        reply = await lk.sip.transfer_sip_participant(request(TEL))
        await leaving
        assert (reply.status, reply.reason) in [
            (STS_TRANSFER_FAILED, STR_CALL_ENDED), (STS_TRANSFER_SUCCESSFUL, STR_COMPLETED)
        ]
        assert (await outbound.only_record(server))["ending"]["reason"] in ("remote_bye", "transferred")


async def test_who_does_not_exist_or_has_no_telephone(server, lk):
    async with Callee(answers()) as callee, Peer(server, "out", "agent"):
        await up(lk, callee)
        error = await refused(lk.sip.transfer_sip_participant(request(TEL, participant_identity="nobody")))
        assert error.code == "not_found"
        error = await refused(lk.sip.transfer_sip_participant(request(TEL, participant_identity="agent")))
        assert error.code == "invalid_argument"


async def test_hold_and_back(server, lk):
    async with Callee(answers()) as callee, Peer(server, "out", "agent") as agent:
        await agent.play(440)
        call = await up(lk, callee)
        await call.sound.tone()

        async def take(after: int, direction: str) -> str:
            again = await call.request("INVITE", after=after)
            offered = again.body.decode()
            answer = (await call.media()).decode().replace("a=sendrecv", f"a={direction}")
            call.respond("200 OK", request=again, body=answer.encode())
            return offered

        taking = asyncio.create_task(take(1, "recvonly"))
        held = {"room": "out", "identity": IDENTITY}
        await server.twirp("trunkline.Calls/Hold", held)
        assert "a=sendonly" in await taking
        call.sound.heard.clear()
        music, _ = await call.sound.tone()
        assert abs(music - 440) > 3, "music in place of the room"
        taking = asyncio.create_task(take(2, "sendrecv"))
        await server.twirp("trunkline.Calls/Resume", held)
        assert "a=sendrecv" in await taking

        async def room_again():
            call.sound.heard.clear()
            await asyncio.sleep(1.2)
            return abs((await call.sound.tone())[0] - 440) <= 3

        await eventually(room_again, "the room's audio")


async def test_a_telephone_moves_to_another_room(server, lk, hooks):
    async with Callee(answers()) as callee, Peer(server, "out", "one") as one, Peer(server, "second", "two") as two:
        await one.play(440)
        await two.play(880)
        call = await up(lk, callee)
        await call.sound.tone()
        await lk.room.move_participant(
            api.MoveParticipantRequest(room="out", identity=IDENTITY, destination_room="second")
        )
        await one.until(lambda: one.saw("participant_disconnected", lambda p: p.identity == IDENTITY), "its leaving")
        heard, _ = await two.hear(IDENTITY)
        assert abs(heard - 600) <= 3

        async def second_room():
            call.sound.heard.clear()
            await asyncio.sleep(1.2)
            return abs((await call.sound.tone())[0] - 880) <= 3

        await eventually(second_room, "the audio of the second room")
        assert not [m for m in call.received if m.start.startswith((b"BYE ", b"INVITE "))][1:], "the dialog is untouched"
        shown = await outbound.participant(lk, "second", IDENTITY)
        assert shown.attributes["sip.callStatus"] == "active"
        error = await refused(outbound.participant(lk, "out", IDENTITY))
        assert error.code == "not_found"


async def hears(call: Incoming, hertz: float, what: str):
    """Waits until a telephone hears this tone above all."""

    async def heard():
        call.sound.heard.clear()
        return abs((await call.sound.tone())[0] - hertz) <= 3

    await eventually(heard, what)


async def test_a_warm_transfer(server, lk):
    async with Callee(answers(600)) as customer, Callee(answers(700)) as colleague:
        first, second = await outbound.trunk(lk, customer.place), await outbound.trunk(lk, colleague.place)
        async with Peer(server, "out", "agent") as agent:
            await agent.play(440)
            await lk.sip.create_sip_participant(outbound.request(first, participant_identity="customer"))
            await hears(await customer.call(), 440, "the agent, by the customer")
            async with Peer(server, "consult", "agent") as aside:
                await aside.play(880)
                request = outbound.request(second, room="consult", participant_identity="colleague")
                await lk.sip.create_sip_participant(request)
                await hears(await colleague.call(), 880, "the summary, by the colleague")
                # The customer has heard nothing of it.
                await hears(await customer.call(), 440, "the agent, by the customer")
            move = api.MoveParticipantRequest(room="consult", identity="colleague", destination_room="out")
            await lk.room.move_participant(move)
            await agent.until(lambda: "colleague" in agent.room.remote_participants, "the colleague")
        await hears(await customer.call(), 700, "the colleague, by the customer")
        await hears(await colleague.call(), 600, "the customer, by the colleague")
        for end in (customer, colleague):
            methods = [m.start.split()[0] for m in end.calls[0].received if m.is_request]
            assert b"BYE" not in methods, "both calls are up"


async def test_from_the_command_line(server, lk):
    async with Callee(answers()) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        made = await lk.sip.create_sip_participant(outbound.request(trunk))
        call = await callee.call()
        reports = asyncio.create_task(accept(call, "SIP/2.0 200 OK"))
        code, out, errors = await server.command(
            "calls", "transfer", made.sip_call_id, TEL, "--header", "X-A: b", "--timeout", "9"
        )
        assert code == 0 and "STR_COMPLETED" in out, errors
        assert (await reports).get("Refer-To") == f"<{TEL}>".encode()
        await outbound.only_record(server)
        code, _, errors = await server.command("calls", "hold", made.sip_call_id)
        assert code == 1 and "is over" in errors
