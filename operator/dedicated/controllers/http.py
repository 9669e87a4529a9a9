"""What the kubelet and Prometheus ask: `/healthz`, `/readyz`, `/metrics`.

`/healthz` fails only where a new process would help: a loop that stands still, a watch that is silent without
knowing why, a queue in which no pass ends. An API server that is away is none of these. `/readyz` says what
is still missing; a standby misses the API server alone, which both ask for the lease every few seconds.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from dedicated.api.json import JsonValue, Manifest

LAG_INTERVAL = 1.0
SILENCE = 60.0
"""Seconds without an answer of the API server after which a process is not ready: it can do nothing."""


@dataclass(frozen=True, slots=True)
class WatchState:
    """Seconds since a watch was last heard, and what it knows to be wrong."""

    age: float
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on a figure is a reason to restart, in seconds."""

    loop_lag: float = 10.0
    watch_age: float = 180.0
    queue_stuck: float = 600.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """Where the answers come from; each is asked at each request.

    `queue_stuck`: seconds for which keys waited and no pass ended. `missing`: what is not ready, in words.
    """

    watches: Callable[[], Mapping[str, WatchState]]
    queue_oldest: Callable[[], float]
    queue_stuck: Callable[[], float]
    missing: Callable[[], Sequence[str]]
    limits: Limits = Limits()


def silence(seconds: float) -> tuple[str, ...]:
    """That the API server does not answer, in words; `seconds` since it last did."""
    return (f"API server: no answer for {seconds:.0f} s",) if seconds > SILENCE else ()


class LoopLag:
    """How late the event loop runs what is due, in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._due = monotonic() + LAG_INTERVAL
        self._last = 0.0

    @property
    def seconds(self) -> float:
        """The lag of the last measurement, or of the one overdue."""
        return max(self._last, self._monotonic() - self._due, 0.0)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self._due = self._monotonic() + LAG_INTERVAL
            await asyncio.sleep(LAG_INTERVAL)
            self._last = self._monotonic() - self._due


def make_app(*, vitals: Vitals, lag: LoopLag, registry: CollectorRegistry) -> web.Application:
    """The application with its three pages."""

    async def healthz(_: web.Request) -> web.Response:
        failed, figures = _health(vitals, lag.seconds)
        body: Manifest = {"ok": not failed, "failed": list(failed), **figures}
        return web.json_response(body, status=503 if failed else 200)

    async def readyz(_: web.Request) -> web.Response:
        missing = list(vitals.missing())
        return web.json_response(
            {"ready": not missing, "missing": missing}, status=503 if missing else 200
        )

    async def metrics(_: web.Request) -> web.Response:
        text = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    return app


@asynccontextmanager
async def serve(
    address: tuple[str, int], *, vitals: Vitals, registry: CollectorRegistry
) -> AsyncIterator[int]:
    """Serve the pages for the time of the block; gives the port, which is a free one where 0 was asked."""
    lag = LoopLag()
    runner = web.AppRunner(make_app(vitals=vitals, lag=lag, registry=registry), access_log=None)
    await runner.setup()
    measuring = asyncio.create_task(lag.run(), name="loop lag")
    try:
        site = web.TCPSite(runner, *address)
        await site.start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        measuring.cancel()
        await runner.cleanup()


def _health(vitals: Vitals, lag: float) -> tuple[list[str], Manifest]:
    limits = vitals.limits
    stuck = vitals.queue_stuck()
    watches: dict[str, JsonValue] = {}
    failed: list[str] = []
    if lag > limits.loop_lag:
        failed.append(f"the event loop is {lag:.0f} s late, limit {limits.loop_lag:.0f} s")
    for name, state in sorted(vitals.watches().items()):
        watches[name] = {"ageSeconds": round(state.age, 1), "problem": state.problem}
        if state.age > limits.watch_age and state.problem is None:
            failed.append(f"watch {name} silent for {state.age:.0f} s, limit {limits.watch_age:.0f} s")
    if stuck > limits.queue_stuck:
        failed.append(f"no pass has ended for {stuck:.0f} s, limit {limits.queue_stuck:.0f} s")
    figures: Manifest = {
        "loopLagSeconds": round(lag, 3),
        "watchLimitSeconds": limits.watch_age,
        "watches": watches,
        "queueOldestSeconds": round(vitals.queue_oldest(), 1),
        "queueStuckSeconds": round(stuck, 1),
    }
    return failed, figures
