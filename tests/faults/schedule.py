"""What goes wrong and what users do, drawn from a seed: the same seed, the same schedule.

A schedule names requests by their number and moments by seconds since the operator's start. Which request has
a number depends on timing, so a replay meets the same weather, not the same raindrops; the log of the proxy,
which a failure prints, has what really happened.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dedicated.api.json import Manifest
from faultproxy import (
    Answer,
    Asked,
    CloseWatch,
    Decision,
    Delay,
    ExpireWatch,
    Forward,
    Half,
    Reset,
    StallWatch,
)
from faultproxy.asked import CHANGING

T = TypeVar("T")

WINDOW = 40.0
"""Seconds for which requests fail at random, an outage of a minute apart."""
OUTAGE = 60.0
HOUR = 3600.0
NUMBERS = range(1, 4001)
INTENSITIES = (0.05, 0.15, 0.35)
"""Share of requests that fail."""
WATCHES = (
    "dedicatedinstances",
    "configmaps",
    "secrets",
    "services",
    "serviceaccounts",
    "deployments",
    "jobs",
    "poddisruptionbudgets",
    "networkpolicies",
    "pods",
    "nodes",
)
DELETED = (
    ("v1/services", "acme-server"),
    ("v1/services", "acme-login"),
    ("v1/serviceaccounts", "acme-login"),
    ("policy/v1/poddisruptionbudgets", "acme-server"),
    ("networking.k8s.io/v1/networkpolicies", "acme-default-deny"),
    ("apps/v1/deployments", "acme-login"),
)
EDITED: tuple[tuple[str, str, Manifest], ...] = (
    ("v1/services", "acme-login", {"spec": {"sessionAffinity": "ClientIP"}}),
    ("apps/v1/deployments", "acme-server", {"spec": {"replicas": 1}}),
    ("v1/services", "acme-server", {"spec": {"publishNotReadyAddresses": True}}),
)


@dataclass(frozen=True, slots=True)
class Step:
    """What a user does: `create`, `configure`, `update`, `delete`, or `remove` and `edit` a child."""

    at: float
    what: str
    choice: int = 0
    """Which child, of `DELETED` or `EDITED`."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that happens at a moment: `outage` and `clock` have seconds, `stall` and `close` watches."""

    at: float
    what: str
    seconds: float = 0.0
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """All of it. `ends` is when requests fail no more; what is stalled stays so."""

    seed: int
    steps: tuple[Step, ...]
    troubles: tuple[Trouble, ...]
    on_requests: dict[int, Decision]
    on_watches: dict[int, Decision]
    ends: float

    @property
    def deletes(self) -> bool:
        """Whether the instance is gone at the end."""
        return any(step.what == "delete" for step in self.steps)

    @property
    def outage(self) -> float:
        """Seconds of the longest outage."""
        return max((trouble.seconds for trouble in self.troubles if trouble.what == "outage"), default=0.0)

    def decide(self, asked: Asked) -> Decision:
        """A `Policy`: nothing that no API server would answer."""
        if asked.watch:
            return self.on_watches.get(asked.number, Forward())
        decision = self.on_requests.get(asked.number, Forward())
        match decision:
            case Answer(status=409) if asked.verb not in CHANGING:
                return Forward()
            case Answer(status=410) if asked.verb != "list":
                return Forward()
        return decision


def calm(*, deletes: bool) -> Schedule:
    """The same steps without any trouble, each with time to come to its end."""
    steps = [Step(0.0, "create"), Step(12.0, "configure"), Step(20.0, "update"), Step(32.0, "remove")]
    steps += [Step(34.0, "edit")] + ([Step(38.0, "delete")] if deletes else [])
    return Schedule(0, tuple(steps), (), {}, {}, WINDOW)


def draw(seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(seed)
    outages = _outages(rng)
    ends = max([WINDOW, *(trouble.at + trouble.seconds + 10.0 for trouble in outages)])
    share = rng.choice(INTENSITIES)
    steps = _steps(rng, ends)
    troubles = sorted((*outages, *_clock(rng, ends), *_on_open_watches(rng, ends)), key=lambda one: one.at)
    return Schedule(
        seed=seed,
        steps=steps,
        troubles=tuple(troubles),
        on_requests=_drawn(rng, share, _request_fault),
        on_watches=_drawn(rng, share, _watch_fault),
        ends=ends,
    )


def _steps(rng: random.Random, ends: float) -> tuple[Step, ...]:
    latest = ends - 2.0
    changes = [Step(rng.uniform(1.0, latest - 3.0), what) for what in ("configure", "update")]
    changes.append(Step(rng.uniform(5.0, latest - 3.0), "remove", rng.randrange(len(DELETED))))
    changes.append(Step(rng.uniform(5.0, latest - 3.0), "edit", rng.randrange(len(EDITED))))
    if rng.random() < 0.25:
        changes.append(Step(latest, "delete"))
    return (Step(0.0, "create"), *sorted(changes, key=lambda step: step.at))


def _outages(rng: random.Random) -> list[Trouble]:
    match rng.randrange(3):
        case 0:
            return [Trouble(rng.uniform(1.0, 30.0), "outage", OUTAGE)]
        case 1:
            return [Trouble(rng.uniform(1.0, 30.0), "outage", rng.uniform(1.0, 10.0))]
    return []


def _clock(rng: random.Random, ends: float) -> list[Trouble]:
    return [
        Trouble(rng.uniform(1.0, ends), "clock", rng.choice((-HOUR, 0.0, HOUR)))
        for _ in range(rng.randrange(4))
    ]


def _on_open_watches(rng: random.Random, ends: float) -> list[Trouble]:
    return [
        Trouble(
            rng.uniform(1.0, ends),
            rng.choice(("stall", "close")),
            resources=tuple(rng.sample(WATCHES, rng.randint(1, len(WATCHES)))),
        )
        for _ in range(rng.randrange(3))
    ]


def _drawn(rng: random.Random, share: float, fault: Callable[[random.Random], T]) -> dict[int, T]:
    return {number: fault(rng) for number in NUMBERS if rng.random() < share}


def _request_fault(rng: random.Random) -> Decision:
    return rng.choice(
        (
            Answer(409),
            Answer(410),
            Answer(429, retry_after=rng.randint(1, 3)),
            Answer(500),
            Answer(503),
            Reset("before"),
            Reset("after"),
            Half(),
            Delay(rng.uniform(0.1, 8.0)),
            Delay(rng.uniform(0.1, 8.0), "after"),
        )
    )


def _watch_fault(rng: random.Random) -> Decision:
    return rng.choice(
        (
            Answer(410),
            Answer(429, retry_after=1),
            Answer(500),
            Reset("before"),
            Half(),
            CloseWatch(rng.uniform(0.0, 10.0)),
            ExpireWatch(rng.uniform(0.0, 10.0)),
            StallWatch(rng.uniform(0.0, 10.0)),
        )
    )
