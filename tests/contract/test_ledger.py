"""The month ledger (M-7)."""

import re
from itertools import product
from typing import get_args

import pytest

from contract.clock_facts import (
    SECOND_SUNDAY,
    asked_months,
    at,
    freeze,
    notified,
    ran,
    read,
    refused_months,
    said,
    service,
    slot,
    states,
    terms,
)
from dedicated.contract.calendar import Window
from dedicated.contract.dates import Month
from dedicated.contract.facts import Fact, Retracted
from dedicated.contract.ledger import Entry, State, failures, streak_after

ASKED = terms()
STANDARD = terms(plan="Standard")
QUARTERLY = terms(Window("FREQ=MONTHLY;INTERVAL=3;BYDAY=1SU", SECOND_SUNDAY.start, SECOND_SUNDAY.duration))
MONTHLY = terms(SECOND_SUNDAY)
SERVICE = service("2025-12-05 10:00")


def test_all_sequences_of_six_months_fail_where_three_missed_ones_stand_in_a_row() -> None:
    letters: dict[State, str] = {"Refused": "x", "Unanswered": "x", "NotDue": ""}
    for sequence in product(get_args(State), repeat=6):
        streak, entries = 0, []
        for number, state in enumerate(sequence, 1):
            streak = streak_after(streak, state)
            entries.append(Entry(Month(2026, number), state, streak, final=True))
        # The same in other words: NotDue is as if it were not there, all else but a missed month parts.
        told = "".join(letters.get(state, ".") for state in sequence)
        found = list(failures(entries))
        assert len(found) == len(re.findall("(?<!x)xxx", told)), sequence
        assert all(third >= first.plus(2) for first, third in found)


def test_a_month_that_goes_on_is_no_failure_yet() -> None:
    missed = [Entry(Month(2026, number), "Refused", number, final=number < 3) for number in (1, 2, 3)]
    assert list(failures(missed)) == []


@pytest.mark.parametrize(
    ("word", "when", "state"),
    [
        ("Permitted", "2026-01-31 23:59:59", "Permitted"),
        ("Permitted", "2026-02-01 00:00:00", "Unanswered"),
        ("Refused", "2026-01-31 23:59:59", "Refused"),
        ("Refused", "2026-02-01 00:00:00", "Unanswered"),
    ],
)
def test_what_is_said_before_the_end_of_the_month_counts_in_it(word: str, when: str, state: str) -> None:
    window = slot("2026-01-20 00:00", "2026-02-20 00:00")
    answer = (
        said("regular-2026-01", when, "Permitted", window, any_time=True)
        if word == "Permitted"
        else said("regular-2026-01", when, "Refused")
    )
    assert (
        states(read([SERVICE, *asked_months("2026-01"), answer], ASKED, "2026-02-02 00:00"))["2026-01"]
        == state
    )


@pytest.mark.parametrize(
    ("start", "end", "state"),
    [
        ("2026-01-20 02:00", "2026-01-20 04:00", "Permitted"),
        ("2026-01-20 02:00", "2026-01-20 03:59:59", "Refused"),
        ("2026-01-31 23:59:59", "2026-02-01 02:00", "Permitted"),
        ("2026-02-01 00:00", "2026-02-01 04:00", "Refused"),
    ],
)
def test_a_usable_slot_starts_in_the_month_and_is_long_enough(start: str, end: str, state: str) -> None:
    permission = said("regular-2026-01", "2026-01-05 12:00", "Permitted", slot(start, end))
    assert states(read([SERVICE, *asked_months("2026-01"), permission], ASKED, "2026-02-02 00:00")) == {
        "2025-12": "Partial",
        "2026-01": state,
    }


@pytest.mark.parametrize(
    ("opened", "state"),
    [
        ("2026-01-18 00:00:00", "Unanswered"),
        ("2026-01-18 00:00:01", "NotAsked"),
        ("2026-01-01 00:00", "Unanswered"),
    ],
)
def test_a_month_is_asked_fourteen_days_before_its_end(opened: str, state: str) -> None:
    facts: list[Fact] = [SERVICE, notified("regular-2026-01", opened)]
    assert states(read(facts, ASKED, "2026-02-01 00:00"))["2026-01"] == state


def test_a_request_taken_back_asks_for_nothing() -> None:
    facts: list[Fact] = [SERVICE, *refused_months("2026-01")]
    facts.append(Retracted("t", at("2026-01-20 00:00"), "provider", "regular-2026-01"))
    assert states(read(facts, ASKED, "2026-02-01 00:00"))["2026-01"] == "NotAsked"


def test_an_operator_that_is_down_for_a_month_leaves_it_not_asked() -> None:
    facts = [SERVICE, *refused_months("2026-01", "2026-02", "2026-04", "2026-05")]
    found = read(facts, STANDARD, "2026-06-01 00:00")
    assert [entry.streak for entry in found.entries] == [0, 1, 2, 0, 1, 2, 0]
    assert states(found)["2026-03"] == "NotAsked"
    assert found.issues == ()


