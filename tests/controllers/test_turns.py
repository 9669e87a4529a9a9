"""The line in a process: all are counted first, then one at a time; one that stays out holds the rest."""

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest

from dedicated.api.conditions import UPGRADE_PENDING, UPGRADE_RUNNING, UPGRADE_UNPROVEN
from dedicated.api.json import Manifest
from dedicated.api.objects import Key, Ref
from dedicated.controllers.metrics import Metrics, make_metrics
from dedicated.controllers.turns import LOOK_PAUSE, PROVING_PAUSE, TELLING_SECONDS, Line
from dedicated.reconcile.actions import MarkNamespace, Plan
from dedicated.reconcile.turns import DATABASE, FREE, PATIENCE, Turn

A, B, C = (Key(name, "acme") for name in "abc")
CHANGED = (Ref("Deployment", "acme-server"), Ref("Service", "acme-server"))
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def status(reason: str, *, answers: bool = True) -> Manifest:
    """A status with the two conditions that the line reads."""
    return {
        "conditions": [
            {"type": "UpToDate", "status": "False", "reason": reason},
            {"type": "Available", "status": str(answers), "reason": "x"},
        ]
    }


@dataclass
class Scene:
    """A line among instances, with a clock that is set by hand."""

    keys: list[Key] = field(default_factory=lambda: [A, B, C])
    woken: list[Key] = field(default_factory=list)
    due: dict[Key, float] = field(default_factory=dict)
    seconds: float = 1000.0
    metrics: Metrics = field(default_factory=make_metrics)

    def __post_init__(self) -> None:
        self.line = Line(
            present=lambda: self.keys,
            wake=self.woken.append,
            wake_at=self.due.__setitem__,
            metrics=self.metrics,
            now=lambda: START + timedelta(seconds=self.seconds - 1000.0),
            monotonic=lambda: self.seconds,
        )

    def turn(self, key: Key, *, mark: str = "d1", heard: float | None = None) -> Turn:
        """What the instance may do now."""
        return self.line.of(key, {DATABASE: mark}, heard=heard)

    def pass_over(
        self,
        key: Key,
        decided: Plan,
        *,
        reason: str = UPGRADE_PENDING,
        answers: bool = True,
        answered: bool = True,
        mark: str = "d1",
        told: str = "",
    ) -> Turn:
        """A whole pass, after which the status has reason `told`; what it was allowed."""
        turn = self.turn(key, mark=mark)
        self.line.passed(key, status(reason, answers=answers), decided, answered=answered)
        self.line.ended(key, status(told or reason))
        return turn

    def all_wait(self) -> None:
        """Every instance has had its first pass, and A its turn."""
        for key in self.keys:
            self.pass_over(key, WAITS)

    def holder(self) -> list[Key]:
        """Whose turn it is."""
        return [key for key in self.keys if self.turn(key).state == "Running"]

    def scrape(self) -> list[str]:
        """The line's metrics."""
        text = generate_latest(self.metrics.registry).decode()
        return [line for line in text.splitlines() if "_upgrade_" in line and not line.startswith("#")]


WAITS = Plan(pending=CHANGED, probe="login.example")
NOTHING = Plan(pending=())
ROLLS, PROVES, UNANSWERED, OVER = (
    Plan(pending=(), turn="Rolling"),
    Plan(pending=(), turn="Proving", status=status(UPGRADE_RUNNING)),
    Plan(pending=(), turn="Proving", status=status(UPGRADE_RUNNING, answers=False)),
    Plan(pending=(), turn="Over"),
)


def test_nobody_begins_before_all_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene = Scene()
    scene.pass_over(A, WAITS)
    scene.pass_over(B, WAITS)
    assert scene.turn(A) == Turn("Waiting")
    assert scene.holder() == []
    scene.line.ended(C, {})  # its pass failed: it is not waited for
    assert scene.holder() == [A]
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "this operator changes 4 objects of 2 instances, one instance after the other"
    assert vars(caplog.records[0])["first"] == "a/acme (2), b/acme (2)"
    assert told[1].startswith("its turn begins")
    assert scene.woken == [A, B, A]
    assert scene.turn(B).before == 1


