"""Calls out, with the unmodified Python client and a far end of the tests' own."""

import asyncio

import numpy
import pytest
from google.protobuf.duration_pb2 import Duration
from livekit import api

from harness import outbound
from harness.callee import Callee, answers, refuses, rings
from harness.hooks import Hooks
from harness.outbound import CALLED, NUMBER, refused
from harness.peer import Peer
from harness.server import Trunkline, eventually

IDENTITY = f"sip_{CALLED}"


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


async def test_a_call_is_answered_and_both_hear_each_other(server, lk, hooks):
    headers = [("X-Account", "4711"), ("X-Other", "not mapped")]

    async def rings_until_told(call):
        call.respond("180 Ringing")
        await call.go.wait()
        await call.answer(600, headers)

    async with Callee(rings_until_told) as callee, Peer(server, "out", "agent") as agent:
        await agent.play(440)
        statuses: list[str] = []

        @agent.room.on("participant_connected")
        def joined(participant):
            statuses.append(participant.attributes["sip.callStatus"])

        @agent.room.on("participant_attributes_changed")
        def changed(_changed, participant):
            statuses.append(participant.attributes["sip.callStatus"])

        trunk = await outbound.trunk(
            lk, callee.place, headers={"X-Trunk": "of the trunk", "X-Both": "of the trunk"},
            headers_to_attributes={"X-Account": "account"},
        )
        request = outbound.request(
            trunk, headers={"X-Both": "of the request; ä"}, participant_attributes={"mood": "good"},
            participant_name="Customer", participant_metadata="m",
        )
        making = asyncio.create_task(lk.sip.create_sip_participant(request))
        call = await callee.call()
        # The client tells what holds when it tells it: each status is waited for.
        await agent.until(lambda: "ringing" in statuses, "the status ringing")
        call.go.set()
        made = await making
        assert (made.room_name, made.participant_identity) == ("out", IDENTITY)
        assert made.sip_call_id.startswith("SCL_") and made.participant_id.startswith("PA_")

        shown = await outbound.participant(lk, "out", IDENTITY)
        assert shown.sid == made.participant_id and shown.kind == api.ParticipantInfo.Kind.SIP
        assert (shown.name, shown.metadata) == ("Customer", "m")
        attributes = dict(shown.attributes)
        expected = {
            "sip.callID": made.sip_call_id, "sip.callIDFull": call.invite.get("Call-ID").decode(),
            "sip.callStatus": "active", "sip.trunkID": trunk, "sip.ruleID": "", "sip.phoneNumber": CALLED,
            "sip.trunkPhoneNumber": NUMBER, "mood": "good", "account": "4711", "sip.callTag": call.tag,
        }
        assert {name: attributes.get(name) for name in expected} == expected

        invite = call.invite
        assert invite.start.startswith(f"INVITE sip:{CALLED}@{callee.place}".encode())
        assert invite.get("To").startswith(f"<sip:{CALLED}@{callee.place}".encode())
        assert invite.get("From").startswith(f'"{NUMBER}" <sip:{NUMBER}@'.encode())
        assert invite.get("X-Trunk") == b"of the trunk"
        assert invite.get("X-Both") == "of the request; ä".encode()

        assert await agent.until(lambda: "active" in statuses and statuses, "the status active")
        assert [s for s in ("dialing", "ringing", "active") if s in statuses] == ["dialing", "ringing", "active"]
        assert statuses.index("ringing") < statuses.index("active") and statuses[0] == "dialing"
        (up, _), (down, _) = await asyncio.gather(agent.hear(IDENTITY), call.sound.tone())
        assert abs(up - 600) <= 3 and abs(down - 440) <= 3

        assert (await call.send("BYE")).start == b"SIP/2.0 200 OK"
        left = await outbound.left(hooks, IDENTITY)
        assert left.event.participant.disconnect_reason == api.DisconnectReason.CLIENT_INITIATED
        record = await outbound.only_record(server)
        assert (record["direction"], record["ending"]["reason"]) == ("outbound", "remote_bye")
        assert record["trunk_id"] == trunk and record["answered_at_ms"] >= record["created_at_ms"]
        ended = await hooks.wait("sip_call_ended")
        assert ended.body["call"]["call_id"] == made.sip_call_id
        assert ended.body["call"]["direction"] == "outbound"
    names = [name for name in hooks.names() if name.startswith("sip_call")]
    assert names == ["sip_call_ringing", "sip_call_answered", "sip_call_ended"]


