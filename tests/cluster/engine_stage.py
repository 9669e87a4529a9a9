"""Instances whose database an engine runs, on a control plane on which that engine is played."""

import json
from pathlib import Path

import pytest

from cluster.instances import instance
from dedicated.api.json import Manifest
from engines import definitions
from testbed.cluster import Cluster
from testbed.nodes import REGION

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


def clustered(namespace: str, engine: str) -> Manifest:
    """An instance with this engine."""
    return instance(
        namespace,
        infrastructure={"dataLocation": {"region": "Switzerland"}},
        database={"engine": engine, "cluster": SERVERS},
        backup={"repository": REPOSITORY},
    )


def places(folder: Path) -> tuple[str, str]:
    """The operator's arguments: the testbed's nodes are in Switzerland."""
    file = folder / "places.json"
    file.write_text(json.dumps({"places": {REGION: ["CH"]}}))
    return "--places", str(file)


def install_engines(cluster: Cluster) -> None:
    """The engines' definitions; skips where they are not at hand."""
    source = definitions.folder()
    if source is None:
        pytest.skip(definitions.REASON)
    definitions.install(cluster, source)
