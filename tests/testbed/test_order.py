"""In which order tests run, so that workers seldom wait for each other."""

import pytest

from testbed.order_plugin import place

FAULTS = place({"stage", "seeds", "_turn"}, {"cluster"})
ALONE = place({"cluster", "alone"}, {"cluster"})
PURE = place({"tmp_path"}, {"parametrize"})
LAB = place({"lab"}, {"lab"})
SHARED = place({"cluster", "namespace"}, {"cluster"})


def test_the_longest_begin_first_and_who_is_alone_meets_nobody_who_shares() -> None:
    assert FAULTS < ALONE < PURE < LAB < SHARED


def test_who_is_alone_for_minutes_begins_first() -> None:
    assert place({"stage", "scenario", "alone"}, {"cluster"}) == FAULTS


@pytest.mark.parametrize("fixtures", [{"stage"}, {"scenario"}])
def test_a_part_of_the_harness_is_like_others(fixtures: set[str]) -> None:
    assert place(fixtures, {"cluster"}) == SHARED


def test_this_run_is_in_that_order(request: pytest.FixtureRequest) -> None:
    found = [
        place(getattr(item, "fixturenames", ()), {mark.name for mark in item.iter_markers()})
        for item in request.session.items
    ]
    assert found == sorted(found)
