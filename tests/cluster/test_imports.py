"""Instances that start from a backup, on the real API server: played engines, admission, what is refused."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.source_examples import BACKUP, SOURCES
from cluster.engine_stage import AGENT
from cluster.import_stage import MASTERKEY, arriving, import_stage
from cluster.instances import condition, database_secret, instance
from cluster.observing import SECONDS, secret, wait_applied
from cluster.standing import NOWHERE, SIMULATED, until
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import (
    CNPG_CLUSTER,
    CONFIG_MAP,
    DEPLOYMENT,
    INSTANCE,
    JOB,
    PERCONA_CLUSTER,
    RECORD,
    Kind,
)
from dedicated.contract.transfer.import_report import MANAGER, REPORT, Report, report_json
from dedicated.parts.importing import import_name
from testbed import protection
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

NAME = import_name("acme")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(PERCONA_CLUSTER, marks=pytest.mark.slow), CNPG_CLUSTER],
    ids=lambda kind: kind.kind,
)
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
def test_a_running_database_is_imported_by_a_job_whose_word_alone_is_believed(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    run_operator(namespace, watch=(namespace,), extra=AGENT)
    policies = protection.policies(namespace, watch=(namespace,))
    protection.replace(cluster, namespace, old=(), new=policies)
    try:
        api.create(secret(namespace, "own", masterkey=MASTERKEY))
        api.create(database_secret(namespace, NOWHERE))
        more: Manifest = {**SOURCES["database"]}
        api.create(instance(namespace, "acme", **more))
        until(lambda: api.find(JOB, namespace, NAME) is not None, "the Job", seconds=SECONDS)
        uid = get_str(api.get(INSTANCE, namespace, "acme"), "metadata", "uid")
        now = datetime.now(UTC)
        said = Report(uid, now, "Importing", now, done=1, total=2, size=47_000_000)
        tell(cluster, namespace, said)
        until(
            lambda: told(api.get(INSTANCE, namespace, "acme")) == "Importing", "progress", seconds=SECONDS
        )
        assert schema_jobs(api.list(JOB, namespace)) == []
        tell(cluster, namespace, replace(said, step="Completed", tables=7, rows=70))
        wait_applied(api, namespace)
        (record,) = [
            item for item in api.list(RECORD, namespace) if get_str(item, "spec", "fact") == "Imported"
        ]
        assert get_str(record, "spec", "imported", "source") == "Database"
        assert not [
            item
            for item in api.list(RECORD, namespace)
            if get_str(item, "spec", "fact") == "ModificationRepaired"
        ]
        until(lambda: api.find(JOB, namespace, NAME) is None, "the Job to go", seconds=SECONDS)
    finally:
        protection.replace(cluster, namespace, old=policies, new=())


def tell(cluster: Cluster, namespace: str, said: Report) -> None:
    """Write a report as the import's process does, by its own account."""
    account = cluster.as_account(namespace, NAME)
    data: Manifest = {"data": {REPORT: report_json(said)}}

    def is_written() -> bool:
        try:
            account.patch(CONFIG_MAP, namespace, NAME, data, manager=MANAGER)
        except ApiError as error:
            if error.status in {401, 403, 404}:  # its rights come into force a moment after the Job
                return False
            raise
        return True

    until(is_written, "the report", seconds=SECONDS)


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
