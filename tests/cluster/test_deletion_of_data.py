"""The end of an instance whose database an engine runs: refused, refused, held; its steps; undone."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.key_examples import KEY_BUNDLE
from cli.running import Ran, run
from cluster.engine_stage import arguments, clustered, found_good, install_engines
from cluster.instances import condition, wait_for
from cluster.leaving import confirm
from cluster.observing import SECONDS, secret, wait_applied
from cluster.records_stage import grant, verbs
from cluster.restore_stage import restore_stage
from cluster.standing import NOWHERE, SIMULATED, until
from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.database import Engine
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import (
    BARMAN_STORE,
    CNPG_CLUSTER,
    CNPG_SCHEDULE,
    CONFIG_MAP,
    DEPLOYMENT,
    INSTANCE,
    INSTANCE_BACKUP,
    NETWORK_POLICY,
    PERCONA_CLUSTER,
    RECORD,
    SECRET,
    VOLUME_CLAIM,
    Kind,
)
from engines.escrow_jobs import EscrowJobs
from engines.simulator import Simulator, playing
from testbed import operator_process
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, Protect, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

READS: Manifest = {
    "apiGroups": [INSTANCE.group],
    "resources": [INSTANCE.plural, RECORD.plural],
    "verbs": ["get", "list", "delete"],
}
ORDERS: Manifest = {
    "apiGroups": [INSTANCE_BACKUP.group],
    "resources": [INSTANCE_BACKUP.plural],
    "verbs": ["get", "create"],
}
CLUSTERS: dict[Engine, Kind] = {"percona": PERCONA_CLUSTER, "cloudnative-pg": CNPG_CLUSTER}
CRUNCHY = "postgres-operator.crunchydata.com"
LABELS: dict[Engine, tuple[str, Manifest]] = {
    "percona": (f"{CRUNCHY}/cluster", {f"{CRUNCHY}/role": "pgdata"}),
    "cloudnative-pg": ("cnpg.io/cluster", {"cnpg.io/pvcRole": "PG_DATA"}),
}
"""The label of the cluster, and those of a server's data, on a volume claim."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """An instance that stands, its engine, and the clock of its contract."""

    cluster: Cluster
    namespace: str
    operator: OperatorProcess
    engine: Simulator
    clock: Path

    @property
    def api(self) -> Api:
        """The administrator's."""
        return self.cluster.api

    def run(self, user: str, *words: str) -> Ran:
        """A command of somebody's."""
        config = str(self.cluster.user_kubeconfig(user))
        return run(*words, "--kubeconfig", config, "-n", self.namespace, now=datetime.now(UTC))

    def until(self, phase: str, state: str = "") -> Manifest:
        """Wait for a step of the deletion."""

        def there(body: Manifest | None) -> bool:
            told = get_map(body, "status", "deletion")
            steps = get_list(told, "steps")
            known = get_str(told, "phase") == phase
            return known and (not state or get_str(steps[-1], "state") == state)

        return wait_for(self.api, self.namespace, there, seconds=SECONDS, what=f"{phase} {state}")

    def turn(self, instant: datetime) -> None:
        """From now on it is that time for the contract."""
        step: Manifest = {"since": rfc3339(datetime.now(UTC)), "becomes": rfc3339(instant)}
        self.clock.write_text(json.dumps({"steps": [step]}))
        metadata: Manifest = {"annotations": {"tests/turned": rfc3339(instant)}}
        self.api.patch(INSTANCE, self.namespace, "acme", {"metadata": metadata})


@contextlib.contextmanager
def standing(
    cluster: Cluster, namespace: str, run_operator: RunOperator, folder: Path, engine: Engine
) -> Iterator[Leaving]:
    """An instance with this engine, rolled out; its servers have volumes, as the engines label them."""
    clock = folder / "clock.json"
    clock.write_text('{"steps": []}')
    operator = run_operator(
        namespace, watch=(namespace,), extra=(*arguments(folder), f"--test-clock={clock}")
    )
    cluster.api.create(clustered(namespace, engine))
    found_good(cluster, namespace)
    of, data = LABELS[engine]
    for number in range(3):
        cluster.api.create(claim(namespace, f"acme-database-{number}", {of: "acme-database", **data}))
    cluster.api.create(claim(namespace, "another", {of: "another", **data}))
    backups: Manifest = {of: "acme-database", f"{CRUNCHY}/pgbackrest-repo": "repo1"}
    cluster.api.create(claim(namespace, "acme-database-repo1", backups))
    with playing(Simulator(cluster.api, namespace, NOWHERE)) as played:
        wait_applied(cluster.api, namespace)
        yield Leaving(cluster, namespace, operator, played, clock)


