"""`status.serviceLevel` with every field."""

from dedicated.api.json import Manifest

TIME = "2026-01-31T12:00:00Z"
MONTH: Manifest = {
    "month": "2026-11",
    "contract": "99.987",
    "observed": "99.980",
    "downtimeMinutes": 5,
    "observedDowntimeMinutes": 8,
    "excludedMinutes": 3,
    "voidMinutes": 0,
    "unknownMinutes": 0,
    "objective": "99.9",
    "allowedMinutes": 43,
    "met": True,
    "creditPercent": 10,
    "claimBefore": TIME,
}
LEVEL_STATUS: Manifest = {
    "measuredSince": TIME,
    "measuredAt": TIME,
    "downSince": TIME,
    "current": MONTH,
    "months": [MONTH],
}
