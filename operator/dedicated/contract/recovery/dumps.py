"""Drills by a dump: once a month the way out that needs no engine is tried too (B-4, X-1).

A restore by the engine proves the engine's backups. That the data can also leave as a dump, and come back in
an empty server of its own, is another claim, and the one that is left when an engine is the trouble. It costs
a read of all data on the primary, so it is due once in 30 days, at a time that is drawn by the instance: a
fleet does not dump at once, and an operator that ends in between draws the same. One that failed is tried
again a day later. The first waits until a restore has been proven for a week. A slot that is past by more
than a day is not made up for: the next one is 30 days on.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from dedicated.api.conditions import Condition, shorten
from dedicated.contract.dates import DAY, when
from dedicated.contract.facts import Drilled
from dedicated.contract.recovery.drills import FOUND_LENGTH

EVERY, AGAIN, FIRST_AFTER = 30 * DAY, DAY, 7 * DAY
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Slots are counted from here."""
GIB, SCRATCH = 2**30, 20
"""Bytes, and how many of these a volume has at least."""
IMPORTED, FAILED = "Imported", "DumpNotProven"
"""Reasons of a drill by a dump."""


def due_dump(
    identity: str, held: tuple[Drilled, ...], dumps: tuple[Drilled, ...], *, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The slot whose dump is to be made now, None where none is; and the next one, where one is foreseen.

    `held` are the restores that were tried, `dumps` the dumps, each oldest first.
    """
    if dumps and not dumps[-1].passed:
        at = dumps[-1].ended + AGAIN
        return (at, None) if at <= now else (None, at)
    proven = next((drill.ended for drill in held if drill.passed), None)
    if proven is None:
        return None, None
    since = max(dumps[-1].started if dumps else proven, proven + FIRST_AFTER)
    newest = _newest(identity, now)
    if newest > since and now - newest < DAY:
        return newest, newest + EVERY
    return None, max(newest + EVERY, _newest(identity, since) + EVERY)


def _newest(identity: str, now: datetime) -> datetime:
    """The newest slot that is not later."""
    seconds = int(EVERY.total_seconds())
    drawn = int.from_bytes(sha256(f"{identity} dump".encode()).digest()[:8]) % seconds
    first = EPOCH - EVERY + timedelta(seconds=drawn)
    return first + (now - first) // EVERY * EVERY


def with_dump(found: Condition, dumped: Drilled | None, *, zone: str) -> Condition:
    """Whether a restore is known to work, with what the last dump has shown; as it was where there is none.

    A dump that failed turns True into False; what is False or Unknown for another reason stays.
    """
    if dumped is None or found.status != "True":
        return found
    told = f"dump of {when(dumped.ended, zone)}: {shorten(dumped.found, FOUND_LENGTH)}"
    if dumped.passed:
        return replace(found, message=f"{found.message}; {told}")
    return replace(found, status="False", reason=dumped.reason, message=f"{told}. Provider must act")


def scratch_of(size: int) -> str:
    """The volume for the dump of a database of so many bytes, and its import: twice as much, and some."""
    return f"{max(SCRATCH, -(-2 * size // GIB) + 1)}Gi"


def dump_name(instance: str, slot: datetime) -> str:
    """Of the InstanceExport of a slot: the same however often it is asked for."""
    return f"{instance}-dump-{slot:%Y%m%d%H%M}"


def dumped_fact(
    export: str, *, passed: bool, found: str, started: datetime, ended: datetime, size: int, took: timedelta
) -> Drilled:
    """What there is to record of one that is over."""
    return Drilled(
        name="",
        at=ended,
        by="",
        restore=export,
        passed=passed,
        reason=IMPORTED if passed else FAILED,
        found=found,
        started=started,
        ended=max(started, ended),
        size=size,
        took=took if passed else None,
        logical=True,
    )