def test_by_plan_silence_permits_and_a_refusal_does_not() -> None:
    facts = [SERVICE, *asked_months("2026-01"), *refused_months("2026-02")]
    assert states(read(facts, STANDARD, "2026-03-01 00:00")) == {
        "2025-12": "Partial",
        "2026-01": "Permitted",
        "2026-02": "Refused",
    }


def test_a_freeze_refuses_what_stands() -> None:
    frozen = (freeze("2026-01-01 00:00", "2026-02-01 00:00"),)
    facts = [SERVICE, *asked_months("2026-01")]
    for under in (terms(plan="Standard", freezes=frozen), terms(SECOND_SUNDAY, freezes=frozen)):
        assert states(read(facts, under, "2026-02-01 00:00"))["2026-01"] == "Refused"
    # A record for the request stands above it.
    permission = said(
        "regular-2026-01", "2026-01-02 00:00", "Permitted", slot("2026-01-03 00:00", "2026-01-03 02:00")
    )
    facts.append(permission)
    assert (
        states(read(facts, terms(SECOND_SUNDAY, freezes=frozen), "2026-02-01 00:00"))["2026-01"]
        == "Permitted"
    )


def test_a_quarterly_cadence_is_due_in_its_months_and_in_all_after_a_missed_one() -> None:
    months = ("2026-01", "2026-02", "2026-03")
    facts: list[Fact] = [SERVICE, *asked_months(*months)]
    assert list(states(read(facts, QUARTERLY, "2026-04-01 00:00")).values()) == [
        "Partial", "Permitted", "NotDue", "NotDue",
    ]  # fmt: skip
    facts.append(said("regular-2026-01", "2026-01-02 00:00", "Refused"))
    found = read(facts, QUARTERLY, "2026-04-01 00:00")
    assert list(states(found).values()) == ["Partial", "Refused", "Unanswered", "Unanswered"]
    assert [issue.failed for issue in found.issues] == [at("2026-04-01 00:00")]


def test_a_window_that_began_before_the_refusal_was_a_usable_slot() -> None:
    facts: list[Fact] = [SERVICE, *asked_months("2026-01")]
    late, early = (said("regular-2026-01", f"2026-01-11 0{hour}:00", "Refused") for hour in (2, 1))
    assert states(read([*facts, late], MONTHLY, "2026-02-01 00:00"))["2026-01"] == "Permitted"
    assert states(read([*facts, early], MONTHLY, "2026-02-01 00:00"))["2026-01"] == "Refused"


def test_a_provider_that_fails_in_a_permitted_slot_leaves_the_month_permitted() -> None:
    facts = [
        SERVICE,
        *asked_months("2026-01"),
        ran("regular-2026-01", "2026-01-05 02:00", "Started"),
        ran("regular-2026-01", "2026-01-05 03:00", "Failed"),
        said("regular-2026-01", "2026-01-06 00:00", "Refused"),
    ]
    assert states(read(facts, STANDARD, "2026-02-01 00:00"))["2026-01"] == "Permitted"
    blocked = said("regular-2026-01", "2026-01-05 02:30", "Blocked")
    assert states(read([*facts, blocked], STANDARD, "2026-02-01 00:00"))["2026-01"] == "Refused"


def test_a_completed_maintenance_is_done_whatever_was_said() -> None:
    facts = [SERVICE, *refused_months("2026-01"), ran("regular-2026-01", "2026-01-31 23:59:59")]
    assert states(read(facts, ASKED, "2026-02-01 00:00"))["2026-01"] == "Done"


def test_the_current_month_tells_what_it_comes_to() -> None:
    facts = [SERVICE, *refused_months("2026-01")]
    current = read(facts, ASKED, "2026-01-15 00:00").current
    assert current is not None
    assert (current.state, current.final, current.streak, current.request) == (
        "Refused",
        False,
        1,
        "regular-2026-01",
    )


def test_a_permission_for_a_request_taken_back_is_none() -> None:
    permission = said("first", "2026-01-05 00:00", "Permitted", slot("2026-01-20 02:00", "2026-01-20 04:00"))
    facts: list[Fact] = [
        SERVICE,
        notified("first", "2026-01-01 00:00"),
        notified("second", "2026-01-02 00:00"),
        permission,
    ]
    assert states(read(facts, ASKED, "2026-02-01 00:00"))["2026-01"] == "Permitted"
    facts.append(Retracted("t", at("2026-01-10 00:00"), "provider", "first"))
    assert states(read(facts, ASKED, "2026-02-01 00:00"))["2026-01"] == "Unanswered"


def test_any_time_that_is_withdrawn_next_month_permitted_this_one() -> None:
    window = slot("2026-01-20 00:00", "2026-02-20 00:00")
    facts: list[Fact] = [
        SERVICE,
        *asked_months("2026-01", "2026-02"),
        said("regular-2026-01", "2026-01-05 00:00", "Permitted", window, any_time=True),
        said("regular-2026-01", "2026-02-03 00:00", "Withdrawn"),
    ]
    found = states(read(facts, ASKED, "2026-03-01 00:00"))
    assert (found["2026-01"], found["2026-02"]) == ("Permitted", "Unanswered")
