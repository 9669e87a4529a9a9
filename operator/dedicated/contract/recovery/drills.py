"""Drills (B-4): when a restore is tried out next, to which point, and what the last one proves.

A backup that was never restored is a hope. So at each slot of a schedule the database is restored into a copy
beside it, which is looked at (`proof`) and removed. A slot that could not be held is made up for once, by the
newest one that is past; a drill that failed is held again a day later, since nobody should wait a week to
know. The first is due within a day of a full backup. The point is drawn from the window by instance and slot,
so that an operator that ends in between draws the same. What a drill of a former database has shown says
nothing of the one that was restored since.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from hashlib import sha256

from dedicated.api.backup import Drill
from dedicated.api.conditions import RESTORE_PROVEN, Condition, rfc3339, shorten
from dedicated.api.duration import duration_text, parse_duration
from dedicated.api.json import Manifest
from dedicated.contract.dates import DAY, instant_of, local, when
from dedicated.contract.facts import Drilled, Fact, Restored
from dedicated.contract.records import Statement
from dedicated.contract.recovery.points import Recoverability
from dedicated.contract.recovery.proof import DAMAGE, Judgement, Reason, Verdict

FIRST_AFTER, FIRST_SPREAD = timedelta(hours=1), timedelta(hours=11)
"""The first drill: so long after a full backup, and so much later at most, by the instance."""
AGAIN = DAY
"""After a drill that failed."""
FOUND_LENGTH = 500
"""Characters of what a record tells."""
FIELD = re.compile(r"\*|\d{1,2}(?:,\d{1,2})*")


class DrillScheduleError(ValueError):
    """A schedule of drills that cannot be read: what it says, and what to write."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"schedule {text[:100]!r}: {reason}; write one such as '0 4 * * 0'")


@dataclass(frozen=True, slots=True)
class DrillSchedule:
    """A time of day on days of the week, 0 being Monday as Python counts them."""

    at: time
    weekdays: frozenset[int]


@dataclass(frozen=True, slots=True)
class Drills:
    """What is agreed of an instance's drills; `restore_time` is the objective (B-4)."""

    schedule: DrillSchedule
    newest: bool
    max_age: timedelta
    timeout: timedelta
    restore_time: timedelta
    zone: str
    identity: str


def parse_drills(drill: Drill, *, restore_time: timedelta, zone: str, identity: str) -> Drills:
    """What a spec states. Raises DrillScheduleError."""
    return Drills(
        schedule=parse_drill_schedule(drill.schedule),
        newest=drill.target == "Newest",
        max_age=parse_duration(drill.max_age),
        timeout=parse_duration(drill.timeout),
        restore_time=restore_time,
        zone=zone,
        identity=identity,
    )


@lru_cache(maxsize=256)
def parse_drill_schedule(text: str) -> DrillSchedule:
    """The schedule that a text such as `0 4 * * 0` states. Raises DrillScheduleError."""
    fields = text.split()
    if len(fields) != 5 or fields[2:4] != ["*", "*"]:
        raise DrillScheduleError(text, "it needs a minute, an hour, twice *, and days of the week")
    minute, hour, days = fields[0], fields[1], fields[4]
    if not (minute.isdecimal() and hour.isdecimal() and int(minute) < 60 and int(hour) < 24):
        raise DrillScheduleError(text, "it must name one minute and one hour")
    if FIELD.fullmatch(days) is None:
        raise DrillScheduleError(text, f"{days!r} is none of *, 0, 1,4")
    named = range(7) if days == "*" else [int(day) for day in days.split(",")]
    if max(named) > 7:
        raise DrillScheduleError(text, "days of the week are 0 to 7, and 0 and 7 are Sunday")
    return DrillSchedule(time(int(hour), int(minute)), frozenset((day - 1) % 7 for day in named))


