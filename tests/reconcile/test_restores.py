"""Restores in a pass: what is made when, what holds the switch, and what may be removed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from builders import UID, body
from dedicated.api.conditions import rfc3339
from dedicated.api.instance_restore import InstanceRestoreStatus
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE_RESTORE, JOB, NETWORK_POLICY, PERCONA_CLUSTER, Ref
from dedicated.contract.facts import DatabaseRemoved, Fact, Restored
from dedicated.contract.recovery.proof import Check, Goal, Verdict
from dedicated.parts.database.engine import ClusterState, EngineState, Origin
from dedicated.parts.database.percona import DELETE_VOLUMES
from dedicated.parts.schema import JobState
from dedicated.reconcile.actions import Apply, Delete, Plan, RecordFact, Tell
from dedicated.reconcile.asked import RestoreOrder
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.plan import plan
from dedicated.reconcile.restores import cluster_for, with_database
from dedicated.reconcile.turns import Turn
from reconcile.simulation import Cluster
from reconcile.test_plan_recovery import MINUTE, report, stand, tell

OLD = "acme-database"
LOST = ClusterState(servers=3, message="lost")


def ordered(
    cluster: Cluster, purpose: str = "Recovery", *, name: str = "lost", **changes: object
) -> RestoreOrder:
    order = RestoreOrder(
        name, f"uid-of-{name}", "acme", "Recovery", rfc3339(cluster.server.now), retain=timedelta(hours=1)
    )
    return replace(order, purpose=purpose, **changes)  # type: ignore[arg-type]


def scene() -> Cluster:
    """An instance whose database is lost: all until ten minutes ago can be restored."""
    cluster = stand()
    now = cluster.server.now
    tell(cluster, report(now))
    cluster.engine = replace(cluster.engine, cluster=LOST)
    cluster.pass_time(minutes=10)
    return cluster


def copy_of(cluster: Cluster, order: RestoreOrder, **changes: object) -> dict[str, ClusterState]:
    """The cluster that a restore has made, restored to ten minutes ago."""
    now = cluster.server.now
    made = ClusterState(
        ready=True,
        servers=3,
        ready_servers=3,
        created=now - 5 * MINUTE,
        origin=Origin(order.name, now - 10 * MINUTE, exact=False),
    )
    return {cluster_for(cluster.instance(), order.uid): replace(made, **changes)}  # type: ignore[arg-type]


def verdict(cluster: Cluster, order: RestoreOrder, *, well: bool = True) -> dict[str, Verdict]:
    names = ("Recovery", "Point", "Pages", "Events", "Keys")
    checks = tuple(Check(name, "Passed", "well") for name in names)  # type: ignore[arg-type]
    if not well:
        checks = (*checks[:2], Check("Pages", "Failed", "page 7"), *checks[3:])
    at = cluster.server.now
    identity = cluster.observed().identity
    assert identity is not None
    return {
        order.uid: Verdict(
            at, order.uid, Goal(at - 10 * MINUTE, newest=True), recovered=True, checks=checks,
            restored_to=at - 10 * MINUTE, fingerprint=identity.masterkey,
        )
    }  # fmt: skip


def looked(cluster: Cluster, *orders: RestoreOrder, facts: tuple[Fact, ...] = (), **known: object) -> Plan:
    """One pass over the instance with these restores; statuses told fit their schema."""
    observed = replace(cluster.observed(), restores=orders)
    observed = replace(observed, facts=(*observed.facts, *facts))
    observed = replace(observed, **known)  # type: ignore[arg-type]
    done = passed(cluster, observed)
    for action in done.actions:
        if isinstance(action, Tell) and action.kind == INSTANCE_RESTORE.kind:
            InstanceRestoreStatus.model_validate(action.status)
    return done


def passed(cluster: Cluster, observed: Observed) -> Plan:
    return plan(
        with_database(cluster.instance(), observed.facts),
        observed,
        catalogue=cluster.catalogue,
        now=cluster.server.now,
        settled=cluster.settled,
        turn=cluster.turn,
        proven=True,
    )


def applied(done: Plan) -> list[str]:
    return [str(action.ref) for action in done.actions if isinstance(action, Apply)]


def told(done: Plan, name: str = "lost") -> Manifest:
    found = [a.status for a in done.actions if isinstance(a, Tell) and a.name == name]
    return found[0] if found else {}


def recorded(done: Plan) -> list[str]:
    return [action.statement.fact for action in done.actions if isinstance(action, RecordFact)]


def deleted(done: Plan) -> list[str]:
    return [str(action.ref) for action in done.actions if isinstance(action, Delete)]


def others(cluster: Cluster, **clusters: ClusterState) -> EngineState:
    return replace(cluster.engine, others=clusters)


def isolated(cluster: Cluster, name: str = "lost") -> dict[Ref, Child]:
    ref = Ref(NETWORK_POLICY.kind, f"{name}-isolated")
    return {**cluster.observed().children, ref: Child(ref, "p", "1")}


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


def switched(cluster: Cluster, order: RestoreOrder, at: datetime) -> Restored:
    name = cluster_for(cluster.instance(), order.uid)
    return Restored(
        "s", at, "op", order.name, name, OLD, at - 20 * MINUTE, False, at - 5 * MINUTE, at,
        retain=timedelta(hours=1),
    )  # fmt: skip


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


def found(done: Plan, code: str) -> Manifest:
    assert done.status is not None
    listed = (get_map(item) for item in get_list(done.status, "findings"))
    return next((item for item in listed if item["code"] == code), {})


def test_a_recovery_that_failed_is_a_finding_until_somebody_has_heard() -> None:
    cluster = scene()
    order = ordered(cluster)
    engine = others(cluster, **copy_of(cluster, order))
    bad = verdict(cluster, order, well=False)
    failed = looked(cluster, order, engine=engine, children=isolated(cluster), verdicts=bad)
    finding = found(failed, "RecoveryFailed")
    assert finding["responsible"] == "Provider"
    assert "Corrupted" in str(finding["message"])
    assert OLD in str(finding["message"])
    assert "kubectl delete ir lost" in str(finding["action"])
    # As it was told, whatever is known of it later.
    told_so = replace(order, status={"phase": "Failed", "reason": "TookTooLong", "message": "so long"})
    again = found(looked(cluster, told_so), "RecoveryFailed")
    assert "(TookTooLong): so long" in str(again["message"])
    later = ordered(cluster, name="next", created=rfc3339(cluster.server.now + MINUTE))
    assert not found(looked(cluster, told_so, later), "RecoveryFailed")
    assert not found(looked(cluster), "RecoveryFailed")
    clone = ordered(cluster, "Clone", status={"phase": "Failed"})
    assert not found(looked(cluster, clone), "RecoveryFailed")


def test_a_switch_that_does_not_get_to_its_end_is_a_finding() -> None:
    cluster = scene()
    order = ordered(cluster)
    made = copy_of(cluster, order)
    known: dict[str, object] = {
        "engine": others(cluster, **made),
        "children": isolated(cluster),
        "verdicts": verdict(cluster, order),
    }
    setting_up = looked(cluster, order, facts=(), **known)
    assert told(setting_up)["phase"] == "Switching"
    assert not found(setting_up, "RecoveryStuck")
    assert setting_up.wake_at is not None
    assert setting_up.wake_at <= cluster.server.now + 15 * MINUTE
    (setup,) = [one for one in applied(setting_up) if one.startswith("Job/acme-setup-")]
    # A word that is missing is told at once: nothing else brings it.
    jobs = {**cluster.observed().jobs, setup.removeprefix("Job/"): JobState(complete=True)}
    engine = replace(others(cluster, **made), cluster=replace(LOST, ready_servers=1))
    held = looked(cluster, order, facts=(), **{**known, "engine": engine, "jobs": jobs})
    assert "acceptLossSince" in str(found(held, "RecoveryStuck")["action"])
    cluster.pass_time(minutes=15)
    late = looked(cluster, order, facts=(), **known)
    assert "setup" in str(found(late, "RecoveryStuck")["message"])


def test_a_rollout_that_is_stuck_says_what_serves_meanwhile() -> None:
    cluster = scene()
    order = ordered(cluster)
    fact = switched(cluster, order, cluster.server.now)
    live = ClusterState(ready=True, servers=3, ready_servers=3)
    known: dict[str, object] = {
        "engine": replace(cluster.engine, cluster=live, others={OLD: LOST}),
        "jobs": {name: JobState(complete=True) for name in ("acme-init", "acme-setup-1")},
    }
    assert not found(looked(cluster, order, facts=(fact,), **known), "RecoveryStuck")
    cluster.pass_time(minutes=15)
    stuck = found(looked(cluster, order, facts=(fact,), **known), "RecoveryStuck")
    assert f"serve on {OLD}" in str(stuck["message"])
    assert "goes on by itself" in str(stuck["action"])
    # What is rolled out later is no matter of the restore.
    serves = replace(order, status={"phase": "Live"})
    done = looked(cluster, serves, facts=(fact,), **known)
    assert not found(done, "RecoveryStuck")
    assert told(done).get("phase") in (None, "Live", "Retained")


def test_a_point_before_the_switch_is_restored_from_the_database_that_served_then() -> None:
    cluster = scene()
    now = cluster.server.now
    first = ordered(cluster)
    fact = replace(switched(cluster, first, now), earliest=now - 60 * MINUTE, newest=now - 10 * MINUTE)
    cluster.pass_time(minutes=30)
    again = ordered(cluster, name="again", target=now - 20 * MINUTE)
    engine = replace(cluster.engine, cluster=LOST, others={})
    done = looked(cluster, again, facts=(fact,), engine=engine, children=isolated(cluster, "again"))
    (made,) = [
        action.manifest
        for action in done.actions
        if isinstance(action, Apply) and action.manifest["kind"] == PERCONA_CLUSTER.kind
        and action.ref.name != fact.cluster
    ]  # fmt: skip
    source = get_map(made, "spec", "dataSource", "postgresCluster")
    assert source["clusterName"] == fact.cluster
    assert f"--repo1-path=/backups/acme-ns/acme/{UID}'" in str(source["options"])
    assert "--type=time" in str(source["options"])
    early = replace(again, target=now - 61 * MINUTE)
    refused = looked(cluster, early, facts=(fact,), engine=engine)
    assert told(refused, "again")["reason"] == "TargetTooEarly"
    # After the switch it is the one that serves; nobody has listed what can be restored of it here.
    after = replace(again, target=now + MINUTE)
    assert told(looked(cluster, after, facts=(fact,), engine=engine), "again")["reason"] == "NotMeasured"
