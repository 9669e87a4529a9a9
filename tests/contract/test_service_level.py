"""The month's figures (A-1, A-3, A-5, A-9), by worked examples and against the slow reference."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock_facts import ZURICH, at
from contract.reference_service_level import minutes_by_month, runs
from dedicated.contract.credits import ratio
from dedicated.contract.dates import Month
from dedicated.contract.downtime import Record, Span, Stretch, united
from dedicated.contract.exclusions import Excluded
from dedicated.contract.service_level import Circumstances, Judgement, Promise, judge
from dedicated.contract.void import Void

EARLY = at("2026-01-01 00:00")
STANDARD = Promise(Decimal("99.5"), ZURICH)
ADVANCED = Promise(Decimal("99.9"), ZURICH)
QUIET = Circumstances()


def down(start: str, *, minutes: float, service: str = "Keys") -> Stretch:
    since = at(start)
    return Stretch(since, since + timedelta(minutes=minutes), ("Keys",) if service == "Keys" else ("Entry",))


def record(*core: Stretch, entry: tuple[Stretch, ...] = (), since: datetime = EARLY) -> Record:
    return Record(since, tuple(core), entry)


def judged(found: Record, now: str, promise: Promise = STANDARD, around: Circumstances = QUIET) -> Judgement:
    judgement = judge(found, promise, around, now=at(now))
    assert judgement is not None
    return judgement


@pytest.mark.parametrize(
    ("now", "total"),
    [("2026-03-15 00:00", 44_580), ("2026-10-15 00:00", 44_700), ("2026-04-15 00:00", 43_200)],
)
def test_a_month_has_the_minutes_that_its_clock_shows(now: str, total: int) -> None:
    assert judged(record(), now).current.total == total


def test_only_minutes_in_which_the_instance_was_measured_count() -> None:
    level = judged(record(since=at("2026-04-16 00:00")), "2026-04-20 00:00").current
    assert level.total == 15 * 24 * 60
    assert judge(Record(), STANDARD, QUIET, now=at("2026-04-20 00:00")) is None


@pytest.mark.parametrize(("minutes", "met"), [(216, True), (217, False)])
def test_a_month_is_met_up_to_its_last_minute(minutes: int, *, met: bool) -> None:
    """30 days leave 216 minutes for 99.5 %."""
    level = judged(record(down("2026-04-02 10:00", minutes=minutes)), "2026-04-20 00:00").current
    assert (level.down, level.met) == (minutes, met)
    assert level.contract == 1 - Fraction(minutes, 43_200)


def test_a_clock_that_was_put_back_is_no_trouble() -> None:
    found = record(down("2026-04-02 10:00", minutes=5), since=at("2026-04-01 00:00"))
    assert judge(found, STANDARD, QUIET, now=at("2026-03-31 23:59")) is None
    assert judged(found, "2026-04-01 00:00").current.down == 0


def test_figures_of_both_kinds_and_the_credit() -> None:
    found = record(down("2026-04-02 10:00", minutes=500))
    around = Circumstances(
        excluded=(Excluded(at("2026-04-02 12:00"), at("2026-04-02 13:00"), "Announced", "m"),)
    )
    level = judged(found, "2026-05-02 00:00", ADVANCED, around).levels[-2]
    assert (level.month, level.down, level.observed_down, level.excluded) == (Month(2026, 4), 440, 500, 60)
    assert (level.met, level.credit) == (False, 25)
    assert level.claim_before == at("2026-06-01 00:00")


def test_what_runs_over_an_announced_interval_counts() -> None:
    around = Circumstances(
        excluded=(Excluded(at("2026-04-02 10:00"), at("2026-04-02 11:00"), "Announced", "m"),)
    )
    level = judged(record(down("2026-04-02 10:00", minutes=75)), "2026-04-03 00:00", around=around).current
    assert (level.down, level.excluded) == (15, 60)


def test_a_month_half_void_keeps_its_denominator() -> None:
    void = Void(at("2026-04-16 00:00"), None)
    found = record(down("2026-04-10 10:00", minutes=30), down("2026-04-20 10:00", minutes=600))
    level = judged(found, "2026-05-01 00:00", around=Circumstances(voids=(void,))).levels[-2]
    assert level.total == 43_200
    assert (level.down, level.observed_down, level.void) == (30, 630, 15 * 24 * 60)
    assert level.met is True


def test_unknown_time_is_no_downtime_and_is_told() -> None:
    gap = Span(at("2026-04-02 10:10"), at("2026-04-02 11:00"))
    found = record(down("2026-04-02 10:00", minutes=90))
    level = judged(found, "2026-04-03 00:00", around=Circumstances(gaps=(gap,))).current
    assert (level.down, level.observed_down, level.unknown) == (40, 90, 50)
    assert level.too_much_unknown
    short = Circumstances(gaps=(Span(at("2026-04-02 10:10"), at("2026-04-02 10:53")),))
    assert not judged(found, "2026-04-03 00:00", around=short).current.too_much_unknown


def test_unknown_begins_when_the_instance_is_measured() -> None:
    gap = Span(at("2026-04-01 10:00"), at("2026-04-03 00:00"))
    level = judged(
        record(since=at("2026-04-02 00:00")), "2026-04-04 00:00", around=Circumstances(gaps=(gap,))
    ).current
    assert level.unknown == 24 * 60


def test_a_way_of_the_customers_own_is_observed_and_does_not_count() -> None:
    entry = (down("2026-04-02 10:00", minutes=100, service="Entry"),)
    found = record(down("2026-04-02 11:30", minutes=20), entry=entry)
    own = Promise(Decimal("99.5"), ZURICH, own_entry=True)
    level = judged(found, "2026-04-03 00:00", own).current
    assert (level.down, level.observed_down) == (10, 110)
    assert judged(found, "2026-04-03 00:00").current.down == 110


def test_minutes_without_traffic_do_not_count() -> None:
    idle = tuple(
        Excluded(at(f"2026-04-02 10:0{minute}"), at(f"2026-04-02 10:0{minute + 1}"), "ForceMajeure", "")
        for minute in (1, 3)
    )
    found = record(down("2026-04-02 10:00", minutes=5))
    level = judged(found, "2026-04-03 00:00", around=Circumstances(excluded=idle)).current
    assert (level.down, level.observed_down, level.excluded) == (3, 5, 2)


def test_a_minute_belongs_to_the_month_in_which_it_begins() -> None:
    found = record(Stretch(at("2026-04-30 23:59:25"), at("2026-05-01 00:01:30"), ("Keys",)))
    judgement = judged(found, "2026-05-02 00:00")
    assert [level.down for level in judgement.levels[-2:]] == [1, 1]


def test_thirteen_months_are_told_the_current_one_last() -> None:
    judgement = judged(record(since=at("2024-01-15 00:00")), "2026-05-02 00:00")
    assert [str(level.month) for level in judgement.levels[::12]] == ["2025-05", "2026-05"]
    assert len(judged(record(since=at("2026-04-15 00:00")), "2026-05-02 00:00").levels) == 2


def test_finished_months_keep_their_objective() -> None:
    promise = Promise(None, ZURICH, past={Month(2026, 4): Decimal("99.9")})
    found = record(down("2026-04-02 10:00", minutes=60), down("2026-05-02 10:00", minutes=60))
    before, now = judged(found, "2026-05-03 00:00", promise).levels[-2:]
    assert (before.met, now.met, now.objective) == (False, None, None)


def test_what_goes_on_is_told_by_its_begin_and_misses_at_its_minute() -> None:
    found = record(Stretch(at("2026-04-02 10:00"), None, ("Keys",)))
    first = judged(found, "2026-04-02 10:00")
    assert (first.current.down, first.current.met) == (0, True)
    assert first.down_since == at("2026-04-02 10:00")
    now, woken = at("2026-04-02 10:00"), 0
    while (judgement := judge(found, STANDARD, QUIET, now=now)) and judgement.current.met:
        assert judgement.current == first.current, "no figure moves meanwhile"
        now, woken = judgement.next_change, woken + 1
    assert now == at("2026-04-02 10:00") + timedelta(minutes=217)
    assert woken < 10


def test_a_void_that_goes_on_moves_no_figure() -> None:
    around = Circumstances(voids=(Void(at("2026-04-02 00:00"), None),))
    found = record(down("2026-04-03 10:00", minutes=30))
    early, late = (
        judged(found, now, around=around).current for now in ("2026-04-04 00:00", "2026-04-20 00:00")
    )
    assert early == late
    assert (early.down, early.observed_down) == (0, 30)


def test_it_is_told_when_it_changes_by_itself() -> None:
    quiet = judged(record(), "2026-04-02 10:00")
    assert quiet.next_change == at("2026-05-01 00:00")
    claim = judged(record(down("2026-03-02 10:00", minutes=1500)), "2026-04-10 00:00")
    assert claim.next_change == at("2026-05-01 00:00")
    assert claim.levels[-2].claim_before == at("2026-05-02 00:00")
    assert judged(record(down("2026-03-02 10:00", minutes=1500)), "2026-05-01 00:00").next_change == at(
        "2026-05-02 00:00"
    )


STARTS = ("2026-02-28 22:00", "2026-03-28 23:00", "2026-03-31 23:30", "2026-03-10 08:00")
"""Ends of months, and the night in which the clock goes forward."""


@st.composite
def spans(draw: st.DrawFn, most: int) -> tuple[Span, ...]:
    """Disjoint spans of seconds to hours, often near the end of a month."""
    found: list[Span] = []
    for _ in range(draw(st.integers(0, most))):
        month = draw(
            st.sampled_from(["2026-02-28 22:00", "2026-03-28 23:00", "2026-03-31 23:30", "2026-03-10 08:00"])
        )
        since = at(month) + timedelta(seconds=draw(st.integers(0, 3 * 3600)))
        found.append(Span(since, since + timedelta(seconds=draw(st.integers(1, 7000)))))
    return tuple(found)


@given(spans(5), spans(3), spans(3), spans(3), st.booleans(), spans(3))
def test_the_slow_reference_counts_the_same(
    core: Sequence[Span],
    entry: Sequence[Span],
    gaps: Sequence[Span],
    excluded: Sequence[Span],
    own: bool,
    void: Sequence[Span],
) -> None:
    found = Record(
        EARLY,
        _long(Stretch(one.since, one.until, ("Keys",)) for one in core),
        _long(Stretch(one.since, one.until, ("Entry",)) for one in entry),
    )
    around = Circumstances(
        voids=tuple(Void(one.since, one.until) for one in void),
        excluded=tuple(Excluded(one.since, one.until, "Announced", "") for one in excluded if one.until),
        gaps=tuple(gaps),
    )
    promise = Promise(Decimal("99.9"), ZURICH, own_entry=own)
    judgement = judge(found, promise, around, now=at("2026-05-01 00:00"))
    assert judgement is not None
    cut = _seconds(gaps) | _seconds(excluded) | _seconds(void) | (_seconds(found.entry) if own else set())
    everything = runs(_seconds(found.core) | _seconds(found.entry))
    counted = runs(_seconds(found.core)) if own else everything
    contract = minutes_by_month(counted, ZURICH, counts=lambda second: second not in cut)
    observed = minutes_by_month(everything, ZURICH, counts=lambda _: True)
    for level in judgement.levels:
        assert level.down == contract.get(str(level.month), 0), level
        assert level.observed_down == observed.get(str(level.month), 0), level
        assert (level.met is True) == (level.contract * 1000 >= 999)
        assert level.contract >= ratio(Decimal(0))


def _long(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    minute = timedelta(minutes=1)
    return tuple(one for one in united(stretches) if one.until and one.until - one.since >= minute)


def _seconds(spans_: Sequence[Span]) -> set[int]:
    return {
        second
        for one in spans_
        if one.until
        for second in range(int(one.since.timestamp()), int(one.until.timestamp()))
    }
