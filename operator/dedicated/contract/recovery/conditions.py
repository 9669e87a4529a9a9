"""Recoverability as conditions: is the objective met, is the log archived, is it without a gap?

What was not measured just now is `Unknown`, never `True`. `False` is said of what is certain even then:
time that passes makes an exposure larger by itself. Each condition tells when it changes although nothing
happens, so that nobody has to look in between.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from dedicated.api.conditions import DATA_PROTECTED, RPO_MET, WAL_ARCHIVING, WAL_CONTINUOUS, Condition
from dedicated.api.duration import duration_text
from dedicated.contract.dates import when
from dedicated.contract.recovery.objectives import RecoveryObjectives
from dedicated.contract.recovery.points import LISTING_FRESH, Recoverability
from dedicated.contract.recovery.sampling import FRESH, Memory, Primary
from dedicated.contract.recovery.wal import SEGMENT, Segment, Stretch, segment_name

AT_RISK = 4
"""A quarter of the objective used up is told, while it is still met (B-3)."""
STALLED_AFTER = 3
"""Archive intervals after which a position that is not archived is late."""
SHOWN = 3
"""Gaps named in a message."""


def rpo_met(
    found: Recoverability | None,
    memory: Memory,
    promised: RecoveryObjectives,
    *,
    zone: str,
    now: datetime,
) -> Condition:
    """Whether the disaster RPO is met (B-3)."""
    kind, objective = RPO_MET, promised.disaster_rpo
    if found is None:
        return Condition(kind, "Unknown", "NotMeasured", "the repository has not been listed yet")
    exposure = found.exposure(now)
    if exposure is None or found.newest is None:
        text = "the repository holds no backup that can be restored. Provider must act"
        return Condition(kind, "False", "NoBackup", text)
    text = (
        f"newest recoverable point {when(found.newest, zone)}; objective {duration_text(objective)}, "
        f"missed from {when(found.newest + objective, zone)}"
    )
    if exposure >= objective:
        reason = "ArchiveGap" if found.gaps else "ExposureTooHigh"
        return Condition(kind, "False", reason, f"{text}. Provider must act")
    if found.superseded:
        return Condition(kind, "Unknown", "TimelineChanged", f"{text}; the listing is of before a failover")
    if not is_fresh(memory, now):
        return Condition(kind, "Unknown", "NotMeasured", f"{text}; {_last_sample(memory, zone)}")
    reason = "AtRisk" if exposure >= objective / AT_RISK else "Met"
    return Condition(kind, "True", reason, text)


def wal_archiving(
    found: Recoverability | None,
    memory: Memory,
    promised: RecoveryObjectives,
    *,
    zone: str,
    now: datetime,
) -> Condition:
    """Whether the primary's log reaches the repository."""
    kind = WAL_ARCHIVING
    if found is None or not is_fresh(memory, now):
        return Condition(kind, "Unknown", "NotMeasured", _last_sample(memory, zone))
    failures = [one.failures for one in memory.archiver]
    if len(failures) > 2 and all(one < other for one, other in pairwise(failures)):
        text = f"archiving fails, {failures[-1]} times so far. Provider must act"
        return Condition(kind, "False", "Failing", text)
    if found.superseded:
        return Condition(kind, "Unknown", "TimelineChanged", "the listing is of before a failover")
    late = late_from(found, memory.primary, promised)
    if late is None:
        return Condition(kind, "True", "Archived", "all that the samples saw is archived")
    since = f"what was written by {when(found.ahead_since or late, zone)} is not archived"
    if now >= late:
        text = f"{since}, due {when(late, zone)}. Provider must act"
        return Condition(kind, "False", "Stalled", text)
    return Condition(kind, "True", "Archiving", f"{since} yet, due {when(late, zone)}")


