"""What admission and the first pass would say of a `DedicatedInstance`: pure, without a cluster.

Admission is asked of the models and rules from which its schema is generated, with what the schema alone
knows: names, and lists without duplicates. The first pass is the operator's own: agreements, the terms in
force, the quarterly floor as far as it looks ahead, the release catalogue.
Limit: not seen is what needs the cluster (nodes, Secrets, keys, the database) or the old object (immutable
fields, the release that serves: whether one may follow it, or may begin a new instance).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dedicated.api.catalogue import Catalogue
from dedicated.api.conditions import rfc3339, shorten
from dedicated.api.findings import Finding
from dedicated.api.instance import InstanceSpec
from dedicated.api.json import JsonValue, Manifest, canonical, get_list, get_map, get_str
from dedicated.api.names import API_VERSION
from dedicated.api.resource import Instance, parse_instance
from dedicated.api.schema import INSTANCE_DEFINITION, structural
from dedicated.contract import clock_conditions, releases
from dedicated.contract.agreements import zones_in_force
from dedicated.contract.facts import Fact
from dedicated.contract.places import Atlas
from dedicated.contract.rate_limits import policy_in_force
from dedicated.contract.responsibilities import check_options
from dedicated.reconcile.location import declared
from dedicated.reconcile.obligations import obligations
from dedicated.reconcile.observed import Observed

By = Literal["Admission", "FirstPass"]
VALUE_LIMIT = 60
WORDS = {
    "missing": ("it is required", "add it"),
    "literal_error": ("it is none of the values there are", "write one of {expected}"),
    "string_pattern_mismatch": ("it does not match {pattern}", "write it in that form"),
    "model_type": ("it is no object with fields", "write its fields below it"),
}
"""Kind of pydantic's error -> reason and fix; of all others its own words are the reason."""
MISSING = "\0"
"""What no value is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that would be said: refused by admission, or found in the first pass.

    `value` is what stands there now, as JSON; empty where it does not matter, or nothing stands there.
    `responsible` is the party of a finding; what admission refuses is mended by who writes it.
    """

    by: By
    field: str
    value: str
    reason: str
    fix: str
    responsible: str = ""
    deadline: str = ""

    def manifest(self) -> Manifest:
        """The verdict for programs; what is empty is left out."""
        found: Manifest = {
            "by": self.by,
            "field": self.field,
            "value": self.value,
            "reason": self.reason,
            "fix": self.fix,
            "responsible": self.responsible,
            "deadline": self.deadline,
        }
        return {key: value for key, value in found.items() if value}


def verdicts(
    body: Manifest,
    facts: Sequence[Fact],
    *,
    catalogue: Catalogue | None,
    atlas: Atlas | None = None,
    now: datetime,
) -> tuple[Verdict, ...]:
    """All of them, in order, by the facts recorded. The first pass sees only what admission lets through.

    Without a catalogue releases, without an atlas places are not judged.
    """
    refused = (*_names(body), *_fields(body.get("spec")), *_repeated(body.get("spec")))
    if refused:
        return refused
    instance = parse_instance(body)
    if not isinstance(instance, Instance):
        raise ValueError(f"the models disagree about {instance.problems}")
    return tuple(_first_pass(instance, facts, catalogue, atlas, now))


def _names(body: Manifest) -> Iterator[Verdict]:
    version = get_str(body, "apiVersion")
    if version != API_VERSION:
        yield Verdict("Admission", "apiVersion", version, "it is not served", f"write {API_VERSION}")
    name = get_str(body, "metadata", "name")
    for rule in INSTANCE_DEFINITION.rules:
        if rule.holds is not None and not rule.holds(body):
            yield Verdict("Admission", rule.field, name, rule.message, "rename it; a name is for ever")


def _fields(spec: JsonValue) -> Iterator[Verdict]:
    try:
        InstanceSpec.model_validate(spec)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            reason, fix = _words(item)
            yield Verdict("Admission", _path(item["loc"]), _value_at(spec, item["loc"]), reason, fix)


