"""Every constraint of a structural schema, listed from the schema itself.

Whoever adds a constraint to a model finds it here without doing anything, and a test asks for its
counter-example. A keyword that is neither a constraint nor known to be none is an error.
Limit: `apiVersion`, `kind` and `metadata` of the root are the API machinery's own and are not listed,
but for the rules on them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.schema import INSTANCE_DEFINITION, Definition

ITEM = "[]"
"""Step of a path from a list to its items."""
KEY = "key"
"""Step of a path from a map to its values: the examples have a key that is called so."""
RULE = "rule"
DUPLICATES = "duplicates"
REQUIRED = "required"
BOUNDS = frozenset(
    {"type", "enum", "pattern", "format", "minLength", "maxLength", "minimum", "maximum", "minItems"}
    | {"maxItems", "maxProperties"}
)
NO_CONSTRAINTS = frozenset(
    {"description", "default", "items", "properties", "additionalProperties"}
    | {"x-kubernetes-preserve-unknown-fields"}
    | {"x-kubernetes-list-map-keys"}
)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint on the value at `path`; `value` is what the schema says behind the keyword."""

    path: tuple[str, ...]
    keyword: str
    value: JsonValue

    @property
    def id(self) -> str:
        """`spec.server.replicas/maximum`; a rule adds its message, which is unique below its path."""
        text = f"/{get_str(self.value, 'message')}" if self.keyword == RULE else ""
        return f"{dotted(self.path)}/{self.keyword}{text}"

    @property
    def transition(self) -> bool:
        """Whether it is a rule between the old and the new object."""
        return self.keyword == RULE and "oldSelf" in get_str(self.value, "rule")


def dotted(path: tuple[str, ...], *, item: str = ITEM) -> str:
    """`spec.agreements[].clause`, with `item` for each step into a list."""
    return "".join(item if step == ITEM else f".{step}" for step in path).removeprefix(".")


def crd_schema(definition: Definition = INSTANCE_DEFINITION) -> Manifest:
    """The schema of the one version of a definition."""
    (version,) = get_list(definition.crd(), "spec", "versions")
    return get_map(version, "schema", "openAPIV3Schema")


def nodes(schema: Manifest, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Manifest]]:
    """Every node of a schema with its path, the root first."""
    yield path, schema
    for name, inner in get_map(schema, "properties").items():
        yield from nodes(as_manifest(inner), (*path, name))
    for keyword, step in (("items", ITEM), ("additionalProperties", KEY)):
        if keyword in schema:
            yield from nodes(get_map(schema, keyword), (*path, step))


def constraints(definition: Definition = INSTANCE_DEFINITION) -> tuple[Constraint, ...]:
    """Every constraint of a definition's schema."""
    return tuple(
        constraint
        for path, node in nodes(crd_schema(definition))
        if path[:1] not in {("apiVersion",), ("kind",), ("metadata",)}
        for constraint in _of_node(path, node)
    )


def _of_node(path: tuple[str, ...], node: Manifest) -> Iterator[Constraint]:
    for keyword, value in node.items():
        match keyword:
            case "required":
                yield from (Constraint((*path, name), REQUIRED, None) for name in _strings(value))
            case "x-kubernetes-validations" if isinstance(value, list):
                yield from (Constraint(path, RULE, rule) for rule in value)
            case "x-kubernetes-list-type":
                if value != "atomic":
                    yield Constraint(path, DUPLICATES, value)
            case _ if keyword in BOUNDS:
                if path:
                    yield Constraint(path, keyword, value)
            case _ if keyword not in NO_CONSTRAINTS:
                raise ValueError(f"{dotted(path)}: is {keyword} a constraint?")


def _strings(value: JsonValue) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
