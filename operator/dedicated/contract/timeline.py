"""The contract replayed on a virtual clock: what came about when, and by which record or by time alone (K-6).

The same rules as everywhere are asked at every instant at which anything can change: those of the records,
and `Clocks.next_change` in between. What two neighbouring answers differ in is what happened. So a timeline
shows what the status would have said on each day, not what is known today of that day.
Limit: as for `clocks`, the terms are today's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from dedicated.api.instance import Party
from dedicated.contract.clock_conditions import when
from dedicated.contract.clocks import Clocks, clocks
from dedicated.contract.emergency import Emergency
from dedicated.contract.escalation import Issue
from dedicated.contract.facts import Fact, History, Notified, ServiceStarted, history
from dedicated.contract.ledger import MONTHS
from dedicated.contract.maintenance import request_due, request_name
from dedicated.contract.permission import Terms

Kind = Literal["Month", "Emergency", "Issue", "Void", "Floor", "Rejected"]


@dataclass(frozen=True, slots=True)
class Change:
    """What is different from `at` on. `subject` is the month, request, issue or record that it is about."""

    at: datetime
    kind: Kind
    subject: str
    state: str
    what: str
    responsible: Party | None
    clause: str


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant at which something was recorded or came about, and the clocks from then on."""

    at: datetime
    facts: tuple[Fact, ...]
    changes: tuple[Change, ...]
    clocks: Clocks


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's own part, where a replay is to play it: the first Ready, and each month's request.

    `duration` is the length of a request. A month that has one already is not asked again.
    """

    duration: timedelta
    by: str = "operator"

    def start(self, at: datetime) -> ServiceStarted:
        """The first Ready, at the start of a replay whose records have none."""
        return ServiceStarted("service-started", at, self.by)

    def requests(self, known: History, terms: Terms, *, now: datetime) -> Iterator[Fact]:
        """The request that is due at an instant by what is recorded until then."""
        month = request_due(known, terms, now=now)
        if month is not None:
            name = request_name(month)
            yield Notified(f"{name}-notified", now, self.by, name, "Regular", self.duration)


def replay(
    facts: Iterable[Fact], terms: Terms, *, start: datetime, end: datetime, operator: Operator | None = None
) -> Iterator[Moment]:
    """The moments in [start, end]; the first one is `start` itself, whatever happened then.

    Facts before `start` are known from the beginning, those after `end` never.
    """
    told = history(facts)
    ordered = told.facts
    if operator is not None and told.service_start is None:
        ordered = history((*ordered, operator.start(start))).facts
    ahead = groupby((fact for fact in ordered if start <= fact.at <= end), key=lambda fact: fact.at)
    pending = next(ahead, None)
    so_far = history(fact for fact in ordered if fact.at < start)
    before, now = clocks(so_far, terms, now=start), start
    while True:
        recorded: tuple[Fact, ...] = ()
        if pending is not None and pending[0] == now:
            recorded = tuple(pending[1])
            pending = next(ahead, None)
            so_far = history((*so_far.facts, *recorded))
        played = tuple(operator.requests(so_far, terms, now=now)) if operator else ()
        if played:
            so_far = history((*so_far.facts, *played))
        after = clocks(so_far, terms, now=now)
        changes = tuple(_changes(before, after, terms, now))
        if now == start or recorded or played or changes:
            yield Moment(now, recorded + played, changes, after)
        upcoming = [at for at in (pending[0] if pending else None, after.next_change) if at is not None]
        before, now = after, min(upcoming, default=end + timedelta(seconds=1))
        if now > end:
            return


def _changes(before: Clocks, after: Clocks, terms: Terms, at: datetime) -> Iterator[Change]:
    yield from _months(before, after, at)
    old = {item.request.name: item for item in before.emergencies}
    for item in after.emergencies:
        if item.state != _state(old.get(item.request.name)):
            yield _emergency(item, terms, at)
    issues = {issue.name: issue for issue in before.issues}
    for issue in after.issues:
        if issue.state != _state(issues.get(issue.name)):
            yield _issue(issue, terms, at)
    for rejected in sorted({*after.rejected} - {*before.rejected}, key=lambda item: item.record):
        text = f"ContractRecord {rejected.record} has no effect: {rejected.reason}"
        yield Change(at, "Rejected", rejected.record, "WithoutEffect", text, "Provider", "M-8")
    yield from _void(before, after, terms, at)
    yield from _floor(before, after, terms, at)


def _state(found: Emergency | Issue | None) -> str:
    return found.state if found is not None else ""


def _months(before: Clocks, after: Clocks, at: datetime) -> Iterator[Change]:
    """Months that are over now, and what the current one would come to where that changed."""
    old = {entry.month: entry for entry in before.entries}
    for entry in after.entries:
        known = old.get(entry.month)
        figure = f"{entry.streak} of {MONTHS} months missed in a row"
        if entry.final and not (known and known.final):
            party: Party | None = "Customer" if entry.missed else None
            text = f"{entry.month} is {entry.state}: {figure}"
            yield Change(at, "Month", str(entry.month), entry.state, text, party, "M-7")
        elif not entry.final and known and known.state != entry.state:
            text = f"{entry.month} comes to {entry.state} if nothing more is recorded"
            yield Change(at, "Month", str(entry.month), entry.state, text, None, "M-7")


def _emergency(item: Emergency, terms: Terms, at: datetime) -> Change:
    name = item.request.name
    party: Party | None = None
    match item.state:
        case "Pending" | "Failed":
            party = "Customer"
            deadline = when(item.deadline, terms) if item.deadline else "its delivery"
            failed = "failed: no slot was permitted that begins before"
            wanted = "waits: a slot must be permitted and begin before"
            text = f"emergency {name} {failed if item.state == 'Failed' else wanted} {deadline}"
        case "Undelivered":
            party = "Provider"
            text = f"emergency {name} waits for its delivery to the agreed channel"
        case _:
            text = f"emergency {name} is {item.state}"
    return Change(at, "Emergency", name, item.state, text, party, "M-6")


def _issue(issue: Issue, terms: Terms, at: datetime) -> Change:
    deadline = when(issue.deadline, terms) if issue.deadline else ""
    effective = when(issue.effective, terms) if issue.effective else ""
    party: Party | None
    match issue.state:
        case "EscalationDue":
            text, party, clause = "failure to permit; the provider may escalate it", "Provider", "M-8"
        case "Escalated":
            text, party, clause = f"escalated; to be resolved before {deadline}", "Customer", "M-9"
        case "TerminationPermitted":
            text = "not resolved in time: the gate is open, the provider may give notice"
            party, clause = "Provider", "M-10"
        case "NoticeGiven":
            text = f"notice given; termination takes effect {effective}"
            party, clause = "Provider", "M-10"
        case "TerminationEffective":
            text = "termination takes effect; the operator ends nothing"
            party, clause = "Provider", "M-10"
        case "Resolved":
            text, party, clause = "resolved", None, "M-9"
        case "Closed":
            text, party, clause = "closed by the provider", None, "M-9"
    return Change(at, "Issue", issue.name, issue.state, f"issue {issue.name}: {text}", party, clause)


def _void(before: Clocks, after: Clocks, terms: Terms, at: datetime) -> Iterator[Change]:
    if (before.void is None) == (after.void is None):
        return
    if after.void is None:
        text = "service level and liability are in force again"
        yield Change(at, "Void", "service level", "InForce", text, None, "M-11")
        return
    end = "nothing recorded ends it" if after.void.end is None else f"ends {when(after.void.end, terms)}"
    text = f"service level and liability are void since {when(after.void.start, terms)}; {end}"
    yield Change(at, "Void", "service level", "Void", text, "Customer", "M-11")


def _floor(before: Clocks, after: Clocks, terms: Terms, at: datetime) -> Iterator[Change]:
    floor = after.floor
    if floor is None:
        return
    due = when(floor.due, terms)
    if after.overdue and not before.overdue:
        text = f"regular maintenance is overdue since {due}"
        yield Change(at, "Floor", "quarterly floor", "Overdue", text, floor.responsible, "M-3")
    elif before.floor is None or before.floor.due != floor.due:
        text = f"regular maintenance is due before {due}"
        yield Change(at, "Floor", "quarterly floor", "WithinQuarter", text, floor.responsible, "M-3")