async def test_mapped_attributes_leave_on_the_bye(server, lk):
    async with Callee(answers()) as callee:
        trunk = await outbound.trunk(lk, callee.place, attributes_to_headers={"outcome": "X-Outcome"})
        await lk.sip.create_sip_participant(outbound.request(trunk))
        value = "transfer%3ATech Support; ä"
        await lk.room.update_participant(
            api.UpdateParticipantRequest(room="out", identity=IDENTITY, attributes={"outcome": value})
        )
        await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        bye = await (await callee.call()).request("BYE")
        assert bye.get("X-Outcome") == value.encode()
        record = await outbound.only_record(server)
        assert record["ending"]["reason"] == "room_deleted"
        receipts = {r["header"]: r for r in record["receipts"] if r["message"] == "BYE"}
        assert receipts["X-Outcome"]["value"] == value


async def test_without_waiting_the_answer_comes_while_it_dials(server, lk):
    async with Callee(rings) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        made = await lk.sip.create_sip_participant(outbound.request(trunk, wait=False))
        assert made.participant_identity == IDENTITY
        shown = await outbound.status(lk, "out", IDENTITY, "ringing")
        assert shown.attributes["sip.ruleID"] == "" and shown.tracks, "it has joined and published"
        await (await callee.call()).answer()
        await outbound.status(lk, "out", IDENTITY, "active")


# Status, headers, Twirp code, reason of the participant and of the record.
OUTCOMES = [
    ("486 Busy Here", (), "resource_exhausted", "USER_REJECTED", "rejected"),
    ("603 Decline", (), "permission_denied", "USER_REJECTED", "rejected"),
    ("600 Busy Everywhere", (), "resource_exhausted", "USER_REJECTED", "rejected"),
    ("403 Forbidden", (), "permission_denied", "USER_REJECTED", "rejected"),
    ("408 Request Timeout", (), "deadline_exceeded", "USER_UNAVAILABLE", "unavailable"),
    ("480 Temporarily Unavailable", (), "resource_exhausted", "USER_UNAVAILABLE", "unavailable"),
    ("404 Not Found", (), "not_found", "USER_UNAVAILABLE", "unavailable"),
    ("500 Server Internal Error", (), "failed_precondition", "SIP_TRUNK_FAILURE", "trunk_failure"),
    ("503 Service Unavailable", (), "failed_precondition", "SIP_TRUNK_FAILURE", "trunk_failure"),
    ("504 Gateway Timeout", (), "deadline_exceeded", "SIP_TRUNK_FAILURE", "trunk_failure"),
]


@pytest.mark.parametrize("line,headers,code,reason,word", OUTCOMES, ids=[row[0].split()[0] for row in OUTCOMES])
async def test_a_refusal_is_told_everywhere_alike(server, lk, hooks, line, headers, code, reason, word):
    number, text = line.split(" ", 1)
    async with Callee(refuses(line, headers)) as callee, Peer(server, "out", "agent") as agent:
        trunk = await outbound.trunk(lk, callee.place)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert isinstance(error, api.TwirpError) and error.code == code
        assert (error.sip_status_code, error.sip_status) == (int(number), text)
        assert error.message == f"sip status {number}: {text}"
        assert error.metadata["sip_status_code"] == number and error.metadata["error_details"]
        wanted = api.DisconnectReason.Value(reason)
        _, gone = await agent.until(
            lambda: agent.saw("participant_disconnected", lambda p: p.identity == IDENTITY), "its leaving"
        )
        assert gone.disconnect_reason == wanted
        assert gone.attributes["sip.statusCode"] == number and gone.attributes["sip.reason"] == word
        assert gone.attributes["sip.hangupBy"] in ("far_end", "server")
        left = await outbound.left(hooks, IDENTITY)
        assert left.event.participant.disconnect_reason == wanted
        assert left.event.participant.attributes["sip.statusCode"] == number
        record = await outbound.only_record(server)
        assert (record["ending"]["reason"], record["direction"]) == (word, "outbound")
        assert record["ending"]["disconnect_reason"] == reason
        ended = await hooks.wait("sip_call_ended")
        assert ended.body["call"]["ending"] == record["ending"]
        assert "sip_call_answered" not in hooks.names()
        assert any(m.start.startswith(b"ACK ") for m in (await callee.call()).received), "a refusal gets its ACK"


