"""What an API server knows about the fields of our kinds, as far as ownership asks.

A manifest is flattened to its leaves, each under its path of `fieldsV1` steps; ownership is a set of such
paths. Maps and list items that are tracked as a whole have a path of their own that ends in `.`.
"""

import json
from collections.abc import Iterable, Iterator

from dedicated.api.json import JsonValue, Manifest

Path = tuple[str, ...]
Flat = dict[Path, JsonValue]

LIST_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
    "tolerations": (),
}
PORT_KEYS = {"containerPort": ("containerPort", "protocol"), "port": ("port", "protocol")}
SETS = frozenset({"finalizers"})
WHOLE_ITEMS = frozenset({"ownerReferences"})
"""Lists whose items are told apart but not looked into."""
ATOMIC = frozenset(
    {
        "labelSelector",
        "nodeSelector",
        "podSelector",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "secretKeyRef",
        "selector",
    }
)
UNTRACKED = frozenset({"apiVersion", "kind", "status"})
UNTRACKED_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "uid",
    }
)


def flatten(manifest: Manifest) -> Flat:
    """The leaves of everything that can be owned."""
    metadata = manifest.get("metadata")
    kept = {key: value for key, value in manifest.items() if key not in UNTRACKED}
    if isinstance(metadata, dict):
        kept["metadata"] = {key: value for key, value in metadata.items() if key not in UNTRACKED_METADATA}
    if not kept.get("metadata"):
        kept.pop("metadata", None)
    return dict(_leaves(kept, "", ()))


def _leaves(value: JsonValue, name: str, path: Path) -> Iterator[tuple[Path, JsonValue]]:
    if isinstance(value, dict) and value and name not in ATOMIC:
        for key, inner in value.items():
            yield from _leaves(inner, key, (*path, f"f:{key}"))
    elif isinstance(value, list) and value and (name in SETS or _item_keys(value, name)):
        for item in value:
            step = (*path, _item_step(item, name, value))
            if name in WHOLE_ITEMS:
                yield step, item
                continue
            yield (*step, "."), None
            if isinstance(item, dict):
                yield from _leaves(item, "", step)
    elif path:
        yield path, value


def _item_keys(items: list[JsonValue], name: str) -> tuple[str, ...]:
    if name == "ports" and isinstance(items[0], dict):
        return PORT_KEYS["containerPort" if "containerPort" in items[0] else "port"]
    return LIST_KEYS.get(name, ())


def _item_step(item: JsonValue, name: str, items: list[JsonValue]) -> str:
    if not isinstance(item, dict):
        return "v:" + json.dumps(item)
    defaults: Manifest = {"protocol": "TCP"}
    keys = {key: item.get(key, defaults.get(key)) for key in _item_keys(items, name)}
    return "k:" + json.dumps(keys, separators=(",", ":"))


def build(flat: Flat) -> Manifest:
    """The manifest of leaves; list items keep the order in which they came."""
    root: Manifest = {}
    for path, value in flat.items():
        node: Manifest = root
        for step in path[:-1]:
            inner = node.setdefault(step, {})
            assert isinstance(inner, dict)
            node = inner
        node[path[-1]] = {} if path[-1] == "." else {"=": value}
    built = _build(root)
    assert isinstance(built, dict)
    return built


def _build(node: Manifest) -> JsonValue:
    if "=" in node:
        return node["="]
    inner = {step: value for step, value in node.items() if step != "." and isinstance(value, dict)}
    if any(step.startswith(("k:", "v:")) for step in inner):
        return [
            json.loads(step[2:]) if step.startswith("v:") else _build(value) for step, value in inner.items()
        ]
    return {step[2:]: _build(value) for step, value in inner.items()}


def fields_v1(paths: Iterable[Path]) -> Manifest:
    """Paths as the API writes them in `managedFields[].fieldsV1`."""
    root: Manifest = {}
    for path in paths:
        node: Manifest = root
        for step in path:
            inner = node.setdefault(step, {})
            assert isinstance(inner, dict)
            node = inner
    return root


def new_maps(old: Flat, new: Flat) -> set[Path]:
    """Maps and lists that `new` has and `old` has not, as paths that end in `.`: an update owns them too."""

    def inner(flat: Flat) -> set[Path]:
        return {path[:end] for path in flat for end in range(1, len(path))}

    return {(*path, ".") for path in inner(new) - inner(old) if path[-1].startswith("f:")}
