"""Instances whose database an engine runs, on a control plane on which that engine is played."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.key_examples import KEY_BUNDLE
from cluster.instances import instance
from cluster.observing import SECONDS, secret
from cluster.standing import until
from contract.recovery_facts import good_store
from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.names import API_VERSION
from dedicated.api.objects import CONFIG_MAP, INSTANCE, INSTANCE_BACKUP
from dedicated.contract.recovery.report import MANAGER, Report, to_json
from engines import definitions
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.nodes import REGION

RECORD = "acme-recovery"
AGENT = ("--agent-image", "registry.test/dedicated-operator:test")
"""The operator's arguments without which nobody asks for a report."""
SERVERS: Manifest = {
    "postgresVersion": 18,
    "image": "registry.test/postgres:18",
    "backupImage": "registry.test/pgbackrest:2.58.0",
    "storage": {"size": "1Gi"},
}
REPOSITORY: Manifest = {
    "bucket": "acme-backup",
    "endpoint": "s3.eu-central-2.amazonaws.com",
    "region": "eu-central-2",
    "secretName": "repository",
    "encryption": {"clientSide": {"secretName": "passphrase"}, "serverSide": "AES256"},
}


def clustered(namespace: str, engine: str, **more: JsonValue) -> Manifest:
    """An instance with this engine."""
    return instance(
        namespace,
        "acme",
        infrastructure={"dataLocation": {"region": "Switzerland"}},
        database={"engine": engine, "cluster": SERVERS},
        backup={"repository": deepcopy(REPOSITORY)},
        **more,
    )


def create_kept(api: Api, namespace: str) -> None:
    """An instance on Percona whose keys are kept, by `engines.escrow_jobs`, with all that belongs to them."""
    api.create(secret(namespace, "passphrase", passphrase="unused"))
    api.create(clustered(namespace, "percona", keyBundle=KEY_BUNDLE))


def tell(agent: Api, namespace: str, text: str) -> None:
    """Write a report as the recovery agent does."""
    agent.patch(CONFIG_MAP, namespace, RECORD, {"data": {"report": text, "samples": "[]"}}, manager=MANAGER)


def ordered(namespace: str, name: str, kind: str, of: str = "acme") -> Manifest:
    """An InstanceBackup."""
    return {
        "apiVersion": API_VERSION,
        "kind": INSTANCE_BACKUP.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"instance": of, "kind": kind},
    }


def arguments(folder: Path) -> tuple[str, ...]:
    """The operator's: the testbed's nodes are in Switzerland, and there are recovery agents."""
    file = folder / "places.json"
    file.write_text(json.dumps({"places": {REGION: ["CH"]}}))
    return "--places", str(file), *AGENT


def found_good(cluster: Cluster, namespace: str) -> None:
    """Tell in the agent's place that the store is good: no engine's cluster is made before."""
    api = cluster.api
    until(lambda: api.find(CONFIG_MAP, namespace, RECORD) is not None, "the record", seconds=SECONDS)
    uid = get_str(api.get(INSTANCE, namespace, "acme"), "metadata", "uid")
    now = datetime.now(UTC)
    tell(api, namespace, to_json(Report(now, uid, stores=(good_store(now),))))


def install_engines(cluster: Cluster) -> None:
    """The engines' definitions; skips where they are not at hand."""
    source = definitions.folder()
    if source is None:
        pytest.skip(definitions.REASON)
    definitions.install(cluster, source)
