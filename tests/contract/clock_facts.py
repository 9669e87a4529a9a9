"""Facts and terms of the contract's clocks, for tests: times are written as the zone's clock shows them."""

from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from dedicated.api.instance import InfrastructureClass, Plan
from dedicated.contract.calendar import Calendar, Freeze, Slot, Window
from dedicated.contract.clocks import Clocks, clocks
from dedicated.contract.dates import Month
from dedicated.contract.facts import (
    Act,
    Answer,
    Fact,
    Kind,
    Notified,
    Run,
    ServiceStarted,
    Stage,
    Step,
    Word,
    history,
)
from dedicated.contract.permission import Terms

ZURICH = "Europe/Zurich"
SECOND_SUNDAY = Window("FREQ=MONTHLY;BYDAY=2SU", time(2, 0), timedelta(hours=4))


def at(text: str, zone: str = ZURICH) -> datetime:
    """Local time, for example 2026-06-01 09:00."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def slot(start: str, end: str) -> Slot:
    return Slot(at(start), at(end))


def freeze(start: str, end: str) -> Freeze:
    return Freeze(at(start), at(end), "year-end closing")


def terms(
    *windows: Window,
    plan: Plan = "Advanced",
    infrastructure: InfrastructureClass = "GoogleCloud",
    approval: Literal["Automatic", "Required"] = "Automatic",
    freezes: tuple[Freeze, ...] = (),
    channel: bool = False,
) -> Terms:
    return Terms(
        plan=plan,
        infrastructure=infrastructure,
        calendar=Calendar(ZURICH, windows, freezes),
        agreed=bool(windows),
        approval=approval,
        channel=channel,
    )


def service(text: str) -> ServiceStarted:
    return ServiceStarted("service", at(text), "operator")


def notified(
    request: str, text: str, kind: Kind = "Regular", *, hours: int = 2, supersedes: str = ""
) -> Notified:
    return Notified(
        f"n-{request}-{text}",
        at(text),
        "operator",
        request,
        kind,
        timedelta(hours=hours),
        supersedes=supersedes,
    )


def said(
    request: str, text: str, word: Word, permitted: Slot | None = None, *, any_time: bool = False
) -> Answer:
    return Answer(
        f"a-{request}-{text}-{word}", at(text), "customer", request, word, permitted, any_time=any_time
    )


def ran(request: str, text: str, stage: Stage = "Completed") -> Run:
    return Run(f"r-{request}-{text}-{stage}", at(text), "operator", request, stage)


def act(issue: str, text: str, step: Step) -> Act:
    return Act(f"x-{issue}-{text}-{step}", at(text), "provider", issue, step, "ticket 1")


def asked_months(*months: str) -> list[Fact]:
    """The regular requests of these months, each opened on the 1st at 00:00 (M-2)."""
    return [notified(f"regular-{month}", f"{month}-01 00:00") for month in months]


def refused_months(*months: str) -> list[Fact]:
    """Months asked for, and refused on the 10th."""
    refusals = [said(f"regular-{month}", f"{month}-10 12:00", "Refused") for month in months]
    return [*asked_months(*months), *refusals]


def two_years(until: Month) -> list[Fact]:
    """Two years of a service in which each month was asked, permitted, begun and done."""
    months = [until.plus(back) for back in range(-23, 1)]
    found: list[Fact] = [service(f"{months[0].plus(-1)}-05 10:00")]
    for month in months:
        name, window = f"regular-{month}", slot(f"{month}-14 02:00", f"{month}-14 06:00")
        found += [
            *asked_months(str(month)),
            said(name, f"{month}-03 09:00", "Permitted", window),
            ran(name, f"{month}-14 02:05", "Started"),
            ran(name, f"{month}-14 02:35"),
        ]
    return found


def read(facts: list[Fact], under: Terms, now: str) -> Clocks:
    return clocks(history(facts), under, now=at(now))


def states(found: Clocks) -> dict[str, str]:
    """Final months by name."""
    return {str(entry.month): entry.state for entry in found.entries if entry.final}


def issue_states(found: Clocks) -> dict[str, str]:
    return {issue.name: issue.state for issue in found.issues}
