"""When a report is written: at once where somebody acts on it, seldom at rest, and what the metrics tell."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from dedicated.agents.limiter.latency import Latencies, Line
from dedicated.agents.limiter.metrics import LimiterCollector, make_registry
from dedicated.agents.limiter.observing import Figures, Totals
from dedicated.agents.limiter.state import State
from dedicated.agents.limiter.telling import Teller
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.limiter_report import Counts, Proof, Refused, Thresholds, from_json

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


class World:
    """A clock that waits for nobody, and a record that remembers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        self.written: list[tuple[float, str]] = []
        self.away = False
        self.changed = asyncio.Event()
        self.state = State(
            replica=0,
            now=lambda: NOW + timedelta(seconds=self.seconds),
            latencies=Latencies(lambda: self.seconds),
            changed=self.changed.set,
        )
        self.teller = Teller(
            record=OwnConfigMap("", Path(), "ns", "acme-limiter-report", "m"),
            state=self.state,
            every=timedelta(seconds=30),
            monotonic=lambda: self.seconds,
            changed=self.changed,
        )

        async def write(_: OwnConfigMap, data: Mapping[str, str]) -> None:
            if self.away:
                raise OwnObjectError("the API server cannot be reached")
            self.written.append((self.seconds, data["r0"]))

        async def pause(seconds: float) -> None:
            self.seconds += seconds
            await _turn()

        async def wait(changed: asyncio.Event, seconds: float) -> None:
            if not changed.is_set():
                await pause(seconds)

        monkeypatch.setattr(OwnConfigMap, "write", write)
        monkeypatch.setattr("dedicated.agents.limiter.telling.pause", wait)
        monkeypatch.setattr("dedicated.agents.limiter.telling.asyncio.sleep", pause)

    async def run(self, seconds: float) -> list[float]:
        """When something was written in this time."""
        end, before = self.seconds + seconds, len(self.written)
        task = asyncio.create_task(self.teller.run())
        while self.seconds < end:
            await _turn()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [at for at, _ in self.written[before:]]


async def _turn() -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, None)
    await future


def settle(state: State) -> None:
    state.want("a")
    state.take("a", "hash", Thresholds())
    state.prove(Proof(NOW, "a", True))
    state.tell("Applied")


async def test_at_rest_it_is_written_every_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    settle(world.state)
    at = await world.run(600)
    assert 5 <= len(at) <= 6
    assert min(later - earlier for earlier, later in pairwise(at)) >= 119


async def test_a_change_under_way_is_told_every_20_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.state.want("b")
    world.state.tell("Applying")
    at = await world.run(100)
    assert 5 <= len(at) <= 6


async def test_a_transition_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    settle(world.state)
    await world.run(3)
    world.state.tell("Rejected", "unknown keyword")
    assert len(await world.run(2)) >= 1
    report = from_json(world.written[-1][1])
    assert report is not None
    assert (report.phase, report.message) == ("Rejected", "unknown keyword")


async def test_figures_that_differ_are_written_every_30_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    settle(world.state)
    await world.run(3)
    world.state.see(Figures(minute=Totals(1, Counts(1234, 5))))
    assert len(await world.run(60)) == 1


async def test_an_api_server_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    settle(world.state)
    world.away = True
    assert await world.run(60) == []
    assert world.teller.problem == "the API server cannot be reached"
    world.away = False
    assert len(await world.run(20)) == 1
    assert world.teller.problem == ""


async def test_the_metrics_are_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    settle(world.state)
    world.state.see(Figures(ever=Totals(1, Counts(7, 8), Counts(1, 0), Refused(1, 2, 3, 4))))
    world.state.latencies.add(Line(200, 5, near=True))
    text = generate_latest(make_registry(LimiterCollector(world.state, labels={"name": "acme"}))).decode()
    for line in (
        'dedicated_limiter_refused_total{class="api",name="acme",reason="banned"} 4.0',
        'dedicated_limiter_phase{name="acme",phase="Applied"} 1.0',
        'dedicated_limiter_phase{name="acme",phase="Rejected"} 0.0',
        'dedicated_limiter_proof_passed{name="acme"} 1.0',
        'dedicated_limiter_from_cluster_ratio{name="acme"} 1.0',
    ):
        assert line in text
