"""Definitions of other projects, and what the API server would refuse of an object under strict validation.

The definitions are test data that is not part of this project (`engines.definitions`).
"""

import re
from collections.abc import Iterator

import pytest
import yaml

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from engines.definitions import REASON, folder

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def schema_of(project: str, kind: str) -> Manifest:
    """The schema of a kind's newest version; skips where the definitions are not at hand."""
    found = folder()
    if found is None:
        pytest.skip(REASON)
    for file in sorted((found / project).glob("*.yaml")):
        for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            if document and get_str(document, "spec", "names", "kind") == kind:
                version = get_list(as_manifest(document), "spec", "versions")[-1]
                return get_map(version, "schema", "openAPIV3Schema")
    raise LookupError(f"{project} defines no {kind}")


def refused(value: JsonValue, schema: Manifest, path: str = "") -> Iterator[str]:
    """What strict validation refuses: unknown and missing fields, types, values. Not rules in CEL."""
    kind = get_str(schema, "type")
    if schema.get("x-kubernetes-int-or-string") is True:
        if not isinstance(value, int | str):
            yield f"{path}: neither number nor string"
        return
    if kind and (not isinstance(value, TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))):
        yield f"{path}: not of type {kind}"
        return
    if (allowed := schema.get("enum")) and isinstance(allowed, list) and value not in allowed:
        yield f"{path}: {value!r} is none of {allowed}"
    if isinstance(value, str) and (form := get_str(schema, "pattern")) and not re.search(form, value):
        yield f"{path}: {value!r} is not of form {form}"
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from refused(item, get_map(schema, "items"), f"{path}[{number}]")
    if isinstance(value, dict) and schema:
        yield from _fields(value, schema, path)


def _fields(value: Manifest, schema: Manifest, path: str) -> Iterator[str]:
    known, other = get_map(schema, "properties"), schema.get("additionalProperties")
    for name in get_list(schema, "required"):
        if name not in value:
            yield f"{path}.{name}: missing"
    for name, item in value.items():
        if path == "" and name == "metadata":
            continue  # of the API server's own schema
        if name in known:
            yield from refused(item, get_map(known, name), f"{path}.{name}")
        elif isinstance(other, dict):
            yield from refused(item, other, f"{path}.{name}")
        elif other is not True and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{path}.{name}: unknown field"
