"""Which servers follow the primary, and since when one does not: what the agent keeps over its readings.

The primary shows who streams from it, and nobody else: who has gone leaves no trace there. A host that hangs
is shown as streaming for as long as `wal_sender_timeout` (60 s). So of each standby the last time is kept at
which it streamed and had stored what the primary had written by the reading before, or at least more than by
then: each reading is behind a heartbeat, so there is always something to store.

The primary does not show a standby's timeline either; the servers tell their own (`Member`).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from dedicated.contract.recovery.report import GONE, Member, Replication, Standby

STREAMING = "streaming"
COPYING = "backup"
"""State of a base backup that is taken: no standby."""
COPIERS = frozenset({"pg_basebackup", "pg_receivewal"})
"""Names of PostgreSQL's own programs, which stream as a standby does."""
STALLED = timedelta(seconds=10)
"""A standby that stored nothing for so long, while there was something to store, does not follow."""
FORGOTTEN = timedelta(days=1)
"""After which one that does not come back is told no more: it may have been removed for good."""


def followed(before: Replication | None, seen: Replication) -> Replication:
    """A reading with what is known from before: since when each standby, and each member, is as it is."""
    known = {one.name: one for one in before.standbys} if before else {}
    shown = [one for one in seen.standbys if one.state != COPYING and one.name not in COPIERS]
    standbys = [_dated(one, known.get(one.name), before, seen) for one in shown]
    own = {one.name for one in seen.members if is_primary(one, seen)}
    names = {one.name for one in shown} | own | {seen.primary}
    missing = [one for one in known.values() if one.name not in names]
    gone = [
        replace(one, state=GONE, sync="")
        for one in missing
        if one.followed is not None and seen.at - one.followed <= FORGOTTEN
    ]
    return replace(seen, standbys=(*standbys, *gone))


def _dated(one: Standby, old: Standby | None, before: Replication | None, seen: Replication) -> Standby:
    if old is None or before is None:
        return replace(one, followed=seen.at if one.state == STREAMING else None)
    stands_anew = before.timeline != seen.timeline or old.state != STREAMING
    stores = stands_anew or one.flushed >= before.position or one.flushed > old.flushed
    return replace(one, followed=seen.at if one.state == STREAMING and stores else old.followed)


def dated(before: Iterable[Member], now: Iterable[Member]) -> tuple[Member, ...]:
    """Members with the time since when each is on its timeline, and follows or does not."""
    known = {(one.address, one.standby, one.following, one.timeline): one.since or one.at for one in before}
    return tuple(
        replace(one, since=known.get((one.address, one.standby, one.following, one.timeline), one.at))
        for one in now
    )


def is_primary(member: Member, known: Replication) -> bool:
    """Whether a member is the primary that was read."""
    return bool(known.address) and member.address == known.address and not member.standby


def ranked(members: Iterable[Member]) -> tuple[Member, ...]:
    """By what each holds, most first: the timeline decides, then the position. By the position alone, one
    that left the history could come before one that holds every commit."""
    return tuple(sorted(members, key=lambda one: (one.timeline, one.position), reverse=True))
