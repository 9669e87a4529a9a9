"""Drills by a dump in a pass: asked for once a month, recorded once, told, and never beside another drill."""

from datetime import timedelta

from contract.test_recovery_proof import GOOD
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.contract.facts import Drilled
from dedicated.contract.recovery.dumps import due_dump
from dedicated.reconcile.actions import Ask
from reconcile.simulation import Cluster
from reconcile.test_plan_drills import copy_of, drilling, drills, looked_at
from reconcile.test_plan_recovery import report, tell


def proven() -> Cluster:
    """An instance whose first drill has passed."""
    cluster = drilling()
    copy_of(cluster)
    cluster.settle()
    looked_at(cluster, GOOD)
    cluster.restores.bodies.clear()
    return cluster


def to_its_slot(cluster: Cluster) -> None:
    """The time of the first dump has come; restores were tried meanwhile."""
    identity = f"{cluster.instance().meta.key} {cluster.instance().incarnation}"
    (held,) = drills(cluster)
    now = cluster.server.now
    while due_dump(identity, (held,), (), now=now)[0] is None:
        now += timedelta(hours=1)
    cluster.server.now = now
    fresh = Drilled(
        "fresh", now, "operator", "r", passed=True, reason="Proven", found="7 events",
        started=now - timedelta(hours=1), ended=now - timedelta(minutes=30),
    )  # fmt: skip
    cluster.facts["fresh"] = fresh
    tell(cluster, report(now, since=now - timedelta(hours=12)))


def dump(cluster: Cluster) -> Manifest:
    (found,) = cluster.restores.exports.values()
    return found


def ended(cluster: Cluster, **status: str | int) -> None:
    """The dump has ended half an hour later."""
    began = cluster.server.now
    cluster.pass_time(minutes=30)
    now = cluster.server.now
    times = {"startedAt": rfc3339(began), "completedAt": rfc3339(now)}
    dump(cluster)["status"] = {**times, **status}
    tell(cluster, report(now, since=now - timedelta(hours=12)))


def dumps(cluster: Cluster) -> list[Drilled]:
    return [one for one in drills(cluster) if one.logical]


def test_none_is_asked_for_in_the_first_week() -> None:
    cluster = proven()
    for _ in range(7 * 24 - 1):
        cluster.pass_time(hours=1)
        tell(cluster, report(cluster.server.now, since=cluster.server.now - timedelta(hours=12)))
        cluster.restores.bodies.clear()
    assert cluster.restores.exports == {}


def test_one_is_asked_for_at_its_slot_recorded_once_and_told() -> None:
    cluster = proven()
    to_its_slot(cluster)
    spec = get_map(dump(cluster), "spec")
    assert spec == {"instance": "acme", "purpose": "Drill", "scratch": {"size": "20Gi"}}
    assert get_str(dump(cluster), "metadata", "name").startswith("acme-dump-")
    assert get_str(dump(cluster), "status", "phase") == "Pending"
    figures = {"databaseBytes": 2_000_000_000, "rows": 1003, "dumpSeconds": 20, "verifySeconds": 50}
    ended(cluster, phase="Completed", **figures)
    (fact,) = dumps(cluster)
    assert (fact.passed, fact.reason, fact.size, fact.took) == (
        True, "Imported", 2_000_000_000, timedelta(seconds=70)
    )  # fmt: skip
    assert cluster.condition("RestoreProven") == ("True", "Proven")
    assert "1003 rows and every table's checksum equal" in cluster.message("RestoreProven")
    cluster.settled = {}
    cluster.settle()
    assert len(dumps(cluster)) == 1
    assert len(cluster.restores.exports) == 1


def test_one_that_failed_turns_the_proof_false_and_is_made_again_a_day_later() -> None:
    cluster = proven()
    to_its_slot(cluster)
    ended(cluster, phase="Failed", reason="ExportFailed", message="RowsDiffer a.b: 0 rows, 1 were exported")
    assert [one.reason for one in dumps(cluster)] == ["DumpNotProven"]
    assert cluster.condition("RestoreProven") == ("False", "DumpNotProven")
    assert "RowsDiffer a.b" in cluster.message("RestoreProven")
    assert cluster.condition("DataProtected") == ("False", "NotProtected")
    cluster.pass_time(hours=23)
    tell(cluster, report(cluster.server.now, since=cluster.server.now - timedelta(hours=12)))
    assert len(cluster.restores.exports) == 1
    cluster.pass_time(hours=1)
    tell(cluster, report(cluster.server.now, since=cluster.server.now - timedelta(hours=12)))
    assert len(cluster.restores.exports) == 2


def test_none_begins_while_a_restore_is_under_way_and_it_looks_again() -> None:
    cluster = proven()
    cluster.restores.bodies["other"] = {
        "metadata": {"name": "other", "uid": "o", "creationTimestamp": rfc3339(cluster.server.now)},
        "spec": {"instance": "acme", "purpose": "Clone"},
    }
    to_its_slot(cluster)
    assert cluster.restores.exports == {}
    wake = cluster.plan().wake_at
    assert wake is not None
    assert wake <= cluster.server.now + timedelta(minutes=5)


def test_nobody_is_asked_where_nobody_could_make_it() -> None:
    cluster = proven()
    cluster.agent_image = ""
    to_its_slot(cluster)
    asked = [one for one in cluster.done if isinstance(one, Ask)]
    assert not [one for one in asked if get_str(one.manifest, "kind") == "InstanceExport"]
