"""`ContractRecord`: bounded, never changed, and refused by the models wherever the API server refuses it."""

from typing import get_args

import pytest
from pydantic import ValidationError

from api.constraints import RULE, constraints, crd_schema, dotted, nodes
from api.counterexamples import Case, merged
from api.record_examples import EXAMPLES, IMMUTABLE, broken, cases
from dedicated.api.json import canonical, get_list, get_map, get_str
from dedicated.api.record import FACTS, FIELDS, NEEDED, STATED_BY, Fact, RecordSpec, Role
from dedicated.api.schema import RECORD_DEFINITION

LARGEST = 8 * 1024
"""Bytes of a record, MonthClosed apart: a ledger of thousands must stay a small part of etcd."""
LARGEST_MONTH = 1024 * 1024
"""Bytes of a MonthClosed: etcd takes 1.5 MB, and a request needs the room of its envelope."""
COUNTED = {"fields": 10, "changes": 20, "gates": 16, "scope": 10, "records": 50, "ranges": 50}


def test_every_rule_is_broken_by_a_case() -> None:
    rules = {constraint.id for constraint in constraints(RECORD_DEFINITION) if constraint.keyword == RULE}
    assert len(rules) > len(FIELDS) + len(NEEDED)
    for rule in rules - {IMMUTABLE}:
        assert broken(rule), rule


@pytest.mark.parametrize("fact", FACTS)
def test_a_record_of_every_fact_is_valid(fact: Fact) -> None:
    spec = EXAMPLES[fact]
    assert RecordSpec.model_validate(spec).model_dump(by_alias=True, exclude_none=True) == spec
    optional = [name for name in ("at", "reference", "reason") if fact not in NEEDED.get(name, ())]
    smallest = merged(spec, {name: None for name in optional if (fact, name) != ("Notified", "reference")})
    RecordSpec.model_validate(smallest)


def test_every_fact_is_stated_by_somebody_and_has_its_fields() -> None:
    assert list(STATED_BY) == list(get_args(Role))
    assert {fact for facts in STATED_BY.values() for fact in facts} == set(FACTS) == EXAMPLES.keys()
    for field, facts in FIELDS.items():
        assert facts == tuple(fact for fact in facts if field in EXAMPLES[fact]), field


def test_a_record_has_no_status() -> None:
    assert "status" not in get_map(crd_schema(RECORD_DEFINITION), "properties")


CASES = [pytest.param(case, id=f"{case.constraint.id} {number}") for number, case in enumerate(cases())]


@pytest.mark.parametrize("case", CASES)
def test_the_models_refuse_what_the_schema_refuses(case: Case) -> None:
    with pytest.raises(ValidationError) as refused:
        RecordSpec.model_validate(case.body.get("spec"))
    if case.constraint.keyword == RULE:
        assert case.says in str(refused.value)


def test_everything_is_bounded_and_small() -> None:
    sizes = dict.fromkeys(("common", *FIELDS), 0)
    for path, node in nodes(crd_schema(RECORD_DEFINITION)):
        if path[:1] == ("spec",) and node.get("type") == "string":
            bound = node.get("maxLength", 64 if {"enum", "format"} & node.keys() else None)
            assert isinstance(bound, int), dotted(path)
            block = path[1] if path[1] in FIELDS else "common"
            times = next((count for name, count in COUNTED.items() if name in path), 1)
            sizes[block] += bound * times
    common = sizes.pop("common") + max(len(canonical(spec)) for spec in EXAMPLES.values())
    assert common + sizes.pop("closed") < LARGEST_MONTH
    for fact in FACTS:
        own = sum(sizes.get(field, 0) for field, facts in FIELDS.items() if fact in facts)
        assert common + own < LARGEST, fact


def test_the_counts_of_the_bound_are_the_schema_s() -> None:
    found = {
        path[-1]: node["maxItems"]
        for path, node in nodes(crd_schema(RECORD_DEFINITION))
        if path and "maxItems" in node
    }
    assert found == COUNTED


def test_columns_and_selectable_fields_exist_in_the_schema() -> None:
    paths = {dotted(path) for path, _ in nodes(crd_schema(RECORD_DEFINITION))}
    columns = [path.removesuffix("[0]") for _, _, path, _ in RECORD_DEFINITION.columns]
    plain = [path for path in columns if "'" not in path]  # of unions: see the test of kubectl's ledger
    assert len(columns) - len(plain) == 3
    for path in (*plain, *RECORD_DEFINITION.selectable):
        assert path.removeprefix(".") in paths | {"metadata.creationTimestamp"}
    (version,) = get_list(RECORD_DEFINITION.crd(), "spec", "versions")
    assert get_str(version, "name") == "v1alpha1"
    assert "subresources" not in get_map(version)
