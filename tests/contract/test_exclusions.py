"""What is cut out of downtime (A-5): notice, declared duration, records; and nothing else."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from contract.clock_facts import at, notified, ran
from dedicated.contract.downtime import Span
from dedicated.contract.exclusions import Excluded, announced, emergencies, force_majeure, not_measured
from dedicated.contract.facts import Notified, Stretch, history
from dedicated.contract.holidays import swiss_holidays

HOLIDAYS = swiss_holidays()


def asked(notice: str, *, downtime: timedelta = timedelta(minutes=10)) -> Notified:
    """Regular maintenance of two hours that expects downtime."""
    return replace(notified("m", notice), downtime=downtime)


def stretch(name: str, word: Literal["NotMeasured", "ForceMajeure"], start: str, end: str) -> Stretch:
    return Stretch(name, at(end), "provider", word, at(start), at(end), reference=name)


@pytest.mark.parametrize(
    ("notice", "start", "in_time"),
    [
        # Monday's notice: Tuesday to Monday are five working days.
        ("2026-06-01 09:00", "2026-06-09 00:00", True),
        ("2026-06-01 09:00", "2026-06-08 23:59", False),
        # The week of Easter: Good Friday and Easter Monday are none.
        ("2026-03-30 09:00", "2026-04-09 00:00", True),
        ("2026-03-30 09:00", "2026-04-07 02:00", False),
        # Beyond the last year whose holidays are known.
        ("2051-06-01 09:00", "2051-06-20 00:00", False),
    ],
)
def test_five_working_days_of_notice(notice: str, start: str, *, in_time: bool) -> None:
    found = list(announced(history([asked(notice), ran("m", start, "Started")]), HOLIDAYS))
    expected = Excluded(at(start), at(start) + timedelta(hours=2), "Announced", "m")
    assert found == ([expected] if in_time else [])


def test_where_no_downtime_is_expected_any_notice_before_the_start_will_do() -> None:
    start = "2026-06-02 02:00"
    for notice, count in (("2026-06-02 01:59", 1), ("2026-06-02 02:01", 0)):
        known = history([asked(notice, downtime=timedelta(0)), ran("m", start, "Started")])
        assert len(list(announced(known, HOLIDAYS))) == count


def test_what_is_announced_is_cut_out_of_each_run_up_to_its_end() -> None:
    runs = [
        ran("m", "2026-06-09 02:00", "Started"),
        ran("m", "2026-06-09 02:30", "Failed"),
        ran("m", "2026-06-09 04:00", "Started"),
        ran("m", "2026-06-09 07:00"),
    ]
    found = list(announced(history([asked("2026-06-01 09:00"), *runs]), HOLIDAYS))
    assert [(one.since, one.until) for one in found] == [
        (at("2026-06-09 02:00"), at("2026-06-09 02:30")),
        (at("2026-06-09 04:00"), at("2026-06-09 06:00")),  # what ran over counts
    ]


def test_an_emergency_is_cut_out_up_to_what_was_declared() -> None:
    emergency = notified("cve", "2026-06-01 09:00", "Security")
    declared = emergency.duration
    started = ran("cve", "2026-06-02 02:00", "Started")
    (running,) = emergencies(history([emergency, started]))
    assert (running.since, running.until) == (started.at, started.at + declared)
    (short,) = emergencies(history([emergency, started, ran("cve", "2026-06-02 02:30")]))
    assert short.until == at("2026-06-02 02:30")
    (long,) = emergencies(history([emergency, started, ran("cve", "2026-06-03 02:30")]))
    assert long.until == started.at + declared
    assert list(emergencies(history([emergency]))) == []


def test_regular_maintenance_is_no_emergency() -> None:
    started = ran("m", "2026-06-02 02:00", "Started")
    assert list(emergencies(history([asked("2026-06-01 09:00"), started]))) == []


def test_force_majeure_and_what_was_not_measured_are_as_recorded() -> None:
    flood = stretch("flood", "ForceMajeure", "2026-06-01 00:00", "2026-06-01 12:00")
    blind = stretch("blind", "NotMeasured", "2026-06-02 00:00", "2026-06-02 01:00")
    known = history([flood, blind])
    assert list(force_majeure(known)) == [Excluded(flood.start, flood.end, "ForceMajeure", "flood")]
    assert list(not_measured(known)) == [Span(blind.start, blind.end)]
