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


@pytest.mark.slow
def test_what_changed_inside_a_backup_is_not_seen_by_a_listing_and_no_restore_passes_it_over(
    tmp_path: Path,
) -> None:
    """Only reading the backup shows it: a verification or a drill names it `bad`, and then it is not used."""
    with trial(tmp_path) as made:
        made.until_good()
        backup = made.lab.repository.stored / "backup"
        files = [path for path in backup.rglob("*") if path.is_file()]
        largest = max(files, key=lambda path: path.stat().st_size)
        body = bytearray(largest.read_bytes())
        middle = len(body) // 2
        body[middle : middle + 64] = bytes(byte ^ 0xFF for byte in body[middle : middle + 64])
        largest.write_bytes(bytes(body))
        listed = made.published().found
        assert listed is not None
        until(
            lambda: (found := made.published().found) is not None and found.listed_at > listed.listed_at,
            "the next listing",
        )
        assert made.verdicts()["WalContinuous"] == ("True", "Continuous")
        made.lab.destroy()
        with pytest.raises(CommandError, match=r"\[0(26|29)\]|checksum|zst|decrypt"):
            made.lab.restored()
