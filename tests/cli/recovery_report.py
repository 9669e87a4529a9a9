"""What a recovery agent has reported, for the commands that tell of it."""

from dataclasses import replace
from datetime import timedelta

from builders import UID
from cli.running import NOW
from contract.recovery_facts import backup, listing
from dedicated.contract.recovery.points import recoverability
from dedicated.contract.recovery.report import Failover, Report
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.sampling import Memory, Sample
from dedicated.contract.recovery.wal import SEGMENT

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def run(at: timedelta, kind: str, label: str, *, failed: bool = False) -> BackupRun:
    begun = NOW - at
    return BackupRun(
        "full" if kind == "full" else "differential",
        begun,
        begun + 5 * MINUTE,
        failed,
        stored=41_000_000 if kind == "full" else 1_900_000,
        label=label,
        error="the repository is full" if failed else "",
    )


def report(*, held: range | list[int] = range(3, 9)) -> Report:
    """As of 20 s ago: a full backup of the night, a failed and a good differential, a failover."""
    written = NOW - timedelta(seconds=20)
    full = replace(backup(3), started=NOW - 8 * HOUR, completed=NOW - 8 * HOUR + 5 * MINUTE)
    memory = Memory((Sample(NOW - 18 * MINUTE, int(7.5 * SEGMENT), 1),))
    known = replace(listing({1: [*held]}, full), at=NOW - 2 * MINUTE)
    runs = (
        run(HOUR, "differential", "20261128-080000D"),
        run(2 * HOUR, "differential", "", failed=True),
        run(8 * HOUR, "full", "20261128-010000F"),
    )
    last = Failover(NOW - 3 * HOUR, NOW - 3 * HOUR + timedelta(seconds=14), 1)
    return Report(written, UID, recoverability(known, memory, now=NOW), memory, runs, failover=last)
