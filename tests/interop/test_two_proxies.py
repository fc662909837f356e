"""Calls through two record-routing Kamailios: whatever either side says in the dialog passes both, in order."""

import asyncio

import pytest
from livekit import api

from harness import five9, outbound
from harness.callee import Callee, answers
from harness.farend import FarEnd
from harness.kamailio import Kamailio
from harness.server import Trunkline, eventually

TARGET = "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support"


@pytest.fixture
async def server(tmp_path):
    """A server without a default."""
    trunkline = await Trunkline(tmp_path, {"answer_policy": "immediate"}).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


class Proxies:
    """Two in a row, the second of which leads to `last`."""

    def __init__(self, folder, last: tuple[str, int]):
        self.folder, self.last, self.started = folder, last, []

    async def __aenter__(self) -> "Proxies":
        target = self.last
        for name in ("near", "far"):
            (self.folder / name).mkdir()
            self.started.append(await Kamailio(self.folder / name, target).start())
            target = self.started[-1].address
        self.first = target
        return self

    async def __aexit__(self, *_):
        for proxy in self.started:
            await proxy.stop()


def passed_both(message):
    """The sender's Via and one of each proxy."""
    vias = [via for value in message.all("Via") for via in value.split(b",")]
    assert len(vias) == 3, message.raw.decode(errors="replace")


async def heard_by_us(server, method: str, times: int):
    """Waits until the server has heard such a request so often, through both proxies each time."""

    async def heard():
        return len(await requests(server, method)) >= times

    await eventually(heard, f"{times} {method}")


async def requests(server, method: str) -> list[str]:
    """Those that came, as the ladder has them."""
    (call,) = await server.calls()
    ladder = (await server.twirp("trunkline.Calls/GetLadder", {"call_id": call["call_id"]}))["entries"]
    texts = [e["text"] for e in ladder if not e["sent"] and e["start_line"].startswith(f"{method} ")]
    for text in texts:
        head = text.split("\r\n\r\n")[0]
        assert sum(line.lower().startswith("via:") for line in head.splitlines()) == 3, text
    return texts


async def test_a_call_out(server, lk, tmp_path):
    async with Callee(answers(600)) as callee, Proxies(tmp_path, callee.address) as proxies:
        trunk = await outbound.trunk(lk, "%s:%d" % proxies.first)
        made = await lk.sip.create_sip_participant(outbound.request(trunk))
        call = await callee.call()
        names = {"room_name": made.room_name, "participant_identity": made.participant_identity}
        passed_both(call.invite)
        passed_both(await call.request("ACK"))
        # What the far end asks: its route set is ours reversed.
        again = await call.send("INVITE", [("Content-Type", "application/sdp")], await call.media())
        assert again.start.startswith(b"SIP/2.0 200")
        assert (await call.send("INFO", [("Content-Type", "application/dtmf-relay")], b"Signal=5\r\n")).start.endswith(b"OK")
        await heard_by_us(server, "INVITE", 1)
        await heard_by_us(server, "INFO", 1)
        # What we ask.
        refusing = lk.sip.transfer_sip_participant(api.TransferSIPParticipantRequest(transfer_to=TARGET, **names))

        async def refuse():
            refer = await call.request("REFER")
            passed_both(refer)
            assert refer.all("Refer-To") == [f"<{TARGET}>".encode()]
            call.respond("603 Decline", request=refer)

        call.callee.tasks.append(asyncio.create_task(refuse()))
        assert (await outbound.refused(refusing)).metadata["sip_status_code"] == "603"
        await lk.room.delete_room(api.DeleteRoomRequest(room=made.room_name))
        passed_both(await call.request("BYE"))
        assert (await outbound.only_record(server))["ending"]["reason"] == "room_deleted"


async def test_a_call_in(server, lk, tmp_path):
    async with FarEnd() as far_end, Proxies(tmp_path, server.sip) as proxies:
        await five9.set_up(lk)
        dialog = await far_end.call(proxies.first, five9.NUMBER)
        assert dialog.status == 200 and len(dialog.routes) == 2
        await dialog.invite({}, "sendonly")
        assert dialog.status == 200
        await heard_by_us(server, "INVITE", 2)
        await heard_by_us(server, "ACK", 1)
        room, participant = await five9.only_caller(lk)

        async def held():
            found = await lk.room.get_participant(api.RoomParticipantIdentity(room=room, identity=participant.identity))
            return found.attributes.get("sip.hold") == "true"

        await eventually(held, "sip.hold")
        await five9.delete_room(lk, room, "")
        passed_both(await dialog.wait_bye())
