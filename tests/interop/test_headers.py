"""What mapped headers look like when the value is long or has line breaks."""

import json
import re

from harness import five9


async def end_with(server, lk, far_end, metadata: str):
    """One call that ends with this metadata: its BYE and its record."""
    await five9.set_up(lk)
    dialog = await far_end.call(server.sip, five9.NUMBER, headers=five9.CALL_HEADERS)
    room, participant = await five9.only_caller(lk)
    attributes = {**five9.routing("1"), "five9.metadata": metadata}
    await five9.set_attributes(lk, room, participant.identity, attributes)
    await five9.delete_room(lk, room, participant.identity)
    bye = await dialog.wait_bye()
    record = await server.ended_call(participant.attributes["sip.callID"])
    receipts = [r for r in record["receipts"] if r["message"] == "BYE" and r["header"] == "X-MetaData"]
    assert len(receipts) == 1, record["receipts"]
    return bye, receipts[0]


async def test_900_bytes_of_json(server, lk, far_end):
    value = json.dumps({"intent": "billing", "summary": "x" * 900})
    value = value[:898] + '"}'
    assert len(value) == 900 and json.loads(value)
    bye, receipt = await end_with(server, lk, far_end, value)
    assert bye.get("X-MetaData") == value.encode()
    assert receipt["outcome"] == "sent"


async def test_pretty_printed_json_becomes_one_line_and_the_receipt_says_so(server, lk, far_end):
    value = json.dumps({"intent": "billing", "entities": {"amount": 12.5}}, indent=2).replace("\n", "\r\n", 1)
    bye, receipt = await end_with(server, lk, far_end, value)
    sent = bye.get("X-MetaData")
    assert b"\n" not in sent and b"\r" not in sent
    # Each run of line breaks with the white space around it is one space.
    assert sent.decode() == re.sub(r"[ \t]*[\r\n][\r\n \t]*", " ", value)
    assert json.loads(sent) == json.loads(value)
    assert receipt["outcome"] == "changed"
    assert "line break" in receipt["how"], receipt
    assert receipt["value"].encode() == sent


async def test_a_run_of_line_breaks_is_one_space_and_controls_are_dropped(server, lk, far_end):
    bye, receipt = await end_with(server, lk, far_end, "a\r\n\r\n\nb\x07c\r\nX-Injected: yes")
    assert bye.get("X-MetaData") == b"a bc X-Injected: yes"
    assert bye.all("X-Injected") == []
    assert receipt["outcome"] == "changed"


async def test_the_200_to_the_invite_carries_the_headers_of_the_trunk(server, lk, far_end):
    await five9.set_up(lk, headers={"X-Line": "a: b;c=\"d\""})
    dialog = await far_end.call(server.sip, five9.NUMBER)
    assert dialog.status == 200
    assert dialog.final.get("X-Line") == b'a: b;c="d"'
