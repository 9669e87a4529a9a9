"""What a status says of recoverability, with every field."""

from dedicated.api.json import Manifest

_BACKUP: Manifest = {
    "kind": "full",
    "started": "2026-03-01T01:00:00Z",
    "finished": "2026-03-01T01:05:00Z",
    "label": "20260301-010000F",
    "bytes": 40000000,
    "error": "none",
}
RECOVERY_STATUS: Manifest = {
    "measuredAt": "2026-03-01T12:00:00Z",
    "objective": "1h",
    "newestRecoverablePoint": "2026-03-01T11:59:30Z",
    "earliestRecoverablePoint": "2026-02-15T01:05:00Z",
    "estimatedRestore": "12m",
    "frontier": "0/9000000",
    "timeline": 1,
    "gaps": ["0000000000000005, 1 segments"],
    "lastFull": _BACKUP,
    "lastDifferential": {**_BACKUP, "kind": "differential"},
    "lastFailure": _BACKUP,
    "replication": {
        "primary": {"name": "db-0", "zone": "z1"},
        "timeline": 2,
        "synchronous": [{"name": "db-1", "zone": "z2"}],
        "standbys": [
            {"name": "db-1", "zone": "z2", "state": "Streaming", "sync": "quorum", "timeline": 2},
            {"name": "db-2", "zone": "z3", "state": "Missing", "since": "2026-02-20T10:00:00Z"},
        ],
    },
    "lastFailover": {"at": "2026-02-20T10:00:00Z", "outage": "12s", "timeline": 1},
    "lastDrill": {
        "at": "2026-02-22T03:20:00Z",
        "restore": "acme-drill-202602220300",
        "passed": True,
        "reason": "Proven",
        "found": "restored to 2026-02-21T11:00:00Z",
        "restoredTo": "2026-02-21T11:00:00Z",
        "shortfall": "1m",
        "took": "12m",
        "events": 7,
        "keysOpened": "3 of 3",
    },
}
RESTORE_STATUS: Manifest = {
    "name": "lost",
    "purpose": "Recovery",
    "phase": "Restoring",
    "message": "a",
    "responsible": "Provider",
    "target": "2026-03-01T12:00:00Z",
    "expectedEnd": "2026-03-01T12:30:00Z",
    "cluster": "acme-db-1a2b3c",
}
"""The restore that is under way."""
DELETION_STATUS: Manifest = {
    "confirmedBy": "carla",
    "until": "2026-03-08T12:00:00Z",
    "phase": "Retention",
    "removeAfter": "2026-04-01T12:00:00Z",
    "steps": [{"name": "Confirmation", "state": "Done", "message": "carla"}],
}
"""A deletion under way."""
