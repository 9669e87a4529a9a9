"""`InstanceExport`: bounded, and refused by the models wherever the API server refuses it."""

import pytest
from pydantic import ValidationError

from api.constraints import RULE, constraints, crd_schema, dotted, nodes
from api.counterexamples import Case
from api.export_examples import DRILL, FULL, HALF, IMMUTABLE, PHYSICAL, STATUS, VALID_FOR, cases
from dedicated.api.instance_export import STATUS_FIELDS, InstanceExportSpec, InstanceExportStatus
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.schema import EXPORT_DEFINITION

BOUNDS = {"string": {"maxLength", "enum", "format"}, "array": {"maxItems"}, "object": {"properties"}}


def test_its_rules_are_few() -> None:
    rules = {c.id for c in constraints(EXPORT_DEFINITION) if c.keyword == RULE}
    assert IMMUTABLE in rules
    assert len(rules) == 3


@pytest.mark.parametrize(("valid_for", "taken"), VALID_FOR)
def test_addresses_are_valid_for_a_week_at_most(valid_for: str, *, taken: bool) -> None:
    spec = {**PHYSICAL, "validFor": valid_for}
    if taken:
        assert InstanceExportSpec.model_validate(spec).valid_for == valid_for
        return
    with pytest.raises(ValidationError, match="validFor must be 5m to 168h"):
        InstanceExportSpec.model_validate(spec)


@pytest.mark.parametrize("spec", HALF)
def test_what_is_neither_handed_over_nor_a_drill_is_refused(spec: Manifest) -> None:
    with pytest.raises(ValidationError, match="purpose Drill is Logical and has neither"):
        InstanceExportSpec.model_validate(spec)


def test_the_examples_are_valid_and_have_every_field() -> None:
    assert InstanceExportSpec.model_validate(FULL).model_dump(by_alias=True) == FULL
    assert InstanceExportStatus.model_validate(STATUS).model_dump(by_alias=True) == STATUS
    assert set(STATUS_FIELDS) == set(STATUS)
    least = {name: FULL[name] for name in ("instance", "recipient")}
    place = {name: value for name, value in get_map(FULL, "destination").items() if name != "prefix"}
    small = InstanceExportSpec.model_validate({**least, "destination": place})
    assert small.destination is not None
    assert (small.format, small.scratch.size, small.destination.prefix) == ("Logical", "20Gi", "")
    assert (small.valid_for, small.purpose) == ("24h", "Handover")
    drill = InstanceExportSpec.model_validate(DRILL)
    assert (drill.recipient, drill.destination) == (None, None)


def seen_on_read(case: Case) -> bool:
    """Whether the models of a spec can see it."""
    return case.constraint.path[:1] == ("spec",) and len(case.constraint.path) > 1


CASES = [pytest.param(case, id=case.constraint.id) for case in cases() if seen_on_read(case)]


@pytest.mark.parametrize("case", CASES)
def test_the_models_refuse_what_the_schema_refuses(case: Case) -> None:
    with pytest.raises(ValidationError):
        InstanceExportSpec.model_validate(case.body["spec"])


def test_everything_is_bounded() -> None:
    for path, node in nodes(crd_schema(EXPORT_DEFINITION)):
        if path[:1] in {("spec",), ("status",)} and get_str(node, "type") in BOUNDS:
            assert BOUNDS[get_str(node, "type")] & node.keys(), dotted(path)


def test_columns_and_selectable_fields_exist_in_the_schema() -> None:
    paths = {dotted(path) for path, _ in nodes(crd_schema(EXPORT_DEFINITION))}
    named = (*(path for _, _, path, _ in EXPORT_DEFINITION.columns), *EXPORT_DEFINITION.selectable)
    for path in named:
        assert path.removeprefix(".") in paths | {"metadata.creationTimestamp"}
