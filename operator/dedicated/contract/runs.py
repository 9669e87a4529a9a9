"""How far a maintenance is (M-5, M-13 to M-15): a pure function of its records, the terms and the time.

A run needs a slot that is permitted and still long enough. A permission that names a slot, and a window, are
taken as they are; where the plan permits (M-1), regular maintenance takes the provider's window of the
calendar in force, and an emergency starts at once. After a run that failed the next one waits for
`RETRY_AFTER`, in the same slot if that leaves room.
Where a regular request expects downtime, its notice comes first (M-12): the plan's window is taken only after
it, and so are the agreed windows. A month whose windows all lie before has its last one taken, since a late
notice does not forbid the run and next month's windows come as early; a slot that a record permits is the
customer's own word and taken as it is. What runs before the notice is over counts as downtime.
Choices where the contract is silent: a regular request lives as long as its month, or as a slot that was
permitted for it by record; an emergency until it is done, taken back or superseded. A request that was taken
back contains nothing any more, so that what it superseded is open again; and a regular one, of which each
month has its own (M-2), is superseded by none: an emergency that does some of it leaves the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dedicated.api.conditions import rfc3339
from dedicated.api.maintenance_request import Phase
from dedicated.contract.calendar import Slot, slots
from dedicated.contract.clock_conditions import when
from dedicated.contract.dates import Holidays, end_of_days, month_of, wall_span
from dedicated.contract.emergency import notified_at
from dedicated.contract.facts import Request
from dedicated.contract.maintenance import notice_over
from dedicated.contract.permission import (
    EMERGENCY_DAYS,
    INSTANT,
    Basis,
    Grant,
    Terms,
    bounds,
    grants,
    without,
)

RETRY_AFTER = timedelta(hours=1)
"""From a run that failed to the next one: time to read why."""
AHEAD = timedelta(days=100)
"""How far standing windows are looked at: three months, and a window in the fourth."""
WITHHELD = frozenset({"Refused", "Withdrawn", "Blocked"})


@dataclass(frozen=True, slots=True)
class RunSlot:
    """A stretch in which a run may start, and by whose word."""

    start: datetime
    end: datetime
    basis: Basis


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a request is. `slot` is the one it runs in, or will; `started` and `ended` are of the last run.

    `deadline` is until when a permitted slot must begin; `wake_at` is when the phase may change by itself.
    """

    request: Request
    phase: Phase
    slot: RunSlot | None = None
    started: datetime | None = None
    ended: datetime | None = None
    deadline: datetime | None = None
    wake_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it may still run, or does."""
        return self.phase in {"Announced", "Permitted", "Scheduled", "Gates", "Running", "Refused", "Failed"}

    def may_step(self, now: datetime) -> bool:
        """Whether a step of the run may begin: inside the slot alone (M-15)."""
        return self.phase == "Running" and self.slot is not None and self.slot.start <= now < self.slot.end


def standings(
    requests: Sequence[Request], terms: Terms, *, holidays: Holidays, now: datetime
) -> tuple[Standing, ...]:
    """Every request that was notified, in the order of notice, from a history up to `now`."""
    superseded = {request.notified.supersedes for request in requests if request.retracted is None}
    return tuple(
        _judge(
            request,
            terms,
            holidays,
            now,
            superseded=request.name in superseded and not request.regular,
        )
        for request in requests
    )


def next_to_run(found: Sequence[Standing]) -> Standing | None:
    """The request whose turn it is: one that runs, else of those in their slot the most urgent. Never two."""
    running = [item for item in found if item.phase == "Running"]
    ready = [item for item in found if item.phase == "Gates"]
    urgent = sorted(ready, key=lambda item: (item.request.regular, item.request.notified.at))
    return next(iter((*running, *urgent)), None)


def next_slot(request: Request, terms: Terms, *, holidays: Holidays, now: datetime) -> RunSlot | None:
    """The first slot that still has room for the request, after its notice as far as it must wait for it."""
    earliest = max((now, *(failed + RETRY_AFTER for failed in request.failures)))

    def has_room(slot: RunSlot) -> bool:
        return slot.end - max(slot.start, earliest) >= request.notified.duration

    ahead = list(_slots(request, terms, now))
    found = [slot for slot in _after_notice(request, ahead, holidays) if has_room(slot)]
    if not found:
        found = [slot for slot in ahead if slot.basis == "Window" and has_room(slot)][-1:]
    first = min(found, key=lambda slot: max(slot.start, earliest), default=None)
    if first is None or first.start >= earliest:
        return first
    return RunSlot(first.start if earliest == now else earliest, first.end, first.basis)


def running_since(request: Request) -> datetime | None:
    """The start of the run that has not ended, or None."""
    if not request.starts or request.completed is not None:
        return None
    last = request.starts[-1]
    return None if any(failed >= last for failed in request.failures) else last


def deadline(request: Request, terms: Terms) -> datetime | None:
    """Until when a permitted slot must begin: the month's end, or 5 days from the notice (M-6, M-7)."""
    if request.regular:
        return _month(request, terms)[1]
    notified = notified_at(request, terms)
    return end_of_days(notified, EMERGENCY_DAYS, terms.zone) if notified and terms.clocks else None


