"""What is to be said of notices (M-12): which downtime was announced too late, which year nobody can count.

A slot that begins before its notice is over is no reason not to run (see `runs`): what is down then counts,
and both sides are told before. A year without its public holidays is an error and not a year without any
(K-3): until it is added no downtime is announced in time, and no run with downtime starts by the plan. It is
told `LEAD` ahead, by the first pass after that; each month has one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil

from dedicated.api.findings import Finding
from dedicated.contract.clock_conditions import when
from dedicated.contract.dates import Holidays, local
from dedicated.contract.maintenance import NOTICE_DAYS, notice_over
from dedicated.contract.permission import Terms
from dedicated.contract.runs import Standing

LEAD = timedelta(days=90)
"""How long before a year begins its holidays must be known: time for a new version, and its maintenance."""


def findings(
    found: Sequence[Standing], terms: Terms, *, holidays: Holidays, now: datetime
) -> tuple[Finding, ...]:
    """All of them; nothing where there is no one to announce to (L-2)."""
    if not terms.clocks:
        return ()
    return (*_late(found, terms, holidays), *_unknown_year(holidays, now))


def _late(found: Sequence[Standing], terms: Terms, holidays: Holidays) -> Iterator[Finding]:
    for item in found:
        notice, slot = item.request.notified, item.slot
        if item.phase not in {"Scheduled", "Gates"} or slot is None:
            continue
        if not item.request.regular or not notice.downtime:
            continue
        over = notice_over(notice, holidays)
        if over is not None and over <= slot.start:
            continue
        ends = f"end {when(over, terms)}" if over else "cannot be counted"
        minutes = ceil(notice.downtime / timedelta(minutes=1))
        yield Finding(
            code="NoticeTooShort",
            responsible="Provider",
            message=f"{item.request.name} starts {when(slot.start, terms)} with {minutes} min of downtime "
            f"expected, and its {NOTICE_DAYS} working days of notice {ends}: what is down counts (M-12)",
            action="have the customer permit a later slot, or take the minutes into account",
            deadline=slot.start,
        )


def _unknown_year(holidays: Holidays, now: datetime) -> Iterator[Finding]:
    years = (local(now, holidays.zone).year, local(now + LEAD, holidays.zone).year)
    missing = next((year for year in years if year not in holidays.years), None)
    if missing is None:
        return
    held = f"{min(holidays.years)} to {max(holidays.years)}" if holidays.years else "no year"
    yield Finding(
        code="HolidaysUnknown",
        responsible="Provider",
        message=f"the public holidays of {missing} are not known (the table holds {held}): no notice of "
        "downtime that needs them is in time, and what is down then counts (K-3, M-12)",
        action=f"install a version of the operator that holds {missing}",
    )
