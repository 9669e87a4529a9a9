"""Restores: what is reached, what is refused, how long it takes, and how far one is whatever happens."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from contract.recovery_facts import backup, second
from dedicated.api.instance_restore import Phase, Purpose
from dedicated.api.resource import FIRST, Database
from dedicated.contract.facts import DatabaseRemoved, Fact, Restored
from dedicated.contract.reading import read
from dedicated.contract.records import database_removed, manifest_of
from dedicated.contract.recovery.points import Rates, Recoverability
from dedicated.contract.recovery.restore import (
    PATIENCE,
    Known,
    Refusal,
    Target,
    database_in,
    expected,
    loss_refused,
    may_remove,
    overdue_at,
    past_target,
    phase_of,
    replaced_at,
    restored,
    switched_by,
    target_of,
)
from dedicated.contract.recovery.wal import SEGMENT, Stretch

ZONE = "Europe/Zurich"
MINUTE = timedelta(minutes=1)
FOUND = Recoverability(second(600), second(10), backup(3), 9 * SEGMENT, 1, second(620))
"""From 10 s to 10 min after the start."""
DONE = Restored(
    "r", second(900), "op", "lost", "acme-db-aaaaaa", "acme-database", second(600), False,
    second(700), second(800), timedelta(hours=72), timedelta(seconds=50),
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "wanted", "reached"),
    [
        (FOUND, None, Target(second(600), exact=False)),
        (FOUND, 300, Target(second(300), exact=True)),
        (FOUND, 10, Target(second(10), exact=True)),
        # A later one is clamped, and no commit is left out for it.
        (FOUND, 600, Target(second(600), exact=False)),
        (FOUND, 5000, Target(second(600), exact=False)),
        (FOUND, 9, "TargetTooEarly"),
        (replace(FOUND, earliest=None), 599, "TargetTooEarly"),
        (replace(FOUND, gaps=(Stretch(9, 9),)), 601, "LogHasGap"),
        (replace(FOUND, gaps=(Stretch(9, 9),)), None, Target(second(600), exact=False)),
        (replace(FOUND, gaps=(Stretch(9, 9),)), 300, Target(second(300), exact=True)),
        (replace(FOUND, newest=None, backup=None), None, "NothingRecoverable"),
        (replace(FOUND, superseded=True), None, "TimelineChanged"),
        (replace(FOUND, superseded=True), 300, Target(second(300), exact=True)),
        (None, None, "NotMeasured"),
    ],
)
def test_a_target_is_clamped_or_refused(
    found: Recoverability | None, wanted: int | None, reached: Target | str
) -> None:
    answer = target_of(found, None if wanted is None else second(wanted), zone=ZONE)
    if isinstance(reached, str):
        assert isinstance(answer, Refusal)
        assert answer.reason == reached
        # What the next report can change is waited for.
        assert answer.waits == (reached in ("NotMeasured", "TimelineChanged"))
    else:
        assert answer == reached


@pytest.mark.parametrize(
    ("accepted", "answers", "reason"),
    [
        (None, False, None),
        (None, True, "OldDatabaseAnswers"),
        (600, True, None),
        (500, True, None),
        (601, True, "LossNotAccepted"),
        (601, False, "LossNotAccepted"),
    ],
)
def test_what_would_be_lost_needs_a_word(accepted: int | None, answers: bool, reason: str | None) -> None:
    word = None if accepted is None else second(accepted)
    refused = loss_refused(Target(second(600), exact=False), accepted=word, answers=answers, zone=ZONE)
    assert (refused and refused.reason) == reason


def test_an_estimate_is_relearned_from_the_last_restore() -> None:
    plain = FOUND.restore_time(Rates())
    assert plain is not None
    assert expected(FOUND, ()) == plain
    assert expected(FOUND, (DONE,)) == plain * 2  # 100 s instead of 50
    older = replace(DONE, at=second(1), name="o", expected=timedelta(seconds=1))
    assert expected(FOUND, (older, DONE)) == plain * 2
    assert expected(FOUND, (replace(DONE, expected=timedelta(milliseconds=1)),)) == plain * 8
    assert expected(None, (DONE,)) is None
    assert overdue_at(second(0), None) == second(0) + PATIENCE
    assert overdue_at(second(0), timedelta(hours=2)) == second(0) + timedelta(hours=8)


def test_the_newest_record_names_the_database() -> None:
    assert database_in(()) == FIRST
    later = replace(DONE, name="l", at=second(1000), cluster="acme-db-bbbbbb", source="acme-db-aaaaaa")
    assert database_in((later, DONE)) == Database("acme-db-bbbbbb", "acme-db-aaaaaa", second(600), False)
    # One that went with its instance is not that of an instance made again; a restore takes none away.
    removed = DatabaseRemoved("r", second(2000), "op", "acme-db-bbbbbb", "uid")
    assert database_in((later, DONE, removed)) == FIRST
    assert database_in((later, DONE, replace(removed, restore="lost"))).cluster == "acme-db-bbbbbb"
    assert switched_by((later, DONE), "lost", "acme-db-aaaaaa") == DONE
    assert switched_by((DONE,), "lost", "acme-db-cccccc") is None


def test_an_instant_before_a_switch_is_of_the_database_that_served_then() -> None:
    later = replace(DONE, name="l", at=second(1000), cluster="acme-db-bbbbbb", source="acme-db-aaaaaa")
    live, both = "acme-db-bbbbbb", (later, DONE)
    assert replaced_at(both, live, second(1000)) is None
    assert replaced_at(both, live, second(999)) == later
    assert replaced_at(both, live, second(900)) == later
    assert replaced_at(both, live, second(899)) == DONE
    # Records of an instance of this name that is gone, and such as lead in a circle, lead nowhere.
    assert replaced_at(both, "acme-database", second(1)) is None
    circle = replace(DONE, cluster="acme-database", source="acme-db-aaaaaa")
    assert replaced_at((DONE, circle), "acme-db-aaaaaa", second(1)) == circle


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        (9, "TargetTooEarly"),
        (10, Target(second(10), exact=True)),
        (599, Target(second(599), exact=True)),
        (600, Target(second(600), exact=False)),
        (899, Target(second(600), exact=False)),
    ],
)
def test_an_earlier_database_is_restored_within_what_was_known_of_it(
    wanted: int, reached: Target | str
) -> None:
    left = replace(DONE, earliest=second(10), newest=second(600))
    answer = past_target(left, second(wanted), zone=ZONE)
    assert (answer.reason if isinstance(answer, Refusal) else answer) == reached
    # Of one whose record says nothing, what the copy holds decides.
    assert past_target(DONE, second(wanted), zone=ZONE) == Target(second(wanted), exact=True)


def test_a_database_made_from_an_earlier_one_knows_beside_which_it_was_made() -> None:
    again = replace(
        DONE, at=second(1000), cluster="acme-db-bbbbbb", source="acme-db-aaaaaa", part="acme-database"
    )
    assert database_in((again, DONE)) == Database(
        "acme-db-bbbbbb", "acme-database", second(600), False, replaces="acme-db-aaaaaa"
    )


def test_records_are_read_as_they_were_written() -> None:
    removal = database_removed("acme", cluster="acme-database", uid="0123456789", restore="lost")
    facts: list[Fact] = []
    done = replace(DONE, part="acme-db-bbbbbb", earliest=second(10), newest=second(600))
    for statement in (restored("acme", done), removal):
        body = manifest_of(statement, namespace="a", by="op")
        body = {**body, "metadata": {"name": statement.name, "creationTimestamp": "2026-03-01T12:15:00Z"}}
        reading = read(body)
        assert reading is not None
        facts += reading.facts
    assert facts[0] == replace(done, name="acme-db-aaaaaa-restored")
    assert facts[1] == DatabaseRemoved(
        removal.name, second(900), "op", "acme-database", "0123456789", "lost"
    )


FACTS = st.fixed_dictionaries(
    {
        "purpose": st.sampled_from(get_args(Purpose)),
        "told": st.sampled_from((None, *get_args(Phase))),
        **dict.fromkeys(
            (
                "refused", "made", "ready", "overdue", "unprepared", "switched", "rolled", "backed", "due",
                "recorded", "gone",
            ),
            st.booleans(),
        ),
        "verdict": st.sampled_from(("", "Passed", "Failed")),
    }
)  # fmt: skip


@given(FACTS)
def test_every_state_has_a_phase_and_no_copy_goes_without_cause(facts: dict[str, object]) -> None:
    known = Known(**facts)  # type: ignore[arg-type]
    phase = phase_of(known)
    assert phase in get_args(Phase)
    if phase in ("Live", "Retained"):
        assert known.switched
    if known.switched:
        assert phase != "Failed"
    if may_remove(known):
        assert known.due or known.purpose == "Drill" or phase == "Removing"
        assert not known.switched or known.backed


STEPS = (
    "make", "ready", "pass", "fail", "setup-fails", "switch", "roll", "backup", "time", "record", "delete",
    "refuse", "crash", "lose", "wipe",
)  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(get_args(Purpose)), st.lists(st.sampled_from(STEPS), max_size=40))
def test_whatever_happens_in_whatever_order_nothing_is_lost(purpose: Purpose, happening: list[str]) -> None:
    """A model of the operator and of the world: each step is taken only where the operator would take it, or
    the world may; `crash` forgets nothing that is a fact, `wipe` takes the status away."""
    known, phases = Known(purpose), ["Waiting"]
    for step in happening:
        known = _happened(known, phase_of(known), step)
        before = len(phases)
        after = phase_of(known)
        if after != phases[-1]:
            phases.append(after)
        known = replace(known, told=None if step == "wipe" else after)
        if known.switched:
            assert known.verdict == "Passed"
            assert "Failed" not in phases[before:]
        if known.gone:
            assert known.recorded
        if known.recorded and purpose == "Recovery" and known.switched:
            assert known.backed
            assert known.rolled
    event(f"{purpose} ends {phases[-1]}")
    if "Failed" in phases and "wipe" not in happening:
        assert phases[-1] == "Failed"
    if purpose != "Recovery":
        assert not known.switched


def _happened(known: Known, phase: Phase, step: str) -> Known:
    """What a step makes of the facts. Beside what the operator does, an engine and time do what they want."""
    copied = known.made and not known.switched
    possible: dict[str, tuple[bool, dict[str, object]]] = {
        "make": (phase == "Waiting", {"made": True}),
        "refuse": (phase == "Waiting", {"refused": True}),
        "ready": (phase == "Restoring", {"ready": True}),
        "pass": (phase == "Verifying", {"verdict": "Passed"}),
        "fail": (phase == "Verifying", {"verdict": "Failed"}),
        "setup-fails": (phase == "Switching" and copied, {"unprepared": True}),
        "switch": (phase == "Switching", {"switched": True}),
        "roll": (phase == "Switching" and known.switched, {"rolled": True}),
        "backup": (phase == "Live", {"backed": True}),
        "time": (True, {"due": True, "overdue": phase in ("Restoring", "Verifying")}),
        "record": (may_remove(known), {"recorded": True}),
        "delete": (known.recorded, {"gone": True, "made": known.switched}),
        "lose": (copied and not known.recorded, {"made": False, "ready": False}),
    }
    may, changes = possible.get(step, (False, {}))
    return replace(known, **changes) if may else known  # type: ignore[arg-type]
