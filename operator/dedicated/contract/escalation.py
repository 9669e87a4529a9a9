"""Escalation and the termination gate (M-8 to M-10).

A failure to permit is an issue: the streak of missed months, or one emergency. The provider escalates it; not
resolved five days later the gate is open, and the provider may give notice. People do all of that by records;
the rules tell the dates and which records have effect. Nothing is ever terminated here.

Resolved means: a usable slot is permitted soon enough, or the maintenance is done, or the provider waives.
A permission that is withdrawn opens the issue again at its old dates. After the notice only the provider can
take it back.
Choices where the contract is silent: a slot permitted too far ahead resolves when it begins; what a later
emergency contains is done or permitted with it; an emergency that the provider takes back is resolved; a
notice in the same second as a resolution has no effect.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from dedicated.api.conditions import rfc3339
from dedicated.contract.dates import end_of_days
from dedicated.contract.emergency import Emergency, with_successors
from dedicated.contract.facts import Act, History, Request
from dedicated.contract.ledger import Entry, failures
from dedicated.contract.permission import INSTANT, Grant, Terms, grants

State = Literal["EscalationDue", "Escalated", "TerminationPermitted", "NoticeGiven", "TerminationEffective",
                "Resolved", "Closed"]  # fmt: skip
RESOLUTION_DAYS = 5
NOTICE_DAYS = 30
END = datetime.max.replace(tzinfo=UTC)
"""After every fact: the history given is already that of an instant."""
AHEAD = timedelta(days=366)
"""How far behind a failure standing windows are looked for; the floor (M-3) wants one within a quarter."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A failure to permit, and how far it has come.

    `deadline`: the end of the five days after the escalation. `resolved`: since when it is, or will be if
    nothing more is recorded. `released`: when what is owed was done, or the first slot permitted for it is
    over (M-11). Closed: waived, or its termination taken back.
    """

    name: str
    regular: bool
    failed: datetime
    state: State = "EscalationDue"
    escalated: datetime | None = None
    deadline: datetime | None = None
    resolved: datetime | None = None
    released: datetime | None = None
    notice: datetime | None = None
    effective: datetime | None = None
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record without effect: its name, its time, and why."""

    record: str
    at: datetime
    reason: str


def issues(
    history: History,
    terms: Terms,
    *,
    entries: Sequence[Entry],
    emergencies: Sequence[Emergency],
    now: datetime,
) -> tuple[tuple[Issue, ...], tuple[Rejected, ...]]:
    """Every issue in order of its failure, and the provider's records that have no effect.

    `history` holds what is recorded up to `now`.
    """
    found: list[Issue] = []
    rejected: list[Rejected] = []
    for failed in sorted(_failed(terms, entries, emergencies), key=lambda issue: (issue.failed, issue.name)):
        issue = failed
        for act in history.acts:
            if act.issue != issue.name:
                continue
            reason = _objection(issue, act, history, terms)
            if reason:
                rejected.append(Rejected(act.name, act.at, reason))
            else:
                issue = _step(issue, act, terms)
        found.append(_judge(issue, history, terms, now))
    known = {issue.name for issue in found}
    rejected += [
        Rejected(act.name, act.at, f"no failure to permit is named {act.issue} at {rfc3339(act.at)} (M-8)")
        for act in history.acts
        if act.issue not in known
    ]
    return tuple(found), tuple(sorted(rejected, key=lambda item: item.record))


def _failed(terms: Terms, entries: Sequence[Entry], emergencies: Sequence[Emergency]) -> Iterator[Issue]:
    for first, third in failures(entries):
        yield Issue(f"regular-{first}", regular=True, failed=third.end(terms.zone))
    for emergency in emergencies:
        if emergency.state == "Failed" and emergency.deadline is not None:
            yield Issue(emergency.request.name, regular=False, failed=emergency.deadline)


def _objection(issue: Issue, act: Act, history: History, terms: Terms) -> str:
    """Why a record has no effect; empty if it has."""
    if act.at < issue.failed:
        return f"earlier than the failure to permit at {rfc3339(issue.failed)} (M-8)"
    if issue.closed is not None:
        return f"the issue is closed since {rfc3339(issue.closed)}"
    if issue.notice is not None:
        given = f"notice was given at {rfc3339(issue.notice)}: it can only be withdrawn (M-10)"
        return "" if act.step == "TerminationWithdrawn" else given
    if act.step == "TerminationNotice":
        return _gate_closed(issue, act.at, history, terms)
    if act.step == "Escalated" and issue.escalated is not None:
        return f"escalated at {rfc3339(issue.escalated)}: a second record restarts no clock (M-8)"
    return "no termination notice is in effect (M-10)" if act.step == "TerminationWithdrawn" else ""


