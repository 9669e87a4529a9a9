"""Drift, told by managedFields (design.md §5): no comparison of values, no request.

When anyone changes a field that we applied, ownership moves: our entry loses exactly that field, and the
entry that owns it now says which manager, which operation, when. *Lost* are the leaves of the desired
manifest that our entry does not cover; *foreign* are spec or data fields that others own and we do not want.
Ownership shared at the same value is no drift. Lists of maps are matched by the keys that the desired
item has (the server adds defaults such as protocol TCP to a `k:` key); atomic lists and maps end at their
own leaf.
Limit: whoever writes under our own manager's name is not seen here (the rare full audit's task), and a
field that was removed has no owner: its remover is the newest foreign entry, or unknown.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_str
from dedicated.reconcile.drift import Drift, Path
from dedicated.reconcile.field_owners import OWNERS, Ownership
from dedicated.reconcile.observed import Child

IDENTIFYING = frozenset({"f:apiVersion", "f:kind", "f:status"})
UNSHARED = frozenset({"name", "namespace", "ownerReferences"})
"""Metadata that differs between instances; owner references are compared by uid."""
UNKNOWN = "unknown"


def drift_of(desired: Manifest, child: Child) -> Drift | None:
    """What others did to a child that we applied; None where nothing was done."""
    if not child.ours:
        return None
    ours = parsed(child.ours)
    lost = (*_lost_owner(desired, child), *_lost(as_fields(desired), ours))
    if not lost and not child.foreign:
        return None
    found = (path for entry in child.foreign for path in added_by(parsed(entry.fields), desired))
    added = tuple(dict.fromkeys(found))  # two managers may own the same field
    if not lost and not added:
        return None
    culprit = _culprit(child.foreign, (*lost, *added))
    return Drift(lost, added, culprit.manager, culprit.operation, culprit.time)


def _lost_owner(desired: Manifest, child: Child) -> tuple[Path, ...]:
    wanted = [get_str(owner, "uid") for owner in get_list(desired, "metadata", "ownerReferences")]
    return (("f:metadata", OWNERS),) if wanted and child.owner_uid not in wanted else ()


def as_fields(desired: Manifest) -> Manifest:
    """The part of a manifest that apply can own."""
    metadata = desired.get("metadata")
    kept = (
        {key: value for key, value in metadata.items() if key not in UNSHARED}
        if isinstance(metadata, dict)
        else {}
    )
    rest = {key: value for key, value in desired.items() if key not in ("apiVersion", "kind", "metadata")}
    return {**rest, "metadata": kept}


@lru_cache(maxsize=4096)
def parsed(fields: str) -> Mapping[str, JsonValue]:
    """A field set of the reduced form."""
    return as_manifest(json.loads(fields))


def _lost(desired: JsonValue, node: Mapping[str, JsonValue], path: Path = ()) -> Iterator[Path]:
    """Leaves of `desired` that the field set `node` does not hold."""
    match desired:
        case dict():
            for key, value in desired.items():
                yield from _lost_below(value, node, f"f:{key}", path)
        case list():
            for item in desired:
                step = list_step(item, node)
                if step is None:
                    yield (*path, _wanted_step(item))
                else:
                    yield from _lost_below(item, node, step, path)


def _lost_below(value: JsonValue, node: Mapping[str, JsonValue], step: str, path: Path) -> Iterator[Path]:
    inner = node.get(step)
    if not isinstance(inner, dict):
        if value not in ({}, [], None):
            yield (*path, step)
    elif isinstance(value, dict | list) and descends(inner):
        yield from _lost(value, inner, (*path, step))


def descends(node: Mapping[str, JsonValue]) -> bool:
    """Whether a field set goes on below this node; else it is a leaf, or atomic."""
    return any(step != "." for step in node)


@lru_cache(maxsize=4096)
def _selected(rest: str) -> JsonValue:
    """What a `k:` or `v:` step selects; not to be changed."""
    value: JsonValue = json.loads(rest)
    return value


def list_step(item: JsonValue, node: Mapping[str, JsonValue]) -> str | None:
    """The step of a list's field set that stands for `item`."""
    for step in node:
        kind, _, rest = step.partition(":")
        if kind == "v" and _selected(rest) == item:
            return step
        if kind == "k" and _has_keys(item, as_manifest(_selected(rest))):
            return step
    return None


def _wanted_step(item: JsonValue) -> str:
    if isinstance(item, dict):
        telling = ("name", "containerPort", "mountPath", "uid", "port")
        keys = {key: item[key] for key in telling if key in item}
        return "k:" + json.dumps(keys or {"item": "?"})
    return "v:" + json.dumps(item)


def added_by(theirs: Mapping[str, JsonValue], desired: Manifest) -> Iterator[Path]:
    """Leaves in spec or data of the field set `theirs` that are not wanted anyway."""
    wanted = as_fields(desired)
    for step, node in theirs.items():
        if step not in IDENTIFYING and step != "f:metadata" and isinstance(node, dict):
            yield from unwanted(node, wanted.get(step.removeprefix("f:")), (step,))


def unwanted(node: Mapping[str, JsonValue], value: JsonValue, path: Path) -> Iterator[Path]:
    """Leaves of a field set below `path` for which the desired value there has nothing."""
    if not descends(node):
        if value is None and len(path) > 1:
            yield path
        return
    if "." in node and value is None and len(path) > 1:
        yield path  # the whole item or map is theirs: one removal takes it away
        return
    for step, inner in node.items():
        if step != "." and isinstance(inner, dict):
            yield from unwanted(inner, value_at(value, step), (*path, step))


def value_at(value: JsonValue, step: str) -> JsonValue:
    """What a desired value holds at one step of a field set's path; None where it holds nothing."""
    kind, _, rest = step.partition(":")
    match kind, value:
        case "f", dict():
            return value.get(rest)
        case "k", list():
            keys = json.loads(rest)
            return next((item for item in value if _has_keys(item, keys)), None)
        case "v", list():
            found = json.loads(rest)
            return found if found in value else None
    return None


def _has_keys(item: JsonValue, keys: Mapping[str, JsonValue]) -> bool:
    """Whether a desired item is meant: equal on the keys it has; the server fills in the others."""
    if not isinstance(item, dict):
        return False
    common = [key for key in keys if key in item]
    return bool(common) and all(item[key] == keys[key] for key in common)


def _culprit(foreign: tuple[Ownership, ...], paths: tuple[Path, ...]) -> Ownership:
    """The entry that owns the first field in question, else the newest one."""
    for path in paths:
        for entry in foreign:
            if holds(parsed(entry.fields), path):
                return entry
    return max(foreign, key=lambda entry: entry.time, default=Ownership(UNKNOWN, UNKNOWN, "", "{}"))


def holds(fields: Mapping[str, JsonValue], path: Path) -> bool:
    """Whether a field set has this path."""
    node = dict(fields)
    for step in path:
        inner = node.get(step)
        if not isinstance(inner, dict):
            return False
        node = inner
    return True
