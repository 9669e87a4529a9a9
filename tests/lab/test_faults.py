"""Archive, repository or sampler is broken: the right condition says so in time, nothing is claimed.

What the agent does not see is said here too: bytes that changed inside a file of a backup, which only reading
the file shows.
"""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from dedicated.contract.recovery.sampling import FRESH
from lab.load import load
from lab.repository import CommandError
from lab.server import until
from lab.trial import ARCHIVE_INTERVAL, RPO, Trial, destroy_and_restore, trial


def some_segments(made: Trial, count: int = 5) -> None:
    """Wait until so many segments are archived."""
    made.until_good()
    while len(made.lab.repository.segments()) < count:
        made.lab.primary.switch()
        made.ended.wait(0.3)


def test_a_segment_that_disappeared_is_named_at_the_next_listing(tmp_path: Path) -> None:
    with trial(tmp_path) as made, load(made.lab, clients=1) as clients:
        some_segments(made)
        middle = made.lab.repository.segments()[-2]
        held = tmp_path / "held"
        shutil.move(middle, held)
        made.until("WalContinuous", "False", "Gap")
        found = made.published().found
        assert found is not None
        assert [gap.count for gap in found.gaps] == [1]
        assert made.agent.metrics()["dedicated_backup_archive_gap_segments"] == 1
        later = made.verdicts(later=timedelta(seconds=RPO))
        assert later["RecoveryPointObjectiveMet"] == ("False", "ArchiveGap")
        made.lab.repository.backup("diff")
        made.until("WalContinuous", "True", "Continuous")
        made.until("RecoveryPointObjectiveMet", "True", "Met")
        outcome = destroy_and_restore(made, clients)
    assert outcome.false_claims == ()


@pytest.mark.slow
def test_what_is_behind_a_gap_is_not_claimed(tmp_path: Path) -> None:
    with trial(tmp_path) as made, load(made.lab, clients=1) as clients:
        some_segments(made)
        made.lab.repository.segments()[-2].unlink()
        made.until("WalContinuous", "False", "Gap")
        seen = len(made.record.writes)
        some = len(made.scraped)
        made.ended.wait(3)
        # What was said before the segment went was true then.
        del made.record.writes[: seen - 1], made.scraped[:some]
        outcome = destroy_and_restore(made, clients)
    assert outcome.lost > 0
    assert outcome.exposure >= outcome.loss
    assert outcome.false_claims == ()


@pytest.mark.slow
def test_a_repository_that_cannot_be_written_is_told_and_the_exposure_grows(tmp_path: Path) -> None:
    with trial(tmp_path) as made, load(made.lab, clients=1) as clients:
        made.until_good()
        folders = [path for path in made.lab.repository.stored.rglob("*") if path.is_dir()]
        for folder in folders:
            folder.chmod(0o550)
        made.lab.primary.switch()
        late = made.until("WalArchiving", "False", "Stalled", seconds=60)
        first = made.agent.metrics()["dedicated_backup_exposure_seconds"]
        made.ended.wait(3)
        second = made.agent.metrics()["dedicated_backup_exposure_seconds"]
        for folder in folders:
            folder.chmod(0o750)
        # A failed archiver is tried again in cycles of 60 s.
        made.until("WalArchiving", "True", "Archiving", seconds=90)
        outcome = destroy_and_restore(made, clients)
    assert late < 3 * ARCHIVE_INTERVAL + 15
    assert second - first == pytest.approx(3, abs=1)
    assert outcome.false_claims == ()


def test_nothing_is_claimed_of_a_sampler_that_is_dead(tmp_path: Path) -> None:
    with trial(tmp_path) as made:
        made.until_good()
        made.until("WalArchiving", "True", "Archiving")
        made.agent.kill()
        blind = made.verdicts(later=FRESH + timedelta(seconds=1))
        over = made.verdicts(later=timedelta(hours=1))
    assert blind["RecoveryPointObjectiveMet"][0] in {"Unknown", "False"}
    assert blind["WalArchiving"] == ("Unknown", "NotMeasured")
    assert over["RecoveryPointObjectiveMet"] == ("False", "ExposureTooHigh")
    assert over["WalContinuous"] == ("Unknown", "NotMeasured")


def flip(file: Path) -> None:
    """Change bytes in the middle of a file."""
    body = bytearray(file.read_bytes())
    middle = len(body) // 2
    body[middle : middle + 64] = bytes(byte ^ 0xFF for byte in body[middle : middle + 64])
    file.write_bytes(bytes(body))


@pytest.mark.slow
def test_what_changed_inside_a_backup_is_seen_by_a_verification_alone(tmp_path: Path) -> None:
    """A listing does not show it, and the engine's check and exit status are good; a restore fails."""
    with trial(tmp_path, verify_every=20) as made:
        made.until_good()
        files = [path for path in (made.lab.repository.stored / "backup").rglob("*") if path.is_file()]
        flip(max(files, key=lambda path: path.stat().st_size))
        made.lab.repository.run("check")
        assert made.verdicts()["WalContinuous"][0] == "True"
        made.until("RecoveryPointObjectiveMet", "False", "NoBackup", seconds=60)
        made.agent.kill()
        made.agent.start()
        written = len(made.record.writes)
        until(lambda: len(made.record.writes) > written + 1, "it writes again")
        claimed = [write.report.found for write in made.record.writes[written:]]
        assert [found.newest for found in claimed if found is not None and found.newest is not None] == []
        made.lab.destroy()
        with pytest.raises(CommandError):
            made.lab.restored()


@pytest.mark.slow
def test_a_segment_that_changed_is_as_good_as_missing_once_it_was_read(tmp_path: Path) -> None:
    with trial(tmp_path, verify_every=15) as made:
        some_segments(made)
        flip(made.lab.repository.segments()[-2])
        made.until("WalContinuous", "False", "Gap", seconds=90)
        found = made.published().found
        assert found is not None
        assert [gap.count for gap in found.gaps] == [1]
