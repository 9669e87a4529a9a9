"""Recoverability in a pass: the agent's report, judged, as conditions, findings and `status.recovery`.

The newest recoverable point advances with each report, every minute; the status follows every five, unless
something else changes: then all of it is told anew. What is published is instants, so that it is right
whenever it is read; who reads a `measuredAt` that is older than `STALE` knows that nobody measures any more.
With engine `external` nothing is judged: its provider answers for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dedicated.api.backup import DifferentialBackup, FullBackup
from dedicated.api.conditions import (
    BACKUP_ENCRYPTED,
    BACKUP_SCHEDULE_MET,
    DATA_PROTECTED,
    FAILOVER_READY,
    RESTORE_PROVEN,
    RPO_MET,
    WAL_ARCHIVING,
    WAL_CONTINUOUS,
    Condition,
    condition_in,
    parse_time,
)
from dedicated.api.findings import Finding
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.resource import Instance
from dedicated.api.store import Store
from dedicated.contract import failover
from dedicated.contract.dates import earliest, when
from dedicated.contract.failover import DatabasePod
from dedicated.contract.recovery import store
from dedicated.contract.recovery.conditions import aggregate
from dedicated.contract.recovery.report import Report, Trouble
from dedicated.contract.recovery.schedule import parse_schedule
from dedicated.contract.recovery.verdict import JUDGED, Promised, changes_at, conditions, doubt
from dedicated.contract.residency import STORING
from dedicated.parts.database.engine import COMPONENT, ClusterState
from dedicated.reconcile.databases import POLICY_REMEDY, DatabaseView
from dedicated.reconcile.obligations import Obligations
from dedicated.reconcile.observed import Observed
from dedicated.reconcile.proving import proving
from dedicated.reconcile.recovery_status import MOVING, recovery_status

PUBLISHED_EVERY = timedelta(minutes=5)
"""Between two writes of the status that tell of nothing but time."""
STALE = timedelta(minutes=10)
"""A report that is older is told as missing: the longest that one at rest is old, and as much again."""
EXTERNAL = "engine external: its provider answers for backups and failover, and nothing is measured here"
_WHAT = {
    RPO_MET: ("RecoveryPointMissed", "find out by dedicated recovery what is not archived, and mend it"),
    WAL_ARCHIVING: ("LogNotArchived", "read the database's log: the archive command tells why it fails"),
    WAL_CONTINUOUS: ("LogHasGap", "have a differential backup made: it closes the gap"),
    BACKUP_SCHEDULE_MET: ("BackupMissing", "have the backup made, and find out why it was not"),
    FAILOVER_READY: ("FailoverNotReady", "bring the standby back: see why its pod does not follow"),
}
_REMEDY = {
    "StandbyDiverged": "clone the standby anew before the next fault, as docs/recovery.md says; it must "
    "not be promoted",
}
"""What to do for a reason, where it differs."""
"""Of each condition: the finding's code where it is False, and what to do. The store's are its own."""


CODES = frozenset(
    {
        *(code for code, _ in _WHAT.values()),
        *("AgentMissing", "RecoveryNotMeasured", "FailoverTooSlow", "ClocksDiffer", "RestoreNotProven"),
        *("DatabaseNotReached", "RepositoryNotReached", "StoreNotReached"),
        *("StoreNotChecked", "StoreNotReadable", "StoreNotWritable", "StorePublic"),
        *("StoreNotVersioned", "StoreNotLocked", "BackupNotEncrypted", "BackupEncryptionUnknown"),
        *("ObjectiveImpossible", "ScheduleInvalid", "DifferentialsTooRare", "DifferentialsNotMoreOften"),
    }
)
"""Codes of the findings about recoverability."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is said of recoverability.

    `report` is what was believed, None where nothing was or the engine is external, and `managed` tells these
    two apart. `status` is `status.recovery`.
    """

    managed: bool
    report: Report | None
    promised: Promised | None
    conditions: tuple[Condition, ...]
    findings: tuple[Finding, ...]
    status: Manifest | None
    wake_at: datetime | None

    @property
    def stores(self) -> tuple[Store, ...]:
        """What is known of the places of the backups."""
        return self.report.stores if self.report else ()

    def condition(self, kind: str) -> Condition:
        """One of the conditions."""
        return next(one for one in self.conditions if one.type == kind)


def judge(
    instance: Instance,
    observed: Observed,
    owed: Obligations,
    view: DatabaseView,
    *,
    now: datetime,
) -> Recovery:
    """Judge what the agent reported, by the objectives and schedules in `view`."""
    backup, kept, zone = instance.spec.backup, observed.recovery, owed.terms.zone
    if backup is None:
        kinds = (DATA_PROTECTED, *JUDGED, BACKUP_ENCRYPTED, RESTORE_PROVEN)
        unknown = tuple(Condition(kind, "Unknown", "NotMeasured", EXTERNAL) for kind in kinds)
        return Recovery(False, None, None, unknown, (), None, None)
    terms = _promised(instance, view, observed, zone)
    report = kept.report if kept else None
    without = _without_agent(observed)
    why = without.message if without else doubt(report, incarnation=instance.incarnation, zone=zone, now=now)
    believed = None if why else report
    last = believed.written if believed else terms.since
    stores = believed.stores if believed else ()
    encrypted = store.backup_encrypted(backup, stores, zone=zone, now=now)
    proven = proving(instance, observed, view, believed, zone=zone, now=now)
    told = (without,) if without else store.check(
        backup, stores, infrastructure=instance.spec.infrastructure, zone=zone, now=now
    )
    silent = tuple(_missing(last, why or "nobody knows what could be restored", zone, now))
    due = last + STALE if last is not None and not silent else None
    if believed is None:
        judged = tuple(Condition(kind, "Unknown", "NotMeasured", why) for kind in JUDGED)
        every = (*judged, encrypted, proven.condition)
        findings = (*told, *silent, *proven.findings)
        return Recovery(True, None, terms, every, findings, None, earliest(due, proven.wake_at))
    pods = _pods(observed)
    judged, status = _held(
        (*conditions(believed, terms, pods, now=now), encrypted),
        recovery_status(believed, terms, pods, proven.last),
        instance.meta.status,
    )
    told_of = _findings(believed, terms, judged, observed.engine.cluster, now)
    return Recovery(
        managed=True,
        report=believed,
        promised=terms,
        conditions=(*judged, proven.condition),
        findings=(*told, *silent, *told_of, *proven.findings),
        status=status,
        wake_at=earliest(
            due,
            changes_at(believed, terms, now=now),
            store.next_change(stores, now=now),
            proven.wake_at,
        ),
    )


def with_whole(found: Recovery, *, policy: Condition, kept: Condition) -> Recovery:
    """The same, with `DataProtected` before the conditions that it stands for.

    It counts those of recoverability but for failover, which loses no data, what the engine offers, and
    whether the keys are kept, since a backup without them is worth nothing. An external database is not
    judged, nor a first drill that is still to come.
    """
    if not found.managed:
        return found
    every = (*found.conditions, policy, kept)
    whole = aggregate(
        one
        for one in every
        if one.type != FAILOVER_READY and (one.type, one.status) != (RESTORE_PROVEN, "Unknown")
    )
    if policy.status == "False":
        whole = replace(whole, message=f"{whole.message}. {POLICY_REMEDY}")
    return replace(found, conditions=(whole, *found.conditions))


def _findings(
    report: Report,
    terms: Promised,
    judged: tuple[Condition, ...],
    cluster: ClusterState | None,
    now: datetime,
) -> Iterator[Finding]:
    for condition in judged:
        if condition.status == "False" and condition.type in _WHAT:
            code, action = _WHAT[condition.type]
            action = _REMEDY.get(condition.reason, action)
            text = condition.message.replace(". Provider must act", "")
            yield Finding(code=code, responsible="Provider", message=text, action=action)
    for trouble in report.troubles:
        yield _trouble(trouble, terms.zone, cluster)
    objective = terms.objectives.failover_rto
    yield from failover.findings(report.failover, objective=objective, zone=terms.zone, now=now)


def _promised(instance: Instance, view: DatabaseView, observed: Observed, zone: str) -> Promised:
    """What is judged by. A schedule that cannot be read is the contract's own until it is corrected. Of the
    engine's runs, those that failed or run: that one succeeded is believed when the repository lists it."""
    kept, runs = observed.recovery, (item.run for item in observed.engine.runs)
    return Promised(
        objectives=view.objectives,
        full=view.full or parse_schedule(FullBackup().schedule),
        differential=view.differential or parse_schedule(DifferentialBackup().schedule),
        zone=zone,
        since=kept.made if kept else None,
        told=tuple(run for run in runs if not run.completed),
        standbys=instance.spec.database.cluster.instances - 1 if instance.spec.database.cluster else 0,
    )