async def test_what_twilio_says_is_the_text(server, lk):
    async with Callee(refuses("480 Temporarily Unavailable", [("X-Twilio-Error", "32009 not registered")])) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert (error.sip_status_code, error.sip_status) == (480, "32009 not registered")


async def test_nobody_answers(server, lk, hooks):
    async with Callee(rings) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk, ringing=2)))
        assert error.code in ("canceled", "deadline_exceeded"), error
        call = await callee.call()
        cancel = await call.request("CANCEL")
        assert cancel.get("CSeq").split()[0] == call.invite.get("CSeq").split()[0]
        left = await outbound.left(hooks, IDENTITY)
        assert left.event.participant.disconnect_reason == api.DisconnectReason.USER_UNAVAILABLE
        record = await outbound.only_record(server)
        assert record["ending"]["reason"] == "no_answer"


@pytest.mark.parametrize("how", ["room", "participant"])
async def test_taken_back_while_it_rings(server, lk, hooks, how):
    async with Callee(rings) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        waiting = asyncio.create_task(refused(lk.sip.create_sip_participant(outbound.request(trunk))))
        await outbound.status(lk, "out", IDENTITY, "ringing")
        if how == "room":
            await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        else:
            await lk.room.remove_participant(api.RoomParticipantIdentity(room="out", identity=IDENTITY))
        await (await callee.call()).request("CANCEL", 5)
        assert (await waiting).code in ("canceled", "aborted")
        left = await outbound.left(hooks, IDENTITY)
        wanted = api.DisconnectReason.ROOM_DELETED if how == "room" else api.DisconnectReason.PARTICIPANT_REMOVED
        assert left.event.participant.disconnect_reason == wanted
        record = await outbound.only_record(server)
        assert record["ending"]["reason"] == ("room_deleted" if how == "room" else "participant_removed")


async def test_an_answer_that_crosses_the_cancel_is_hung_up(server, lk):
    async def late(call):
        call.gives_up = False
        call.respond("180 Ringing")
        await call.request("CANCEL")
        await call.answer(None)

    async with Callee(late) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        waiting = asyncio.create_task(refused(lk.sip.create_sip_participant(outbound.request(trunk))))
        call = await callee.call()
        await outbound.status(lk, "out", IDENTITY, "ringing")
        await lk.room.delete_room(api.DeleteRoomRequest(room="out"))
        await waiting
        await call.request("ACK")
        await call.request("BYE")
        record = await outbound.only_record(server)
        assert record["ending"]["reason"] == "room_deleted"


async def test_digits_are_sent_before_it_is_active(server, lk):
    async with Callee(answers()) as callee, Peer(server, "out", "agent") as agent:
        seen = []
        agent.room.on("participant_attributes_changed", lambda _c, p: seen.append(p.attributes["sip.callStatus"]))
        trunk = await outbound.trunk(lk, callee.place)
        await lk.sip.create_sip_participant(outbound.request(trunk, dtmf="1w2#"))
        call = await callee.call()
        assert call.sound.digits == ["1", "2", "#"], "the request is answered when they are sent"
        await agent.until(lambda: "active" in seen, "the status active")
        assert seen.index("automation") < seen.index("active")


async def test_early_media_reaches_the_room(server, lk):
    async def announces(call):
        call.respond("183 Session Progress", body=await call.media())
        call.sound.say(700, call.theirs)
        await call.go.wait()
        await call.answer(500)

    async with Callee(announces) as callee, Peer(server, "out", "agent") as agent:
        trunk = await outbound.trunk(lk, callee.place)
        waiting = asyncio.create_task(lk.sip.create_sip_participant(outbound.request(trunk)))
        call = await callee.call()
        early, _ = await agent.hear(IDENTITY)
        assert abs(early - 700) <= 3 and not waiting.done()
        call.go.set()
        await waiting
        final, _ = await agent.hear(IDENTITY)
        assert abs(final - 500) <= 3


