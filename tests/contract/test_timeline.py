"""A replay says at every instant what the clocks say, and names what changed and by what."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock_facts import (
    SECOND_SUNDAY,
    act,
    asked_months,
    at,
    notified,
    ran,
    refused_months,
    said,
    service,
    slot,
    terms,
)
from dedicated.contract.clocks import Clocks, clocks
from dedicated.contract.facts import Fact, history
from dedicated.contract.permission import Terms
from dedicated.contract.timeline import Change, Moment, Operator, replay

START, END = at("2026-01-01 00:00"), at("2026-12-31 00:00")
ASKED = terms(approval="Required")
REFUSED = refused_months("2026-02", "2026-03", "2026-04")


def told(facts: list[Fact], under: Terms = ASKED) -> list[Change]:
    """All changes of the year."""
    return [change for moment in replay(facts, under, start=START, end=END) for change in moment.changes]


def of(changes: list[Change], kind: str) -> list[tuple[str, str, datetime]]:
    return [(change.subject, change.state, change.at) for change in changes if change.kind == kind]


def test_an_issue_from_its_failure_to_its_end() -> None:
    facts = [
        service("2026-01-05 09:00"),
        *REFUSED,
        act("regular-2026-02", "2026-05-04 10:00", "Escalated"),
        act("regular-2026-02", "2026-05-11 11:00", "TerminationNotice"),
    ]
    assert of(told(facts), "Issue") == [
        ("regular-2026-02", "EscalationDue", at("2026-05-01 00:00")),
        ("regular-2026-02", "Escalated", at("2026-05-04 10:00")),
        ("regular-2026-02", "TerminationPermitted", at("2026-05-10 00:00")),
        ("regular-2026-02", "NoticeGiven", at("2026-05-11 11:00")),
        ("regular-2026-02", "TerminationEffective", at("2026-06-11 00:00")),
    ]
    assert of(told(facts), "Void") == [("service level", "Void", at("2026-05-01 00:00"))]


def test_months_are_told_at_their_end_and_the_current_one_when_it_changes() -> None:
    permitted = slot("2026-02-20 02:00", "2026-02-20 06:00")
    facts = [
        service("2026-01-05 09:00"),
        *asked_months("2026-02"),
        said("regular-2026-02", "2026-02-10 12:00", "Permitted", permitted),
        said("regular-2026-02", "2026-02-11 12:00", "Withdrawn"),
    ]
    february = [found for found in of(told(facts), "Month") if found[0] == "2026-02"]
    assert february == [
        ("2026-02", "Permitted", at("2026-02-10 12:00")),
        ("2026-02", "Refused", at("2026-02-11 12:00")),
        ("2026-02", "Refused", at("2026-03-01 00:00")),
    ]


def test_the_floor_is_told_when_it_moves_and_when_it_is_missed() -> None:
    facts = [
        service("2026-01-05 09:00"),
        *asked_months("2026-02"),
        ran("regular-2026-02", "2026-02-10 03:00"),
    ]
    assert of(told(facts), "Floor") == [
        ("quarterly floor", "WithinQuarter", at("2026-01-05 09:00")),
        ("quarterly floor", "WithinQuarter", at("2026-02-10 03:00")),
        ("quarterly floor", "Overdue", at("2026-05-11 00:00")),
    ]


def test_a_void_ends_with_the_slot_that_was_permitted_after_the_failure() -> None:
    permitted = slot("2026-05-20 02:00", "2026-05-20 06:00")
    facts = [
        service("2026-01-05 09:00"),
        *REFUSED,
        *asked_months("2026-05"),
        said("regular-2026-05", "2026-05-10 12:00", "Permitted", permitted),
    ]
    assert of(told(facts), "Void") == [
        ("service level", "Void", at("2026-05-01 00:00")),
        ("service level", "InForce", at("2026-05-20 06:00")),
    ]


def test_an_emergency_waits_and_fails() -> None:
    facts: list[Fact] = [service("2026-01-05 09:00"), notified("cve", "2026-06-01 09:00", "Security")]
    assert of(told(facts), "Emergency") == [
        ("cve", "Pending", at("2026-06-01 09:00")),
        ("cve", "Failed", at("2026-06-07 00:00")),
    ]


def test_a_record_without_effect_is_told_once() -> None:
    early = act("regular-2026-02", "2026-03-01 10:00", "Escalated")
    changes = told([service("2026-01-05 09:00"), *REFUSED, early])
    found = [change for change in changes if change.kind == "Rejected"]
    # While nothing has failed there is no such issue; afterwards the record is earlier than its failure.
    assert [change.at for change in found] == [at("2026-03-01 10:00"), at("2026-05-01 00:00")]
    assert {change.subject for change in found} == {early.name}


def test_the_operators_part_is_a_request_each_month_that_has_none() -> None:
    own = notified("regular-2026-03", "2026-03-01 00:00")
    begun = at("2026-01-05 09:00")
    operator = Operator(duration=timedelta(hours=2), by="played")
    moments = [*replay([own], ASKED, start=begun, end=at("2026-05-10 00:00"), operator=operator)]
    recorded = [(type(fact).__name__, fact.at, fact.by) for moment in moments for fact in moment.facts]
    assert recorded == [
        ("ServiceStarted", at("2026-01-05 09:00"), "played"),
        ("Notified", at("2026-02-01 00:00"), "played"),
        ("Notified", at("2026-03-01 00:00"), "operator"),
        ("Notified", at("2026-04-01 00:00"), "played"),
        ("Notified", at("2026-05-01 00:00"), "played"),
    ]


def test_the_operator_starts_no_service_that_the_records_start() -> None:
    operator = Operator(duration=timedelta(hours=2))
    facts = [service("2026-03-05 09:00")]
    *_, last = replay(facts, ASKED, start=START, end=at("2026-05-10 00:00"), operator=operator)
    assert [str(entry.month) for entry in last.clocks.entries] == ["2026-03", "2026-04", "2026-05"]


def test_what_was_before_is_known_and_not_told() -> None:
    facts = [service("2026-01-05 09:00"), *REFUSED]
    first = next(replay(facts, ASKED, start=at("2026-04-20 00:00"), end=END))
    assert (first.facts, first.changes) == ((), ())
    assert first.clocks.streak == 2


def test_what_comes_after_is_never_known() -> None:
    facts = [service("2026-01-05 09:00"), *REFUSED, said("regular-2026-04", "2026-12-31 00:01", "Withdrawn")]
    last = [*replay(facts, ASKED, start=START, end=END)][-1]
    assert last.clocks == clocks(history(facts[:-1]), ASKED, now=last.at)


WORDS = st.sampled_from(["Refused", "Withdrawn", "Permitted", "Done", "Silent"])


@st.composite
def years(draw: st.DrawFn) -> list[Fact]:
    """A year of requests and answers, with emergencies and escalations in between."""
    facts: list[Fact] = [service("2026-01-05 09:00")]
    for number in range(2, 13):
        month = f"2026-{number:02}"
        request = f"regular-{month}"
        facts += asked_months(month)
        day = draw(st.integers(2, 27))
        match draw(WORDS):
            case "Permitted":
                permitted = slot(f"{month}-{day:02} 14:00", f"{month}-{day:02} 18:00")
                facts.append(said(request, f"{month}-{day:02} 12:00", "Permitted", permitted))
            case "Done":
                facts.append(ran(request, f"{month}-{day:02} 03:00", "Started"))
                facts.append(ran(request, f"{month}-{day:02} 04:00"))
            case "Refused":
                facts.append(said(request, f"{month}-{day:02} 12:00", "Refused"))
            case "Withdrawn":
                facts.append(said(request, f"{month}-{day:02} 12:00", "Withdrawn"))
        if draw(st.integers(0, 3)) == 0:
            facts.append(notified(f"cve-{month}", f"{month}-{day:02} 09:00", "Security"))
        if draw(st.booleans()):
            facts.append(act("regular-2026-02", f"{month}-{day:02} 10:00", "Escalated"))
    return facts


def seen(found: Clocks) -> tuple[object, ...]:
    """What of the clocks the status tells as a state."""
    entries = [(entry.month, entry.state, entry.streak, entry.final) for entry in found.entries[:-1]]
    urgent = [(item.request.name, item.state) for item in found.emergencies]
    issues = [(issue.name, issue.state) for issue in found.issues]
    return entries, urgent, issues, found.void is None, found.overdue, found.rejected


def before(moments: list[Moment], instant: datetime) -> Moment:
    """The last moment up to an instant."""
    return [moment for moment in moments if moment.at <= instant][-1]


@settings(deadline=None)
@given(years(), st.integers(0, 364 * 24 * 60), st.booleans())
def test_between_moments_nothing_changes(facts: list[Fact], minutes: int, windows: bool) -> None:
    under = terms(SECOND_SUNDAY) if windows else ASKED
    instant = START.astimezone(UTC) + timedelta(minutes=minutes)
    moments = [*replay(facts, under, start=START, end=END)]
    assert seen(before(moments, instant).clocks) == seen(clocks(history(facts), under, now=instant))


@pytest.mark.parametrize("end", ["2026-06-11 00:00", "2026-06-10 23:59"])
def test_the_end_is_in_it(end: str) -> None:
    facts = [
        service("2026-01-05 09:00"),
        *REFUSED,
        act("regular-2026-02", "2026-05-04 10:00", "Escalated"),
        act("regular-2026-02", "2026-05-11 11:00", "TerminationNotice"),
    ]
    states = [
        change.state for moment in replay(facts, ASKED, start=START, end=at(end)) for change in moment.changes
    ]
    assert ("TerminationEffective" in states) == (end == "2026-06-11 00:00")
