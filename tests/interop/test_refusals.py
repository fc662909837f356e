"""Who may not call in, may not; and is told why in the same words everywhere."""

from harness import five9
from harness.server import eventually


async def test_a_stranger_makes_no_room(server, lk, far_end):
    await five9.set_up(lk, allowed_addresses=["192.0.2.0/24"])
    dialog = await far_end.call(server.sip, five9.NUMBER)
    assert dialog.status in (403, 404)
    assert await five9.rooms(lk) == []


async def test_a_known_source_with_an_unknown_number_is_told_404(server, lk, far_end):
    await five9.set_up(lk, allowed_addresses=["127.0.0.1/32"])
    dialog = await far_end.call(server.sip, "+15550000000")
    assert dialog.status == 404
    assert await five9.rooms(lk) == []


async def test_explain_and_the_log_say_the_same_reason(server, lk, far_end):
    trunk_id, _ = await five9.set_up(lk, allowed_addresses=["192.0.2.0/24"])
    await far_end.call(server.sip, five9.NUMBER, caller="+15557654321")
    asked = {"from": "+15557654321", "to": five9.NUMBER, "source": "127.0.0.1"}
    explanation = (await server.twirp("trunkline.Calls/Explain", asked))["explanation"]
    verdict = explanation["verdict"]
    # The nearest trunk and what it wants.
    assert trunk_id in verdict and "source 192.0.2.0/24" in verdict, explanation
    code, out, err = await server.command(
        "explain", "--from", asked["from"], "--to", asked["to"], "--source", asked["source"]
    )
    assert code in (0, 1), err
    assert verdict in out

    async def logged():
        return verdict in server.log_text()

    await eventually(logged, f"the verdict {verdict!r} in the log")


async def test_the_next_call_works_after_garbage(server, lk, far_end):
    await five9.set_up(lk)
    for raw in (b"\x00" * 100, b"INVITE\r\n\r\n", b"INVITE sip:a SIP/2.0\r\nContent-Length: 18446744073709551615\r\n\r\n"):
        far_end.transport.sendto(raw, server.sip)
    dialog = await far_end.call(server.sip, five9.NUMBER)
    assert dialog.status == 200
