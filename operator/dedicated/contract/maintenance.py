"""Regular maintenance (M-2, M-3, M-12): asked each month, done once a quarter, announced before.

The quarterly floor is counted from the last completed regular maintenance, at first from the first Ready; an
emergency does not reset it.
Choice where the contract is silent: a month without an answer where one was needed is the customer's, as a
refusal is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.instance import Party
from dedicated.contract.dates import (
    Holidays,
    HolidaysMissingError,
    Month,
    end_of_months_after,
    end_of_working_days,
    month_of,
)
from dedicated.contract.facts import History, Notified
from dedicated.contract.floor import FLOOR_MONTHS
from dedicated.contract.ledger import Entry
from dedicated.contract.permission import Terms

NOTICE_DAYS = 5
"""Working days of notice where downtime is expected, unless the plan says otherwise (M-12)."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The quarterly floor (M-3): overdue when now >= due; `responsible` must act until then, and after."""

    since: datetime
    due: datetime
    responsible: Party


def request_name(month: Month) -> str:
    """The one regular request of a month, so that a second one cannot be made (M-2)."""
    return f"regular-{month}"


def request_due(history: History, terms: Terms, *, now: datetime) -> Month | None:
    """The month for which a request is to be opened now (M-2): the current one, unless it has one.

    The first month of the service is not asked (M-7).
    """
    if history.service_start is None or not terms.clocks:
        return None
    month = month_of(now, terms.zone)
    if month <= month_of(history.service_start, terms.zone):
        return None
    start = month.start(terms.zone)
    return None if any(start <= request.notified.at for request in history.regular) else month


def floor(history: History, terms: Terms, *, entries: Sequence[Entry]) -> Floor | None:
    """The due date of regular maintenance (M-3). `history` holds what is recorded up to now."""
    if history.service_start is None or not terms.clocks:
        return None
    completed = [request.completed for request in history.regular if request.completed is not None]
    since = max((history.service_start, *completed))
    due = end_of_months_after(since, FLOOR_MONTHS, terms.zone)
    refused = any(
        answer.word != "Permitted" and since < answer.at < due
        for request in history.regular
        for answer in request.answers
    )
    missed = any(
        entry.final and entry.missed and since < entry.month.end(terms.zone) <= due for entry in entries
    )
    return Floor(since, due, "Customer" if refused or missed else "Provider")


def months_without(entries: Sequence[Entry]) -> int:
    """Finished months in a row without a completed one, the first of the service aside: information (M-2)."""
    count = 0
    for entry in reversed([entry for entry in entries if entry.final]):
        if entry.state in {"Done", "Partial"}:
            break
        count += 1
    return count


def earliest_start(
    announced: datetime, *, downtime: timedelta, holidays: Holidays, days: int = NOTICE_DAYS
) -> datetime:
    """The first start for which an announcement is in time (M-12), else its minutes count as downtime (A-5).

    Without expected downtime that is the announcement itself. Raises HolidaysMissingError where the table
    does not hold a year that is needed.
    """
    return end_of_working_days(announced, days, holidays) if downtime else announced


def notice_over(notice: Notified, holidays: Holidays) -> datetime | None:
    """From when on a request's notice is in time (M-12); None where its working days are not known (K-3)."""
    try:
        return earliest_start(notice.at, downtime=notice.downtime, holidays=holidays)
    except HolidaysMissingError:
        return None
