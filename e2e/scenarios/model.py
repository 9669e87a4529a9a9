"""What a scenario is, and what comes of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from scenarios.record import Measurement
from scenarios.stage import Clients, Need, Stage

Deed = Callable[[], None]
Outcome = Literal["met", "missed", "failed", "not run"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A value beside its target. `value` is None where it never came about, `met` where no target is set."""

    name: str
    value: float | None
    unit: str
    target: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to the service, and how it is undone.

    `do` is followed by `hold` seconds, then by waiting until `until` is true (at most `patience` seconds),
    then by `undo`. With `settle` the service must be whole again, within `patience`, before the next step
    begins.
    """

    label: str
    do: Deed
    what: Literal["fault", "heal", "change", "note"] = "fault"
    undo: Deed | None = None
    hold: float = 0
    until: Callable[[], bool] | None = None
    patience: float = 120
    settle: bool = True


@dataclass(frozen=True, slots=True)
class Scenario:
    """A promise and how it is put to the test.

    `target` is written as people read it; `steps` chooses what to break on the stage as it stands, each step
    once the one before is over; `verdict` is pure. `seconds` is the deadline of the whole scenario. `load` is
    what clients ask throughout.
    """

    name: str
    promise: str
    clause: str
    target: str
    steps: Callable[[Stage], Iterable[Step]]
    verdict: Callable[[Measurement], Sequence[Figure]]
    needs: frozenset[Need] = frozenset()
    seconds: float = 300
    smoke: bool = False
    load: Clients = "users"
    installs: bool = False
    """Whether it brings the instance about by itself, so that it runs before anything else."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario. `reason` says why it failed or was not run."""

    scenario: Scenario
    outcome: Outcome
    reason: str = ""
    figures: tuple[Figure, ...] = ()
    measurement: Measurement | None = None


def outcome(figures: Sequence[Figure]) -> Outcome:
    """Met where every figure with a target meets it, and there is at least one."""
    judged = [figure.met for figure in figures if figure.met is not None]
    return "met" if judged and all(judged) else "missed"
