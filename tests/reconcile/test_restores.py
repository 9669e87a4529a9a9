"""Restores in a pass: what is made when, what holds the switch, and what may be removed."""

from dataclasses import replace

import pytest

from builders import UID, body
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import JOB, PERCONA_CLUSTER, Ref
from dedicated.contract.facts import DatabaseRemoved
from dedicated.parts.database.engine import ClusterState
from dedicated.parts.database.percona import DELETE_VOLUMES
from dedicated.parts.schema import JobState
from dedicated.reconcile.actions import Delete
from dedicated.reconcile.observed import Child
from dedicated.reconcile.restores import cluster_for
from dedicated.reconcile.turns import Turn
from reconcile.restoring import (
    LOST,
    OLD,
    applied,
    copy_of,
    deleted,
    isolated,
    looked,
    ordered,
    others,
    recorded,
    scene,
    switched,
    told,
    verdict,
)
from reconcile.simulation import Cluster


def test_nobody_comes_to_a_new_database_before_its_policy_stands() -> None:
    cluster = scene()
    order = ordered(cluster)
    name = cluster_for(cluster.instance(), order.uid)
    first = looked(cluster, order)
    assert applied(first) == ["NetworkPolicy/lost-isolated"]
    second = looked(cluster, order, children=isolated(cluster))
    assert f"PerconaPGCluster/{name}" in applied(second)
    assert f"PerconaPGCluster/{OLD}" not in applied(second)
    assert told(second)["phase"] == "Waiting"


def test_a_passed_copy_is_set_up_then_recorded_and_nothing_else_of_the_instance_moves() -> None:
    cluster = scene()
    order = ordered(cluster)
    made = copy_of(cluster, order)
    engine = others(cluster, **made)
    name = next(iter(made))
    looking = looked(cluster, order, engine=engine, children=isolated(cluster))
    assert told(looking)["phase"] == "Verifying"
    assert "Job/lost-verdict" in applied(looking)
    assert recorded(looking) == []

    proven = verdict(cluster, order)
    ready = looked(cluster, order, engine=engine, children=isolated(cluster), verdicts=proven)
    (setup,) = [one for one in applied(ready) if one.startswith("Job/acme-setup-")]
    assert f"NetworkPolicy/{name}" in applied(ready)
    assert told(ready)["phase"] == "Switching"
    assert recorded(ready) == []
    assert "Deployment/acme-server" not in applied(ready)

    running = {**cluster.observed().jobs, setup.removeprefix("Job/"): JobState()}
    job = Child(Ref(JOB.kind, setup.removeprefix("Job/")), "j", "1", "schema", owner_uid=UID)
    children = {**isolated(cluster), job.ref: job}
    waits = looked(cluster, order, engine=engine, children=children, verdicts=proven, jobs=running)
    assert (recorded(waits), deleted(waits)) == ([], [])
    jobs = {**running, setup.removeprefix("Job/"): JobState(complete=True)}
    switched = looked(
        cluster, order, engine=engine, children=isolated(cluster), verdicts=proven, jobs=jobs
    )
    assert recorded(switched) == ["Restored"]
    # The old one has come back: what it holds would be lost, and nobody has said that it may be.
    back = replace(engine, cluster=replace(LOST, ready_servers=1))
    held = looked(cluster, order, engine=back, children=isolated(cluster), verdicts=proven, jobs=jobs)
    assert recorded(held) == []
    assert (told(held)["reason"], told(held)["responsible"]) == ("OldDatabaseAnswers", "Provider")
    failed = {**jobs, setup.removeprefix("Job/"): JobState(failed=True)}
    broken = looked(
        cluster, order, engine=engine, children=isolated(cluster), verdicts=proven, jobs=failed
    )
    assert (recorded(broken), told(broken)["reason"]) == ([], "SetupFailed")


def test_a_copy_that_fails_is_kept_for_its_time_and_then_recorded() -> None:
    cluster = scene()
    order = ordered(cluster)
    engine = others(cluster, **copy_of(cluster, order))
    (name,) = engine.others
    child = Child(Ref(PERCONA_CLUSTER.kind, name), "u-1", "1", component="database")
    children = {**isolated(cluster), child.ref: child}
    bad = verdict(cluster, order, well=False)
    failed = looked(cluster, order, engine=engine, children=children, verdicts=bad)
    assert (told(failed)["phase"], told(failed)["reason"]) == ("Failed", "Corrupted")
    assert failed.status is not None
    assert get_str(get_map(failed.status, "restore"), "phase") == "Failed"
    assert recorded(failed) == []
    order = replace(order, status=told(failed))
    cluster.pass_time(minutes=61)
    due = looked(cluster, order, engine=engine, children=children, verdicts=bad)
    assert recorded(due) == ["DatabaseRemoved"]
    assert deleted(due) == []
    gone = DatabaseRemoved("r", cluster.server.now, "op", name, "u-1", "lost")
    after = looked(cluster, order, facts=(gone,), engine=engine, children=children, verdicts=bad)
    assert Delete(child.ref, "u-1", finalizer=DELETE_VOLUMES) in after.actions
    # Another object of that name is not what was recorded.
    other = {**children, child.ref: replace(child, uid="u-2")}
    again = looked(cluster, order, facts=(gone,), engine=engine, children=other, verdicts=bad)
    assert (deleted(again), recorded(again)) == ([], ["DatabaseRemoved"])


