"""Recoverability in words, at the edges of its times, and what it asks for."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contract.recovery_facts import backup, listing, sample, second
from dedicated.api.conditions import Condition
from dedicated.contract.recovery.conditions import (
    aggregate,
    next_change,
    rpo_met,
    wal_archiving,
    wal_continuous,
)
from dedicated.contract.recovery.duties import Duty, duties, next_audit
from dedicated.contract.recovery.objectives import CONTRACT, RecoveryObjectives, objectives_in_force
from dedicated.contract.recovery.points import Recoverability, recoverability
from dedicated.contract.recovery.repository import Listing
from dedicated.contract.recovery.sampling import Archiver, Memory, Primary

ZONE = "Europe/Zurich"
FULL = backup(3)
HELD = listing({1: range(3, 9)}, FULL)
GAP = listing({1: [3, 4, *range(6, 9)]}, FULL)
HOLE = listing({1: range(3, 5), 2: range(8, 13)}, FULL, forks={1: 8.1})
MINUTE = timedelta(minutes=1)


def memory(*points: tuple[float, float], line: int = 1, failures: tuple[int, ...] = ()) -> Memory:
    """Samples at times, in segments; readings of the archiver with so many failures."""
    return Memory(
        tuple(sample(at, where, line=line) for at, where in points),
        tuple(Archiver(second(number), line, "", count) for number, count in enumerate(failures)),
        Primary(second(-600), second(-600), 15 * MINUTE),
    )


def found(what: Listing, known: Memory, now: float) -> Recoverability:
    return recoverability(what, known, now=second(now))


def rpo(what: Listing | None, known: Memory, now: float) -> Condition:
    judged = None if what is None else found(what, known, now)
    return rpo_met(judged, known, CONTRACT, zone=ZONE, now=second(now))


@pytest.mark.parametrize(
    ("what", "latest", "now", "status", "reason"),
    [
        (None, 0, 0, "Unknown", "NotMeasured"),
        (listing({1: range(3, 9)}), 0, 0, "False", "NoBackup"),
        (HELD, 899, 899, "True", "Met"),
        (HELD, 900, 900, "True", "AtRisk"),
        (HELD, 900, 1020, "True", "AtRisk"),
        (HELD, 900, 1021, "Unknown", "NotMeasured"),
        (HELD, 900, 3599, "Unknown", "NotMeasured"),
        (HELD, 900, 3600, "False", "ExposureTooHigh"),
        (HELD, 3599, 3599, "True", "AtRisk"),
        (HELD, 3600, 3600, "False", "ExposureTooHigh"),
        (GAP, 3600, 3600, "False", "ArchiveGap"),
    ],
)
def test_the_objective_at_its_edges(
    what: Listing | None, latest: float, now: float, status: str, reason: str
) -> None:
    condition = rpo(what, memory((latest, 9.5)), now)
    assert (condition.status, condition.reason) == (status, reason)


def test_the_message_has_figure_limit_and_date() -> None:
    text = rpo(HELD, memory((60, 9.5)), 60).message
    for words in ("2026-03-01T12:00:00Z", "objective 1h", "missed from 2026-03-01T13:00:00Z"):
        assert words in text


def test_nothing_is_claimed_between_a_failover_and_the_next_listing() -> None:
    known = Memory((sample(60, 8.5), sample(90, 8.7, line=2)))
    assert rpo(HELD, known, 90).reason == "TimelineChanged"
    judged = found(HELD, known, 90)
    assert wal_continuous(judged, zone=ZONE, now=second(90)).status == "Unknown"
    assert wal_archiving(judged, known, CONTRACT, zone=ZONE, now=second(90)).status == "Unknown"
    assert rpo(HELD, known, 7200).status == "False"


def archiving(known: Memory, now: float, what: Listing = HELD) -> Condition:
    return wal_archiving(found(what, known, now), known, CONTRACT, zone=ZONE, now=second(now))


@pytest.mark.parametrize(
    ("known", "now", "status", "reason"),
    [
        (memory(), 0, "Unknown", "NotMeasured"),
        (memory((0, 8)), 121, "Unknown", "NotMeasured"),
        (memory((0, 8)), 120, "True", "Archived"),
        (memory((0, 9), (150, 9.2)), 150, "True", "Archiving"),
        (memory((0, 9.1), (150, 9.2)), 179, "True", "Archiving"),
        (memory((0, 9.1), (150, 9.2)), 180, "False", "Stalled"),
        (memory((0, 8), failures=(1, 2, 3)), 0, "False", "Failing"),
        (memory((0, 8), failures=(1, 2, 2)), 0, "True", "Archived"),
        (memory((0, 8), failures=(1, 2)), 0, "True", "Archived"),
    ],
)
def test_archiving_at_its_edges(known: Memory, now: float, status: str, reason: str) -> None:
    condition = archiving(known, now)
    assert (condition.status, condition.reason) == (status, reason)


@pytest.mark.parametrize(
    ("checkpointed", "stalled_from"),
    [(None, 900 + 60), (second(-5), 900 + 60), (second(0), 180), (second(50), 180)],
)
def test_the_first_switch_after_a_start_takes_a_checkpoint(
    checkpointed: datetime | None, stalled_from: int
) -> None:
    for now, reason in ((stalled_from - 1, "Archiving"), (stalled_from, "Stalled")):
        known = memory((0, 9.1), (now, 9.2))
        known = replace(known, primary=Primary(second(0), checkpointed, 15 * MINUTE))
        assert archiving(known, now).reason == reason


@pytest.mark.parametrize(
    ("what", "now", "status", "reason", "words"),
    [
        (HELD, 900, "True", "Continuous", "full-1-3"),
        (HELD, 901, "Unknown", "NotMeasured", "2026-03-01T12:00:00Z"),
        (GAP, 0, "False", "Gap", "1 segments missing (0000000000000005); a differential repairs it"),
        (GAP, 7200, "False", "Gap", "Provider must act"),
        (HOLE, 0, "False", "HoleAfterFailover", "0000000000000005 to 0000000000000007"),
        (listing({1: [4]}), 0, "Unknown", "NoBackup", "no backup"),
    ],
)
def test_continuity(what: Listing, now: float, status: str, reason: str, words: str) -> None:
    condition = wal_continuous(found(what, memory(), now), zone=ZONE, now=second(now))
    assert (condition.status, condition.reason) == (status, reason)
    assert words in condition.message
    assert wal_continuous(None, zone=ZONE, now=second(now)).status == "Unknown"


def test_many_gaps_are_counted_and_few_are_named() -> None:
    what = listing({1: range(3, 30, 2)}, FULL)
    message = wal_continuous(found(what, memory(), 0), zone=ZONE, now=second(0)).message
    assert "13 segments missing (" in message
    assert "and 10 more gaps" in message


def test_the_conditions_change_when_they_say_they_do() -> None:
    known = memory((0, 9.1), (30, 9.2))
    judged, now, seen = found(HELD, known, 30), second(30), []

    def shown(at: datetime) -> tuple[str, ...]:
        archived = wal_archiving(judged, known, CONTRACT, zone=ZONE, now=at)
        continuous = wal_continuous(judged, zone=ZONE, now=at)
        objective = rpo_met(judged, known, CONTRACT, zone=ZONE, now=at)
        return tuple(f"{one.status}/{one.reason}" for one in (archived, continuous, objective))

    changes = {30}
    for tick in range(31, 4000):
        if shown(second(tick)) != shown(second(tick - 1)):
            changes.add(tick)
    while (at := next_change(judged, known, CONTRACT, now=now)) is not None:
        seen.append(int((at - second(0)).total_seconds()))
        now = at
    assert changes - {30} <= set(seen)
    assert len(seen) <= 5
    assert next_change(None, Memory(), CONTRACT, now=now) is None


def test_the_aggregate_is_as_good_as_its_worst() -> None:
    good, bad = Condition("A", "True", "Fine", ""), Condition("B", "False", "Gap", "")
    unknown = Condition("C", "Unknown", "NotMeasured", "")
    assert aggregate([good, good]).status == "True"
    assert (aggregate([good, unknown]).status, aggregate([good, unknown]).message) == (
        "Unknown",
        "C (NotMeasured)",
    )
    assert (aggregate([unknown, bad, good]).status, aggregate([unknown, bad, good]).message) == (
        "False",
        "B (Gap)",
    )


def asked(known: Memory, what: Listing | None, now: float = 60) -> list[tuple[str, str]]:
    judged = None if what is None else found(what, known, now)
    return [(duty.what, duty.reason) for duty in duties(known, what, judged, now=second(now))]


def test_nothing_is_asked_for_at_rest() -> None:
    assert asked(memory((30, 8)), HELD) == []
    assert next_audit(HELD) == second(300)


@pytest.mark.parametrize(
    ("known", "what", "now", "expected"),
    [
        (memory((30, 8)), None, 60, [("Audit", "NeverListed")]),
        (memory((30, 8)), HELD, 300, [("Audit", "Interval")]),
        (memory((30, 8)), listing({1: [3]}), 60, [("Full", "NoBackup")]),
        (memory((30, 8)), GAP, 60, [("Differential", "Gap")]),
        (
            replace(memory((30, 8)), primary=Primary(second(0), None, MINUTE)),
            HELD,
            60,
            [("Checkpoint", "PrimaryStarted")],
        ),
        (replace(memory((30, 8)), primary=Primary(second(0), second(0), MINUTE)), HELD, 60, []),
        (Memory((sample(0, 8), sample(30, 9, line=2))), HOLE, 60, [("Differential", "TimelineChanged")]),
        (
            replace(memory((30, 8)), samples=(sample(0, 8), sample(30, 9, line=2))),
            HELD,
            60,
            [
                ("Checkpoint", "TimelineChanged"),
                ("Audit", "TimelineChanged"),
                ("Differential", "TimelineChanged"),
            ],
        ),
    ],
)
def test_what_is_asked_for(
    known: Memory, what: Listing | None, now: float, expected: list[tuple[str, str]]
) -> None:
    assert asked(known, what, now) == expected


def test_the_differential_after_a_failover_is_due_within_ten_minutes_and_ends_the_duty() -> None:
    known = Memory((sample(0, 8), sample(30, 9, line=2), sample(60, 9, line=2)))
    assert duties(known, HOLE, found(HOLE, known, 70), now=second(70)) == (
        Duty("Differential", "TimelineChanged", second(630)),
    )
    after = backup(10, line=2, at=100, kind="differential", needs=(FULL.label,))
    repaired = listing({1: range(3, 5), 2: range(8, 13)}, FULL, after, forks={1: 8.1})
    assert asked(known, repaired, 120) == []


def test_objectives_may_be_tightened_and_loosened_only_by_agreement() -> None:
    tight = RecoveryObjectives(disaster_rpo=30 * MINUTE, archive_interval=MINUTE / 2)
    assert objectives_in_force(tight, agreed=()) == (tight, ())
    loose = replace(CONTRACT, disaster_rpo=120 * MINUTE, failover_rto=2 * MINUTE)
    held, told = objectives_in_force(loose, agreed=())
    assert held == CONTRACT
    assert [(one.code, one.responsible) for one in told] == [("AgreementNotValid", "Provider")] * 2
    assert "B-3" in told[0].message
    assert objectives_in_force(loose, agreed=("B-3", "B-5")) == (loose, ())
    assert objectives_in_force(loose, agreed=("B-3",))[0].failover_rto == MINUTE


def test_objectives_that_cannot_be_kept_are_named() -> None:
    hasty, told = objectives_in_force(replace(CONTRACT, restore_time=MINUTE), agreed=())
    assert hasty.restore_time == 60 * MINUTE
    assert [one.code for one in told] == ["ObjectiveImpossible"]
    _, told = objectives_in_force(replace(CONTRACT, disaster_rpo=3 * MINUTE), agreed=())
    assert [one.code for one in told] == ["ObjectiveImpossible"]
    assert objectives_in_force(replace(CONTRACT, disaster_rpo=4 * MINUTE), agreed=())[1] == ()
