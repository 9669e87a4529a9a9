"""Runs scenarios one after another: each with a deadline, each undone whatever happens, none stops the rest.

A scenario that fails, or whose faults could not be undone, leaves its reason; the next begins only once the
service is whole again, and is not run if it does not become so. An interrupt undoes what is broken, gives
the results so far, and ends. What a scenario measured until it failed is kept, for its timeline.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import urllib3

from clients.rows import Row
from scenarios.model import Result, Scenario, Step, outcome
from scenarios.record import FULL, FULL_BEFORE, Mark, Measurement, State
from scenarios.sampler import Sampler
from scenarios.stage import Load, Stage, StageError
from service.provider import ProviderError
from service.waiting import NotReadyError
from testbed.client import ApiError

Say = Callable[[str], None]
TROUBLE = (StageError, ProviderError, NotReadyError, ApiError, OSError, urllib3.exceptions.HTTPError)
"""What a step may raise when the cluster does not do what it should."""


class OverdueError(StageError):
    """Something did not come about in its time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The clock of a run, and its lengths in seconds.

    `quiet` passes under load before the first step and after the last, so that the report shows what was
    before and after; `whole` is the patience with the service before a scenario begins; `every` is how
    often a wait looks; `seen` passes once all is whole, so that samples show it before the next fault.
    `waited` counts the seconds in which something waited for a processor.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]
    quiet: float = 5
    whole: float = 180
    every: float = 1
    seen: float = 2
    waited: Callable[[], float] = lambda: 0.0


@dataclass(slots=True)
class Course:
    """One scenario while it runs: its marks, its numbers, and what is to be undone."""

    pace: Pace
    deadline: float
    marks: list[Mark] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    broken: list[Step] = field(default_factory=list)

    def mark(self, step: Step, what: str) -> None:
        """Note that a step was done (its own kind) or undone (`heal`)."""
        kind = step.what if what == "do" else "heal"
        text = step.label if what == "do" else f"undone: {step.label}"
        self.marks.append(Mark(self.pace.now(), kind, text))

    def pause(self, seconds: float) -> None:
        """Let time pass, at most until the deadline."""
        end = self.pace.now() + seconds
        while (now := self.pace.now()) < end:
            if now > self.deadline:
                raise OverdueError("the scenario's time is over")
            self.pace.sleep(min(self.pace.every, end - now))

    def wait(self, *, what: str, done: Callable[[], bool], seconds: float) -> float:
        """Wait until something is so; how long it took."""
        begun = self.pace.now()
        while not _safely(done):
            if self.pace.now() - begun > seconds or self.pace.now() > self.deadline:
                raise OverdueError(f"{what}: not within {self.pace.now() - begun:.0f} s")
            self.pace.sleep(self.pace.every)
        return self.pace.now() - begun


def run(
    stage: Stage,
    scenarios: Iterable[Scenario],
    pace: Pace,
    *,
    say: Say,
    done: Callable[[Result], None],
) -> list[Result]:
    """Run them all in their order; `done` is told each result at once. After an interrupt: those so far."""
    results: list[Result] = []
    for scenario in in_order(scenarios):
        say(f"{scenario.name}: begins")
        result = _run_one(stage, scenario, pace)
        results.append(result)
        done(result)
        say(f"{scenario.name}: {result.outcome}{': ' if result.reason else ''}{result.reason}")
        if result.reason == INTERRUPTED:
            break
    return results


INTERRUPTED = "interrupted"


def in_order(scenarios: Iterable[Scenario]) -> list[Scenario]:
    """What installs comes first, what ends the cluster last, and the order given between."""
    return sorted(scenarios, key=lambda one: (not one.installs, "rebuild" in one.needs))


