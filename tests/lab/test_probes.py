"""What the probes read of a real primary and a real repository, with the rights that the agent has."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dedicated.contract.recovery.wal import segment_in, segment_name
from dedicated.parts.database import pgbackrest
from dedicated.probes.database import Database, DatabaseError
from dedicated.probes.repository import PgBackRest, RepositoryError
from lab.laboratory import MONITOR, PASSWORD, Lab
from lab.load import load
from lab.repository import CIPHER_PASS, STANZA


def now() -> datetime:
    return datetime.now(UTC)


def database(lab: Lab, folder: Path, dsn: str | None = None) -> Database:
    file = folder / "dsn"
    file.write_text(dsn or lab.dsn)
    return Database(file, now=now)


def repository(lab: Lab) -> PgBackRest:
    return PgBackRest(lab.repository.config, STANZA, str(lab.repository.program))


async def test_a_reading_names_the_end_of_the_log_behind_a_heartbeat(quorum: Lab, tmp_path: Path) -> None:
    probe, before = database(quorum, tmp_path), now()
    first = await probe.read()
    second = await probe.read()
    assert before <= first.asked <= second.asked <= now()
    assert abs(first.clock - first.asked) < timedelta(seconds=5)
    assert second.position > first.position, "an idle database writes nothing by itself: the heartbeat does"
    assert (first.timeline, first.segment_size, first.failures) == (1, 16 * 1024 * 1024, 0)
    assert (first.start, first.checkpoint_timeout) == (second.start, timedelta(minutes=15))
    assert segment_in(first.archived) or first.archived.endswith(".backup")
    assert [(one.name, one.state, one.sync) for one in first.followers] == [
        ("s1", "streaming", "quorum"),
        ("s2", "streaming", "quorum"),
    ]
    await probe.checkpoint()
    await probe.close()


async def test_a_heartbeat_waits_for_no_standby_and_blocked_commits_are_counted(
    quorum: Lab, tmp_path: Path
) -> None:
    probe = database(quorum, tmp_path)
    for standby in quorum.standbys:
        standby.stop()
    with load(quorum, clients=2):
        waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
        long = f"{waiting} and clock_timestamp() - query_start > '2 s'"
        quorum.primary.until(waiting, 2)
        moment = await probe.read()
        after = quorum.primary.one(long)
        quorum.primary.until(long, 2)
        reading = await probe.read()
        quorum.primary.set(synchronous_standby_names="")
    await probe.close()
    assert isinstance(after, int)
    assert moment.blocked <= after, "each commit waits for a moment: that is no outage"
    assert reading.blocked == 2
    assert reading.followers == ()


async def test_after_a_failover_the_next_reading_but_one_is_of_the_new_primary(
    quorum: Lab, tmp_path: Path
) -> None:
    probe = database(quorum, tmp_path)
    first = await probe.read()
    (tmp_path / "dsn").write_text(quorum.dsn)
    quorum.fail_over()
    with pytest.raises(DatabaseError):
        await probe.read()
    second = await probe.read()
    await probe.close()
    assert (first.timeline, second.timeline) == (1, 2)
    assert second.start != first.start


async def test_errors_are_told_in_own_words(lab: Lab, tmp_path: Path) -> None:
    told = {
        lab.dsn.replace(f"port={lab.primary.port}", "port=1"): "cannot be reached",
        lab.dsn.replace(MONITOR, "nobody"): "may not log in",
        lab.dsn.replace("dbname=postgres", "dbname=absent"): "the database does not exist",
        lab.dsn.replace("dbname=postgres", "dbname='"): "cannot be reached",
    }
    for dsn, cause in told.items():
        with pytest.raises(DatabaseError) as error:
            await database(lab, tmp_path, dsn).read()
        assert cause in str(error.value)
        assert PASSWORD not in str(error.value)
        assert error.value.__cause__ is None


async def test_a_role_without_the_right_is_told_so(lab: Lab, tmp_path: Path) -> None:
    lab.primary.ask("create role bare login")
    probe = database(lab, tmp_path, lab.dsn.replace(MONITOR, "bare"))
    with pytest.raises(DatabaseError, match="lacks a right"):
        await probe.checkpoint()


async def test_the_repository_is_read_with_its_newest_history(quorum: Lab) -> None:
    quorum.fail_over()
    quorum.primary.switch()
    quorum.primary.until("select last_archived_wal > '000000020' from pg_stat_archiver", True)
    found = await repository(quorum).read()
    backups = pgbackrest.backups_in(found.info, found.archive_id)
    archive = pgbackrest.archive_of(found.files)
    assert [(one.kind, one.failed) for one in backups] == [("full", False)]
    assert (found.history_of, archive.newest, archive.histories) == ("00000002", 2, frozenset({2}))
    assert found.history.startswith("1\t0/")
    assert segment_name(backups[0].first)[:8] == "00000001"


async def test_a_repository_that_cannot_be_read_is_told_by_number(lab: Lab) -> None:
    lab.repository.config.write_text(lab.repository.config.read_text().replace(CIPHER_PASS, "another"))
    with pytest.raises(RepositoryError) as error:
        await repository(lab).read()
    assert "another" not in str(error.value)


async def test_a_secret_setting_may_come_by_the_environment_and_is_not_shown(lab: Lab) -> None:
    config = lab.repository.config
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if CIPHER_PASS not in line))
    plain = repository(lab)
    with pytest.raises(RepositoryError):
        await plain.read()
    given = replace(plain, environment={"PGBACKREST_REPO1_CIPHER_PASS": CIPHER_PASS})
    assert pgbackrest.archive_of((await given.read()).files).newest == 1
    assert CIPHER_PASS not in repr(given)


async def test_what_takes_too_long_is_ended(lab: Lab, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    with pytest.raises(RepositoryError, match=r"no answer to info within 0 s"):
        await PgBackRest(lab.repository.config, STANZA, str(slow), seconds=0.2).read()
    with pytest.raises(RepositoryError, match="cannot be run"):
        await PgBackRest(lab.repository.config, STANZA, str(tmp_path / "absent")).read()