def _words(item: ErrorDetails) -> tuple[str, str]:
    """Why the field is refused, and what to write."""
    if item["type"] == "extra_forbidden":
        return "there is no such field", _near(item["loc"])
    if item["type"] == "rule":
        return item["msg"], ""
    said = f"{item['msg'][:1].lower()}{item['msg'][1:]}"
    reason, fix = WORDS.get(item["type"], (said, "correct it"))
    context = item.get("ctx", {})
    return reason.format(**context), fix.format(**context)


def _near(location: tuple[str | int, ...]) -> str:
    """What the field may have been meant to be."""
    schema = _schema()
    for step in location[:-1]:
        schema = get_map(schema, "items") if isinstance(step, int) else get_map(schema, "properties", step)
    near = get_close_matches(str(location[-1]), [*get_map(schema, "properties")], n=1)
    return f"did you mean {near[0]}?" if near else "remove it"


@cache
def _schema() -> Manifest:
    return structural(InstanceSpec)


def _repeated(spec: JsonValue) -> Iterator[Verdict]:
    yield from _repeated_in(spec, _schema(), "spec")


def _repeated_in(value: JsonValue, schema: Manifest, path: str) -> Iterator[Verdict]:
    """Items of lists that the API server tells apart by their keys, or by their value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _repeated_in(inner, get_map(schema, "properties", name), f"{path}.{name}")
    if not isinstance(value, list):
        return
    keys = [key for key in get_list(schema, "x-kubernetes-list-map-keys") if isinstance(key, str)]
    told = keys or get_str(schema, "x-kubernetes-list-type") == "set"
    seen: list[JsonValue] = []
    for number, item in enumerate(value):
        mark: JsonValue = [get_map(item).get(key) for key in keys] if keys else item
        if told and mark in seen:
            reason = f"the same {' and '.join(keys) or 'value'} stands in an item before"
            yield Verdict("Admission", f"{path}[{number}]", _text(mark), reason, "remove one of the two")
        seen.append(mark)
        yield from _repeated_in(item, get_map(schema, "items"), f"{path}[{number}]")


def _first_pass(
    instance: Instance,
    facts: Sequence[Fact],
    catalogue: Catalogue | None,
    atlas: Atlas | None,
    now: datetime,
) -> Iterator[Verdict]:
    """What the spec is responsible for; that a clock runs is none of it."""
    owed = obligations(instance, Observed(facts=tuple(facts)), now=now)
    _, zones = zones_in_force(instance.spec, agreed=owed.agreed)
    running = clock_conditions.findings(owed.clocks, owed.terms, now=now)
    for finding in (*zones, *check_options(instance.spec), *owed.findings):
        if finding not in running:
            yield _found(finding)
    spec = instance.spec
    for problem in policy_in_force(spec.rate_limit, facts, now=now).problems:
        yield _found(problem.finding())
    if atlas is not None:
        for finding in declared(spec.infrastructure, spec.backup, bundle=spec.key_bundle, atlas=atlas):
            yield _found(finding)
    if catalogue is not None:
        zone = owed.terms.zone
        for finding in releases.check(
            instance.spec, catalogue, serving="", new=False, now=now, zone=zone
        ):
            yield _found(finding)


def _found(finding: Finding) -> Verdict:
    deadline = rfc3339(finding.deadline) if finding.deadline else ""
    return Verdict(
        by="FirstPass",
        field=finding.code,
        value="",
        reason=finding.message,
        fix=finding.action,
        responsible=finding.responsible,
        deadline=deadline,
    )


def _path(location: tuple[str | int, ...]) -> str:
    return "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _value_at(spec: JsonValue, location: tuple[str | int, ...]) -> str:
    value: JsonValue = spec
    for step in location:
        inner = value.get(str(step), MISSING) if isinstance(value, dict) else MISSING
        if isinstance(value, list) and isinstance(step, int):
            inner = value[step]
        if inner == MISSING:
            return ""
        value = inner
    return _text(value)


def _text(value: JsonValue) -> str:
    return shorten(canonical(value).decode(), VALUE_LIMIT)
