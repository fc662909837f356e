"""A power cut while calls run: what was acknowledged is there, every answered call has one record."""

import asyncio
import os
import random

import aiohttp
from livekit import api

from harness import five9
from harness.farend import FarEnd
from harness.server import Trunkline

ROUNDS = int(os.environ.get("TRUNKLINE_KILLS", "3"))
CALLS = 8


async def write_trunks(server: Trunkline, acknowledged: list[str], tag: str, enough: asyncio.Event):
    """Creates trunks until the server is gone; says when as many are acknowledged as chance wants."""
    wanted = random.randint(1, 60)
    async with server.client() as lk:
        for number in range(10_000):
            try:
                trunk = api.SIPInboundTrunkInfo(name=f"{tag}-{number}", numbers=[f"+1666{tag:0>4}{number:05}"])
                made = await lk.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=trunk))
            except (aiohttp.ClientError, api.TwirpError):
                assert enough.is_set(), "no trunk was taken before the kill"
                return
            acknowledged.append(made.sip_trunk_id)
            if number + 1 >= wanted:
                enough.set()


async def place(server: Trunkline, far_end: FarEnd, answered: list[str], caller: str):
    """One call; its Call-ID is kept once its 200 is here."""
    dialog = await far_end.call(server.sip, five9.NUMBER, caller=caller)
    assert dialog.status == 200
    answered.append(dialog.call_id)


async def one_life(server: Trunkline, acknowledged: list[str], answered: list[str], turn: int):
    """Calls and writes until the kill, which comes in the middle of both."""
    enough = asyncio.Event()
    async with FarEnd() as far_end:
        writer = asyncio.create_task(write_trunks(server, acknowledged, str(turn), enough))
        await asyncio.gather(*(place(server, far_end, answered, f"+1777{turn:04}{n}") for n in range(CALLS)))
        await asyncio.wait([writer, asyncio.create_task(enough.wait())], return_when=asyncio.FIRST_COMPLETED)
        late = [asyncio.create_task(place(server, far_end, answered, f"+1888{turn:04}{n}")) for n in range(CALLS)]
        # As many of them as chance wants are answered.
        await asyncio.wait(late[: random.randint(1, CALLS)], return_when=asyncio.FIRST_COMPLETED)
        await server.kill()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await writer


async def test_kill_while_trunks_are_written_and_calls_run(tmp_path):
    server = await Trunkline(tmp_path).start()
    try:
        async with server.client() as lk:
            trunk_id, rule_id = await five9.set_up(lk)
        acknowledged = [trunk_id]
        answered = []
        for turn in range(ROUNDS):
            await one_life(server, acknowledged, answered, turn)
            await server.start()
            await check(server, acknowledged, rule_id, answered)
        print(f"{ROUNDS} kills: {len(acknowledged)} trunks and {len(answered)} answered calls, all there once")
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
