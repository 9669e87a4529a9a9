"""Clients that take every connection they can get: the kubelet, and the agent, come in all the same."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from dedicated.parts.limiter import configuration, frontends
from limiter.http1 import Endpoint
from limiter.stand import standing

FEW, ALL = 20, 24


async def connected(endpoint: Endpoint, held: AsyncExitStack) -> None:
    _, writer = await asyncio.open_connection(*endpoint)
    held.callback(writer.close)


async def answer(endpoint: Endpoint, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(*endpoint)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except TimeoutError:
        return b""
    finally:
        writer.close()


async def test_the_kubelet_is_answered_when_clients_hold_all_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(configuration, "CONNECTIONS", ALL)
    monkeypatch.setattr(frontends, "OF_CLIENTS", FEW)
    with standing() as stand:
        async with AsyncExitStack() as held:
            for _ in range(2 * ALL):
                await connected(stand.endpoints[0], held)
            for path in (configuration.HEALTHY, configuration.READY):
                assert (await answer(stand.metrics(0), path)).startswith(b"HTTP/1.1 200"), path
