"""How long audio takes, per call: in its record, on its participant, and over all calls in the metrics."""

import asyncio

import aiohttp

from harness.peer import Peer
from harness.phone import Phone
from harness.server import eventually
from test_bridge import ROOM, caller_of, direct, ring

WAYS = ("trunkline.audioUpP95Ms", "trunkline.audioDownP95Ms")


async def metrics(server) -> dict[str, float]:
    """The samples of `/metrics`, by their names with labels."""
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/metrics") as answer:
        assert answer.status == 200
        lines = [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def of(samples: dict[str, float], name: str, *labels: str) -> list[float]:
    """The samples of that name with these labels."""
    return [v for key, v in samples.items() if key.startswith(name + "{") and all(label in key for label in labels)]


def check(took: dict, within_ms: float):
    """A way of which there are figures, in their order."""
    assert took["count"] > 50
    assert 0 < took["p50_us"] <= took["p95_us"] <= took["p99_us"]
    assert took["p50_us"] < within_ms * 1_000


async def test_a_call_tells_how_long_its_audio_took(server, lk, far_end):
    await direct(lk)
    async with Peer(server, ROOM, "anna") as anna, Phone(600) as phone:
        await anna.play(440)
        dialog = await ring(server, far_end, phone)
        caller = await anna.until(lambda: caller_of(anna), "the caller")
        await asyncio.gather(anna.hear(caller), phone.hear())
        seen = anna.room.remote_participants[caller]

        async def told():
            return all(name in seen.attributes for name in WAYS)

        await eventually(told, "the attributes", 30)
        up, down = (float(seen.attributes[name]) for name in WAYS)
        assert 0 < up < 100 and 5 < down < 400
        call_id = seen.attributes["sip.callID"]
        # While it runs, what was last told is in its record too.
        check((await server.call_record(call_id))["media"]["audio_up"], 50)
        await dialog.bye()
    media = (await server.ended_call(call_id))["media"]
    check(media["audio_up"], 50)
    check(media["audio_down"], 300)

    async def counted():
        samples = await metrics(server)
        ups = of(samples, "trunkline_audio_up_seconds_count")
        return samples if ups == [media["audio_up"]["count"]] else None

    samples = await eventually(counted, "the metrics of the call")
    assert of(samples, "trunkline_audio_down_seconds_count") == [media["audio_down"]["count"]]
    assert of(samples, "trunkline_audio_up_seconds_bucket", 'le="+Inf"') == [media["audio_up"]["count"]]
    for stage in ("receive", "rtc_in", "decode", "mix", "encode", "rtc_out", "send"):
        [spent] = of(samples, "trunkline_media_stage_seconds_sum", f'stage="{stage}"')
        assert spent > 0, stage
    code, out, errors = await server.command("calls", "show", call_id)
    assert code == 0, errors
    assert "phone → room" in out and "room → phone" in out
