"""The caller puts the call on hold and takes it back."""

from harness import five9, sipp


async def test_hold_and_resume_with_sipp(server, lk, tmp_path):
    await five9.set_up(lk)
    caller = await sipp.call(tmp_path, "hold", server.sip, five9.NUMBER)
    try:
        seen = await caller.done(seconds=30)
    finally:
        await caller.end()
    answers = [m for m in seen if not m.sent and m.start.startswith(b"SIP/2.0 200") and m.method == "INVITE"]
    by_cseq = {message.get("CSeq"): message.raw for message in answers}
    assert len(by_cseq) == 3
    assert b"\r\na=recvonly\r\n" in by_cseq[b"2 INVITE"]
    assert b"\r\na=sendrecv\r\n" in by_cseq[b"3 INVITE"]


async def test_the_call_outlives_hold(server, lk, far_end):
    await five9.set_up(lk)
    dialog = await far_end.call(server.sip, five9.NUMBER)
    held = await dialog.invite({}, direction="sendonly")
    assert dialog.status == 200
    assert b"a=recvonly" in held.raw
    room, participant = await five9.only_caller(lk)
    assert participant.attributes["sip.callStatus"] == "active"
    resumed = await dialog.invite({})
    assert b"a=sendrecv" in resumed.raw
    await five9.delete_room(lk, room, participant.identity)
    await dialog.wait_bye()
