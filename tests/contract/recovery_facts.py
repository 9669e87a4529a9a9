"""Facts of a repository for tests, in seconds from a start and segments of 16 MiB."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dedicated.api.store import Store
from dedicated.contract.recovery.repository import Archive, Backup, BackupKind, Listing
from dedicated.contract.recovery.sampling import Sample
from dedicated.contract.recovery.wal import SEGMENT, Ancestor, Segment, stretches

AMAZON = "s3.eu-central-2.amazonaws.com"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


def good_store(at: datetime, name: str = "acme-backup") -> Store:
    """A bucket as it must be, read at a time."""
    return Store(
        at,
        name,
        endpoint=AMAZON,
        region="eu-central-2",
        targets=(),
        encryption="AES256",
        versioned=True,
        lock_days=14,
        public=False,
        writable=True,
    )


def sample(at: float, segments: float, *, line: int = 1) -> Sample:
    """A sample; its position in segments."""
    return Sample(second(at), int(segments * SEGMENT), line)


def backup(
    segment: int,
    *,
    at: float = 0,
    line: int = 1,
    kind: BackupKind = "full",
    needs: tuple[str, ...] = (),
    failed: bool = False,
    stored: int = 40_000_000,
) -> Backup:
    """A backup of ten seconds that lies in one segment."""
    where, begin = Segment(line, segment), segment * SEGMENT
    return Backup(
        f"{kind}-{line}-{segment}",
        kind,
        second(at),
        second(at + 10),
        where,
        where,
        begin + 40,
        begin + 400,
        needs,
        failed,
        stored=stored,
        database=400_000_000,
    )


def listing(
    lines: dict[int, Sequence[int]],
    *backups: Backup,
    at: float = 0,
    forks: dict[int, float] | None = None,
    archived: Segment | None = None,
) -> Listing:
    """A listing: segments by timeline, and where each timeline ended, in segments."""
    ends = forks or {}
    return Listing(
        second(at),
        Archive(
            {line: stretches(numbers) for line, numbers in lines.items()},
            frozenset(range(2, max(ends, default=0) + 2)),
        ),
        backups,
        tuple(Ancestor(line, int(end * SEGMENT)) for line, end in ends.items()),
        archived_before=archived,
    )
