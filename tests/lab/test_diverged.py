"""A standby leaves the primary's history unseen: real servers, as two faults in a row made it happen.

The primary hangs; a standby is promoted; the other one still waits on the hung host, which thaws for a moment
and gives it log from behind the fork. It never follows again, and its server is up and answers all the time.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dedicated.api.conditions import Condition
from dedicated.contract.failover import DatabasePod, failover_ready, standings
from dedicated.contract.recovery.following import ranked
from dedicated.contract.recovery.report import Replication
from lab.laboratory import Lab
from lab.server import Server, until
from lab.trial import Trial, trial

NOBODY = "host=127.0.0.1 port=1 application_name=s1"
ADDRESS = "127.0.0.1"
"""Of every server here, so that pods are told apart by their names, and the primary alone by this."""


def pods(lab: Lab, *names: str) -> tuple[DatabasePod, ...]:
    """A pod of each server, ready for long, in a zone of its own."""
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    addresses = {lab.primary_name: ADDRESS}
    return tuple(DatabasePod(name, f"z-{name}", long_ago, addresses.get(name, "")) for name in names)


def judged(made: Trial, *names: str, wanted: int) -> Condition:
    """What the operator says of the report of now."""
    known = made.record.published.replication if made.record.published else None
    return failover_ready(known, pods(made.lab, *names), wanted=wanted, zone="UTC", now=datetime.now(UTC))


def replication(made: Trial) -> Replication:
    """The last that was told of the servers."""
    found = made.published().replication
    assert found is not None
    return found


def awaited(made: Trial, *names: str, wanted: int, reason: str, seconds: float = 60) -> Condition:
    """The condition, once it has a reason."""
    until(lambda: judged(made, *names, wanted=wanted).reason == reason, reason, seconds=seconds)
    return judged(made, *names, wanted=wanted)


def leave_history(lab: Lab) -> Server:
    """Promote s1 while p1 still feeds s2, from behind the fork; then p1 is lost, and s2 told to follow s1."""
    p1, s1, s2 = (lab.servers[name] for name in ("p1", "s1", "s2"))
    p1.set(synchronous_standby_names="")
    s1.configure({"synchronous_standby_names": "", "primary_conninfo": NOBODY})
    s1.ask("select pg_reload_conf()")
    s1.until("select count(*) from pg_stat_wal_receiver", 0)
    fork = s1.received()
    s1.promote()
    p1.ask("create table cut_off as select generate_series(1, 20000)")
    until(lambda: s2.received() > fork + 100_000, "s2 is past the fork")
    lab.servers.pop("p1").kill()
    s2.until("select count(*) from pg_stat_wal_receiver", 0)
    lab.back_up_from(s1)
    s2.follow(s1)
    s2.ask("select pg_reload_conf()")
    return s2


@pytest.mark.timeout(240)
def test_a_standby_past_the_fork_is_told_before_the_next_fault(tmp_path: Path) -> None:
    with trial(tmp_path, standbys=2) as made:
        awaited(made, "p1", "s1", "s2", wanted=2, reason="InAnotherZone")
        left = leave_history(made.lab)
        promoted = made.lab.primary
        found = awaited(made, "s1", "s2", wanted=2, reason="StandbyDiverged", seconds=90)
        known = replication(made)
        made.agent.until("dedicated_database_standbys:Diverged", 1)
        assert left.one("select pg_is_in_recovery()") is True, "it is up, and as ready as ever"
        assert promoted.one("select count(*) from pg_stat_replication where state = 'streaming'") == 0
        # By the position alone the one that diverged may be the better candidate.
        assert [one.name for one in ranked(known.members)] == ["s1", "s2"]
        assert "s2 is on timeline 1 at 0/" in found.message
        assert "primary s1 is on timeline 2 at 0/" in found.message
        assert "bytes past the end of its timeline, since " in found.message
        assert "clone it anew before the next fault" in found.message
        left.kill()
        left.copy_of(promoted)
        left.start()
        made.lab.require_any_of("s2")
        missing = awaited(made, "s1", "s2", wanted=2, reason="StandbyMissing")
        assert "1 of 2 standbys stream" in missing.message
        assert judged(made, "s1", "s2", wanted=1).reason == "InAnotherZone"
        states = {one.name: one.state for one in standings(replication(made), pods(made.lab, "s1", "s2"))}
        assert states == {"s2": "Streaming"}


@pytest.mark.timeout(120)
def test_a_standby_that_hangs_and_one_that_is_gone_do_not_count(tmp_path: Path) -> None:
    with trial(tmp_path, standbys=2) as made:
        awaited(made, "p1", "s1", "s2", wanted=2, reason="InAnotherZone")
        hung = made.lab.servers["s1"]
        with hung.frozen():
            found = awaited(made, "p1", "s1", "s2", wanted=2, reason="StandbyMissing", seconds=25)
            shown = "select state from pg_stat_replication where application_name = 's1'"
            assert made.lab.primary.one(shown) == "streaming", "the primary still believes it"
            assert "s1 stores nothing, " in found.message
        awaited(made, "p1", "s1", "s2", wanted=2, reason="InAnotherZone")
        hung.stop()
        found = awaited(made, "p1", "s1", "s2", wanted=2, reason="StandbyMissing", seconds=15)
        assert "s1 does not follow, since " in found.message
