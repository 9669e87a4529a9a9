"""An instance whose keys are kept in a store that runs here, and recipients who can open what is kept."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyrage

from cluster.observing import SECONDS
from cluster.standing import until
from dedicated.api.json import Manifest
from dedicated.probes.objects import open_objects
from engines.escrow import EscrowNode
from lab.s3 import IDENTITIES, REGION, S3
from testbed.cluster import Cluster

IMAGE = "registry.test/dedicated-operator:test"
SECRET_NAME = "escrow"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who can open: the public key, and the file with the identity."""

    key: str
    file: Path


def recipient(folder: Path, name: str) -> Recipient:
    """A recipient with a new identity."""
    identity = pyrage.x25519.Identity.generate()
    file = folder / f"{name}.txt"
    file.write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    return Recipient(str(identity.to_public()), file)


@dataclass(frozen=True, slots=True)
class Stage:
    """A bucket of its own for one namespace, who can open, and the node on which Jobs run."""

    store: S3
    bucket: str
    folder: Path
    provider: Recipient
    customer: Recipient
    node: EscrowNode

    def key_bundle(self) -> Manifest:
        """What a spec says of it."""
        return {
            "recipients": [
                {"role": "Provider", "key": self.provider.key},
                {"role": "Customer", "key": self.customer.key},
            ],
            "repository": {
                "bucket": self.bucket,
                "prefix": "kept",
                "endpoint": self.store.endpoint,
                "region": REGION,
                "secretName": SECRET_NAME,
            },
        }

    def secret(self, namespace: str) -> Manifest:
        """The store's credentials: they may write, and nothing else."""
        key_id, key = IDENTITIES["writer"]
        values = {"access-key-id": key_id, "secret-access-key": key}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET_NAME, "namespace": namespace},
            "data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()},
        }

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait, while the node works."""
        until(lambda: (self.node.turn(), holds())[1], what, seconds=SECONDS)

    def objects(self) -> list[str]:
        """Names in the bucket."""

        async def listed() -> list[str]:
            async with open_objects(self.bucket, self.store.access()) as bucket:
                return [name async for name, _ in bucket.sizes("")]

        return asyncio.run(listed())

    def fetched(self, name: str) -> Path:
        """A file with an object's content, as a recipient has it who was given access to the bucket."""

        async def read() -> bytes:
            async with open_objects(self.bucket, self.store.access()) as bucket:
                return await bucket.read(name)

        path = self.folder / name.rpartition("/")[2]
        path.write_bytes(asyncio.run(read()))
        return path


def make_stage(cluster: Cluster, namespace: str, store: S3, folder: Path) -> Stage:
    """All of it for a namespace."""
    bucket = f"keys-{namespace}"[:63]
    asyncio.run(store.make_bucket(bucket, lock=True))
    node = EscrowNode(cluster, namespace, folder / "node", store.ca_file)
    return Stage(
        store, bucket, folder, recipient(folder, "provider"), recipient(folder, "customer"), node
    )
