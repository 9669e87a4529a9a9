"""Requests in, decisions carried out, answers back. All of it runs in the proxy's own loop."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from faultproxy import wire
from faultproxy.asked import CHANGING, Asked, body_of, is_write, name_of, target_of, verb_of
from faultproxy.decisions import (
    GATE_SECONDS,
    Answer,
    CloseWatch,
    Decision,
    Delay,
    ExpireWatch,
    Half,
    Hold,
    Kill,
    Outage,
    Policy,
    Reset,
    StallWatch,
)

_END_SECONDS = 0.1
_DEAF_SECONDS = 0.05
"""Longer than a connection that was accepted takes to show up."""


@dataclass(slots=True)
class Exchange:
    """One line of the log. Times are of `time.monotonic`."""

    asked: Asked
    decision: Decision
    at: float
    status: int = 0
    """What the operator got to see; 0: no answer (yet)."""
    forwarded: int = 0
    """What the API server answered; 0: it was not asked (yet)."""
    done: float | None = None

    def __str__(self) -> str:
        number = f"write {self.asked.write}: " if self.asked.write else ""
        fate = type(self.decision).__name__
        return f"{self.at:.3f} {number}{self.asked} -> {fate}, server {self.forwarded}, seen {self.status}"


@dataclass(slots=True)
class Stream:
    """An open watch, and what shall happen to it."""

    asked: Asked
    silent: bool = False
    last: bytes = b""
    """What is still sent when it is over."""
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Passing:
    """The listener on one port, and what is in hand. `policy` may be exchanged at any time."""

    server: str
    port: int
    session: aiohttp.ClientSession
    policy: Policy
    in_order: bool
    exchanges: list[Exchange] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    tasks: "set[asyncio.Task[web.StreamResponse]]" = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _numbers: list[int] = field(default_factory=lambda: [0, 0])
    _deaf: bool = False
    _closed: bool = False
    _site: asyncio.Server | None = None
    _web: web.Server = field(init=False)

    def __post_init__(self) -> None:
        self._web = web.Server(self.handle, handler_cancellation=True, access_log=None)

    async def go_up(self) -> None:
        """Listen."""
        if self._site is None and not self._closed:
            listener = wire.bound(self.port)
            loop = asyncio.get_running_loop()
            self._site = await loop.create_server(self._web, sock=listener, backlog=256)

    def go_down(self, seconds: float | None = None) -> None:
        """Break all connections and refuse new ones, for some seconds or until `go_up`."""
        site, self._site = self._site, None
        if site is not None:
            site.close()
        self.drop()
        if seconds is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(seconds, lambda: loop.create_task(self.go_up()))

    def drop(self) -> None:
        """Break all connections."""
        for connection in self._web.connections:
            wire.abort(connection.transport)

    async def close(self) -> None:
        """The end: nothing listens, nothing is in hand."""
        self._closed = True
        self.go_down()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._web.shutdown(_END_SECONDS)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        raw = await request.read()
        target = target_of(request.path)
        content_type = request.headers.get("Content-Type", "")
        verb = verb_of(request.method, target, query=request.query, content_type=content_type)
        body = body_of(raw) if verb in CHANGING else None
        writes = is_write(verb, target.resource)

        def numbered() -> Asked:
            self._numbers[0] += 1
            self._numbers[1] += writes
            return Asked(
                number=self._numbers[0],
                write=self._numbers[1] if writes else 0,
                verb=verb,
                group=target.group,
                resource=target.resource,
                namespace=target.namespace,
                name=name_of(target, body),
                body=body,
            )

        if verb == "watch":
            return await self._decide(request, raw, numbered)
        # What is on its way to the API server gets there, whatever becomes of the client.
        task = asyncio.ensure_future(self._in_turn(request, raw, numbered, alone=writes and self.in_order))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return await asyncio.shield(task)

    async def _in_turn(
        self, request: web.BaseRequest, raw: bytes, numbered: Callable[[], Asked], *, alone: bool
    ) -> web.StreamResponse:
        async with self._turn if alone else contextlib.nullcontext():
            return await self._decide(request, raw, numbered)

    async def _decide(
        self, request: web.BaseRequest, raw: bytes, numbered: Callable[[], Asked]
    ) -> web.StreamResponse:
        # What a dead process left behind is not passed on.
        if self._deaf or request.transport is None or request.transport.is_closing():
            return wire.nothing()
        asked = numbered()
        exchange = Exchange(asked, self.policy(asked), at=time.monotonic())
        self.exchanges.append(exchange)
        try:
            return await self._carry_out(request, raw, exchange)
        finally:
            exchange.done = time.monotonic()

    async def _carry_out(
        self, request: web.BaseRequest, raw: bytes, exchange: Exchange
    ) -> web.StreamResponse:
        match exchange.decision:
            case Delay(seconds, "before"):
                await asyncio.sleep(seconds)
            case Hold(gate):
                gate.arrived.set()
                await asyncio.to_thread(gate.opened.wait, GATE_SECONDS)
            case Answer() as answer:
                exchange.status = answer.status
                return wire.refusal(answer)
            case Reset("before"):
                return wire.hung_up(request)
            case Kill("before", kill):
                return await self._kill(kill)
            case Outage(seconds):
                self.go_down(seconds)
                return wire.nothing()
        try:
            return await self._forward(request, raw, exchange)
        except aiohttp.ClientError:
            return wire.hung_up(request)

    async def _forward(self, request: web.BaseRequest, raw: bytes, exchange: Exchange) -> web.StreamResponse:
        kept = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in wire.OF_THE_CONNECTION
        }
        async with self.session.request(
            request.method,
            self.server + request.raw_path,
            headers=kept,
            data=raw or None,
            allow_redirects=False,
        ) as answered:
            exchange.forwarded = answered.status
            if exchange.asked.watch and answered.status == 200:
                return await self._stream(request, answered, exchange)
            return await self._pass_back(request, answered, exchange)

    async def _pass_back(
        self, request: web.BaseRequest, answered: aiohttp.ClientResponse, exchange: Exchange
    ) -> web.StreamResponse:
        body = await answered.read()
        headers = wire.headers_of(answered)
        match exchange.decision:
            case Delay(seconds, "after"):
                await asyncio.sleep(seconds)
            case Reset("after"):
                return wire.hung_up(request)
            case Kill("after", kill):
                return await self._kill(kill)
            case Half():
                half = web.StreamResponse(status=answered.status, headers=headers)
                half.content_length = len(body)
                await half.prepare(request)
                await half.write(body[: len(body) // 2])
                return wire.hung_up(request, flushed=True)
        exchange.status = answered.status
        return web.Response(status=answered.status, headers=headers, body=body)

    async def _stream(
        self, request: web.BaseRequest, answered: aiohttp.ClientResponse, exchange: Exchange
    ) -> web.StreamResponse:
        stream = Stream(exchange.asked)
        loop = asyncio.get_running_loop()
        match exchange.decision:
            case CloseWatch(seconds):
                loop.call_later(seconds, stream.over.set)
            case ExpireWatch(seconds):
                stream.last = wire.EXPIRED
                loop.call_later(seconds, stream.over.set)
            case StallWatch(seconds):
                loop.call_later(seconds, setattr, stream, "silent", True)
        response = web.StreamResponse(status=answered.status, headers=wire.headers_of(answered))
        await response.prepare(request)
        exchange.status = answered.status
        self.streams.append(stream)
        half = isinstance(exchange.decision, Half)
        pumping = asyncio.ensure_future(_pump(request, response, answered, stream, half=half))
        ending = asyncio.ensure_future(stream.over.wait())
        try:
            await asyncio.wait({pumping, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.streams.remove(stream)
            pumping.cancel()
            ending.cancel()
            await asyncio.gather(pumping, ending, return_exceptions=True)
        if stream.last and stream.over.is_set():
            await response.write(stream.last)
        return response

    async def _kill(self, kill: Callable[[], None]) -> web.StreamResponse:
        """What the process has sent, and what waits in the listener's queue, goes with it."""
        self._deaf = True
        self.go_down()
        kill()
        await asyncio.sleep(_DEAF_SECONDS)
        self.drop()
        self._deaf = False
        await self.go_up()
        return wire.nothing()


async def _pump(
    request: web.BaseRequest,
    response: web.StreamResponse,
    answered: aiohttp.ClientResponse,
    stream: Stream,
    *,
    half: bool,
) -> None:
    """Events of a watch, chunk by chunk, until it ends; a silent one ends with its client."""
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        async for chunk in answered.content.iter_any():
            if half:
                await response.write(chunk[: len(chunk) // 2])
                wire.hung_up(request, flushed=True)
                return
            if not stream.silent:
                await response.write(chunk)
    if stream.silent:
        await asyncio.Future()  # until the client hangs up
