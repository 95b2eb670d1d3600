"""Fixtures of the JSON-RPC tests: a running development chain and clients for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from node.chain import Genesis
from node.client import JsonRpcClient
from tests.rpc.dev_chain import DevChain, dev_genesis


@pytest.fixture(scope="session")
def genesis() -> Genesis:
    """One genesis for all tests: making it runs the contracts' initialisation."""
    return dev_genesis()


@pytest_asyncio.fixture
async def chain(tmp_path: Path, genesis: Genesis) -> AsyncIterator[DevChain]:
    """A development chain at height 0 with its door open."""
    chain = DevChain(tmp_path / "chain", genesis)
    await chain.start()
    yield chain
    await chain.stop()


@pytest_asyncio.fixture
async def client(chain: DevChain) -> AsyncIterator[JsonRpcClient]:
    """Our own client of the door."""
    async with JsonRpcClient(chain.server.url) as client:
        yield client


@pytest_asyncio.fixture
async def http(chain: DevChain) -> AsyncIterator[aiohttp.ClientSession]:
    """A bare HTTP session, for what no proper client would send."""
    async with aiohttp.ClientSession(base_url=chain.server.url) as session:
        yield session
