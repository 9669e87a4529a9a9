"""What of a pass becomes an event: conditions that turned, and modifications that were repaired.

An event is for people who watch: it tells a transition, once. The status as it stands is the memory of what
was told; a condition that is seen for the first time has not turned.
"""

from dedicated.api.conditions import (
    ALARMS,
    AVAILABLE,
    DATA_LOCATION_COMPLIANT,
    DATA_PROTECTED,
    EMERGENCY_PERMITTED,
    ESCALATION_DUE,
    FAILOVER_READY,
    HIGHLY_AVAILABLE,
    PREREQUISITES_MET,
    READY,
    REGULAR_PERMITTED,
    SERVICE_LEVEL_IN_FORCE,
    SERVICE_LEVEL_MET,
    STALLED,
    TERMINATION_PERMITTED,
    VERSION_SUPPORTED,
    WITHIN_QUARTER,
    shorten,
)
from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.resource import Meta
from dedicated.contract.modifications import Modification
from dedicated.reconcile.actions import EventNote

TOLD = {
    READY: ("Ready", "NotReady"),
    AVAILABLE: ("Available", "NotAvailable"),
    HIGHLY_AVAILABLE: ("HighlyAvailable", "NotHighlyAvailable"),
    PREREQUISITES_MET: ("PrerequisitesMet", "PrerequisitesNotMet"),
    STALLED: ("Stalled", "StalledOver"),
    REGULAR_PERMITTED: ("RegularMaintenancePermitted", "RegularMaintenanceNotPermitted"),
    EMERGENCY_PERMITTED: ("EmergencyMaintenancePermitted", "EmergencyMaintenanceNotPermitted"),
    WITHIN_QUARTER: ("MaintenanceWithinQuarter", "MaintenanceOverdue"),
    ESCALATION_DUE: ("EscalationDue", "EscalationDone"),
    TERMINATION_PERMITTED: ("TerminationPermitted", "TerminationNotPermitted"),
    SERVICE_LEVEL_IN_FORCE: ("ServiceLevelInForce", "ServiceLevelNotInForce"),
    SERVICE_LEVEL_MET: ("ServiceLevelMet", "ServiceLevelMissed"),
    VERSION_SUPPORTED: ("VersionSupported", "VersionNotSupported"),
    DATA_LOCATION_COMPLIANT: ("DataLocationCompliant", "DataOutsideRegion"),
    DATA_PROTECTED: ("DataProtected", "DataNotProtected"),
    FAILOVER_READY: ("FailoverReady", "FailoverNotReady"),
}
"""Conditions whose transitions become events: the event's reason when it turns True, and False."""
COUNTED = frozenset(
    {SERVICE_LEVEL_MET, VERSION_SUPPORTED, DATA_LOCATION_COMPLIANT, DATA_PROTECTED, FAILOVER_READY}
)
"""Of these, the ones judged by figures and dates: after `Unknown`, False is news and True is none."""
NOTE_LIMIT = 1024


def events(meta: Meta, status: Manifest, mended: tuple[Modification, ...]) -> tuple[EventNote, ...]:
    """Transitions since the status as it stands. First sight is no transition."""
    before = {get_str(item, "type"): item for item in get_list(meta.status, "conditions")}
    notes = [
        EventNote(
            kind="Warning",
            reason="ModificationRepaired",
            action="Repair",
            note=shorten(
                f"{fact.object}: {', '.join(fact.fields[:5])} changed by {fact.manager} ({fact.operation}) "
                f"at {fact.at}",
                NOTE_LIMIT,
            ),
        )
        for fact in mended
    ]
    for condition in get_list(status, "conditions"):
        note = _transition(condition, before)
        if note is not None:
            notes.append(note)
    return tuple(notes)


def _transition(condition: JsonValue, before: dict[str, JsonValue]) -> EventNote | None:
    kind, now = get_str(condition, "type"), get_str(condition, "status")
    old = get_str(before.get(kind), "status")
    if kind not in TOLD or not old or now in (old, "Unknown"):
        return None
    good = now == ("False" if kind in ALARMS else "True")
    # What was not known yet is no bad news when it turns out to be not there yet.
    if old == "Unknown" and good == (kind in COUNTED):
        return None
    on_true, on_false = TOLD[kind]
    return EventNote(
        kind="Normal" if good else "Warning",
        reason=on_true if now == "True" else on_false,
        action="Reconcile",
        note=shorten(f"{kind} is {now}: {get_str(condition, 'message')}", NOTE_LIMIT),
    )
