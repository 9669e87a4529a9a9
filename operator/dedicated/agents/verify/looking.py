"""Look at a copy: each check on its own, so that what one finds keeps none of the others from being made.

The first cause is not sought here: what each check saw is written down, and judged by the operator.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from dedicated.agents.recovery.keeping import from_data
from dedicated.agents.verify.opening import LIMIT, TYPES, Opened, opened
from dedicated.agents.verify.settings import Settings
from dedicated.api.conditions import rfc3339
from dedicated.api.duration import duration_text
from dedicated.contract.recovery.proof import TOLERANCE, Check, Goal, Name, Point, Verdict, reached
from dedicated.contract.recovery.report import SAMPLES
from dedicated.contract.recovery.sampling import Sample
from dedicated.parts.keys import fingerprint
from dedicated.probes import copy
from dedicated.probes.copy import Copy, DamagedError, Ending, Events

PAUSE = 1.0
"""Seconds between two looks at whether recovery has ended."""
SHOWN = 3
"""Keys that are named."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Given:
    """What the copy is held against: the samples of its source, and the masterkey with its salt."""

    samples: tuple[Sample, ...]
    masterkey: bytes
    salt: str


def given(settings: Settings) -> Given:
    """Read what is mounted. Raises OSError where the masterkey cannot be read; samples may be absent."""
    try:
        text = settings.samples_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    kept = from_data({SAMPLES: text}, incarnation=settings.incarnation)
    return Given(kept.samples, settings.masterkey_file.read_bytes(), settings.salt)


async def recovered(within: timedelta, *, monotonic: Callable[[], float]) -> str:
    """Wait for the end of recovery; empty when it ended, else why not. A server that gave up is away."""
    deadline = monotonic() + within.total_seconds()
    while why := await copy.is_recovered():
        if monotonic() > deadline:
            return f"recovery did not end within {duration_text(within)}: {why}"
        await asyncio.sleep(PAUSE)
    return ""


def unrecovered(settings: Settings, why: str, *, written: datetime) -> Verdict:
    """The verdict on a copy whose recovery did not end."""
    checks = (Check("Recovery", "Failed", why),)
    return Verdict(written, settings.restore, settings.goal, recovered=False, checks=checks)


async def look(settings: Settings, held: Given, found: Copy, *, written: datetime) -> Verdict:
    """The verdict on a copy whose recovery has ended, without its durations. Raises DatabaseError."""
    ending = await found.ending()
    pages = await _checked("Pages", _pages(found))
    structure = await _checked("Structure", _structure(found))
    events, seen = await _or_damage(found.events(), "Events")
    keys, sealed = await _or_damage(_opened(found, held), "Keys")
    point = reached(held.samples, ending.position, settings.goal)
    if point.restored_to is None and point.shortfall is None:
        point = replace(point, restored_to=ending.last_commit)
    verdict = Verdict(
        written=written,
        restore=settings.restore,
        goal=settings.goal,
        recovered=True,
        restored_to=point.restored_to,
        shortfall=point.shortfall,
        position=ending.position,
        exact=ending.exact,
        events=events.count if events else None,
        newest_event=events.newest if events else None,
        keys=keys.keys if keys else 0,
        keys_opened=keys.opened if keys else 0,
        fingerprint=fingerprint(held.masterkey, salt=held.salt) if held.salt else "",
        size=ending.size,
    )
    checks = (
        Check("Recovery", "Passed", "recovery ended"),
        _point(point, settings.goal, ending, events),
        pages,
        structure,
        seen or _events(events),
        sealed or _keys(keys),
    )
    return replace(verdict, checks=checks)


async def _pages(found: Copy) -> tuple[bool, str]:
    tables, rows = await found.read_all()
    return True, f"{tables} tables with {rows} rows read to their ends"


async def _structure(found: Copy) -> tuple[bool, str]:
    indexes = await found.check_indexes()
    if indexes is None:
        return False, "indexes are not held against their tables: only a superuser may, with amcheck"
    return True, f"{indexes} indexes agree with their tables"


async def _checked(name: Name, looking: Awaitable[tuple[bool, str]]) -> Check:
    try:
        known, text = await looking
    except DamagedError as error:
        return Check(name, "Failed", str(error))
    return Check(name, "Passed" if known else "Unknown", text)


async def _or_damage(looking: Awaitable[T], name: Name) -> tuple[T | None, Check | None]:
    try:
        return await looking, None
    except DamagedError as error:
        return None, Check(name, "Failed", str(error))


async def _opened(found: Copy, held: Given) -> Opened:
    stored = await found.encryption_keys()
    payloads = await found.sealed(TYPES, limit=LIMIT)
    return opened(stored, payloads, masterkey=held.masterkey)


def _point(point: Point, goal: Goal, ending: Ending, events: Events | None) -> Check:
    bound = "" if ending.exact else " at most, since the server was started anew"
    at = "an unknown time" if point.restored_to is None else rfc3339(point.restored_to)
    if not goal.newest and events and events.newest and events.newest > goal.at + TOLERANCE:
        text = f"an event of {rfc3339(events.newest)} is later than the target, {rfc3339(goal.at)}"
        return Check("Point", "Failed", text)
    if point.shortfall is None:
        return Check("Point", "Unknown", f"restored to {at}; no sample of the source to compare with")
    if point.shortfall > timedelta(0):
        short = duration_text(point.shortfall)
        text = f"the log ends at {at}{bound}; {short} is missing that was to be there by {rfc3339(goal.at)}"
        return Check("Point", "Failed", text)
    return Check("Point", "Passed", f"restored to {at}{bound}")


def _events(events: Events | None) -> Check:
    if events is None or not events.count:
        return Check("Events", "Failed", "the event store is missing or empty")
    newest = "" if events.newest is None else f", the newest of {rfc3339(events.newest)}"
    return Check("Events", "Passed", f"{events.count} events{newest}")


def _keys(found: Opened | None) -> Check:
    if found is None or not found.keys:
        return Check("Keys", "Unknown", "no encryption keys are stored")
    text = f"{found.opened} of {found.keys} encryption keys opened"
    if found.opened < found.keys:
        other = f"; of another form: {', '.join(found.unlike[:SHOWN])}" if found.unlike else ""
        return Check("Keys", "Failed", f"{text}: the masterkey is not theirs{other}")
    if not found.readable:
        return Check("Keys", "Unknown", f"{text}; no private key is stored that would show them to be right")
    return Check("Keys", "Passed", f"{text}, and {found.readable} private keys with them")
