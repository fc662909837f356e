"""What the sockets, the store and the webhooks have done, as an operator reads it in `/metrics`."""

import socket

from harness.phone import Phone
from harness.server import eventually
from test_bridge import direct, ring
from test_latency import metrics, of


async def test_the_operator_sees_what_came_what_went_and_what_was_no_sip(server, lk, far_end):
    samples = await metrics(server)
    assert of(samples, "trunkline_sip_malformed_total") == [0]
    assert of(samples, "trunkline_webhooks_dropped_total") == [0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"INVITE nonsense\r\n\r\n", server.sip)

    async def malformed():
        return of(await metrics(server), "trunkline_sip_malformed_total") == [1]

    await eventually(malformed, "the count of what did not parse")
    await direct(lk)
    async with Phone(600) as phone:
        dialog = await ring(server, far_end, phone)
        await dialog.bye()

    async def counted():
        samples = await metrics(server)
        received, sent = of(samples, "trunkline_sip_received_total"), of(samples, "trunkline_sip_sent_total")
        # INVITE, ACK and BYE; 180 or 200, and the 200 to the BYE. The trunk, the rule and the call are stored.
        return received[0] >= 3 and sent[0] >= 2 and of(samples, "trunkline_store_records_total")[0] >= 3

    await eventually(counted, "the counts of a call")
    assert of(await metrics(server), "trunkline_store_failures_total") == [0]