def slot_words(slot: RunSlot | None, terms: Terms) -> str:
    """A slot for people, in the contract zone."""
    return wall_span(slot.start, slot.end, terms.zone) if slot else ""


def next_words(found: Standing, terms: Terms, *, waits_for: str = "") -> str:
    """What comes next, and who must act. `waits_for` names the gate that holds a run up."""
    text = f"since {_time(found.ended)}" if found.ended else ""
    match found.phase:
        case "Announced" | "Refused":
            text = f"Customer: permit a slot{_before(found, terms)}"
        case "Permitted":
            left = " after the notice of its downtime" if found.request.notified.downtime else ""
            text = f"no permitted slot is left{left}; the customer may permit another{_before(found, terms)}"
        case "Scheduled":
            text = f"starts {_time(found.slot.start if found.slot else None)}"
        case "Gates":
            text = f"waits for {waits_for}" if waits_for else "starts now"
        case "Running":
            text = f"runs since {_time(found.started)}"
        case "Failed":
            text = f"failed {_time(found.ended)}. Customer: permit another slot{_before(found, terms)}"
        case "Expired":
            text = "not run in its month; the next month asks again"
    return text


def _before(found: Standing, terms: Terms) -> str:
    return f" that begins before {when(found.deadline, terms)}" if found.deadline else ""


def _time(instant: datetime | None) -> str:
    return rfc3339(instant) if instant else ""


def _judge(
    request: Request, terms: Terms, holidays: Holidays, now: datetime, *, superseded: bool
) -> Standing:
    started, failed = max(request.starts, default=None), max(request.failures, default=None)
    since = running_since(request)
    if since is not None:
        slot = _slot_of(request, terms, since)
        later = slot.end if slot and slot.end > now else None
        return Standing(request, "Running", slot, since, wake_at=later)
    closed: tuple[tuple[Phase, datetime | None], ...] = (
        ("Completed", request.completed),
        ("Retracted", request.retracted),
        ("Superseded", (failed or request.notified.at) if superseded else None),
    )
    for phase, at in closed:
        if at is not None:
            return Standing(request, phase, started=started, ended=at)
    waiting = Standing(request, "Announced", None, started, failed, deadline(request, terms))
    return _waiting(waiting, terms, holidays, now)


def _waiting(found: Standing, terms: Terms, holidays: Holidays, now: datetime) -> Standing:
    """A request that is neither running nor closed."""
    slot = next_slot(found.request, terms, holidays=holidays, now=now)
    if slot is None:
        later = found.deadline if found.deadline and found.deadline > now else None
        return replace(found, phase=_without_slot(found.request, terms, now), wake_at=later)
    if slot.start > now:
        return replace(found, phase="Scheduled", slot=slot, wake_at=slot.start)
    too_late = slot.end - found.request.notified.duration + INSTANT
    return replace(found, phase="Gates", slot=slot, wake_at=too_late)


def _without_slot(request: Request, terms: Terms, now: datetime) -> Phase:
    if request.answers and request.answers[-1].word in WITHHELD:
        return "Refused"
    if request.failures:
        return "Failed"
    if request.regular and now >= _month(request, terms)[1]:
        return "Expired"
    return "Permitted" if _grants(request, terms, now) else "Announced"


def _grants(request: Request, terms: Terms, now: datetime) -> tuple[Grant, ...]:
    return grants(request, terms, before=now + INSTANT, until=now + AHEAD)


def _slots(request: Request, terms: Terms, now: datetime) -> Iterator[RunSlot]:
    """Every slot of the request that is not over, by what is recorded up to now.

    An emergency by plan is permitted until it is done (M-1), not only in the slot that its clock asks for.
    """
    if terms.standing == "Plan" and not request.regular and not request.answers:
        ahead = Slot(request.notified.at, end_of_days(now, EMERGENCY_DAYS, terms.zone))
        for piece in without(ahead, terms.freezes):
            if piece.end > now:
                yield RunSlot(piece.start, piece.end, "Plan")
        return
    for grant in _grants(request, terms, now):
        end = min(grant.end, grant.over)
        if end <= now:
            continue
        if grant.basis != "Plan" or not request.regular:
            yield RunSlot(grant.start, end, grant.basis)
            continue
        for slot in slots(terms.calendar, after=max(now, grant.start), until=end):
            yield RunSlot(max(slot.start, grant.start), min(slot.end, end), "Plan")


def _after_notice(
    request: Request, found: Sequence[RunSlot], holidays: Holidays
) -> Iterator[RunSlot]:
    """The slots as far as they lie after the notice of downtime (M-12), and those that a record permits.

    After a notice whose working days cannot be counted there is nothing.
    """
    if not request.regular or not request.notified.downtime:
        yield from found
        return
    over = notice_over(request.notified, holidays)
    for slot in found:
        if slot.basis == "Record":
            yield slot
        elif over is not None and over < slot.end:
            yield replace(slot, start=max(slot.start, over))


def _slot_of(request: Request, terms: Terms, started: datetime) -> RunSlot | None:
    """The slot that a run was started in, by what was recorded when it began."""
    found = [slot for slot in _slots(request, terms, started) if slot.start <= started]
    return max(found, key=lambda slot: slot.end, default=None)


def _month(request: Request, terms: Terms) -> tuple[datetime, datetime]:
    return bounds(month_of(request.notified.at, terms.zone), terms.zone)
