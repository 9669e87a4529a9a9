"""The guaranteed load: kept, missed, or no matter of the contract."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contract.limiter_facts import report
from dedicated.contract.limiter_report import Counts, Refused
from dedicated.contract.limits_guarantee import Load, load_guarantee, load_of
from dedicated.contract.objectives import objectives

GUARANTEED = objectives("Standard", "GoogleCloud")
LOAD = Load(requests=1000, refused=0, failed=0, p50=3.0, p99=40.0)


def state(load: Load, *, booked: int | None = None) -> str:
    return load_guarantee(load, GUARANTEED, booked=booked).state


@pytest.mark.parametrize(
    ("load", "wanted"),
    [
        (LOAD, "Kept"),
        (replace(LOAD, failed=10), "Kept"),
        (replace(LOAD, failed=11), "Missed"),
        (replace(LOAD, p99=1000.0), "Kept"),
        (replace(LOAD, p99=1001.0), "Missed"),
        (replace(LOAD, requests=99, failed=50), "Unknown"),
        (replace(LOAD, requests=1000, refused=950, failed=50), "Unknown"),
        (replace(LOAD, requests=2000, refused=1000, failed=15), "Missed"),
        (replace(LOAD, p50=None, p99=None), "Kept"),
    ],
)
def test_what_is_let_through_must_not_fail(load: Load, wanted: str) -> None:
    assert state(load) == wanted


def test_it_holds_up_to_what_is_booked() -> None:
    assert state(replace(LOAD, failed=500), booked=16) == "NotApplicable"
    assert state(replace(LOAD, failed=500), booked=17) == "Missed"


@pytest.mark.parametrize("infrastructure", ["StaticOrOther", "SelfHosted"])
def test_only_where_there_is_a_performance_objective(infrastructure: str) -> None:
    promised = objectives("Advanced", infrastructure)  # type: ignore[arg-type]
    assert load_guarantee(replace(LOAD, failed=500), promised, booked=None).state == "None"


def test_not_while_the_prerequisites_are_not_met() -> None:
    promised = objectives(
        "Standard", "GoogleCloud", prerequisites_unmet=datetime(2026, 3, 1, tzinfo=UTC)
    )
    assert load_guarantee(replace(LOAD, failed=500), promised, booked=None).state == "NotApplicable"


def test_the_load_of_all_replicas() -> None:
    one = replace(report(0), requests=Counts(10, 20), failed=Counts(1, 2), refused=Refused(ui_banned=3))
    other = replace(report(1), requests=Counts(1, 2), p50=None, p99=99.0)
    assert load_of((one, other)) == Load(33, 3, 3, 3.0, 99.0)
    assert load_of(()) == Load(0, 0, 0, None, None)
