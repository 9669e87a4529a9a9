"""`ContractRecord`: bounded, never changed, and refused by the models wherever the API server refuses it."""

import pytest
from pydantic import ValidationError

from api.constraints import RULE, constraints, crd_schema, dotted, nodes
from api.counterexamples import Case
from api.record_examples import FULL, IMMUTABLE, RULES, cases
from dedicated.api.json import canonical, get_list, get_map, get_str
from dedicated.api.record import RecordSpec
from dedicated.api.schema import RECORD_DEFINITION

LARGEST = 8 * 1024
"""Bytes of a record: a ledger of thousands must stay a small part of etcd."""


def test_the_rules_are_those_that_are_broken_here() -> None:
    rules = {constraint.id for constraint in constraints(RECORD_DEFINITION) if constraint.keyword == RULE}
    assert rules == RULES.keys() | {IMMUTABLE}


def test_a_record_is_valid_and_has_no_status() -> None:
    assert RecordSpec.model_validate(FULL).model_dump(by_alias=True) == FULL
    assert "status" not in get_map(crd_schema(RECORD_DEFINITION), "properties")


@pytest.mark.parametrize("case", [pytest.param(case, id=case.constraint.id) for case in cases()])
def test_the_models_refuse_what_the_schema_refuses(case: Case) -> None:
    with pytest.raises(ValidationError) as refused:
        RecordSpec.model_validate(case.body.get("spec"))
    if case.constraint.keyword == RULE:
        assert case.says in str(refused.value)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.constraint.id) for case in cases()])
def test_a_case_breaks_what_was_valid(case: Case) -> None:
    assert case.body.get("spec") != FULL


def test_everything_is_bounded_and_small() -> None:
    largest = 0
    for path, node in nodes(crd_schema(RECORD_DEFINITION)):
        if path[:1] == ("spec",) and node.get("type") == "string":
            bound = node.get("maxLength", 64 if {"enum", "format"} & node.keys() else None)
            assert isinstance(bound, int), dotted(path)
            largest += bound * (10 if path[-1] == "[]" else 1)
    assert largest + len(canonical(FULL)) < LARGEST


def test_columns_and_selectable_fields_exist_in_the_schema() -> None:
    paths = {dotted(path) for path, _ in nodes(crd_schema(RECORD_DEFINITION))}
    plain = [path.removesuffix("[0]") for _, _, path, _ in RECORD_DEFINITION.columns]
    for path in (*plain, *RECORD_DEFINITION.selectable):
        assert path.removeprefix(".") in paths | {"metadata.creationTimestamp"}
    (version,) = get_list(RECORD_DEFINITION.crd(), "spec", "versions")
    assert get_str(version, "name") == "v1alpha1"
    assert "subresources" not in get_map(version)
