"""What a start of the primary, a failover or a gap asks for: a checkpoint, a backup, an audit.

After each start of PostgreSQL the first forced switch of the log comes only after a checkpoint interval;
until then nothing is archived in a quiet database. After a promotion the segments that the dead primary
had finished and not archived are archived by nobody: only a backup on the new timeline closes the hole,
and it fails until a checkpoint was made there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dedicated.contract.recovery.points import Recoverability
from dedicated.contract.recovery.repository import Listing
from dedicated.contract.recovery.sampling import Memory

AUDIT_EVERY = timedelta(minutes=5)
REPAIR_WITHIN = timedelta(minutes=10)
"""From a change of timeline, or from when a gap was seen, to the backup that repairs it."""

What = Literal["Checkpoint", "Audit", "Differential", "Full"]


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do now, the reason, and the time by which it is to be done."""

    what: What
    reason: str
    due: datetime


def duties(
    memory: Memory, listing: Listing | None, found: Recoverability | None, *, now: datetime
) -> tuple[Duty, ...]:
    """What is to be done, in the order in which it has to be.

    A backup after a promotion needs the checkpoint before it. `found` is what the listing came to. A duty
    that was done is gone at the next reading.
    """
    every = (_checkpoint(memory, now), _audit(memory, listing, now), _backup(memory, listing, found))
    return tuple(duty for duty in every if duty is not None)


def next_audit(listing: Listing) -> datetime:
    """When the repository is to be listed again, if nothing happens before."""
    return listing.at + AUDIT_EVERY


def _checkpoint(memory: Memory, now: datetime) -> Duty | None:
    primary, changed = memory.primary, _changed(memory)
    if primary is None:
        return None
    since = max(primary.started, changed) if changed else primary.started
    if primary.checkpointed is not None and primary.checkpointed >= since:
        return None
    return Duty("Checkpoint", "TimelineChanged" if changed == since else "PrimaryStarted", now)


def _audit(memory: Memory, listing: Listing | None, now: datetime) -> Duty | None:
    latest = memory.latest
    if listing is None:
        return Duty("Audit", "NeverListed", now)
    if latest is not None and latest.timeline > listing.archive.newest:
        return Duty("Audit", "TimelineChanged", now)
    return Duty("Audit", "Interval", next_audit(listing)) if now >= next_audit(listing) else None


def _backup(memory: Memory, listing: Listing | None, found: Recoverability | None) -> Duty | None:
    if listing is None or found is None:
        return None
    if found.backup is None:
        return Duty("Full", "NoBackup", listing.at + REPAIR_WITHIN)
    latest, changed = memory.latest, _changed(memory)
    if latest is not None and latest.timeline > found.backup.first.timeline:
        return Duty("Differential", "TimelineChanged", (changed or listing.at) + REPAIR_WITHIN)
    if found.gaps:
        return Duty("Differential", "Gap", listing.at + REPAIR_WITHIN)
    return None


def _changed(memory: Memory) -> datetime | None:
    """The first sample on the timeline of now, where there are samples on an earlier one too."""
    latest = memory.latest
    if latest is None or memory.samples[0].timeline == latest.timeline:
        return None
    return next(one.at for one in memory.samples if one.timeline == latest.timeline)
