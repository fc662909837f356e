"""What the official client gets back when something is wrong, or not there yet."""

import pytest
from livekit import api

from harness import five9


async def refused(call) -> api.TwirpError:
    """The error of a call that must fail."""
    with pytest.raises(api.TwirpError) as caught:
        await call
    return caught.value


async def test_a_wrong_token_is_401(server):
    async with server.client(secret="another-secret-that-is-long-enough-too") as lk:
        for call in (five9.set_up(lk), lk.room.list_rooms(api.ListRoomsRequest())):
            error = await refused(call)
            assert (error.status, error.code) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("field", "trunk"),
    [
        ("allowed_addresses", {"allowed_addresses": ["not/an/address"]}),
        ("headers", {"headers": {"X-A": "b\r\nX-C: d"}}),
        ("attributes_to_headers", {"attributes_to_headers": {"a": "Not A Header"}}),
        ("auth_password", {"auth_username": "five9"}),
    ],
)
async def test_a_bad_trunk_is_refused_by_the_name_of_its_field(lk, field, trunk):
    error = await refused(five9.set_up(lk, **trunk))
    assert error.code == "invalid_argument"
    assert field in error.message, error.message
    listed = await lk.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
    assert list(listed.items) == []


async def test_a_rule_without_a_rule_is_refused(lk):
    request = api.CreateSIPDispatchRuleRequest(name="empty")
    error = await refused(lk.sip.create_dispatch_rule(request))
    assert error.code == "invalid_argument"
    assert "rule" in error.message


async def test_rooms_and_participants_that_do_not_exist(lk):
    for call in (
        lk.room.delete_room(api.DeleteRoomRequest(room="none")),
        lk.room.get_participant(api.RoomParticipantIdentity(room="none", identity="x")),
        five9.set_attributes(lk, "none", "x", {"a": "b"}),
        five9.remove(lk, "none", "x"),
    ):
        assert (await refused(call)).code == "not_found"


async def test_a_trunk_and_a_rule_live_and_die(server, lk):
    trunk_id, rule_id = await five9.set_up(lk)
    assert trunk_id.startswith("ST_") and rule_id.startswith("SDR_")
    listed = await lk.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
    assert [trunk.sip_trunk_id for trunk in listed.items] == [trunk_id]
    assert dict(listed.items[0].attributes_to_headers) == five9.TRUNK["attributes_to_headers"]
    assert dict(listed.items[0].headers_to_attributes) == five9.TRUNK["headers_to_attributes"]
    changed = await lk.sip.update_inbound_trunk_fields(trunk_id, name="renamed", numbers=["+15550001111"])
    assert (changed.name, list(changed.numbers)) == ("renamed", ["+15550001111"])
    assert dict(changed.attributes_to_headers) == five9.TRUNK["attributes_to_headers"]
    rules = await lk.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
    assert [rule.sip_dispatch_rule_id for rule in rules.items] == [rule_id]
    await lk.sip.delete_dispatch_rule(api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule_id))
    await lk.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk_id))
    assert list((await lk.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())).items) == []
    assert list((await lk.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items) == []
