"""Roll-up of closed months: the records of a month that is over become one MonthClosed, verbatim.

It keeps the ledger small and changes nothing that is computed from it: a month reads as the records in it did
(see `reading`). So what is open is no matter of right, but of what people look for in the list of records: a
month stays while a maintenance, an instruction or an override in it is open, at most half a year.

The roll-up is created first, and what is in it is deleted then. `tasks` tells what is left of both from the
objects alone, so that a process may end between any two requests. A record is deleted only where a
MonthClosed holds it to the letter.

What has no month stays as it is: the start of service, and agreements, which an instance names and which have
a term of their own. So does what this version cannot read.
Limit: a month of more than 50 records has several MonthClosed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from dedicated.api.json import JsonValue, Manifest, canonical, digest, get_list, get_map, get_str
from dedicated.api.record import ROLLED_LENGTH, ROLLED_LIMIT, Fact
from dedicated.contract.dates import DAY, Month, month_of
from dedicated.contract.facts import (
    Answer,
    Delivered,
    Instructed,
    Notified,
    Retracted,
    Run,
    history,
)
from dedicated.contract.raising import LoadTest, Override
from dedicated.contract.reading import Reading, facts_in, read
from dedicated.contract.records import Statement

GRACE = 10 * DAY
"""How long a month stands after its end in any case."""
SPREAD = 7 * DAY
"""Over which instances take their turns, so that a fleet does not do it in one night."""
LONGEST = 183 * DAY
"""So long after its end a month is rolled up though something in it is open."""
KEPT: frozenset[Fact] = frozenset({"ServiceStarted", "MonthClosed", "Agreement"})
"""Facts that are never rolled up; the chart lets nobody but a restorer delete them."""


@dataclass(frozen=True, slots=True)
class Due:
    """Months to be rolled up now, and when to look again."""

    months: tuple[Month, ...] = ()
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tasks:
    """What is left to do for some months: roll-ups to create, and then records (name, uid) to delete.

    `left` are records that cannot be rolled up: longer than a MonthClosed takes, or of the name of another
    one that is rolled up already.
    """

    create: tuple[Statement, ...] = ()
    delete: tuple[tuple[str, str], ...] = ()
    left: tuple[str, ...] = ()


def due(readings: Sequence[Reading], *, zone: str, identity: str, now: datetime) -> Due:
    """Which months of an instance are to be rolled up; `identity` tells it from the others of a fleet."""
    plain = [reading for reading in readings if reading.fact not in KEPT]
    if not plain:
        return Due()
    turn = GRACE + _offset(identity)
    oldest = month_of(min(reading.at for reading in plain), zone)
    if now < oldest.end(zone) + turn:
        return Due(next_at=oldest.end(zone) + turn)
    by_month: dict[Month, list[Reading]] = {}
    for reading in plain:
        by_month.setdefault(month_of(reading.at, zone), []).append(reading)
    open_requests = _open_requests(readings)
    times = {
        month: month.end(zone) + turn + _longer(month.end(zone) + turn, found, open_requests)
        for month, found in by_month.items()
    }
    return Due(
        months=tuple(sorted(month for month, at in times.items() if at <= now)),
        next_at=min((at for at in times.values() if at > now), default=None),
    )


def tasks(manifests: Iterable[Manifest], *, instance: str, months: Sequence[Month], zone: str) -> Tasks:
    """What is left to do, by all records of the instance's namespace as they stand."""
    known = [(manifest, reading) for manifest in manifests if (reading := read(manifest)) is not None]
    own = [(manifest, reading) for manifest, reading in known if reading.instance == instance]
    held = {get_str(item, "name"): item for manifest, _ in own for item in _rolled_in(manifest)}
    fresh: dict[Month, list[Manifest]] = {}
    over, left = [], []
    for manifest, reading in sorted(own, key=lambda pair: (pair[1].at, pair[1].name)):
        month = month_of(reading.at, zone)
        if reading.fact in KEPT or month not in months:
            continue
        item = _rolled(manifest)
        if held.get(reading.name) == item:
            over.append((reading.name, get_str(manifest, "metadata", "uid")))
        elif reading.name not in held and len(get_str(item, "spec")) <= ROLLED_LENGTH:
            fresh.setdefault(month, []).append(item)
        else:
            left.append(reading.name)
    create = tuple(
        _month_closed(instance, month, items[start : start + ROLLED_LIMIT])
        for month, items in sorted(fresh.items())
        for start in range(0, len(items), ROLLED_LIMIT)
    )
    return Tasks(create, tuple(over), tuple(left))


def _rolled(manifest: Manifest) -> Manifest:
    """A record as an item of a MonthClosed: to the letter."""
    spec = get_map(manifest, "spec")
    return {
        "name": get_str(manifest, "metadata", "name"),
        "at": get_str(spec, "at") or get_str(manifest, "metadata", "creationTimestamp"),
        "spec": canonical(spec).decode(),
    }


def _rolled_in(manifest: Manifest) -> list[JsonValue]:
    return get_list(manifest, "spec", "closed", "records")


def _month_closed(instance: str, month: Month, items: Sequence[Manifest]) -> Statement:
    """Named by what is in it: the same records again are the same roll-up."""
    names: list[JsonValue] = [item["name"] for item in items]
    fields: Manifest = {"closed": {"month": str(month), "records": list(items)}}
    return Statement(f"{instance}-closed-{month}-{digest(names)}", instance, "MonthClosed", fields)


def _open_requests(readings: Sequence[Reading]) -> frozenset[str]:
    """Maintenances that are neither done nor taken back."""
    requests = history(facts_in(readings)).requests
    return frozenset(r.name for r in requests if r.completed is None and r.retracted is None)


def _longer(at: datetime, found: Iterable[Reading], open_requests: frozenset[str]) -> timedelta:
    """How much longer a month stands that would be rolled up at an instant."""
    return max(_waits(at, found, open_requests), default=timedelta(0))


def _waits(at: datetime, found: Iterable[Reading], open_requests: frozenset[str]) -> Iterator[timedelta]:
    for fact in facts_in(found):
        if isinstance(fact, Notified | Delivered | Answer | Run | Retracted):
            yield LONGEST - GRACE if fact.request in open_requests else timedelta(0)
        elif isinstance(fact, Instructed | Override | LoadTest):
            until = fact.end if isinstance(fact, LoadTest) else fact.valid_until
            yield max(timedelta(0), min(until - at, LONGEST - GRACE))


def _offset(identity: str) -> timedelta:
    """An instance's place in the fleet's turns: the same in every process."""
    seconds = int(SPREAD.total_seconds())
    return timedelta(seconds=int.from_bytes(sha256(identity.encode()).digest()[:8]) % seconds)
