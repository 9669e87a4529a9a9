"""A full InstanceRestore, and for every constraint of its schema an object that breaks it."""

import copy

from api.constraints import RULE, constraints
from api.counterexamples import TIME, Case, bound_case
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import INSTANCE_RESTORE
from dedicated.api.schema import RESTORE_DEFINITION

LATER = "2026-02-03T12:00:00Z"
FULL: Manifest = {
    "instance": "acme",
    "purpose": "Recovery",
    "target": LATER,
    "acceptLossSince": TIME,
    "retain": "24h",
}
"""A valid spec with every field."""
STATUS: Manifest = {
    "phase": "Retained",
    "reason": "A",
    "message": "a",
    "responsible": "Provider",
    "target": TIME,
    "clamped": True,
    "cluster": "acme-db-1a2b3c",
    "startedAt": TIME,
    "expectedEnd": TIME,
    "verifiedAt": TIME,
    "switchedAt": TIME,
    "keepUntil": TIME,
    "removedAt": TIME,
    "durationSeconds": 60,
}
IMMUTABLE = "/rule/spec is immutable: restore to another target by another InstanceRestore"
BROKEN: dict[str, Manifest] = {
    "acceptLossSince has no effect": {**FULL, "purpose": "Clone"},
    "acceptLossSince is later than target": {**FULL, "target": TIME, "acceptLossSince": LATER},
}
"""Begin of a rule's message -> a spec that breaks it."""


def order(spec: JsonValue = None, *, name: str = "r", status: JsonValue = None) -> Manifest:
    """An `InstanceRestore` without a namespace."""
    body: Manifest = {
        "apiVersion": INSTANCE_RESTORE.api_version,
        "kind": INSTANCE_RESTORE.kind,
        "metadata": {"name": name},
        "spec": copy.deepcopy(FULL if spec is None else spec),
    }
    return body if status is None else {**body, "status": copy.deepcopy(status)}


def cases() -> list[Case]:
    """Counter-examples of every constraint but that of a change."""
    found = []
    for constraint in constraints(RESTORE_DEFINITION):
        if constraint.keyword != RULE:
            status = STATUS if constraint.path[:1] == ("status",) else None
            found.append(bound_case(constraint, order(status=status)))
        elif constraint.id != IMMUTABLE:
            (body,) = (order(spec) for begin, spec in BROKEN.items() if begin in constraint.id)
            found.append(Case(constraint, body, "spec.acceptLossSince", "acceptLossSince"))
    return found
