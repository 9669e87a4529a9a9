"""An HTTP/2 client over plain TCP that sends whatever headers it is told, allowed or not."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

from limiter.answers import Answer
from limiter.http1 import Endpoint

Headers = Sequence[tuple[str, str]]
PATIENCE = 10.0


def asked(path: str, *more: tuple[str, str], host: str = "login.example.com", method: str = "GET") -> Headers:
    """The headers of a request as a browser sends it."""
    return [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), *more]


class Line(asyncio.Protocol):
    """One connection; any number of streams at once."""

    def __init__(self) -> None:
        config = H2Configuration(
            client_side=True,
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        self._h2 = H2Connection(config)
        self._waiting: dict[int, tuple[Answer, asyncio.Future[Answer]]] = {}
        self._transport: asyncio.Transport | None = None
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(2**30)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        try:
            events = self._h2.receive_data(data)
        except H2Error:
            self.connection_lost(None)
            return
        for event in events:
            self._take(event)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Who still waits is told by status 0."""
        self.gone = True
        for stream in list(self._waiting):
            self._finish(stream)

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived() | TrailersReceived():
                self._head(event.stream_id, event.headers)
            case DataReceived():
                if event.stream_id in self._waiting:
                    self._waiting[event.stream_id][0].body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded() | StreamReset() if event.stream_id is not None:
                self._finish(event.stream_id)
            case ConnectionTerminated():
                self.connection_lost(None)
            case _:
                pass

    def _head(self, stream: int | None, headers: object) -> None:
        if stream is None or stream not in self._waiting:
            return
        answer = self._waiting[stream][0]
        assert isinstance(headers, list)
        for name, value in headers:
            if name == ":status":
                answer.status = int(value)
            answer.head += f"\r\n{name}: {value}".encode("latin-1")

    def _finish(self, stream: int) -> None:
        answer, future = self._waiting.pop(stream, (None, None))
        if answer is not None and future is not None and not future.done():
            answer.done = time.monotonic()
            future.set_result(answer)

    def send(self, headers: Headers, body: bytes = b"", trailers: Headers = ()) -> "asyncio.Future[Answer]":
        """Send a request without waiting."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        now = time.monotonic()
        if self.gone:
            future.set_result(Answer(now, now))
            return future
        stream = self._h2.get_next_available_stream_id()
        self._waiting[stream] = (Answer(now), future)
        try:
            self._h2.send_headers(stream, list(headers), end_stream=not body and not trailers)
            if body:
                self._h2.send_data(stream, body, end_stream=not trailers)
            if trailers:
                self._h2.send_headers(stream, list(trailers), end_stream=True)
        except H2Error:
            self._finish(stream)
        self._flush()
        return future

    async def ask(self, headers: Headers, body: bytes = b"", trailers: Headers = ()) -> Answer:
        """Send and wait; status 0 where no answer comes."""
        async with asyncio.timeout(PATIENCE):
            return await self.send(headers, body, trailers)

    def _flush(self) -> None:
        if self._transport is not None and (data := self._h2.data_to_send()):
            self._transport.write(data)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


@asynccontextmanager
async def line(endpoint: Endpoint, *, source: str | None = None) -> AsyncIterator[Line]:
    """A connection from a loopback address."""
    loop = asyncio.get_running_loop()
    local = (source, 0) if source else None
    _, made = await loop.create_connection(Line, *endpoint, local_addr=local)
    try:
        yield made
    finally:
        made.close()
