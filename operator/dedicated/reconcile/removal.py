"""The JSON patch that takes out what others added to a managed object.

Each removal is guarded by a test of the value seen, so that a list that moved on in between is not cut at
the wrong place; the patch then fails, and the next pass looks again.
"""

import json
from collections.abc import Iterable

from dedicated.api.json import JsonValue, Manifest
from dedicated.reconcile.drift import Path
from dedicated.reconcile.ownership import value_at


def removal_patch(live: Manifest, paths: tuple[Path, ...]) -> list[JsonValue]:
    """Operations that remove `paths` from `live`, deepest and last first; empty where nothing is left."""
    found = dict(pointer for path in paths if (pointer := pointer_of(live, path)) is not None)
    # What lies inside something that goes as a whole goes with it.
    outer = [steps for steps in found if not any(steps[:end] in found for end in range(1, len(steps)))]
    operations: list[JsonValue] = []
    for steps in sorted(outer, key=_order, reverse=True):
        operations.append({"op": "test", "path": _json_pointer(steps), "value": found[steps]})
        operations.append({"op": "remove", "path": _json_pointer(steps)})
    return operations


def exchange_patch(live: Manifest, desired: Manifest, paths: tuple[Path, ...]) -> list[JsonValue]:
    """As `removal_patch`, and what is wanted beside a removed field but missing comes in its place.

    Where the API allows one of several fields (`value` or `valueFrom`, a probe's handler, a volume's source,
    a budget's bound) or one item of a name (a Service's ports), apply is refused while the other one stands,
    and neither step is valid alone.
    """
    operations: list[JsonValue] = []
    for path in paths:
        parent = pointer_of(live, path[:-1])
        if parent is None:
            continue
        for step, value in _missing(parent[1], _wanted(desired, path[:-1]), path[-1]):
            add: JsonValue = {"op": "add", "path": _json_pointer((*parent[0], step)), "value": value}
            if add not in operations:
                operations.append(add)
    return [*operations, *removal_patch(live, paths)]


def _wanted(desired: Manifest, path: Path) -> JsonValue:
    value: JsonValue = desired
    for step in path:
        value = value_at(value, step)
    return value


def _missing(live: JsonValue, wanted: JsonValue, removed: str) -> list[tuple[str, JsonValue]]:
    """What `wanted` has and `live` lacks, with the last step of its place; a list's items go to its end."""
    match live, wanted:
        case dict(), dict():
            return [(key, wanted[key]) for key in sorted(wanted.keys() - live.keys())]
        case list(), list() if removed.startswith("k:"):
            keys = json.loads(removed.removeprefix("k:")).keys()
            return [("-", item) for item in wanted if not any(_same(item, other, keys) for other in live)]
        case _:
            return []


def _same(wanted: JsonValue, live: JsonValue, keys: Iterable[str]) -> bool:
    """Whether both are the same item of a list, by the keys that the wanted one has."""
    if not isinstance(wanted, dict) or not isinstance(live, dict):
        return False
    return all(wanted[key] == live.get(key) for key in keys if key in wanted)


def _json_pointer(steps: tuple[str, ...]) -> str:
    return "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)


def _order(pointer: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    return tuple((int(step), "") if step.isdigit() else (-1, step) for step in pointer)


def pointer_of(live: Manifest, path: Path) -> tuple[tuple[str, ...], JsonValue] | None:
    """A field set's path as JSON pointer steps in the live object, and the value there."""
    node: JsonValue = live
    steps: list[str] = []
    for step in path:
        kind, _, rest = step.partition(":")
        match node:
            case dict() if kind == "f" and rest in node:
                steps.append(rest)
                node = node[rest]
            case list():
                index = _index(node, kind, rest)
                if index is None:
                    return None
                steps.append(str(index))
                node = node[index]
            case _:
                return None
    return tuple(steps), node


def _index(items: list[JsonValue], kind: str, rest: str) -> int | None:
    wanted = json.loads(rest)
    for index, item in enumerate(items):
        if kind == "v" and item == wanted:
            return index
        if kind == "k" and isinstance(item, dict) and all(item.get(key) == wanted[key] for key in wanted):
            return index
    return None
