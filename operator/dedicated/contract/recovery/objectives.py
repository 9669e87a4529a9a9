"""What is promised of recovery (B-2 to B-5), and that a spec may only tighten it (B-7, K-9)."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import timedelta

from dedicated.api.backup import Backup
from dedicated.api.duration import duration_text, parse_duration
from dedicated.api.findings import Finding

ARCHIVE_PART = 4
"""The log is archived at least this many times within the disaster RPO."""
FASTEST_RESTORE = timedelta(hours=1)
"""The shortest restore time that may be promised (B-4)."""


@dataclass(frozen=True, slots=True)
class RecoveryObjectives:
    """Objectives, by default the contract's own.

    `disaster_rpo`: lost at most when all copies of the database are lost (B-3). `restore_time`: a restore is
    done within (B-4). `failover_rpo`, `failover_rto`: of the loss of one pod, node or zone (B-5).
    `archive_interval`: the log is archived at least so often (B-2).
    """

    disaster_rpo: timedelta = timedelta(hours=1)
    restore_time: timedelta = timedelta(hours=4)
    failover_rpo: timedelta = timedelta(minutes=1)
    failover_rto: timedelta = timedelta(minutes=1)
    archive_interval: timedelta = timedelta(seconds=60)


CONTRACT = RecoveryObjectives()
PLACES = {
    "disaster_rpo": ("B-3", "backup.objectives.disasterRPO"),
    "restore_time": ("B-4", "backup.objectives.restoreTime"),
    "failover_rpo": ("B-5", "backup.objectives.failoverRPO"),
    "failover_rto": ("B-5", "backup.objectives.failoverRTO"),
    "archive_interval": ("B-2", "backup.wal.archiveInterval"),
}
"""Of each objective: its clause, and its field in the spec."""


def objectives_wanted(backup: Backup) -> RecoveryObjectives:
    """The objectives that a spec states."""
    stated = backup.objectives
    return RecoveryObjectives(
        disaster_rpo=parse_duration(stated.disaster_rpo),
        restore_time=parse_duration(stated.restore_time),
        failover_rpo=parse_duration(stated.failover_rpo),
        failover_rto=parse_duration(stated.failover_rto),
        archive_interval=parse_duration(backup.wal.archive_interval),
    )


def objectives_in_force(
    wanted: RecoveryObjectives, *, agreed: Collection[str]
) -> tuple[RecoveryObjectives, tuple[Finding, ...]]:
    """What holds of the objectives wanted, and what is to be said about it.

    `agreed` are the clauses of which a looser value holds now. Elsewhere the contract's own stays in force.
    """
    found: list[Finding] = []
    values: dict[str, timedelta] = {}
    for field in fields(RecoveryObjectives):
        name, (clause, place) = field.name, PLACES[field.name]
        value, limit = getattr(wanted, name), getattr(CONTRACT, name)
        loose = value > limit and clause not in agreed
        values[name] = limit if loose else value
        if loose:
            found.append(_not_agreed(place, clause, duration_text(value), duration_text(limit)))
    held = RecoveryObjectives(**values)
    if held.restore_time < FASTEST_RESTORE:
        least = f"at least {duration_text(FASTEST_RESTORE)}"
        found.append(_refused("restore_time", held.restore_time, least))
        held = RecoveryObjectives(**{**values, "restore_time": FASTEST_RESTORE})
    most = held.disaster_rpo / ARCHIVE_PART
    if held.archive_interval > most:
        why = f"at most a quarter of disasterRPO, {duration_text(most)}"
        found.append(_refused("archive_interval", held.archive_interval, why))
    return held, tuple(found)


def _not_agreed(place: str, clause: str, value: str, limit: str) -> Finding:
    return Finding(
        code="AgreementNotValid",
        responsible="Provider",
        message=f"spec.{place} is {value}, the contract's is {limit} ({clause}); no agreement on {clause} is "
        f"in force, so {limit} stays",
        action=f"record the agreement, or set it to at most {limit}",
    )


def _refused(name: str, value: timedelta, must: str) -> Finding:
    clause, place = PLACES[name]
    return Finding(
        code="ObjectiveImpossible",
        responsible="Provider",
        message=f"spec.{place} is {duration_text(value)}; it must be {must} ({clause})",
        action=f"set it to {must}",
    )