def _run_one(stage: Stage, scenario: Scenario, pace: Pace) -> Result:
    lacking = [reason for need in sorted(scenario.needs) if (reason := stage.lacks(need))]
    if lacking:
        return Result(scenario, "not run", "; ".join(lacking))
    course = Course(pace, pace.now() + scenario.seconds + pace.whole)
    try:
        if not scenario.installs:
            stage.install()
            course.wait(what="whole before it begins", done=lambda: not stage.unsettled(), seconds=pace.whole)
    except TROUBLE as error:
        return Result(scenario, "not run", f"{error}; {_unsettled(stage)}")
    except KeyboardInterrupt:
        return Result(scenario, "not run", INTERRUPTED)
    return _measured(stage, scenario, Course(pace, pace.now() + scenario.seconds))


def _measured(stage: Stage, scenario: Scenario, course: Course) -> Result:
    """Play it under load and samples; whatever happens, everything is undone and stopped."""
    sampler, load, reason = Sampler(stage.states), None, ""
    begun, waited = course.pace.now(), course.pace.waited()
    sampler.start()
    try:
        load = stage.load(scenario.load) if scenario.load != "nobody" else None
        course.pause(course.pace.quiet)
        course.numbers[FULL_BEFORE] = _full(course.pace, begun, waited)
        for step in scenario.steps(stage):
            _play(stage, step, course)
        course.pause(course.pace.quiet)
    except TROUBLE as error:
        reason = str(error)
    except KeyboardInterrupt:
        reason = INTERRUPTED
    for trouble in _undo(course):
        reason = f"{reason}; {trouble}" if reason else trouble
    course.numbers[FULL] = _full(course.pace, begun, waited)
    seen = _collected(stage, sampler, load, course, begun)
    if reason:
        return Result(scenario, "not run" if reason == INTERRUPTED else "failed", reason, (), seen)
    figures = tuple(scenario.verdict(seen))
    return Result(scenario, outcome(figures), "", figures, seen)


def _full(pace: Pace, begun: float, waited: float) -> float:
    """Percent of the time since then in which something waited for a processor."""
    return 100 * (pace.waited() - waited) / max(pace.now() - begun, 0.001)


def _play(stage: Stage, step: Step, course: Course) -> None:
    """One step, from its fault to the whole service."""
    begun = course.pace.now()
    course.broken.append(step)
    course.mark(step, "do")
    step.do()
    course.pause(step.hold)
    if step.until is not None:
        course.wait(what=step.label, done=step.until, seconds=step.patience)
        course.numbers[step.label] = course.pace.now() - begun
    course.broken.remove(step)
    if step.undo is not None:
        course.mark(step, "undo")
        step.undo()
    if step.settle:
        whole = f"whole after {step.label}"
        course.wait(what=whole, done=lambda: not stage.unsettled(), seconds=step.patience)
        course.pause(course.pace.seen)


def _undo(course: Course) -> Sequence[str]:
    """Undo what is still broken, the last first; what could not be undone, and why."""
    troubles = []
    for step in reversed(course.broken):
        if step.undo is None:
            continue
        try:
            course.mark(step, "undo")
            step.undo()
        except TROUBLE as error:
            troubles.append(f"not undone: {step.label}: {error}")
    return troubles


def _collected(
    stage: Stage, sampler: Sampler, load: Load | None, course: Course, begun: float
) -> Measurement:
    """Stop clients and samples, and ask the database what it holds."""
    rows: Sequence[Row] = load.stop() if load is not None else ()
    ended = course.pace.now()
    stored: frozenset[str] | None = None
    try:
        stored = stage.stored() if any(one.token for one in rows) else None
    except TROUBLE as error:
        course.marks.append(Mark(ended, "note", f"the database was not read: {error}"))
    states: tuple[State, ...] = sampler.stop()
    return Measurement(begun, ended, tuple(rows), states, tuple(course.marks), stored, course.numbers)


def _safely(done: Callable[[], bool]) -> bool:
    """A question that the cluster cannot answer just now is answered with no."""
    try:
        return done()
    except TROUBLE:
        return False


def _unsettled(stage: Stage) -> str:
    try:
        return stage.unsettled() or "whole by now"
    except TROUBLE as error:
        return f"its state cannot be read: {error}"
