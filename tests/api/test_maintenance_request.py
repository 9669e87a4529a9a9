"""`Maintenance`: bounded, and refused by the models wherever the API server refuses it."""

import pytest
from pydantic import ValidationError

from api.constraints import DUPLICATES, RULE, constraints, crd_schema, dotted, nodes
from api.counterexamples import Case
from api.request_examples import BROKEN, EMERGENCY, IMMUTABLE, NAMED, REGULAR, STATUS, cases
from dedicated.api.json import Manifest, get_str
from dedicated.api.maintenance_request import MaintenanceSpec, MaintenanceStatus
from dedicated.api.schema import MAINTENANCE_DEFINITION

BOUNDS = {"string": {"maxLength", "enum", "format"}, "array": {"maxItems"}, "object": {"properties"}}


def test_every_rule_is_broken_by_a_case() -> None:
    rules = {c.id for c in constraints(MAINTENANCE_DEFINITION) if c.keyword == RULE}
    assert rules == {IMMUTABLE} | NAMED.keys() | BROKEN.keys()


@pytest.mark.parametrize("spec", [EMERGENCY, REGULAR])
def test_examples_are_valid(spec: Manifest) -> None:
    dumped = MaintenanceSpec.model_validate(spec).model_dump(by_alias=True, exclude_none=True)
    assert dumped == {"downtime": "0s", **spec}
    MaintenanceStatus.model_validate(STATUS)


def seen_on_read(case: Case) -> bool:
    """Whether the models can see it: not the name, duplicates, or that there is no spec. A status is only
    written, so that its models give the schema alone."""
    path, keyword = case.constraint.path, case.constraint.keyword
    return path[:1] == ("spec",) and len(path) >= (1 if keyword == RULE else 2) and keyword != DUPLICATES


CASES = [
    pytest.param(case, id=f"{number}:{case.constraint.id[:60]}")
    for number, case in enumerate(cases())
    if seen_on_read(case)
]


@pytest.mark.parametrize("case", CASES)
def test_the_models_refuse_what_the_schema_refuses(case: Case) -> None:
    with pytest.raises(ValidationError) as refused:
        MaintenanceSpec.model_validate(case.body["spec"])
    if case.constraint.keyword == RULE:
        assert case.says in str(refused.value)


def test_everything_is_bounded() -> None:
    for path, node in nodes(crd_schema(MAINTENANCE_DEFINITION)):
        if path[:1] in {("spec",), ("status",)} and get_str(node, "type") in BOUNDS:
            assert BOUNDS[get_str(node, "type")] & node.keys(), dotted(path)


def test_columns_and_selectable_fields_exist_in_the_schema() -> None:
    paths = {dotted(path) for path, _ in nodes(crd_schema(MAINTENANCE_DEFINITION))}
    named = (*(path for _, _, path, _ in MAINTENANCE_DEFINITION.columns), *MAINTENANCE_DEFINITION.selectable)
    for path in named:
        assert path.removeprefix(".") in paths | {"metadata.creationTimestamp"}
