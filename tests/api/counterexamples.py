"""For every constraint of the schema an object that breaks it, and what the API server says of it.

Bounds are broken by one change to a full valid object, derived from the schema. Rules are broken by
hand: their counter-examples are merge patches of the smallest valid object.
"""

import copy
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from api.constraints import DUPLICATES, ITEM, REQUIRED, RULE, Constraint, constraints, dotted
from api.database_examples import DATABASE_RULES, DATABASE_TRANSITIONS, ON_VOLUME, REPOSITORY
from api.edge_examples import EDGE_RULES, EDGE_STATUS, GATEWAY, RATE_LIMIT, RATE_LIMIT_STATUS, full_edge
from api.key_examples import KEY_BUNDLE, KEY_BUNDLE_RULES, KEY_BUNDLE_STATUS
from api.level_examples import LEVEL_STATUS
from api.maintenance_examples import FREEZE, MAINTENANCE_RULES, MAINTENANCE_STATUS, WINDOW
from api.recovery_examples import DELETION_STATUS, RECOVERY_STATUS, RESTORE_STATUS
from api.source_examples import IMPORT_STATUS, SOURCE_RULES, SOURCE_TRANSITIONS, full_source
from dedicated.api.instance import CONFIG_TYPES
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_str
from dedicated.api.names import API_VERSION, KIND

TIME = "2026-01-31T12:00:00Z"
SMALL: Manifest = {
    "plan": "Standard",
    "domain": "login.acme.example",
    "release": {"version": "v4.15.2"},
    "database": {"external": {"state": "New", "secretRef": {"name": "database"}}},
}
"""The smallest valid spec."""
_RESOURCES: Manifest = {
    "requests": {"cpu": "500m", "memory": "512Mi"},
    "limits": {"cpu": "1.5", "memory": "1Gi"},
}
_SECRET: Manifest = {"name": "a-secret", "key": "a.key"}
FULL: Manifest = {
    **SMALL,
    "firstInstance": {"admin": {"email": "admin@acme.example", "passwordSecretRef": _SECRET}},
    "keys": {"masterkey": {"secretRef": _SECRET}},
    "agreements": [{"clause": "S-2", "record": "two-zones"}, {"clause": "M-4", "record": "own-times"}],
    "options": ["WAF"],
    "contacts": {"provider": "operations@provider.example", "customer": "+41 71 000 00 00"},
    "sizing": {"clients": 5000, "requestsPerSecond": 200},
    "maintenance": {"windows": [WINDOW], "freezes": [FREEZE]},
    "keyBundle": KEY_BUNDLE,
    "infrastructure": {
        "class": "SelfHosted",
        "owner": "Customer",
        "dataLocation": {"countries": ["CH"]},
        "zones": {"minimum": 2, "names": ["zone-a", "zone-b"]},
    },
    "server": {"replicas": 2, "resources": _RESOURCES, "config": {"Log": {"Level": "info"}}},
    "login": {"replicas": 2, "resources": _RESOURCES},
    "edge": GATEWAY,
    "rateLimit": RATE_LIMIT,
    "deletion": {"retentionDays": 30, "confirmation": "TwoPeople"},
}
"""A valid spec with every object and list that the schema has."""
FULL_CLUSTER: Manifest = {
    **FULL,
    "database": {
        "engine": "percona",
        "cluster": {
            "postgresVersion": 18, "image": "images.example.test/postgres:18",
            "backupImage": "images.example.test/pgbackrest:2.58.0",
            "storage": {"size": "20Gi", "className": "fast"}, "resources": _RESOURCES,
        },
    },
    "backup": {
        "objectives": {"disasterRPO": "1h", "failoverRPO": "1m", "failoverRTO": "1m", "restoreTime": "4h"},
        "full": {"schedule": "0 1 * * *"}, "differential": {"schedule": "0 * * * *"},
        "wal": {"archiveInterval": "60s"}, "retention": {"days": 14}, "copies": [REPOSITORY],
        "drill": {"schedule": "0 4 * * 0", "target": "Random", "maxAge": "240h", "timeout": "2h"},
        "repository": ON_VOLUME,
    },
}  # fmt: skip
"""The same with a database that an engine runs: `external` excludes it."""
CLUSTERED = (("spec", "backup"), ("spec", "database", "cluster"))
"""Where the sections of such a spec begin."""
STATUS: Manifest = {
    "observedGeneration": 1,
    "summary": {"version": "v4.15.2", "zones": "3/3", "server": "3/3", "login": "3/3", "findings": "none"},
    "versions": {"wanted": "v4.15.2"},
    "zones": [{"name": "zone-a", "server": 1, "login": 1}],
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": TIME}
    ],
    "findings": [
        {
            "code": "A", "responsible": "Customer", "message": "a", "action": "b", "contact": "c",
            "deadline": TIME,
        }
    ],
    "responsibilities": {"provider": ["WAF"], "customer": ["Data"]},
    "deletion": DELETION_STATUS,
    "modifications": [
        {
            "object": "Service/acme",
            "manager": "edit",
            "operation": "Update",
            "at": TIME,
            "repairedAt": TIME,
            "fields": ["spec"],
        }
    ],
    "pendingActions": [
        {"kind": "Release", "what": "ZITADEL", "why": "channel", "notBefore": TIME, "atTheLatest": TIME}
    ],
    "maintenance": MAINTENANCE_STATUS,
    "recovery": RECOVERY_STATUS,
    "restore": RESTORE_STATUS,
    "database": {"cluster": "acme-db-1a2b3c", "restoredFrom": "acme-database", "restoredTo": TIME},
    "keyBundle": KEY_BUNDLE_STATUS,
    "import": IMPORT_STATUS,
    "edge": EDGE_STATUS,
    "rateLimit": RATE_LIMIT_STATUS,
    "serviceLevel": LEVEL_STATUS,
}
"""A valid status with every object and list that the schema has."""


