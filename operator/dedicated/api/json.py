"""Typed JSON: what a manifest is made of, and its canonical hash.

Kubernetes objects cross our layers as plain JSON values, not as models: the API server owns their
schema, and a manifest is only ever written whole or read at a few known paths. The helpers here
read such a path with a stated type, so that no `Any` crosses a layer border.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

JsonValue: TypeAlias = (
    "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
)
Manifest: TypeAlias = dict[str, JsonValue]

HASH_BYTES = 8
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: JsonValue) -> bytes:
    """The one serialisation of a value: keys sorted, no white space, UTF-8."""
    return _CANONICAL.encode(value).encode()


def digest(value: JsonValue) -> str:
    """16 hexadecimal digits that change when the value does. Not for secrets."""
    return hashlib.blake2b(canonical(value), digest_size=HASH_BYTES).hexdigest()


def copied(value: JsonValue) -> JsonValue:
    """A value that shares nothing with the first that could be changed."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def get_map(value: JsonValue, *path: str) -> Manifest:
    """The object at a path, or an empty one where any part of the path is absent or of another type."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def get_list(value: JsonValue, *path: str) -> list[JsonValue]:
    """The list at a path, or an empty one."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, list) else []


def get_str(value: JsonValue, *path: str) -> str:
    """The string at a path, or an empty one."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def shared(value: JsonValue, *path: str) -> str:
    """As `get_str`, for strings that many kept objects have in common: equal ones are one in memory."""
    return sys.intern(get_str(value, *path))


def get_int(value: JsonValue, *path: str) -> int:
    """The integer at a path, or 0."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def as_manifest(value: object) -> Manifest:
    """A decoded JSON object as a manifest. The caller vouches that it came from JSON."""
    if not isinstance(value, dict):
        raise TypeError(f"expected a JSON object, got {type(value).__name__}")
    return cast(Manifest, value)


def strings(value: Mapping[str, str]) -> Manifest:
    """A map of strings as a JSON object."""
    return dict(value)


def array(values: Sequence[JsonValue]) -> list[JsonValue]:
    """A sequence of JSON values as a JSON array (lists are invariant, sequences are not)."""
    return list(values)
