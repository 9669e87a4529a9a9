"""`status.recovery`: what a report came to, as facts with their times."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from dedicated.api.conditions import rfc3339, shorten
from dedicated.api.duration import duration_text
from dedicated.api.json import JsonValue, Manifest
from dedicated.contract.failover import (
    SYNCHRONOUS,
    DatabasePod,
    Standing,
    by_pod,
    outage,
    standings,
    zone_of,
)
from dedicated.contract.recovery.points import Rates, Recoverability
from dedicated.contract.recovery.report import Failover, Replication, Report
from dedicated.contract.recovery.runs import BackupRun, Runs
from dedicated.contract.recovery.verdict import Promised, runs_of
from dedicated.contract.recovery.wal import Segment, position_text, segment_name

MOVING = frozenset({"measuredAt", "newestRecoverablePoint", "frontier", "estimatedRestore"})
"""What moves by itself while all is well."""
GAPS_SHOWN = 10
MINUTE = timedelta(minutes=1)


def recovery_status(
    report: Report, promised: Promised, pods: Sequence[DatabasePod], drill: Manifest | None = None
) -> Manifest:
    """The field, without what is not known. `drill` is the last one."""
    runs = runs_of(report, promised)
    found: Manifest = {
        "measuredAt": rfc3339(report.written),
        "objective": duration_text(promised.objectives.disaster_rpo),
        **(_points(report.found) if report.found else {}),
        **(_backups(runs) if runs else {}),
    }
    if report.replication is not None:
        found["replication"] = _replication(report.replication, pods)
    if report.failover is not None:
        found["lastFailover"] = _failover(report.failover)
    if drill is not None:
        found["lastDrill"] = drill
    return found


def _points(found: Recoverability) -> Manifest:
    restore = found.restore_time(Rates())
    points: dict[str, JsonValue] = {
        "newestRecoverablePoint": _time(found.newest),
        "earliestRecoverablePoint": _time(found.earliest),
        "frontier": None if found.frontier is None else position_text(found.frontier),
        "timeline": found.timeline,
        # In whole minutes, up: it moves with every segment.
        "estimatedRestore": None if restore is None else duration_text(-(-restore // MINUTE) * MINUTE),
    }
    gaps: list[JsonValue] = [
        f"{segment_name(Segment(found.timeline, gap.first))[8:]}, {gap.count} segments"
        for gap in found.gaps[:GAPS_SHOWN]
    ]
    known: Manifest = {key: value for key, value in points.items() if value is not None}
    return {**known, "gaps": gaps}


def _backups(runs: Runs) -> Manifest:
    newest = (("lastFull", runs.newest("full")), ("lastDifferential", runs.newest("differential")))
    found: Manifest = {key: _backup(run) for key, run in newest if run is not None}
    if runs.failures:
        found["lastFailure"] = _backup(runs.failures[-1])
    return found


def _backup(run: BackupRun) -> Manifest:
    found: dict[str, JsonValue] = {
        "kind": run.kind,
        "started": rfc3339(run.started),
        "finished": _time(run.finished),
        "label": run.label or None,
        "bytes": run.stored or None,
        "error": shorten(run.error, 500) or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _replication(known: Replication, pods: Sequence[DatabasePod]) -> Manifest:
    known = by_pod(known, pods)
    every = standings(known, pods)
    good = [one for one in every if one.state == "Streaming" and one.sync in SYNCHRONOUS]
    together: list[JsonValue] = [{"name": one.name, "zone": one.zone} for one in good]
    return {
        "primary": {"name": known.primary, "zone": zone_of(known.primary, pods)},
        "timeline": known.timeline,
        "synchronous": together[:GAPS_SHOWN],
        "standbys": [_standby(one) for one in every[:GAPS_SHOWN]],
    }


def _standby(one: Standing) -> Manifest:
    found: dict[str, JsonValue] = {
        "name": one.name,
        "zone": one.zone,
        "state": one.state,
        "sync": one.sync or None,
        "timeline": one.timeline or None,
        "since": _time(one.since) if one.state != "Streaming" else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _failover(last: Failover) -> Manifest:
    return {
        "at": rfc3339(last.first_after),
        "outage": duration_text(outage(last)),
        "timeline": last.timeline,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
