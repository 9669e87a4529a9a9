"""`engine: percona`: the cluster and its backups, as objects of the Percona Operator for PostgreSQL 3.0.

Three servers, one per zone, one of which must acknowledge each commit, and only such a one is elected
(Patroni's synchronous mode, strict). Backups by pgBackRest: full, differential and the log, encrypted
before they leave, block-incremental, since a differential of whole files is as large as a full one.
The cluster outlives its instance: it carries no owner reference. Each incarnation of an instance has a
path of its own in the repository, so that two systems never archive into one.
Limit: rendered from the engine's source and its definitions; it has not run here.
"""

from dataclasses import dataclass
from datetime import timedelta

from dedicated.api.json import Manifest
from dedicated.api.names import ZONE_LABEL
from dedicated.api.objects import Kind
from dedicated.api.resource import Instance
from dedicated.contract.recovery.rendering import Rendering
from dedicated.contract.recovery.repository import BackupKind
from dedicated.parts.metadata import lasting

CLUSTER = Kind("pgv2.percona.com/v2", "PerconaPGCluster", "perconapgclusters")
BACKUP = Kind("pgv2.percona.com/v2", "PerconaPGBackup", "perconapgbackups")
COMPONENT = "database"
REPOSITORY = "repo1"
OPTIONS: dict[BackupKind, str] = {"full": "full", "differential": "diff", "incremental": "incr"}
CLUSTER_LABEL = "postgres-operator.crunchydata.com/cluster"
DATA_LABEL = "postgres-operator.crunchydata.com/data"
LEASE, LOOP, RETRY = 20, 5, 7
"""Seconds of Patroni's lease, loop and retries: a dead primary is seen within lease + loop (B-5)."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where backups go. `prefix` is of the customer, the incarnation's own part is added to it."""

    name: str
    endpoint: str
    region: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class PerconaWanted:
    """What is wanted of the engine. `secret` holds the store's key and the cipher's passphrase, as
    pgBackRest's configuration; retentions are days of full backups and a number of differentials."""

    instance: Instance
    postgres_version: int
    engine_version: str
    image: str
    backup_image: str
    storage: str
    storage_class: str | None
    bucket: Bucket
    secret: str
    full: Rendering
    differential: Rendering
    archive_interval: timedelta
    replicas: int = 3
    keep_days: int = 14
    keep_differentials: int = 48


def cluster(wanted: PerconaWanted) -> Manifest:
    """The database cluster."""
    head = lasting(CLUSTER, wanted.instance, COMPONENT, COMPONENT)
    head["spec"] = {
        "crVersion": wanted.engine_version,
        "postgresVersion": wanted.postgres_version,
        "image": wanted.image,
        "instances": [_servers(wanted)],
        "patroni": _patroni(wanted),
        "backups": {"trackLatestRestorableTime": True, "pgbackrest": _backups(wanted)},
    }
    return head


def backup(instance: Instance, kind: BackupKind, *, mark: str) -> Manifest:
    """A backup to be made now. `mark` tells this one from others, and makes asking twice ask once."""
    head = lasting(BACKUP, instance, f"{OPTIONS[kind]}-{mark}", COMPONENT)
    head["spec"] = {
        "pgCluster": f"{instance.name}-{COMPONENT}",
        "repoName": REPOSITORY,
        "options": [f"--type={OPTIONS[kind]}"],
    }
    return head


def repository_path(wanted: PerconaWanted) -> str:
    """The folder in the bucket: its own for each incarnation."""
    instance = wanted.instance
    parts = (wanted.bucket.prefix.strip("/"), instance.namespace, instance.name, instance.meta.uid)
    return "/" + "/".join(part for part in parts if part)


def _servers(wanted: PerconaWanted) -> Manifest:
    ours: Manifest = {
        CLUSTER_LABEL: f"{wanted.instance.name}-{COMPONENT}",
        DATA_LABEL: "postgres",
    }
    apart: Manifest = {"topologyKey": ZONE_LABEL, "labelSelector": {"matchLabels": ours}}
    claim: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": wanted.storage}},
    }
    if wanted.storage_class is not None:
        claim["storageClassName"] = wanted.storage_class
    return {
        "name": "db",
        "replicas": wanted.replicas,
        "dataVolumeClaimSpec": claim,
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
    }


def _patroni(wanted: PerconaWanted) -> Manifest:
    seconds = int(wanted.archive_interval.total_seconds())
    return {
        "leaderLeaseDurationSeconds": LEASE,
        "syncPeriodSeconds": LOOP,
        "dynamicConfiguration": {
            "retry_timeout": RETRY,
            "synchronous_mode": True,
            "synchronous_mode_strict": True,
            "synchronous_node_count": 1,
            "postgresql": {"parameters": {"archive_timeout": f"{seconds}s"}},
        },
    }


def _backups(wanted: PerconaWanted) -> Manifest:
    bucket = wanted.bucket
    return {
        "image": wanted.backup_image,
        "configuration": [{"secret": {"name": wanted.secret}}],
        "global": {
            f"{REPOSITORY}-path": repository_path(wanted),
            f"{REPOSITORY}-cipher-type": "aes-256-cbc",
            f"{REPOSITORY}-bundle": "y",
            f"{REPOSITORY}-block": "y",
            f"{REPOSITORY}-retention-full-type": "time",
            f"{REPOSITORY}-retention-full": str(wanted.keep_days),
            f"{REPOSITORY}-retention-diff": str(wanted.keep_differentials),
            "start-fast": "y",
            "compress-type": "zst",
        },
        "repos": [
            {
                "name": REPOSITORY,
                "schedules": {"full": wanted.full.cron, "differential": wanted.differential.cron},
                "s3": {"bucket": bucket.name, "endpoint": bucket.endpoint, "region": bucket.region},
            }
        ],
    }
