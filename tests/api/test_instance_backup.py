"""`InstanceBackup`: bounded, and refused by the models wherever the API server refuses it."""

import pytest
from pydantic import ValidationError

from api.backup_examples import FULL, IMMUTABLE, STATUS, cases
from api.constraints import DUPLICATES, RULE, constraints, crd_schema, dotted, nodes
from api.counterexamples import Case
from dedicated.api.instance_backup import STATUS_FIELDS, InstanceBackupSpec, InstanceBackupStatus
from dedicated.api.json import get_str
from dedicated.api.schema import BACKUP_DEFINITION

BOUNDS = {"string": {"maxLength", "enum", "format"}, "array": {"maxItems"}, "object": {"properties"}}


def test_its_one_rule_is_that_it_never_changes() -> None:
    assert {c.id for c in constraints(BACKUP_DEFINITION) if c.keyword == RULE} == {IMMUTABLE}


def test_the_examples_are_valid_and_have_every_field() -> None:
    assert InstanceBackupSpec.model_validate(FULL).model_dump(by_alias=True) == FULL
    assert InstanceBackupStatus.model_validate(STATUS).model_dump(by_alias=True) == STATUS
    assert set(STATUS_FIELDS) == set(STATUS)
    small = InstanceBackupSpec.model_validate({"instance": "acme"})
    assert (small.kind, small.keep_days) == ("Full", 14)


def seen_on_read(case: Case) -> bool:
    """Whether the models of a spec can see it."""
    return case.constraint.path[:1] == ("spec",) and len(case.constraint.path) > 1


CASES = [pytest.param(case, id=case.constraint.id) for case in cases() if seen_on_read(case)]


@pytest.mark.parametrize("case", CASES)
def test_the_models_refuse_what_the_schema_refuses(case: Case) -> None:
    assert case.constraint.keyword != DUPLICATES
    with pytest.raises(ValidationError):
        InstanceBackupSpec.model_validate(case.body["spec"])


def test_everything_is_bounded() -> None:
    for path, node in nodes(crd_schema(BACKUP_DEFINITION)):
        if path[:1] in {("spec",), ("status",)} and get_str(node, "type") in BOUNDS:
            assert BOUNDS[get_str(node, "type")] & node.keys(), dotted(path)


def test_columns_and_selectable_fields_exist_in_the_schema() -> None:
    paths = {dotted(path) for path, _ in nodes(crd_schema(BACKUP_DEFINITION))}
    named = (*(path for _, _, path, _ in BACKUP_DEFINITION.columns), *BACKUP_DEFINITION.selectable)
    for path in named:
        assert path.removeprefix(".") in paths | {"metadata.creationTimestamp"}
