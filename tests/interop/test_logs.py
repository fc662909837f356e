"""What the log must never hold: secrets, and at INFO nobody's number."""

import asyncio
import re
import socket
import struct

from harness import digest, five9
from harness.peer import token
from harness.server import SECRET, Trunkline, eventually, split

PASSWORD = "p4ssw0rd-of-the-trunk"
CALLER = "+15557654321"


async def test_no_secret_and_no_number_in_the_log(server, lk, far_end):
    await five9.set_up(lk, auth_username="carrier", auth_password=PASSWORD)
    challenged = await far_end.call(server.sip, five9.NUMBER, caller=CALLER)
    assert challenged.status == 401
    uri = f"sip:{five9.NUMBER}@{server.sip[0]}:{server.sip[1]}"
    authorization = digest.authorization(challenged, uri, "carrier", PASSWORD)
    response, nonce = (re.search(rf' {name}="([^"]*)"', authorization)[1] for name in ("response", "nonce"))
    dialog = await far_end.call(
        server.sip, five9.NUMBER, caller=CALLER, headers={"Authorization": authorization, **five9.CALL_HEADERS}
    )
    assert dialog.status == 200
    _, participant = await five9.only_caller(lk)
    await dialog.bye()
    await server.ended_call(participant.attributes["sip.callID"])


    async def ended():
        return "ended" in server.log_text()

    # The record may be there a moment before the line.
    await eventually(ended, "the call in the log")
    log = server.log_text()
    for secret in (PASSWORD, response, nonce, SECRET):
        assert secret not in log
    for number in (CALLER, CALLER[1:], five9.NUMBER[1:], five9.CALL_HEADERS["X-CallSessionID"]):
        assert number not in log


async def test_a_client_whose_connection_is_reset_is_no_warning(tmp_path):
    server = await Trunkline(tmp_path, {"logging": {"level": "debug"}}).start()
    try:
        host, port = split(server.addresses["http"])
        for how in ("reset", "closed"):
            reader, writer = await asyncio.open_connection(host, port)
            path = f"/rtc?access_token={token(how, 'cut')}&protocol=16"
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            assert b"101" in await reader.readline()
            if how == "reset":
                # Closing with a time of zero is a reset.
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        async def noticed():
            return server.log_text().count("WebSocket gone") == 2

        await eventually(noticed, "both losses in the log")
        assert "broken frame" not in server.log_text()
    finally:
        await server.stop()
