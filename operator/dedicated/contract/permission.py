"""Permission (M-1, M-13): in which slots may a request be run, and by whose word?

The precedence is record > freeze > window > plan. A record is the last word on its request until its slot
starts: from then on the slot is used, and only access that the customer blocks takes it away. Standing
windows (Advanced) permit without being asked; a plan without update flexibility (Standard) permits by itself
what was not refused. Silence permits nothing where permission is needed.

A permission is a `Grant`. One that names a slot is used from the slot's start. One for "any time until"
floats: it is used when the run starts, so that it can be withdrawn until then.
Choices where the contract is silent: a record replaces windows and plan from its own time on, also after its
slot is over; a window is not lost to the customer because its month's request came late; permission by plan
is a slot to the end of the request's month, for an emergency of five days.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from dedicated.api.instance import InfrastructureClass, Plan
from dedicated.contract.calendar import Calendar, Freeze, Slot, slots
from dedicated.contract.dates import DAY, Month, end_of_days, month_of
from dedicated.contract.facts import Answer, Request

Basis = Literal["Record", "Window", "Plan"]
EMERGENCY_DAYS = 5
"""Within which an emergency must be permitted (M-6)."""
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the spec says about maintenance: the calendar in force, and who permits.

    `agreed`: its windows are the customer's own (M-4), not the provider's default. `channel`: a notice must
    also be delivered to an agreed channel before its clock starts (M-6).
    """

    plan: Plan
    infrastructure: InfrastructureClass
    calendar: Calendar
    agreed: bool = False
    approval: Literal["Automatic", "Required"] = "Automatic"
    channel: bool = False

    @property
    def zone(self) -> str:
        """The contract zone (K-1)."""
        return self.calendar.zone

    @property
    def clocks(self) -> bool:
        """Whether the contract's clocks run: not where the customer runs the operator (L-2)."""
        return self.infrastructure != "SelfHosted"

    @property
    def standing(self) -> Basis | None:
        """What permits without a record, if anything."""
        if self.approval == "Required":
            return None
        if self.agreed:
            return "Window"
        return "Plan" if self.plan == "Standard" else None

    @property
    def freezes(self) -> list[Freeze]:
        """Times in which nothing is permitted but by a record, in order."""
        return sorted(self.calendar.freezes, key=lambda freeze: freeze.start)

    def windows(self, after: datetime, before: datetime) -> Sequence[Slot]:
        """The agreed cadence: windows that start in [after, before), whether frozen or not."""
        found = _slots(replace(self.calendar, freezes=()), after, before)
        return [slot for slot in found if slot.start >= after]


@dataclass(frozen=True, slots=True)
class Grant:
    """A slot that is long enough for its request: `needs` is the request's length.

    `given` is when it was permitted. A floating grant holds until `over`, and was used at `starts`.
    """

    start: datetime
    end: datetime
    given: datetime
    basis: Basis
    needs: timedelta
    over: datetime
    floating: bool = False
    starts: tuple[datetime, ...] = ()

    def usable(self, after: datetime, before: datetime) -> datetime | None:
        """The start that it allows in [after, before), or None.

        A floating one must hold by all that is known, or have been used: withdrawn unused, it was no slot.
        """
        if not self.floating:
            return self.start if after <= self.start < before else None
        first = max(self.start, after)
        if first >= before or self.end - first < self.needs:
            return None
        if self.over == self.end:
            return first
        return next((start for start in self.starts if first <= start < self.over), None)


def grants(request: Request, terms: Terms, *, before: datetime, until: datetime) -> tuple[Grant, ...]:
    """Every permission of a request by the facts before an instant; standing windows as far as `until`."""
    if terms.standing is None and not request.slots:
        return ()
    answers = tuple(answer for answer in request.answers if answer.at < before)
    starts = tuple(start for start in request.starts if start < before)
    found = [*_recorded(request, answers, starts), *_standing(request, terms, answers, starts, until)]
    closed = min((at for at in (request.completed, request.retracted) if at and at < before), default=None)
    if closed is None:
        return tuple(found)
    return tuple(
        replace(grant, over=min(grant.over, closed))
        for grant in found
        if grant.floating or grant.start < closed
    )


def permitted(request: Request, terms: Terms, *, at: datetime) -> bool:
    """Whether a run of the request may start at an instant, by what is recorded up to then.

    That enough time is left for the run is a gate of its own (M-14).
    """
    closed = [end for end in (request.completed, request.retracted) if end is not None and end <= at]
    if at < request.notified.at or closed:
        return False
    # By plan there is permission as long as it is not refused, also when the slot of the clocks is over.
    if terms.standing == "Plan" and not any(answer.at <= at for answer in request.answers):
        return not any(freeze.start <= at < freeze.end for freeze in terms.freezes)
    return any(
        grant.start <= at < grant.over
        for grant in grants(request, terms, before=at + INSTANT, until=at + INSTANT)
    )


