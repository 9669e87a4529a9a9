"""`python -m house.crd_compat`: fails where a custom resource definition breaks what was released before.

Problem: objects and manifests in Git outlive the operator that they were written for. A version of a
definition that was released may only grow and loosen: no field away, no type changed, nothing required anew,
no bound tightened, no rule added, no default moved; status fields likewise, since people and tools read them.
`released/` holds the definitions as last released; it moves with `testbed.previous` at a release
(docs/upgrade.md). Ratcheting (on by default since Kubernetes 1.30) lets stored values that break a new rule
pass while they stay as they are, but not a manifest that is applied to an empty cluster: a tightening that is
safe all the same is stated in `STATED`, with its reason.
Limit: it compares the schema by its words; whether a changed CEL rule means the same, a person has to say.
"""

import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml

from dedicated.api.json import JsonValue, Manifest, as_manifest, canonical, get_list, get_map, get_str
from testbed.home import CHECKOUT

RELEASED = CHECKOUT / "e2e" / "house" / "released"
CURRENT = CHECKOUT / "crds"
FIX = "keep it as it was, or bring the change in a new version and go on serving this one"

_RULES = "x-kubernetes-validations"
_SPEC = "dedicatedinstances.dedicated.zitadel.com v1alpha1.spec"
_ONE_ENGINE = "the one engine released is external, of which it holds"
_SAME = "the rule released, for a spec that has database.external; released, each had"
_EXISTING = "!has(self.database.external) || self.database.external.state != 'Existing'"
STATED: Mapping[str, str] = {
    f"{_SPEC} {_RULES} {_EXISTING} || has(self.keys)": _SAME,
    f"{_SPEC} {_RULES} {_EXISTING} || !has(self.firstInstance)": _SAME,
    f"{_SPEC} {_RULES} self.database.engine == 'external' || has(self.backup)": _ONE_ENGINE,
    f"{_SPEC} {_RULES} self.database.engine == 'external' || has(self.infrastructure.dataLocation)": (
        _ONE_ENGINE
    ),
    f"{_SPEC}.database {_RULES} self.engine == 'external' || has(self.cluster)": _ONE_ENGINE,
    f"{_SPEC} {_RULES} has(self.from) == has(oldSelf.from) && "
    "(!has(self.from) || self.from == oldSelf.from)": "released, there was no field from",
    f"{_SPEC}.database {_RULES} (self.engine == 'external') == has(self.external)": (
        "released, the one engine was external, and its section required"
    ),
}
"""`PATH KEYWORD` of a change that is safe all the same -> why."""