def claim(namespace: str, name: str, labels: Manifest) -> Manifest:
    """A volume claim."""
    return {
        "apiVersion": "v1",
        "kind": VOLUME_CLAIM.kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def claims(at: Leaving) -> set[str]:
    return {get_str(item, "metadata", "name") for item in at.api.list(VOLUME_CLAIM, at.namespace)}


def facts(at: Leaving) -> list[str]:
    mine = [get_str(item, "spec", "fact") for item in at.api.list(RECORD, at.namespace)]
    return sorted(fact for fact in mine if fact in ("DeletionConfirmed", "FinalBackup", "DatabaseRemoved"))


def people(at: Leaving) -> None:
    """A customer and a provider, who may delete as far as RBAC goes."""
    grant(at.cluster, at.namespace, "customer", READS, verbs("act-as-customer"))
    grant(at.cluster, at.namespace, "provider", READS, ORDERS, verbs("act-as-provider"))


def test_refused_refused_held_and_the_data_is_still_there(
    cluster: Cluster,
    make_namespace: MakeNamespace,
    run_operator: RunOperator,
    protect: Protect,
    tmp_path: Path,
) -> None:
    install_engines(cluster)
    namespace = make_namespace(labels=SIMULATED)
    with standing(cluster, namespace, run_operator, tmp_path, "percona") as at:
        protect(namespace)
        people(at)
        two: Manifest = {"spec": {"deletion": {"confirmation": "TwoPeople"}}}
        at.api.patch(INSTANCE, namespace, "acme", two)
        # Without confirmation, by whoever; the command does not even ask.
        with pytest.raises(ApiError, match="is not deleted without a confirmation"):
            at.api.delete(INSTANCE, namespace, "acme")
        assert "is not confirmed: dedicated delete acme --confirm" in at.run("customer", "delete", "acme").err

        told = at.run("customer", "delete", "acme", "--confirm")
        assert "recorded by customer" in told.out, told.err
        wait_for(
            at.api, namespace, lambda body: get_str(body, "status", "deletion", "confirmedBy") == "customer"
        )
        # Taken back, by whoever may confirm; and confirmed again.
        told = at.run("provider", "delete", "acme", "--withdraw")
        assert "recorded by provider" in told.out, told.err
        wait_for(
            at.api, namespace, lambda body: not get_str(body, "status", "deletion", "confirmedBy")
        )
        with pytest.raises(ApiError, match="is not deleted without a confirmation"):
            at.api.delete(INSTANCE, namespace, "acme")
        assert at.run("customer", "delete", "acme", "--confirm").code == 0
        wait_for(
            at.api, namespace, lambda body: get_str(body, "status", "deletion", "confirmedBy") == "customer"
        )
        # By the wrong person: who confirmed.
        refused = at.run("customer", "delete", "acme")
        assert refused.code == 3
        assert "wants two people, and customer confirmed its deletion" in refused.err
        # By the right one, with a failing final backup.
        at.engine.failing = "no space left in the repository"
        done = at.run("provider", "delete", "acme")
        assert (done.code, done.err) == (0, "")
        body = at.until("FinalBackup", "Held")
        (finding,) = get_list(body, "status", "findings")
        assert get_str(finding, "code") == "FinalBackupFailing"
        assert "no space left in the repository" in get_str(finding, "message")
        assert "FinalBackup" in at.run("provider", "delete", "acme").out

        assert at.api.find(PERCONA_CLUSTER, namespace, "acme-database") is not None
        assert at.api.find(DEPLOYMENT, namespace, "acme-server") is not None
        assert len(claims(at)) == 5
        assert facts(at) == ["DeletionConfirmed", "DeletionConfirmed"]


def test_a_copy_does_not_outlive_its_instance(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    with restore_stage(cluster, make_namespace, run_operator, tmp_path, kind=PERCONA_CLUSTER) as stage:
        stage.ask("clone", "Clone")
        copy = get_str(stage.comes_to("clone", "Ready"), "cluster")
        confirm(cluster, stage.namespace)
        stage.api.delete(INSTANCE, stage.namespace, "acme")
        until(lambda: copy not in stage.clusters(), "the copy to go", seconds=SECONDS)
        assert stage.status("clone")["reason"] == "InstanceDeleted"
        assert stage.clusters() == {"acme-database"}
        (removed,) = stage.facts("DatabaseRemoved")
        assert get_map(removed, "removed").items() >= {"cluster": copy, "restore": "clone"}.items()
        assert stage.engine.emptied == {copy}


@pytest.mark.parametrize("engine", ["percona", "cloudnative-pg"])
def test_step_by_step_to_the_end_over_restarts(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path, engine: Engine
) -> None:
    install_engines(cluster)
    namespace = make_namespace(labels=SIMULATED)
    with standing(cluster, namespace, run_operator, tmp_path, engine) as at:
        confirm(cluster, namespace)
        at.api.delete(INSTANCE, namespace, "acme")
        body = at.until("Retention")
        due = parse_time(get_str(body, "status", "deletion", "removeAfter"))
        assert due is not None
        assert timedelta(days=29) < due - datetime.now(UTC) <= timedelta(days=30)
        until(lambda: at.api.find(DEPLOYMENT, namespace, "acme-server") is None, "no server")
        assert at.api.find(DEPLOYMENT, namespace, "acme-recovery") is not None, "it is measured on"
        assert at.api.find(CLUSTERS[engine], namespace, "acme-database") is not None
        assert facts(at) == ["DeletionConfirmed", "FinalBackup"]

        at.turn(due + timedelta(hours=1))
        until(lambda: at.api.find(INSTANCE, namespace, "acme") is None, "the end", seconds=SECONDS)
        assert facts(at) == ["DatabaseRemoved", "DeletionConfirmed", "FinalBackup"]
        for kind in (CLUSTERS[engine], CNPG_SCHEDULE, BARMAN_STORE):
            assert at.api.list(kind, namespace) == [], kind.kind
        assert claims(at) == {"another", "acme-database-repo1"}
        assert at.api.find(NETWORK_POLICY, namespace, "acme-database") is None
        for kind, name in ((SECRET, "acme-masterkey"), (CONFIG_MAP, "acme-identity")):
            assert at.api.find(kind, namespace, name) is not None


def test_a_backup_is_asked_for_and_followed_to_its_end(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    install_engines(cluster)
    namespace = make_namespace(labels=SIMULATED)
    with standing(cluster, namespace, run_operator, tmp_path, "percona") as at:
        people(at)
        tried = at.run("provider", "backup", "acme", "--dry-run")
        assert (tried.code, at.api.list(INSTANCE_BACKUP, namespace)) == (0, []), tried.err
        done = at.run("provider", "backup", "acme", "--kind", "Differential", "--wait")
        assert done.code == 0, done.err
        assert "19,000,000 bytes" in done.out
        at.engine.failing = "no space left in the repository"
        failed = at.run("provider", "backup", "acme", "--wait")
        assert failed.code == 1
        assert "BackupFailed: no space left in the repository" in failed.err
        assert at.run("customer", "backup", "acme").code == 3


def test_uninstalling_the_operator_takes_nothing_along(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    """Nobody lets a deleted instance go; by force its pods go with it, and its data does not."""
    install_engines(cluster)
    namespace = make_namespace(labels=SIMULATED)
    with standing(cluster, namespace, run_operator, tmp_path, "percona") as at:
        kinds = (PERCONA_CLUSTER, SECRET)
        before = {kind.kind: uids_of(at, kind) for kind in kinds}
        kept = claims(at)
        at.operator.kill()
        operator_process.remove_rights(cluster, at.operator.chart)
        at.api.delete(INSTANCE, namespace, "acme")
        assert at.api.find(INSTANCE, namespace, "acme") is not None
        assert at.api.find(DEPLOYMENT, namespace, "acme-server") is not None

        at.api.patch(INSTANCE, namespace, "acme", {"metadata": {"finalizers": None}})
        until(
            lambda: at.api.find(DEPLOYMENT, namespace, "acme-server") is None, "no server", seconds=SECONDS
        )
        assert {kind.kind: uids_of(at, kind) for kind in kinds} == before
        assert claims(at) == kept
        assert at.api.find(CONFIG_MAP, namespace, "acme-identity") is not None


def test_orphan_undoes_it_without_an_interruption(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    """A deletion that is not confirmed is held; handed over it ends; made again it takes everything over."""
    install_engines(cluster)
    namespace = make_namespace(labels=SIMULATED)
    with standing(cluster, namespace, run_operator, tmp_path, "percona") as at:
        kinds = (DEPLOYMENT, PERCONA_CLUSTER, SECRET)
        before = {kind.kind: uids_of(at, kind) for kind in kinds}
        at.api.delete(INSTANCE, namespace, "acme")
        at.until("Confirmation", "Held")
        at.api.patch(INSTANCE, namespace, "acme", {"spec": {"deletion": {"policy": "Orphan"}}})
        until(lambda: at.api.find(INSTANCE, namespace, "acme") is None, "it is let go", seconds=SECONDS)
        assert {kind.kind: uids_of(at, kind) for kind in kinds} == before
        left: list[JsonValue] = [
            owner
            for item in at.api.list(DEPLOYMENT, namespace)
            for owner in get_list(item, "metadata", "ownerReferences")
        ]
        assert left == []

        at.api.create(clustered(namespace, "percona"))
        found_good(cluster, namespace)
        wait_applied(at.api, namespace)
        assert {kind.kind: uids_of(at, kind) for kind in kinds} == before
        owners = {
            get_str(owner, "uid")
            for item in at.api.list(DEPLOYMENT, namespace)
            for owner in get_list(item, "metadata", "ownerReferences")
        }
        assert owners == {get_str(at.api.get(INSTANCE, namespace, "acme"), "metadata", "uid")}


def uids_of(at: Leaving, kind: Kind) -> dict[str, str]:
    return {
        get_str(item, "metadata", "name"): get_str(item, "metadata", "uid")
        for item in at.api.list(kind, at.namespace)
    }


def test_with_a_key_bundle_nothing_goes_before_its_ledger_tells_of_it(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    install_engines(cluster)
    namespace = make_namespace(labels=SIMULATED)
    jobs = EscrowJobs(cluster.api, namespace, lambda _: cluster.api)
    with standing(cluster, namespace, run_operator, tmp_path, "percona") as at, playing(jobs):
        at.api.create(secret(namespace, "passphrase", passphrase="unused"))
        at.api.patch(INSTANCE, namespace, "acme", {"spec": {"keyBundle": KEY_BUNDLE}})
        wait_for(
            at.api, namespace, lambda body: get_str(condition(body, "KeysEscrowed"), "status") == "True"
        )
        confirm(cluster, namespace)
        at.api.delete(INSTANCE, namespace, "acme")
        # The ledger is written at most every two minutes.
        at.until("KeysEscrowed", "Running")
        assert facts(at) == ["DeletionConfirmed", "FinalBackup"]
        assert at.api.find(DEPLOYMENT, namespace, "acme-server") is not None
        written = len(jobs.put)
        at.turn(datetime.now(UTC) + timedelta(minutes=5))
        due = parse_time(get_str(at.until("Retention"), "status", "deletion", "removeAfter"))
        assert due is not None
        assert len(jobs.put) == written + 1
        at.turn(due + timedelta(hours=1))
        until(lambda: at.api.find(INSTANCE, namespace, "acme") is None, "the end", seconds=SECONDS)
        assert len(jobs.put) == written + 2, "the removal too"
        assert claims(at) == {"another", "acme-database-repo1"}
