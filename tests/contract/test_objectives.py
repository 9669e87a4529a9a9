"""What is promised by plan, infrastructure and options (L-1, L-2)."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations

import pytest

from dedicated.api.instance import InfrastructureClass, Plan
from dedicated.contract.dates import BUSINESS, EXTENDED
from dedicated.contract.objectives import OPTIONS, objectives

MATRIX: list[tuple[Plan, InfrastructureClass, bool, str | None, str, str, bool]] = [
    ("Standard", "GoogleCloud", False, "99.5", "Full", "Full", True),
    ("Standard", "StaticOrOther", False, None, "ProductOnly", "ProductOnly", True),
    ("Standard", "StaticOrOther", True, "99.5", "Full", "Full", True),
    ("Standard", "SelfHosted", False, None, "None", "ProductOnly", False),
    ("Standard", "SelfHosted", True, None, "None", "ProductOnly", False),
    ("Advanced", "GoogleCloud", False, "99.9", "Full", "Full", True),
    ("Advanced", "StaticOrOther", False, None, "ProductOnly", "ProductOnly", True),
    ("Advanced", "StaticOrOther", True, "99.9", "Full", "Full", True),
    ("Advanced", "SelfHosted", False, None, "None", "ProductOnly", False),
    ("Advanced", "SelfHosted", True, None, "None", "ProductOnly", False),
]


@pytest.mark.parametrize(("plan", "kind", "preferred", "figure", "maintained", "monitored", "clocks"), MATRIX)
def test_plan_and_infrastructure_and_options(
    plan: Plan, kind: InfrastructureClass, *, preferred: bool, figure: str | None, maintained: str,
    monitored: str, clocks: bool,
) -> None:  # fmt: skip
    for size in range(len(OPTIONS) + 1):
        for booked in combinations(OPTIONS, size):
            found = objectives(plan, kind, preferred=preferred, booked=set(booked))
            assert found.availability == (None if figure is None else Decimal(figure))
            assert found.performance is (figure is not None)
            assert (found.maintained, found.monitored, found.clocks) == (maintained, monitored, clocks)
            assert found.booked == booked
            assert found.plan.support == (BUSINESS if plan == "Standard" else EXTENDED)
            assert found.plan.update_flexibility is (plan == "Advanced")


def test_unmet_prerequisites_tell_since_when_nothing_is_guaranteed() -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    assert objectives("Standard", "GoogleCloud", prerequisites_unmet=since).suspended == since
    assert objectives("Standard", "GoogleCloud").suspended is None
