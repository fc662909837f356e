"""Node's participant (`@livekit/rtc-node`) and Node's back end (`livekit-server-sdk`)."""

import asyncio

import pytest
from livekit import api, rtc

from harness import five9
from harness.exchange import exchange
from harness.hooks import Hooks
from harness.peer import Peer, token
from harness.remote import Node
from harness.server import KEY, SECRET, Trunkline

# A sine of amplitude 8,000 has an RMS of 5,657; within one decibel.
LEVEL = pytest.approx(5_657, rel=0.12)


async def test_node_and_python_hear_each_other(server):
    async with Peer(server, "node", "anna") as anna, Node("nora") as nora:
        await nora.ask("join", url=server.url, token=token("nora", "node"))
        await asyncio.gather(anna.play(440), nora.ask("play", hertz=700))
        (down, down_level), (up, up_level) = await asyncio.gather(nora.ask("hear", identity="anna"), anna.hear("nora"))
        assert abs(down - 440) <= 2 and abs(up - 700) <= 2
        assert down_level == LEVEL and up_level == LEVEL
        await nora.ask("leave")
        _, gone = await anna.until(lambda: anna.saw("participant_disconnected"), "nora's leaving")
        assert gone.identity == "nora" and gone.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED
        assert "nora" not in anna.room.remote_participants


async def test_data_texts_attributes_and_procedures_between_node_and_python(server):
    async with Peer(server, "node", "anna") as anna, Node("nora") as nora:
        # The token is Node's own work here.
        made = await nora.ask("token", key=KEY, secret=SECRET, identity="nora", room="node")
        assert await nora.ask("join", url=server.url, token=made) == ["anna"]
        await anna.until(lambda: "nora" in anna.room.remote_participants, "nora")
        await exchange(anna, nora, "nora")
        await anna.room.local_participant.set_attributes({"mood": "good"})
        await nora.event("attributes", identity="anna", changed={"mood": "good"})
        await nora.ask("attributes", attributes={"mood": "fine"})
        seen = anna.room.remote_participants["nora"]
        await anna.until(lambda: seen.attributes == {"mood": "fine"}, "nora's attributes")


async def test_a_node_participant_learns_that_the_room_was_deleted(server):
    back_end = {"http": server.url, "key": KEY, "secret": SECRET}
    async with Node("nora") as nora, Node("office") as office:
        await nora.ask("join", url=server.url, token=token("nora", "node"))
        await office.ask("rooms", **back_end, method="deleteRoom", args=["node"])
        assert (await nora.event("disconnected"))["reason"] == "ROOM_DELETED"


async def test_the_node_back_end_keeps_rooms(server):
    back_end = {"http": server.url, "key": KEY, "secret": SECRET}

    async with Node("office") as office:

        async def rooms(method: str, *args):
            return await office.ask("rooms", **back_end, method=method, args=args)

        made = await rooms("createRoom", {"name": "a", "metadata": "first", "emptyTimeout": 60})
        assert made["name"] == "a" and made["sid"].startswith("RM_") and made["emptyTimeout"] == 60
        assert (await rooms("createRoom", {"name": "a"}))["sid"] == made["sid"]
        await rooms("createRoom", {"name": "b"})
        assert sorted(room["name"] for room in await rooms("listRooms")) == ["a", "b"]
        assert [room["name"] for room in await rooms("listRooms", ["b", "c"])] == ["b"]
        assert (await rooms("updateRoomMetadata", "a", "second"))["metadata"] == "second"
        async with Peer(server, "a", "anna") as anna:
            assert [p["identity"] for p in await rooms("listParticipants", "a")] == ["anna"]
            await rooms("updateParticipant", "a", "anna", {"metadata": "m", "attributes": {"k": "v"}, "name": "Anna"})
            me = anna.room.local_participant
            await anna.until(lambda: (me.metadata, me.name, me.attributes) == ("m", "Anna", {"k": "v"}), "the update")
            await rooms("removeParticipant", "a", "anna")
            _, reason = await anna.until(lambda: anna.saw("disconnected"), "the removal")
            assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
        await rooms("deleteRoom", "a")
        await rooms("deleteRoom", "b")
        assert await rooms("listRooms") == []
        with pytest.raises(AssertionError, match="requested room does not exist"):
            await rooms("deleteRoom", "a")


async def test_the_node_back_end_sees_trunks_and_rules(server, lk):
    trunk, rule = await five9.set_up(lk)
    back_end = {"http": server.url, "key": KEY, "secret": SECRET}
    async with Node("office") as office:
        (seen,) = await office.ask("sip", **back_end, method="listSipInboundTrunk")
        assert seen["sipTrunkId"] == trunk and seen["numbers"] == [five9.NUMBER]
        assert seen["headersToAttributes"] == five9.TRUNK["headers_to_attributes"]
        assert seen["attributesToHeaders"] == five9.TRUNK["attributes_to_headers"]
        (seen,) = await office.ask("sip", **back_end, method="listSipDispatchRule")
        assert seen["sipDispatchRuleId"] == rule and seen["trunkIds"] == [trunk]
        made = await office.ask("sip", **back_end, method="createSipInboundTrunk", args=["mine", ["+15550000001"]])
        assert made["sipTrunkId"].startswith("ST_")
        await office.ask("sip", **back_end, method="deleteSipTrunk", args=[made["sipTrunkId"]])
        assert len(await office.ask("sip", **back_end, method="listSipInboundTrunk")) == 1


async def test_the_node_back_end_verifies_webhooks(tmp_path):
    async with Hooks() as hooks, Node("office") as office:
        server = await Trunkline(tmp_path, hooks.settings()).start()
        try:
            async with server.client() as lk:
                await lk.room.create_room(api.CreateRoomRequest(name="r"))
                await lk.room.delete_room(api.DeleteRoomRequest(room="r"))
            await hooks.wait("room_finished")
        finally:
            await server.stop()
        for hook in hooks.received:
            proof = {"body": hook.text, "authorization": hook.authorization}
            assert await office.ask("webhook", key=KEY, secret=SECRET, **proof) == hook.name
            with pytest.raises(AssertionError, match="webhook"):
                await office.ask("webhook", key=KEY, secret="x" * 40, **proof)
