"""A physical `InstanceExport` on the real API server, its process played: what its pod mounts, its end."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from api.export_examples import PHYSICAL, order
from cluster.restore_stage import RestoreStage, restore_stage
from cluster.standing import until
from contract.export_examples import REPORT
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, INSTANCE_EXPORT, JOB, PERCONA_CLUSTER
from dedicated.contract.transfer.export import MANAGER, Report, report_json
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

RECORD = "acme-export"


def asked(stage: RestoreStage) -> str:
    """Ask for a physical export into a bucket where data may be; its uid, once its Job is there."""
    place = get_map(PHYSICAL, "destination")
    inside = {**place, "endpoint": "s3.eu-central-2.amazonaws.com", "region": "eu-central-2"}
    body = order(spec={**PHYSICAL, "destination": inside})
    made = stage.api.create({**body, "metadata": {"name": "out", "namespace": stage.namespace}})
    until(lambda: stage.api.find(JOB, stage.namespace, RECORD) is not None, "the Job", seconds=60)
    return get_str(made, "metadata", "uid")


def status(stage: RestoreStage) -> Manifest:
    return get_map(stage.api.get(INSTANCE_EXPORT, stage.namespace, "out"), "status")


def told(stage: RestoreStage, cluster: Cluster, found: Report) -> None:
    """Write a report as the export's process does, by its own account."""
    account = cluster.as_account(stage.namespace, RECORD)
    data: Manifest = {"data": {"report": report_json(found)}}

    def is_written() -> bool:
        try:
            account.patch(CONFIG_MAP, stage.namespace, RECORD, data, manager=MANAGER)
        except ApiError as error:
            if error.status in {401, 403, 404}:  # its rights come into force a moment after the Job
                return False
            raise
        return True

    until(is_written, "the report", seconds=60)


def test_addresses_are_made_told_with_their_end_and_said_to_be_over(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    with restore_stage(cluster, make_namespace, run_operator, tmp_path, kind=PERCONA_CLUSTER) as stage:
        uid = asked(stage)
        pod = get_map(stage.api.get(JOB, stage.namespace, RECORD), "spec", "template", "spec")
        assert get_list(pod, "initContainers") == []
        for volume in get_list(pod, "volumes"):
            if name := get_str(volume, "configMap", "name"):
                assert stage.api.find(CONFIG_MAP, stage.namespace, name) is not None, name
        now = stage.agents.clock()
        expires = now + timedelta(hours=24)
        report = replace(REPORT, export=uid, written=now, started=now, database_bytes=0)
        told(stage, cluster, replace(report, step="Listing", done=0, total=0))
        until(lambda: status(stage).get("phase") == "Listing", "the listing told", seconds=60)
        complete = replace(
            report, step="Completed", objects=7, object_bytes=70, expires=expires, manifest="m.json",
            manifest_sha256="0" * 64,
        )  # fmt: skip
        told(stage, cluster, complete)
        until(lambda: status(stage).get("phase") == "Completed", "its end told", seconds=60)
        assert (status(stage)["expires"], status(stage)["objects"]) == (rfc3339(expires), 7)
        assert "reason" not in status(stage)
        stage.pass_time(hours=25)
        until(lambda: status(stage).get("reason") == "AddressesExpired", "that they expired", seconds=60)
        assert status(stage)["phase"] == "Completed"
