"""A full ContractRecord of every fact, and for every constraint of the schema a record that breaks it."""

import copy
from collections.abc import Mapping

from api.constraints import ITEM, RULE, Constraint, constraints, dotted
from api.counterexamples import TIME, Case, bound_case, merged
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_str
from dedicated.api.objects import RECORD
from dedicated.api.record import FIELDS, NEEDED, Fact
from dedicated.api.schema import RECORD_DEFINITION

LATER = "2026-02-03T12:00:00Z"
_SLOT: Manifest = {"start": TIME, "end": LATER}
_REQUEST: Manifest = {"request": "acme-2026-01"}
_INCARNATION: Manifest = {"incarnation": "0d5a8a2e-1f9c-4c6e-9d0b-6f3f1f2f6b11"}
_FIELDS: dict[Fact, Manifest] = {
    "ModificationRepaired": {
        "modification": {
            "object": "Service/acme-server",
            "fields": ["spec.sessionAffinity"],
            "manager": "kubectl-edit",
            "operation": "Update",
            "at": TIME,
        }
    },
    "ServiceStarted": {},
    "Started": {
        **_REQUEST,
        "run": {
            "version": "v4.16.0",
            "gates": [{"gate": "Permission", "result": "Passed", "reason": "by window"}],
        },
    },
    "Completed": _REQUEST,
    "Failed": _REQUEST,
    "MonthClosed": {"closed": {"month": "2026-01", "records": [{"name": "a-1", "at": TIME, "spec": "{}"}]}},
    "NotMeasured": {"stretch": _SLOT},
    "FailedOver": {"stretch": _SLOT},
    "Restored": {
        "restored": {
            "restore": "lost",
            "cluster": "acme-db-1a2b3c",
            "source": "acme-database",
            "part": "acme-db-4d5e6f",
            "earliest": TIME,
            "newest": LATER,
            "point": TIME,
            "exact": True,
            "started": TIME,
            "verified": LATER,
            "expectedSeconds": 60,
            "retain": "72h",
        }
    },
    "DatabaseRemoved": {"removed": {"cluster": "acme-database", "uid": "a-1", "restore": "lost"}},
    "Imported": {
        "incarnation": "0d5a8a2e-1f9c-4c6e-9d0b-6f3f1f2f6b11",
        "imported": {
            "source": "Backup",
            "origin": "s3://acme-elsewhere/backups at s3.eu-west-1.amazonaws.com",
            "place": "aws:eu-west-1",
            "cluster": "acme-database",
            "found": "7 events",
            "started": TIME,
            "ended": LATER,
            "point": TIME,
            "manifestSha256": "a" * 64,
            "size": 1000,
            "expectedSeconds": 30,
        },
    },
    "Drilled": {
        "drill": {
            "restore": "acme-drill-202601040300",
            "kind": "Restore",
            "passed": True,
            "reason": "Proven",
            "found": "7 events",
            "started": TIME,
            "ended": LATER,
            "restoredTo": TIME,
            "shortfallSeconds": 0,
            "events": 7,
            "newestEvent": TIME,
            "keys": 3,
            "keysOpened": 3,
            "size": 1000,
            "restoreSeconds": 60,
            "expectedSeconds": 30,
        }
    },
    "Notified": {
        **_REQUEST,
        "notice": {
            "kind": "Security",
            "duration": "2h",
            "downtime": "0s",
            "changes": ["v4.16.0"],
            "supersedes": "acme-2025-12",
        },
    },
    "Delivered": _REQUEST,
    "Permitted": {**_REQUEST, "slot": {**_SLOT, "anyTime": True}},
    "Refused": _REQUEST,
    "Withdrawn": _REQUEST,
    "Blocked": _REQUEST,
    "Retracted": _REQUEST,
    "Escalated": {"issue": "regular-2026-01"},
    "TerminationNotice": {"issue": "regular-2026-01"},
    "TerminationWithdrawn": {"issue": "regular-2026-01"},
    "Waiver": {"issue": "regular-2026-01"},
    "Agreement": {"agreement": {"clause": "S-2", "value": "2", "validFrom": TIME, "validUntil": LATER}},
    "Instruction": {
        "instruction": {
            "grantee": {"kind": "ServiceAccount", "name": "deployer", "namespace": "acme"},
            "scope": ["Service/acme-server"],
            "validFrom": TIME,
            "validUntil": LATER,
        }
    },
    "ForceMajeure": {"stretch": _SLOT},
    "Override": {
        "override": {"range": "203.0.113.0/24", "factor": 20, "validFrom": TIME, "validUntil": LATER}
    },
    "LoadTest": {"loadTest": {"ranges": ["203.0.113.0/24"], "from": TIME, "until": LATER}},
    "OverrideWithdrawn": {"withdraws": "acme-override-1"},
    "KeysOpened": {},
    "DeletionConfirmed": _INCARNATION,
    "DeletionWithdrawn": _INCARNATION,
    "FinalBackup": {
        **_INCARNATION,
        "backup": {"object": "PerconaPGBackup/full-1a2b3c4d", "label": "20260301-120000F"},
    },
}
EXAMPLES: Mapping[Fact, Manifest] = {
    fact: {
        "instance": "acme",
        "fact": fact,
        "by": "system:serviceaccount:dedicated-system:dedicated-operator",
        "at": TIME,
        "reference": "T-1",
        "reason": "as agreed",
        **fields,
    }
    for fact, fields in _FIELDS.items()
}
"""Fact -> a valid spec with every field that it may have."""
EXEMPTION = as_manifest(merged(EXAMPLES["Override"], {"override": {"factor": None, "exempt": True}}))
"""What an Override may have instead of a factor."""
FULL: Manifest = EXAMPLES["ModificationRepaired"]
EMERGENCY = "spec/rule/fact Notified of an emergency needs reference: add the advisory that it is for (M-6)"
_ORDER = "/rule/end must be later than start"
_UNTIL = "/rule/validUntil must be later than validFrom"
INNER_RULES: dict[str, tuple[tuple[Fact, Manifest], ...]] = {
    EMERGENCY: (
        ("Notified", {"reference": None}),
        ("Notified", {"reference": None, "notice": {"kind": "Performance"}}),
    ),
    "spec.restored/rule/verified must not be earlier than started": (
        ("Restored", {"restored": {"started": LATER, "verified": TIME}}),
    ),
    "spec.restored/rule/a database is never restored over itself: cluster must differ from source": (
        ("Restored", {"restored": {"source": "acme-db-1a2b3c"}}),
    ),
    "spec.imported/rule/ended must not be earlier than started": (
        ("Imported", {"imported": {"started": LATER, "ended": TIME}}),
    ),
    "spec.drill/rule/ended must not be earlier than started": (
        ("Drilled", {"drill": {"started": LATER, "ended": TIME}}),
    ),
    f"spec.slot{_ORDER}": (("Permitted", {"slot": {"end": TIME}}),),
    f"spec.stretch{_ORDER}": (("NotMeasured", {"stretch": {"end": TIME}}),),
    f"spec.agreement{_UNTIL}": (("Agreement", {"agreement": {"validUntil": TIME}}),),
    f"spec.instruction{_UNTIL}, and at most 7 days (O-4)": (
        ("Instruction", {"instruction": {"validUntil": TIME}}),
        ("Instruction", {"instruction": {"validUntil": "2026-02-07T12:00:01Z"}}),
    ),
    "spec.override/rule/set exactly one of factor and exempt": (
        ("Override", {"override": {"factor": None}}),
        ("Override", {"override": {"exempt": True}}),
    ),
    f"spec.override{_UNTIL}, and at most a year (RL-3)": (
        ("Override", {"override": {"validUntil": TIME}}),
        ("Override", {"override": {"validUntil": "2027-02-01T12:00:01Z"}}),
    ),
    "spec.loadTest/rule/until must be later than from, and at most 7 days (RL-4)": (
        ("LoadTest", {"loadTest": {"until": TIME}}),
        ("LoadTest", {"loadTest": {"until": "2026-02-07T12:00:01Z"}}),
    ),
    "spec.instruction.grantee/rule/namespace stands with kind ServiceAccount, and with no other: "
    "add it there, remove it elsewhere": (
        ("Instruction", {"instruction": {"grantee": {"kind": "User"}}}),
        ("Instruction", {"instruction": {"grantee": {"namespace": None}}}),
    ),
}
"""Rule -> examples with a patch that breaks it. Rules on which field stands with which fact: see `cases`."""
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
    """Counter-examples of every constraint but that of a change."""
    found = constraints(RECORD_DEFINITION)
    return [case for constraint in found if constraint.id != IMMUTABLE for case in _cases(constraint)]


