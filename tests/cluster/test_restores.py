"""Restores on the real API server, engine and agents played: switched, refused, kept, removed."""

from datetime import timedelta
from pathlib import Path

import pytest

from cluster.observing import wait_applied
from cluster.restore_stage import restore_stage
from cluster.standing import until
from dedicated.api.conditions import rfc3339
from dedicated.api.json import get_map, get_str
from dedicated.api.objects import CNPG_CLUSTER, INSTANCE_RESTORE, PERCONA_CLUSTER, Kind
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    "kind",
    [pytest.param(PERCONA_CLUSTER, marks=pytest.mark.slow), CNPG_CLUSTER],
    ids=lambda kind: kind.kind,
)
def test_a_lost_database_is_restored_switched_to_and_removed_after_its_time(
    cluster: Cluster,
    make_namespace: MakeNamespace,
    run_operator: RunOperator,
    tmp_path: Path,
    kind: Kind,
) -> None:
    with restore_stage(cluster, make_namespace, run_operator, tmp_path, kind=kind) as stage:
        stage.engine.lost.add("acme-database")
        until(
            lambda: not stage.api.list("v1/pods", stage.namespace, labels="cnpg.io/cluster=acme-database")
            and not stage.api.list(
                "v1/pods", stage.namespace, labels="postgres-operator.crunchydata.com/cluster=acme-database"
            ),
            "the database to be lost",
        )
        stage.pass_time(minutes=3)  # no sample is of now any more
        stage.ask("lost", "Recovery")
        done = stage.comes_to("lost", "Retained")
        new = get_str(done, "cluster")
        assert stage.clusters() == {"acme-database", new}
        assert stage.secret_of_server().startswith(new)
        until(lambda: get_str(stage.body(), "status", "database", "cluster") == new, "the database told")
        wait_applied(stage.api, stage.namespace)
        (switched,) = stage.facts("Restored")
        assert get_str(switched, "restored", "cluster") == new
        assert not stage.facts("DatabaseRemoved")
        stage.pass_time(minutes=31)
        stage.comes_to("lost", "Removed")
        assert stage.clusters() == {new}
        (removed,) = stage.facts("DatabaseRemoved")
        assert get_str(removed, "removed", "cluster") == "acme-database"
        # The target was wrong: a point before it is in the part of the database that is gone.
        earlier = get_str(switched, "restored", "newest")
        stage.ask("again", "Recovery", target=earlier, acceptLossSince=earlier)
        done = stage.comes_to("again", "Retained")
        assert (done["target"], done["clamped"]) == (earlier, False)
        assert stage.clusters() == {new, get_str(done, "cluster")}
        told = get_map(next(one for one in stage.facts("Restored") if one != switched), "restored")
        assert (told["source"], told["part"]) == (new, "acme-database")
        until(
            lambda: get_str(stage.body(), "status", "database", "restoredFrom") == "acme-database",
            "the database told",
        )


def test_a_living_database_is_replaced_only_by_word_and_never_by_a_copy_that_fails(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    with restore_stage(
        cluster, make_namespace, run_operator, tmp_path, kind=PERCONA_CLUSTER
    ) as stage:
        before = stage.secret_of_server()
        stage.ask("silent", "Recovery")
        refused = stage.comes_to("silent", "Failed")
        assert refused["reason"] == "OldDatabaseAnswers"
        assert refused["responsible"] == "Provider"
        assert stage.clusters() == {"acme-database"}
        early = rfc3339(stage.agents.clock() - timedelta(days=2))
        stage.ask("early", "Clone", target=early)
        assert stage.comes_to("early", "Failed")["reason"] == "TargetTooEarly"

        newest = stage.newest()
        assert newest is not None
        word = rfc3339(newest - timedelta(seconds=30))
        stage.verifications.broken = "page 7 of events2 is torn"
        stage.ask("torn", "Recovery", acceptLossSince=word)
        failed = stage.comes_to("torn", "Failed")
        assert failed["reason"] == "Corrupted"
        assert stage.clusters() == {"acme-database", get_str(failed, "cluster")}
        assert stage.secret_of_server() == before
        assert not stage.facts("Restored")

        # What is not asked for any more is removed by its own record, and its removal is told.
        stage.api.delete(INSTANCE_RESTORE, stage.namespace, "torn")
        until(lambda: get_str(failed, "cluster") not in stage.clusters(), "the copy to go")
        removed = [get_str(item, "removed", "cluster") for item in stage.facts("DatabaseRemoved")]
        assert removed == [get_str(failed, "cluster")]
        assert stage.clusters() == {"acme-database"}
        assert stage.engine.emptied == {get_str(failed, "cluster")}


def test_a_drill_leaves_nothing_and_a_recovery_waits_for_no_other_purpose(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    with restore_stage(
        cluster, make_namespace, run_operator, tmp_path, kind=PERCONA_CLUSTER
    ) as stage:
        before = stage.secret_of_server()
        stage.ask("drill", "Drill")
        drilled = stage.comes_to("drill", "Removed")
        assert drilled["verifiedAt"]
        assert stage.clusters() == {"acme-database"}
        assert stage.engine.emptied == {get_str(drilled, "cluster")}
        assert stage.secret_of_server() == before

        stage.engine.restoring = "restore job runs"
        stage.ask("clone", "Clone")
        stage.comes_to("clone", "Restoring")
        newest = stage.newest()
        assert newest is not None
        stage.ask("wanted", "Recovery", acceptLossSince=rfc3339(newest - timedelta(seconds=30)))
        assert stage.comes_to("clone", "Failed")["reason"] == "YieldedToRecovery"
        stage.comes_to("wanted", "Restoring")
        until(
            lambda: get_map(stage.body(), "status", "restore").items()
            >= {"name": "wanted", "phase": "Restoring"}.items(),
            "the instance to tell of it",
        )
        stage.engine.restoring = ""
        done = stage.comes_to("wanted", "Retained")
        assert stage.secret_of_server().startswith(get_str(done, "cluster"))
        assert "acme-database" in stage.clusters()
