"""barman-cloud's objects as facts: the recorded forms, and that what is not understood promises nothing."""

import bz2
import lzma
from datetime import UTC, datetime, timedelta

import pytest

from dedicated.contract.recovery.points import recoverability
from dedicated.contract.recovery.repository import Backup, Listing
from dedicated.contract.recovery.sampling import Memory
from dedicated.contract.recovery.wal import Ancestor, Segment, Stretch
from dedicated.parts.database.barman import HISTORY_LIMIT, ancestors_in, archive_of, backups_in
from parts.barman_recorded import HISTORY, HISTORY_NAME, INFOS, NEWER, OLDER, SIZES

ANCESTORS = (Ancestor(1, 0x5000060),)
LINE = b"1\t0/5000060\tno recovery target specified\n"


def test_backups_are_read() -> None:
    older, newer = backups_in(INFOS, SIZES)
    assert older == Backup(
        "20261128T102741",
        "full",
        datetime(2026, 11, 28, 10, 27, 41, 219998, tzinfo=UTC),
        datetime(2026, 11, 28, 10, 27, 44, 649390, tzinfo=UTC),
        Segment(1, 2),
        Segment(1, 2),
        0x2000028,
        0x2000100,
        (),
        failed=False,
        stored=3105723,
        database=23142089,
    )
    assert (newer.first, newer.start, newer.end) == (Segment(2, 6), 0x6000028, 0x6000100)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("status=DONE", "status=FAILED"),
        ("status=DONE", "status=WAITING_FOR_WALS"),
        ("status=DONE\n", ""),
        ("begin_wal=0", "begin_wal=G"),
        ("end_xlog=0/", "end_xlog=None"),
        ("+00:00\nend_wal", "\nend_wal"),
        ("end_time=2026", "end_time=2025"),
    ],
)
def test_what_is_not_a_whole_backup_is_none(old: str, new: str) -> None:
    assert old in OLDER
    assert backups_in({"base/a/backup.info": OLDER.replace(old, new)}, {}) == ()


def test_an_error_and_a_parent_are_told() -> None:
    text = OLDER.replace("error=None", "error=no space").replace(
        "parent_backup_id=None", "parent_backup_id=20261127T010000"
    )
    (backup,) = backups_in({"base/a/backup.info": text}, {})
    assert (backup.failed, backup.kind, backup.needs) == (True, "incremental", ("20261127T010000",))
    (sound,) = backups_in({"base/a/backup.info": NEWER}, {})
    assert not sound.failed


def test_the_archive_is_of_whole_segments_in_their_own_folder() -> None:
    archive = archive_of(SIZES)
    assert archive.segments == {1: (Stretch(1, 4),), 2: (Stretch(5, 7),)}
    assert archive.histories == {2}
    stray = {
        "wals/0000000100000000/000000010000000000000008.gz": 0,
        "wals/0000000200000000/000000010000000000000009.gz": 7,
        "other/0000000100000000/00000001000000000000000A.gz": 7,
        "wals/0000000100000000/00000001000000000000000B.gz.tmp": 7,
    }
    assert archive_of({**SIZES, **stray}) == archive


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        (HISTORY_NAME, HISTORY, ANCESTORS),
        ("wals/00000002.history", LINE, ANCESTORS),
        ("wals/00000002.history.bz2", bz2.compress(LINE), ANCESTORS),
        ("wals/00000002.history.xz", lzma.compress(LINE), ANCESTORS),
        ("wals/00000002.history.zst", LINE, ()),
        (HISTORY_NAME, HISTORY[:-12], ()),
        (HISTORY_NAME, LINE, ()),
        ("wals/00000002.history.bz2", LINE, ()),
        ("wals/00000002.history.xz", LINE, ()),
        ("wals/00000002.history.bz2", bz2.compress(b"#" * 2 * HISTORY_LIMIT + b"\n" + LINE), ()),
        ("wals/00000002.history", b"\xff", ()),
        ("", b"", ()),
    ],
    ids=range(12),
)
def test_a_history_is_unpacked_or_not_believed(
    name: str, content: bytes, found: tuple[Ancestor, ...]
) -> None:
    assert ancestors_in(name, content) == found


def test_the_recorded_repository_has_no_gap() -> None:
    at = datetime(2026, 11, 28, 10, 29, tzinfo=UTC)
    listing = Listing(
        at=at,
        archive=archive_of(SIZES),
        backups=backups_in(INFOS, SIZES),
        ancestors=ancestors_in(HISTORY_NAME, HISTORY),
    )
    found = recoverability(listing, Memory(), now=at + timedelta(seconds=1))
    assert found.backup is not None
    assert (found.backup.label, found.gaps) == ("20261128T102803", ())
    assert found.earliest == datetime(2026, 11, 28, 10, 27, 44, 649390, tzinfo=UTC)