def test_one_that_goes_while_all_are_counted_is_not_waited_for() -> None:
    scene = Scene()
    scene.pass_over(A, WAITS)
    scene.pass_over(B, WAITS)
    scene.keys.remove(C)
    scene.line.forget(C)
    assert scene.holder() == [A]


def test_one_after_the_other_until_none_waits() -> None:
    scene = Scene()
    scene.all_wait()
    for key in (A, B, C):
        assert scene.holder() == [key]
        for decided in (ROLLS, PROVES):
            assert scene.pass_over(key, decided, reason=UPGRADE_RUNNING).state == "Running"
            assert scene.holder() == [key]
        scene.pass_over(key, OVER, reason=UPGRADE_RUNNING)
        assert scene.turn(key) == FREE
    assert scene.holder() == []


def test_who_has_nothing_to_wait_for_is_free_for_good(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene = Scene()
    for key in scene.keys:
        scene.pass_over(key, NOTHING, reason="UpToDate")
    assert [scene.turn(key) for key in scene.keys] == [FREE] * 3
    assert scene.woken == []
    assert [record.getMessage() for record in caplog.records] == ["this operator changes no instance"]


def test_a_turn_begins_only_when_the_status_tells_of_it() -> None:
    scene = Scene(keys=[A])
    scene.pass_over(A, WAITS, reason="UpToDate")
    assert scene.holder() == []
    scene.pass_over(A, WAITS, answered=False)  # after a restart nothing is written before the answer
    assert scene.holder() == []
    scene.pass_over(A, WAITS, reason="UpToDate", told=UPGRADE_PENDING)
    assert scene.holder() == [A]


def test_the_first_turn_begins_when_all_statuses_tell_of_it_or_after_a_while() -> None:
    scene = Scene()
    for key in scene.keys:
        scene.pass_over(key, WAITS, reason="UpToDate")
    scene.due.clear()
    assert scene.woken == [A, B, C]
    scene.pass_over(A, WAITS, reason="UpToDate", answered=False)
    assert scene.due == {A: scene.seconds + TELLING_SECONDS}
    for key in (B, C):
        scene.pass_over(key, WAITS)
    assert scene.holder() == []
    scene.seconds = scene.due[A]
    scene.pass_over(A, WAITS, reason="UpToDate")
    assert scene.holder() == [B]


@pytest.mark.parametrize("reason", [UPGRADE_RUNNING, UPGRADE_UNPROVEN])
def test_a_turn_that_was_cut_off_goes_on_before_all_others(reason: str) -> None:
    scene = Scene()
    scene.pass_over(A, WAITS)
    scene.pass_over(B, WAITS)
    scene.pass_over(C, NOTHING, reason=reason)
    assert scene.holder() == [C]


def test_the_name_must_be_heard_after_the_rollout() -> None:
    scene = Scene(keys=[A])
    scene.pass_over(A, WAITS)
    scene.pass_over(A, ROLLS)
    assert not scene.turn(A, heard=scene.seconds).heard
    scene.seconds += 5
    scene.pass_over(A, PROVES)
    assert scene.due[A] > scene.seconds
    assert not scene.turn(A, heard=scene.seconds - 1).heard
    assert scene.turn(A, heard=scene.seconds + 1).heard
    scene.pass_over(A, ROLLS)  # another rollout began
    assert not scene.turn(A, heard=scene.seconds + 1).heard


@pytest.mark.parametrize(
    ("decided", "pause"),
    [(ROLLS, LOOK_PAUSE), (NOTHING, LOOK_PAUSE), (UNANSWERED, LOOK_PAUSE), (PROVES, PROVING_PAUSE)],
)
def test_whose_turn_it_is_is_looked_at_again_and_again(decided: Plan, pause: float) -> None:
    """All others wait for it: nothing that is lost on its way to the queue may leave it standing."""
    scene = Scene()
    scene.all_wait()
    assert scene.woken[-1] == A
    for _ in range(3):
        scene.due.clear()
        scene.pass_over(A, decided)
        assert scene.due == {A: scene.seconds + pause}
        scene.seconds += pause


def test_what_is_refused_in_a_turn_comes_later_and_later_as_ever() -> None:
    scene = Scene()
    scene.all_wait()
    scene.due.clear()
    scene.pass_over(A, replace(ROLLS, stages=((MarkNamespace("acme"),),)))
    assert scene.due == {}  # the reconciler looks again after a pass that acts, and knows when


def test_a_turn_whose_passes_fail_is_told_too() -> None:
    scene = Scene()
    scene.all_wait()
    scene.seconds += PATIENCE.total_seconds()
    scene.line.ended(A, status(UPGRADE_PENDING))
    assert scene.turn(B).held_by.startswith("a/acme has had its turn since 2026-03-01T12:00:00Z")


def test_one_that_does_not_come_back_holds_the_others_and_it_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.all_wait()
    scene.pass_over(A, ROLLS)
    scene.woken.clear()
    scene.seconds += PATIENCE.total_seconds()
    for _ in range(2):
        scene.pass_over(A, ROLLS)
    assert scene.woken == [B, C]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "its turn lasts since 2026-03-01T12:00:00Z: see its status; instances that wait: 2"
    ]
    assert scene.turn(B).held_by.startswith("a/acme has had its turn since 2026-03-01T12:00:00Z")
    assert 'dedicated_operator_upgrade_turn_seconds{name="acme",namespace="a"} 600.0' in scene.scrape()
    assert "dedicated_operator_upgrade_waiting_instances 2.0" in scene.scrape()
    assert "dedicated_operator_upgrade_waiting_objects 4.0" in scene.scrape()
    scene.woken.clear()
    scene.pass_over(A, OVER)
    assert scene.holder() == [B]
    assert scene.turn(C).held_by == ""
    assert scene.woken == [B, C, B]
    assert not any('namespace="a"' in line for line in scene.scrape())


