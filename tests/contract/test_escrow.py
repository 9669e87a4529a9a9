"""When a bundle or a ledger is owed, and what is said of what is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedicated.contract.recovery.escrow import (
    FIRST_WITHIN,
    LEDGER_WITHIN,
    SPACING,
    Attempt,
    Marks,
    Opener,
    Report,
    Trouble,
    Written,
    from_json,
    keys_escrowed,
    next_change,
    owed,
    to_json,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MARKS = Marks("b1", "l1")
OPENERS = (Opener("Provider", "0" * 16), Opener("Customer", "1" * 16))


def written(mark: str, at: datetime = NOW) -> Written:
    return Written(mark, 1, f"object-{mark}", "0" * 64, at, OPENERS)


KEPT = Report("uid", "f" * 32, written("b1"), written("l1"))


def said(
    marks: Marks | None, report: Report | None, attempt: Attempt | None = None, *, now: datetime = NOW
) -> tuple[str, str]:
    found = keys_escrowed(marks, report, attempt, since=NOW, zone="UTC", now=now)
    return found.status, found.reason


def test_what_is_kept_as_it_is_is_good() -> None:
    found = keys_escrowed(MARKS, KEPT, None, since=NOW, zone="UTC", now=NOW)
    assert (found.status, found.reason) == ("True", "Escrowed")
    assert "Customer, Provider" in found.message
    assert not owed(MARKS, KEPT, now=NOW).anything


def test_when_a_recipient_last_opened_one_is_told() -> None:
    opened = keys_escrowed(MARKS, KEPT, None, since=NOW, opened=NOW, zone="UTC", now=NOW)
    assert "opened last 2026-03-01T12:00:00Z" in opened.message
    never = keys_escrowed(MARKS, KEPT, None, since=NOW, zone="UTC", now=NOW)
    assert "no recipient has recorded" in never.message


def test_a_bundle_that_is_not_as_it_is_now_is_stale_at_once_and_owed_with_the_ledger_that_changed() -> None:
    assert said(Marks("b2", "l1"), KEPT) == ("False", "BundleStale")
    assert owed(Marks("b2", "l1"), KEPT, now=NOW).bundle
    assert not owed(Marks("b2", "l1"), KEPT, now=NOW).ledger
    assert owed(Marks("b2", "l2"), KEPT, now=NOW).ledger


def test_a_missing_masterkey_names_the_bundle_that_has_it() -> None:
    found = keys_escrowed(None, KEPT, None, since=NOW, zone="UTC", now=NOW)
    assert (found.status, found.reason) == ("False", "BundleStale")
    assert "bundle 1" in found.message


def test_a_failed_attempt_is_told_with_its_cause() -> None:
    trouble = Trouble("Bundle", NOW, "the store refuses to put: AccessDenied")
    assert said(MARKS, Report("uid", trouble=trouble)) == ("False", "WriteFailed")
    assert said(Marks("b2", "l1"), replace(KEPT, trouble=trouble)) == ("False", "WriteFailed")


def test_the_first_bundle_may_take_its_time_and_no_longer() -> None:
    assert said(MARKS, None) == ("Unknown", "NotWritten")
    assert said(MARKS, None, now=NOW + FIRST_WITHIN - SECOND) == ("Unknown", "NotWritten")
    assert said(MARKS, None, now=NOW + FIRST_WITHIN) == ("False", "WriteFailed")
    assert next_change(MARKS, None, None, since=NOW, now=NOW) == NOW + FIRST_WITHIN


def test_a_ledger_that_changed_is_late_when_its_attempt_is_old() -> None:
    marks, attempt = Marks("b1", "l2"), Attempt("job", NOW)
    assert said(marks, KEPT, attempt, now=NOW + LEDGER_WITHIN - SECOND) == ("True", "Escrowed")
    assert said(marks, KEPT, attempt, now=NOW + LEDGER_WITHIN) == ("False", "LedgerStale")
    assert next_change(marks, KEPT, attempt, since=NOW, now=NOW + SPACING) == NOW + LEDGER_WITHIN


@given(st.integers(0, 600))
def test_every_change_of_the_ledger_is_owed_in_time_and_never_twice_within_the_spacing(changed: int) -> None:
    """`changed` seconds after the last write something is recorded."""
    at = NOW + changed * SECOND
    report = replace(KEPT, ledger=written("l1", NOW))
    marks = Marks("b1", "l2")
    found = owed(marks, report, now=at)
    assert found.ledger == (at >= NOW + SPACING)
    due = at if found.ledger else found.ledger_at
    assert due is not None
    assert due - at <= LEDGER_WITHIN - timedelta(minutes=2), "room for the Job itself"
    assert owed(marks, report, now=max(due, at)).ledger


def test_a_time_of_another_clock_puts_nothing_off() -> None:
    report = replace(KEPT, ledger=written("l1", NOW + timedelta(days=1)))
    assert owed(Marks("b1", "l2"), report, now=NOW).ledger


@pytest.mark.parametrize("text", ["", "{}", '{"incarnation": 1}', "no json"])
def test_what_is_no_report_says_nothing(text: str) -> None:
    assert from_json(text) is None


def test_a_report_is_read_as_it_was_written() -> None:
    assert from_json(to_json(KEPT)) == KEPT
