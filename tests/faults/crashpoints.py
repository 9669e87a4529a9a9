"""Every crash point of a scenario: killed right before or right after its n-th write, started again, at rest.

The uninterrupted scenario is run twice first: what differs between those two is no crash's doing, and the
harness is wrong, not the operator. Writes are passed on one at a time (`in_order`), so that exactly n - 1 or
n of them have happened when the operator dies.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from dedicated.api.json import Manifest
from faultproxy import Asked, Decision, Forward, Kill, Policy
from faults.endstate import EndState, difference, settled
from faults.never import breaches, errors_logged
from faults.scenario import REST_SECONDS, Scenario
from faults.site import Site, Stage, site

AT_ONCE = 8

When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Point:
    """Where the operator is killed."""

    scenario: str
    write: int
    when: When

    def __str__(self) -> str:
        return f"{self.scenario}:{self.write}:{self.when}"

    @classmethod
    def parse(cls, text: str) -> "Point":
        """The point that `str` wrote. Raises `ValueError`."""
        scenario, write, when = text.split(":")
        if when not in ("before", "after"):
            raise ValueError(f"{text}: before or after")
        return cls(scenario, int(write), "before" if when == "before" else "after")


Choose = Callable[[Sequence[Point]], Sequence[Point]]
"""Which of all points are tried."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the run of a point ended. `reached` is False where the operator had less to write this time."""

    point: Point
    reached: bool
    wrong: str
    seconds: float

    def report(self) -> str:
        """For people who want to see it again."""
        return f"===== {self.point}\n{self.wrong}\nreplay: make test-faults ARGS='--crash-point {self.point}'"


@dataclass(frozen=True, slots=True)
class Result:
    """All points of a scenario."""

    scenario: str
    writes: int
    seconds: float
    outcomes: tuple[Outcome, ...]

    def summary(self) -> Manifest:
        """Figures for bench/results."""
        return {
            "scenario": self.scenario,
            "writes": self.writes,
            "points": len(self.outcomes),
            "reached": sum(outcome.reached for outcome in self.outcomes),
            "wrong": sum(bool(outcome.wrong) for outcome in self.outcomes),
            "seconds": round(self.seconds, 1),
        }

    def failures(self) -> str:
        """Reports of all points that ended wrong; empty if none."""
        return "\n\n".join(outcome.report() for outcome in self.outcomes if outcome.wrong)


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run left: its end state, and what was wrong besides."""

    state: EndState
    writes: int
    reached: bool
    wrong: list[str]


def all_points(scenario: str, writes: int) -> list[Point]:
    """Before and after each write."""
    moments: tuple[When, ...] = ("before", "after")
    return [Point(scenario, write, when) for write in range(1, writes + 1) for when in moments]


def try_points(stage: Stage, scenario: Scenario, choose: Choose) -> Result:
    """Run the scenario uninterrupted, then once for each point that is chosen of all."""
    started = time.monotonic()
    expected, writes = _uninterrupted(stage, scenario)
    chosen = choose(all_points(scenario.name, writes))
    outcomes = tuple(_together(stage, scenario, chosen, expected))
    return Result(scenario.name, writes, time.monotonic() - started, outcomes)


def _uninterrupted(stage: Stage, scenario: Scenario) -> tuple[EndState, int]:
    with _happening(stage, scenario, 2) as meet, ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(_run, stage, scenario, None, None, meet) for _ in range(2)]
        first, second = [future.result() for future in futures]
    assert not first.wrong, f"{scenario.name}, uninterrupted: {first.wrong}"
    told = difference(first.state, second.state)
    assert not told, f"two uninterrupted runs of {scenario.name} differ:\n{told}"
    return first.state, max(first.writes, second.writes)


def _together(
    stage: Stage, scenario: Scenario, points: Sequence[Point], expected: EndState
) -> Iterator[Outcome]:
    at_once = AT_ONCE if scenario.happens is None else len(points)
    with _happening(stage, scenario, at_once) as meet, ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(lambda point: _try(stage, scenario, point, expected, meet), points)


def _try(
    stage: Stage, scenario: Scenario, point: Point, expected: EndState, meet: Callable[[], None]
) -> Outcome:
    started = time.monotonic()
    try:
        run = _run(stage, scenario, point, expected, meet)
    except Exception as error:  # noqa: BLE001 - one point's failure is told with all others'
        return Outcome(point, True, f"{type(error).__name__}: {error}", time.monotonic() - started)
    told = difference(expected, run.state)
    return Outcome(
        point, run.reached, "\n".join([*run.wrong, told] if told else run.wrong), time.monotonic() - started
    )


def _run(
    stage: Stage,
    scenario: Scenario,
    point: Point | None,
    expected: EndState | None,
    meet: Callable[[], None],
) -> _Run:
    reached = threading.Event()
    with site(
        stage,
        in_order=True,
        contract=scenario.contract,
        engine=scenario.engine,
        jobs=scenario.jobs,
        limiters=scenario.limiters,
    ) as at:
        at.start()
        at.ready()
        scenario.prepare(at)
        before = len(at.proxy.writes())
        if point is not None:
            at.proxy.follow(_killer(at, point, before + point.write, reached))
        meet()
        scenario.act(at)
        at.rest(scenario.is_over, seconds=REST_SECONDS)
        state = settled(at, expected)
        writes = len(at.proxy.writes()) - before
        wrong = [*breaches(at, at.history()), *errors_logged(at)]
        return _Run(state, writes, reached.is_set(), wrong)


def _killer(at: Site, point: Point, number: int, reached: threading.Event) -> Policy:
    def kill() -> None:
        reached.set()
        at.kill()

    def policy(asked: Asked) -> Decision:
        return Kill(point.when, kill) if asked.write == number else Forward()

    return policy


@contextlib.contextmanager
def _happening(stage: Stage, scenario: Scenario, parties: int) -> Iterator[Callable[[], None]]:
    """Where runs meet before what happens to all of them at once; it is undone at the end."""
    happens = scenario.happens
    if happens is None:
        yield lambda: None
        return
    barrier = threading.Barrier(parties, lambda: happens(stage.cluster), timeout=REST_SECONDS)

    def meet() -> None:
        barrier.wait()

    try:
        yield meet
    finally:
        if scenario.undo is not None:
            scenario.undo(stage.cluster)
