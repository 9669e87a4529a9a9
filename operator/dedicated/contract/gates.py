"""The gates before a run (M-14): each answers Passed, Failed or NotApplicable, with its reason and figure.

A gate that fails delays the run and is told; the month then counts as permitted, not as refused. The backup
gates are the recovery point, the continuity of WAL and a fresh differential, not all that protects the data:
an overdue drill never blocks a security patch.
What is not known of them holds the run as what is not so does.
Limit: engine `external` has no source of recoverability, so its backup gates are NotApplicable. That stands
in the record of the start, and in a finding, before anything runs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.catalogue import Catalogue
from dedicated.api.conditions import Condition, shorten
from dedicated.api.findings import Finding
from dedicated.api.record import REASON_LENGTH, Gate, GateResult
from dedicated.contract.dates import when
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.verdict import FRESH_BACKUP
from dedicated.contract.releases import end_of_support
from dedicated.contract.runs import Standing

PERMISSION = "Permission"
TIME_LEFT = "TimeLeft"
RECOVERY_POINT = "RecoveryPointObjectiveMet"
WAL_CONTINUOUS = "WalContinuous"
DIFFERENTIAL = "FreshDifferential"
REPLICAS = "ReplicasHealthy"
VERSION = "VersionSupported"
BACKUP = (RECOVERY_POINT, WAL_CONTINUOUS, DIFFERENTIAL)
NO_SOURCE = "engine external: nothing tells whether its database can be recovered"


@dataclass(frozen=True, slots=True)
class Protection:
    """What the backup gates ask: the conditions of recovery point and continuity, and the backup that is
    fresh enough, None where none is."""

    recovery_point: Condition
    continuous: Condition
    fresh: BackupRun | None


@dataclass(frozen=True, slots=True)
class Replicas:
    """Ready pods of one component, of those wanted."""

    component: str
    ready: int
    wanted: int


def gates(
    found: Standing,
    *,
    replicas: tuple[Replicas, ...],
    protection: Protection | None,
    version: str,
    catalogue: Catalogue,
    zone: str,
    now: datetime,
) -> tuple[Gate, ...]:
    """Every gate of a request that is in its slot. `version` is the release that the run leaves behind,
    `protection` None where nothing tells of the database."""
    return (
        _permission(found),
        _time_left(found, now),
        *_backup(protection, zone),
        _replicas(replicas),
        _version(version, catalogue, zone=zone, now=now),
    )


def failed(found: tuple[Gate, ...]) -> Gate | None:
    """The first gate that keeps the run from starting, or None."""
    return next((gate for gate in found if gate.result == "Failed"), None)


def finding(found: Standing, results: tuple[Gate, ...]) -> tuple[Finding, ...]:
    """What is to be said of gates before, and while, the run is due."""
    told: list[Finding] = []
    held = failed(results)
    if held is not None and found.slot is not None:
        told.append(
            Finding(
                code="MaintenanceGateFailed",
                responsible="Provider",
                message=f"{found.request.name} does not start: {held.gate}: {held.reason} (M-14)",
                action="mend it before the slot has too little time left",
                deadline=found.wake_at,
            )
        )
    if any(gate.gate in BACKUP and gate.result == "NotApplicable" for gate in results):
        told.append(
            Finding(
                code="RecoverabilityUnknown",
                responsible="Customer",
                message=f"{found.request.name} runs without {', '.join(BACKUP)}: {NO_SOURCE} (M-14)",
                action="make sure of a fresh backup of the database before the slot begins",
                deadline=found.slot.start if found.slot and found.phase == "Scheduled" else None,
            )
        )
    return tuple(told)


def _permission(found: Standing) -> Gate:
    if found.slot is None or found.phase != "Gates":
        return Gate(gate=PERMISSION, result="Failed", reason="no permitted slot is open")
    words = {"Record": "by record of the customer", "Window": "by an agreed window", "Plan": "by the plan"}
    return Gate(gate=PERMISSION, result="Passed", reason=words[found.slot.basis])


def _time_left(found: Standing, now: datetime) -> Gate:
    needs = found.request.notified.duration
    left = found.slot.end - now if found.slot else timedelta(0)
    text = f"{_minutes(left)} left, {_minutes(needs)} needed"
    return Gate(gate=TIME_LEFT, result="Passed" if left >= needs else "Failed", reason=text)


def _backup(protection: Protection | None, zone: str) -> tuple[Gate, ...]:
    if protection is None:
        return tuple(Gate(gate=name, result="NotApplicable", reason=NO_SOURCE) for name in BACKUP)
    fresh = protection.fresh
    limit = _minutes(FRESH_BACKUP)
    text = f"no backup that completed began within {limit}"
    if fresh is not None:
        text = f"{fresh.kind} of {when(fresh.started, zone)}, at most {limit} old"
    return (
        _by_condition(RECOVERY_POINT, protection.recovery_point),
        _by_condition(WAL_CONTINUOUS, protection.continuous),
        Gate(gate=DIFFERENTIAL, result="Passed" if fresh else "Failed", reason=text),
    )


def _by_condition(gate: str, found: Condition) -> Gate:
    result: GateResult = "Passed" if found.status == "True" else "Failed"
    return Gate(gate=gate, result=result, reason=shorten(f"{found.reason}: {found.message}", REASON_LENGTH))


def _replicas(replicas: tuple[Replicas, ...]) -> Gate:
    text = ", ".join(f"{item.component} {item.ready}/{item.wanted} ready" for item in replicas)
    whole = bool(replicas) and all(item.ready >= item.wanted for item in replicas)
    return Gate(gate=REPLICAS, result="Passed" if whole else "Failed", reason=text)


def _version(version: str, catalogue: Catalogue, *, zone: str, now: datetime) -> Gate:
    entry = catalogue.entry(version)
    end = end_of_support(entry, zone) if entry else None
    if entry is None:
        text = f"{version} is not in the release catalogue"
        return Gate(gate=VERSION, result="Failed", reason=text)
    if end is None:
        text = f"the release catalogue has no supportedUntil for {version}"
        return Gate(gate=VERSION, result="NotApplicable", reason=text)
    text = f"{version} until {entry.supported_until}"
    return Gate(gate=VERSION, result="Passed" if now < end else "Failed", reason=text)


def _minutes(length: timedelta) -> str:
    return f"{max(0, int(length.total_seconds()) // 60)} min"