CEILINGS = ("maximum", "maxLength", "maxItems", "maxProperties")
FLOORS = ("minimum", "minLength", "minItems", "minProperties")
FIXED = (
    "type",
    "pattern",
    "format",
    "multipleOf",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "default",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-embedded-resource",
)
"""Keywords of which any other value is another interface."""
OPENINGS = ("nullable", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
"""Keywords that may come, but not go."""
NAMES = ("kind", "listKind", "plural", "singular")


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that worked and would no longer."""

    path: str
    keyword: str
    old: JsonValue
    new: JsonValue
    reason: str

    @property
    def place(self) -> str:
        """The key in `STATED`."""
        return f"{self.path} {self.keyword}"

    def __str__(self) -> str:
        was, now = _shown(self.old), _shown(self.new)
        return f"{self.path}: {self.keyword} was {was}, is {now}: {self.reason}. Fix: {FIX}"


def compare(
    old: Mapping[str, Manifest],
    new: Mapping[str, Manifest],
    *,
    stated: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """What is wrong between two sets of definitions, by their names; empty where all is compatible."""
    found = [
        one
        for name, before in sorted(old.items())
        for one in (
            breaks(before, new[name])
            if name in new
            else [Break(name, "definition", name, None, "objects of this kind would be deleted with it")]
        )
    ]
    unused = sorted(stated.keys() - {one.place for one in found})
    return [
        *(str(one) for one in found if one.place not in stated),
        *(f"{place}: is stated as safe, but does not occur. Fix: take it out of STATED" for place in unused),
    ]


def breaks(old: Manifest, new: Manifest) -> Iterator[Break]:
    """What one definition breaks of its released form."""
    name = get_str(old, "metadata", "name")
    before, after = get_map(old, "spec"), get_map(new, "spec")
    for keyword in ("group", "scope"):
        yield from _changed(name, keyword, before, after, "every stored object is found by it")
    for keyword in NAMES:
        names = get_map(before, "names"), get_map(after, "names")
        yield from _changed(f"{name} names", keyword, *names, "clients and rights use it")
    for keyword in ("shortNames", "categories"):
        names = get_map(before, "names"), get_map(after, "names")
        yield from _gone(f"{name} names", keyword, *names, "people type it")
    served = {get_str(item, "name"): as_manifest(item) for item in get_list(after, "versions")}
    for item in get_list(before, "versions"):
        version = as_manifest(item)
        label = get_str(version, "name")
        there = served.get(label, {})
        if version.get("served") and not there.get("served"):
            yield Break(name, "versions", label, None, "manifests of this version would be refused")
        else:
            yield from _version(f"{name} {label}", version, there)


def _version(path: str, old: Manifest, new: Manifest) -> Iterator[Break]:
    yield from _gone(path, "selectableFields", old, new, "field selectors would be refused")
    lost = get_map(old, "subresources").keys() - get_map(new, "subresources").keys()
    for name in sorted(lost):
        yield Break(path, "subresources", name, None, "requests to it would fail")
    place = ("schema", "openAPIV3Schema")
    yield from _node(path, get_map(old, *place), get_map(new, *place))


def _node(path: str, old: Manifest, new: Manifest) -> Iterator[Break]:
    """One node of a schema that both have, and all below it."""
    for keyword in FIXED:
        yield from _changed(path, keyword, old, new, "what was valid or meant is not so any more")
    for keyword in CEILINGS:
        yield from _tightened(path, keyword, old, new, lambda before, after: after < before)
    for keyword in FLOORS:
        yield from _tightened(path, keyword, old, new, lambda before, after: after > before)
    for keyword in OPENINGS:
        if old.get(keyword) and not new.get(keyword):
            yield Break(path, keyword, True, None, "values that were allowed are refused or dropped")
    yield from _values(path, old, new)
    yield from _rules(path, old, new)
    yield from _below(path, old, new)


def _values(path: str, old: Manifest, new: Manifest) -> Iterator[Break]:
    if "enum" in new and "enum" not in old:
        yield Break(path, "enum", None, new["enum"], "any value was allowed")
    elif "enum" in new:
        yield from _gone(path, "enum", old, new, "objects hold this value")
    for name in get_list(new, "required"):
        if name not in get_list(old, "required"):
            yield Break(path, "required", None, name, "objects without it would be refused")


def _rules(path: str, old: Manifest, new: Manifest) -> Iterator[Break]:
    keyword = "x-kubernetes-validations"
    known = {get_str(rule, "rule") for rule in get_list(old, keyword)}
    fresh = get_map(new, "properties").keys() - get_map(old, "properties").keys()
    for rule in get_list(new, keyword):
        if (text := get_str(rule, "rule")) not in known and not _is_about_new(text, fresh):
            yield Break(path, f"{keyword} {text}", None, text, "objects that were valid may break it")


def _is_about_new(rule: str, fresh: Collection[str]) -> bool:
    """Whether a rule holds for whatever has not a field that no object released can have."""
    guarded = re.match(r"!has\(self\.(\w+)\) \|\| ", rule)
    return guarded is not None and guarded[1] in fresh and "?" not in rule


def _below(path: str, old: Manifest, new: Manifest) -> Iterator[Break]:
    properties = get_map(new, "properties")
    for name, before in get_map(old, "properties").items():
        if name in properties:
            yield from _node(f"{path}.{name}", as_manifest(before), get_map(properties, name))
        else:
            was = get_str(before, "type")
            yield Break(f"{path}.{name}", "field", was, None, "its values would be dropped")
    for keyword, step in (("items", "[]"), ("additionalProperties", "{}")):
        if keyword in old and keyword in new:
            yield from _node(path + step, get_map(old, keyword), get_map(new, keyword))
        elif keyword in old or keyword in new:
            yield from _changed(path, keyword, old, new, "what is inside would be refused or dropped")


def _changed(path: str, keyword: str, old: Manifest, new: Manifest, reason: str) -> Iterator[Break]:
    if old.get(keyword) != new.get(keyword):
        yield Break(path, keyword, old.get(keyword), new.get(keyword), reason)


def _gone(path: str, keyword: str, old: Manifest, new: Manifest, reason: str) -> Iterator[Break]:
    for item in get_list(old, keyword):
        if item not in get_list(new, keyword):
            yield Break(path, keyword, item, None, reason)


def _tightened(
    path: str, keyword: str, old: Manifest, new: Manifest, tighter: Callable[[float, float], bool]
) -> Iterator[Break]:
    before, after = old.get(keyword), new.get(keyword)
    if not isinstance(after, int | float):
        return
    if not isinstance(before, int | float):
        yield Break(path, keyword, None, after, "there was no bound")
    elif tighter(before, after):
        yield Break(path, keyword, before, after, "values between the two would be refused")


def _shown(value: JsonValue) -> str:
    return "absent" if value is None else canonical(value).decode()


def definitions(folder: Path) -> dict[str, Manifest]:
    """All definitions in a folder, by name."""
    found = (as_manifest(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in folder.glob("*.yaml"))
    return {get_str(item, "metadata", "name"): item for item in found}


if __name__ == "__main__":
    problems = compare(definitions(RELEASED), definitions(CURRENT), stated=STATED)
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)
