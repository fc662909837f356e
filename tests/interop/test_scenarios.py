"""The test scenarios of LiveKit's SDKs (`SimulateScenario`), asked for by the SDKs and over a bare WebSocket."""

import asyncio

import aiohttp
import pytest
from livekit import rtc
from livekit.protocol import models
from livekit.protocol import rtc as signal
from livekit.rtc import SimulateScenarioKind as Kind

from harness.browser import Browser
from harness.peer import Peer, token

BOTH_WAYS = pytest.mark.parametrize("dual", [False, True], ids=["rtc-v1", "rtc"])
ROOM = "trial"


async def both_hear(anna: Peer, bert: Peer):
    """Anna says 440 Hz and Bert 880."""
    (a, _), (b, _) = await asyncio.gather(bert.hear("anna"), anna.hear("bert"))
    assert abs(a - 440) <= 2 and abs(b - 880) <= 2


async def protocols(peer: Peer) -> set[str]:
    """Over what its media goes: `udp`, `tcp`, or both if it has two connections."""
    return {candidate.protocol for candidate in await peer.far_candidates()}


@BOTH_WAYS
async def test_a_client_that_is_to_use_tcp_is_heard_over_tcp(server, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
        await asyncio.gather(anna.play(440), bert.play(880))
        await both_hear(anna, bert)
        assert await protocols(anna) == {"udp"}
        before = bert.tracks["anna"]
        await anna.room.simulate_scenario(Kind.SIMULATE_FORCE_TCP)
        await anna.until(lambda: anna.saw("reconnected"), "anna's new connection", 30)
        await bert.until(lambda: bert.tracks["anna"] is not before, "anna's new track", 30)
        await both_hear(anna, bert)
        assert await protocols(anna) == {"tcp"} and await protocols(bert) == {"udp"}


@BOTH_WAYS
async def test_a_browser_that_is_to_use_tcp_is_heard_over_tcp(server, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Browser("carl", 520) as carl:
        await anna.play(440)
        await carl.ask("join", url=server.url, token=token("carl", ROOM), dual=dual)
        await carl.ask("microphone")
        assert abs((await anna.hear("carl"))[0] - 520) <= 2
        assert set(await carl.ask("protocols")) == {"udp"}
        before = anna.tracks["carl"]
        await carl.ask("simulate", scenario="force-tcp")
        await carl.event("reconnected")
        await anna.until(lambda: anna.tracks["carl"] is not before, "carl's new track", 30)

        async def heard():
            (down, _), (up, _) = await asyncio.gather(carl.ask("hear", identity="anna"), anna.hear("carl"))
            return abs(down - 440) <= 2 and abs(up - 520) <= 2

        # A browser plays a little slower or faster until its buffer has settled.
        async with asyncio.timeout(30):
            while not await heard():
                pass
        assert set(await carl.ask("protocols")) == {"tcp"}


@BOTH_WAYS
@pytest.mark.parametrize("kind", ["NODE_FAILURE", "MIGRATION", "DISCONNECT_SIGNAL_ON_RESUME", "FORCE_TLS"])
async def test_a_client_comes_back_with_all_it_had(server, kind, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
        await asyncio.gather(anna.play(440), bert.play(880))
        await both_hear(anna, bert)
        await anna.room.simulate_scenario(Kind.Value(f"SIMULATE_{kind}"))
        await anna.until(lambda: anna.saw("reconnected"), "the end of it", 40)
        await bert.until(lambda: "anna" in bert.room.remote_participants, "anna", 30)

        async def heard():
            return abs((await bert.hear("anna"))[0] - 440) <= 2 and abs((await anna.hear("bert"))[0] - 880) <= 2

        async with asyncio.timeout(60):
            while not await heard():
                pass
        assert not anna.saw("disconnected") and not bert.saw("disconnected")


@BOTH_WAYS
async def test_a_server_that_leaves_says_why(server, dual):
    async with Peer(server, ROOM, "anna", dual) as anna, Peer(server, ROOM, "bert", dual) as bert:
        await bert.until(lambda: "anna" in bert.room.remote_participants, "anna")
        await anna.room.simulate_scenario(Kind.SIMULATE_SERVER_LEAVE)
        _, why = await anna.until(lambda: anna.saw("disconnected"), "the end")
        assert why == rtc.DisconnectReason.SERVER_SHUTDOWN
        _, gone = await bert.until(lambda: bert.saw("participant_disconnected"), "anna's leaving")
        assert gone.disconnect_reason == rtc.DisconnectReason.SERVER_SHUTDOWN


async def test_a_feigned_speaker_is_seen_by_everybody(server):
    async with Peer(server, ROOM, "anna") as anna, Peer(server, ROOM, "bert") as bert:
        await bert.until(lambda: "anna" in bert.room.remote_participants, "anna")
        seen = []
        bert.room.on("active_speakers_changed", lambda who: seen.append([each.identity for each in who]))
        await anna.room.simulate_scenario(Kind.SIMULATE_SPEAKER)
        await bert.until(lambda: seen[:2] == [["anna"], []], "anna's beginning and end")


class Wire:
    """A session on a bare WebSocket: what the server says is kept as it comes."""

    def __init__(self, session: aiohttp.ClientSession, server, identity: str):
        self.session, self.server, self.identity = session, server, identity

    async def __aenter__(self) -> "Wire":
        self.socket = await self.open()
        self.sid = (await self.expect("join")).participant.sid
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def open(self, **query: str) -> aiohttp.ClientWebSocketResponse:
        """Another connection of the same client."""
        query = {"protocol": "16", "auto_subscribe": "1", "sdk": "go", "version": "1.0", **query}
        bearer = {"Authorization": f"Bearer {token(self.identity, ROOM)}"}
        return await self.session.ws_connect(self.server.url + "/rtc", params=query, headers=bearer)

    async def expect(self, wanted: str, check=lambda _: True):
        """The next message of that name, or `None` when the server has closed the connection without one."""
        async with asyncio.timeout(20):
            async for message in self.socket:
                told = signal.SignalResponse.FromString(message.data)
                name = told.WhichOneof("message")
                if name == wanted and check(getattr(told, name)):
                    return getattr(told, name)
        return None

    async def simulate(self, **scenario):
        """Asks for a scenario."""
        request = signal.SignalRequest(simulate=signal.SimulateScenario(**scenario))
        await self.socket.send_bytes(request.SerializeToString())

    async def prepare(self, **scenario):
        """Asks for one that plays when a connection comes; the server has heard it on return, before
        that connection can."""
        await self.simulate(**scenario)
        await self.socket.send_bytes(signal.SignalRequest(ping=1).SerializeToString())
        assert await self.expect("pong")


async def test_what_the_server_says_to_each_scenario(server):
    leave = signal.LeaveRequest
    said = {
        "node_failure": None,
        "migration": None,
        "server_leave": (leave.DISCONNECT, models.SERVER_SHUTDOWN),
        "leave_request_full_reconnect": (leave.RECONNECT, models.STATE_MISMATCH),
    }
    async with aiohttp.ClientSession() as session:
        for scenario, wanted in said.items():
            async with Wire(session, server, scenario) as wire:
                await wire.simulate(**{scenario: True})
                told = await wire.expect("leave")
                assert (told and (told.action, told.reason)) == wanted, scenario
                # Its session is gone: whoever wants to go on with it has to join anew.
                wire.socket = await wire.open(reconnect="1", sid=wire.sid)
                told = await wire.expect("leave")
                assert (told.action, told.reason) == (leave.RECONNECT, models.STATE_MISMATCH), scenario


async def test_a_resume_is_cut_before_or_after_its_first_words(server):
    async with aiohttp.ClientSession() as session, Wire(session, server, "raw") as wire:
        await wire.prepare(disconnect_signal_on_resume_no_messages=True)
        wire.socket = await wire.open(reconnect="1", sid=wire.sid)
        assert await wire.expect("reconnect") is None
        wire.socket = await wire.open(reconnect="1", sid=wire.sid)
        assert await wire.expect("reconnect")
        await wire.prepare(disconnect_signal_on_resume=True)
        wire.socket = await wire.open(reconnect="1", sid=wire.sid)
        assert await wire.expect("reconnect") and await wire.expect("pong") is None
        wire.socket = await wire.open(reconnect="1", sid=wire.sid)
        assert await wire.expect("reconnect")


async def test_what_cannot_be_played_is_refused_and_ends_nothing(server):
    async with aiohttp.ClientSession() as session, Wire(session, server, "raw") as wire:
        for scenario in ({"subscriber_bandwidth": 100_000}, {"switch_candidate_protocol": 2}, {}):
            await wire.simulate(**scenario)
            refusal = await wire.expect("request_response")
            assert refusal.reason == signal.RequestResponse.UNSUPPORTED_TYPE and refusal.message
        await wire.simulate(subscriber_bandwidth=0)
        await wire.simulate(speaker_update=1)

        def own(active: bool):
            return lambda told: [(s.sid, s.active) for s in told.speakers] == [(wire.sid, active)]

        assert await wire.expect("speakers_changed", own(True)) and await wire.expect("speakers_changed", own(False))


async def test_a_switch_to_tcp_brings_an_offer_that_names_nothing_else(server):
    def over(sdp: str) -> set[str]:
        return {line.split()[2].lower() for line in sdp.splitlines() if line.startswith("a=candidate:")}

    async with aiohttp.ClientSession() as session:
        async with Wire(session, server, "raw") as wire:
            assert over((await wire.expect("offer")).sdp) == {"udp", "tcp"}
            await wire.prepare(switch_candidate_protocol=1)
        async with Wire(session, server, "raw") as wire:
            assert over((await wire.expect("offer")).sdp) == {"tcp"}
            await wire.prepare(switch_candidate_protocol=0)
        async with Wire(session, server, "raw") as wire:
            assert over((await wire.expect("offer")).sdp) == {"udp", "tcp"}