def test_a_switch_rolls_out_at_once_and_keeps_the_old_database_until_the_new_has_a_backup() -> None:
    cluster = scene()
    order = ordered(cluster)
    fact = switched(cluster, order, cluster.server.now)
    engine = replace(
        cluster.engine,
        cluster=ClusterState(ready=True, servers=3, ready_servers=3),
        others={OLD: LOST},
        runs=(),
    )
    child = Child(Ref(PERCONA_CLUSTER.kind, OLD), "u-old", "1", component="database")
    known: dict[str, object] = {
        "engine": engine,
        "children": {**cluster.observed().children, child.ref: child},
        "jobs": {name: JobState(complete=True) for name in ("acme-init", "acme-setup-1")},
    }
    rolling = looked(cluster, order, facts=(fact,), **known)
    assert told(rolling)["phase"] == "Switching"
    assert f"PerconaPGCluster/{fact.cluster}" in applied(rolling)
    assert f"PerconaPGCluster/{OLD}" not in applied(rolling)
    assert not [one for one in deleted(rolling) if OLD in one]
    # It waits for no other instance's turn, as what a new operator brings does.
    cluster.turn = Turn("Waiting", before=1)
    assert looked(cluster, order, facts=(fact,), **known).pending == ()
    assert "DatabaseRemoved" not in recorded(rolling)
    # Whatever its object says, and even without it: the old one goes by the record's own time, no earlier.
    cluster.pass_time(hours=2)
    assert "DatabaseRemoved" not in recorded(looked(cluster, facts=(fact,), **known))
    gone = DatabaseRemoved("r", cluster.server.now, "op", fact.cluster, "u-live", "lost")
    live = {**cluster.observed().children}
    ref = Ref(PERCONA_CLUSTER.kind, fact.cluster)
    live[ref] = Child(ref, "u-live", "1", component="database")
    # No record, however it came about, takes the instance's own database away.
    ended = looked(cluster, order, facts=(fact, gone), **{**known, "children": live})
    assert str(ref) not in deleted(ended)


def test_a_recovery_waits_for_no_drill_and_a_drill_for_a_recovery() -> None:
    cluster = scene()
    drill = ordered(cluster, "Drill", name="drill", status={"phase": "Restoring"})
    recovery = ordered(cluster)
    engine = others(cluster, **copy_of(cluster, drill, ready=False))
    done = looked(cluster, drill, recovery, engine=engine, children=isolated(cluster))
    assert (told(done, "drill")["phase"], told(done, "drill")["reason"]) == ("Failed", "YieldedToRecovery")
    under_way = others(cluster, **copy_of(cluster, recovery, ready=False))
    fresh = replace(drill, status={})
    done = looked(cluster, fresh, recovery, engine=under_way, children=isolated(cluster))
    assert (told(done, "drill")["phase"], told(done, "drill")["reason"]) == ("Waiting", "AnotherRuns")
    assert told(done)["phase"] == "Restoring"
    assert done.status is not None
    assert get_str(get_map(done.status, "restore"), "name") == "lost"


def test_a_copy_that_nobody_asks_for_any_more_is_recorded_and_then_removed() -> None:
    cluster = scene()
    order = ordered(cluster, "Clone")
    engine = others(cluster, **copy_of(cluster, order))
    (name,) = engine.others
    child = Child(Ref(PERCONA_CLUSTER.kind, name), "u-1", "1", component="database")
    children = {**cluster.observed().children, child.ref: child}
    done = looked(cluster, engine=engine, children=children)
    assert recorded(done) == ["DatabaseRemoved"]
    # One that is of no restore is none of ours to remove.
    strange = others(cluster, **{name: ClusterState(ready=True)})
    assert recorded(looked(cluster, engine=strange, children=children)) == []


@pytest.mark.parametrize(
    ("status", "phase", "reason"),
    [({"phase": "Restoring"}, "Failed", "DatabaseLost"), ({}, "Waiting", "Beginning")],
)
def test_a_database_that_was_there_and_is_gone_is_not_made_again(
    status: Manifest, phase: str, reason: str
) -> None:
    cluster = scene()
    done = looked(cluster, ordered(cluster, status=status), children=isolated(cluster))
    assert (told(done)["phase"], told(done)["reason"]) == (phase, reason)
    # Not while its engine's definitions are away: nobody knows then what is there.
    unseen = replace(cluster.engine, missing=frozenset({PERCONA_CLUSTER.kind}))
    away = looked(cluster, ordered(cluster, status=status), children=isolated(cluster), engine=unseen)
    assert told(away)["phase"] == "Waiting"
    assert any(one.startswith("PerconaPGCluster/acme-db-") for one in applied(done)) == (phase == "Waiting")


def test_an_external_database_is_not_restored_here() -> None:
    cluster = Cluster(body())
    cluster.stand()
    done = looked(cluster, ordered(cluster))
    assert (told(done)["phase"], told(done)["reason"]) == ("Failed", "ExternalDatabase")
    assert JOB.kind not in str(applied(done))
