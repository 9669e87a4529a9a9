"""`engine: cloudnative-pg`: cluster and backups as objects of CloudNativePG 1.30 and its Barman plugin.

What the engine cannot do is declared (`GAPS`), never hidden: it has no differential backups to an object
store and no encryption before data leaves, and a lost node is noticed after the cluster's grace period
only. Each incarnation of an instance is a server of its own in the store. The in-tree `barmanObjectStore`
is about to be removed and is never rendered.
Limit: rendered from the engine's source and its definitions; it has not run here.
"""

from dataclasses import dataclass
from datetime import timedelta

from dedicated.api.json import Manifest
from dedicated.api.names import ZONE_LABEL
from dedicated.api.objects import Kind
from dedicated.api.resource import Instance
from dedicated.contract.recovery.rendering import Rendering
from dedicated.parts.metadata import lasting

CLUSTER = Kind("postgresql.cnpg.io/v1", "Cluster", "clusters")
SCHEDULE = Kind("postgresql.cnpg.io/v1", "ScheduledBackup", "scheduledbackups")
BACKUP = Kind("postgresql.cnpg.io/v1", "Backup", "backups")
STORE = Kind("barmancloud.cnpg.io/v1", "ObjectStore", "objectstores")
PLUGIN = "barman-cloud.cloudnative-pg.io"
COMPONENT = "database"
GAPS = (
    ("DifferentialUnsupported", "no differential backups to an object store (B-2)"),
    ("ServerSideEncryptionOnly", "backups are encrypted by the store, not before they leave (D-2)"),
    ("SlowNodeLoss", "a lost node is noticed after 40 to 80 s, the objective is below 60 s (B-5)"),
)
"""What the engine cannot do of what the contract asks for: code, and words."""


@dataclass(frozen=True, slots=True)
class CloudNativeWanted:
    """What is wanted of the engine. `secret` holds the store's access under the keys `access-key-id`,
    `secret-access-key` and `region`; `recovery_window` is kept in whole days."""

    instance: Instance
    image: str
    storage: str
    storage_class: str | None
    bucket_path: str
    endpoint: str
    secret: str
    full: Rendering
    archive_interval: timedelta
    recovery_window: timedelta
    replicas: int = 3


def objects(wanted: CloudNativeWanted) -> tuple[Manifest, ...]:
    """The store, the cluster, and the schedule of full backups."""
    return _store(wanted), _cluster(wanted), _schedule(wanted)


def backup(instance: Instance, *, mark: str) -> Manifest:
    """A full backup to be made now. `mark` tells this one from others."""
    head = lasting(BACKUP, instance, f"full-{mark}", COMPONENT)
    head["spec"] = {"cluster": {"name": f"{instance.name}-{COMPONENT}"}, **_by_plugin()}
    return head


def server_name(instance: Instance) -> str:
    """The server's name in the store: its own for each incarnation."""
    return f"{instance.name}-{instance.meta.uid}"


def _store(wanted: CloudNativeWanted) -> Manifest:
    def key(name: str) -> Manifest:
        return {"name": wanted.secret, "key": name}

    head = lasting(STORE, wanted.instance, COMPONENT, COMPONENT)
    head["spec"] = {
        "retentionPolicy": f"{wanted.recovery_window.days}d",
        "configuration": {
            "destinationPath": wanted.bucket_path,
            "endpointURL": wanted.endpoint,
            "s3Credentials": {
                "accessKeyId": key("access-key-id"),
                "secretAccessKey": key("secret-access-key"),
                "region": key("region"),
            },
            "data": {"compression": "gzip", "encryption": "AES256", "jobs": 2},
            "wal": {"compression": "zstd", "encryption": "AES256", "maxParallel": 4},
        },
    }
    return head


def _cluster(wanted: CloudNativeWanted) -> Manifest:
    seconds = int(wanted.archive_interval.total_seconds())
    storage: Manifest = {"size": wanted.storage}
    if wanted.storage_class is not None:
        storage["storageClass"] = wanted.storage_class
    archiver: Manifest = {
        "barmanObjectName": f"{wanted.instance.name}-{COMPONENT}",
        "serverName": server_name(wanted.instance),
    }
    head = lasting(CLUSTER, wanted.instance, COMPONENT, COMPONENT)
    head["spec"] = {
        "instances": wanted.replicas,
        "imageName": wanted.image,
        "storage": storage,
        "affinity": {
            "enablePodAntiAffinity": True,
            "topologyKey": ZONE_LABEL,
            "podAntiAffinityType": "required",
        },
        "postgresql": {
            "parameters": {"archive_timeout": f"{seconds}s"},
            "synchronous": {
                "method": "any",
                "number": 1,
                "dataDurability": "required",
                "failoverQuorum": True,
            },
        },
        "plugins": [{"name": PLUGIN, "isWALArchiver": True, "parameters": archiver}],
    }
    return head


def _schedule(wanted: CloudNativeWanted) -> Manifest:
    head = lasting(SCHEDULE, wanted.instance, "full", COMPONENT)
    head["spec"] = {
        "schedule": wanted.full.with_seconds,
        "cluster": {"name": f"{wanted.instance.name}-{COMPONENT}"},
        "backupOwnerReference": "none",
        **_by_plugin(),
    }
    return head


def _by_plugin() -> Manifest:
    return {
        "method": "plugin",
        "pluginConfiguration": {"name": PLUGIN},
        "target": "prefer-standby",
    }
