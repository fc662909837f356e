"""Who asks for a call, waits for its answer, and goes away before it comes."""

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration

from harness import outbound
from harness.callee import Callee, rings
from test_outbound import IDENTITY


async def waiting(lk, callee: Callee, trunk: str):
    """The call, and the request that waits for its answer while it rings."""
    asking = asyncio.create_task(lk.sip.create_sip_participant(outbound.request(trunk)))
    call = await callee.call()
    await outbound.status(lk, "out", IDENTITY, "ringing")
    return call, asking


async def gone(asking: asyncio.Task):
    """The client closes its connection."""
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_call_goes_on_when_its_client_has_gone(server, lk):
    async with Callee(rings) as callee:
        call, asking = await waiting(lk, callee, await outbound.trunk(lk, callee.place))
        await gone(asking)
        # Whatever the server makes of it, it has by then.
        assert (await server.twirp("trunkline.Calls/ListCalls", {"limit": 10})) is not None
        await call.answer()
        await outbound.status(lk, "out", IDENTITY, "active")
        assert not [m for m in call.received if m.start.startswith(b"CANCEL ")]


async def test_a_call_is_given_up_with_its_client_where_the_trunk_says_so(server, lk):
    async with Callee(rings) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        options = {"cancel_with_request": True}
        await server.twirp("trunkline.Options/SetOptions", {"trunk_id": trunk, "options": options})
        call, asking = await waiting(lk, callee, trunk)
        await gone(asking)
        await call.request("CANCEL")
        record = await outbound.only_record(server)
        assert record["ending"]["reason"] == "end_call" and "has gone" in record["ending"]["text"]
        assert record["answered_at_ms"] is None


async def test_an_explicit_zero_is_the_default_ringing_timeout(server, lk):
    async with Callee(rings) as callee:
        trunk = await outbound.trunk(lk, callee.place)
        zero = outbound.request(trunk, ringing_timeout=Duration(seconds=0))
        asking = asyncio.create_task(lk.sip.create_sip_participant(zero))
        await outbound.status(lk, "out", IDENTITY, "ringing")
        await (await callee.call()).answer()
        assert (await asking).participant_identity == IDENTITY
