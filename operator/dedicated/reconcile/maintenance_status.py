"""`status.maintenance`: slots, ledger, issues and dates of one instance, bounded.

All of it moves on a recorded fact, on an edit, or at a date that the pass has asked to be woken at; nothing
of it moves with the time that passes.
"""

from datetime import datetime

from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest
from dedicated.contract.calendar import Slot
from dedicated.contract.clocks import Ahead
from dedicated.contract.dates import local, wall, wall_span
from dedicated.contract.emergency import Emergency
from dedicated.contract.escalation import Issue
from dedicated.contract.ledger import Entry
from dedicated.contract.void import Void
from dedicated.reconcile.obligations import Obligations

MONTHS_SHOWN = 24
LIMIT = 10
"""Of every other list."""


def maintenance_status(owed: Obligations) -> Manifest:
    """The field of the status."""
    found, zone = owed.clocks, owed.terms.zone
    waiting = {"Undelivered", "Pending", "Permitted"}
    emergencies = [item for item in found.emergencies if item.state in waiting]
    issues = [item for item in found.issues if item.state not in {"Resolved", "Closed"}]
    return _without_none(
        {
            "timeZone": zone,
            "permission": owed.terms.standing or "Record",
            "due": _time(found.floor.due if found.floor else None),
            "nextSlots": [_slot(slot, zone) for slot in owed.slots],
            "nextDates": [_date(date, zone) for date in found.dates[:LIMIT]],
            "months": [_month(entry) for entry in reversed(found.entries[-MONTHS_SHOWN:])],
            "emergencies": [_emergency(item) for item in emergencies[-LIMIT:]],
            "issues": [_issue(issue) for issue in issues[-LIMIT:]],
            "voids": [_void(void) for void in found.voids[-LIMIT:]],
        }
    )


def _slot(slot: Slot, zone: str) -> JsonValue:
    return {
        "start": rfc3339(slot.start),
        "end": rfc3339(slot.end),
        "local": f"{local(slot.start, zone):%a} {wall_span(slot.start, slot.end, zone)}",
    }


def _date(date: Ahead, zone: str) -> JsonValue:
    return {
        "at": rfc3339(date.at),
        "local": f"{local(date.at, zone):%a} {wall(date.at, zone)}",
        "what": date.what,
        "responsible": date.responsible,
        "clause": date.clause,
    }


def _month(entry: Entry) -> JsonValue:
    return _without_none(
        {
            "month": str(entry.month),
            "state": entry.state,
            "streak": entry.streak,
            "final": entry.final,
            "request": entry.request or None,
        }
    )


def _emergency(item: Emergency) -> JsonValue:
    return _without_none(
        {
            "request": item.request.name,
            "state": item.state,
            "notified": _time(item.notified),
            "deadline": _time(item.deadline),
        }
    )


def _issue(issue: Issue) -> JsonValue:
    return _without_none(
        {
            "name": issue.name,
            "kind": "Regular" if issue.regular else "Emergency",
            "state": issue.state,
            "failed": _time(issue.failed),
            "escalated": _time(issue.escalated),
            "deadline": _time(issue.deadline),
            "resolved": _time(issue.resolved),
            "notice": _time(issue.notice),
            "effective": _time(issue.effective),
        }
    )


def _void(void: Void) -> JsonValue:
    return _without_none({"start": _time(void.start), "end": _time(void.end)})


def _time(instant: datetime | None) -> JsonValue:
    return None if instant is None else rfc3339(instant)


def _without_none(fields: Manifest) -> Manifest:
    return {key: value for key, value in fields.items() if value is not None}
