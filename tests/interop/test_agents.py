"""Unmodified `livekit-agents` answers the phone: scripted ears, mind and voice, real everything else."""

import asyncio
import json
import os
import random
import socket

import aiohttp
import pytest
from livekit import api, rtc

from harness import five9
from harness.farend import FarEnd
from harness.hooks import Hooks
from harness.phone import Phone
from harness.server import KEY, SECRET, Trunkline, eventually
from harness.workers import EXAMPLES, GOODBYE_HERTZ, GREETING_HERTZ, Worker, heard_seconds

# By hand: TRUNKLINE_AGENT_CALLS=200 TRUNKLINE_AGENTS_AT_ONCE=5.
CALLS = int(os.environ.get("TRUNKLINE_AGENT_CALLS", "10"))
AT_ONCE = int(os.environ.get("TRUNKLINE_AGENTS_AT_ONCE", "2"))
ROUTING = {
    "X-RouteReason": "customer asked for billing: 100%",
    "X-RouteType": "SKILL_TRANSFER",
    "X-RouteValue": "billing;call=1",
    "X-MetaData": '{"intent": "transfer", "confidence": 0.95, "entities": {"department": "billing"}}',
}
HEADERS = {**five9.CALL_HEADERS, "X-Twilio-CallSid": "CA0123"}
# A pause of the script's voice is 0.03 s for each letter.
GOODBYE = "Thank you for your call, you are being connected with the billing department now"
GOODBYE_SECONDS = len(GOODBYE) * 0.03
GREETING_SECONDS = len("Hello, who is calling?") * 0.03


async def started(folder, **settings) -> Trunkline:
    """A server that rings until somebody is heard, as LiveKit's."""
    return await Trunkline(folder, {"answer_policy": "on_audio", **settings}).start()


@pytest.fixture
async def house(tmp_path):
    """Such a server with the trunk of the guide."""
    server = await started(tmp_path)
    try:
        async with server.client() as lk:
            server.trunk, server.rule = await five9.set_up(lk)
        yield server
    finally:
        await server.stop()


class Call:
    """A caller with a voice; `async with` calls and closes his sockets."""

    def __init__(self, server: Trunkline, hertz: float = 440):
        self.server, self.hertz = server, hertz

    async def __aenter__(self) -> "Call":
        self.far_end = await FarEnd().__aenter__()
        self.phone = await Phone(self.hertz).__aenter__()
        number = f"+1555{random.randrange(10**7):07}"
        self.number = number
        self.dialog = await self.far_end.call(
            self.server.sip, five9.NUMBER, number,
            headers={**HEADERS, "X-CallID": f"five9-{number}"}, body=self.phone.offer(),
        )
        return self

    def talk(self):
        """Says something; before, only what comes in is heard."""
        self.phone.talk_to(self.dialog.final.body)

    async def greeted(self):
        """Waits until the greeting is over, and checks that nothing of it was lost."""

        async def whole():
            heard = heard_seconds(self.phone.packets, GREETING_HERTZ)
            return heard >= GREETING_SECONDS - 0.06

        await eventually(whole, "the whole greeting", 60)

    async def __aexit__(self, *_):
        await self.phone.__aexit__()
        await self.far_end.__aexit__()


async def options(server, **given):
    """Sets options of the rule."""
    await server.twirp("trunkline.Options/SetOptions", {"rule_id": server.rule, "options": given})


async def ending(server) -> dict:
    """How the only call ended."""

    async def ended():
        calls = await server.calls()
        return calls[0]["ending"] if calls and calls[0].get("ended_at_ms") else None

    return await eventually(ended, "the end of the call")


def check_headers(bye, wanted: dict):
    """Each header once, byte for byte."""
    for name, value in wanted.items():
        assert bye.all(name) == [value.encode()], bye.raw.decode(errors="replace")


async def served(server, at_once: asyncio.Semaphore, goodbye: bool) -> float:
    """One whole call, and how much of the goodbye was heard."""
    async with at_once, Call(server) as call:
        assert call.dialog.status == 200
        await call.greeted()
        call.talk()
        bye = await call.dialog.wait_bye(30)
        check_headers(bye, ROUTING)
        heard = heard_seconds(call.phone.packets, GOODBYE_HERTZ)
        assert not goodbye or abs(heard - GOODBYE_SECONDS) <= 0.1, f"{heard} s of {GOODBYE_SECONDS} s"
        return heard