def _without_agent(observed: Observed) -> Finding | None:
    """Why there is no agent that could report; None where there is one. Nobody looks at the place of the
    backups then, so nothing new is stored there (D-1, D-2)."""
    if observed.agent_image:
        return None
    return Finding(
        code="AgentMissing",
        responsible="Provider",
        message="no recovery agent: the operator was started without --agent-image",
        action="set --agent-image to the operator's own image, as its chart does",
        blocks=STORING,
    )


def _pods(observed: Observed) -> tuple[DatabasePod, ...]:
    zones = {node.name: node.zone for node in observed.nodes or ()}
    return tuple(
        DatabasePod(pod.name, zones.get(pod.node, ""), pod.ready_since, pod.address)
        for pod in observed.pods
        if pod.component == COMPONENT and not pod.deleting
    )


def _held(
    judged: tuple[Condition, ...], status: Manifest, before: Manifest
) -> tuple[tuple[Condition, ...], Manifest]:
    """Words and instants as they were published, while nothing but time has changed since."""
    known = get_map(before, "recovery")
    told, measured = parse_time(get_str(known, "measuredAt")), parse_time(get_str(status, "measuredAt"))
    if told is None or measured is None or not told <= measured < told + PUBLISHED_EVERY:
        return judged, status
    if _firm(known) != _firm(status):
        return judged, status
    published = [condition_in(before, one.type) for one in judged]
    for one, old in zip(judged, published, strict=True):
        if (one.status, one.reason) != (get_str(old, "status"), get_str(old, "reason")):
            return judged, status
    held = zip(judged, published, strict=True)
    return tuple(replace(one, message=get_str(old, "message")) for one, old in held), known


def _firm(status: Manifest) -> Manifest:
    return {key: value for key, value in status.items() if key not in MOVING}


def _missing(since: datetime | None, why: str, zone: str, now: datetime) -> Iterator[Finding]:
    """The finding that the agent tells nothing that is believed."""
    if since is not None and now >= since + STALE:
        yield Finding(
            code="RecoveryNotMeasured",
            responsible="Provider",
            message=f"no report of the recovery agent since {when(since, zone)}: {why} (B-3)",
            action="look at the agent's pod, and at its way to the API server",
        )


def _trouble(trouble: Trouble, zone: str, cluster: ClusterState | None) -> Finding:
    """The engine often knows why its database is away, such as that its volume is full."""
    known = trouble.what == "Database" and cluster is not None and not cluster.ready
    engine = f"; its engine says: {cluster.message}" if known and cluster else ""
    return Finding(
        code="ClocksDiffer" if trouble.what == "Clock" else f"{trouble.what}NotReached",
        responsible="Provider",
        message=f"the recovery agent has trouble with the {trouble.what.lower()} since "
        f"{when(trouble.since, zone)}: {trouble.cause}{engine}",
        action="mend the cause; the agent goes on by itself",
    )
