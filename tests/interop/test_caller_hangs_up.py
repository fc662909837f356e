"""The caller hangs up first: the context still reaches everybody it can reach."""

import pytest

from harness import five9
from harness.hooks import Hooks
from harness.server import Trunkline


async def hang_up(server, lk, far_end):
    """One call with attributes that the caller ends; its 200 to BYE and its record."""
    dialog = await far_end.call(server.sip, five9.NUMBER, headers=five9.CALL_HEADERS)
    room, participant = await five9.only_caller(lk)
    attributes = five9.routing(dialog.call_id)
    await five9.set_attributes(lk, room, participant.identity, attributes)
    answer = await dialog.bye()
    assert dialog.status == 200
    record = await server.ended_call(participant.attributes["sip.callID"])
    assert record["ending"]["reason"] == "remote_bye"
    assert record["ending"]["by"] == "far_end"
    for name, value in attributes.items():
        assert record["attributes"][name] == value
    return attributes, answer, record


async def test_with_the_option_the_200_carries_the_headers(server, lk, far_end):
    trunk_id, _ = await five9.set_up(lk)
    options = {"trunk_id": trunk_id, "options": {"headers_on_200_to_bye": True}}
    await server.twirp("trunkline.Options/SetOptions", options)
    attributes, answer, record = await hang_up(server, lk, far_end)
    for name, value in five9.expected(attributes).items():
        assert answer.get(name.decode()) == value
    receipts = [r for r in record["receipts"] if r["message"] == "200 to BYE"]
    assert {r["header"] for r in receipts} == set(five9.HEADERS.values())
    assert all(r["outcome"] == "sent" for r in receipts)


async def test_without_the_option_the_record_says_why_not(server, lk, far_end):
    await five9.set_up(lk)
    _, answer, record = await hang_up(server, lk, far_end)
    for name in five9.HEADERS.values():
        assert answer.all(name) == []
    unsent = {r["header"]: r for r in record["receipts"] if r["outcome"] == "not_sent"}
    assert unsent.keys() >= set(five9.HEADERS.values())
    assert all(r["why"] for r in unsent.values())


@pytest.mark.parametrize("option", [True, False])
async def test_the_webhook_carries_them_always(tmp_path, far_end, option):
    async with Hooks() as hooks:
        server = await Trunkline(tmp_path, hooks.settings()).start()
        try:
            async with server.client() as lk:
                trunk_id, _ = await five9.set_up(lk)
                options = {"trunk_id": trunk_id, "options": {"headers_on_200_to_bye": option}}
                await server.twirp("trunkline.Options/SetOptions", options)
                attributes, _, _ = await hang_up(server, lk, far_end)
                body = (await hooks.wait("sip_call_ended")).body
        finally:
            await server.stop()
    call = body["call"]
    assert call["ending"]["reason"] == "remote_bye"
    assert call["attributes"].items() >= attributes.items()
    assert {r["header"] for r in call["receipts"]} >= set(five9.HEADERS.values())