@pytest.mark.parametrize("agent", ["router", "polite"])
async def test_a_caller_is_heard_and_sent_back_with_his_context(house, agent):
    async with Worker(house, agent, idle=AT_ONCE) as worker:
        at_once = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(served(house, at_once, agent == "polite") for _ in range(CALLS)))
        # Every agent saw its caller whole at first sight.
        await worker.event("over", CALLS)
        assert len({seen["room"] for seen in worker.seen("caller")}) == CALLS
        for seen in worker.seen("caller"):
            attributes = seen["attributes"]
            assert seen["kind"] == rtc.ParticipantKind.PARTICIPANT_KIND_SIP
            number = attributes["sip.phoneNumber"]
            assert attributes["sip.twilio.callSid"] == "CA0123" and attributes["sip.trunkID"] == house.trunk
            assert attributes["five9.call_id"] == f"five9-{number}" and attributes["sip.callStatus"] == "ringing"
        assert {left["reason"] for left in worker.seen("left")} <= {rtc.DisconnectReason.ROOM_DELETED}
    print(f"{CALLS} of {CALLS} calls, {AT_ONCE} at a time, by agent {agent}")


@pytest.mark.parametrize("example", ["five9_agent.py", "five9_agent.mjs"])
async def test_the_examples_serve_a_caller(house, example):
    async with Worker(house, "", program=EXAMPLES / example) as worker, Call(house) as call:
        assert call.dialog.status == 200
        greeting = len("Hello, how may I direct your call?") * 0.03

        async def greeted():
            return heard_seconds(call.phone.packets, GREETING_HERTZ) >= greeting - 0.06

        await eventually(greeted, "the whole greeting", 60)
        call.talk()
        bye = await call.dialog.wait_bye(30)
        routing = {"X-RouteReason": "asked about an invoice", "X-RouteType": "SKILL_TRANSFER", "X-RouteValue": "billing"}
        check_headers(bye, routing)
        metadata = json.loads(bye.get("X-MetaData"))
        assert metadata == {"intent": "transfer", "department": "billing"}
        whole = greeting + len("I am connecting you with billing. Goodbye!") * 0.03
        # Two sentences may be two utterances, and each lasts 0.4 s at least.
        heard = heard_seconds(call.phone.packets, GREETING_HERTZ)
        assert heard >= whole - 0.15, f"{heard} s of {whole} s"
        # What it knew of the caller when it first saw him.
        words = "\n".join(worker.words)
        assert f"aller {'is ' if example.endswith('mjs') else ''}{call.number}, Twilio's call CA0123" in words, words
        assert example.endswith("mjs") or "deepgram/nova-2-phonecall" in words


async def test_a_worker_that_starts_after_the_caller_serves_him(house):
    async with FarEnd() as end, Phone() as phone:
        calling = asyncio.create_task(end.call(house.sip, five9.NUMBER, headers=HEADERS, body=phone.offer()))
        await end.wait(lambda m: m.start.startswith(b"SIP/2.0 180"), "ringing")

        async def pending():
            return (await house.twirp("trunkline.Agents/ListDispatches", {}))["dispatches"]

        (dispatch,) = await eventually(pending, "a dispatch that waits")
        assert dispatch["waiting"] == "no worker for automatic dispatch is registered"
        assert not calling.done()
        async with Worker(house, "assistant"):
            dialog = await asyncio.wait_for(calling, 30)
            assert dialog.status == 200


async def test_the_sdks_own_tool_ends_the_call_with_headers(house):
    async with Worker(house, "tool") as worker, Call(house) as call:
        await call.greeted()
        call.talk()
        check_headers(await call.dialog.wait_bye(30), ROUTING)
        await worker.event("over")
        assert (await ending(house))["reason"] == "room_deleted"


async def test_an_agent_reads_headers_and_ends_the_call_by_rpc(house):
    async with Worker(house, "rpc") as worker, Call(house) as call:
        await call.greeted()
        call.talk()
        bye = await call.dialog.wait_bye(30)
        check_headers(bye, {**ROUTING, "X-RouteType": "EXPLICIT", "X-More": "grün"})
        seen = await worker.event("headers")
        assert seen["headers"] == {"X-CallID": f"five9-{call.number}", "X-CallCampaign": "Billing (EU)"}
        assert (await worker.event("ended"))["answer"] == "{}"
        assert (await worker.event("left"))["reason"] == rtc.DisconnectReason.CLIENT_INITIATED
        await worker.event("closed")
        assert (await ending(house))["reason"] == "end_call"


async def test_the_room_service_ends_the_call_by_rpc(house):
    async with Worker(house, "assistant"), Call(house) as call, house.client() as lk:
        room, participant = await five9.only_caller(lk)
        ask = {"room": room, "destination_identity": participant.identity}
        headers = await perform_rpc(house, {**ask, "method": "lk.sip.GetRemoteHeaders", "payload": "{}"})
        assert headers["headers"]["X-Twilio-CallSid"] == "CA0123" and "Via" not in headers["headers"]
        end = {**ask, "method": "lk.sip.EndCall", "payload": '{"headers": {"X-Why": "api"}}'}
        assert await perform_rpc(house, end) == {}
        check_headers(await call.dialog.wait_bye(10), {"X-Why": "api"})