def _cases(constraint: Constraint) -> list[Case]:
    if constraint.keyword != RULE:
        return [bound_case(constraint, record(_example_with(constraint.path)))]
    field = (dotted(constraint.path) + get_str(constraint.value, "fieldPath")).removeprefix(".")
    says = get_str(constraint.value, "message")
    return [Case(constraint, record(spec), field, says) for spec in broken(constraint.id)]


def broken(rule: str) -> list[JsonValue]:
    """Specs that break a rule: by hand, or by what the tables of the facts' fields say."""
    if rule in INNER_RULES:
        return [merged(EXAMPLES[fact], patch) for fact, patch in INNER_RULES[rule]]
    said = rule.removeprefix("spec/rule/")
    for field, facts in FIELDS.items():
        if said.startswith(f"{field} stands with"):
            value = EXAMPLES[facts[0]][field]
            missing = [merged(EXAMPLES[fact], {field: None}) for fact in facts]
            alien = [merged(spec, {field: value}) for fact, spec in EXAMPLES.items() if fact not in facts]
            return [*missing, *alien]
    return [
        merged(EXAMPLES[fact], {field: None})
        for field, facts in NEEDED.items()
        if f" {field}: add it" in said
        for fact in facts
    ]


def _example_with(path: tuple[str, ...]) -> Manifest:
    """The first example in which the value at a path stands."""
    return next(spec for spec in (*EXAMPLES.values(), EXEMPTION) if _has({"spec": spec}, path))


def _has(value: JsonValue, path: tuple[str, ...]) -> bool:
    for step in path:
        if step == ITEM:
            value = value[0] if isinstance(value, list) else None
        else:
            value = as_manifest(value).get(step) if isinstance(value, dict) else None
    return value is not None
