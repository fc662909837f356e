"""Fixtures: a server, and a client of it."""

import os
import sys

import pytest
import pytest_asyncio

from harness.farend import FarEnd
from harness.server import Trunkline

STATUS = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Ends here, with all reports written: the SDK's native threads may abort an interpreter that goes down."""
    status = config.stash.get(STATUS, None)
    if status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def pytest_sessionfinish(session, exitstatus):
    """Keeps what the session came to."""
    session.config.stash[STATUS] = int(exitstatus)


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