def test_a_change_of_the_spec_and_a_rotated_secret_leave_the_line() -> None:
    scene = Scene()
    scene.all_wait()
    assert scene.pass_over(B, NOTHING).state == "Waiting"
    assert scene.turn(B) == FREE
    assert scene.turn(C, mark="d2") == FREE
    scene.pass_over(C, NOTHING, mark="d2")
    scene.pass_over(A, OVER)
    assert scene.holder() == []
    assert "dedicated_operator_upgrade_waiting_instances 0.0" in scene.scrape()


def test_one_that_can_do_nothing_is_passed_by_and_comes_back_later() -> None:
    scene = Scene()
    scene.all_wait()
    scene.pass_over(B, Plan(pending=None))
    scene.pass_over(A, OVER)
    assert scene.holder() == [C]
    assert scene.pass_over(B, WAITS).state == "Waiting"
    scene.pass_over(C, OVER)
    assert scene.holder() == [B]


def test_one_that_is_deleted_in_its_turn_ends_it() -> None:
    scene = Scene()
    scene.all_wait()
    scene.keys.remove(A)
    scene.line.forget(A)
    assert scene.holder() == [B]


def test_a_standby_tells_of_no_line() -> None:
    scene = Scene()
    scene.all_wait()
    scene.metrics.forget_term()
    assert scene.scrape() == [
        "dedicated_operator_upgrade_waiting_instances 0.0",
        "dedicated_operator_upgrade_waiting_objects 0.0",
    ]


@settings(deadline=None)
@given(st.lists(st.sampled_from([A, B, C]), max_size=40))
def test_in_whatever_order_passes_come_one_changes_at_a_time_and_all_do(order: list[Key]) -> None:
    scene = Scene()
    left = {key: [ROLLS, ROLLS, PROVES, OVER] for key in scene.keys}
    reasons = dict.fromkeys(scene.keys, "UpToDate")
    for key in (*order, *scene.keys * 16):
        running = scene.holder()
        assert len(running) <= 1
        begun = [one for one, steps in left.items() if 0 < len(steps) < 4]
        assert begun in ([], running)
        if running == [key]:
            scene.pass_over(key, left[key].pop(0), reason=reasons[key], told=UPGRADE_RUNNING)
        else:
            decided = WAITS if left[key] else NOTHING
            reasons[key] = UPGRADE_PENDING if left[key] else "UpToDate"
            scene.pass_over(key, decided, reason=reasons[key])
    assert not any(left.values())
