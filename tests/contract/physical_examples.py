"""What a repository holds of two backups and their log, and the manifest of a physical export of it."""

from datetime import UTC, datetime, timedelta

from contract.recovery_facts import backup, listing
from dedicated.contract.transfer.export import File
from dedicated.contract.transfer.physical_export import FORMAT, Addressed, PhysicalManifest, Place, Reached

WRITTEN = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
PLACE = Place("db", "17-1")
FULL, LATER = backup(3), backup(6, at=60, kind="differential", needs=("full-1-3",))
LISTING = listing({1: range(1, 9), 2: range(8, 11)}, backup(1), FULL, LATER, forks={1: 8.5})
"""Segments 1 to 8 of the first timeline, 8 to 10 of the second, which began within segment 8."""
SUM = "a" * 40
FILES = frozenset({"full-1-3/bundle/1", "full-1-3/pg_data/base/5/16407", "full-1-3/pg_data/backup_label"})


def segment(line: int, number: int) -> str:
    """Where the repository has a segment."""
    name = f"{line:08X}00000000{number:08X}"
    return f"{PLACE.archive}{name[:16]}/{name}-{SUM}.zst"


SIZES = {
    **{segment(1, number): 100 + number for number in range(1, 9)},
    **{segment(2, number): 200 + number for number in range(8, 11)},
    f"{PLACE.archive}0000000100000000/000000010000000000000003.00000028.backup": 40,
    f"{PLACE.archive}00000002.history": 30,
    "backup/db/full-1-3/backup.manifest": 900,
    "backup/db/full-1-3/bundle/1": 5000,
    "backup/db/full-1-3/pg_data/base/5/16407.pgbi": 700,
    "backup/db/full-1-3/pg_data/backup_label.zst": 20,
    "backup/db/differential-1-6/backup.manifest": 800,
}
MANIFEST = PhysicalManifest(
    format=FORMAT,
    export="order",
    instance="acme",
    namespace="customer",
    incarnation="uid",
    zitadel="v4.7.1",
    fingerprint="f" * 32,
    recipient="age1" + "q" * 58,
    engine="pgBackRest",
    program="2.58",
    major=17,
    stanza="db",
    cipher=True,
    backup="20261128-010000F",
    database_bytes=2_000_000_000,
    reached=Reached(2, "0/B000000", WRITTEN),
    written=WRITTEN,
    expires=WRITTEN + timedelta(hours=24),
    objects=(Addressed("backup/db/20261128-010000F/bundle/1", 5000), Addressed(segment(2, 9), 209, SUM)),
    files=(File("addresses.curl", 10, "a" * 64, 200, "b" * 64),),
)
