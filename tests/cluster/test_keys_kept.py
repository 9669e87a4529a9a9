"""The keys are kept beside the cluster, written anew when they change, and bring a lost instance back."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.running import run
from cluster.escrow_stage import IMAGE, SECRET_NAME, Stage, make_stage
from cluster.instances import condition, database_secret, instance, wait_ready
from cluster.observing import SECONDS, change
from cluster.standing import NOWHERE, SIMULATED, records
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_int, get_map, get_str
from dedicated.api.names import API_VERSION
from dedicated.api.objects import CONFIG_MAP, INSTANCE, JOB, MAINTENANCE, POD, RECORD, SECRET
from lab.s3 import S3, object_store
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

NAMES = {"admin", "lab-writer"}
"""In Secrets, and no secret."""
KEYS = ("acme-masterkey", "acme-operator-key", "acme-login-key", "acme-admin")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


def escrowed(api: Api, namespace: str) -> tuple[str, str]:
    """`KeysEscrowed`: status and reason."""
    found = condition(api.find(INSTANCE, namespace, "acme"), "KeysEscrowed")
    return get_str(found, "status"), get_str(found, "reason")


def kept(api: Api, namespace: str) -> Manifest:
    """`status.keyBundle`."""
    return get_map(api.get(INSTANCE, namespace, "acme"), "status", "keyBundle")


def number(api: Api, namespace: str, *path: str) -> int:
    """Number of the bundle, or of what is at a path in it."""
    return get_int(kept(api, namespace), *path, "number")


def stated(namespace: str, name: str) -> Manifest:
    """A record that somebody stated."""
    return {
        "apiVersion": API_VERSION,
        "kind": RECORD.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"instance": "acme", "fact": "Refused", "by": "alice", "request": "acme-2026-01"},
    }


def moved_on(file: Path, **by: float) -> None:
    """The operator's clock is so far ahead from now on."""
    now = datetime.now(UTC)
    steps = [{"since": rfc3339(now - timedelta(seconds=2)), "becomes": rfc3339(now + timedelta(**by))}]
    file.write_text(json.dumps({"steps": steps}))


