"""Opus on both sides goes through as it came: marks in the sound arrive, both ways."""

import json

from livekit import api

DIGITS = "+1555"


async def test_opus_of_a_phone_and_of_a_participant_goes_both_ways(server, lk):
    await lk.sip.create_inbound_trunk(
        api.CreateSIPInboundTrunkRequest(trunk=api.SIPInboundTrunkInfo(name="opus", allowed_addresses=["127.0.0.1"]))
    )
    rule = api.SIPDispatchRule(dispatch_rule_callee=api.SIPDispatchRuleCallee(room_prefix="opus"))
    await lk.sip.create_dispatch_rule(
        api.CreateSIPDispatchRuleRequest(dispatch_rule=api.SIPDispatchRuleInfo(name="opus", rule=rule))
    )
    host, port = server.sip
    code, out, errors = await server.command(
        "sim", "bridge", "--json", "--server", f"{host}:{port}", "--to", DIGITS, "--room-prefix", "opus_",
        "--count", "2", "--seconds", "8", "--codec", "opus", "--first", "caller", "--measure", "one-way",
    )
    assert code == 0, errors
    report = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
    assert report["callers"]["failed"] == 0 and report["participants"]["failures"] == []
    assert report["up_ms"]["n"] > 0, "the participants hear the phones"
    assert report["down_ms"]["n"] > 0, "the phones hear the participants"
    assert len(await server.calls()) == 2
