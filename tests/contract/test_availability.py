"""Multi-zonal high availability (S-2)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedicated.contract.availability import READY_ZONES, ZoneUse, in_enough_zones, survives_any_zone

COUNTS = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(0, 3))


@settings(max_examples=100, deadline=None)
@given(COUNTS, COUNTS)
def test_survival_is_what_is_left_when_the_worst_zone_goes(
    server: dict[str, int], login: dict[str, int]
) -> None:
    uses = (ZoneUse("server", server), ZoneUse("login", login))
    left = [
        min(sum(counts.values()) - lost for lost in (counts.values() or [0])) for counts in (server, login)
    ]
    assert survives_any_zone(uses)[0] == all(count > 0 for count in left)


@pytest.mark.parametrize(
    ("server", "login", "enough"),
    [
        ({"a": 1, "b": 1}, {"a": 1, "b": 1}, True),
        ({"a": 3}, {"a": 1, "b": 1}, False),
        ({"a": 1, "b": 1}, {"a": 2, "b": 0}, False),
        ({}, {}, False),
    ],
)
def test_ready_needs_two_zones_in_real_use(
    server: dict[str, int], login: dict[str, int], enough: bool
) -> None:
    uses = (ZoneUse("server", server), ZoneUse("login", login))
    assert in_enough_zones(uses) is enough
    assert READY_ZONES == 2


def test_the_figures_are_told_per_workload_and_zone() -> None:
    _, text = survives_any_zone((ZoneUse("server", {"b": 2, "a": 1, "c": 0}), ZoneUse("login", {"a": 1})))
    assert text == "server ready in 2 zones (a 1, b 2); login ready in 1 zone (a 1)"
    assert survives_any_zone((ZoneUse("server", {}),))[1] == "server ready in no zone"