async def perform_rpc(server, request: dict) -> dict:
    """RoomService.PerformRpc, with a grant for the room."""
    grants = api.VideoGrants(room_admin=True, room=request["room"])
    bearer = api.AccessToken(KEY, SECRET).with_grants(grants).to_jwt()
    path = f"{server.url}/twirp/livekit.RoomService/PerformRpc"
    async with aiohttp.ClientSession() as session:
        async with session.post(path, json=request, headers={"Authorization": f"Bearer {bearer}"}) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return json.loads(body["payload"])


async def hang_up(_server, call):
    """The caller ends it."""
    await call.dialog.bye()


async def delete_room(server, call):
    """The room is deleted."""
    async with server.client() as lk:
        room, _ = await five9.only_caller(lk)
        await five9.delete_room(lk, room, "")
    await call.dialog.wait_bye(10)


async def remove(server, call):
    """The participant is removed."""
    async with server.client() as lk:
        room, caller = await five9.only_caller(lk)
        await five9.remove(lk, room, caller.identity)
    await call.dialog.wait_bye(10)


@pytest.mark.parametrize(
    ("end", "reason", "word", "closes"),
    [
        (hang_up, "CLIENT_INITIATED", "remote_bye", True),
        (delete_room, "ROOM_DELETED", "room_deleted", True),
        (remove, "PARTICIPANT_REMOVED", "participant_removed", False),
    ],
)
async def test_agent_webhook_and_record_tell_the_same_end(tmp_path, end, reason, word, closes):
    async with Hooks() as hooks:
        server = await started(tmp_path, **hooks.settings())
        try:
            async with server.client() as lk:
                await five9.set_up(lk)
            async with Worker(server, "assistant") as worker, Call(server) as call:
                await call.greeted()
                await end(server, call)
                await worker.event("closed" if closes else "left")
                seen = {event["reason"] for event in worker.seen("left") + worker.seen("disconnected")}
                assert seen == {getattr(rtc.DisconnectReason, reason)}
                assert bool(worker.seen("closed")) == closes
                found = await ending(server)
                assert (found["reason"], found["disconnect_reason"]) == (word, reason)
                ended = await hooks.wait("sip_call_ended")
                assert ended.body["call"]["ending"]["disconnect_reason"] == reason
                job = await hooks.wait("agent_job_started")
                assert job.event.job.id.startswith("AJ_") and job.event.room.name == ended.body["call"]["room_name"]

                async def left():
                    gone = (hook.event for hook in hooks.received if hook.name == "participant_left")
                    phones = [e.participant for e in gone if e.participant.kind == api.ParticipantInfo.Kind.SIP]
                    return phones

                (phone,) = await eventually(left, "the caller's participant_left")
                assert phone.disconnect_reason == getattr(rtc.DisconnectReason, reason)
                assert phone.attributes["sip.reason"] == word or reason != "CLIENT_INITIATED"
        finally:
            await server.stop()


async def test_a_killed_worker_is_replaced_by_another_and_the_call_stays(house):
    await options(house, agent_left="stay")
    async with Worker(house, "assistant") as first, Call(house) as call:
        await call.greeted()
        async with Worker(house, "router") as second:
            await first.kill()
            await second.event("caller", seconds=60)

            async def again():
                return heard_seconds(call.phone.packets, GREETING_HERTZ) >= 2 * GREETING_SECONDS - 0.12

            await eventually(again, "the second agent's greeting", 90)
            call.talk()
            check_headers(await call.dialog.wait_bye(30), ROUTING)


async def test_without_a_successor_the_call_ends_as_its_rule_says(house):
    await options(house, agent_left="end", agent_left_grace_ms=500)
    async with Worker(house, "leaver"), Call(house) as call:
        await call.greeted()
        call.talk()
        await call.dialog.wait_bye(30)
        found = await ending(house)
        assert (found["reason"], found["disconnect_reason"]) == ("agent_left", "AGENT_ERROR")


async def test_nobody_comes_and_the_caller_is_told_so(house):
    await options(house, answer_policy="agent_joined", agent_timeout_ms=700)
    async with FarEnd() as end:
        dialog = await end.call(house.sip, five9.NUMBER)
        assert dialog.status == 480
        found = await ending(house)
        assert found["reason"] == "no_agent" and found["sip_status"] == 480
        assert found["text"].endswith("no worker for automatic dispatch is registered")
        assert found["text"] in house.log_text()