def late_from(
    found: Recoverability, primary: Primary | None, promised: RecoveryObjectives
) -> datetime | None:
    """From when on a position that is not archived counts as late; None where all of them are archived.

    After a start without a checkpoint, the first switch may take the checkpoint interval: PostgreSQL
    sleeps through its archive timeout.
    """
    if found.ahead_since is None:
        return None
    late = found.ahead_since + STALLED_AFTER * promised.archive_interval
    if primary is None or (primary.checkpointed is not None and primary.checkpointed >= primary.started):
        return late
    return max(late, primary.started + primary.checkpoint_timeout + promised.archive_interval)


def wal_continuous(
    found: Recoverability | None, *, zone: str, now: datetime, size: int = SEGMENT
) -> Condition:
    """Whether the log is held without a gap from the backup that a restore begins with.

    `size` is a segment's. Missing ones are named by number, as the files are behind their timeline.
    """
    kind = WAL_CONTINUOUS
    if found is None:
        return Condition(kind, "Unknown", "NotMeasured", "the repository has not been listed yet")
    listed = f"listed {when(found.listed_at, zone)}"
    if found.backup is None:
        return Condition(kind, "Unknown", "NoBackup", f"no backup to replay from; {listed}")
    if found.gaps:
        reason = "HoleAfterFailover" if found.after_failover else "Gap"
        named = "; ".join(_named(found, gap, size) for gap in found.gaps[:SHOWN])
        more = f" and {len(found.gaps) - SHOWN} more gaps" if len(found.gaps) > SHOWN else ""
        count = sum(gap.count for gap in found.gaps)
        text = f"{count} segments missing ({named}{more}); a differential repairs it. Provider must act"
        return Condition(kind, "False", reason, f"{text}; {listed}")
    if found.superseded:
        return Condition(kind, "Unknown", "TimelineChanged", f"{listed}, before a failover")
    if now - found.listed_at > LISTING_FRESH:
        text = f"{listed}, more than {duration_text(LISTING_FRESH)} ago"
        return Condition(kind, "Unknown", "NotMeasured", text)
    return Condition(kind, "True", "Continuous", f"no gap since backup {found.backup.label}; {listed}")


def aggregate(conditions: Iterable[Condition]) -> Condition:
    """`DataProtected`: true only where all are; false as soon as one is, whatever is not known."""
    every = tuple(conditions)
    for status, reason in (("False", "NotProtected"), ("Unknown", "NotMeasured")):
        names = ", ".join(sorted(f"{one.type} ({one.reason})" for one in every if one.status == status))
        if names:
            return Condition(DATA_PROTECTED, "False" if status == "False" else "Unknown", reason, names)
    return Condition(DATA_PROTECTED, "True", "Protected", f"all {len(every)} checks are good")


def next_change(
    found: Recoverability | None, memory: Memory, promised: RecoveryObjectives, *, now: datetime
) -> datetime | None:
    """When one of these conditions changes next if nothing happens; None if none does."""
    return min((at for at in _changes(found, memory, promised) if at > now), default=None)


def is_fresh(memory: Memory, now: datetime) -> bool:
    """Whether the newest sample says something of now."""
    return memory.latest is not None and now - memory.latest.at <= FRESH


def _changes(
    found: Recoverability | None, memory: Memory, promised: RecoveryObjectives
) -> Iterator[datetime]:
    just_after = timedelta(seconds=1)
    if memory.latest is not None:
        yield memory.latest.at + FRESH + just_after
    if found is None:
        return
    yield found.listed_at + LISTING_FRESH + just_after
    if found.newest is not None:
        yield found.newest + promised.disaster_rpo / AT_RISK
        yield found.newest + promised.disaster_rpo
    late = late_from(found, memory.primary, promised)
    if late is not None:
        yield late


def _last_sample(memory: Memory, zone: str) -> str:
    if memory.latest is None:
        return "the primary has not been sampled yet"
    return f"last sample of the primary {when(memory.latest.at, zone)}, more than {duration_text(FRESH)} ago"


def _named(found: Recoverability, gap: Stretch, size: int) -> str:
    first, last = (segment_name(Segment(found.timeline, n), size=size)[8:] for n in (gap.first, gap.last))
    return first if first == last else f"{first} to {last}"
