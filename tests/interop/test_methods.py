"""Methods outside of any dialog, and who sends them (P14 of what a stranger may not do): nothing rings, no room is
made, nobody is dialled."""

import pytest
from livekit import api

from harness import five9, outbound
from harness.callee import Callee
from harness.digest import answer_to, authorization
from harness.farend import FarEnd, message_bytes
from harness.server import Trunkline

USER, PASSWORD = "carol", "s3cret-of-the-trunk"
# What comes back, whoever asks.
EXPECTED = {
    "MESSAGE": 405, "SUBSCRIBE": 405, "PUBLISH": 405, "REGISTER": 405, "REFER": 403, "NOTIFY": 481, "INFO": 481,
    "UPDATE": 481, "PRACK": 481, "BYE": 481, "CANCEL": 481, "OPTIONS": 200, "EVIL": 501,
}
MORE = {
    "REFER": {"Refer-To": "<tel:+15550100>"}, "SUBSCRIBE": {"Event": "presence", "Expires": "60"},
    "NOTIFY": {"Event": "refer", "Subscription-State": "active"}, "PUBLISH": {"Event": "presence"},
    "PRACK": {"RAck": "1 1 INVITE"},
}
WHO = ["a stranger", "a trunk's address", "a trunk's address with credentials", "a trunk's address with wrong ones"]


@pytest.fixture(params=["udp", "tcp"])
def kind(request):
    """How the messages travel."""
    return request.param


async def trunks(lk, who: str, target: str):
    """What there is when they ask: a trunk for their address unless they are strangers, and one that calls out."""
    await outbound.trunk(lk, target, auth_username=USER, auth_password=PASSWORD)
    if who == "a stranger":
        return
    login = {"auth_username": USER, "auth_password": PASSWORD} if "with" in who else {}
    await five9.set_up(lk, allowed_addresses=["127.0.0.1"], **login)


def shown(who: str, method: str) -> dict:
    """Credentials for a challenge that nobody made."""
    if "with" not in who:
        return {}
    password = "wrong" if "wrong" in who else PASSWORD
    challenge = 'Digest realm="trunkline", nonce="never given", algorithm=MD5, qop="auth"'
    return {"Authorization": answer_to(challenge, method, "sip:127.0.0.1", USER, password)}


@pytest.mark.parametrize("who", WHO)
async def test_no_method_outside_a_dialog_does_anything(server, lk, kind, who):
    async with FarEnd(kind=kind) as far_end, Callee() as target:
        await trunks(lk, who, target.place)
        seen = {}
        for method in EXPECTED:
            headers = {**MORE.get(method, {}), **shown(who, method)}
            answer = await far_end.outside(server.sip_over(kind), method, headers)
            seen[method] = int(answer.start.split()[1])
        assert seen == EXPECTED
        assert await five9.rooms(lk) == [] and await server.calls() == []
        assert not target.calls and not target.outside
        assert not [m for m in far_end.received if m.is_request]


async def test_strangers_may_be_met_with_silence(tmp_path):
    server = await Trunkline(tmp_path, {"strangers": "silent"}).start()
    try:
        async with server.client() as lk, FarEnd("127.0.0.2") as stranger, FarEnd() as known:
            await five9.set_up(lk, allowed_addresses=["127.0.0.1"])
            for method in [*EXPECTED, "INVITE"]:
                uri = f"sip:+15550100@{known.place}"
                fields = {
                    "Via": stranger.via(), "From": "<sip:a@127.0.0.2>;tag=a", "To": f"<{uri}>",
                    "Call-ID": f"{method}@a", "CSeq": f"1 {method}", "Max-Forwards": "70",
                    "Contact": f"<{stranger.contact}>", **MORE.get(method, {}),
                }
                stranger.transport.sendto(message_bytes(f"{method} {uri} SIP/2.0", fields), server.sip)
            # Whoever is answered behind all that shows that it has been dealt with.
            assert (await known.options(server.sip)).start == b"SIP/2.0 200 OK"
            assert stranger.received == [] and await five9.rooms(lk) == []
    finally:
        await server.stop()


async def test_an_invite_makes_a_room_for_a_trunk_and_for_nobody_else(server, lk, kind):
    async with FarEnd(kind=kind) as far_end:
        # Without a trunk, without credentials, with wrong ones, with right ones.
        stranger = await far_end.call(server.sip_over(kind), five9.NUMBER)
        assert stranger.status == 403
        await five9.set_up(lk, allowed_addresses=["127.0.0.1"], auth_username=USER, auth_password=PASSWORD)
        for password, wanted in ((None, 401), ("wrong", 401), (PASSWORD, 200)):
            asked = await far_end.call(server.sip_over(kind), five9.NUMBER)
            assert asked.status == 401
            assert await five9.rooms(lk) == [] and await server.calls() == []
            if password is None:
                continue
            login = authorization(asked, asked.target, USER, password)
            await asked.invite({"Authorization": login})
            assert asked.status == wanted
        room, _ = await five9.only_caller(lk)
        await five9.delete_room(lk, room, "")
        await asked.wait_bye()


async def test_an_empty_install_dials_nowhere_whatever_is_asked(server, lk):
    async with Callee() as target:
        inline = api.SIPOutboundConfig(hostname=target.place)
        for request in (
            outbound.request("", sip_number="+1", trunk=inline), outbound.request("ST_guessed"),
            outbound.request("", headers={"Route": f"<sip:{target.place};lr>"}), outbound.request(""),
        ):
            error = await outbound.refused(lk.sip.create_sip_participant(request))
            assert error.code in ("permission_denied", "not_found", "invalid_argument"), error
        assert not target.calls and not target.outside
        assert await five9.rooms(lk) == [] and await server.calls() == []