async def test_the_room_hears_a_ringing_tone_if_asked(server, lk):
    async with Callee(rings) as callee, Peer(server, "out", "agent") as agent:
        trunk = await outbound.trunk(lk, callee.place)
        await lk.sip.create_sip_participant(outbound.request(trunk, wait=False, play_dialtone=True))
        # One second of five: whoever listens long enough hears 425 Hz.
        track = await agent.until(lambda: agent.tracks.get(IDENTITY), "its track")
        assert track
        stop = agent.record(IDENTITY)
        await asyncio.sleep(6)
        samples = await stop()
        assert loudest(samples) == pytest.approx(425, abs=3)
        await (await callee.call()).answer(650)
        heard, _ = await agent.hear(IDENTITY)
        assert abs(heard - 650) <= 3


def loudest(samples) -> float:
    """The loudest frequency of all that was recorded."""
    spectrum = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples))))
    hertz = numpy.fft.rfftfreq(len(samples), 1 / 48_000)
    spectrum[hertz < 50] = 0
    return float(hertz[int(numpy.argmax(spectrum))])


async def test_hidden_numbers_stay_hidden(server, lk):
    async with Callee(answers()) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        made = await lk.sip.create_sip_participant(outbound.request(trunk, hide_phone_number=True))
        digits = CALLED.lstrip("+")
        assert digits not in made.participant_identity
        shown = await outbound.participant(lk, "out", made.participant_identity)
        assert not [text for text in (shown.name, *shown.attributes.values()) if digits in text]
        assert "sip.phoneNumber" not in shown.attributes and "sip.trunkPhoneNumber" not in shown.attributes


async def test_broken_sdp_gets_ack_and_bye(server, lk, hooks):
    async def broken(call):
        await call.answer(None, body=b"v=0\r\nthis is no SDP\r\n")

    async with Callee(broken) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
        assert error.code == "failed_precondition", error
        call = await callee.call()
        await call.request("ACK")
        await call.request("BYE")
        left = await outbound.left(hooks, IDENTITY)
        assert left.event.participant.disconnect_reason == api.DisconnectReason.MEDIA_FAILURE


async def test_an_empty_install_dials_nowhere(server, lk):
    async with Callee(answers()) as callee:
        inline = api.SIPOutboundConfig(hostname=callee.place)
        request = outbound.request("", sip_number="+15550199", trunk=inline)
        error = await refused(lk.sip.create_sip_participant(request))
        assert error.code == "permission_denied" and "outbound.inline_trunks" in error.message
        unknown = await refused(lk.sip.create_sip_participant(outbound.request("ST_unknown")))
        assert unknown.code == "not_found"
        assert not callee.calls


async def test_an_inline_trunk_to_a_listed_host(tmp_path):
    server = await Trunkline(tmp_path, {"outbound": {"inline_trunks": ["127.0.0.1"]}}).start()
    try:
        async with server.client() as lk, Callee(answers()) as callee:
            inline = api.SIPOutboundConfig(hostname=callee.place, from_host="us.example.com")
            request = outbound.request("", sip_number="+15550199", display_name="", trunk=inline)
            made = await lk.sip.create_sip_participant(request)
            invite = (await callee.call()).invite
            assert invite.get("From").startswith(b"<sip:+15550199@us.example.com>;tag=")
            shown = await outbound.participant(lk, "out", made.participant_identity)
            assert shown.attributes["sip.trunkPhoneNumber"] == "+15550199"
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "change,field",
    [
        ({"sip_call_to": "+1\r\nX-Evil: 1"}, "sip_call_to"), ({"sip_number": "+1\n"}, "sip_number"),
        ({"headers": {"X-A": "a\r\nX-Evil: 1"}}, "headers"), ({"headers": {"X-A": "a\0b"}}, "headers"),
        ({"headers": {"X A": "a"}}, "headers"), ({"to_user_override": "a\nb"}, "to_user_override"),
        ({"display_name": "a\r\nb"}, "display_name"), ({"dtmf": "1x"}, "dtmf"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_line_breaks_are_refused_by_the_name_of_the_field(server, lk, change, field):
    async with Callee(answers()) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk, **change)))
        assert error.code == "invalid_argument" and field in error.message
        assert not callee.calls


