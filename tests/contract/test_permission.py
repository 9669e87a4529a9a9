"""Permission (M-1, M-13): the precedence matrix, and when the last word counts."""

import pytest

from contract.clock_facts import SECOND_SUNDAY, at, freeze, notified, ran, said, slot, terms
from dedicated.contract.facts import Fact, Retracted, history
from dedicated.contract.permission import Terms, permitted

REQUEST = notified("r", "2026-01-01 00:00")
SUNDAY = "2026-01-11 02:30"  # in the window of the second Sunday, 02:00 to 06:00
FROZEN = (freeze("2026-01-10 00:00", "2026-01-12 00:00"),)
WIDE = slot("2026-01-05 00:00", "2026-01-20 00:00")
PLAN, WINDOW, ASKED = terms(plan="Standard"), terms(SECOND_SUNDAY), terms(SECOND_SUNDAY, approval="Required")
REFUSED = said("r", "2026-01-03 00:00", "Refused")
PERMITTED = said("r", "2026-01-04 00:00", "Permitted", WIDE)


def may_run(under: Terms, *facts: Fact, now: str = SUNDAY) -> bool:
    return permitted(history([REQUEST, *facts]).requests[0], under, at=at(now))


@pytest.mark.parametrize(
    ("under", "frozen", "silent"),
    [
        (PLAN, terms(plan="Standard", freezes=FROZEN), True),
        (WINDOW, terms(SECOND_SUNDAY, freezes=FROZEN), True),
        (ASKED, terms(SECOND_SUNDAY, approval="Required", freezes=FROZEN), False),
        (terms(), terms(freezes=FROZEN), False),
    ],
    ids=["plan", "window", "approval required", "no windows"],
)
def test_record_goes_before_freeze_before_window_before_plan(
    under: Terms, frozen: Terms, silent: bool
) -> None:
    assert may_run(under) is silent
    assert not may_run(frozen)
    for terms_of in (under, frozen):
        assert may_run(terms_of, PERMITTED)
        assert not may_run(terms_of, REFUSED)
        assert may_run(terms_of, REFUSED, PERMITTED)
        assert not may_run(terms_of, PERMITTED, said("r", "2026-01-04 12:00", "Withdrawn"))


def test_windows_permit_in_the_window_only() -> None:
    assert not may_run(WINDOW, now="2026-01-11 01:59:59")
    assert may_run(WINDOW, now="2026-01-11 02:00")
    assert not may_run(WINDOW, now="2026-01-11 06:00")


def test_a_window_of_standard_terms_permits_nothing_beyond_the_plan() -> None:
    assert may_run(PLAN, now="2026-01-20 12:00")
    assert not may_run(PLAN, now="2025-12-31 23:59:59")


@pytest.mark.parametrize(
    ("withdrawn", "runs"),
    [("2026-01-04 23:59:59", False), ("2026-01-05 00:00", True), ("2026-01-07 00:00", True)],
)
def test_a_slot_that_has_begun_cannot_be_withdrawn(withdrawn: str, runs: bool) -> None:
    assert may_run(ASKED, PERMITTED, said("r", withdrawn, "Withdrawn")) is runs


def test_access_that_is_blocked_takes_a_begun_slot_away() -> None:
    assert not may_run(ASKED, PERMITTED, said("r", "2026-01-07 00:00", "Blocked"))


def test_any_time_can_be_withdrawn_until_the_run() -> None:
    any_time = said("r", "2026-01-04 00:00", "Permitted", WIDE, any_time=True)
    assert may_run(ASKED, any_time)
    assert not may_run(ASKED, any_time, said("r", "2026-01-11 02:00", "Withdrawn"))


@pytest.mark.parametrize("word", ["Refused", "Withdrawn"])
def test_in_one_second_what_withholds_is_the_last_word(word: str) -> None:
    same = "2026-01-06 00:00"
    permission = said("r", same, "Permitted", WIDE)
    withheld = said("r", same, "Refused" if word == "Refused" else "Withdrawn")
    assert may_run(ASKED, permission)
    assert not may_run(ASKED, permission, withheld)
    assert not may_run(ASKED, withheld, permission)


def test_the_latest_permission_replaces_the_one_before() -> None:
    moved = said("r", "2026-01-04 12:00", "Permitted", slot("2026-01-15 00:00", "2026-01-16 00:00"))
    assert not may_run(ASKED, PERMITTED, moved)
    assert may_run(ASKED, PERMITTED, moved, now="2026-01-15 01:00")


def test_what_is_done_or_taken_back_is_no_longer_permitted() -> None:
    assert not may_run(PLAN, ran("r", "2026-01-09 00:00"))
    assert not may_run(PLAN, Retracted("t", at("2026-01-09 00:00"), "provider", "r"))


def test_a_slot_too_short_for_the_request_permits_nothing() -> None:
    short = said("r", "2026-01-04 00:00", "Permitted", slot("2026-01-11 02:00", "2026-01-11 03:59:59"))
    assert not may_run(ASKED, short)
