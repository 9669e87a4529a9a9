"""The counter-examples: each constraint has one, none is left over, and the models refuse them too."""

import pytest

from api.constraints import DUPLICATES, RULE, constraints
from api.counterexamples import (
    FULL,
    FULL_CLUSTER,
    NAME_RULES,
    SMALL,
    STATE_RULES,
    STATUS,
    TRANSITION_RULES,
    Case,
    cases,
    instance,
)
from dedicated.api.json import JsonValue, as_manifest
from dedicated.api.resource import Instance, InvalidInstance, parse_instance
from dedicated.api.status import InstanceStatus


def test_every_constraint_has_a_counterexample() -> None:
    covered = {case.constraint.id for case in cases()}
    assert covered == {constraint.id for constraint in constraints()}


def test_no_counterexample_is_left_from_a_former_rule() -> None:
    rules = {constraint.id: constraint for constraint in constraints() if constraint.keyword == RULE}
    assert STATE_RULES.keys() | NAME_RULES.keys() | TRANSITION_RULES.keys() == rules.keys()
    assert TRANSITION_RULES.keys() == {key for key in rules if rules[key].transition}


@pytest.mark.parametrize("spec", [SMALL, FULL, FULL_CLUSTER])
def test_the_objects_that_are_broken_are_valid(spec: JsonValue) -> None:
    assert isinstance(parse_instance(instance(spec)), Instance)
    InstanceStatus.model_validate(STATUS)


def seen_on_read(case: Case) -> bool:
    """Whether the models can see it: not the old object, the name, duplicates, or that there is no spec."""
    return (
        case.before is None
        and case.constraint.path[:1] == ("spec",)
        and case.constraint.keyword != DUPLICATES
        and not (case.constraint.path == ("spec",) and case.constraint.keyword != RULE)
    )


READ = [case for case in cases() if seen_on_read(case)]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{number}:{case.constraint.id[:60]}") for number, case in enumerate(READ)]
)
def test_the_models_refuse_it_at_the_same_field(case: Case) -> None:
    found = parse_instance(case.body)
    assert isinstance(found, InvalidInstance)
    at = [reason for path, reason in found.problems if f"{case.field}.".startswith(f"{path}.")]
    assert at, found.problems
    if case.constraint.keyword == RULE:
        assert case.says in at


@pytest.mark.parametrize("spec", [None, "text", 7, ["text"], {}])
def test_an_object_without_a_spec_is_invalid(spec: JsonValue) -> None:
    found = parse_instance({**instance(SMALL), "spec": spec})
    assert isinstance(found, InvalidInstance)
    required = {("spec.plan", "Field required"), ("spec.domain", "Field required")}
    assert required < set(found.problems)


def test_transitions_start_and_end_with_objects_that_are_valid_by_themselves() -> None:
    transitions = [case for case in cases() if case.before is not None]
    assert {case.constraint.id for case in transitions} == TRANSITION_RULES.keys()
    for case in transitions:
        assert isinstance(parse_instance(as_manifest(case.before)), Instance), case.constraint.id
        assert isinstance(parse_instance(case.body), Instance), case.constraint.id
