"""What is remembered of the primary."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from contract.recovery_facts import sample, second
from dedicated.contract.recovery.sampling import (
    CLOSE,
    FAR,
    READINGS,
    Archiver,
    Memory,
    remembered,
)


def reading(at: float, *, failures: int = 0) -> Archiver:
    return Archiver(second(at), 1, "", failures)


def grown(times: list[float]) -> Memory:
    memory = Memory()
    for at in times:
        memory = remembered(memory, sample(at, 3 + at / 60), reading(at))
    return memory


def test_a_day_of_samples_is_few() -> None:
    memory = grown([30.0 * number for number in range(3600)])
    assert memory.latest is not None
    ages = [memory.latest.at - one.at for one in memory.samples]
    assert ages == sorted(ages, reverse=True)
    assert max(ages) <= FAR
    assert max(ages) > FAR - timedelta(minutes=11)
    assert sum(age <= CLOSE for age in ages) == 241
    assert len(ages) == 241 + 144
    assert len(memory.archiver) <= READINGS


@given(st.lists(st.integers(5, 4000), min_size=1, max_size=60))
def test_what_is_kept_is_a_part_of_what_was_seen_with_its_end(steps: list[int]) -> None:
    times = [float(sum(steps[: number + 1])) for number in range(len(steps))]
    memory = grown(times)
    seen = {sample(at, 3 + at / 60) for at in times}
    assert set(memory.samples) <= seen
    assert memory.latest == sample(times[-1], 3 + times[-1] / 60)


def test_a_clock_set_back_makes_the_times_before_doubtful() -> None:
    memory = grown([0, 30, 60])
    again = remembered(memory, sample(59, 5), reading(59))
    assert again.samples == (sample(59, 5),)
    assert len(again.archiver) == 1


def test_a_step_shows_against_a_clock_that_is_never_set() -> None:
    memory = grown([0, 30, 60])
    half = timedelta(seconds=30)
    assert len(remembered(memory, sample(86, 5), reading(86), elapsed=half).samples) == 4
    assert len(remembered(memory, sample(84, 5), reading(84), elapsed=half).samples) == 1
    assert len(remembered(memory, sample(3600, 5), reading(3600), elapsed=half).samples) == 4


def rising(memory: Memory) -> bool:
    """Whether archiving counts as failing: failures rose in each step of the readings that are kept."""
    found = [one.failures for one in memory.archiver]
    return len(found) == READINGS and all(one < other for one, other in pairwise(found))


@given(st.integers(0, 59))
def test_failures_in_postgresqls_rhythm_count_within_three_minutes_and_no_longer_than_they_last(
    begun: int,
) -> None:
    """Three tries, then a rest of up to 60 s: seen every 30 s, the count stands still at times."""
    memory, seen = Memory(), []
    for at in range(0, 600, 30):
        failing = max(0, min(at, 440) - begun)
        tries = 3 * (failing // 60) + min(3, failing % 60)
        over = at >= 450
        last = "000000010000000000000004" if over else "000000010000000000000003"
        memory = remembered(memory, sample(at, 3 + at / 60), Archiver(second(at), 1, last, tries))
        seen.append((at, rising(memory)))
    first = next(at for at, found in seen if found)
    assert first - begun <= 180
    assert all(found for at, found in seen if first <= at < 450)
    assert not any(found for at, found in seen if at >= 450 or at <= begun)


def test_three_tries_in_a_row_are_one_failure() -> None:
    memory = Memory()
    for at, failures in enumerate([0, 1, 2, 3, 3, 3]):
        memory = remembered(memory, sample(at * 10, 3 + at), reading(at * 10, failures=failures))
        assert not rising(memory)
