"""The JSON patch that takes out what others added to a managed object.

Each removal is guarded by a test of the value seen, so that a list that moved on in between is not cut at
the wrong place; the patch then fails, and the next pass looks again.
"""

import json

from dedicated.api.json import JsonValue, Manifest
from dedicated.reconcile.ownership import Path


def removal_patch(live: Manifest, paths: tuple[Path, ...]) -> list[JsonValue]:
    """Operations that remove `paths` from `live`, deepest and last first; empty where nothing is left."""
    found = [pointer for path in paths if (pointer := _pointer(live, path)) is not None]
    operations: list[JsonValue] = []
    for steps, value in sorted(found, key=lambda item: _order(item[0]), reverse=True):
        path = "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
        operations.append({"op": "test", "path": path, "value": value})
        operations.append({"op": "remove", "path": path})
    return operations


def _order(pointer: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    return tuple((int(step), "") if step.isdigit() else (-1, step) for step in pointer)


def _pointer(live: Manifest, path: Path) -> tuple[tuple[str, ...], JsonValue] | None:
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
