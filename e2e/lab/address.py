"""One address for whoever is the primary, as engines have a Service: it leads new connections to where it
points then, and lets those of before be, as kube-proxy does.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from testbed.processes import free_port


@dataclass(slots=True)
class Address:
    """Its own port, and the one it points to."""

    port: int
    to: int


@contextmanager
def address(to: int) -> Iterator[Address]:
    """An address on loopback for the time of the block."""
    found, ended = Address(free_port(), to), threading.Event()
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(found, ready, ended)), daemon=True)
    thread.start()
    ready.wait(timeout=10)
    try:
        yield found
    finally:
        ended.set()
        thread.join(timeout=10)


async def _serve(found: Address, ready: threading.Event, ended: threading.Event) -> None:
    """Until the end; what is open then is cut off with the loop."""
    async with await asyncio.start_server(partial(_lead, found), "127.0.0.1", found.port):
        ready.set()
        await asyncio.to_thread(ended.wait)


async def _lead(found: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.CancelledError):
        back, on = await asyncio.open_connection("127.0.0.1", found.to)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, on))
            group.create_task(_pump(back, writer))
    writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes in goes out; where one way ends, so does the other."""
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
