"""The agent is killed and cut off, in turn and at once; it makes nothing up, and catches up by itself."""

import random
import time
from pathlib import Path

import psutil
import pytest

from dedicated.agents.recovery.keeping import from_data
from dedicated.contract.recovery.report import SAMPLES
from lab.agent import UID
from lab.laboratory import PASSWORD
from lab.load import load
from lab.record_server import TOKEN
from lab.repository import CIPHER_PASS
from lab.server import until
from lab.trial import ARCHIVE_INTERVAL, Trial, destroy_and_restore, trial

EXPOSURE = "dedicated_backup_exposure_seconds"
TROUBLE = "dedicated_recovery_agent_trouble"
SAMPLED = "dedicated_backup_sampled_timestamp_seconds"


def kept(made: Trial) -> list[float]:
    """The times of the samples that the record holds."""
    data = made.record.data
    assert data is not None
    return [sample.at.timestamp() for sample in from_data(data, incarnation=UID).samples]


@pytest.mark.timeout(400)
def test_killed_again_and_again_it_claims_nothing_false_and_keeps_its_samples(tmp_path: Path) -> None:
    chance = random.Random(4)
    with trial(tmp_path) as made, load(made.lab, clients=1) as clients:
        made.until_good()
        before = kept(made)
        for _ in range(5):
            made.ended.wait(chance.uniform(0.2, 3))
            made.agent.kill()
            made.agent.start()
        written = len(made.record.writes)
        until(lambda: len(made.record.writes) > written, "it writes again")
        assert kept(made)[: len(before)] == before
        made.until_good()
        outcome = destroy_and_restore(made, clients)
    assert outcome.false_claims == ()
    assert outcome.exposure >= outcome.loss


@pytest.mark.timeout(400)
def test_cut_off_from_each_in_turn_it_goes_on_with_the_others_and_catches_up(tmp_path: Path) -> None:
    with trial(tmp_path) as made, load(made.lab, clients=1) as clients:
        made.until_good()
        cut_off_from_the_api_server(made)
        cut_off_from_the_repository(made)
        cut_off_from_the_database(made)
        made.until_good()
        until(lambda: made.published().troubles == (), "all troubles are over")
        outcome = destroy_and_restore(made, clients)
    assert outcome.false_claims == ()
    assert outcome.exposure >= outcome.loss


def cut_off_from_the_api_server(made: Trial) -> None:
    made.record.away = True
    made.agent.until(f"{TROUBLE}:Record", 1)
    begun = time.time()
    until(lambda: made.agent.metrics()[SAMPLED] > begun + 2, "it samples on")
    made.record.away = False
    made.agent.until(f"{TROUBLE}:Record", 0, seconds=60)
    assert len([at for at in kept(made) if begun <= at <= begun + 2]) >= 2


def cut_off_from_the_repository(made: Trial) -> None:
    config = made.lab.repository.config
    config.rename(config.with_suffix(".away"))
    made.agent.until(f"{TROUBLE}:Repository", 1)
    assert made.agent.metrics()[f"{TROUBLE}:Database"] == 0
    until(lambda: "Repository" in {one.what for one in made.published().troubles}, "it is published")
    config.with_suffix(".away").rename(config)
    made.agent.until(f"{TROUBLE}:Repository", 0)


def cut_off_from_the_database(made: Trial) -> None:
    made.lab.primary.stop("immediate")
    made.agent.until(f"{TROUBLE}:Database", 1)
    first = made.agent.metrics()
    listed = first["dedicated_backup_listed_timestamp_seconds"]
    until(
        lambda: made.agent.metrics()["dedicated_backup_listed_timestamp_seconds"] > listed,
        "it lists on",
    )
    second = made.agent.metrics()
    assert second[SAMPLED] == first[SAMPLED], "no sample is made up"
    assert second[EXPOSURE] > first[EXPOSURE]
    made.lab.primary.start()
    made.agent.until(f"{TROUBLE}:Database", 0)


def test_a_record_that_is_absent_is_waited_for_and_never_made(tmp_path: Path) -> None:
    with trial(tmp_path) as made:
        made.record.data = None
        until(lambda: made.agent.metrics().get(EXPOSURE) is not None, "it works without it")
        made.agent.until(f"{TROUBLE}:Record", 1)
        assert made.record.writes == []
        assert made.record.refused == 0
        made.record.data = {}
        made.agent.until(f"{TROUBLE}:Record", 0)
        until(lambda: bool(made.record.writes), "it is written")


def causes(made: Trial) -> str:
    return "; ".join(one.cause for one in made.published().troubles)


def test_no_credential_is_in_anything_that_it_shows(tmp_path: Path) -> None:
    planted = (PASSWORD, CIPHER_PASS, TOKEN)
    with trial(tmp_path) as made:
        made.until_good()
        made.lab.primary.ask("alter role recovery_agent password 'another'")
        made.lab.primary.ask("alter role recovery_agent nologin")
        made.lab.primary.stop("immediate")
        config = made.lab.repository.config
        config.rename(config.with_suffix(".away"))
        made.agent.until(f"{TROUBLE}:Database", 1)
        made.agent.until(f"{TROUBLE}:Repository", 1)
        made.lab.primary.start()
        until(lambda: "may not log in" in causes(made), "the cause is told")
        agent = psutil.Process(made.agent.process.pid)
        shown = [str(made.record.data), " ".join(agent.cmdline()), str(made.agent.metrics())]
        shown += [" ".join(child.cmdline()) for child in agent.children(recursive=True)]
        shown += [write.data[SAMPLES] + write.data["report"] for write in made.record.writes]
    shown.append(made.agent.log.read_text())
    assert [secret for secret in planted for text in shown if secret in text] == []


def test_it_is_small(tmp_path: Path) -> None:
    with trial(tmp_path, sample_every=1, audit_every=2) as made:
        made.until_good()
        process = psutil.Process(made.agent.process.pid)
        assert process.memory_info().rss < 80 * 1024 * 1024


@pytest.mark.timeout(400)
def test_after_a_start_the_first_segment_does_not_wait_for_the_checkpoint_interval(tmp_path: Path) -> None:
    """PostgreSQL's archiver sleeps through its interval after a start, unless a checkpoint is asked for."""
    with trial(tmp_path, settings={"checkpoint_timeout": "600s"}) as made:
        made.until_good()
        # After a crash: with fsync off, a clean start is over before the archiver's clock falls asleep.
        made.lab.primary.stop("immediate")
        made.lab.primary.start()
        begun = made.lab.primary.one("select pg_walfile_name(pg_current_wal_insert_lsn())")
        archived = f"select coalesce(last_archived_wal, '') >= '{begun}' from pg_stat_archiver"
        made.lab.primary.until(archived, True, seconds=2 * ARCHIVE_INTERVAL + 5)


@pytest.mark.slow
def test_in_an_idle_database_the_exposure_stays_small(tmp_path: Path) -> None:
    with trial(tmp_path) as made:
        made.until_good()
        made.ended.wait(6 * ARCHIVE_INTERVAL)
        late = made.scraped[-int(2 * ARCHIVE_INTERVAL / 0.3) :]
        assert max(claim.said - claim.up_to for claim in late) < 2 * ARCHIVE_INTERVAL + 5
