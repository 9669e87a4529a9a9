"""A drill by a dump, engine and process played: nothing to store, recorded, told, tried again a day later."""

from dataclasses import replace
from pathlib import Path

import pytest

from api.export_examples import DRILL, order
from cluster.restore_stage import RestoreStage, restore_stage
from cluster.standing import until
from cluster.test_drills import proven
from cluster.test_export_physical import status, told
from contract.export_examples import REPORT
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE_EXPORT, JOB, PERCONA_CLUSTER
from dedicated.contract.transfer.export import failed
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


def dumped(stage: RestoreStage, reason: str) -> bool:
    """Whether the one drill by a dump that is recorded has come to this."""
    drills = [get_map(fact, "drill") for fact in stage.facts("Drilled")]
    return [get_str(one, "reason") for one in drills if get_str(one, "kind") == "Logical"] == [reason]


def asked_again(stage: RestoreStage) -> list[str]:
    """The purposes of the exports that the operator asked for by itself."""
    orders = stage.api.list(INSTANCE_EXPORT, stage.namespace)
    return [get_str(one, "spec", "purpose") for one in orders if get_str(one, "metadata", "name") != "out"]


def test_one_is_made_without_a_store_and_a_failure_is_recorded_told_and_tried_again(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    with restore_stage(cluster, make_namespace, run_operator, tmp_path, kind=PERCONA_CLUSTER) as stage:
        until(lambda: proven(stage) == ("Unknown", "NoneYet"), "a first drill to be foreseen", seconds=60)
        stage.pass_time(hours=13)
        until(lambda: proven(stage) == ("True", "Proven"), "a restore proven", seconds=120)
        body = order(spec=DRILL)
        made = stage.api.create({**body, "metadata": {"name": "out", "namespace": stage.namespace}})
        until(lambda: stage.api.find(JOB, stage.namespace, "acme-export") is not None, "the Job", seconds=60)
        pod = get_map(stage.api.get(JOB, stage.namespace, "acme-export"), "spec", "template", "spec")
        assert {get_str(one, "name") for one in get_list(pod, "volumes")} == {"scratch", "token", "tmp"}
        now = stage.agents.clock()
        report = replace(REPORT, export=get_str(made, "metadata", "uid"), written=now, started=now)
        told(stage, cluster, replace(report, step="Verifying"))
        until(lambda: status(stage).get("phase") == "Verifying", "the proof under way", seconds=60)
        told(stage, cluster, failed(report, "RowsDiffer a.b: 0 rows, 1 were exported", at=now))
        gives_up: Manifest = {"spec": {"activeDeadlineSeconds": 1}}
        stage.api.patch(JOB, stage.namespace, "acme-export", gives_up)
        until(lambda: status(stage).get("phase") == "Failed", "its end told", seconds=60)
        until(lambda: dumped(stage, "DumpNotProven"), "the drill recorded", seconds=60)
        until(lambda: proven(stage) == ("False", "DumpNotProven"), "the failure told", seconds=60)
        stage.pass_time(hours=25)
        until(lambda: asked_again(stage) == ["Drill"], "another dump, a day later", seconds=120)
