"""How scenarios are run: undone whatever happens, none in the way of the next, and the reason told."""

from collections.abc import Sequence
from typing import Any

import pytest

from clients.rows import Row
from played_stage import PlayedStage
from scenarios import figures
from scenarios.model import Figure, Result, Scenario, Step
from scenarios.record import FULL, FULL_BEFORE, Measurement
from scenarios.runner import INTERRUPTED, run
from scenarios.stage import Stage, StageError

GOOD = Row(at=1000.0, kind="write", outcome="ok", seconds=0.1, token="t1")


def fine(seen: Measurement) -> Sequence[Figure]:
    """Nothing lost."""
    return figures.nothing_lost(seen)


def scenario(name: str, *steps: Step, **options: Any) -> Scenario:
    """One with these steps."""

    def chosen(stage: Stage) -> Sequence[Step]:
        return steps

    return Scenario(name, "p", "B-5", "t", chosen, fine, **options)


def played(stage: PlayedStage, *scenarios: Scenario) -> dict[str, Result]:
    """Results by name."""
    results = run(stage, scenarios, stage.clock.pace(), say=lambda _: None, done=lambda _: None)
    return {one.scenario.name: one for one in results}


def fault(stage: PlayedStage, *, hold: float = 10, **options: Any) -> Step:
    """A fault that writes down that it was done, and undone."""

    def do() -> None:
        stage.told.append("broken")

    def undo() -> None:
        stage.told.append("healed")

    return Step("fault", do, undo=undo, hold=hold, **options)


def test_a_step_is_done_held_undone_and_measured_under_load() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=frozenset({"t1"}))
    result = played(stage, scenario("one", fault(stage)))["one"]
    assert stage.told == ["installed", "clients: users", "broken", "healed", "clients stopped"]
    assert result.outcome == "met"
    assert result.measurement is not None
    begun, healed = result.measurement.marks
    assert (begun.what, healed.what) == ("fault", "heal")
    assert healed.at - begun.at == pytest.approx(10)
    numbers = result.measurement.numbers
    assert [numbers[name] for name in (FULL_BEFORE, FULL)] == [pytest.approx(50), pytest.approx(50)]


def test_a_step_begins_once_samples_have_seen_that_all_is_whole() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=frozenset({"t1"}))
    result = played(stage, scenario("one", fault(stage), fault(stage)))["one"]
    assert result.measurement is not None
    _, healed, second, _ = result.measurement.marks
    assert second.at - healed.at == pytest.approx(2)


def test_a_lost_write_misses_the_target() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=frozenset())
    assert played(stage, scenario("one", fault(stage)))["one"].outcome == "missed"


def test_nobody_counts_what_was_not_asked_of_the_database() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=None)
    assert played(stage, scenario("one", fault(stage)))["one"].outcome == "missed"


def test_what_fails_is_undone_and_the_next_is_run() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=frozenset({"t1"}))

    def refuse() -> None:
        raise StageError("no such node")

    broken = Step("a second step", refuse)
    first = scenario("first", fault(stage, until=lambda: True), broken)
    results = played(stage, first, scenario("next"))
    assert results["first"].outcome == "failed"
    assert results["first"].reason == "no such node"
    assert stage.told.count("healed") == 1
    assert results["next"].outcome == "met"


def test_a_fault_that_never_shows_is_undone_at_its_deadline() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=frozenset({"t1"}))
    begun = stage.clock.now
    result = played(stage, scenario("one", fault(stage, until=lambda: False, patience=60)))["one"]
    assert result.outcome == "failed"
    assert "not within" in result.reason
    assert stage.told[-2:] == ["healed", "clients stopped"]
    assert stage.clock.now - begun < 100


def test_a_scenario_ends_at_its_deadline() -> None:
    stage = PlayedStage()
    begun = stage.clock.now
    assert played(stage, scenario("one", fault(stage, hold=1e6), seconds=100))["one"].outcome == "failed"
    assert stage.clock.now - begun < 110
    assert "healed" in stage.told


def test_what_cannot_be_undone_is_told() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=frozenset({"t1"}))

    def stuck() -> None:
        raise StageError("the node does not start")

    step = Step("fault", lambda: None, undo=stuck)
    reason = played(stage, scenario("one", step))["one"].reason
    assert "the node does not start" in reason


def test_a_scenario_whose_needs_are_lacking_says_so() -> None:
    stage = PlayedStage(lacking={"backups": "no engine makes backups"})
    result = played(stage, scenario("one", fault(stage), needs=frozenset({"backups"})))["one"]
    assert (result.outcome, result.reason) == ("not run", "no engine makes backups")
    assert stage.told == []


def test_nothing_is_broken_on_a_service_that_is_not_whole() -> None:
    stage = PlayedStage(trouble="server 1 of 3")
    result = played(stage, scenario("one", fault(stage)))["one"]
    assert result.outcome == "not run"
    assert "server 1 of 3" in result.reason
    assert "broken" not in stage.told


def test_an_interrupt_heals_and_ends_the_run() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=frozenset({"t1"}))

    def interrupt() -> None:
        raise KeyboardInterrupt

    stage.clock.events.append((stage.clock.now + 8, interrupt))
    results = played(stage, scenario("one", fault(stage)), scenario("two"))
    assert list(results) == ["one"]
    assert (results["one"].outcome, results["one"].reason) == ("not run", INTERRUPTED)
    assert stage.told[-2:] == ["healed", "clients stopped"]


def test_what_installs_comes_first_and_what_loses_the_cluster_last() -> None:
    stage = PlayedStage(rows=(GOOD,), kept=frozenset({"t1"}))
    order = ("lost", "between", "first")
    lost = scenario("lost", needs=frozenset({"rebuild"}))
    results = played(stage, lost, scenario("between"), scenario("first", installs=True))
    assert tuple(results) == tuple(reversed(order))
