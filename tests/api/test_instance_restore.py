"""`InstanceRestore`: bounded, and refused by the models wherever the API server refuses it."""

import pytest
from pydantic import ValidationError

from api.constraints import RULE, constraints
from api.counterexamples import Case
from api.restore_examples import BROKEN, FULL, IMMUTABLE, STATUS, cases
from dedicated.api.instance_restore import STATUS_FIELDS, InstanceRestoreSpec, InstanceRestoreStatus
from dedicated.api.json import get_map
from dedicated.api.schema import RESTORE_DEFINITION


def test_the_examples_are_valid_and_have_every_field() -> None:
    assert InstanceRestoreSpec.model_validate(FULL).model_dump(by_alias=True) == FULL
    assert InstanceRestoreStatus.model_validate(STATUS).model_dump(by_alias=True) == STATUS
    assert set(STATUS_FIELDS) == set(STATUS)
    small = InstanceRestoreSpec.model_validate({"instance": "acme", "purpose": "Drill"})
    assert (small.target, small.retain) == (None, "72h")


def test_every_rule_has_its_counterexample() -> None:
    rules = {c.id for c in constraints(RESTORE_DEFINITION) if c.keyword == RULE} - {IMMUTABLE}
    assert len(rules) == len(BROKEN)


def seen_on_read(case: Case) -> bool:
    """Whether the models of a spec can see it."""
    return case.constraint.path[:1] == ("spec",) and len(case.constraint.path) > 1


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.constraint.id) for case in cases() if seen_on_read(case)]
)
def test_what_the_schema_refuses_the_models_refuse(case: Case) -> None:
    with pytest.raises(ValidationError):
        InstanceRestoreSpec.model_validate(get_map(case.body, "spec"))


@pytest.mark.parametrize("begin", BROKEN)
def test_the_models_tell_a_rule_in_the_same_words(begin: str) -> None:
    with pytest.raises(ValidationError, match=begin):
        InstanceRestoreSpec.model_validate(BROKEN[begin])
