"""The generated definition: current in `crds/`, structural, bounded, and with a Python twin of every rule."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from api.constraints import DUPLICATES, REQUIRED, RULE, Constraint, constraints, crd_schema, dotted, nodes
from dedicated.api.instance import InstanceSpec
from dedicated.api.json import JsonValue, Manifest, as_manifest, canonical, get_list, get_map, get_str
from dedicated.api.rules import ApiModel, Rule
from dedicated.api.schema import INSTANCE_DEFINITION, structural
from dedicated.api.status import InstanceStatus
from dedicated.cli.crds import documents

CRDS = Path(__file__).resolve().parents[2] / "crds"
NEVER = frozenset({"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "title", "const", "nullable"})
LARGEST = 256 * 1024
"""Bytes that a client-side `kubectl apply` can keep in its annotation."""
TREE = tuple(nodes(crd_schema()))


def under(*roots: str) -> list[tuple[str, Manifest]]:
    """Path and node of all below the roots, but for what an open object says of the keys it knows."""
    opened = [path for path, node in TREE if "x-kubernetes-preserve-unknown-fields" in node]
    return [
        (dotted(path), node)
        for path, node in TREE
        if path[:1] in {(root,) for root in roots}
        and not any(path[: len(above)] == above and path != above for above in opened)
    ]


def test_crds_folder_is_current() -> None:
    assert {path.name: path.read_text() for path in CRDS.iterdir()} == documents(), "run make crds"


def test_definition_is_small_enough_for_kubectl_apply() -> None:
    assert len(canonical(INSTANCE_DEFINITION.crd())) < LARGEST


def test_schema_is_structural() -> None:
    for path, node in TREE:
        assert not NEVER & node.keys(), dotted(path)
        assert isinstance(node.get("type"), str), dotted(path)
        assert not ("properties" in node and "additionalProperties" in node), dotted(path)
        assert ("items" in node) == (node["type"] == "array"), dotted(path)


def test_every_object_is_closed_or_open_on_purpose() -> None:
    opened = {dotted(path) for path, node in TREE if "x-kubernetes-preserve-unknown-fields" in node}
    assert {path for path in opened if not path.startswith("spec.server.config.")} == {"spec.server.config"}
    empty = [path for path, node in under("spec", "status") if node["type"] == "object" and len(node) == 1]
    assert empty == []


def test_everything_is_bounded() -> None:
    """Unbounded values make CEL rules too costly for the API server, and status too large for etcd."""
    wanted = {
        "string": ({"maxLength"}, {"enum"}, {"format"}),
        "array": ({"maxItems"},),
        "object": ({"properties"}, {"maxProperties"}),
        "boolean": (set[str](),),
    }
    for path, node in under("spec", "status"):
        kind = get_str(node, "type")
        if kind == "integer" and path.startswith("status"):
            continue
        choices = wanted.get(kind, ({"minimum", "maximum"},))
        assert any(choice <= node.keys() for choice in choices), f"{path} has no bound"


def test_every_list_says_how_it_merges() -> None:
    lists = [(path, node) for path, node in under("spec") if node["type"] == "array"]
    assert len(lists) >= 3
    for path, node in lists:
        assert node.get("x-kubernetes-list-type") in {"map", "set"}, path


def test_constraints_have_distinct_ids() -> None:
    ids = [constraint.id for constraint in constraints()]
    assert len(ids) == len(set(ids))
    assert {RULE, REQUIRED, DUPLICATES} < {constraint.keyword for constraint in constraints()}


def models(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and all that its fields are made of."""
    found = {model}

    def visit(annotation: object) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in found:
            found.update(models(annotation))
        for inner in getattr(annotation, "__args__", ()):
            visit(inner)

    for field in model.model_fields.values():
        visit(field.annotation)
    return found


RULES: list[Rule] = [rule for model in models(InstanceSpec) for rule in getattr(model, "rules", ())]


def spec_rules() -> list[Constraint]:
    return [c for c in constraints() if c.keyword == RULE and c.path[:1] == ("spec",)]


def test_every_rule_of_the_models_is_in_the_schema() -> None:
    in_schema = {get_str(constraint.value, "rule") for constraint in spec_rules()}
    assert in_schema == {rule.cel for rule in RULES}
    assert len(in_schema) > 10


def test_every_rule_but_transitions_has_a_python_twin() -> None:
    lonely = {rule.message for rule in RULES if rule.holds is None}
    assert lonely == {get_str(c.value, "message") for c in spec_rules() if c.transition}


def test_rules_point_at_fields_that_exist() -> None:
    paths = {dotted(path) for path, _ in TREE}
    for constraint in constraints():
        if constraint.keyword == RULE:
            field = get_str(constraint.value, "fieldPath")
            assert field, constraint.id
            assert (dotted(constraint.path) + field).removeprefix(".") in paths, constraint.id


def defaulted(node: Manifest, value: JsonValue) -> JsonValue:
    """What the API server stores: absent properties with a default are filled in, from the top down."""
    if isinstance(value, list):
        return [defaulted(get_map(node, "items"), item) for item in value]
    if not isinstance(value, dict) or "x-kubernetes-preserve-unknown-fields" in node:
        return value
    properties = {name: as_manifest(inner) for name, inner in get_map(node, "properties").items()}
    filled = {name: inner["default"] for name, inner in properties.items() if "default" in inner} | value
    return {name: defaulted(properties[name], inner) for name, inner in filled.items()}


SMALL: Manifest = {
    "plan": "Standard",
    "domain": "login.acme.example",
    "release": {"channel": "stable"},
    "database": {"external": {"state": "New", "secretRef": {"name": "database"}}},
}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"infrastructure": {}, "server": {}, "login": {}}, id="empty parts"),
        pytest.param({"infrastructure": {"zones": {}}, "server": {"resources": {}}}, id="empty leaves"),
        pytest.param({"firstInstance": {}}, id="first instance"),
        pytest.param({"firstInstance": {"admin": {"userName": "root"}}}, id="part of the administrator"),
        pytest.param({"keys": {"masterkey": {"secretRef": {"name": "own"}}}}, id="own masterkey"),
    ],
)
def test_defaults_are_the_same_in_python_and_in_the_schema(given: Manifest) -> None:
    spec: Manifest = {**SMALL, **given}
    model = InstanceSpec.model_validate(spec)
    in_schema = defaulted(get_map(crd_schema(), "properties", "spec"), spec)
    assert model.model_dump(by_alias=True, exclude_none=True) == in_schema
    assert InstanceSpec.model_validate(in_schema) == model


def test_schema_has_the_fields_of_the_models() -> None:
    for model, part in ((InstanceSpec, "spec"), (InstanceStatus, "status")):
        fields = {field.alias or name for name, field in model.model_fields.items()}
        assert fields == get_map(crd_schema(), "properties", part, "properties").keys()


def test_columns_and_selectable_fields_exist_in_the_schema() -> None:
    paths = {dotted(path) for path, _ in TREE}
    columns = [path for _, _, path, _ in INSTANCE_DEFINITION.columns]
    plain = [path for path in columns if "[" not in path and not path.startswith(".metadata")]
    for path in (*plain, *INSTANCE_DEFINITION.selectable):
        assert path.removeprefix(".") in paths
    (version,) = get_list(INSTANCE_DEFINITION.crd(), "spec", "versions")
    assert get_map(version, "subresources") == {"status": {}}


class _Union(ApiModel):
    value: int | str


def test_what_has_no_structural_form_is_an_error() -> None:
    with pytest.raises(ValueError, match="union"):
        structural(_Union)
