"""Names and positions of the write-ahead log."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedicated.contract.recovery.repository import archive_in
from dedicated.contract.recovery.wal import (
    SEGMENT,
    Ancestor,
    Segment,
    Stretch,
    ancestry,
    history_in,
    position,
    position_text,
    segment_in,
    segment_name,
    stretches,
)

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("000000010000000000000007", Segment(1, 7)),
        (f"0000000200000001000000FF-{SHA}.zst", Segment(2, 511)),
        ("000000010000000000000007.gz", Segment(1, 7)),
        (f"000000010000000000000007.partial-{SHA}.zst", None),
        ("000000010000000000000007.00000028.backup", None),
        ("00000002.history", None),
        ("000000010000000000000100", None),
        ("000000000000000000000001", None),
        ("00000001000000000000000g", None),
        ("", None),
    ],
)
def test_what_is_a_whole_segment(name: str, expected: Segment | None) -> None:
    assert segment_in(name) == expected


def test_segments_of_another_size_count_differently() -> None:
    assert segment_in("00000001000000010000003F", size=4 * SEGMENT) == Segment(1, 127)
    assert segment_in("000000010000000100000040", size=4 * SEGMENT) is None


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**40 - 1), st.sampled_from([1, 16, 1024]))
def test_a_name_is_read_as_it_was_written(timeline: int, number: int, megabytes: int) -> None:
    size = megabytes * 2**20
    segment = Segment(timeline, number % (2**64 // size))
    assert segment_in(segment_name(segment, size=size), size=size) == segment


@given(st.integers(0, 2**64 - 1))
def test_a_position_is_read_as_it_was_written(at: int) -> None:
    assert position(position_text(at)) == at


@pytest.mark.parametrize("text", ["", "0", "0/", "/0", "0/123456789", "0/8 ", "x/1"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a position"):
        position(text)


def test_a_history_names_the_ancestors() -> None:
    text = "1\t0/80153C0\tno recovery target specified\n\n# by hand\n2\t0/90000A0\tafter # 1\n"
    assert ancestry(3, text) == (Ancestor(1, 0x80153C0), Ancestor(2, 0x90000A0))
    assert history_in("00000003.history") == history_in("00000003.history.gz") == 3
    assert history_in("00000003.history.tmp") is None


@pytest.mark.parametrize(
    "text",
    ["", "1", "one\t0/1", "1\t0/zz\tx", "3\t0/1\tx", "2\t0/1\tx\n1\t0/2\tx", "1\t0/2\tx\n2\t0/1\tx"],
)
def test_a_history_out_of_order_is_not_half_believed(text: str) -> None:
    with pytest.raises(ValueError, match=r"timeline 3|position"):
        ancestry(3, text)


@given(st.lists(st.integers(0, 60)))
def test_stretches_hold_the_numbers_and_no_others(numbers: list[int]) -> None:
    found = stretches(numbers)
    assert {n for s in found for n in range(s.first, s.last + 1)} == set(numbers)
    assert all(one.last + 1 < other.first for one, other in pairwise(found))
    assert sum(stretch.count for stretch in found) == len(set(numbers))


def test_an_archive_is_read_from_names() -> None:
    names = [
        f"{segment_name(Segment(1, n))}-{SHA}.zst" for n in (5, 3, 4, 8)
    ] + ["00000002.history", f"{segment_name(Segment(2, 8))}.partial-{SHA}.zst", "archive.info"]  # fmt: skip
    archive = archive_in(names)
    assert archive.segments == {1: (Stretch(3, 5), Stretch(8, 8))}
    assert (archive.histories, archive.newest) == (frozenset({2}), 2)
    assert archive_in([]).newest == 0
