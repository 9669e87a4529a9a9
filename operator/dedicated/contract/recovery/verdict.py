"""From the agent's report to conditions: what may be believed of it, what it says now, when that changes.

A report is of its time. It is judged anew at each pass, against the clock of now, so that one that comes no
more turns `Unknown` by itself, and `False` where time alone makes it so. One of an earlier incarnation says
nothing of this one's data, and one from the future nothing at all: the clocks of two nodes differ by a
little, and a report that is ahead by more would promise what is not there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dedicated.api.conditions import (
    BACKUP_SCHEDULE_MET,
    FAILOVER_READY,
    RPO_MET,
    WAL_ARCHIVING,
    WAL_CONTINUOUS,
    Condition,
)
from dedicated.contract import failover
from dedicated.contract.dates import earliest, when
from dedicated.contract.failover import DatabasePod, failover_ready
from dedicated.contract.recovery.conditions import next_change, rpo_met, wal_archiving, wal_continuous
from dedicated.contract.recovery.objectives import RecoveryObjectives
from dedicated.contract.recovery.report import Report
from dedicated.contract.recovery.runs import READ_FRESH, BackupRun, Runs, next_due, schedule_met
from dedicated.contract.recovery.schedule import Schedule

TOLERANCE = timedelta(seconds=5)
"""By how much the clock of the agent may be ahead of ours."""
JUDGED = (RPO_MET, WAL_ARCHIVING, WAL_CONTINUOUS, BACKUP_SCHEDULE_MET, FAILOVER_READY)
"""What a report is judged for, in the order of the status."""
FRESH_BACKUP = timedelta(minutes=15)
"""How young a backup must be before maintenance begins (M-14)."""


@dataclass(frozen=True, slots=True)
class Promised:
    """What is promised of an instance's backups now, and from when on they were to be made.

    `told` are backups that the engine tells of and the repository cannot: those that failed, or run;
    `standbys` are to stream.
    """

    objectives: RecoveryObjectives
    full: Schedule
    differential: Schedule
    zone: str
    since: datetime | None
    told: tuple[BackupRun, ...] = ()
    standbys: int = 0


def doubt(report: Report | None, *, incarnation: str, zone: str, now: datetime) -> str:
    """Why nothing is taken from a report; empty where it is believed."""
    if report is None:
        return "the recovery agent has not reported yet"
    if report.incarnation != incarnation:
        return f"the report is of incarnation {report.incarnation}, not of this one"
    if report.written > now + TOLERANCE:
        return f"the report is of {when(report.written, zone)}: the agent's clock is ahead"
    if any(at > report.written + TOLERANCE for at in _instants(report)):
        return f"the report of {when(report.written, zone)} tells of later than itself"
    return ""


def _instants(report: Report) -> Iterator[datetime]:
    """What a report says to be known as of when."""
    if report.found is not None:
        yield report.found.listed_at
        if report.found.newest is not None:
            yield report.found.newest
    if report.memory.latest is not None:
        yield report.memory.latest.at
    if report.replication is not None:
        yield report.replication.at


def condensed(report: Report) -> Report:
    """The report with those backups only that a judgement asks for: a fleet has a thousand reports."""
    runs = _runs(report, since=None)
    newest = (runs.newest(), runs.newest("full"), runs.newest("differential"))
    asked = {run for run in newest if run is not None}
    asked |= {run for run in report.backups if run.finished is None} | {*runs.failures}
    return replace(report, backups=tuple(run for run in report.backups if run in asked))


def runs_of(report: Report, promised: Promised) -> Runs | None:
    """The backups as report and engine have them; None where the repository was not listed."""
    if report.found is None:
        return None
    found = _runs(report, since=promised.since)
    return replace(found, runs=(*found.runs, *promised.told))


def _runs(report: Report, *, since: datetime | None) -> Runs:
    listed = report.found.listed_at if report.found else report.written
    return Runs(listed, since or report.written, report.backups)


def conditions(
    report: Report, promised: Promised, pods: Sequence[DatabasePod], *, now: datetime
) -> tuple[Condition, ...]:
    """What a report that is believed says now."""
    found, memory, zone = report.found, report.memory, promised.zone
    return (
        rpo_met(found, memory, promised.objectives, zone=zone, now=now),
        wal_archiving(found, memory, promised.objectives, zone=zone, now=now),
        wal_continuous(found, zone=zone, now=now),
        schedule_met(runs_of(report, promised), promised.full, promised.differential, zone=zone, now=now),
        failover_ready(report.replication, pods, wanted=promised.standbys, zone=zone, now=now),
    )


def changes_at(report: Report, promised: Promised, *, now: datetime) -> datetime | None:
    """When one of them changes next although nothing happens; None if none does."""
    runs = runs_of(report, promised)
    changes = [
        next_change(report.found, report.memory, promised.objectives, now=now),
        failover.next_change(report.replication, report.failover, now=now),
    ]
    if runs is not None:
        stale = runs.at + READ_FRESH + timedelta(seconds=1)
        changes += [stale] if stale > now else []
        changes.append(next_due(runs, promised.full, promised.differential, now=now))
    return earliest(*changes)


def fresh_backup(report: Report, *, now: datetime) -> BackupRun | None:
    """The backup that makes maintenance safe to begin: complete, and begun less than 15 minutes ago (M-14).

    Any kind will do: a full one holds all that a differential would.
    """
    newest = _runs(report, since=None).newest()
    return newest if is_fresh(newest, at=now) else None


def is_fresh(run: BackupRun | None, *, at: datetime) -> bool:
    """Whether a maintenance may begin at an instant with this as the newest complete backup."""
    return run is not None and at - run.started < FRESH_BACKUP
