"""Emergency maintenance (M-6): permitted within 5 days of its notice, with a slot that starts within them.

Who calls it an emergency is the provider. The clock starts with the recorded notice, or with its delivery
where a channel is agreed, and each request has its own. An older request that a newer one contains goes on:
it ends when either is permitted or done, or when it is taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dedicated.contract.dates import earliest, end_of_days
from dedicated.contract.facts import History, Request
from dedicated.contract.permission import EMERGENCY_DAYS, Terms, grants

State = Literal["Undelivered", "Pending", "Permitted", "Done", "Failed", "Retracted"]


@dataclass(frozen=True, slots=True)
class Emergency:
    """An emergency and its clock. The deadline is None until the notice is delivered.

    Pending and Permitted are what the deadline will find if nothing more is recorded; Permitted after the
    deadline waits for the provider. Failed stays so: what follows is an issue's (M-8).
    """

    request: Request
    state: State
    notified: datetime | None
    deadline: datetime | None

    @property
    def open(self) -> bool:
        """Whether the customer's permission is still missing, and the deadline not over."""
        return self.state == "Pending"


def notified_at(request: Request, terms: Terms) -> datetime | None:
    """When the clock of a request starts: with the record, or with a later delivery where one is agreed."""
    if not terms.channel:
        return request.notified.at
    return None if request.delivered is None else max(request.notified.at, request.delivered)


def with_successors(request: Request, requests: Sequence[Request]) -> tuple[Request, ...]:
    """The request, and those that contain it, directly or by one another."""
    names, found = {request.name}, [request]
    for other in requests:  # in order of their notice
        if other.notified.supersedes in names and other.name not in names:
            names.add(other.name)
            found.append(other)
    return tuple(found)


def emergencies(history: History, terms: Terms, *, now: datetime) -> tuple[Emergency, ...]:
    """Every emergency with its state and deadline. `history` holds what is recorded up to `now`."""
    if not terms.clocks:
        return ()
    requests = history.emergencies
    return tuple(_judge(request, with_successors(request, requests), terms, now) for request in requests)


def _judge(request: Request, related: Sequence[Request], terms: Terms, now: datetime) -> Emergency:
    notified = notified_at(request, terms)
    done = min((found.completed for found in related if found.completed), default=None)
    if notified is None:
        state: State = "Done" if done else "Retracted" if request.retracted else "Undelivered"
        return Emergency(request, state, None, None)
    deadline = end_of_days(notified, EMERGENCY_DAYS, terms.zone)
    ended = earliest(done, request.retracted)
    if ended is not None and ended < deadline:
        state = "Done" if ended == done else "Retracted"
    elif _is_permitted(related, terms, deadline):
        state = "Done" if done else "Retracted" if request.retracted else "Permitted"
    else:
        state = "Pending" if now < deadline else "Failed"
    return Emergency(request, state, notified, deadline)


def _is_permitted(related: Sequence[Request], terms: Terms, deadline: datetime) -> bool:
    return any(
        grant.usable(request.notified.at, deadline)
        for request in related
        if request.notified.at < deadline
        for grant in grants(request, terms, before=deadline, until=deadline)
    )
