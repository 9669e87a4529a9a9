"""The primary is lost under load, with its data: what was acknowledged is kept, each claim is true (B-5).

The hole that a failover may leave in the archive is not seen by any tool of the engine, so it is made here on
purpose: the archiver is slow when the primary dies.
"""

import random
import time
from pathlib import Path

import pytest

from dedicated.contract.recovery.duties import REPAIR_WITHIN
from lab.load import Load, load
from lab.server import until
from lab.trial import ARCHIVE_INTERVAL, Trial, destroy_and_restore, told, trial

FAILOVER = "dedicated_database_failover_outage_seconds"


def fail_over(made: Trial, clients: Load) -> float:
    """Lose the primary; how long nobody could write. Nothing acknowledged is lost."""
    killed = time.time()
    promoted = made.lab.fail_over()
    before = clients.acknowledged(until=killed)
    assert len(before) > 20
    assert clients.lost(promoted, until=killed) == []
    until(lambda: bool(clients.since(killed + 0.5)), "the clients write again")
    return clients.since(killed + 0.5)[0].at - before[-1].at


def failed_over(folder: Path, seconds: float) -> None:
    """A failover, then all is destroyed some seconds later, with no backup of the new timeline."""
    with trial(folder, standbys=2) as made, load(made.lab) as clients:
        made.until_good()
        outage = fail_over(made, clients)
        made.agent.until("dedicated_database_sync_standbys", 1)
        until(lambda: FAILOVER in made.agent.metrics(), "the failover is told")
        made.ended.wait(seconds)
        outcome = destroy_and_restore(made, clients)
    told("failover", outcome, outage_s=round(outage, 2))
    assert outcome.false_claims == ()
    assert outcome.exposure >= outcome.loss


@pytest.mark.parametrize("seconds", [pytest.param(3.0, marks=pytest.mark.slow), 9.0])
def test_nothing_acknowledged_is_lost_and_nothing_false_is_claimed(tmp_path: Path, seconds: float) -> None:
    failed_over(tmp_path, seconds)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_so_it_is_twenty_times(tmp_path: Path) -> None:
    chance = random.Random(20)
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        failed_over(folder, chance.uniform(0, 15))


@pytest.mark.timeout(400)
def test_a_hole_after_a_failover_is_named_and_a_differential_closes_it(tmp_path: Path) -> None:
    with trial(tmp_path, standbys=2) as made, load(made.lab, clients=2) as clients:
        made.until_good()
        made.lab.repository.slow_down(60)
        waiting = "select count(*) >= 3 from pg_ls_archive_statusdir() where name like '%.ready'"
        for _ in range(4):
            made.lab.primary.switch()
            made.ended.wait(0.5)
        made.lab.primary.until(waiting, True)
        made.lab.repository.slow_down(0)
        begun = time.monotonic()
        fail_over(made, clients)
        named = made.until("WalContinuous", "False", "HoleAfterFailover")
        hole = made.published()
        assert hole.failover is not None
        assert hole.failover.timeline == 2
        assert hole.found is not None
        assert sum(gap.count for gap in hole.found.gaps) >= 3
        # The agent has made the checkpoint without which a backup on the new timeline is refused.
        made.lab.repository.backup("diff")
        made.until("WalContinuous", "True", "Continuous")
        repaired = time.monotonic() - begun
        made.until("RecoveryPointObjectiveMet", "True", "Met")
        outcome = destroy_and_restore(made, clients)
    told("hole", outcome, named_s=round(named, 1), repaired_s=round(repaired, 1))
    assert repaired < REPAIR_WITHIN.total_seconds()
    assert outcome.false_claims == ()
    assert outcome.loss <= ARCHIVE_INTERVAL + 10


@pytest.mark.slow
def test_while_a_standby_is_away_the_agent_samples_on_and_tells_that_commits_wait(tmp_path: Path) -> None:
    with trial(tmp_path, standbys=1) as made, load(made.lab, clients=2):
        made.until_good()
        (standby,) = made.lab.standbys
        standby.stop("immediate")
        made.agent.until("dedicated_database_blocked_commits", 2)
        made.agent.until("dedicated_database_sync_standbys", 0)
        sampled = made.agent.metrics()["dedicated_backup_sampled_timestamp_seconds"]
        until(
            lambda: made.agent.metrics()["dedicated_backup_sampled_timestamp_seconds"] > sampled + 2,
            "sampling goes on",
        )
        standby.start()
        made.agent.until("dedicated_database_blocked_commits", 0)
