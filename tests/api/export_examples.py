"""A full InstanceExport, and for every constraint of its schema an object that breaks it."""

import copy

from api.constraints import RULE, constraints
from api.counterexamples import TIME, Case, bound_case
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import INSTANCE_EXPORT
from dedicated.api.schema import EXPORT_DEFINITION

RECIPIENT = "age1" + "q" * 58
FULL: Manifest = {
    "instance": "acme",
    "purpose": "Handover",
    "format": "Logical",
    "validFor": "24h",
    "recipient": RECIPIENT,
    "destination": {
        "bucket": "acme-exports",
        "prefix": "out",
        "endpoint": "s3.eu-central-1.amazonaws.com",
        "region": "eu-central-1",
        "secretName": "acme-exports",
    },
    "image": "postgres:17",
    "scratch": {"size": "50Gi", "className": "fast"},
    "keepDays": 7,
}
"""A valid spec with every field."""
STATUS: Manifest = {
    "phase": "Completed",
    "reason": "A",
    "message": "a",
    "progress": {"bytes": 1, "total": 2},
    "startedAt": TIME,
    "expectedEnd": TIME,
    "completedAt": TIME,
    "snapshotAt": TIME,
    "databaseBytes": 1,
    "dumpBytes": 1,
    "storedBytes": 1,
    "rows": 1,
    "objects": 1,
    "objectBytes": 1,
    "expires": TIME,
    "dumpSeconds": 1,
    "verifySeconds": 1,
    "storeSeconds": 1,
    "manifest": "out/manifest.json",
    "manifestSha256": "0" * 64,
}
PHYSICAL: Manifest = {**FULL, "format": "Physical"}
VALID_FOR = [("5m", True), ("168h", True), ("4m59s", False), ("168h1s", False)]
"""Of a physical export, and whether it is taken."""
DRILL: Manifest = {"instance": "acme", "purpose": "Drill"}
HALF: list[Manifest] = [
    {**DRILL, "recipient": RECIPIENT},
    {**DRILL, "destination": FULL["destination"]},
    {**DRILL, "format": "Physical"},
    {"instance": "acme"},
    {"instance": "acme", "recipient": RECIPIENT},
    {"instance": "acme", "destination": FULL["destination"]},
]
"""Neither an export that is handed over, nor a drill."""
IMMUTABLE = "/rule/spec is immutable: ask for another export by another InstanceExport"


def order(spec: JsonValue = None, *, name: str = "out", status: JsonValue = None) -> Manifest:
    """An `InstanceExport` without a namespace."""
    body: Manifest = {
        "apiVersion": INSTANCE_EXPORT.api_version,
        "kind": INSTANCE_EXPORT.kind,
        "metadata": {"name": name},
        "spec": copy.deepcopy(FULL if spec is None else spec),
    }
    return body if status is None else {**body, "status": copy.deepcopy(status)}


def cases() -> list[Case]:
    """Counter-examples of every constraint but the rules."""
    return [
        bound_case(constraint, order(status=STATUS if constraint.path[:1] == ("status",) else None))
        for constraint in constraints(EXPORT_DEFINITION)
        if constraint.keyword != RULE
    ]