@dataclass(frozen=True, slots=True)
class Case:
    """An object that breaks one constraint: sent as `body`, over `before` if there is one.

    `field` is the path that the refusal must name, `says` a part of its text.
    """

    constraint: Constraint
    body: Manifest
    field: str
    says: str
    before: Manifest | None = None


def instance(spec: JsonValue, *, name: str = "acme", status: JsonValue = None) -> Manifest:
    """A `DedicatedInstance` without a namespace; parts that are None are left out."""
    body: Manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}}
    parts: Manifest = {"spec": spec, "status": status}
    return body | {key: copy.deepcopy(value) for key, value in parts.items() if value is not None}


def merged(target: JsonValue, patch: JsonValue) -> JsonValue:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    found: Manifest = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


# --- bounds: one change to a full object ---------------------------------------------------------


def bound_case(constraint: Constraint, body: Manifest) -> Case:
    """The counter-example of a constraint that is not a rule: the full `body`, changed. KeyError: it lacks
    the parent."""
    parent: JsonValue = body
    for step in constraint.path[:-1]:
        parent = _step(parent, step)
    last = constraint.path[-1]
    field = dotted(constraint.path, item="[0]")
    if constraint.keyword == REQUIRED:
        as_manifest(parent).pop(last)
        return Case(constraint, body, field, "Required value")
    present = isinstance(parent, list) or last in as_manifest(parent)
    value, says = _broken(constraint, _step(parent, last) if present else None)
    if isinstance(parent, list):
        parent[0] = value
    else:
        as_manifest(parent)[last] = value
    return Case(constraint, body, field + ("[1]" if constraint.keyword == DUPLICATES else ""), says)


def full_for(constraint: Constraint) -> Manifest:
    """The full spec that has a constraint's parent."""
    if source := full_source(constraint.path):
        return as_manifest(merged(SMALL, source))
    if edge := full_edge(constraint.path):
        return as_manifest(merged(SMALL, edge))
    clustered = any(constraint.path[: len(start)] == start for start in CLUSTERED)
    if constraint.path[:5] == ("spec", "backup", "copies", ITEM, "storage"):  # refused as a whole, too
        return as_manifest(merged(FULL_CLUSTER, {"backup": {"copies": [ON_VOLUME]}}))
    return FULL_CLUSTER if clustered and constraint.path not in CLUSTERED else FULL


def _step(value: JsonValue, step: str) -> JsonValue:
    return value[0] if step == ITEM and isinstance(value, list) else as_manifest(value)[step]


