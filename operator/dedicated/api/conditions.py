"""Condition types and reasons of `DedicatedInstance`, in the shape of `metav1.Condition`.

These names are an interface: people select, wait and alert on them. A condition is present from the
first sight of an object; what was not measured is `Unknown`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str

Status = Literal["True", "False", "Unknown"]

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
AVAILABLE = "Available"
HIGHLY_AVAILABLE = "HighlyAvailable"
PREREQUISITES_MET = "PrerequisitesMet"
UP_TO_DATE = "UpToDate"
VERSION_SUPPORTED = "VersionSupported"
UNMODIFIED = "Unmodified"
REGULAR_PERMITTED = "RegularMaintenancePermitted"
EMERGENCY_PERMITTED = "EmergencyMaintenancePermitted"
WITHIN_QUARTER = "MaintenanceWithinQuarter"
ESCALATION_DUE = "EscalationDue"
TERMINATION_PERMITTED = "TerminationPermitted"
SERVICE_LEVEL_IN_FORCE = "ServiceLevelInForce"
SERVICE_LEVEL_MET = "ServiceLevelMet"
DATA_PROTECTED = "DataProtected"
RPO_MET = "RecoveryPointObjectiveMet"
WAL_ARCHIVING = "WalArchiving"
WAL_CONTINUOUS = "WalContinuous"
BACKUP_SCHEDULE_MET = "BackupScheduleMet"
BACKUP_ENCRYPTED = "BackupEncrypted"
RESTORE_PROVEN = "RestoreProven"
DATA_LOCATION_COMPLIANT = "DataLocationCompliant"
ENGINE_VERIFIED = "EngineVerified"
BACKUP_POLICY_SATISFIED = "BackupPolicySatisfied"
FAILOVER_READY = "FailoverReady"
KEYS_ESCROWED = "KeysEscrowed"
RATE_LIMIT_CONFIGURED = "RateLimitConfigured"
RATE_LIMIT_ENFORCED = "RateLimitEnforced"
RATE_LIMIT_EXACT = "RateLimitExact"
CLIENT_ADDRESS_TRUSTED = "ClientAddressTrusted"
RATE_LIMIT_CAPACITY = "RateLimitCapacity"
TEST_CLOCK = "TestClock"
"""Stands, and is True, only where an operator of a test reckons with a clock of its own."""

TYPES = (
    READY,
    RECONCILING,
    STALLED,
    AVAILABLE,
    HIGHLY_AVAILABLE,
    PREREQUISITES_MET,
    UP_TO_DATE,
    UNMODIFIED,
    VERSION_SUPPORTED,
    REGULAR_PERMITTED,
    EMERGENCY_PERMITTED,
    WITHIN_QUARTER,
    ESCALATION_DUE,
    TERMINATION_PERMITTED,
    SERVICE_LEVEL_IN_FORCE,
    SERVICE_LEVEL_MET,
    DATA_PROTECTED,
    RPO_MET,
    WAL_ARCHIVING,
    WAL_CONTINUOUS,
    BACKUP_SCHEDULE_MET,
    FAILOVER_READY,
    BACKUP_ENCRYPTED,
    RESTORE_PROVEN,
    DATA_LOCATION_COMPLIANT,
    ENGINE_VERIFIED,
    BACKUP_POLICY_SATISFIED,
    KEYS_ESCROWED,
    RATE_LIMIT_CONFIGURED,
    RATE_LIMIT_ENFORCED,
    RATE_LIMIT_EXACT,
    CLIENT_ADDRESS_TRUSTED,
    RATE_LIMIT_CAPACITY,
)
ALARMS = frozenset({STALLED, ESCALATION_DUE, TERMINATION_PERMITTED})
"""Types that are good news when they are False."""

UPGRADE_PENDING = "OperatorUpgradePending"
"""Reason of `UpToDate`: changes that only a new operator asks for wait for their turn."""
UPGRADE_RUNNING = "OperatorUpgradeRunning"
"""Reason of `UpToDate`: this instance has its turn, and its public name, which answered, has to again."""
UPGRADE_UNPROVEN = "OperatorUpgradeUnproven"
"""Reason of `UpToDate`: this instance has its turn, and its public name has failed since before it."""
MAINTENANCE_PENDING = "MaintenancePending"
"""Reason of `UpToDate`: changes wait for a slot of maintenance."""
MAINTENANCE_RUNNING = "MaintenanceRunning"
"""Reason of `UpToDate`: they run, in their slot."""

MESSAGE_LIMIT = 1024
"""Characters. The API allows 32,768; a longer message than this is not read by anyone."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A judgement, before it gets its time."""

    type: str
    status: Status
    reason: str
    message: str


def condition_list(
    conditions: Iterable[Condition], *, previous: Manifest, generation: int, now: datetime
) -> list[JsonValue]:
    """The `status.conditions` list; `lastTransitionTime` moves only when a status does.

    `previous` is the status as it stands, `now` is timezone-aware.
    """
    before = {get_str(item, "type"): item for item in get_list(previous, "conditions")}
    found: list[JsonValue] = []
    for condition in conditions:
        old = before.get(condition.type)
        since = get_str(old, "lastTransitionTime") if get_str(old, "status") == condition.status else ""
        found.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": shorten(condition.message, MESSAGE_LIMIT),
                "lastTransitionTime": since or rfc3339(now),
                "observedGeneration": generation,
            }
        )
    return found


def condition_in(status: Manifest, kind: str) -> Manifest:
    """The condition of a type as a status has it; empty where it has none."""
    found = (get_map(item) for item in get_list(status, "conditions") if get_str(item, "type") == kind)
    return next(found, {})


def transition_time(status: Manifest, condition: Condition) -> datetime | None:
    """Since when a status has the condition in the state that it is in; None where it has not."""
    found = condition_in(status, condition.type)
    if get_str(found, "status") != condition.status:
        return None
    return parse_time(get_str(found, "lastTransitionTime"))


def rfc3339(instant: datetime) -> str:
    """An instant as the API writes it: UTC, whole seconds."""
    return instant.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime | None:
    """The instant of an API time string, timezone-aware; None where it is absent or not a time."""
    try:
        instant = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return None if instant is None or instant.tzinfo is None else instant


def shorten(text: str, limit: int) -> str:
    """The text, cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