def _recorded(request: Request, answers: Sequence[Answer], starts: Sequence[datetime]) -> Iterator[Grant]:
    needs = request.notified.duration
    for answer, later in pairwise((*answers, None)):
        if answer is None or answer.slot is None:
            continue
        start, end = max(answer.slot.start, answer.at), answer.slot.end
        blocked = _blocked(answers, answer.at, end)
        if end - start < needs:
            continue
        if answer.any_time:
            over = min(end, later.at) if later else end
            yield Grant(
                start, end, answer.at, "Record", needs, over,
                floating=True, starts=() if blocked else _within(starts, start, over),
            )  # fmt: skip
        elif not blocked and not (later and (later.at < start or later.at == answer.at)):
            yield Grant(start, end, answer.at, "Record", needs, end)


def _standing(
    request: Request, terms: Terms, answers: Sequence[Answer], starts: Sequence[datetime], until: datetime
) -> Iterator[Grant]:
    needs, given = request.notified.duration, request.notified.at
    if terms.standing == "Window":
        for slot in _window_slots(request, terms, until):
            overridden = bool(answers) and answers[0].at < slot.start
            if slot.end - slot.start >= needs and not overridden and not _blocked(answers, *_ends(slot)):
                yield Grant(slot.start, slot.end, given, "Window", needs, slot.end)
    elif terms.standing == "Plan":
        for slot in _plan_slots(request, terms):
            over = min(slot.end, answers[0].at) if answers else slot.end
            used = () if _blocked(answers, *_ends(slot)) else _within(starts, slot.start, over)
            yield Grant(slot.start, slot.end, slot.start, "Plan", needs, over, floating=True, starts=used)


def _window_slots(request: Request, terms: Terms, until: datetime) -> Iterator[Slot]:
    """Windows of a regular request's month; those that an emergency can still use, and later ones."""
    at = request.notified.at
    if request.regular:
        start, end = _month(request, terms)
        found = _slots(terms.calendar, start, end)
        yield from (slot for slot in found if slot.start >= start)
        return
    for slot in _slots(terms.calendar, at, until):
        yield Slot(max(slot.start, at), slot.end)


def _plan_slots(request: Request, terms: Terms) -> Iterator[Slot]:
    """What freezes leave of the time for which a plan permits a request."""
    at, needs = request.notified.at, request.notified.duration
    if request.regular:
        free = without(Slot(at, _month(request, terms)[1]), terms.freezes)
        yield from (slot for slot in free if slot.end - slot.start >= needs)
        return
    frozen = max((freeze.end for freeze in terms.freezes), default=at)
    for slot in without(Slot(at, max(at, frozen) + 2 * EMERGENCY_DAYS * DAY), terms.freezes):
        if slot.end - slot.start >= needs:
            yield Slot(slot.start, min(slot.end, end_of_days(slot.start, EMERGENCY_DAYS, terms.zone)))
            return


def _month(request: Request, terms: Terms) -> tuple[datetime, datetime]:
    return bounds(month_of(request.notified.at, terms.zone), terms.zone)


@lru_cache(maxsize=4096)
def bounds(month: Month, zone: str) -> tuple[datetime, datetime]:
    """Start and end of a month: the ledger asks for the same ones in every pass."""
    return month.start(zone), month.end(zone)


def without(slot: Slot, freezes: Sequence[Freeze]) -> Iterator[Slot]:
    """The pieces of a slot that lie outside freezes, which are ordered by their start."""
    start = slot.start
    for freeze in freezes:
        if start < freeze.start < slot.end:
            yield Slot(start, freeze.start)
        if freeze.start < slot.end:
            start = max(start, freeze.end)
    if start < slot.end:
        yield Slot(start, slot.end)


@lru_cache(maxsize=16384)
def _slots(calendar: Calendar, after: datetime, until: datetime) -> tuple[Slot, ...]:
    """Slots by month are asked for again in every pass, and a recurrence is slow to carry out."""
    return tuple(slots(calendar, after=after, until=until))


def _blocked(answers: Sequence[Answer], since: datetime, until: datetime) -> bool:
    return any(answer.word == "Blocked" and since <= answer.at < until for answer in answers)


def _within(starts: Sequence[datetime], since: datetime, until: datetime) -> tuple[datetime, ...]:
    return tuple(start for start in starts if since <= start < until)


def _ends(slot: Slot) -> tuple[datetime, datetime]:
    return slot.start, slot.end
