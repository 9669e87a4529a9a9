"""What is said of an instance's drills in a pass: `RestoreProven`, its finding, the last drill in the status.

Judged from records alone, so that it holds while nobody reports; only the next due needs a report.
"""

from dataclasses import dataclass
from datetime import datetime

from dedicated.api.backup import Drill
from dedicated.api.conditions import Condition, rfc3339, shorten
from dedicated.api.duration import duration_text
from dedicated.api.findings import Finding
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.resource import Instance
from dedicated.contract.dates import earliest
from dedicated.contract.facts import Drilled
from dedicated.contract.recovery.drills import (
    FOUND_LENGTH,
    Drills,
    DrillScheduleError,
    due_slot,
    known_drills,
    next_change,
    parse_drills,
    restore_proven,
)
from dedicated.contract.recovery.dumps import FAILED, with_dump
from dedicated.contract.recovery.report import Report
from dedicated.reconcile.databases import DatabaseView
from dedicated.reconcile.observed import Observed


@dataclass(frozen=True, slots=True)
class Proving:
    """The condition, its finding where it is False, the last drill, and when one of them changes."""

    condition: Condition
    findings: tuple[Finding, ...]
    last: Manifest | None
    wake_at: datetime | None


def drills_of(instance: Instance, view: DatabaseView, zone: str) -> Drills:
    """What holds of an instance's drills. A schedule that cannot be read is the contract's own until it is
    corrected."""
    assert instance.spec.backup is not None
    try:
        return _parsed(instance, instance.spec.backup.drill, view, zone)
    except DrillScheduleError:
        return _parsed(instance, Drill(), view, zone)


def _parsed(instance: Instance, drill: Drill, view: DatabaseView, zone: str) -> Drills:
    identity = f"{instance.meta.key} {instance.incarnation}"
    return parse_drills(drill, restore_time=view.objectives.restore_time, zone=zone, identity=identity)


def proving(
    instance: Instance,
    observed: Observed,
    view: DatabaseView,
    report: Report | None,
    *,
    zone: str,
    now: datetime,
) -> Proving:
    """What is said of the drills of an instance whose database an engine runs."""
    drills, held = drills_of(instance, view, zone), known_drills(observed.facts)
    since = observed.engine.cluster.created if observed.engine.cluster else None
    slot, upcoming = due_slot(drills, held, full=full_backup(report), now=now)
    dumps = known_drills(observed.facts, logical=True)
    condition = restore_proven(drills, held, since=since, upcoming=None if slot else upcoming, now=now)
    condition = with_dump(condition, dumps[-1] if dumps else None, zone=zone)
    return Proving(
        condition,
        (_finding(condition),) if condition.status == "False" else (),
        _told(held[-1]) if held else None,
        earliest(next_change(drills, held, since=since, now=now), upcoming),
    )


def full_backup(report: Report | None) -> datetime | None:
    """When the newest full backup was done."""
    runs = report.backups if report else ()
    done = (run.finished for run in runs if run.kind == "full" and run.completed and run.finished)
    return max(done, default=None)


def _finding(condition: Condition) -> Finding:
    return Finding(
        code="RestoreNotProven",
        responsible="Provider",
        message=condition.message.replace(". Provider must act", ""),
        action="mend the cause, and have a drill held: dedicated drill"
        + (" --logical" if condition.reason == FAILED else ""),
    )


def _told(last: Drilled) -> Manifest:
    """`status.recovery.lastDrill`."""
    found: dict[str, JsonValue] = {
        "at": rfc3339(last.ended),
        "restore": last.restore,
        "passed": last.passed,
        "reason": last.reason,
        "found": shorten(last.found, FOUND_LENGTH),
        "restoredTo": rfc3339(last.restored_to) if last.restored_to else None,
        "shortfall": duration_text(last.shortfall) if last.shortfall else None,
        "took": duration_text(last.took) if last.took is not None else None,
        "events": last.events,
        "keysOpened": f"{last.keys_opened} of {last.keys}",
    }
    return {key: value for key, value in found.items() if value is not None}
