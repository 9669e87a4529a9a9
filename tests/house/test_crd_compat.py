"""What was released may grow and loosen: each way to break it is found, and nothing else is."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from house.crd_compat import CURRENT, FIX, RELEASED, STATED, breaks, compare, definitions

NAME = "dedicatedinstances.dedicated.zitadel.com"
BASE = definitions(RELEASED)[NAME]
Edit = Callable[[Manifest], None]


def schema(crd: Manifest, path: str = "") -> Manifest:
    """A node of the schema: `spec.server.replicas`; `[]` after a name goes to a list's items."""
    node = get_map(as_manifest(get_list(crd, "spec", "versions")[0]), "schema", "openAPIV3Schema")
    for step in path.split(".") if path else ():
        node = get_map(node, "properties", step.removesuffix("[]"))
        node = get_map(node, "items") if step.endswith("[]") else node
        assert node, path
    return node


def put(path: str, keyword: str, value: JsonValue) -> Edit:
    """Set a keyword of a node."""

    def edit(crd: Manifest) -> None:
        schema(crd, path)[keyword] = value

    return edit


def drop(path: str, keyword: str) -> Edit:
    """Take a keyword away."""

    def edit(crd: Manifest) -> None:
        del schema(crd, path)[keyword]

    return edit


def without_field(path: str, name: str) -> Edit:
    """Take a field away."""

    def edit(crd: Manifest) -> None:
        del get_map(schema(crd, path), "properties")[name]

    return edit


def with_field(path: str, name: str, value: Manifest) -> Edit:
    """Add a field."""

    def edit(crd: Manifest) -> None:
        get_map(schema(crd, path), "properties")[name] = value

    return edit


def with_rule(path: str, rule: str) -> Edit:
    """Add a rule."""

    def edit(crd: Manifest) -> None:
        node = schema(crd, path)
        node[RULES] = [
            *get_list(node, RULES),
            {"rule": rule, "message": "no"},
        ]

    return edit


def with_new_rule(path: str, name: str, rule: str) -> Edit:
    """Add a field, and a rule about it."""

    def edit(crd: Manifest) -> None:
        with_field(path, name, {"type": "object"})(crd)
        with_rule(path, rule)(crd)

    return edit


def in_spec(*path: str, value: JsonValue) -> Edit:
    """Set something beside the schema."""

    def edit(crd: Manifest) -> None:
        get_map(crd, "spec", *path[:-1])[path[-1]] = value

    return edit


def in_version(key: str, value: JsonValue) -> Edit:
    """Set something of the version."""

    def edit(crd: Manifest) -> None:
        as_manifest(get_list(crd, "spec", "versions")[0])[key] = value

    return edit


SERVER, CONFIG, RELEASE = "spec.server", "spec.server.config", "spec.release"
GUARDED = "!has(self.names) || size(self.names) > 1"
ZONES, RULES = "spec.infrastructure.zones", "x-kubernetes-validations"
OPEN, LIST_TYPE = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type"
AGREEMENTS, KEY = "spec.agreements", "spec.keys.masterkey.secretRef.key"

