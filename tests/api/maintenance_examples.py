"""Counter-examples of the rules on `spec.maintenance`, for `counterexamples`."""

from api.constraints import constraints
from dedicated.api.json import JsonValue, Manifest

_M_4: JsonValue = [{"clause": "M-4", "record": "own-times"}]
WINDOW: Manifest = {"recurrence": "FREQ=MONTHLY;BYDAY=2SU", "start": "02:00", "duration": "4h"}
FREEZE: Manifest = {"from": "2026-12-15T00:00:00+01:00", "until": "2027-03-17T00:00:00+01:00", "reason": "a"}


def _windows(*changes: Manifest, **others: JsonValue) -> Manifest:
    """Windows that are valid but for the changes, on the plan that may have them."""
    return {
        "plan": "Advanced",
        "maintenance": {"windows": [{**WINDOW, **change} for change in changes], **others},
    }


def _rules(*recurrences: str) -> tuple[Manifest, ...]:
    return tuple(_windows({"recurrence": recurrence}) for recurrence in recurrences)


_TIME = "2026-01-31T12:00:00Z"
MAINTENANCE_STATUS: Manifest = {
    "timeZone": "Europe/Zurich",
    "permission": "Window",
    "due": _TIME,
    "nextSlots": [{"start": _TIME, "end": _TIME, "local": "Sun 2026-02-08 02:00 to 06:00 Europe/Zurich"}],
    "nextDates": [
        {"at": _TIME, "local": "a", "what": "a", "responsible": "Customer", "clause": "M-7"},
    ],
    "months": [{"month": "2026-01", "state": "Done", "streak": 0, "final": True, "request": "regular"}],
    "emergencies": [{"request": "cve", "state": "Pending", "notified": _TIME, "deadline": _TIME}],
    "issues": [
        {
            "name": "cve",
            "kind": "Emergency",
            "state": "NoticeGiven",
            **dict.fromkeys(("failed", "escalated", "deadline", "resolved", "notice", "effective"), _TIME),
        }
    ],
    "voids": [{"start": _TIME, "end": _TIME}],
}
"""A valid status with every object and list."""

_RECURRENCES: dict[str, tuple[str, ...]] = {
    "is no rule that a window can have": (
        "FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=SO",
        "FREQ=WEEKLY;BYDAY=SU;COUNT=3",
        "RRULE:FREQ=WEEKLY;BYDAY=SU",
        "BYDAY=2SU",
        "FREQ=MONTHLY;BYDAY=6SU",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYDAY=2SU;",
        "FREQ=WEEKLY;BYDAY=SU\n",
    ),
    "names a field twice": ("FREQ=MONTHLY;BYDAY=2SU;BYDAY=3SU", "FREQ=WEEKLY;BYDAY=SU;FREQ=WEEKLY"),
    "is weekly": (
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;BYDAY=2SU",
        "BYDAY=SU,MO;FREQ=WEEKLY;BYMONTHDAY=3",
        "FREQ=WEEKLY;BYDAY=SU,MO;BYSETPOS=1",
    ),
    "is monthly or yearly": (
        "FREQ=MONTHLY",
        "FREQ=MONTHLY;BYDAY=2SU;BYMONTHDAY=3",
        "BYMONTHDAY=3;BYDAY=2SU;FREQ=YEARLY;BYMONTH=1,4,7,10",
    ),
    "mixes weekdays": ("FREQ=MONTHLY;BYDAY=2SU,MO", "FREQ=MONTHLY;BYDAY=MO,TU,-1SU"),
    "is yearly": ("FREQ=YEARLY;BYDAY=2SU",),
}
"""First words of a rule on recurrences -> recurrences that break it."""


def _recurrence_rule(words: str) -> str:
    """The id of the one rule that begins so."""
    (found,) = [
        constraint.id
        for constraint in constraints()
        if constraint.id.startswith(f"spec.maintenance.windows[]/rule/recurrence {words}")
    ]
    return found


MAINTENANCE_RULES: dict[str, tuple[Manifest, ...]] = {
    **{_recurrence_rule(words): _rules(*found) for words, found in _RECURRENCES.items()},
    "spec.maintenance.windows[]/rule/duration must be from 2h to 168h: shorter is no usable slot (M-4), "
    "and a week joins up with the next": (
        _windows({"duration": "119m"}),
        _windows({"duration": "168h1s"}, {"start": "03:00"}),
    ),
    "spec.maintenance.freezes[]/rule/until must be after from": (
        {"maintenance": {"freezes": [{**FREEZE, "until": "2026-12-14T23:00:00Z"}]}},
    ),
    "spec/rule/maintenance.windows are update flexibility, which plan Standard has not (M-4): "
    "remove them, or name the agreement on M-4 in agreements[]": (
        {**_windows({}), "plan": "Standard"},
        {**_windows({}), "plan": "Standard", "agreements": [{"clause": "M-3", "record": "other"}]},
    ),
    "spec/rule/maintenance.approval Required is update flexibility, which plan Standard has not (M-4): "
    "write Automatic, or name the agreement on M-4 in agreements[]": (
        {"maintenance": {"approval": "Required"}},
    ),
    "spec/rule/maintenance.windows leave three months in a row without one, and regular maintenance "
    "comes at least quarterly (M-3): add a window, or name the agreement on M-3 in agreements[]": (
        *_rules(
            "FREQ=WEEKLY;INTERVAL=14;BYDAY=SU",
            "FREQ=MONTHLY;INTERVAL=4;BYDAY=2SU",
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=1,4,7,10;BYDAY=2SU",
            "FREQ=YEARLY;BYMONTH=1,4,8,10;BYDAY=2SU",
            "BYMONTH=2,5,8;FREQ=MONTHLY;BYDAY=2SU",
        ),
        {**_windows({"recurrence": "FREQ=MONTHLY;BYMONTH=6;BYDAY=1SU"}), "agreements": _M_4},
    ),
    "spec/rule/maintenance.freezes has one longer than 92 days, and regular maintenance comes at least "
    "quarterly (M-3): shorten it, or name the agreement on M-3 in agreements[]": (
        {"maintenance": {"freezes": [{**FREEZE, "until": "2027-03-17T00:00:01+01:00"}]}},
    ),
}
"""Rule -> patches of the smallest spec, each of which breaks it."""