WRONG_TYPES: dict[str, JsonValue] = {
    "object": "text",
    "array": "text",
    "string": 7,
    "integer": "7",
    "boolean": "true",
}
SAYS = {
    "type": "must be of type",
    "format": "must be of type {}",
    "enum": 'Unsupported value: "Other"',
    "pattern": "should match '{}'",
    "minLength": "should be at least {} chars long",
    "maxLength": "may not be more than {} bytes",
    "minimum": "should be greater than or equal to {}",
    "maximum": "should be less than or equal to {}",
    "minItems": "should have at least {} items",
    "maxItems": "must have at most {} item",
    "maxProperties": "must have at most {} items",
    DUPLICATES: "Duplicate value",
}
"""What the API server says of a broken constraint, with the constraint's value."""


def _broken(constraint: Constraint, valid: JsonValue) -> tuple[JsonValue, str]:
    """A value that breaks the constraint, and what the API server says of it."""
    if isinstance(constraint.value, int):
        value = _beyond(constraint.keyword, constraint.value, valid)
    else:
        value = _unlike(constraint.keyword, str(constraint.value), valid)
    text = str(constraint.value) if constraint.keyword != "enum" else ""
    return value, SAYS[constraint.keyword].replace("{}", text)


def _beyond(keyword: str, bound: int, valid: JsonValue) -> JsonValue:
    values: dict[str, Callable[[], JsonValue]] = {
        "minLength": lambda: "a" * (bound - 1),
        "maxLength": lambda: "a" * (bound + 1),
        "minimum": lambda: bound - 1,
        "maximum": lambda: bound + 1,
        "minItems": lambda: _items(valid) * (bound - 1),
        "maxItems": lambda: _items(valid) * (bound + 1),
        "maxProperties": lambda: {f"Key{number}": "1" for number in range(bound + 1)},
    }
    return values[keyword]()


def _unlike(keyword: str, wanted: str, valid: JsonValue) -> JsonValue:
    values: dict[str, Callable[[], JsonValue]] = {
        "type": lambda: WRONG_TYPES[wanted],
        "format": lambda: "yesterday",
        "enum": lambda: "Other",
        "pattern": lambda: _no_match(wanted, valid),
        DUPLICATES: lambda: _items(valid) * 2,
    }
    return values[keyword]()


def _items(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list) or len(value) < 1:
        raise ValueError(f"the full object has no items where one is needed: {value}")
    return value[:1]


def _no_match(pattern: str, valid: JsonValue) -> str:
    """A text of the valid one's length, so that no other bound is broken before."""
    text = str(valid)[:-1] + " "
    if not re.search(pattern, str(valid)) or re.search(pattern, text):
        raise ValueError(f"{valid!r} should match {pattern}, and {text!r} should not")
    return text


# --- rules: by hand ------------------------------------------------------------------------------

_EXISTING: Manifest = {"database": {"external": {"state": "Existing"}}}
_KEYS: Manifest = {"keys": {"masterkey": {"secretRef": {"name": "own"}}}}
_AGREED: Manifest = {"agreements": [{"clause": "S-2", "record": "two-zones"}]}
_LOCATION: Manifest = {"infrastructure": {"dataLocation": {"region": "Switzerland"}}}

_CONFIG_VALUES: Manifest = {"object": {}, "string": "a.example", "integer": 443, "boolean": True}

