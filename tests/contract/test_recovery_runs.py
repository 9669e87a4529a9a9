"""Whether backups came: overdue, failed, oversized, never run; and what is asked for beside the schedule."""

from datetime import date, datetime, timedelta

import pytest

from contract.calendars import utc
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.recovery.runs import BackupRun, Owed, Runs, days_without_full, owed, schedule_met
from dedicated.contract.recovery.schedule import parse_schedule

ZONE = "Europe/Zurich"
FULL, DIFFERENTIAL = parse_schedule("0 1 * * *"), parse_schedule("0 0,2-23 * * *")
MINUTE = timedelta(minutes=1)


def day(text: str) -> datetime:
    """A time of 10 January 2026, or with its day."""
    return utc(text if " " in text else f"2026-01-10 {text}")


def run(
    started: str, kind: BackupKind = "differential", *, failed: bool = False, stored: int = 0
) -> BackupRun:
    begun = day(started)
    return BackupRun(kind, begun, begun + 5 * MINUTE, failed, stored, error="disk full" if failed else "")


NIGHT = run("00:00", "full", stored=1000)


def known(*runs: BackupRun, at: str = "12:30", since: str = "2026-01-01 00:00") -> Runs:
    return Runs(day(at), day(since), runs)


def verdict(runs: Runs | None, now: str) -> tuple[str, str]:
    found = schedule_met(runs, FULL, DIFFERENTIAL, zone=ZONE, now=day(now))
    return found.status, found.reason


@pytest.mark.parametrize(
    ("runs", "now", "expected"),
    [
        (None, "12:30", ("Unknown", "NotMeasured")),
        (known(NIGHT, run("12:00")), "12:45", ("True", "OnTime")),
        (known(NIGHT, run("12:00")), "12:46", ("Unknown", "NotMeasured")),
        (known(NIGHT, run("10:31")), "12:30", ("True", "OnTime")),
        (known(NIGHT, run("10:30")), "12:30", ("False", "DifferentialOverdue")),
        (known(run("10:31", "full")), "12:30", ("True", "OnTime")),
        (known(run("2026-01-09 10:31", "full"), run("12:00")), "12:30", ("True", "OnTime")),
        (known(run("2026-01-09 10:30", "full"), run("12:00")), "12:30", ("False", "FullOverdue")),
        (known(), "12:30", ("False", "NeverRun")),
        (known(since="12:00"), "12:30", ("Unknown", "NeverRun")),
        (known(run("12:10", failed=True), since="12:00"), "12:30", ("False", "LastBackupFailed")),
        (known(NIGHT, run("12:00", failed=True)), "12:30", ("False", "LastBackupFailed")),
        (known(NIGHT, run("11:00", failed=True), run("12:00")), "12:30", ("True", "OnTime")),
        (
            known(NIGHT, run("11:00", "full", failed=True), run("12:00")),
            "12:30",
            ("False", "LastBackupFailed"),
        ),
        (known(run("10:00", "full", failed=True), run("12:00", "full")), "12:30", ("True", "OnTime")),
        (known(NIGHT, run("12:00", stored=499)), "12:30", ("True", "OnTime")),
        (known(NIGHT, run("12:00", stored=500)), "12:30", ("True", "Oversized")),
        (known(run("12:00", stored=500), run("12:10", "full", stored=1000)), "12:30", ("True", "OnTime")),
        (known(NIGHT, BackupRun("differential", day("10:00"))), "12:30", ("False", "DifferentialOverdue")),
    ],
)
def test_the_cases_are_told_apart(runs: Runs | None, now: str, expected: tuple[str, str]) -> None:
    assert verdict(runs, now) == expected


def test_messages_have_date_and_reason() -> None:
    late = schedule_met(
        known(run("2026-01-09 10:30", "full")), FULL, DIFFERENTIAL, zone=ZONE, now=day("12:30")
    )
    assert "due by 2026-01-10T12:30:00Z" in late.message
    failed = known(NIGHT, run("12:00", failed=True))
    assert "disk full" in schedule_met(failed, FULL, DIFFERENTIAL, zone=ZONE, now=day("12:30")).message


@pytest.mark.parametrize(
    ("runs", "now", "expected"),
    [
        (known(NIGHT, run("12:00")), "12:30", None),
        (known(NIGHT, run("11:00")), "12:10", None),
        (known(NIGHT, run("11:00")), "12:11", Owed("differential", "Missed")),
        (known(NIGHT, run("11:00"), BackupRun("differential", day("12:00"))), "12:11", None),
        (known(run("2026-01-09 00:00", "full"), run("00:02")), "00:11", Owed("full", "Missed")),
        (known(run("2026-01-09 00:00", "full"), run("00:02")), "00:09", None),
        (known(since="12:29"), "12:30", Owed("full", "NeverRun")),
        (known(run("2026-01-09 00:30", "full"), since="12:01"), "12:30", None),
        (known(run("2026-01-09 00:30", "full"), since="11:59"), "12:30", Owed("differential", "Missed")),
        (known(NIGHT, run("12:00", failed=True)), "12:19", None),
        (known(NIGHT, run("12:00", failed=True)), "12:20", Owed("differential", "Failed")),
        (known(NIGHT, run("12:00", failed=True), run("12:30", failed=True)), "13:04", None),
        (
            known(NIGHT, run("12:00", failed=True), run("12:30", failed=True)),
            "13:05",
            Owed("differential", "Failed"),
        ),
        (
            known(NIGHT, run("10:00", "full", failed=True), run("10:30", failed=True)),
            "12:00",
            Owed("full", "Failed"),
        ),
    ],
)
def test_what_the_schedule_did_not_bring_is_asked_for(runs: Runs, now: str, expected: Owed | None) -> None:
    assert owed(runs, FULL, DIFFERENTIAL, zone=ZONE, now=day(now)) == expected


def test_a_full_backup_that_always_fails_is_asked_for_again_on_the_same_day() -> None:
    runs: list[BackupRun] = [run("2026-01-09 00:00", "full")]
    now = day("00:00")
    while now < day("23:00"):
        wanted = owed(Runs(now, day("2026-01-01 00:00"), tuple(runs)), FULL, DIFFERENTIAL, zone=ZONE, now=now)
        if wanted is not None:
            runs.append(BackupRun(wanted.kind, now, now + MINUTE, failed=True))
        now += MINUTE
    tried = [one.started for one in runs[1:] if one.kind == "full"]
    assert 6 <= len(tried) <= 12
    assert tried[-1] - tried[-2] == timedelta(hours=4, minutes=1)


def test_days_without_a_full_backup_are_of_the_zone() -> None:
    runs = [run("2026-01-05 22:59", "full"), run("2026-01-06 23:00", "full"), run("2026-01-08 12:00")]
    found = days_without_full(runs, ZONE, since=day("2026-01-04 12:00"), until=day("2026-01-10 12:00"))
    assert list(found) == [date(2026, 1, 6), date(2026, 1, 8), date(2026, 1, 9)]
