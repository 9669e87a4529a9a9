"""Recoverability of what was measured: the archive's hole after a failover, gaps, first minutes, regimes."""

from datetime import timedelta

import pytest

from contract.recovery_facts import backup, listing, sample, second
from dedicated.contract.recovery.points import LISTING_FRESH, Rates, Recoverability, recoverability
from dedicated.contract.recovery.repository import Listing
from dedicated.contract.recovery.sampling import Archiver, Memory, Sample
from dedicated.contract.recovery.wal import SEGMENT, Segment, Stretch, segment_name

MINUTE = timedelta(minutes=1)


def judged(found: Listing, *samples: Sample, now: float = 600, archived: int = 0) -> Recoverability:
    reading = Archiver(
        second(now), found.archive.newest, segment_name(Segment(found.archive.newest, archived))
    )
    return recoverability(found, Memory(samples, (reading,) if archived else ()), now=second(now))


FORK = {1: 8.1}
FULL = backup(3)


@pytest.mark.parametrize(
    ("found", "last", "gaps", "after_failover"),
    [
        (listing({1: range(3, 8), 2: range(8, 13)}, FULL, forks=FORK), 12, (), False),
        (listing({1: range(3, 5), 2: range(8, 13)}, FULL, forks=FORK), 4, (Stretch(5, 7),), True),
        (listing({1: range(3, 5)}, FULL, forks=FORK), 4, (Stretch(5, 7),), True),
        (
            listing({1: range(3, 5), 2: range(8, 15)}, FULL, backup(10, line=2, at=60), forks=FORK),
            14,
            (),
            False,
        ),
        (listing({1: range(3, 13), 2: range(8, 11)}, FULL, forks=FORK), 10, (), False),
        (listing({1: [*range(3, 9)], 2: range(9, 11)}, FULL, forks=FORK), 7, (Stretch(8, 8),), False),
        (listing({1: [*range(3, 9), 10, 11]}, FULL), 8, (Stretch(9, 9),), False),
        (listing({1: [*range(3, 9), 10, 11]}, FULL, archived=Segment(1, 11)), 8, (Stretch(9, 9),), False),
        (listing({1: [*range(3, 9), 10, 11]}, FULL, archived=Segment(1, 8)), 8, (), False),
        (listing({1: range(3, 9)}, FULL, archived=Segment(1, 9)), 8, (Stretch(9, 9),), False),
        (listing({1: range(3, 6), 2: range(6, 11)}, FULL, forks=FORK), 5, (Stretch(6, 7),), True),
    ],
    ids=[
        "no hole",
        "hole after a failover",
        "the same before the new primary archived anything",
        "repaired by a differential",
        "an old primary archived past the fork",
        "the fork's segment only of the old primary",
        "a gap",
        "a gap that the archiver passed",
        "a segment in flight",
        "the last segment lost again",
        "files of a timeline that had not begun",
    ],
)
def test_what_was_measured(
    found: Listing, last: int, gaps: tuple[Stretch, ...], *, after_failover: bool
) -> None:
    result = judged(found)
    assert result.frontier == (last + 1) * SEGMENT
    assert (result.gaps, result.after_failover) == (gaps, after_failover)


@pytest.mark.parametrize(
    "found",
    [
        listing({}),
        listing({1: range(3, 9)}),
        listing({1: range(4, 9)}, FULL),
        listing({1: range(3, 9)}, backup(3, failed=True)),
        listing({1: range(3, 9)}, backup(3, kind="differential", needs=("full-1-1",))),
        listing({1: range(3, 9), 3: range(9, 11)}, FULL, forks={1: 9.0}),
        listing({1: range(3, 13)}, backup(10), forks=FORK),
    ],
    ids=["empty", "none", "own segment missing", "failed", "its full gone", "no history", "behind the fork"],
)
def test_a_backup_that_cannot_be_replayed_promises_nothing(found: Listing) -> None:
    result = judged(found, sample(100, 5))
    assert (result.newest, result.backup, result.exposure(second(600))) == (None, None, None)
    assert result.restore_time(Rates()) is None


def test_a_backup_found_bad_gives_way_to_the_one_before() -> None:
    later = backup(6, at=300)
    found = listing({1: range(3, 9)}, FULL, later)
    assert judged(found).backup == later
    bad = Listing(found.at, found.archive, found.backups, bad=frozenset({later.label}))
    assert judged(bad).backup == FULL


def test_before_the_first_switch_the_newest_point_is_the_backups_own() -> None:
    result = judged(listing({1: [3]}, FULL), sample(30, 4.2), sample(60, 4.3), now=61)
    assert result.newest == second(0)
    assert result.exposure(second(61)) == timedelta(seconds=61)
    assert result.headroom(second(61), 60 * MINUTE) == timedelta(seconds=3539)
    assert result.ahead_since == second(30)
    assert result.earliest is None