STATE_RULES: dict[str, tuple[Manifest, ...]] = {
    "spec.release/rule/set exactly one of version (a pin) and channel": (
        {"release": {"channel": "stable"}},
        {"release": {"version": None}},
    ),
    "spec.infrastructure.dataLocation/rule/set exactly one of region and countries": (
        {"infrastructure": {"dataLocation": {}}},
        {"infrastructure": {"dataLocation": {"region": "Switzerland", "countries": ["CH"]}}},
    ),
    "spec.infrastructure.zones/rule/names must list at least as many zones as minimum": (
        {"infrastructure": {"zones": {"names": ["zone-a", "zone-b"]}}},
    ),
    "spec.infrastructure/rule/class SelfHosted means owner Customer": (
        {"infrastructure": {"class": "SelfHosted"}},
        {"infrastructure": {"class": "SelfHosted", "owner": "Provider"}},
    ),
    "spec/rule/keys.masterkey.secretRef is required where database.external.state is Existing: "
    "its data can only be read with the masterkey it was written with": (_EXISTING,),
    "spec/rule/firstInstance must not be set where database.external.state is Existing: "
    "it would have no effect": ({**_EXISTING, **_KEYS, "firstInstance": {}},),
    "spec/rule/infrastructure.zones.minimum below 3 is looser than contract clause S-2: "
    "name the agreement in agreements[]": (
        {"infrastructure": {"zones": {"minimum": 2}}},
        {"infrastructure": {"zones": {"minimum": 2}}, "agreements": [{"clause": "S-3", "record": "other"}]},
    ),
    "spec/rule/deletion.finalBackup Skipped is looser than contract clause T-1: "
    "name the agreement in agreements[]": (
        {"deletion": {"finalBackup": "Skipped"}},
        {"deletion": {"finalBackup": "Skipped"}, **_AGREED},
    ),
    "spec/rule/server.replicas must be at least infrastructure.zones.minimum: one per zone (S-2)": (
        {"server": {"replicas": 2}},
        {"server": {"replicas": 1}, "infrastructure": {"zones": {"minimum": 2}}, **_AGREED},
    ),
    "spec/rule/login.replicas must be at least infrastructure.zones.minimum: one per zone (S-2)": (
        {"login": {"replicas": 2}},
    ),
    **DATABASE_RULES,
    **KEY_BUNDLE_RULES,
    **SOURCE_RULES,
    **EDGE_RULES,
    **MAINTENANCE_RULES,
    **{
        f"spec.server/rule/config.{key} is computed by the operator: remove it": (
            {"server": {"config": {key: _CONFIG_VALUES[str(kind["type"])]}}},
        )
        for key, kind in CONFIG_TYPES.items()
    },
}
"""Rule -> patches of the smallest spec, each of which breaks it."""

NAME_RULES: dict[str, tuple[str, ...]] = {
    "/rule/metadata.name must be at most 40 characters: names of children are built from it": ("a" * 41,),
    "/rule/metadata.name must start with a letter and hold only lower-case letters, digits and '-': "
    "it names a Service": ("1acme", "acme.example"),
}
"""Rule -> names that break it. What no object of any kind may be called is refused before."""

TRANSITION_RULES: dict[str, tuple[tuple[Manifest, Manifest], ...]] = {
    "spec/rule/firstInstance is immutable: it is read once, when the database is set up": (
        ({}, {"firstInstance": {}}),
        ({"firstInstance": {}}, {"firstInstance": None}),
        ({"firstInstance": {}}, {"firstInstance": {"organization": "Other"}}),
    ),
    "spec.infrastructure/rule/dataLocation is immutable: data does not move by an edit; "
    "restore into a new instance instead": (
        ({}, _LOCATION),
        (_LOCATION, {"infrastructure": None}),
        (_LOCATION, {"infrastructure": {"dataLocation": {"region": "Germany"}}}),
    ),
    "spec.database.external/rule/state is immutable: "
    "it tells how the database was when the instance was created": ((_KEYS, _EXISTING),),
    **DATABASE_TRANSITIONS,
    **SOURCE_TRANSITIONS,
}
"""Rule -> pairs: a patch that makes a valid spec, and a patch of that which breaks the rule."""

def rule_cases(constraint: Constraint) -> tuple[Case, ...]:
    """The counter-examples of a rule; empty if it has none. In a list it is the first item that breaks it."""
    message = get_str(constraint.value, "message")
    at = dotted(constraint.path, item="[0]")
    field = (at + get_str(constraint.value, "fieldPath")).removeprefix(".")
    small: JsonValue = SMALL

    def case(spec: JsonValue, *, name: str = "acme", before: JsonValue = None) -> Case:
        old = None if before is None else instance(before)
        return Case(constraint, instance(spec, name=name), field, message, old)

    return (
        *(case(merged(small, patch)) for patch in STATE_RULES.get(constraint.id, ())),
        *(case(small, name=name) for name in NAME_RULES.get(constraint.id, ())),
        *(
            case(merged(merged(small, first), second), before=merged(small, first))
            for first, second in TRANSITION_RULES.get(constraint.id, ())
        ),
    )


@functools.cache
def cases() -> tuple[Case, ...]:
    """Every counter-example."""
    return tuple(
        case
        for constraint in constraints()
        for case in (
            rule_cases(constraint)
            if constraint.keyword == RULE
            else (bound_case(constraint, instance(full_for(constraint), status=STATUS)),)
        )
    )
