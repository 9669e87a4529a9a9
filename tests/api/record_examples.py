"""A full ContractRecord, and for every constraint of its schema a record that breaks it."""

import copy

from api.constraints import RULE, Constraint, constraints, dotted
from api.counterexamples import TIME, Case, bound_case, merged
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_str
from dedicated.api.objects import RECORD
from dedicated.api.schema import RECORD_DEFINITION

FULL: Manifest = {
    "instance": "acme",
    "fact": "ModificationRepaired",
    "by": "system:serviceaccount:dedicated-system:dedicated-operator",
    "modification": {
        "object": "Service/acme-server",
        "fields": ["spec.sessionAffinity"],
        "manager": "kubectl-edit",
        "operation": "Update",
        "at": TIME,
    },
}
"""A valid spec with every object and list that the schema has."""
RULES: dict[str, Manifest] = {
    "spec/rule/modification belongs to fact ModificationRepaired, and only to it": {"modification": None},
}
"""Rule -> a patch of the full spec that breaks it."""
IMMUTABLE = "/rule/spec is immutable: a correction is a new record"


def record(spec: JsonValue = None, *, name: str = "acme-1") -> Manifest:
    """A `ContractRecord` without a namespace."""
    return {
        "apiVersion": RECORD.api_version,
        "kind": RECORD.kind,
        "metadata": {"name": name},
        "spec": copy.deepcopy(FULL if spec is None else spec),
    }


def cases() -> list[Case]:
    """A counter-example of every constraint but that of a change."""
    found = constraints(RECORD_DEFINITION)
    return [_case(constraint) for constraint in found if constraint.id != IMMUTABLE]


def _case(constraint: Constraint) -> Case:
    if constraint.keyword != RULE:
        return bound_case(constraint, record())
    field = (dotted(constraint.path) + get_str(constraint.value, "fieldPath")).removeprefix(".")
    spec = as_manifest(merged(FULL, RULES[constraint.id]))
    return Case(constraint, record(spec), field, get_str(constraint.value, "message"))
