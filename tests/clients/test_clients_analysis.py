"""What rows say, on values."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import analysis
from clients.rows import Outcome, Row, line, read
from clients.target import Plan, Target, identity_from_json


def write(at: float, outcome: Outcome = "ok", *, seconds: float = 0.0, token: str = "") -> Row:
    return Row(at, "write", outcome, seconds, 200, token=token)


def outage(rows: list[Row], *, interval: float = 0.0) -> float:
    return analysis.summary(rows, "write", interval=interval).outage


def test_an_outage_is_what_lies_between_two_good_answers() -> None:
    rows = [write(0), write(1), write(2, "failed", seconds=5), write(3, "failed"), write(9), write(10)]
    assert outage(rows, interval=1) == 7
    assert outage([*rows, write(11, "refused"), write(40, "failed", seconds=5)]) == 35
    assert outage([write(0, "failed"), write(20), write(21)]) == 20
    assert outage([write(0, "failed", seconds=5)]) == 5
    assert outage([]) == 0


def test_an_answer_counts_when_it_has_come() -> None:
    assert outage([write(0), write(1, seconds=4), write(2, seconds=4)]) == 5


def test_other_kinds_do_not_count() -> None:
    rows = [write(0), Row(5, "token", "ok", 0), write(10)]
    assert outage(rows) == 10
    assert analysis.summary(rows, "token", interval=1).requests == 1


def test_a_summary() -> None:
    rows = [write(number, seconds=number / 100, token=f"t{number}") for number in range(1, 101)]
    rows += [write(101, "failed", token=""), write(102, "refused")]
    found = analysis.summary(rows, "write", interval=1)
    assert (found.requests, found.failed, found.refused, found.p50, found.p99) == (102, 1, 1, 0.5, 0.99)
    assert found.acknowledged == tuple(f"t{number}" for number in range(1, 101))
    assert analysis.summary([], "write", interval=1).p99 is None


def test_losses() -> None:
    assert analysis.lost(["a", "b", "c"], {"c", "a", "never told"}) == ["b"]


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 20))
def test_the_fullest_window(pauses: list[int], window: int) -> None:
    moments = list(accumulate(pauses))
    rows = [write(moment) for moment in moments]
    counts = [sum(begin <= moment < begin + window for moment in moments) for begin in moments]
    assert analysis.passed(rows, window=window) == max(counts, default=0)
    assert sum(analysis.per_window(rows, window=window)) == len(rows)
    assert max(analysis.per_window(rows, window=window), default=0) <= max(counts, default=0)


def test_refused_requests_do_not_pass() -> None:
    rows = [write(0), write(1, "refused"), write(2, "failed"), write(61)]
    assert analysis.passed(rows, window=60) == 1
    assert analysis.per_window(rows, window=60) == [1, 1]


def test_a_log_is_read_back_but_for_a_torn_line() -> None:
    rows = [write(1, token="t"), Row(0, "login", "failed", 5, detail="no answer", source="10.0.0.1")]
    text = [line(row) + "\n" for row in rows]
    assert read([*text, '{"at": 3, "kin']) == sorted(rows, key=lambda row: row.at)


@pytest.mark.parametrize("intervals", [(0.5, 0, 0), (0, 0.03, 0.5), (0, 0, 0.03)])
def test_plans_that_the_limiter_would_refuse(intervals: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"requests of (ui|api) a second are more than"):
        Plan(*intervals)
    assert Plan(*intervals, sources=2).sources == 2


def test_targets_and_identities() -> None:
    assert Target("a.example", "10.0.0.1").origin == "https://a.example"
    assert Target("a.example", "10.0.0.1", 8443).origin == "https://a.example:8443"
    with pytest.raises(TypeError):
        identity_from_json("{}")
