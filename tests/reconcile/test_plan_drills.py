"""Drills in a pass: asked for once, recorded once, told with their reason, and never in the way of others."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contract.test_recovery_proof import GOOD, checks
from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import Manifest, digest, get_map, get_str
from dedicated.api.objects import INSTANCE_RESTORE
from dedicated.contract.facts import Drilled
from dedicated.contract.recovery.proof import Goal, Verdict
from dedicated.parts.database.engine import ClusterState, Origin
from dedicated.reconcile.actions import Ask
from dedicated.reconcile.restores import cluster_for
from reconcile.simulation import Cluster
from reconcile.test_plan_recovery import recovery, report, stand, tell

FIRST = timedelta(hours=12)
"""By then the first drill is due."""


def drilling() -> Cluster:
    """An instance at rest with a first drill that was asked for just now."""
    cluster = stand()
    begun = cluster.server.now
    cluster.pass_time(hours=12, minutes=1)
    tell(cluster, report(cluster.server.now, since=begun))
    return cluster


def order(cluster: Cluster) -> Manifest:
    (found,) = cluster.restores.bodies.values()
    return found


def drills(cluster: Cluster) -> list[Drilled]:
    return [fact for fact in cluster.facts.values() if isinstance(fact, Drilled)]


def copy_of(cluster: Cluster, *, ready: bool = True) -> None:
    """The engine has restored the copy."""
    uid = get_str(order(cluster), "metadata", "uid")
    made = ClusterState(
        ready=ready,
        servers=1,
        ready_servers=1,
        created=cluster.server.now,
        origin=Origin(get_str(order(cluster), "metadata", "name"), cluster.server.now, exact=False),
    )
    name = cluster_for(cluster.instance(), uid)
    cluster.engine = replace(cluster.engine, others={name: made})


def looked_at(cluster: Cluster, verdict: Verdict) -> None:
    """The verification has written its verdict, ten minutes later."""
    uid = get_str(order(cluster), "metadata", "uid")
    cluster.pass_time(minutes=10)
    now = cluster.server.now
    identity = cluster.observed().identity
    assert identity is not None
    told = replace(
        verdict,
        written=now,
        restore=uid,
        goal=Goal(now - timedelta(minutes=12), newest=True),
        restored_to=now - timedelta(minutes=11),
        fingerprint=identity.masterkey,
        took=timedelta(minutes=1),
    )
    cluster.restores.verdicts[uid] = told
    tell(cluster, report(now, since=now - timedelta(hours=12)))


def test_the_first_is_asked_for_once_within_half_a_day_of_a_full_backup() -> None:
    cluster = stand()
    begun = cluster.server.now
    tell(cluster, report(begun))
    assert cluster.restores.bodies == {}
    assert cluster.condition("RestoreProven") == ("Unknown", "NoneYet")
    assert cluster.condition("DataProtected")[0] == "True"
    due = parse_time(cluster.message("RestoreProven").removeprefix("first drill ").partition(" ")[0])
    assert due is not None
    assert begun < due <= begun + FIRST
    cluster.server.now = due
    tell(cluster, report(due, since=begun))
    found = order(cluster)
    assert (get_str(found, "spec", "instance"), get_str(found, "spec", "purpose")) == ("acme", "Drill")
    target = parse_time(get_str(found, "spec", "target"))
    assert target is not None
    assert begun <= target <= due
    assert get_str(found, "metadata", "name") == f"acme-drill-{due:%Y%m%d%H%M}"
    cluster.pass_time(minutes=5)
    again = tell(cluster, report(cluster.server.now, since=begun))
    assert [one for one in again.actions if isinstance(one, Ask)] == []
    assert len(cluster.restores.bodies) == 1


def test_it_is_woken_when_one_is_due() -> None:
    cluster = stand()
    begun = cluster.server.now
    tell(cluster, report(begun))
    for _ in range(2000):
        wake = cluster.plan().wake_at
        assert wake is not None
        cluster.server.now = max(wake, cluster.server.now + timedelta(seconds=1))
        cluster.recovery = replace(cluster.recovery, report=report(cluster.server.now, since=begun))  # type: ignore[type-var]
        cluster.settle()
        if cluster.restores.bodies:
            break
    assert cluster.server.now <= begun + FIRST


def test_what_it_has_shown_is_recorded_once_and_told() -> None:
    cluster = drilling()
    copy_of(cluster)
    cluster.settle()
    looked_at(cluster, GOOD)
    (fact,) = drills(cluster)
    assert (fact.passed, fact.reason, fact.events, fact.keys_opened) == (True, "Proven", 7, 3)
    assert fact.took == timedelta(minutes=9)
    assert cluster.condition("RestoreProven") == ("True", "Proven")
    assert "in 9m of 4h (B-4); next drill" in cluster.message("RestoreProven")
    assert get_map(recovery(cluster), "lastDrill")["took"] == "9m"
    assert "RestoreProven" not in cluster.message("DataProtected")
    cluster.settled = {}
    cluster.settle()
    assert len(drills(cluster)) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"checks": checks(pages="Failed")}, "Corrupted"),
        ({"checks": checks(point="Failed"), "shortfall": timedelta(hours=1)}, "Shortfall"),
        ({"checks": checks(keys="Failed")}, "MasterkeyWrong"),
        ({"recovered": False}, "RecoveryNotEnded"),
    ],
)
def test_one_that_failed_is_told_with_its_reason_and_held_again_a_day_later(
    fault: dict[str, object], reason: str
) -> None:
    cluster = drilling()
    copy_of(cluster)
    cluster.settle()
    looked_at(cluster, replace(GOOD, **fault))  # type: ignore[arg-type]
    assert [one.reason for one in drills(cluster)] == [reason]
    assert cluster.condition("RestoreProven") == ("False", reason)
    assert cluster.condition("DataProtected") == ("False", "NotProtected")
    assert f"RestoreProven ({reason})" in cluster.message("DataProtected")
    assert "RestoreNotProven" in cluster.findings()
    assert cluster.condition("Ready")[0] == "True"
    cluster.engine = replace(cluster.engine, others={})
    cluster.settle()
    cluster.pass_time(hours=24, minutes=5)
    now = cluster.server.now
    tell(cluster, report(now, since=now - timedelta(hours=12)))
    assert len(cluster.restores.bodies) == 2


def test_none_begins_beside_another_restore() -> None:
    cluster = stand()
    begun = cluster.server.now
    name = "back"
    cluster.restores.bodies[name] = cloning(name, cluster.server.now)
    cluster.pass_time(hours=12, minutes=1)
    tell(cluster, report(cluster.server.now, since=begun))
    assert [*cluster.restores.bodies] == [name]
    del cluster.restores.bodies[name]
    tell(cluster, report(cluster.server.now, since=begun))
    assert len(cluster.restores.bodies) == 1


def cloning(name: str, now: datetime) -> Manifest:
    return {
        "apiVersion": INSTANCE_RESTORE.api_version,
        "kind": INSTANCE_RESTORE.kind,
        "metadata": {"name": name, "uid": "r1", "creationTimestamp": rfc3339(now)},
        "spec": {"instance": "acme", "purpose": "Clone"},
    }


def over(cluster: Cluster, name: str, phase: str, *, days: int, reason: str = "") -> None:
    """A drill that ended so many days ago."""
    made = cloning(name, cluster.server.now - timedelta(days=days))
    metadata: Manifest = {**get_map(made, "metadata"), "name": name, "uid": digest([name])}
    spec: Manifest = {"instance": "acme", "purpose": "Drill"}
    status: Manifest = {"phase": phase, "reason": reason or "Shortfall", "message": "as it was told"}
    cluster.restores.bodies[name] = {**made, "metadata": metadata, "spec": spec, "status": status}
    if phase == "Removed":  # that one failed is recorded by the pass
        at = cluster.server.now - timedelta(days=days)
        cluster.facts[name] = Drilled(name, at, "op", name, True, "Proven", "7", at, at)


def test_the_newest_three_of_either_end_are_kept_and_what_somebody_asked_for_stays() -> None:
    cluster = stand()
    for day in range(1, 6):
        over(cluster, f"acme-drill-20260101010{day}", "Removed", days=day)
        over(cluster, f"acme-drill-20260101020{day}", "Failed", days=day)
        over(cluster, f"acme-drill-2026010{day}-010203", "Removed", days=day)
    unrecorded = "acme-drill-202601010306"
    over(cluster, unrecorded, "Removed", days=9)
    del cluster.facts[unrecorded]
    over(cluster, "acme-drill-202601010407", "Failed", days=8, reason="YieldedToRecovery")
    cluster.settle()
    left = {*cluster.restores.bodies}
    for end in ("acme-drill-20260101010", "acme-drill-20260101020"):
        assert {name for name in left if name.startswith(end)} == {f"{end}{number}" for number in (1, 2, 3)}
    assert len([name for name in left if name.endswith("-010203")]) == 5
    assert unrecorded in left
    assert "acme-drill-202601010407" not in left
    assert len([fact for fact in drills(cluster) if not fact.passed]) == 5


def test_without_a_report_that_is_believed_nothing_is_asked_for() -> None:
    cluster = stand()
    cluster.pass_time(days=2)
    cluster.settle()
    assert cluster.restores.bodies == {}
    cluster.pass_time(days=9)
    cluster.engine = replace(cluster.engine, cluster=whole(cluster.server.now - timedelta(days=11)))
    cluster.settle()
    assert cluster.condition("RestoreProven") == ("False", "DrillOverdue")


def whole(created: datetime) -> ClusterState:
    return ClusterState(ready=True, servers=3, ready_servers=3, created=created)
