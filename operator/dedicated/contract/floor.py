"""What the contract asks of windows and freezes: often enough, long enough, and in the plan (M-3, M-4).

Admission refuses what a spec alone shows. Here is judged what needs a calendar, and again what admission
would refuse: an object may be older than a rule, and a looser value holds only while its agreement does.
What does not hold is left out of the calendar in force, and a finding says so.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from dedicated.api.findings import Finding
from dedicated.api.instance import Plan
from dedicated.api.maintenance import LONGEST_FREEZE, LONGEST_WINDOW, SHORTEST_WINDOW
from dedicated.api.recurrence import RecurrenceError, parse_recurrence
from dedicated.contract.calendar import Calendar, Freeze, Slot, Window, default_window, slots
from dedicated.contract.dates import end_of_months_after, wall

FLOOR_MONTHS = 3
"""Regular maintenance comes "no longer than on quarterly basis" (M-3)."""
FLEXIBLE: frozenset[Plan] = frozenset({"Advanced"})
"""Plans with update flexibility: the customer chooses the times of maintenance (M-4)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A due date of the quarterly floor before which there is no slot; `slot` is the first one after it."""

    since: datetime
    due: datetime
    slot: Slot | None


def first_gap(calendar: Calendar, *, since: datetime, until: datetime) -> Gap | None:
    """The first due date before `until` that the calendar cannot keep (M-3); None if it keeps them all.

    `since` is the last completed regular maintenance, or the first Ready. A slot keeps a due date if its
    first 2 h lie before it. The next due date counts from the day on which the slot starts, the earliest
    on which its maintenance can be completed: what passes here holds at whatever minute that happens.
    """
    due = end_of_months_after(since, FLOOR_MONTHS, calendar.zone)
    for slot in slots(calendar, after=since, until=until):
        if slot.start + SHORTEST_WINDOW > due:
            return Gap(since, due, slot)
        since = max(since, slot.start)
        due = end_of_months_after(since, FLOOR_MONTHS, calendar.zone)
    return Gap(since, due, None) if due < until else None


@lru_cache(maxsize=4096)
def check_floor(calendar: Calendar, *, since: datetime, until: datetime) -> tuple[Finding, ...]:
    """The finding on the first due date before `until` that the calendar cannot keep (M-3).

    None without windows: then each maintenance has its own permission, and nothing is promised ahead.
    Kept by its input: a year of nightly windows takes milliseconds, and every pass asks for the same.
    """
    gap = first_gap(calendar, since=since, until=until) if calendar.windows else None
    if gap is None:
        return ()
    zone = calendar.zone
    frozen = [freeze for freeze in calendar.freezes if freeze.start < gap.due and gap.since < freeze.end]
    last = max(frozen, key=lambda freeze: freeze.end, default=None)
    named = f"; frozen until {wall(last.end, zone)} ({last.reason})" if last else ""
    following = wall(gap.slot.start, zone) if gap.slot else f"not before {wall(until, zone)}"
    return (
        Finding(
            code="NoSlotBeforeDueDate",
            responsible="Customer",
            message=f"regular maintenance is due before {wall(gap.due, zone)}, 3 months after "
            f"{wall(gap.since, zone)} (M-3), but windows and freezes leave no slot of 2 h until then; "
            f"the next slot: {following}{named}",
            action="add a window to spec.maintenance.windows, or shorten a freeze, so that a slot of 2 h "
            f"starts before {wall(gap.due, zone)}",
            deadline=gap.due,
        ),
    )


def is_flexible(plan: Plan, agreed: Collection[str]) -> bool:
    """Whether the customer chooses the times of maintenance (M-4)."""
    return plan in FLEXIBLE or "M-4" in agreed


def calendar_in_force(
    wanted: Calendar, *, plan: Plan, identity: str, agreed: Collection[str]
) -> tuple[Calendar, tuple[Finding, ...]]:
    """The calendar that holds, and what of the one wanted does not (M-4, G-3).

    `agreed` are the clauses with a valid agreement. Where the plan leaves the times to the provider (M-1)
    and no window holds, the provider's is in force, spread by `identity`; where it does not, a calendar
    without windows permits nothing by itself (M-13). Freezes are the customer's on every plan.
    """
    findings: list[Finding] = []
    windows: tuple[Window, ...] = ()
    if wanted.windows and not is_flexible(plan, agreed):
        findings.append(
            _left_out(
                "WindowsNotInPlan",
                f"spec.maintenance.windows names {len(wanted.windows)}, plan {plan} has none (M-4)",
                "remove spec.maintenance.windows, or record an agreement on M-4",
            )
        )
    else:
        refused = {window: reason for window in wanted.windows if (reason := _refusal(window))}
        findings += [
            _left_out("WindowNotUsable", f"window {window.recurrence}: {reason}", "correct the window")
            for window, reason in refused.items()
        ]
        windows = tuple(window for window in wanted.windows if window not in refused)
    freezes = wanted.freezes
    if "M-3" not in agreed:
        freezes = tuple(_shortened(freeze) for freeze in wanted.freezes)
        findings += [_too_long(freeze, wanted.zone) for freeze in wanted.freezes if _is_too_long(freeze)]
    if not windows and plan not in FLEXIBLE:
        windows = (default_window(identity),)
    return replace(wanted, windows=windows, freezes=freezes), tuple(findings)


def _refusal(window: Window) -> str:
    """Why a window cannot be used; empty if it can."""
    if not SHORTEST_WINDOW <= window.duration <= LONGEST_WINDOW:
        return f"lasts {window.duration}, a window lasts from 2 h to 7 days (M-4)"
    try:
        parse_recurrence(window.recurrence)
    except RecurrenceError as error:
        return str(error)
    return ""


def _left_out(code: str, message: str, action: str) -> Finding:
    return Finding(code=code, responsible="Customer", message=f"{message}; it is left out", action=action)


def _is_too_long(freeze: Freeze) -> bool:
    return freeze.end - freeze.start > LONGEST_FREEZE


def _shortened(freeze: Freeze) -> Freeze:
    return replace(freeze, end=min(freeze.end, freeze.start + LONGEST_FREEZE))


def _too_long(freeze: Freeze, zone: str) -> Finding:
    return Finding(
        code="FreezeTooLong",
        responsible="Customer",
        message=f"freeze from {wall(freeze.start, zone)} ({freeze.reason}) lasts "
        f"{(freeze.end - freeze.start).days} days, the most is {LONGEST_FREEZE.days} (M-3), "
        f"so it ends {wall(_shortened(freeze).end, zone)}",
        action="shorten the freeze, or record an agreement on M-3",
    )
