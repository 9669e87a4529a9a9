"""What outlives a restart comes back as it was, and what is not ours or cannot be read is nothing."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedicated.agents.recovery.keeping import Kept, from_data, to_text
from dedicated.contract.recovery.report import REPORT, SAMPLES, Failover, Report, to_json
from dedicated.contract.recovery.repository import Damage
from dedicated.contract.recovery.sampling import Sample
from dedicated.contract.recovery.wal import SEGMENT, Segment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
MILLISECOND = timedelta(milliseconds=1)
SAMPLE = st.builds(
    Sample,
    st.integers(0, 10**9).map(lambda us: NOW + timedelta(microseconds=us)),
    st.integers(1, 2**63),
    st.integers(1, 2**31),
)


@given(st.lists(SAMPLE, max_size=5, unique_by=lambda one: one.position))
def test_samples_come_back_and_never_later(taken: list[Sample]) -> None:
    text = to_text(tuple(sorted(taken)), segment_size=SEGMENT, incarnation=UID)
    kept = from_data({SAMPLES: text}, incarnation=UID)
    assert kept.segment_size == SEGMENT
    found = {one.position: one for one in kept.samples}
    assert found.keys() == {one.position for one in taken}
    for one in taken:
        assert found[one.position].timeline == one.timeline
        assert timedelta(0) <= one.at - found[one.position].at < MILLISECOND


def test_damage_and_the_last_failover_come_back() -> None:
    damage = Damage(frozenset({"20261128-103027F"}), frozenset({Segment(2, 7)}))
    failover = Failover(NOW, NOW + timedelta(seconds=3), 2)
    text = to_text((), segment_size=SEGMENT, incarnation=UID, damage=damage)
    data = {SAMPLES: text, REPORT: to_json(Report(NOW, UID, failover=failover))}
    kept = from_data(data, incarnation=UID)
    assert (kept.damage, kept.failover) == (damage, failover)


def test_a_day_of_samples_is_small() -> None:
    taken = tuple(Sample(NOW + timedelta(seconds=30 * n), 10**12 + n, 17) for n in range(400))
    assert len(to_text(taken, segment_size=SEGMENT, incarnation=UID)) < 20_000


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"incarnation": "another"}', '{"samples": [[1, 2, 3]]}']
)
def test_what_cannot_be_read_or_is_of_another_is_nothing(text: str) -> None:
    assert from_data({SAMPLES: text}, incarnation=UID) == Kept()


def test_a_row_that_is_no_sample_is_left_out() -> None:
    rows = [[1, 2, 3], [1, 2], ["a", 2, 3], [0, 1, 1], [1, -1, 1], None]
    text = json.dumps({"incarnation": UID, "samples": rows})
    assert [one.position for one in from_data({SAMPLES: text}, incarnation=UID).samples] == [2]
