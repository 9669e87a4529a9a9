"""A fast HTTP/1.1 client: raw requests, pipelined, from any loopback address."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from limiter.answers import Answer, take

Endpoint = tuple[str, int]


def get(path: str, *headers: str, host: str = "login.example.com") -> bytes:
    """A request without a body."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Line(asyncio.Protocol):
    """One connection. Answers come in the order of the requests."""

    def __init__(self, endpoint: Endpoint, source: str | None = None) -> None:
        self.endpoint, self.source = endpoint, source
        self._buffer = bytearray()
        self._waiting: deque[tuple[Answer, asyncio.Future[Answer]]] = deque()
        self._transport: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to send."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand answers to those who wait, oldest first."""
        self._buffer += data
        while self._waiting:
            answer, future = self._waiting[0]
            if not take(self._buffer, answer):
                return
            self._waiting.popleft()
            if not future.done():
                future.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Who still waits is told by status 0."""
        self.lost = True
        for answer, future in self._waiting:
            answer.done = time.monotonic()
            if not future.done():
                future.set_result(answer)
        self._waiting.clear()

    def send(self, request: bytes, times: int = 1) -> list["asyncio.Future[Answer]"]:
        """Send the request so many times in one go, without waiting."""
        assert self._transport is not None
        loop, now = asyncio.get_running_loop(), time.monotonic()
        futures: list[asyncio.Future[Answer]] = [loop.create_future() for _ in range(times)]
        if self.lost:
            for future in futures:
                future.set_result(Answer(now, now))
            return futures
        self._waiting.extend((Answer(now), future) for future in futures)
        self._transport.write(request * times)
        return futures

    async def ask(self, request: bytes) -> Answer:
        """Send and wait."""
        return await self.send(request)[0]

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


async def connect(endpoint: Endpoint, *, source: str | None = None) -> Line:
    """A connection from a loopback address."""
    loop = asyncio.get_running_loop()
    local = (source, 0) if source else None
    _, line = await loop.create_connection(lambda: Line(endpoint, source), *endpoint, local_addr=local)
    return line


@asynccontextmanager
async def lines(
    endpoints: Sequence[Endpoint], *, source: str | None = None, each: int = 1
) -> AsyncIterator[list[Line]]:
    """Connections to every endpoint in turn."""
    made = [await connect(endpoint, source=source) for _ in range(each) for endpoint in endpoints]
    try:
        yield made
    finally:
        for line in made:
            line.close()


async def burst(made: Sequence[Line], request: bytes, times: int, *, piece: int = 25) -> list[Answer]:
    """So many requests as fast as they are taken, over all the lines at once."""
    left = [times // len(made) + (number < times % len(made)) for number in range(len(made))]

    async def one(line: Line, count: int) -> list[Answer]:
        answers: list[Answer] = []
        while count:
            now = min(piece, count)
            answers += await asyncio.gather(*line.send(request, now))
            count -= now
        return answers

    found = await asyncio.gather(*(one(line, count) for line, count in zip(made, left, strict=True)))
    return [answer for part in found for answer in part]


async def paced(
    made: Sequence[Line],
    request: bytes,
    *,
    rate: float,
    seconds: float,
) -> list[Answer]:
    """An open loop: the request is sent at its time, whatever became of those before it.

    A connection that was closed is opened anew, as every client does.
    """
    begun, futures, current = time.monotonic(), [], list(made)
    for number in range(round(rate * seconds)):
        wait = begun + number / rate - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        place = number % len(current)
        if current[place].lost:
            current[place] = await connect(current[place].endpoint, source=current[place].source)
        futures += current[place].send(request)
    return list(await asyncio.gather(*futures))


async def at(begun: float, offset: float) -> None:
    """Wait for an instant after `begun`: a window has to be waited for."""
    await asyncio.sleep(max(0.0, begun + offset - time.monotonic()))