async def test_our_own_address_is_a_loop(server, lk):
    host, port = server.sip
    trunk = await outbound.trunk(lk, f"{host}:{port}")
    error = await refused(lk.sip.create_sip_participant(outbound.request(trunk)))
    assert error.code == "invalid_argument" and "this server" in error.message, error


async def test_a_route_of_the_request_decides_the_next_hop(server, lk):
    async with Callee(answers()) as callee:
        trunk = await outbound.trunk(lk, "far.example.com")
        route = f"<sip:{callee.place};lr>"
        await lk.sip.create_sip_participant(outbound.request(trunk, headers={"Route": route}))
        invite = (await callee.call()).invite
        assert invite.start == f"INVITE sip:{CALLED}@far.example.com SIP/2.0".encode()
        assert invite.all("Route") == [route.encode()]


async def test_destinations_and_calls_are_limited_by_the_trunks_options(server, lk):
    async with Callee(answers()) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        options = {"allowed_destinations": ["+49"], "max_calls": 1}
        await server.twirp("trunkline.Options/SetOptions", {"trunk_id": trunk, "options": options})
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk, sip_call_to="+1555")))
        assert error.code == "permission_denied" and "allowed_destinations" in error.message
        await lk.sip.create_sip_participant(outbound.request(trunk))
        error = await refused(lk.sip.create_sip_participant(outbound.request(trunk, room="second")))
        assert error.code == "resource_exhausted"


async def test_a_call_ends_when_it_has_lasted_long_enough(server, lk, hooks):
    async with Callee(answers()) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        request = outbound.request(trunk, max_call_duration=Duration(seconds=2))
        await lk.sip.create_sip_participant(request)
        await (await callee.call()).request("BYE")
        left = await outbound.left(hooks, IDENTITY)
        assert left.event.participant.disconnect_reason == api.DisconnectReason.CLIENT_INITIATED
        assert (await outbound.only_record(server))["ending"]["reason"] == "max_duration"


async def test_from_the_command_line(server):
    async with Callee(answers()) as callee:
        file = server.folder / "trunk.json"
        file.write_text('{"trunk": {"name": "out", "address": "%s", "numbers": ["%s"]}}' % (callee.place, NUMBER))
        code, trunk, errors = await server.command("trunk", "create", str(file))
        assert code == 0 and trunk.startswith("ST_"), errors
        code, out, errors = await server.command("trunk", "set", trunk.strip(), "allowed_destinations=+49,+1")
        assert code == 0 and '"+49"' in out, errors
        code, out, errors = await server.command("trunk", "set", trunk.strip(), "outbound_proxy=tel:+1")
        assert code == 1 and "options.outbound_proxy" in errors
        words = ["calls", "dial", "--trunk", trunk.strip(), "--to", CALLED, "--room", "cli", "--wait"]
        code, call_id, errors = await server.command(*words, "--header", "X-A: b")
        assert code == 0 and call_id.startswith("SCL_"), errors
        assert (await callee.call()).invite.get("X-A") == b"b"
        code, out, errors = await server.command("calls", "list")
        assert code == 0 and call_id.strip() in out
        code, out, errors = await server.command(*words[:-1], "--wait", "--ringing-timeout", "5", "--identity", "x")
        assert code == 0, errors


async def test_ids_of_running_calls_are_kept_apart(server, lk):
    async with Callee(answers()) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        first = await lk.sip.create_sip_participant(outbound.request(trunk))
        second = await lk.sip.create_sip_participant(outbound.request(trunk))
        assert first.participant_identity == IDENTITY and second.participant_identity.startswith(f"{IDENTITY}_")

        async def both():
            shown = await lk.room.list_participants(api.ListParticipantsRequest(room="out"))
            return len(shown.participants) == 2

        await eventually(both, "both calls in the room")
