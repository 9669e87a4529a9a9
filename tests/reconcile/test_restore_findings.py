"""What a Recovery that failed or is stuck tells, and a point before a switch."""

from dataclasses import replace

from builders import UID
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_list, get_map
from dedicated.api.objects import PERCONA_CLUSTER
from dedicated.parts.database.engine import ClusterState
from dedicated.parts.schema import JobState
from dedicated.reconcile.actions import Apply, Plan
from reconcile.restoring import (
    LOST,
    OLD,
    applied,
    copy_of,
    isolated,
    looked,
    ordered,
    others,
    scene,
    switched,
    told,
    verdict,
)
from reconcile.test_plan_recovery import MINUTE


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
