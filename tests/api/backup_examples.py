"""A full InstanceBackup, and for every constraint of its schema an object that breaks it."""

import copy

from api.constraints import RULE, constraints
from api.counterexamples import TIME, Case, bound_case
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import INSTANCE_BACKUP
from dedicated.api.schema import BACKUP_DEFINITION

FULL: Manifest = {"instance": "acme", "kind": "Differential", "keepDays": 7}
"""A valid spec with every field."""
STATUS: Manifest = {
    "state": "Completed",
    "reason": "A",
    "message": "a",
    "object": "acme-full-1",
    "startedAt": TIME,
    "completedAt": TIME,
    "durationSeconds": 60,
    "sizeBytes": 7,
    "label": "20260131-120000F",
    "newestPoint": TIME,
}
IMMUTABLE = "/rule/spec is immutable: ask for another backup by another InstanceBackup"


def order(spec: JsonValue = None, *, name: str = "b", status: JsonValue = None) -> Manifest:
    """An `InstanceBackup` without a namespace."""
    body: Manifest = {
        "apiVersion": INSTANCE_BACKUP.api_version,
        "kind": INSTANCE_BACKUP.kind,
        "metadata": {"name": name},
        "spec": copy.deepcopy(FULL if spec is None else spec),
    }
    return body if status is None else {**body, "status": copy.deepcopy(status)}


def cases() -> list[Case]:
    """Counter-examples of every constraint but that of a change."""
    return [
        bound_case(constraint, order(status=STATUS if constraint.path[:1] == ("status",) else None))
        for constraint in constraints(BACKUP_DEFINITION)
        if constraint.keyword != RULE
    ]
