"""What the contract's clocks say of one instance now: terms, clocks, findings, and the next date.

A pass computes them anew from the spec, the facts and the time; nothing of them is kept. They change by
themselves at `wake_at` alone, so that a fleet at rest is asked for nothing until a date comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from dedicated.api.findings import Finding
from dedicated.api.resource import Instance
from dedicated.contract import agreements, clock_conditions, instructions, terms
from dedicated.contract.calendar import Calendar, Slot, slots
from dedicated.contract.clocks import Clocks, clocks
from dedicated.contract.dates import Month, earliest, local, month_of, start_of_day
from dedicated.contract.facts import History, history
from dedicated.contract.floor import check_floor
from dedicated.contract.permission import INSTANT, Terms
from dedicated.reconcile.observed import Observed

SLOTS_SHOWN = 3
AHEAD_MONTHS = 13
"""How far slots are looked for, and the quarterly floor is checked, from the month's start on."""


@dataclass(frozen=True, slots=True)
class Obligations:
    """The contract's side of a pass. `agreed` are the clauses with a valid agreement."""

    history: History
    terms: Terms
    clocks: Clocks
    agreed: frozenset[str]
    slots: tuple[Slot, ...]
    findings: tuple[Finding, ...]
    wake_at: datetime | None


def obligations(instance: Instance, observed: Observed, *, now: datetime) -> Obligations:
    """Judge the facts known and the spec."""
    spec = instance.spec
    agreed = agreements.clauses_in_force(spec, observed.facts, now=now)
    identity = f"{instance.namespace}/{instance.name}"
    in_force, findings = terms.terms_in_force(spec, identity=identity, agreed=agreed)
    known = history(observed.facts).before(now + INSTANT)
    found = clocks(known, in_force, now=now)
    ahead = tuple(islice(_slots_after(in_force.calendar, now), SLOTS_SHOWN))
    changes = [
        found.next_change,
        agreements.next_change(spec, observed.facts, now=now),
        instructions.next_change(observed.facts, now=now),
        clock_conditions.next_change(found, now=now),
        ahead[0].end if ahead else None,
    ]
    return Obligations(
        history=known,
        terms=in_force,
        clocks=found,
        agreed=agreed,
        slots=ahead,
        findings=(
            *findings,
            *(_floor(found, in_force, now) if "M-3" not in agreed else ()),
            *clock_conditions.findings(found, in_force, now=now),
            *instructions.findings(observed.facts, now=now),
        ),
        wake_at=earliest(*changes),
    )


def _floor(found: Clocks, in_force: Terms, now: datetime) -> tuple[Finding, ...]:
    """The quarterly floor of the calendar: from the last maintenance, or as if service began today.

    The provider's own window comes every month: alone it is not followed, since a fleet has as many of them.
    """
    if not in_force.clocks or not (in_force.agreed or in_force.freezes):
        return ()
    zone = in_force.zone
    since = found.floor.since if found.floor else start_of_day(local(now, zone).date(), zone)
    until = month_of(now, zone).plus(AHEAD_MONTHS).start(zone)
    return check_floor(in_force.calendar, since=since, until=until)


def _slots_after(calendar: Calendar, now: datetime) -> Iterator[Slot]:
    return (slot for slot in _slots_of(calendar, month_of(now, calendar.zone)) if slot.end > now)


@lru_cache(maxsize=4096)
def _slots_of(calendar: Calendar, month: Month) -> tuple[Slot, ...]:
    """The slots of a month, and as many after it as are shown: a recurrence is slow to carry out."""
    start, end = month.start(calendar.zone), month.end(calendar.zone)
    found: list[Slot] = []
    later = 0
    for slot in slots(calendar, after=start, until=month.plus(AHEAD_MONTHS).start(calendar.zone)):
        found.append(slot)
        later += slot.start >= end
        if later == SLOTS_SHOWN:
            break
    return tuple(found)
