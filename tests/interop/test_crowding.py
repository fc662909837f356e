"""A server whose media threads have no time left sends new calls elsewhere, and says so."""

import pytest

from harness import five9, outbound
from harness.callee import Callee, answers
from harness.phone import Phone
from harness.server import Trunkline, eventually
from test_latency import metrics, of


@pytest.fixture
async def server(tmp_path):
    """A server that wants no second call beside one that is heard."""
    trunkline = await Trunkline(tmp_path, {"max_cpu_utilization": 0.001, "media_threads": 1}).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


async def available(server) -> bool:
    """Whether the metrics say that calls are taken."""
    return of(await metrics(server), "livekit_sip_available") == [1]


async def test_calls_too_many_are_told_503_and_when_to_come_again(server, lk, far_end):
    await five9.set_up(lk)
    await eventually(lambda: available(server), "room for a call")
    async with Phone(440) as phone, Callee(answers(600)) as target:
        first = await far_end.call(server.sip, five9.NUMBER, body=phone.offer())
        assert first.status == 200
        phone.talk_to(first.final.body)

        async def busy():
            return any(busy > 0 for busy in of(await metrics(server), "trunkline_media_busy_ratio"))

        await eventually(busy, "a media thread with something to do")
        assert not await available(server)
        second = await far_end.call(server.sip, five9.NUMBER)
        assert second.status == 503
        assert int(second.final.get("Retry-After")) > 0
        error = await outbound.refused(
            lk.sip.create_sip_participant(outbound.request(await outbound.trunk(lk, target.place)))
        )
        assert error.code == "unavailable" and "max_cpu_utilization" in error.message
        assert "INVITE refused: the media threads are busy" in server.log_text()
        await first.bye()
    await eventually(lambda: available(server), "room for a call again")
    third = await far_end.call(server.sip, five9.NUMBER)
    assert third.status == 200
    await third.bye()
