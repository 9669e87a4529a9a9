"""The lab does what it says, so that a trial in it proves something."""

import time

import psutil

from lab.laboratory import Lab, isolated, laboratory
from lab.load import load


def test_a_restore_brings_back_what_was_archived_and_nothing_later(lab: Lab) -> None:
    with load(lab, clients=1) as clients:
        lab.primary.ask("select pg_sleep(0.5)")
        lab.primary.switch()
        switched = time.time()
        lab.primary.until("select count(*) > 0 from pg_stat_archiver where last_archived_wal > '0'", True)
        lab.primary.ask("select pg_sleep(1)")
        destroyed = time.time()
        lab.destroy()
    restored = lab.restored()
    lost = clients.lost(restored, until=destroyed)
    assert lost, "what is in no archive cannot come back"
    assert switched - 0.2 < lost[0].at


def test_the_standby_with_most_of_the_log_takes_over_and_nothing_acknowledged_is_lost(quorum: Lab) -> None:
    with load(quorum, clients=2) as clients:
        quorum.primary.ask("select pg_sleep(0.5)")
        killed = time.time()
        promoted = quorum.fail_over()
        before = len(clients.acknowledged(until=killed))
        promoted.until(f"select count(*) > {before + 20} from eventstore.events2", True)
    assert before > 20
    assert clients.lost(promoted, until=killed) == []


def test_what_another_database_stored_is_restored_by_its_path_alone_log_included(lab: Lab) -> None:
    """As Percona's engine is told of a database that served before (`parts/database/percona.py`): by the
    configuration of the one in use."""
    lab.primary.ask("create table after_the_backup as select 7 as number")
    lab.primary.switch()
    lab.primary.until("select count(*) > 0 from pg_stat_archiver where last_archived_wal > '0'", True)
    lab.primary.stop()
    past = lab.repository.stored.rename(lab.folder / "past")
    server = lab.server("restored")
    lab.repository.restore(server.data, more=(f"--repo1-path={past}",))
    assert f"--repo1-path={past}" in (server.data / "postgresql.auto.conf").read_text()
    server.start(*isolated(server))
    server.until("select pg_is_in_recovery()", False, seconds=120)
    assert server.ask("select number from after_the_backup") == [(7,)]


def test_nothing_is_left_of_a_lab() -> None:
    with laboratory() as lab:
        pid = int((lab.primary.data / "postmaster.pid").read_text().split()[0])
        assert psutil.pid_exists(pid)
    assert not lab.folder.exists()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
