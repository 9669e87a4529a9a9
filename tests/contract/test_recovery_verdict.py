"""What is believed of a report: nothing of a stale one, another incarnation's, or one from the future."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.recovery_facts import backup, listing, sample, second
from dedicated.api.conditions import Condition
from dedicated.contract.failover import DatabasePod
from dedicated.contract.recovery.objectives import CONTRACT
from dedicated.contract.recovery.points import recoverability
from dedicated.contract.recovery.report import Replication, Report, Standby
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.sampling import Memory
from dedicated.contract.recovery.schedule import parse_schedule
from dedicated.contract.recovery.verdict import (
    JUDGED,
    TOLERANCE,
    Promised,
    changes_at,
    condensed,
    conditions,
    doubt,
    fresh_backup,
)

ZONE = "Europe/Zurich"
PROMISED = Promised(
    CONTRACT, parse_schedule("0 1 * * *"), parse_schedule("0 * * * *"), ZONE, second(-86400)
)
PODS = (DatabasePod("db-0", "z0", second(-3600)), DatabasePod("db-1", "z1", second(-3600)))
GOOD = Replication(second(60), "db-0", 1, 71, (Standby("db-1", "streaming", "quorum", 70),))


def run(
    at: float, kind: BackupKind = "full", *, failed: bool = False, running: bool = False
) -> BackupRun:
    return BackupRun(kind, second(at), None if running else second(at + 10), failed, label=f"{kind}{at}")


def report(*, latest: float = 60, runs: tuple[BackupRun, ...] = (run(0),)) -> Report:
    """All is well a minute after a full backup."""
    memory = Memory((sample(latest, 7.5),))
    found = recoverability(listing({1: range(3, 9)}, backup(3), at=latest), memory, now=second(latest))
    seen = replace(GOOD, at=second(latest))
    return Report(second(latest), "uid", found, memory, runs, seen)


def judged(what: Report, now: float) -> tuple[Condition, ...]:
    return conditions(what, PROMISED, PODS, now=second(now))


def test_all_is_well_in_the_order_of_the_status() -> None:
    found = judged(report(), 61)
    assert tuple(one.type for one in found) == JUDGED
    assert {one.status for one in found} == {"True"}, found


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (None, "has not reported"),
        (replace(report(), incarnation="other"), "incarnation other"),
        (replace(report(), written=second(66)), "ahead"),
        (replace(report(), written=second(54)), "later than itself"),
        (replace(report(), written=second(65)), ""),
    ],
)
def test_what_is_not_believed(what: Report | None, words: str) -> None:
    text = doubt(what, incarnation="uid", zone=ZONE, now=second(60))
    assert (words in text) if words else text == ""
    assert timedelta(seconds=5) == TOLERANCE


@pytest.mark.parametrize("part", ["listing", "newest", "sample", "replication"])
def test_no_part_of_a_report_may_be_of_later_than_itself(part: str) -> None:
    what = report()
    assert what.found is not None
    ahead = second(66)
    parts = {
        "listing": replace(what, found=replace(what.found, listed_at=ahead)),
        "newest": replace(what, found=replace(what.found, newest=ahead)),
        "sample": replace(what, memory=Memory((replace(sample(66, 7)),))),
        "replication": replace(what, replication=replace(GOOD, at=ahead)),
    }
    assert "later than itself" in doubt(parts[part], incarnation="uid", zone=ZONE, now=second(600))


@given(age=st.integers(0, 40_000), latest=st.integers(60, 600))
def test_a_stale_report_is_never_true(age: int, latest: int) -> None:
    """A sample lasts 2 minutes, a listing 15; and what changes by itself was foretold."""
    what = report(latest=latest)
    statuses = {one.type: one.status for one in judged(what, latest + age)}
    if age > 120:
        assert statuses["RecoveryPointObjectiveMet"] != "True"
        assert statuses["WalArchiving"] != "True"
        assert statuses["FailoverReady"] != "True"
    if age > 900:
        assert "True" not in statuses.values()


@given(start=st.integers(60, 8000), ahead=st.integers(1, 90_000))
def test_nothing_changes_before_the_time_foretold(start: int, ahead: int) -> None:
    what = report()
    due = changes_at(what, PROMISED, now=second(start))
    later = second(start + ahead)
    if due is None or later < due:
        before = [(one.type, one.status, one.reason) for one in judged(what, start)]
        after = [(one.type, one.status, one.reason) for one in judged(what, start + ahead)]
        assert before == after


RUNS = st.builds(
    BackupRun,
    st.sampled_from(["full", "differential", "incremental"]),
    st.integers(-90_000, 0).map(second),
    st.one_of(st.none(), st.integers(0, 60).map(second)),
    st.booleans(),
    st.integers(0, 100),
)


@given(runs=st.lists(RUNS, max_size=12), now=st.integers(60, 100_000))
def test_what_is_left_out_changes_no_judgement(runs: list[BackupRun], now: int) -> None:
    full = report(runs=tuple(runs))
    short = condensed(full)
    assert judged(short, now) == judged(full, now)
    assert fresh_backup(short, now=second(now)) == fresh_backup(full, now=second(now))
    assert changes_at(short, PROMISED, now=second(now)) == changes_at(full, PROMISED, now=second(now))


def test_a_fortnight_of_backups_is_kept_as_three() -> None:
    runs = tuple(run(-3600 * hour, "full" if hour % 24 == 0 else "differential") for hour in range(100))
    assert len(condensed(report(runs=runs)).backups) == 2


@pytest.mark.parametrize(
    ("runs", "now", "label"),
    [
        ((run(0), run(3600, "differential")), 3600 + 899, "differential3600"),
        ((run(0), run(3600, "differential")), 3600 + 900, ""),
        ((run(3600),), 3600 + 899, "full3600"),
        ((run(0), run(3600, "differential", failed=True)), 3601, ""),
        ((run(0), run(3600, "differential", running=True)), 3601, ""),
        ((), 0, ""),
    ],
)
def test_a_fresh_backup_is_complete_and_began_less_than_15_minutes_ago(
    runs: tuple[BackupRun, ...], now: float, label: str
) -> None:
    found = fresh_backup(report(runs=runs), now=second(now))
    assert (found.label if found else "") == label


def test_a_repository_that_was_never_listed_says_nothing() -> None:
    empty = Report(datetime(2026, 3, 1, 12, tzinfo=UTC), "uid")
    assert {one.status for one in judged(empty, 0)} == {"Unknown"}
    assert changes_at(empty, PROMISED, now=second(0)) is None
