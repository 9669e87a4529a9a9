"""Emergency maintenance (M-6): five days from the notice."""

import pytest

from contract.clock_facts import SECOND_SUNDAY, at, freeze, notified, ran, read, said, service, slot, terms
from dedicated.contract.facts import Delivered, Fact, Retracted
from dedicated.contract.permission import Terms

SERVICE = service("2026-01-02 10:00")
ASKED = terms()
EMERGENCY = notified("cve", "2026-06-01 09:00", "Security")  # deadline 2026-06-07 00:00
AFTER = "2026-06-07 00:00"


def state(*facts: Fact, now: str = AFTER, under: Terms = ASKED) -> str:
    return read([SERVICE, EMERGENCY, *facts], under, now).emergencies[0].state


def permission(when: str, start: str, end: str) -> Fact:
    return said("cve", when, "Permitted", slot(start, end))


@pytest.mark.parametrize(
    ("when", "start", "expected"),
    [
        ("2026-06-06 23:59:59", "2026-06-06 23:59:59", "Permitted"),
        ("2026-06-07 00:00:00", "2026-06-07 00:00:00", "Failed"),
        ("2026-06-07 00:00:00", "2026-06-06 00:00:00", "Failed"),
        ("2026-06-02 00:00:00", "2026-06-06 23:59:59", "Permitted"),
        ("2026-06-02 00:00:00", "2026-06-07 00:00:00", "Failed"),
    ],
)
def test_permission_and_slot_come_before_the_deadline(when: str, start: str, expected: str) -> None:
    assert state(permission(when, start, "2026-06-08 00:00"), now="2026-06-09 00:00") == expected


def test_silence_is_no_permission_where_one_is_needed() -> None:
    assert state(now="2026-06-06 23:59:59") == "Pending"
    assert state() == "Failed"
    assert state(under=terms(plan="Standard")) == "Permitted"


def test_a_refusal_on_a_plan_that_permits_by_itself_fails_it() -> None:
    refused = said("cve", "2026-06-06 23:59:59", "Refused")
    assert state(refused, under=terms(plan="Standard")) == "Failed"


def test_two_emergencies_have_a_clock_each() -> None:
    second = notified("cve-2", "2026-06-03 09:00", "Performance")
    found = read([SERVICE, EMERGENCY, second], ASKED, "2026-06-08 00:00").emergencies
    assert [(item.deadline, item.state) for item in found] == [
        (at("2026-06-07 00:00"), "Failed"),
        (at("2026-06-09 00:00"), "Pending"),
    ]


def test_a_newer_one_that_contains_it_does_not_restart_the_clock() -> None:
    newer = notified("cve-2", "2026-06-03 09:00", "Security", supersedes="cve")
    assert state(newer) == "Failed"
    permitted = said("cve-2", "2026-06-04 00:00", "Permitted", slot("2026-06-05 00:00", "2026-06-05 04:00"))
    assert state(newer, permitted) == "Permitted"
    assert state(newer, ran("cve-2", "2026-06-05 01:00")) == "Done"


def test_a_reminder_does_not_restart_the_clock() -> None:
    reminder = notified("cve", "2026-06-04 09:00", "Security")
    assert state(reminder) == "Failed"


def test_standing_windows_that_begin_within_the_five_days_are_permission() -> None:
    facts: list[Fact] = [SERVICE, notified("in", "2026-06-10 09:00", "Security")]  # window on Sunday 14th
    facts.append(notified("out", "2026-06-15 09:00", "Security"))
    found = read(facts, terms(SECOND_SUNDAY), "2026-06-30 00:00").emergencies
    assert [item.state for item in found] == ["Permitted", "Failed"]
    frozen = terms(SECOND_SUNDAY, freezes=(freeze("2026-06-13 00:00", "2026-06-15 00:00"),))
    assert read(facts, frozen, "2026-06-30 00:00").emergencies[0].state == "Failed"


def test_an_emergency_taken_back_has_no_clock_any_more() -> None:
    assert state(Retracted("t", at("2026-06-05 00:00"), "provider", "cve")) == "Retracted"


def test_a_channel_starts_the_clock_with_the_delivery() -> None:
    channel = terms(channel=True)
    waiting = read([SERVICE, EMERGENCY], channel, "2026-07-01 00:00").emergencies[0]
    assert (waiting.state, waiting.deadline) == ("Undelivered", None)
    delivered = Delivered("d", at("2026-06-02 12:00"), "operator", "cve")
    found = read([SERVICE, EMERGENCY, delivered], channel, "2026-06-03 00:00").emergencies[0]
    assert (found.notified, found.deadline) == (at("2026-06-02 12:00"), at("2026-06-08 00:00"))


def test_a_regular_request_never_becomes_an_emergency() -> None:
    found = read([SERVICE, notified("regular-2026-06", "2026-06-01 00:00")], ASKED, "2026-06-20 00:00")
    assert found.emergencies == ()


def test_done_at_the_deadline_is_too_late() -> None:
    assert state(ran("cve", "2026-06-06 23:59:59")) == "Done"
    assert state(ran("cve", "2026-06-07 00:00")) == "Failed"


def test_a_delivery_before_the_record_does_not_date_it_back() -> None:
    early = Delivered("d", at("2026-05-30 12:00"), "operator", "cve")
    found = read([SERVICE, EMERGENCY, early], terms(channel=True), "2026-06-03 00:00").emergencies[0]
    assert found.notified == at("2026-06-01 09:00")