async def test_bad_workers_hurt_nobody(house):
    bearer = api.AccessToken(KEY, SECRET).with_grants(api.VideoGrants(agent=True)).to_jwt()
    headers = {"Authorization": f"Bearer {bearer}"}
    register = bytes([0x0A, 0x00])
    async with aiohttp.ClientSession(headers=headers) as session, Worker(house, "router") as worker:
        url = f"{house.url}/agent"
        closed = []
        garbage = b"\xff" * 40
        for frames in ([garbage], [register] * 1_000, [b"\x1a\x00"], [register, garbage], [bytes(2_000_000)]):
            async with session.ws_connect(url, max_msg_size=0) as line:
                try:
                    for frame in frames:
                        await line.send_bytes(frame)
                except (ConnectionError, aiohttp.ClientError):
                    pass
                while (message := await line.receive(10)).type is aiohttp.WSMsgType.BINARY:
                    pass
                closed.append(message.type)
        assert not set(closed) - {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        # One that never answers, and one that answers what it was not asked.
        async with session.ws_connect(url) as mute, session.ws_connect(url) as loud:
            for line in (mute, loud):
                await line.send_bytes(register)
                await line.receive_bytes()
            await loud.send_bytes(bytes([0x12, 0x08, 0x0A, 0x04]) + b"AJ_x" + bytes([0x10, 0x01]))
            async with Call(house) as call:
                await call.greeted()
                call.talk()
                check_headers(await call.dialog.wait_bye(60), ROUTING)
        assert worker.process.returncode is None
        wrong = api.AccessToken(KEY, SECRET).with_grants(api.VideoGrants(room_list=True)).to_jwt()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url, headers={"Authorization": f"Bearer {wrong}"})
        assert refused.value.status == 401


async def test_a_worker_that_asks_and_never_reads_is_let_go(house):
    bearer = api.AccessToken(KEY, SECRET).with_grants(api.VideoGrants(agent=True)).to_jwt()
    address = house.url.removeprefix("http://")
    with socket.create_connection(address.rsplit(":", 1)) as worker:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        worker.sendall(
            f"GET /agent HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {bearer}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        # Masked with zeros: what is meant is what is sent.
        register, ping = b"\x82\x82\0\0\0\0\x0a\x00", b"\x82\x84\0\0\0\0\x2a\x02\x08\x01"
        worker.sendall(register)

        async def workers():
            return (await house.twirp("trunkline.Agents/ListWorkers", {}))["workers"]

        await eventually(workers, "its registration")
        worker.settimeout(5)

        def ask_and_never_listen():
            try:
                for _ in range(2_000):
                    worker.sendall(ping * 1_000)
            except OSError:
                # It was cut off while it asked. One that is sent a goodbye may go on asking nobody.
                return

        await asyncio.to_thread(ask_and_never_listen)

        async def none_left():
            return not await workers()

        # What it may say in a second fills the buffers of both kernels only after a while.
        await eventually(none_left, "the end of a worker that does not read", 90)
    async with Worker(house, "router"), Call(house) as call:
        await call.greeted()
        call.talk()
        check_headers(await call.dialog.wait_bye(30), ROUTING)


async def test_two_workers_share(house):
    async with Worker(house, "assistant", idle=2) as one, Worker(house, "assistant", idle=2) as two:
        await options(house, answer_policy="immediate")
        async with house.client() as lk:
            for number in range(16):
                await lk.room.create_room(api.CreateRoomRequest(name=f"room-{number}", empty_timeout=60))

        async def shared():
            workers = (await house.twirp("trunkline.Agents/ListWorkers", {}))["workers"]
            seen = [worker["jobs"] for worker in workers]
            return sum(seen) == 16 and min(seen) >= 2

        await eventually(shared, f"a share for each worker{one.last_words()}{two.last_words()}", 40)


async def test_a_dispatch_names_its_agent_and_ends_with_it(house):
    async with Worker(house, "assistant", "receptionist") as worker, house.client() as lk:
        await options(house, answer_policy="immediate")
        async with Call(house) as call:
            room, _ = await five9.only_caller(lk)
            assert not worker.seen("caller"), "who has a name waits to be called"
            request = api.CreateAgentDispatchRequest(agent_name="receptionist", room=room, metadata='{"a": 1}')
            made = await lk.agent_dispatch.create_dispatch(request)
            seen = await worker.event("caller")
            assert (seen["name"], seen["metadata"]) == ("receptionist", '{"a": 1}')
            listed = await lk.agent_dispatch.list_dispatch(room_name=room)
            (job,) = next(d for d in listed if d.id == made.id).state.jobs
            assert job.id == seen["job"] and job.state.status == 1
            await lk.agent_dispatch.delete_dispatch(made.id, room)
            await worker.event("over")
            assert made.id not in {d.id for d in await lk.agent_dispatch.list_dispatch(room_name=room)}
            await call.dialog.bye()
