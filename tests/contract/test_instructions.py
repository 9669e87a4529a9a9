"""An instruction covers what is changed while it is in force, in its scope, and nothing made before it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dedicated.contract.facts import Fact, Grantee, Instructed, ServiceStarted
from dedicated.contract.instructions import (
    SEEN_LATE,
    Verdict,
    findings,
    grantees,
    in_force,
    judge,
    next_change,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = START + timedelta(hours=4)
SECOND = timedelta(seconds=1)
JANE = Grantee("User", "jane")
GIVEN = Instructed("i-1", START, "provider", JANE, ("Service/acme",), START, END, "a migration")
STARTED = ServiceStarted("s", START, "operator")


@pytest.mark.parametrize(
    ("made", "now", "verdict"),
    [
        (START - SECOND, START, "Modification"),
        (START, START, "Kept"),
        (END - SECOND, END - SECOND, "Kept"),
        (END - SECOND, END, "Undone"),
        (START, END + timedelta(days=40), "Undone"),
        (END, END, "Modification"),
    ],
)
def test_a_change_is_judged_by_when_it_was_made(made: datetime, now: datetime, verdict: Verdict) -> None:
    assert judge([STARTED, GIVEN], "Service/acme", made=made, now=now) == verdict


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (START - SECOND, "Modification"),
        (START, "Kept"),
        (END, "Undone"),
        (END + SEEN_LATE - SECOND, "Undone"),
        (END + SEEN_LATE, "Modification"),
    ],
)
def test_a_change_without_a_time_is_judged_by_when_it_is_seen(now: datetime, verdict: Verdict) -> None:
    assert judge([GIVEN], "Service/acme", made=None, now=now) == verdict


def test_what_was_made_before_the_record_is_not_covered_by_an_earlier_validity() -> None:
    late = replace(GIVEN, at=START + timedelta(hours=1))
    assert judge([late], "Service/acme", made=START, now=late.at) == "Modification"
    assert in_force([late], now=START) == ()
    assert next_change([late], now=START) == late.at


def test_the_scope_is_what_it_names_and_everything_where_it_names_nothing() -> None:
    assert judge([GIVEN], "Deployment/acme", made=START, now=START) == "Modification"
    assert judge([replace(GIVEN, scope=())], "Deployment/acme", made=START, now=START) == "Kept"


def test_a_later_instruction_keeps_what_an_earlier_one_allowed_only_until_that_ends() -> None:
    later = replace(GIVEN, name="i-2", at=END, valid_from=END, valid_until=END + timedelta(hours=1))
    assert judge([GIVEN, later], "Service/acme", made=START, now=END) == "Undone"
    assert judge([GIVEN, later], "Service/acme", made=END, now=END) == "Kept"


def test_who_is_instructed_and_when_that_changes() -> None:
    anna = replace(GIVEN, name="i-2", grantee=Grantee("Group", "anna"), valid_until=END + SECOND)
    again = replace(GIVEN, name="i-3")
    known: list[Fact] = [GIVEN, again, STARTED, anna]
    assert grantees(known, now=START - SECOND) == ()
    assert grantees(known, now=START) == (anna.grantee, JANE)
    assert grantees(known, now=END) == (anna.grantee,)
    dates = [next_change(known, now=at) for at in (START - SECOND, START, END, END + SECOND)]
    assert dates == [START, END, END + SECOND, None]
    assert next_change([replace(GIVEN, at=END)], now=START) is None


def test_it_is_told_with_its_end() -> None:
    (finding,) = findings([GIVEN, STARTED], now=START)
    assert (finding.code, finding.responsible, finding.deadline) == ("InstructionInForce", "Provider", END)
    for part in ("User jane", "Service/acme", "i-1", "a migration"):
        assert part in finding.message
    assert findings([GIVEN], now=END) == ()
