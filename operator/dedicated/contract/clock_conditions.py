"""The contract's clocks as conditions and findings: is one running, what may be done now, who must act?

Every message has the figure, the limit, and the next date in UTC and in the contract zone. Conditions of the
contract never flip `Ready`. Where the contract has no clocks (L-2) they say so, and nobody has to act.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dedicated.api.conditions import (
    EMERGENCY_PERMITTED,
    ESCALATION_DUE,
    REGULAR_PERMITTED,
    TERMINATION_PERMITTED,
    WITHIN_QUARTER,
    Condition,
    Status,
)
from dedicated.api.findings import Finding
from dedicated.contract import dates
from dedicated.contract.clocks import Clocks
from dedicated.contract.escalation import NOTICE_DAYS, RESOLUTION_DAYS, Issue
from dedicated.contract.ledger import MONTHS
from dedicated.contract.maintenance import months_without
from dedicated.contract.permission import EMERGENCY_DAYS, Terms

NOT_APPLICABLE = "NotApplicable"
REJECTED_SHOWN = timedelta(days=7)
"""How long a record without effect is a finding."""
MONTHS_WITHOUT = 2
"""Finished months without a completed regular maintenance that are worth a word (M-2)."""


def conditions(found: Clocks, terms: Terms) -> tuple[Condition, ...]:
    """The five conditions of maintenance and its clocks."""
    if not terms.clocks:
        text = f"infrastructure class {terms.infrastructure} has no maintenance clocks and no gate (L-2)"
        clocks: tuple[tuple[str, Status], ...] = (
            (REGULAR_PERMITTED, "True"),
            (EMERGENCY_PERMITTED, "True"),
            (WITHIN_QUARTER, "True"),
            (ESCALATION_DUE, "False"),
            (TERMINATION_PERMITTED, "False"),
        )
        return tuple(Condition(kind, status, NOT_APPLICABLE, text) for kind, status in clocks)
    return (
        _regular(found, terms),
        _emergency(found, terms),
        _within_quarter(found, terms),
        _escalation_due(found, terms),
        _termination_permitted(found, terms),
    )


def findings(found: Clocks, terms: Terms, *, now: datetime) -> tuple[Finding, ...]:
    """What needs somebody, by clause. A record without effect is told for a week: it cannot be taken away."""
    return tuple(_findings(found, terms, now))


def next_change(found: Clocks, *, now: datetime) -> datetime | None:
    """When a finding goes though no clock changes."""
    over = (record.at + REJECTED_SHOWN for record in found.rejected)
    return min((at for at in over if at > now), default=None)


def when(instant: datetime, terms: Terms) -> str:
    """An instant for people: UTC, and what the clock on the wall in the contract zone shows."""
    return dates.when(instant, terms.zone)


def _regular(found: Clocks, terms: Terms) -> Condition:
    current = found.current
    if current is None:
        text = "the contract's months begin when the instance is Ready for the first time"
        return Condition(REGULAR_PERMITTED, "Unknown", "ServiceNotStarted", text)
    figure = f"{current.month}: {current.state}; {found.streak} of {MONTHS} months missed in a row (M-7)"
    if current.state in {"Done", "Permitted"} or (found.streak == 0 and not current.missed):
        return Condition(REGULAR_PERMITTED, "True", current.state, figure)
    if found.streak >= MONTHS:
        return Condition(REGULAR_PERMITTED, "False", "FailedToPermit", f"{figure}. Customer: permit a slot")
    dates = [date for date in found.dates if date.clause == "M-7"]
    ahead = "; ".join(f"{when(date.at, terms)}: {date.what}" for date in dates)
    reason = current.state if current.missed else "MonthMissed"
    return Condition(REGULAR_PERMITTED, "False", reason, f"{figure}; {ahead}. Customer: permit a slot")


def _emergency(found: Clocks, terms: Terms) -> Condition:
    failed = [issue for issue in found.issues if not issue.regular and _open(issue)]
    if failed:
        text = "; ".join(
            f"{issue.name}: no slot within {EMERGENCY_DAYS} days, failed {when(issue.failed, terms)} (M-6)"
            for issue in failed
        )
        return Condition(EMERGENCY_PERMITTED, "False", "FailedToPermit", f"{text}. Customer: permit a slot")
    pending = sorted(
        (item.deadline, item.request.name) for item in found.emergencies if item.open and item.deadline
    )
    if pending:
        text = "; ".join(
            f"{name}: a slot must be permitted and begin before {when(deadline, terms)} (M-6)"
            for deadline, name in pending
        )
        return Condition(EMERGENCY_PERMITTED, "False", "PermissionNeeded", f"{text}. Customer: permit one")
    waiting = [item.request.name for item in found.emergencies if item.state == "Permitted"]
    if waiting:
        return Condition(EMERGENCY_PERMITTED, "True", "Permitted", f"permitted: {', '.join(waiting)}")
    return Condition(EMERGENCY_PERMITTED, "True", "NoEmergency", "no emergency maintenance waits")


def _within_quarter(found: Clocks, terms: Terms) -> Condition:
    floor = found.floor
    if floor is None:
        return Condition(WITHIN_QUARTER, "Unknown", "ServiceNotStarted", "the first quarter has not begun")
    text = f"due before {when(floor.due, terms)}, 3 months after {when(floor.since, terms)} (M-3)"
    without = months_without(found.entries)
    if without >= MONTHS_WITHOUT:
        text = f"{text}; {without} months in a row without a completed one (M-2)"
    if found.overdue:
        return Condition(WITHIN_QUARTER, "False", "Overdue", f"{text}. {floor.responsible} must act")
    return Condition(WITHIN_QUARTER, "True", "WithinQuarter", f"{text}; until then: {floor.responsible}")


def _escalation_due(found: Clocks, terms: Terms) -> Condition:
    due = [issue for issue in found.issues if issue.state == "EscalationDue"]
    if not due:
        return Condition(ESCALATION_DUE, "False", "NothingToEscalate", "no failure to permit waits for it")
    text = "; ".join(f"{issue.name} since {when(issue.failed, terms)}" for issue in due)
    action = f"Provider: record Escalated; {RESOLUTION_DAYS} days later the gate opens if it is not resolved"
    return Condition(ESCALATION_DUE, "True", "FailedToPermit", f"{text} (M-8). {action}")


def _termination_permitted(found: Clocks, terms: Terms) -> Condition:
    kind = TERMINATION_PERMITTED
    permitted = [issue for issue in found.issues if issue.state == "TerminationPermitted"]
    if permitted:
        text = "; ".join(
            f"{issue.name}, escalated {when(issue.escalated, terms)}, not resolved by "
            f"{when(issue.deadline, terms)}"
            for issue in permitted
            if issue.escalated and issue.deadline
        )
        action = f"Provider: may record TerminationNotice ({NOTICE_DAYS} days); the operator ends nothing"
        return Condition(kind, "True", "NotResolved", f"{text} (M-10). {action}")
    given = [issue for issue in found.issues if issue.effective and not issue.closed]
    if given:
        text = "; ".join(
            f"{issue.name}: notice {when(issue.notice, terms)}, effective {when(issue.effective, terms)}"
            for issue in given
            if issue.notice and issue.effective
        )
        reason = "TerminationEffective" if given[0].state == "TerminationEffective" else "NoticeGiven"
        return Condition(kind, "False", reason, f"{text} (M-10); the operator ends nothing")
    running = [issue for issue in found.issues if issue.state == "Escalated"]
    if running:
        text = "; ".join(
            f"{issue.name}: {when(issue.deadline, terms)}" for issue in running if issue.deadline
        )
        return Condition(kind, "False", "Escalated", f"not before {text} (M-9). Customer: resolve it")
    return Condition(kind, "False", "NothingEscalated", "no escalated failure to permit is open")


def _findings(found: Clocks, terms: Terms, now: datetime) -> Iterator[Finding]:
    for condition in (_regular(found, terms), _emergency(found, terms)):
        if condition.status == "False":
            clauses = {"M-7"} if condition.type == REGULAR_PERMITTED else {"M-6"}
            yield Finding(
                code="MaintenanceNotPermitted",
                responsible="Customer",
                message=condition.message,
                action="record Permitted with a slot for the request, long enough for it",
                deadline=next((date.at for date in found.dates if date.clause in clauses), None),
            )
    if found.floor is not None and found.overdue:
        yield Finding(
            code="MaintenanceOverdue",
            responsible=found.floor.responsible,
            message=_within_quarter(found, terms).message,
            action="permit a slot" if found.floor.responsible == "Customer" else "run the maintenance",
        )
    for issue in found.issues:
        yield from _issue_findings(issue, terms)
    for record in found.rejected:
        if now >= record.at + REJECTED_SHOWN:
            continue
        yield Finding(
            code="RecordWithoutEffect",
            responsible="Provider",
            message=f"ContractRecord {record.record} has no effect: {record.reason}",
            action="record it again when it applies; what is recorded stays as it is",
        )


def _issue_findings(issue: Issue, terms: Terms) -> Iterator[Finding]:
    if issue.state == "EscalationDue":
        yield Finding(
            code="EscalationDue",
            responsible="Provider",
            message=f"issue {issue.name}: failed to permit since {when(issue.failed, terms)} (M-8)",
            action="raise it with the customer, and record Escalated with the ticket or letter",
        )
    elif issue.state == "Escalated" and issue.deadline is not None:
        yield Finding(
            code="ResolutionDue",
            responsible="Customer",
            message=f"issue {issue.name}: to be resolved before {when(issue.deadline, terms)} (M-9)",
            action="permit a slot for what is owed",
            deadline=issue.deadline,
        )
    elif issue.state in {"NoticeGiven", "TerminationEffective"} and issue.effective is not None:
        yield Finding(
            code="TerminationNoticeGiven",
            responsible="Provider",
            message=f"issue {issue.name}: termination takes effect {when(issue.effective, terms)} (M-10)",
            action="the operator ends nothing: what follows is a person's act",
            deadline=issue.effective,
        )


def _open(issue: Issue) -> bool:
    return issue.state not in {"Resolved", "Closed"}
