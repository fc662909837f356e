"""Fixtures: a server, and a client of it."""

import pytest_asyncio

from harness.farend import FarEnd
from harness.server import Trunkline


@pytest_asyncio.fixture
async def server(tmp_path):
    """The server under test, with `answer_policy: immediate`."""
    trunkline = await Trunkline(tmp_path).start()
    try:
        yield trunkline
    finally:
        await trunkline.stop()


@pytest_asyncio.fixture
async def lk(server):
    """The official client of that server."""
    async with server.client() as client:
        yield client


@pytest_asyncio.fixture
async def far_end():
    """A SIP far end on a loopback port."""
    async with FarEnd() as end:
        yield end
