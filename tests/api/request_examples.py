"""A full Maintenance, and for every constraint of its schema an object that breaks it."""

import copy

from api.constraints import RULE, Constraint, constraints, dotted
from api.counterexamples import TIME, Case, bound_case, merged
from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.objects import MAINTENANCE
from dedicated.api.schema import MAINTENANCE_DEFINITION

EMERGENCY: Manifest = {
    "instance": "acme",
    "kind": "Security",
    "duration": "1h30m",
    "downtime": "5m",
    "changes": ["ZITADEL v4.16.0"],
    "reference": "A-10017",
    "supersedes": "patch-1",
}
"""A valid spec with every field."""
REGULAR: Manifest = {
    "instance": "acme",
    "kind": "Regular",
    "duration": "2h",
    "changes": ["ZITADEL v4.16.0", "checks"],
}
STATUS: Manifest = {
    "observedGeneration": 1,
    "phase": "Scheduled",
    "summary": {"slot": "2026-02-08 02:00 to 06:00 Europe/Zurich", "next": "starts 2026-02-08T01:00:00Z"},
    "notifiedAt": TIME,
    "deadline": TIME,
    "slot": {"start": TIME, "end": TIME, "basis": "Window"},
    "startedAt": TIME,
    "endedAt": TIME,
    "gates": [{"gate": "Permission", "result": "Passed", "reason": "by window"}],
    "conditions": [
        {"type": "Permitted", "status": "True", "reason": "Window", "message": "", "lastTransitionTime": TIME}
    ],
}
IMMUTABLE = "/rule/spec is immutable: ask for what differs by another Maintenance that supersedes this one"
_REGULAR_NAME = "/rule/regular maintenance is named regular-YYYY-MM after its month, and no other is (M-2)"
_LONG_NAME = "/rule/metadata.name must be at most 63 characters: names of records are built from it"
NAMED: dict[str, tuple[tuple[str, Manifest], ...]] = {
    _REGULAR_NAME: (
        ("patch-2", REGULAR),
        ("regular-2026-13", REGULAR),
        ("regular-2026-01-b", REGULAR),
        ("regular-2026-01", EMERGENCY),
    ),
    _LONG_NAME: (("a" * 64, EMERGENCY),),
}
"""Rule -> names, and specs that may not have them."""
BROKEN: dict[str, tuple[Manifest, ...]] = {
    "spec/rule/an emergency needs reference: add the advisory or ticket that it is for (M-6)": (
        {"reference": None},
        {"reference": None, "kind": "Performance"},
    ),
    "spec/rule/duration must be from 1m to 168h: no window is longer (M-4)": (
        {"duration": "59s", "downtime": "0s"},
        {"duration": "168h1s"},
    ),
    "spec/rule/downtime must not be longer than duration": ({"downtime": "1h31m"},),
}
"""Rule -> patches of EMERGENCY that break it."""


def request(spec: JsonValue = None, *, name: str = "patch-2", status: JsonValue = None) -> Manifest:
    """A `Maintenance` without a namespace."""
    body: Manifest = {
        "apiVersion": MAINTENANCE.api_version,
        "kind": MAINTENANCE.kind,
        "metadata": {"name": name},
        "spec": copy.deepcopy(EMERGENCY if spec is None else spec),
    }
    return body if status is None else {**body, "status": copy.deepcopy(status)}


def cases() -> list[Case]:
    """Counter-examples of every constraint but that of a change."""
    found = constraints(MAINTENANCE_DEFINITION)
    return [case for constraint in found if constraint.id != IMMUTABLE for case in _cases(constraint)]


def _cases(constraint: Constraint) -> list[Case]:
    if constraint.keyword != RULE:
        in_status = constraint.path[:1] == ("status",)
        return [bound_case(constraint, request(status=STATUS if in_status else None))]
    field = (dotted(constraint.path) + get_str(constraint.value, "fieldPath")).removeprefix(".")
    says = get_str(constraint.value, "message")
    bodies = [request(spec, name=name) for name, spec in NAMED.get(constraint.id, ())]
    bodies += [request(merged(EMERGENCY, patch)) for patch in BROKEN.get(constraint.id, ())]
    return [Case(constraint, body, field, says) for body in bodies]
