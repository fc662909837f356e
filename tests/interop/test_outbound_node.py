"""Calls out and transfers with Node's back end, the unmodified `livekit-server-sdk`."""

import asyncio

from harness import outbound
from harness.callee import Callee, answers, refuses
from harness.outbound import CALLED
from harness.remote import Node
from harness.server import KEY, SECRET

TEL = "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support"


async def test_a_call_and_its_transfer(server, lk):
    async with Callee(answers()) as callee, Node("nora") as nora:
        sip = {"http": server.url, "key": KEY, "secret": SECRET}
        trunk = await outbound.trunk(lk, callee.place)
        options = {"participantIdentity": "caller", "waitUntilAnswered": True, "headers": {"X-A": "b"}}
        made = await nora.ask("sip", **sip, method="createSipParticipant", args=[trunk, CALLED, "node", options])
        assert made["participantIdentity"] == "caller" and made["sipCallId"].startswith("SCL_")
        call = await callee.call()
        assert call.invite.get("X-A") == b"b"

        async def moved():
            refer = await call.request("REFER")
            call.respond("202 Accepted", request=refer)
            await call.notify("SIP/2.0 200 OK", "terminated;reason=noresource")
            return refer

        moving = asyncio.create_task(moved())
        await nora.ask("sip", **sip, method="transferSipParticipant", args=["node", "caller", TEL])
        assert (await moving).get("Refer-To") == f"<{TEL}>".encode()
        assert (await outbound.only_record(server))["ending"]["reason"] == "transferred"


async def test_what_the_far_end_said_is_in_the_error(server, lk):
    async with Callee(refuses("486 Busy Here")) as callee, Node("nora") as nora:
        sip = {"http": server.url, "key": KEY, "secret": SECRET}
        trunk = await outbound.trunk(lk, callee.place)
        arguments = [trunk, CALLED, "node", {"waitUntilAnswered": True}]
        error = await nora.ask("refused", **sip, method="createSipParticipant", args=arguments)
        assert error["name"] == "SipCallError" and error["code"] == "resource_exhausted"
        assert (error["sipStatusCode"], error["sipStatus"]) == (486, "Busy Here")
        assert error["message"] == "SIP call failed: 486 Busy Here (resource_exhausted)"
        arguments = ["node", "nobody", "tel:+1\r\nX-Evil: 1"]
        error = await nora.ask("refused", **sip, method="transferSipParticipant", args=arguments)
        assert error["code"] == "invalid_argument" and "transfer_to" in error["message"]