BREAKING: dict[str, tuple[Edit, str, str]] = {
    "field removed": (without_field("spec", "keys"), ".spec.keys", "field"),
    "status field removed": (without_field("status", "zones"), ".status.zones", "field"),
    "field of items removed": (without_field("status.findings[]", "code"), "findings[].code", "field"),
    "type changed": (put(f"{SERVER}.replicas", "type", "string"), ".spec.server.replicas", "type"),
    "format added": (put("spec.domain", "format", "hostname"), ".spec.domain", "format"),
    "field required": (put(RELEASE, "required", ["channel"]), ".spec.release", "required"),
    "enum value removed": (put("spec.plan", "enum", ["Standard"]), ".spec.plan", "enum"),
    "enum added": (put("spec.domain", "enum", ["a.example"]), ".spec.domain", "enum"),
    "maximum lowered": (put(f"{SERVER}.replicas", "maximum", 10), ".spec.server.replicas", "maximum"),
    "minimum raised": (put(f"{SERVER}.replicas", "minimum", 3), ".spec.server.replicas", "minimum"),
    "length tightened": (put("spec.domain", "maxLength", 100), ".spec.domain", "maxLength"),
    "least length raised": (put("spec.domain", "minLength", 9), ".spec.domain", "minLength"),
    "items tightened": (put(AGREEMENTS, "maxItems", 5), ".spec.agreements", "maxItems"),
    "items wanted": (put(AGREEMENTS, "minItems", 1), ".spec.agreements", "minItems"),
    "properties tightened": (put(CONFIG, "maxProperties", 9), CONFIG, "maxProperties"),
    "properties wanted": (put(RELEASE, "minProperties", 1), ".spec.release", "minProperties"),
    "bound added": (put("spec.release.channel", "maxLength", 9), ".spec.release.channel", "maxLength"),
    "pattern changed": (put("spec.domain", "pattern", "^a$"), ".spec.domain", "pattern"),
    "pattern added": (put("spec.plan", "pattern", "^S"), ".spec.plan", "pattern"),
    "default changed": (put(f"{SERVER}.replicas", "default", 5), ".spec.server.replicas", "default"),
    "default removed": (drop(KEY, "default"), f".{KEY}", "default"),
    "default added": (put("spec.release.channel", "default", "stable"), ".spec.release.channel", "default"),
    "rule added": (with_rule(ZONES, "self.minimum > 1"), ZONES, f"{RULES} self.minimum > 1"),
    "rule about a field that was there": (with_rule(ZONES, GUARDED), ZONES, f"{RULES} {GUARDED}"),
    "list type changed": (put(AGREEMENTS, LIST_TYPE, "atomic"), AGREEMENTS, LIST_TYPE),
    "list keys changed": (
        put(AGREEMENTS, "x-kubernetes-list-map-keys", ["record"]),
        AGREEMENTS,
        "x-kubernetes-list-map-keys",
    ),
    "object closed": (drop(CONFIG, OPEN), CONFIG, OPEN),
    "map values fixed": (put(CONFIG, "additionalProperties", {"type": "string"}), CONFIG, "additionalProp"),
    "version dropped": (in_spec("versions", value=[]), NAME, "versions"),
    "version no longer served": (in_version("served", False), NAME, "versions"),
    "scope changed": (in_spec("scope", value="Cluster"), NAME, "scope"),
    "group changed": (in_spec("group", value="other.example"), NAME, "group"),
    "plural changed": (in_spec("names", "plural", value="others"), f"{NAME} names", "plural"),
    "kind changed": (in_spec("names", "kind", value="Other"), f"{NAME} names", "kind"),
    "short name dropped": (in_spec("names", "shortNames", value=["x"]), f"{NAME} names", "shortNames"),
    "category dropped": (in_spec("names", "categories", value=[]), f"{NAME} names", "categories"),
    "selectable field dropped": (in_version("selectableFields", []), "v1alpha1", "selectableFields"),
    "status subresource dropped": (in_version("subresources", {}), "v1alpha1", "subresources"),
}
LOOSENING: dict[str, Edit] = {
    "a rule about a new field": with_new_rule("spec", "edge", "!has(self.edge) || self.edge.on"),
    "an optional field": with_field("spec", "edge", {"type": "object", "required": ["class"]}),
    "a field of the status": with_field("status", "next", {"type": "string", "maxLength": 9}),
    "nothing required": drop("spec", "required"),
    "one more value": put("spec.plan", "enum", ["Standard", "Advanced", "Basic"]),
    "any value": drop("spec.plan", "enum"),
    "a higher maximum": put(f"{SERVER}.replicas", "maximum", 99),
    "a lower minimum": put(f"{SERVER}.replicas", "minimum", 0),
    "no maximum": drop("spec.domain", "maxLength"),
    "no rule": drop(ZONES, RULES),
    "another description": put("spec.domain", "description", "The name."),
    "other columns": in_version("additionalPrinterColumns", []),
    "one more short name": in_spec("names", "shortNames", value=["di", "ded"]),
    "an open object": put(RELEASE, OPEN, True),
}


def edited(edit: Edit) -> Manifest:
    """The released definition, changed."""
    crd = deepcopy(BASE)
    edit(crd)
    return crd


@pytest.mark.parametrize(("edit", "path", "keyword"), BREAKING.values(), ids=BREAKING)
def test_a_break_is_found_and_told(edit: Edit, path: str, keyword: str) -> None:
    found = list(breaks(BASE, edited(edit)))
    assert found
    for one in found:
        assert path in one.path
        assert one.keyword.startswith(keyword)
        assert one.old != one.new
        assert str(one).endswith(f"{one.reason}. Fix: {FIX}")


@pytest.mark.parametrize("edit", LOOSENING.values(), ids=LOOSENING)
def test_what_grows_or_loosens_is_no_break(edit: Edit) -> None:
    assert list(breaks(BASE, edited(edit))) == []


@pytest.mark.parametrize("rule", ["!has(self.edge) || self.a ? self.b : self.c", "has(self.edge) || self.a"])
def test_a_rule_that_only_begins_like_one_about_a_new_field_is_a_break(rule: str) -> None:
    assert [one.path for one in breaks(BASE, edited(with_new_rule(ZONES, "edge", rule)))]


def test_a_change_in_a_new_version_is_the_way() -> None:
    crd = deepcopy(BASE)
    newer = deepcopy(as_manifest(get_list(crd, "spec", "versions")[0]))
    newer["name"] = "v1beta1"
    get_list(crd, "spec", "versions").append(newer)
    del get_map(newer, "schema", "openAPIV3Schema", "properties")["status"]
    assert list(breaks(BASE, crd)) == []


def test_a_kind_may_come_and_not_go() -> None:
    assert compare({}, {NAME: BASE}) == []
    (found,) = compare({NAME: BASE}, {})
    assert "objects of this kind would be deleted" in found


def test_what_is_stated_as_safe_passes_and_what_is_stated_in_vain_does_not() -> None:
    rule = "self.minimum > 1"
    new = {NAME: edited(with_rule(ZONES, rule))}
    place = f"{NAME} v1alpha1.{ZONES} {RULES} {rule}"
    assert compare({NAME: BASE}, new, stated={place: "no object has fewer"}) == []
    (found,) = compare({NAME: BASE}, {NAME: BASE}, stated={place: "no object has fewer"})
    assert found.startswith(f"{place}: is stated as safe, but does not occur")


def test_todays_definitions_break_nothing_that_was_released() -> None:
    assert get_str(BASE, "kind") == "CustomResourceDefinition"
    assert compare(definitions(RELEASED), definitions(CURRENT), stated=STATED) == []
