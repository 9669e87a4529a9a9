"""Stretches of downtime from probes (A-2, A-3), by worked examples and against the slow reference."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.reference_service_level import walk
from dedicated.api.probing import Outcome, Sample, Source
from dedicated.contract.downtime import (
    MOST,
    NEWS,
    Record,
    Span,
    Stretch,
    Watch,
    bounded,
    heard,
    resumed,
    snapshot,
    unmeasured,
    untold,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINCE = Record(since=START)


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


def sample(number: float, **outcomes: Outcome) -> Sample:
    found: dict[Source, Outcome] = {}
    for name, outcome in outcomes.items():
        service: Source = name  # type: ignore[assignment]
        found[service] = outcome
    return Sample(second(number), found, {name: "why" for name in found if found[name] == "Failed"})


def seen(samples: Iterable[Sample]) -> Watch:
    watch = Watch(SINCE)
    for one in samples:
        watch = heard(watch, one)
    return watch


def minutes(samples: Sequence[Sample]) -> list[int]:
    """Whole minutes of each stretch, when all is over."""
    found = seen(samples)
    assert not found.running
    return [int((one.until - one.since).total_seconds()) // 60 for one in found.record.core if one.until]


def outage(
    *failing: tuple[float, float], phase: float, services: tuple[Source, ...] = ("Keys",)
) -> list[Sample]:
    """Probes every 10 s, each service failing in its own time."""
    moments = [phase + 10 * number for number in range(-3, 80)]
    return [
        Sample(
            second(at),
            {
                service: "Failed" if since <= at < until else "Good"
                for service, (since, until) in zip(services, failing, strict=True)
            },
            {},
        )
        for at in moments
    ]


@pytest.mark.parametrize("phase", range(10))
@pytest.mark.parametrize(("length", "expected"), [(45, []), (70, [1]), (190, [3])])
def test_an_outage_counts_in_whole_minutes_at_any_phase(length: int, expected: list[int], phase: int) -> None:
    assert minutes(outage((0, length), phase=phase)) == expected


@pytest.mark.parametrize("phase", range(10))
def test_every_second_probe_failing_is_one_outage(phase: int) -> None:
    samples = [
        sample(phase + 10 * number, Keys="Failed" if number % 2 == 0 and 0 <= number < 31 else "Good")
        for number in range(-3, 60)
    ]
    assert minutes(samples) == [5]


def test_one_failed_probe_in_four_is_none() -> None:
    assert minutes([sample(10 * n, Keys="Good" if n % 4 else "Failed") for n in range(203)]) == []


@pytest.mark.parametrize("phase", range(10))
def test_two_services_failing_one_after_the_other_are_one_outage(phase: int) -> None:
    found = outage((0, 40), (40, 80), phase=phase, services=("Keys", "Login"))
    assert minutes(found) == [1]
    (stretch,) = seen(found).record.core
    assert stretch.services == ("Keys", "Login")


def test_two_services_failing_with_a_pause_in_between_are_two() -> None:
    assert minutes(outage((0, 40), (60, 100), phase=0, services=("Keys", "Login"))) == []


def test_probes_that_are_a_little_late_still_follow_each_other() -> None:
    moments = [0, 10.4, 20.7, 30.2, 41, 51, 61.4, 72, 82]
    samples = [sample(at, Keys="Good" if number % 2 else "Failed") for number, at in enumerate(moments)]
    assert minutes([*samples, sample(95, Keys="Good"), sample(105, Keys="Good")]) == [1]


def test_a_slow_probe_ends_a_stretch_when_the_time_is_over() -> None:
    found = seen([sample(0, Token="Failed"), sample(10, Token="Failed"), sample(70, Token="Good")])
    assert not found.running
    assert found.record.core == (Stretch(second(0), second(70), ("Token",), "why"),)


def test_the_entry_is_kept_apart_and_hides_what_lies_behind_it() -> None:
    samples = [sample(0, Entry="Good", Keys="Failed")]
    samples += [sample(10 * number, Entry="Failed") for number in range(1, 10)]
    samples += [sample(10 * number, Entry="Good", Keys="Good") for number in range(10, 13)]
    record = seen(samples).record
    assert record.entry == (Stretch(second(10), second(100), ("Entry",), "why"),)
    assert record.core == (Stretch(second(0), second(100), ("Keys",), "why"),)


def test_a_stretch_is_told_when_it_has_lasted_and_ended_when_its_end_is_certain() -> None:
    watch = seen([sample(10 * number, Keys="Failed") for number in range(3)])
    assert snapshot(watch, now=second(20)) == SINCE
    assert untold(watch, now=second(20)) == second(0)
    watch = heard(watch, sample(30, Keys="Failed"))
    assert snapshot(watch, now=second(30)).core == (Stretch(second(0), None, ("Keys",), "why"),)
    assert untold(watch, now=second(30)) is None
    watch = heard(heard(watch, sample(40, Keys="Failed")), sample(60, Keys="Good"))
    assert snapshot(watch, now=second(60)).core[0].until is None
    watch = heard(watch, sample(70, Keys="Good"))
    assert snapshot(watch, now=second(70)).core == (Stretch(second(0), second(60), ("Keys",), "why"),)


def test_what_is_over_within_a_minute_leaves_nothing() -> None:
    watch = seen([sample(0, Keys="Failed"), *(sample(10 * n, Keys="Good") for n in (1, 2))])
    assert watch == Watch(SINCE)


def test_who_comes_later_goes_on_from_the_record() -> None:
    open_ = Record(START, (Stretch(second(0), None, ("Keys", "Login"), "why"),))
    failing = heard(resumed(open_), sample(500, Keys="Failed", Login="Good"))
    assert snapshot(failing, now=second(500)).core[0].since == second(0)
    over = heard(failing, sample(510, Keys="Good", Login="Good"))
    over = heard(over, sample(520, Keys="Good", Login="Good"))
    assert over.record.core == (Stretch(second(0), second(510), ("Keys", "Login"), "why"),)
    well = heard(resumed(open_), sample(500, Keys="Good", Login="Good"))
    assert well.record.core == (Stretch(second(0), second(500), ("Keys", "Login"), "why"),)


def test_what_could_not_be_measured_is_kept_from_a_minute_on() -> None:
    watch = heard(heard(Watch(SINCE), sample(0)), sample(29))
    assert snapshot(watch, now=second(29)).unmeasured == ()
    assert snapshot(watch, now=second(30)).unmeasured == (Span(second(0), None),)
    assert heard(watch, sample(59, Keys="Good")).record.unmeasured == ()
    assert heard(watch, sample(60, Keys="Good")).record.unmeasured == (Span(second(0), second(60)),)
    kept = snapshot(watch, now=second(30))
    assert heard(resumed(kept), sample(90, Keys="Good")).record.unmeasured == (Span(second(0), second(90)),)
    assert unmeasured(Watch(SINCE), second(0), second(59)) == Watch(SINCE)


def test_beyond_the_bound_the_nearest_are_joined_with_the_good_time_between() -> None:
    many = [Stretch(second(1000 * n), second(1000 * n + 100), ("Keys",)) for n in range(MOST + 1)]
    many[5] = Stretch(second(4200), second(4300), ("Login",))
    found = bounded(many)
    assert len(found) == MOST
    assert found[4] == Stretch(second(4000), second(4300), ("Keys", "Login"))
    assert sum((one.until - one.since).total_seconds() for one in found if one.until) > 100 * MOST


def test_a_month_of_trouble_stays_small() -> None:
    watch = Watch(SINCE)
    for number in range(3 * MOST):
        for part in range(10):
            outcome: Outcome = "Failed" if part < 7 else "Good"
            watch = heard(watch, sample(3600 * number + 10 * part, Keys=outcome))
    months = {one.since.month for one in watch.record.core}
    assert len(watch.record.core) <= MOST * len(months)


def test_few_stretches_are_remembered_while_another_service_fails_for_days() -> None:
    watch = heard(Watch(SINCE), sample(0, Login="Failed"))
    for number in range(3 * MOST):
        for part in range(3):
            outcome: Outcome = "Good" if part else "Failed"
            watch = heard(watch, sample(60 * number + 10 * part, Login="Failed", Keys=outcome))
    assert len(watch.ended) <= MOST
    assert snapshot(watch, now=second(60 * 3 * MOST)).core[0].since == second(0)


OUTCOMES = st.sampled_from(["Good", "Failed"])


@st.composite
def histories(draw: st.DrawFn) -> list[Sample]:
    """Some hundred samples of three services, the entry among them; none, some or all fail; some are late."""
    samples, at = [], 0
    mood = dict.fromkeys(("Entry", "Keys", "Token"), 0.0)
    for number in range(draw(st.integers(5, 120))):
        at += draw(st.sampled_from([2, 10, 10, 10, 10, 11, 12, 60]))
        if draw(st.integers(0, 9)) == 0:
            mood[draw(st.sampled_from(["Entry", "Keys", "Token"]))] = draw(st.sampled_from([0, 0.3, 0.6, 1]))
        outcomes: dict[Source, Outcome] = {}
        for service in ("Entry", "Keys", "Token"):
            if service == "Token" and number % 6:
                continue
            bad = draw(st.floats(0, 1, exclude_max=True)) < mood[service]
            outcomes[service] = "Failed" if bad else "Good"
        if outcomes["Entry"] == "Failed":
            outcomes = {"Entry": "Failed"}
        samples.append(Sample(second(at), outcomes, {}))
    return samples


@given(histories())
def test_the_slow_reference_sees_the_same(samples: list[Sample]) -> None:
    end = samples[-1].at + timedelta(seconds=1)
    record = snapshot(seen(samples), now=end + NEWS)
    slow = walk(samples, end=int(end.timestamp()))
    for stretches, runs in ((record.core, slow.core), (record.entry, slow.entry)):
        found = [(int(one.since.timestamp()), int((one.until or end).timestamp())) for one in stretches]
        # A stretch whose end is not certain is open, and may be shorter yet.
        certain = [pair for pair, one in zip(found, stretches, strict=True) if one.until]
        assert certain == [(run[0], run[-1] + 1) for run in runs][: len(certain)]
        open_ = [one for one in stretches if one.until is None]
        assert len(open_) <= 1
        assert len(runs) - len(certain) <= len(open_)
        if runs and open_ and len(runs) > len(certain):
            assert runs[-1][0] == int(open_[0].since.timestamp())


@given(histories(), st.integers(0, 119))
def test_a_restart_at_any_moment_loses_nothing_that_was_told(samples: list[Sample], cut: int) -> None:
    before, after = samples[:cut], samples[cut:]
    watch = seen(before)
    now = before[-1].at if before else START
    kept = snapshot(watch, now=now)
    again = resumed(kept)
    for one in after:
        again = heard(again, one)
    found = snapshot(again, now=samples[-1].at).core
    for stretch in kept.core:
        until = stretch.until
        if until is not None:
            assert any(one.since <= stretch.since and (one.until or until) >= until for one in found)
    assert all(first.until and first.until < then.since for first, then in pairwise(found))
