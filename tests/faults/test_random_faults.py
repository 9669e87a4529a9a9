"""Whatever goes wrong, in the order of a seed: the same end as in peace, no crash, no hot loop."""

import pytest

from faults.options import Tell
from faults.site import Stage
from faults.storm import try_seeds

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]


def test_seeded_faults(stage: Stage, seeds: tuple[int, ...], tell: Tell) -> None:
    result = try_seeds(stage, seeds)
    tell(result.summary())
    assert not result.failures(), result.failures()
