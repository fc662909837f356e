"""Who guesses a trunk's password is not listened to after a few times, even with the right one; its own peers are."""

import re

import aiohttp
import pytest

from harness import digest, five9

USER, PASSWORD = "carrier", "the-right-one"
# Wrong ones of one source in a minute before it is banned.
GUESSES = 10


async def attempt(server, far_end, password: str):
    """A call with this password, in answer to a challenge."""
    challenged = await far_end.call(server.sip, five9.NUMBER)
    assert challenged.status == 401
    uri = f"sip:{five9.NUMBER}@{server.sip[0]}:{server.sip[1]}"
    authorization = digest.authorization(challenged, uri, USER, password)
    return await far_end.call(server.sip, five9.NUMBER, headers={"Authorization": authorization})


@pytest.mark.parametrize("known", [False, True], ids=["stranger", "own-peer"])
async def test_a_guesser_is_not_listened_to(server, lk, far_end, known):
    addresses = ["127.0.0.1"] if known else []
    await five9.set_up(lk, auth_username=USER, auth_password=PASSWORD, allowed_addresses=addresses)
    right = await attempt(server, far_end, PASSWORD)
    assert right.status == 200
    await right.bye()
    for guess in range(GUESSES):
        assert (await attempt(server, far_end, f"wrong {guess}")).status == 401
    last = await attempt(server, far_end, PASSWORD)
    assert last.status == (200 if known else 401)
    if known:
        await last.bye()
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/metrics") as answer:
        page = await answer.text()
    counted = dict(re.findall(r"^(trunkline_\w+_total)\{[^}]*\} (\d+)$", page, re.MULTILINE))
    assert counted["trunkline_digest_failures_total"] == str(GUESSES)
    assert counted["trunkline_bans_total"] == ("0" if known else "1")


async def test_calls_of_one_second_do_not_share_a_challenge(server, lk, far_end):
    await five9.set_up(lk, auth_username=USER, auth_password=PASSWORD)
    # Each answers its own challenge for the first time, with the count 1.
    calls = [await attempt(server, far_end, PASSWORD) for _ in range(5)]
    assert [call.status for call in calls] == [200] * 5
    for call in calls:
        await call.bye()
