"""Whether backups came when they were due (B-1, B-2): overdue, failed, oversized, never run are told apart.

What counts is when a backup that completed *began*: it holds nothing of later. A backup of any kind is a
differential's substitute, never the other way round.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from dedicated.api.conditions import BACKUP_SCHEDULE_MET, Condition
from dedicated.contract.dates import DAY, local, when
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.recovery.schedule import Schedule, due_times, interval

FULL_OVERDUE = timedelta(hours=26)
"""From the beginning of the newest complete full backup (B-1)."""
LATE = 2
"""Intervals after which a differential is overdue."""
READ_FRESH = timedelta(minutes=15)
"""Runs read longer ago say nothing of now."""
OVERSIZED = 2
"""A differential of at least this part of its full backup is none: the engine copies whole files."""
GRACE = timedelta(minutes=10)
"""After a due time, until a backup that did not begin is asked for."""
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=15), timedelta(hours=4)

Because = Literal["NeverRun", "Missed", "Failed"]


@dataclass(frozen=True, slots=True)
class BackupRun:
    """A backup as the engine reports it. `finished` is None while it runs; `stored` bytes, 0: not told."""

    kind: BackupKind
    started: datetime
    finished: datetime | None = None
    failed: bool = False
    stored: int = 0
    label: str = ""
    error: str = ""

    @property
    def completed(self) -> bool:
        """Whether it ended well."""
        return self.finished is not None and not self.failed


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs known at a time; `since`: from when on backups were to be made."""

    at: datetime
    since: datetime
    runs: tuple[BackupRun, ...] = ()

    def newest(self, *kinds: BackupKind) -> BackupRun | None:
        """The complete one that began last, of the kinds named or of any."""
        found = (run for run in self.runs if run.completed and (not kinds or run.kind in kinds))
        return max(found, key=lambda run: run.started, default=None)

    @property
    def failures(self) -> tuple[BackupRun, ...]:
        """Those that failed and that nothing has made good since, oldest first.

        A failed full backup is made good by a full one, any other by either.
        """
        every = [run for run in self.runs if run.failed and not self._made_good(run)]
        return tuple(sorted(every, key=lambda run: run.started))

    def _made_good(self, failed: BackupRun) -> bool:
        newest = self.newest("full") if failed.kind == "full" else self.newest()
        return newest is not None and newest.started > failed.started

    @property
    def running(self) -> bool:
        """Whether one runs now."""
        return any(run.finished is None for run in self.runs)


@dataclass(frozen=True, slots=True)
class Owed:
    """A backup to be asked for now, beside the engine's schedule."""

    kind: BackupKind
    because: Because


def schedule_met(
    known: Runs | None, full: Schedule, differential: Schedule, *, zone: str, now: datetime
) -> Condition:
    """Whether backups come as they are due. `known` is None where they could not be read."""
    kind = BACKUP_SCHEDULE_MET
    if known is None or now - known.at > READ_FRESH:
        return Condition(kind, "Unknown", "NotMeasured", "the engine's backups could not be read")
    newest_full, newest = known.newest("full"), known.newest()
    full_due, any_due = _dues(known, full, differential)
    text = f"next full backup due by {when(full_due, zone)}, any by {when(any_due, zone)}"
    if now >= full_due:
        reason = "FullOverdue" if newest_full else "NeverRun"
        text = f"full backup was due by {when(full_due, zone)}. Provider must act"
        return Condition(kind, "False", reason, text)
    if known.failures:
        last = known.failures[-1]
        text = f"{last.kind} backup of {when(last.started, zone)} failed: {last.error or 'no reason given'}"
        return Condition(kind, "False", "LastBackupFailed", f"{text}. Provider must act")
    if newest is None:
        return Condition(kind, "Unknown", "NeverRun", text)
    if now >= any_due:
        text = f"a differential was due by {when(any_due, zone)}. Provider must act"
        return Condition(kind, "False", "DifferentialOverdue", text)
    return _sized(known, text)


def next_due(known: Runs, full: Schedule, differential: Schedule, *, now: datetime) -> datetime | None:
    """When a backup is overdue that is not yet; None where all that can be are."""
    return min((due for due in _dues(known, full, differential) if due > now), default=None)


def _dues(known: Runs, full: Schedule, differential: Schedule) -> tuple[datetime, datetime]:
    """From when on a full backup is overdue, and any."""
    newest_full, newest = known.newest("full"), known.newest()
    full_due = (newest_full.started if newest_full else known.since) + FULL_OVERDUE
    any_due = (newest.started if newest else known.since) + LATE * interval(full, differential)
    return full_due, any_due


def _sized(known: Runs, text: str) -> Condition:
    """The schedule is met; whether the newest differential is as small as one should be."""
    full, last = known.newest("full"), known.newest("differential")
    if full and last and last.started > full.started and last.stored * OVERSIZED >= full.stored > 0:
        size = f"the newest differential has {last.stored:,} bytes, its full backup {full.stored:,}"
        return Condition(BACKUP_SCHEDULE_MET, "True", "Oversized", f"{size}; {text}")
    return Condition(BACKUP_SCHEDULE_MET, "True", "OnTime", text)


def owed(known: Runs, full: Schedule, differential: Schedule, *, zone: str, now: datetime) -> Owed | None:
    """What has to be asked for because the engine's own schedule did not bring it; None where nothing has.

    A failed backup is asked for again on the same day, at longer and longer distances.
    """
    if known.running:
        return None
    full_missed = _missed(known, full, ("full",), zone=zone, now=now)
    failures = known.failures
    if (again := retry_at(known)) is not None:
        wanted = full_missed or any(run.kind == "full" for run in failures)
        return Owed("full" if wanted else failures[-1].kind, "Failed") if now >= again else None
    if known.newest("full") is None:
        return Owed("full", "NeverRun")
    if full_missed:
        return Owed("full", "Missed")
    if _missed(known, differential, (), zone=zone, now=now):
        return Owed("differential", "Missed")
    return None


def retry_at(known: Runs) -> datetime | None:
    """From when a backup that failed may be asked for again; None where none did. The end of the last one
    that failed is known: it has failed."""
    failures = known.failures
    if not failures or (ended := failures[-1].finished) is None:
        return None
    wait: timedelta = FIRST_RETRY * 2 ** min(len(failures) - 1, 10)
    return ended + min(wait, LONGEST_RETRY)


def _missed(
    known: Runs, schedule: Schedule, kinds: tuple[BackupKind, ...], *, zone: str, now: datetime
) -> bool:
    """Whether nothing of the kinds began at or after the last due time that is past its grace."""
    passed = now - GRACE
    due = max(due_times(schedule, zone, after=passed - 2 * DAY, until=passed), default=None)
    newest = known.newest(*kinds)
    return due is not None and due > known.since and (newest is None or newest.started < due)


def days_without_full(
    runs: Iterable[BackupRun], zone: str, *, since: datetime, until: datetime
) -> Iterator[date]:
    """The whole days of the zone between two instants on which no full backup began that completed (B-1)."""
    held = {local(run.started, zone).date() for run in runs if run.kind == "full" and run.completed}
    day = local(since, zone).date() + DAY
    while day < local(until, zone).date():
        if day not in held:
            yield day
        day += DAY
