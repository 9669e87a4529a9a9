"""Drills on the real API server, engine and agents played: held by themselves, recorded, removed, told."""

from pathlib import Path

import pytest

from cluster.observing import SECONDS
from cluster.restore_stage import RestoreStage, restore_stage
from cluster.standing import until
from dedicated.api.conditions import condition_in
from dedicated.api.json import get_map, get_str
from dedicated.api.objects import CONFIG_MAP, INSTANCE_RESTORE, JOB, PERCONA_CLUSTER
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


def proven(stage: RestoreStage) -> tuple[str, str]:
    found = condition_in(get_map(stage.body(), "status"), "RestoreProven")
    return get_str(found, "status"), get_str(found, "reason")


def recorded(stage: RestoreStage, count: int) -> list[str]:
    """The reasons of the drills that are recorded, once there are so many."""
    until(lambda: len(stage.facts("Drilled")) == count, f"{count} drills recorded", seconds=SECONDS)
    return [get_str(fact, "drill", "reason") for fact in stage.facts("Drilled")]


def test_a_drill_is_held_by_itself_recorded_and_removed_and_a_failed_one_is_held_again(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    with restore_stage(cluster, make_namespace, run_operator, tmp_path, kind=PERCONA_CLUSTER) as stage:
        until(lambda: proven(stage) == ("Unknown", "NoneYet"), "a first drill to be foreseen")
        stage.verifications.broken = "page 7 of events2 is torn"
        before = stage.secret_of_server()
        stage.pass_time(hours=13)

        assert recorded(stage, 1) == ["Corrupted"]
        until(lambda: proven(stage) == ("False", "Corrupted"), "the failure told", seconds=SECONDS)
        (failed,) = stage.api.list(INSTANCE_RESTORE, stage.namespace)
        until(lambda: stage.clusters() == {"acme-database"}, "the copy to be gone", seconds=SECONDS)
        assert get_str(failed, "spec", "purpose") == "Drill"
        stage.verifications.broken = ""
        stage.pass_time(hours=25)
        assert sorted(recorded(stage, 2)) == ["Corrupted", "Proven"]
        until(lambda: proven(stage) == ("True", "Proven"), "the proof told", seconds=SECONDS)
        until(lambda: stage.clusters() == {"acme-database"}, "the copy to be gone", seconds=SECONDS)
        assert len(stage.api.list(INSTANCE_RESTORE, stage.namespace)) == 2
        assert stage.secret_of_server() == before
        labelled = "app.kubernetes.io/component=verification"
        names = {
            get_str(one, "metadata", "name") for one in stage.api.list(JOB, stage.namespace, labels=labelled)
        }
        records = stage.api.list(CONFIG_MAP, stage.namespace, labels=labelled)
        assert names == {get_str(one, "metadata", "name") for one in records}


def test_of_failed_drills_the_newest_three_orders_are_kept_and_all_records(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    with restore_stage(cluster, make_namespace, run_operator, tmp_path, kind=PERCONA_CLUSTER) as stage:
        until(lambda: proven(stage) == ("Unknown", "NoneYet"), "a first drill to be foreseen")
        stage.verifications.broken = "page 7 of events2 is torn"
        for count in range(1, 5):
            stage.pass_time(hours=25)
            recorded(stage, count)
            until(lambda: stage.clusters() == {"acme-database"}, "the copy to be gone", seconds=SECONDS)
        drills = [get_str(fact, "drill", "restore") for fact in stage.facts("Drilled")]
        kept = "the oldest order to be taken away"
        until(lambda: sorted(orders(stage)) == sorted(drills)[1:], kept, seconds=SECONDS)
        assert len(recorded(stage, 4)) == 4


def orders(stage: RestoreStage) -> list[str]:
    """The orders that are there."""
    return [get_str(one, "metadata", "name") for one in stage.api.list(INSTANCE_RESTORE, stage.namespace)]
