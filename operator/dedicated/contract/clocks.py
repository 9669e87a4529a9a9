"""All clocks of the contract at one instant: states, dates, and when anything changes by itself (K-6).

A date is told as soon as its clock starts, with who must act until then. Nothing here is stored: the same
facts and the same terms give the same clocks, in whatever order the facts came and however long the operator
was away.
Limit: the terms are today's. Windows, plan or zone that were changed since are taken as if they had always
been so; give terms whose calendar holds past windows where that matters.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.instance import Party
from dedicated.contract import emergency, escalation, ledger, maintenance, void
from dedicated.contract.dates import Month, month_of
from dedicated.contract.emergency import Emergency
from dedicated.contract.escalation import Issue, Rejected
from dedicated.contract.facts import History
from dedicated.contract.ledger import MONTHS, Entry
from dedicated.contract.maintenance import Floor
from dedicated.contract.permission import INSTANT, Terms
from dedicated.contract.void import Void


@dataclass(frozen=True, slots=True)
class Ahead:
    """A date to come: what happens then, and who must act before it."""

    at: datetime
    what: str
    responsible: Party
    clause: str


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of one instance. `dates` are in order, and all of them to come."""

    entries: tuple[Entry, ...]
    emergencies: tuple[Emergency, ...]
    issues: tuple[Issue, ...]
    rejected: tuple[Rejected, ...]
    voids: tuple[Void, ...]
    floor: Floor | None
    overdue: bool
    void: Void | None
    dates: tuple[Ahead, ...]

    @property
    def next_change(self) -> datetime | None:
        """The next instant at which a state changes though nothing is recorded; None if there is none."""
        return self.dates[0].at if self.dates else None

    @property
    def current(self) -> Entry | None:
        """The current month, None before the service."""
        return self.entries[-1] if self.entries else None

    @property
    def streak(self) -> int:
        """Missed months in a row, finished ones only."""
        return self.entries[-2].streak if len(self.entries) > 1 else 0


def clocks(history: History, terms: Terms, *, now: datetime) -> Clocks:
    """Every clock by what is recorded up to `now`; none where the terms have none (L-2)."""
    known = history.before(now + INSTANT)
    entries, urgent, issues, rejected = _settled(known, terms, now)
    voids = void.voids(issues)
    floor = maintenance.floor(known, terms, entries=entries)
    found = Clocks(
        entries=entries,
        emergencies=urgent,
        issues=issues,
        rejected=rejected,
        voids=voids,
        floor=floor,
        overdue=floor is not None and now >= floor.due,
        void=next((found for found in voids if found.covers(now)), None),
        dates=(),
    )
    ahead = {date for date in _dates(found, terms) if date.at > now}
    return replace(found, dates=tuple(sorted(ahead, key=lambda date: (date.at, date.what))))


def _settled(
    history: History, terms: Terms, now: datetime
) -> tuple[tuple[Entry, ...], tuple[Emergency, ...], tuple[Issue, ...], tuple[Rejected, ...]]:
    """Ledger and issues together: a termination that was taken back leaves its next month Partial (M-7).

    Such a month can undo only failures after it, so each round settles one more withdrawal.
    """
    urgent = emergency.emergencies(history, terms, now=now)
    partial: frozenset[Month] = frozenset()
    while True:
        entries = ledger.ledger(history, terms, now=now, partial=partial)
        issues, rejected = escalation.issues(history, terms, entries=entries, emergencies=urgent, now=now)
        withdrawn = frozenset(
            month_of(issue.closed, terms.zone).plus(1) for issue in issues if issue.notice and issue.closed
        )
        if withdrawn == partial:
            return entries, urgent, issues, rejected
        partial = withdrawn


def _dates(found: Clocks, terms: Terms) -> Iterator[Ahead]:
    yield from _month_dates(found, terms)
    if found.floor is not None:
        what = "regular maintenance is overdue unless one is completed before"
        yield Ahead(found.floor.due, what, found.floor.responsible, "M-3")
    for item in found.emergencies:
        if item.open and item.deadline is not None:
            what = f"emergency {item.request.name} has failed unless a slot before is permitted"
            yield Ahead(item.deadline, what, "Customer", "M-6")
    for issue in found.issues:
        yield from _issue_dates(issue)
    for stretch in found.voids:
        if stretch.end is not None:
            yield Ahead(
                stretch.end, "the slot permitted after a failure is over: the void ends", "Provider", "M-11"
            )


def _month_dates(found: Clocks, terms: Terms) -> Iterator[Ahead]:
    current = found.current
    if current is None:
        return
    following = current.month.plus(1)
    yield Ahead(
        following.start(terms.zone), f"regular maintenance of {following} is asked", "Provider", "M-2"
    )
    if current.missed:
        what = f"{current.month} counts as {current.state} unless a slot in it is permitted"
        yield Ahead(following.start(terms.zone), what, "Customer", "M-7")
    running = found.streak > 0 and current.state not in {"Done", "Permitted", "Partial"}
    if found.streak < MONTHS and (running or current.missed):
        third = current.month.plus(MONTHS - found.streak)
        what = f"failure to permit regular maintenance for {MONTHS} months, unless one of them is permitted"
        yield Ahead(third.start(terms.zone), what, "Customer", "M-7")


def _issue_dates(issue: Issue) -> Iterator[Ahead]:
    if issue.state in {"NoticeGiven", "TerminationEffective"} and issue.effective is not None:
        yield Ahead(issue.effective, f"termination for issue {issue.name} takes effect", "Provider", "M-10")
    if issue.state not in {"EscalationDue", "Escalated", "TerminationPermitted"}:
        return
    if issue.deadline is not None:
        what = f"issue {issue.name}: the provider may give notice unless it is resolved before"
        yield Ahead(issue.deadline, what, "Customer", "M-9")
    if issue.resolved is not None:
        what = f"issue {issue.name} is resolved: the permitted slot begins"
        yield Ahead(issue.resolved, what, "Provider", "M-9")