def slots(schedule: DrillSchedule, zone: str, *, after: datetime, until: datetime) -> Iterator[datetime]:
    """The instants later than `after` and up to `until` at which a drill is due, in order."""
    day, last = local(after, zone).date() - DAY, local(until, zone).date()
    while day <= last:
        if day.weekday() in schedule.weekdays:
            instant = instant_of(datetime.combine(day, schedule.at), zone)
            if after < instant <= until:
                yield instant
        day += DAY


def due_slot(
    drills: Drills, held: Iterable[Drilled], *, full: datetime | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The slot that is to be held now, None where none is; and the next one.

    `full` is when the newest full backup was done, None before the first. Of slots that were missed the
    newest is held, and no other.
    """
    last = max(held, key=lambda drill: drill.started, default=None)
    if last is None:
        return _when_due(full + _first(drills) if full else None, now)
    if not last.passed:
        return _when_due(last.ended + AGAIN, now)
    past = max(slots(drills.schedule, drills.zone, after=last.started, until=now), default=None)
    return past, next(slots(drills.schedule, drills.zone, after=now, until=now + 8 * DAY), None)


def _when_due(at: datetime | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    return (at, None) if at is not None and at <= now else (None, at)


def _first(drills: Drills) -> timedelta:
    spread = int(FIRST_SPREAD.total_seconds())
    return FIRST_AFTER + timedelta(seconds=_drawn(drills.identity) % spread)


def _drawn(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8])


def point_of(drills: Drills, found: Recoverability, slot: datetime) -> datetime | None:
    """The point that a slot's drill restores; None: the newest. It is one that was reachable at the slot."""
    if drills.newest or found.earliest is None or found.newest is None:
        return None
    window = int((min(found.newest, slot) - found.earliest).total_seconds())
    if window < 1:
        return None
    seconds = _drawn(f"{drills.identity} {slot:%Y%m%d%H%M%S}") % window
    return (found.earliest + timedelta(seconds=seconds + 1)).replace(microsecond=0)


def drill_name(instance: str, slot: datetime) -> str:
    """Of the InstanceRestore of a slot: the same however often it is asked for."""
    return f"{instance}-drill-{slot:%Y%m%d%H%M}"


def is_of_slot(instance: str, name: str) -> bool:
    """Whether an InstanceRestore is one of the operator's own, by its name."""
    return re.fullmatch(rf"{re.escape(instance)}-drill-\d{{12}}", name) is not None


def drilled(instance: str, fact: Drilled, *, uid: str) -> Statement:
    """The statement of a drill that is over. `uid` is its InstanceRestore's."""
    told: Manifest = {
        "restore": fact.restore,
        "passed": fact.passed,
        "reason": fact.reason,
        "found": shorten(fact.found, FOUND_LENGTH),
        "started": rfc3339(fact.started),
        "ended": rfc3339(fact.ended),
        "keys": fact.keys,
        "keysOpened": fact.keys_opened,
        "size": fact.size,
    }
    told |= {"kind": "Logical"} if fact.logical else {}
    times = {"restoredTo": fact.restored_to, "newestEvent": fact.newest_event}
    lengths = {
        "shortfallSeconds": fact.shortfall,
        "restoreSeconds": fact.took,
        "expectedSeconds": fact.expected,
    }
    told |= {key: rfc3339(at) for key, at in times.items() if at is not None}
    told |= {key: int(length.total_seconds()) for key, length in lengths.items() if length is not None}
    if fact.events is not None:
        told["events"] = fact.events
    return Statement(f"{instance}-drilled-{uid[:8]}", instance, "Drilled", {"drill": told})


def ended_without(reason: str, message: str) -> Judgement:
    """What a drill shows whose copy nobody could look at, by what its restore was told to have failed for."""
    why: Reason = "NotVerified"
    if DAMAGE.search(message):
        why = "Corrupted"
    elif reason == "TargetTooEarly":
        why = "TooOld"
    elif reason in ("TookTooLong", "DatabaseLost"):
        why = "RecoveryNotEnded"
    elif reason == "YieldedToRecovery":
        why = "YieldedToRecovery"
    return Judgement(False, why, message or reason)


def fact_of(
    restore: str,
    judged: Judgement,
    verdict: Verdict | None,
    *,
    started: datetime,
    ended: datetime,
    expected: timedelta | None,
) -> Drilled:
    """What there is to record of a drill: from when its copy was begun until it was looked at."""
    took = None
    if verdict is not None and verdict.recovered:
        took = max(timedelta(0), verdict.written - verdict.took - started)
    return Drilled(
        name="",
        at=ended,
        by="",
        restore=restore,
        passed=judged.passed,
        reason=judged.reason,
        found=judged.message,
        started=started,
        ended=ended,
        restored_to=verdict.restored_to if verdict else None,
        shortfall=verdict.shortfall if verdict else None,
        events=verdict.events if verdict else None,
        newest_event=verdict.newest_event if verdict else None,
        keys=verdict.keys if verdict else 0,
        keys_opened=verdict.keys_opened if verdict else 0,
        size=verdict.size if verdict else 0,
        took=took,
        expected=expected,
    )


def known_drills(facts: Iterable[Fact], *, logical: bool = False) -> tuple[Drilled, ...]:
    """The drills that are recorded of the database of now, oldest first: restores, or dumps."""
    every = tuple(facts)
    since = max((fact.at for fact in every if isinstance(fact, Restored)), default=None)
    found = [fact for fact in every if isinstance(fact, Drilled) and fact.logical == logical]
    kept = [drill for drill in found if since is None or drill.started >= since]
    return tuple(sorted(kept, key=lambda drill: (drill.started, drill.name)))


def known_event(held: Iterable[Drilled], until: datetime | None) -> datetime | None:
    """The newest event that a drill has seen in a point no later than another one: it has to be there too."""
    seen = (
        drill.newest_event
        for drill in held
        if drill.newest_event and drill.passed and (until is None or drill.newest_event <= until)
    )
    return max(seen, default=None)


def restore_proven(
    drills: Drills,
    held: tuple[Drilled, ...],
    *,
    since: datetime | None,
    upcoming: datetime | None,
    now: datetime,
) -> Condition:
    """Whether a restore is known to work, and to be fast enough (B-4).

    `since`: from when on there is a database; `upcoming`: when the next drill is due.
    """
    kind, zone = RESTORE_PROVEN, drills.zone
    ahead = f"next drill {when(upcoming, zone)}" if upcoming else "the next drill begins as soon as it can"
    if not held:
        if since is not None and now >= since + drills.max_age:
            text = f"no restore was tried within {duration_text(drills.max_age)}; {ahead}. Provider must act"
            return Condition(kind, "False", "DrillOverdue", text)
        first = f"first drill {when(upcoming, zone)}" if upcoming else "the first drill follows a full backup"
        return Condition(kind, "Unknown", "NoneYet", first)
    last = held[-1]
    at = f"drill of {when(last.ended, zone)}"
    if not last.passed:
        text = f"{at}: {last.found}; {ahead}. Provider must act"
        return Condition(kind, "False", last.reason, text)
    if now >= last.ended + drills.max_age:
        text = f"the last {at} is older than {duration_text(drills.max_age)}; {ahead}. Provider must act"
        return Condition(kind, "False", "DrillOverdue", text)
    figures = f"{at}: {last.found}"
    if last.took is not None:
        figures += f", in {duration_text(last.took)} of {duration_text(drills.restore_time)} (B-4)"
        if last.took > drills.restore_time:
            return Condition(kind, "False", "RestoreTooSlow", f"{figures}; {ahead}. Provider must act")
    return Condition(kind, "True", "Proven", f"{figures}; {ahead}")


def next_change(
    drills: Drills, held: tuple[Drilled, ...], *, since: datetime | None, now: datetime
) -> datetime | None:
    """When the condition changes although nothing happens; None if it does not."""
    begun = held[-1].ended if held else since
    overdue = begun + drills.max_age if begun else None
    return overdue if overdue is not None and overdue > now else None