def _gate_closed(issue: Issue, at: datetime, history: History, terms: Terms) -> str:
    if issue.deadline is None:
        return "the issue is not escalated (M-10)"
    if at < issue.deadline:
        return f"the customer may resolve the issue until {rfc3339(issue.deadline)} (M-9)"
    known = history.before(at + INSTANT)
    slots = tuple(slots_after(issue, known, terms))
    resolved = resolution(issue, slots, ends_of_owed(issue, known), terms)
    if resolved is not None and resolved <= at:
        return f"the issue is resolved since {rfc3339(resolved)} (M-10)"
    return ""


def _step(issue: Issue, act: Act, terms: Terms) -> Issue:
    match act.step:
        case "Escalated":
            deadline = end_of_days(act.at, RESOLUTION_DAYS, terms.zone)
            return replace(issue, escalated=act.at, deadline=deadline)
        case "TerminationNotice":
            return replace(issue, notice=act.at, effective=end_of_days(act.at, NOTICE_DAYS, terms.zone))
        case "TerminationWithdrawn" | "Waiver":
            return replace(issue, closed=act.at)


def _judge(issue: Issue, history: History, terms: Terms, now: datetime) -> Issue:
    slots = tuple(slots_after(issue, history, terms))
    ends = tuple(ends_of_owed(issue, history))
    resolved = resolution(issue, slots, ends, terms)
    state: State = "EscalationDue"
    if issue.closed is not None:
        state = "Closed"
    elif issue.effective is not None:
        state = "TerminationEffective" if now >= issue.effective else "NoticeGiven"
    elif resolved is not None and resolved <= now:
        state = "Resolved"
    elif issue.deadline is not None:
        state = "TerminationPermitted" if now >= issue.deadline else "Escalated"
    released = min((*ends, *(grant.over for _, grant in slots)), default=None)
    return replace(issue, state=state, resolved=resolved, released=released)


def resolution(
    issue: Issue, slots: Iterable[tuple[datetime, Grant]], ends: Iterable[datetime], terms: Terms
) -> datetime | None:
    """Since when the issue is resolved, or will be if nothing more is recorded; None if it is not (M-9).

    `slots` are those of `slots_after`, `ends` those of `ends_of_owed`.
    """
    found = list(ends)
    for start, grant in slots:
        in_time = issue.deadline is not None and grant.given < issue.deadline and not issue.regular
        limit = issue.deadline if in_time else end_of_days(grant.given, RESOLUTION_DAYS, terms.zone)
        prompt = limit is not None and start < limit
        found.append(max(grant.given, issue.failed) if prompt else start)
    return min(found, default=None)


def ends_of_owed(issue: Issue, history: History) -> Iterator[datetime]:
    """When what is owed was done after the failure, or taken back by the provider."""
    for request in _owed(issue, history):
        if request.completed is not None and request.completed >= issue.failed:
            yield request.completed
        is_it = request.name == issue.name
        if is_it and request.retracted is not None and request.retracted >= issue.failed:
            yield request.retracted


def slots_after(issue: Issue, history: History, terms: Terms) -> Iterator[tuple[datetime, Grant]]:
    """Slots permitted for what is owed, with the start at or after the failure that each allows."""
    stands = terms.standing is not None
    for request in _owed(issue, history):
        if not (stands or request.slots) or (issue.regular and _is_over(request, issue.failed)):
            continue
        for grant in grants(request, terms, before=END, until=issue.failed + AHEAD):
            start = grant.usable(issue.failed, max(grant.end, issue.failed))
            if start is not None:
                yield start, grant


def _is_over(request: Request, instant: datetime) -> bool:
    """Whether a regular request of an earlier month has no slot at or after an end of a month."""
    return request.notified.at < instant and not any(slot.end > instant for slot in request.slots)


def _owed(issue: Issue, history: History) -> tuple[Request, ...]:
    """The requests of which any, done or permitted, is the maintenance that the issue is about."""
    if issue.regular:
        return history.regular
    request = next(request for request in history.emergencies if request.name == issue.name)
    return with_successors(request, history.emergencies)
