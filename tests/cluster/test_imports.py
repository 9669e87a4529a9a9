"""Instances that start from a backup, on the real API server: played engines, admission, what is refused."""

from pathlib import Path

import pytest

from api.source_examples import BACKUP
from cluster.import_stage import arriving, import_stage
from cluster.instances import condition
from cluster.observing import SECONDS, wait_applied
from cluster.standing import until
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import CNPG_CLUSTER, DEPLOYMENT, INSTANCE, JOB, PERCONA_CLUSTER, Kind
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("kind", [PERCONA_CLUSTER, CNPG_CLUSTER], ids=lambda kind: kind.kind)
def test_an_instance_starts_from_a_backup_of_another(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path, kind: Kind
) -> None:
    with import_stage(cluster, make_namespace, run_operator, tmp_path, kind=kind) as stage:
        stage.verifications.holding = True
        stage.api.create(arriving(stage.namespace, percona=kind == PERCONA_CLUSTER))
        until(lambda: told(stage.body()) == "Verifying", "it to be looked at", seconds=SECONDS)
        assert schema_jobs(stage.api.list(JOB, stage.namespace)) == []
        stage.verifications.holding = False
        wait_applied(stage.api, stage.namespace)
        (fact,) = stage.facts("Imported")
        assert get_str(fact, "imported", "place") == "aws:eu-west-1"
        assert told(stage.body()) == "Imported"
        assert schema_jobs(stage.api.list(JOB, stage.namespace), "init") == []
        made = stage.api.get(kind, stage.namespace, "acme-database")
        assert not get_map(made, "spec").get("dataSource")
        assert "recovery" not in get_map(made, "spec", "bootstrap")
        assert stage.engine.restored.keys() == {"acme-database"}
        until(
            lambda: stage.api.find(JOB, stage.namespace, "acme-import-verdict") is None,
            "what looked at it to be taken away",
            seconds=SECONDS,
        )


def test_a_backup_that_is_damaged_never_starts_zitadel(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    with import_stage(cluster, make_namespace, run_operator, tmp_path, kind=PERCONA_CLUSTER) as stage:
        stage.verifications.broken = "page 7 of events2 is torn"
        stage.api.create(arriving(stage.namespace, percona=True))
        until(
            lambda: get_str(condition(stage.body(), "Stalled"), "reason") == "Corrupted",
            "it to be refused",
            seconds=SECONDS,
        )
        assert told(stage.body()) == "Failed"
        assert schema_jobs(stage.api.list(JOB, stage.namespace)) == []
        assert [
            item
            for item in stage.api.list(DEPLOYMENT, stage.namespace)
            if not get_str(item, "metadata", "name").endswith("-recovery")
        ] == []
        assert not stage.facts("Imported")


@pytest.mark.usefixtures("crds")
def test_admission_takes_one_source_with_a_masterkey_and_no_other_afterwards(
    cluster: Cluster, make_namespace: MakeNamespace
) -> None:
    namespace = make_namespace()
    two = arriving(namespace, percona=True)
    get_map(two, "spec", "from")["database"] = {
        "secretName": "a",
        "zitadelVersion": "v4.15.2",
        "scratch": {"size": "1Gi"},
    }
    assert "exactly one of" in refused(cluster, two)
    keyless = arriving(namespace, percona=True)
    del get_map(keyless, "spec")["keys"]
    assert "keys.masterkey.secretRef is required with from" in refused(cluster, keyless)
    cluster.api.create(arriving(namespace, percona=True))
    for changed in ({**BACKUP, "bucket": "another"}, None):
        patch: Manifest = {"spec": {"from": {"backup": changed} if changed else None}}
        with pytest.raises(ApiError, match="from is immutable"):
            cluster.api.patch(INSTANCE, namespace, "acme", patch)


def refused(cluster: Cluster, body: Manifest) -> str:
    with pytest.raises(ApiError) as error:
        cluster.api.create(body)
    return str(error.value)


def told(body: Manifest) -> str:
    return get_str(body, "status", "import", "phase")


def schema_jobs(jobs: list[Manifest], kind: str = "") -> list[str]:
    """Names of ZITADEL's Jobs."""
    names = [
        get_str(item, "metadata", "name")
        for item in jobs
        if get_str(item, "metadata", "labels", "app.kubernetes.io/component") == "schema"
    ]
    return [name for name in names if kind in name]