def test_what_changes_is_written_anew_and_nothing_is_written_over(
    cluster: Cluster, store: S3, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    api, namespace = cluster.api, make_namespace(labels=SIMULATED)
    stage, clock = make_stage(cluster, namespace, store, tmp_path), tmp_path / "steps.json"
    clock.write_text('{"steps": []}')
    extra = ("--agent-image", IMAGE, f"--test-clock={clock}")
    operator = run_operator(namespace, watch=(namespace,), extra=extra)
    api.create(database_secret(namespace, NOWHERE))
    api.create(instance(namespace, keyBundle=stage.key_bundle()))
    # The store's credentials are missing: it is said, and tried again by another attempt.
    stage.until(lambda: escrowed(api, namespace) == ("False", "WriteFailed"), "the trouble told")
    told = get_str(condition(api.get(INSTANCE, namespace, "acme"), "KeysEscrowed"), "message")
    assert "access-key-id" in told
    assert stage.objects() == []
    api.create(stage.secret(namespace))
    stage.until(lambda: escrowed(api, namespace) == ("True", "Escrowed"), "the first bundle")
    first = kept(api, namespace)
    identity = api.get(CONFIG_MAP, namespace, "acme-identity")
    assert first["fingerprint"] == get_str(identity, "data", "masterkey")
    assert len(stage.objects()) == 2
    stage.until(lambda: api.list(JOB, namespace, labels="app.kubernetes.io/component=escrow") == [], "no Job")

    change(api, namespace, {"server": {"config": {"AuditLogRetention": "1h"}}})
    stage.until(lambda: number(api, namespace) == 2, "a bundle of the new configuration")
    stage.until(lambda: escrowed(api, namespace) == ("True", "Escrowed"), "the second bundle believed")
    before = number(api, namespace, "ledger")

    api.create(stated(namespace, "acme-refused"))
    moved_on(clock, minutes=3)
    change(api, namespace, {"contacts": {"customer": "+41 71 000 00 00"}})
    stage.until(lambda: number(api, namespace, "ledger") > before, "the record kept")
    stage.until(lambda: escrowed(api, namespace) == ("True", "Escrowed"), "all of it")

    names = stage.objects()
    ledger = stage.fetched(get_str(kept(api, namespace), "ledger", "object"))
    bundle = stage.fetched(get_str(kept(api, namespace), "object"))
    for who in (stage.provider, stage.customer):
        ran = run("keys", "restore", str(bundle), "-i", str(who.file), "--ledger", str(ledger),
                  "-o", str(tmp_path / who.file.stem))  # fmt: skip
        assert ran.code == 0, ran.err
    assert "acme-refused" in (tmp_path / "customer" / "4-records.yaml").read_text()
    assert get_str(first, "object") in names, "the old ones stay"
    nothing_is_told(stage, api, namespace, operator.log.read_text())


def nothing_is_told(stage: Stage, api: Api, namespace: str, log: str) -> None:
    """No key is in a log, in the record, in a Job's arguments or in the status."""
    jobs = [*api.list(POD, namespace), api.get(INSTANCE, namespace, "acme")]
    said = log + "".join(words for *_, words in stage.node.ran) + str(jobs)
    said += str(api.get(CONFIG_MAP, namespace, "acme-escrow"))
    for name in (*KEYS, SECRET_NAME):
        for value in get_map(api.get(SECRET, namespace, name), "data").values():
            plain = base64.b64decode(str(value)).decode()
            assert plain in NAMES or plain not in said, name


def lose_everything(api: Api, namespace: str) -> None:
    """As if the namespace had been on a cluster that is no more."""
    api.patch(INSTANCE, namespace, "acme", {"metadata": {"finalizers": None}})
    api.delete(INSTANCE, namespace, "acme")
    for kind in (SECRET, CONFIG_MAP, RECORD, MAINTENANCE):
        for found in api.list(kind, namespace):
            api.delete(kind, namespace, get_str(found, "metadata", "name"))


def ledger_of(api: Api, namespace: str) -> dict[str, Manifest]:
    """Each record: what it says, and as of when."""
    found: dict[str, Manifest] = {}
    for body in records(api, namespace):
        spec = get_map(body, "spec")
        at = get_str(spec, "at") or get_str(body, "metadata", "creationTimestamp")
        found[get_str(body, "metadata", "name")] = {**spec, "at": at}
    return found


def test_a_lost_cluster_comes_back_from_the_buckets_and_an_identity(
    cluster: Cluster, store: S3, namespace: str, database: str, run_operator: RunOperator, tmp_path: Path
) -> None:
    api, stage = cluster.api, make_stage(cluster, namespace, store, tmp_path)
    operator = run_operator(namespace, watch=(namespace,), extra=("--agent-image", IMAGE))
    for made in (database_secret(namespace, database), stage.secret(namespace), stated(namespace, "acme-r")):
        api.create(made)
    api.create(instance(namespace, keyBundle=stage.key_bundle()))
    wait_ready(api, namespace, seconds=SECONDS)
    stage.until(lambda: escrowed(api, namespace) == ("True", "Escrowed"), "the keys kept")
    keys = {name: get_map(api.get(SECRET, namespace, name), "data") for name in KEYS}
    identity = get_map(api.get(CONFIG_MAP, namespace, "acme-identity"), "data")
    where = kept(api, namespace)
    operator.stop()
    lost = ledger_of(api, namespace)
    lose_everything(api, namespace)

    bundle, ledger = (stage.fetched(get_str(where, *path)) for path in (("object",), ("ledger", "object")))
    config = str(cluster.kubeconfig)
    ran = run("keys", "restore", str(bundle), "-i", str(stage.customer.file), "--ledger", str(ledger),
              "--apply", "--kubeconfig", config, "-n", namespace)  # fmt: skip
    assert ran.code == 0, ran.err
    api.create(stage.secret(namespace))
    run_operator(namespace, watch=(namespace,), extra=("--agent-image", IMAGE), identity="operator-1")
    wait_ready(api, namespace, seconds=SECONDS)
    assert {name: get_map(api.get(SECRET, namespace, name), "data") for name in KEYS} == keys
    assert get_map(api.get(CONFIG_MAP, namespace, "acme-identity"), "data") == identity
    again = ledger_of(api, namespace)
    assert {name: again[name] for name in lost if name in again} == {
        name: value for name, value in lost.items() if name in again
    }
    assert "acme-r" in again
    stage.until(lambda: escrowed(api, namespace) == ("True", "Escrowed"), "the new incarnation's own bundle")
    assert kept(api, namespace)["fingerprint"] == where["fingerprint"]
    again_run = run("keys", "restore", str(bundle), "-i", str(stage.customer.file), "--apply",
                    "--kubeconfig", config, "-n", namespace)  # fmt: skip
    assert "there already, the same" in again_run.out
    proving = ("keys", "show", str(bundle), "-i", str(stage.provider.file), "--prove")
    assert run(*proving, "--kubeconfig", config, "-n", namespace, now=datetime.now(UTC)).code == 0
    stage.until(lambda: "openedAt" in kept(api, namespace), "that it was opened")