def test_samples_tell_the_newest_point_and_the_archiver_carries_it_on() -> None:
    samples = [sample(at, 3 + at / 60) for at in range(0, 601, 30)]
    found = listing({1: range(3, 10)}, FULL, at=420, archived=Segment(1, 9))
    assert judged(found, *samples).newest == second(420)
    carried = judged(found, *samples, archived=11)
    assert (carried.newest, carried.frontier) == (second(540), 12 * SEGMENT)
    assert carried.earliest == second(10)
    late = 420 + LISTING_FRESH.total_seconds() + 1
    assert judged(found, *samples, archived=11, now=late).newest == second(420)


def test_a_segment_lost_after_it_was_archived_is_not_believed_by_the_report() -> None:
    found = listing({1: range(3, 9)}, FULL, archived=Segment(1, 9))
    assert judged(found, sample(100, 9.5), archived=9).newest == second(0)


def test_the_report_of_a_later_timeline_carries_nothing_on() -> None:
    found = listing({1: range(3, 9)}, FULL, archived=Segment(1, 8))
    reading = Archiver(second(600), 2, segment_name(Segment(2, 12)))
    memory = Memory((sample(100, 9.5),), (reading,))
    assert recoverability(found, memory, now=second(600)).newest == second(0)


def test_a_sample_one_byte_behind_the_frontier_is_not_archived() -> None:
    found = listing({1: range(3, 9)}, FULL)
    assert judged(found, sample(100, 9)).newest == second(100)
    assert judged(found, sample(100, 9 + 1 / SEGMENT)).newest == second(0)


def test_a_listing_that_asked_no_archiver_is_not_carried_on() -> None:
    assert judged(listing({1: range(3, 9)}, FULL), sample(100, 9.5), archived=9).newest == second(0)


def test_a_sample_behind_the_fork_counts_for_nothing() -> None:
    found = listing({1: range(3, 8), 2: range(8, 13)}, FULL, forks=FORK)
    lost, kept = sample(400, 8.2), sample(390, 8.0)
    assert judged(found, kept, lost).newest == second(390)
    assert judged(found, kept, lost, sample(430, 9.0, line=2)).newest == second(430)


def test_a_primary_on_a_later_timeline_supersedes_the_listing() -> None:
    found = listing({1: range(3, 8)}, FULL)
    assert not judged(found, sample(400, 8.2)).superseded
    assert judged(found, sample(400, 8.2), sample(430, 8.3, line=2)).superseded


def test_the_exposure_is_never_negative() -> None:
    assert judged(listing({1: [3]}, FULL)).exposure(second(-5)) == timedelta(0)


def test_the_earliest_point_lies_behind_the_last_gap() -> None:
    backups = (backup(1, at=-600), FULL, backup(6, at=200), backup(8, at=300))
    samples = (sample(500, 9.0),)
    whole = listing({1: range(1, 11)}, *backups)
    assert judged(whole, *samples).earliest == second(-590)
    broken = listing({1: [1, 2, 3, 4, *range(6, 11)]}, *backups)
    assert judged(broken, *samples).earliest == second(210)


def test_a_restore_copies_then_replays() -> None:
    result = judged(listing({1: range(3, 78)}, FULL))
    estimate = result.restore_time(Rates())
    assert estimate is not None
    copied, replayed = 4, (75 * SEGMENT - 40) / 60_000_000
    assert abs(estimate.total_seconds() - copied - replayed) < 0.001


ARCHIVE_TIMEOUT, CALL, STEP = 60, 1, 30


def running(*, heartbeat: bool) -> list[timedelta]:
    """Exposures in an hour of a database in which nothing happens, every 7 s once it runs."""
    position, opened, done, samples, exposures = 3.0, 0, 2, [], []
    for now in range(3600):
        if now % STEP == 0:
            position += 1e-5 if heartbeat else 0
            samples.append(sample(now, position if heartbeat else int(position) + 1e-5))
        written = heartbeat and position % 1 > 0
        if now - opened >= ARCHIVE_TIMEOUT and (written or now < 300):
            position, opened, done = float(int(position) + 1), now, int(position)
        if now < 300 or now % 7:
            continue
        arrived = done if now - opened >= CALL else done - 1
        found = listing({1: range(3, max(4, arrived + 1))}, FULL, at=now)
        result = recoverability(found, Memory(tuple(samples[-240:])), now=second(now))
        exposure = result.exposure(second(now))
        assert exposure is not None
        exposures.append(exposure)
    return exposures


def test_an_idle_database_with_a_heartbeat_is_not_exposed() -> None:
    most = timedelta(seconds=ARCHIVE_TIMEOUT + CALL + STEP)
    assert max(running(heartbeat=True)) <= most


def test_without_a_heartbeat_nothing_is_promised_of_it() -> None:
    assert running(heartbeat=False)[-1] > timedelta(minutes=50)
