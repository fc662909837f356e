"""A power cut while calls run: what was acknowledged is there, every answered call has one record."""

import asyncio
import os

from livekit import api

from harness import five9
from harness.farend import FarEnd
from harness.server import Trunkline

ROUNDS = int(os.environ.get("TRUNKLINE_KILLS", "3"))
CALLS = 8


async def write_trunks(server: Trunkline, acknowledged: list[str], tag: str):
    """Creates trunks until the server is gone."""
    async with server.client() as lk:
        for number in range(10_000):
            try:
                trunk = api.SIPInboundTrunkInfo(name=f"{tag}-{number}", numbers=[f"+1666{tag}{number:05}"])
                made = await lk.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=trunk))
            except Exception:
                return
            acknowledged.append(made.sip_trunk_id)


async def test_kill_while_trunks_are_written_and_calls_run(tmp_path):
    server = await Trunkline(tmp_path).start()
    try:
        async with server.client() as lk:
            trunk_id, rule_id = await five9.set_up(lk)
        acknowledged = [trunk_id]
        answered = []
        for turn in range(ROUNDS):
            async with FarEnd() as far_end:
                writer = asyncio.create_task(write_trunks(server, acknowledged, str(turn)))
                dialogs = await asyncio.gather(
                    *(far_end.call(server.sip, five9.NUMBER, caller=f"+1777{turn}{n}") for n in range(CALLS))
                )
                assert [dialog.status for dialog in dialogs] == [200] * CALLS
                answered += [dialog.call_id for dialog in dialogs]
                await server.kill()
                await writer
            await server.start()
            await check(server, acknowledged, rule_id, answered)
    finally:
        await server.stop()


async def check(server: Trunkline, acknowledged: list[str], rule_id: str, answered: list[str]):
    """Nothing is missing and nothing is there twice."""
    async with server.client() as lk:
        trunks = await lk.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
        rules = await lk.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
    missing = set(acknowledged) - {trunk.sip_trunk_id for trunk in trunks.items}
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged trunks are missing"
    assert [rule.sip_dispatch_rule_id for rule in rules.items] == [rule_id]
    records = await server.calls()
    for sip_call_id in answered:
        mine = [record for record in records if record["sip_call_id"] == sip_call_id]
        assert len(mine) == 1, f"{len(mine)} records of {sip_call_id}"
        assert mine[0]["answered_at_ms"]
        assert mine[0]["ending"]["reason"] == "server_crash", mine[0]["ending"]
