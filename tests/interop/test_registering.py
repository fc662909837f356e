"""Trunks that register, and what their registrar hears of them."""

import asyncio
import signal

from livekit import api

from harness import outbound
from harness.farend import FarEnd
from harness.sipp import Message


class Registrar(FarEnd):
    """Takes every registration."""

    def datagram_received(self, data: bytes, source):
        super().datagram_received(data, source)
        if data.startswith(b"REGISTER "):
            message = Message(False, data)
            raw = self.response(message, "200 OK")
            self.transport.sendto(raw, source)

    async def registered(self, expires: str) -> Message:
        """The first registration for so many seconds."""
        return await self.wait(
            lambda m: m.start.startswith(b"REGISTER ") and m.get("Expires") == expires.encode(),
            f"REGISTER {expires}", 20,
        )


async def registering(server, lk, registrar: Registrar) -> str:
    """A trunk that is registered."""
    trunk = await outbound.trunk(lk, f"{registrar.address[0]}:{registrar.address[1]}")
    options = {"register": True, "register_expires": 120}
    await server.twirp("trunkline.Options/SetOptions", {"trunk_id": trunk, "options": options})
    await registrar.registered("120")
    return trunk


async def test_a_server_that_stops_takes_its_registration_back(server, lk):
    async with Registrar() as registrar:
        await registering(server, lk, registrar)
        first = await registrar.registered("120")
        server.process.send_signal(signal.SIGTERM)
        last = await registrar.registered("0")
        assert last.get("Contact") == first.get("Contact") and last.get("Call-ID") == first.get("Call-ID")
        async with asyncio.timeout(20):
            assert await server.process.wait() == 0


async def test_a_deleted_trunk_takes_its_registration_back(server, lk):
    async with Registrar() as registrar:
        trunk = await registering(server, lk, registrar)
        await lk.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk))
        await registrar.registered("0")


async def test_a_registrar_that_is_gone_does_not_hold_the_server_up(server, lk):
    async with Registrar() as registrar:
        await registering(server, lk, registrar)
    server.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        assert await server.process.wait() == 0
