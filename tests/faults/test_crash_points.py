"""Killed right before and right after each of its writes, the operator gets where it gets without."""

import pytest

from faults.crashpoints import Choose, try_points
from faults.options import Tell
from faults.scenario import Scenario
from faults.site import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_every_crash_point(stage: Stage, scenario: Scenario, choose: Choose, tell: Tell) -> None:
    check(stage, scenario, choose, tell)


def test_every_crash_point_of_what_happens_to_all(
    stage: Stage, alone: None, scenario: Scenario, choose: Choose, tell: Tell
) -> None:
    check(stage, scenario, choose, tell)


def check(stage: Stage, scenario: Scenario, choose: Choose, tell: Tell) -> None:
    result = try_points(stage, scenario, choose)
    tell(result.summary())
    assert result.writes > 0
    assert not result.failures(), result.failures()
