"""Memory of what is tracked, against the formula that the container's limit comes from."""

import pytest

from dedicated.parts.limiter.tables import ENTRY_BYTES, memory_bytes
from limiter.costs import memory_of_addresses, track, used
from limiter.stand import standing


@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_memory_is_that_of_the_formula(count: int) -> None:
    taken, entries = memory_of_addresses(count=count)
    assert taken == pytest.approx(entries * ENTRY_BYTES, rel=0.15)
    assert taken < memory_bytes(count, 1)


def test_a_table_is_told_before_it_is_full() -> None:
    with standing(addresses=10_000) as stand:
        track(stand.replicas[0], "rl/off_ui_r0", 8_500)
        assert used(stand.replicas[0], "rl/off_ui_r0") == 8_500
        (line,) = [
            one
            for one in stand.replicas[0].admin("show table").splitlines()
            if one.startswith("# table: rl/off_ui_r0,")
        ]
    assert "size:10000" in line
