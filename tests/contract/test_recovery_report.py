"""A report survives its way as text, and what is none is not taken for one."""

from datetime import UTC, datetime, timedelta

from dedicated.api.store import Store, Target
from dedicated.contract.recovery.points import Recoverability
from dedicated.contract.recovery.report import (
    Failover,
    Replication,
    Report,
    Standby,
    Trouble,
    from_json,
    to_json,
)
from dedicated.contract.recovery.repository import Backup
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.sampling import Archiver, Memory, Primary, Sample
from dedicated.contract.recovery.wal import Segment, Stretch

NOW = datetime(2026, 11, 2, 12, 0, 7, 250_000, tzinfo=UTC)
BACKUP = Backup("20261102F", "full", NOW, NOW, Segment(1, 3), Segment(1, 4), 50, 60, ("x",), False, 7, 8)
FULL = Report(
    written=NOW,
    incarnation="uid",
    found=Recoverability(NOW, None, BACKUP, 70, 2, NOW, (Stretch(5, 6),), True, NOW),
    memory=Memory(
        (Sample(NOW, 71, 2),), (Archiver(NOW, 2, "a", 1),), Primary(NOW, None, timedelta(minutes=5))
    ),
    backups=(BackupRun("full", NOW, NOW, stored=7, label="20261102F"),),
    replication=Replication(NOW, "db-0", 2, 71, (Standby("db-1", "streaming", "quorum", 70),), 1),
    failover=Failover(NOW, NOW, 2),
    stores=(
        Store(
            NOW,
            "b",
            role="Copy",
            endpoint="s3.amazonaws.com",
            region="eu-central-1",
            targets=(Target("c", ""), Target("d")),
            encryption="AES256",
            lock_days=0,
            unanswered=("Location of d: AccessDenied",),
        ),
        Store(NOW, "c", "Copy", versioned=True),
    ),
    troubles=(Trouble("Database", NOW, "connection refused"),),
)


def test_a_report_comes_back_as_it_was() -> None:
    assert from_json(to_json(FULL)) == FULL
    assert from_json(to_json(Report(NOW, "uid"))) == Report(NOW, "uid")
    assert to_json(FULL) == to_json(FULL)


def test_what_does_not_fit_is_no_report() -> None:
    assert from_json("") is None
    assert from_json("{}") is None
    assert from_json(to_json(FULL).replace('"full"', '"wide"')) is None
