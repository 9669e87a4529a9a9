"""When service level and liability are void (M-11), to the second."""

from datetime import datetime

from contract.clock_facts import act, at, notified, ran, read, refused_months, said, service, slot, terms
from dedicated.contract.facts import Fact, Retracted

SERVICE = service("2025-12-05 10:00")
ASKED = terms()
EMERGENCY = notified("cve", "2026-06-01 09:00", "Security")
FAILED = at("2026-06-07 00:00")
STREAK: list[Fact] = [SERVICE, *refused_months("2026-01", "2026-02", "2026-03")]


def stretches(facts: list[Fact], now: str) -> list[tuple[datetime, datetime | None]]:
    return [(void.start, void.end) for void in read(facts, ASKED, now).voids]


def test_it_starts_at_the_failure_and_not_with_the_escalation() -> None:
    facts: list[Fact] = [SERVICE, EMERGENCY, act("cve", "2026-06-10 00:00", "Escalated")]
    assert read(facts, ASKED, "2026-06-06 23:59:59").void is None
    assert read(facts, ASKED, "2026-06-07 00:00").void is not None
    assert stretches(facts, "2026-06-20 00:00") == [(FAILED, None)]


def test_it_ends_when_what_is_owed_is_done() -> None:
    facts: list[Fact] = [SERVICE, EMERGENCY, ran("cve", "2026-06-20 03:00:01")]
    assert stretches(facts, "2026-07-01 00:00") == [(FAILED, at("2026-06-20 03:00:01"))]
    assert read(facts, ASKED, "2026-06-20 03:00:00").void is not None
    assert read(facts, ASKED, "2026-06-20 03:00:01").void is None
    other: list[Fact] = [
        SERVICE,
        EMERGENCY,
        notified("b", "2026-06-02 00:00", "Security"),
        ran("b", "2026-06-03 00:00"),
    ]
    assert stretches(other, "2026-07-01 00:00") == [(FAILED, None)]


def test_a_provider_that_does_not_use_the_slot_ends_it_with_the_slot() -> None:
    permission = said("cve", "2026-06-08 00:00", "Permitted", slot("2026-06-09 02:00", "2026-06-09 06:00"))
    facts: list[Fact] = [SERVICE, EMERGENCY, permission]
    assert stretches(facts, "2026-06-08 00:00") == [(FAILED, at("2026-06-09 06:00"))]
    assert read(facts, ASKED, "2026-06-09 05:59:59").void is not None
    assert read(facts, ASKED, "2026-06-09 06:00").void is None
    withdrawn = said("cve", "2026-06-09 01:59:59", "Withdrawn")
    assert stretches([*facts, withdrawn], "2026-07-01 00:00") == [(FAILED, None)]
    too_short = said("cve", "2026-06-08 00:00", "Permitted", slot("2026-06-09 02:00", "2026-06-09 03:00"))
    assert stretches([SERVICE, EMERGENCY, too_short], "2026-07-01 00:00") == [(FAILED, None)]


def test_the_first_slot_ends_it_also_where_the_maintenance_comes_later() -> None:
    permission = said("cve", "2026-06-08 00:00", "Permitted", slot("2026-06-09 02:00", "2026-06-09 06:00"))
    facts: list[Fact] = [SERVICE, EMERGENCY, permission, ran("cve", "2026-06-30 00:00")]
    assert stretches(facts, "2026-07-01 00:00") == [(FAILED, at("2026-06-09 06:00"))]


def test_neither_a_waiver_nor_a_notice_ends_it() -> None:
    waived: list[Fact] = [SERVICE, EMERGENCY, act("cve", "2026-06-08 00:00", "Waiver")]
    assert stretches(waived, "2027-01-01 00:00")[0] == (FAILED, None)


def test_an_emergency_taken_back_ends_it() -> None:
    facts: list[Fact] = [SERVICE, EMERGENCY, Retracted("t", at("2026-06-08 00:00"), "provider", "cve")]
    assert stretches(facts, "2026-07-01 00:00") == [(FAILED, at("2026-06-08 00:00"))]


def test_several_are_united() -> None:
    second = notified("b", "2026-06-03 09:00", "Security")  # failed 2026-06-09 00:00
    facts: list[Fact] = [
        SERVICE,
        EMERGENCY,
        second,
        ran("cve", "2026-06-10 00:00"),
        ran("b", "2026-06-12 00:00"),
    ]
    assert stretches(facts, "2026-06-30 00:00") == [(FAILED, at("2026-06-12 00:00"))]
    apart: list[Fact] = [
        SERVICE,
        EMERGENCY,
        second,
        ran("cve", "2026-06-08 00:00"),
        ran("b", "2026-06-12 00:00"),
    ]
    assert stretches(apart, "2026-06-30 00:00") == [
        (FAILED, at("2026-06-08 00:00")),
        (at("2026-06-09 00:00"), at("2026-06-12 00:00")),
    ]


def test_the_third_missed_month_starts_it_and_regular_maintenance_ends_it() -> None:
    start = at("2026-04-01 00:00")
    assert stretches(STREAK, "2026-03-31 23:59:59") == []
    assert stretches(STREAK, "2026-04-01 00:00") == [(start, None)]
    assert stretches([*STREAK, ran("regular-2026-02", "2026-04-03 00:00")], "2026-05-01 00:00") == [
        (start, at("2026-04-03 00:00"))
    ]


def test_stretches_that_touch_are_one() -> None:
    second = notified("b", "2026-06-03 09:00", "Security")  # failed 2026-06-09 00:00
    facts: list[Fact] = [
        SERVICE,
        EMERGENCY,
        second,
        ran("cve", "2026-06-09 00:00"),
        ran("b", "2026-06-12 00:00"),
    ]
    assert stretches(facts, "2026-06-30 00:00") == [(FAILED, at("2026-06-12 00:00"))]
