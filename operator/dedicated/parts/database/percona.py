"""`engine: percona`: the cluster and its backups, as objects of the Percona Operator for PostgreSQL 3.0.

Three servers or more, one per zone, one of which must acknowledge each commit, and only such a one is elected
(Patroni's synchronous mode, strict): no commit goes with a zone. Patroni 4 knows a quorum of them too, which
would wait less when one standby is lost; Patroni 3, which images may hold, reads that word as asynchronous.
Backups by pgBackRest: full, differential and the log, encrypted before they leave, block-incremental, since a
differential of whole files is as large as a full one.
The cluster outlives its instance: it carries no owner reference. The store's credentials reach pgBackRest as
environment, by reference to the user's Secret: neither the operator nor an object of its own holds them, and
the same Secret, with the same keys, serves every engine and the recovery agent.
Limit: rendered from the engine's source and its definitions; it has not run here.
"""

from dedicated.api.backup import Backup, Repository
from dedicated.api.compute import Storage
from dedicated.api.conditions import parse_time
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import ZONE_LABEL
from dedicated.api.objects import CONFIG_MAP, PERCONA_BACKUP, PERCONA_CLUSTER
from dedicated.api.resource import Instance
from dedicated.contract.recovery.repository import BackupKind
from dedicated.parts.database import receiver
from dedicated.parts.database.engine import (
    AMAZON,
    COMPONENT,
    MONITOR,
    USER,
    Adapter,
    Capabilities,
    ClusterState,
    Connection,
    EngineRun,
    EngineWanted,
    Flows,
    PodLabels,
    Requirement,
    RestoreWanted,
    RunState,
    arriving_backup,
    begun_for,
    begun_for_in,
    cluster_name,
    copy_head,
    created_at,
    folder,
    on_cluster,
    origin_of,
)
from dedicated.parts.database.percona_arriving import arriving, until
from dedicated.parts.metadata import lasting, named
from dedicated.parts.workload import resources

VERSION = "3.0.0"
"""Of the engine's operator, told to it as `crVersion`."""
INSTALL = f"install the Percona Operator for PostgreSQL {VERSION} with its custom resource definitions"
OPTIONS: dict[BackupKind, str] = {"full": "full", "differential": "diff", "incremental": "incr"}
KINDS = {option: kind for kind, option in OPTIONS.items()} | {"differential": "differential"}
"""Schedules of the engine write the word out (percona/controller/pgcluster/schedule.go)."""
STATES: dict[str, RunState] = {
    "": "Pending",
    "Starting": "Pending",
    "Running": "Running",
    "Succeeded": "Completed",
    "Failed": "Failed",
}
"""States of a PerconaPGBackup (pkg/apis/pgv2.percona.com/v2/perconapgbackup_types.go)."""
CLUSTER_LABEL = "postgres-operator.crunchydata.com/cluster"
DATA_LABEL = "postgres-operator.crunchydata.com/data"
ROLE_LABEL = "postgres-operator.crunchydata.com/role"
LEASE, LOOP, RETRY = 20, 5, 7
"""Seconds of Patroni's lease, loop and retries: a dead primary is seen within lease + loop (B-5)."""
PATIENCE: Manifest = {"wal_sender_timeout": "10s", "wal_receiver_timeout": "10s"}
"""How long a server waits for one that says nothing, such as a host that hangs; PostgreSQL's own is 60 s.
Taken over without a restart. CloudNativePG has 5 s; both engines write `primary_conninfo` themselves."""
PATRONI, PGBACKREST = 8008, 8432
"""Ports of Patroni's API and of pgBackRest's TLS server, by which servers and repository host ask each other.
The engine's operator asks nobody: it runs patronictl and pgbackrest in the pods (internal/patroni/api.go)."""
INIT_SQL = f"""DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{MONITOR}') THEN
    CREATE ROLE "{MONITOR}" LOGIN;
  END IF;
END $$;
GRANT pg_monitor, pg_checkpoint TO "{MONITOR}";
{receiver.SCRIPT}"""
"""Run once by the engine; its own user management grants no roles (internal/postgres/users.go)."""
INIT_KEY = "init.sql"
DELETE_VOLUMES = "percona.com/delete-pvc"
"""Finalizer by which the engine removes the volumes with the cluster (internal/naming/names.go)."""


def render(wanted: EngineWanted) -> tuple[Manifest, ...]:
    """The grants of the agent's role, and the cluster."""
    instance = wanted.instance
    sql = lasting(CONFIG_MAP, instance, f"{COMPONENT}-init", COMPONENT)
    sql["data"] = {INIT_KEY: INIT_SQL}
    return sql, _cluster(wanted)


def restore(wanted: RestoreWanted) -> tuple[Manifest, ...]:
    """The restored cluster: as it will be as the instance's, or a copy that archives nowhere."""
    head = copy_head(wanted, _cluster(wanted.engine))
    if not wanted.lives:
        spec = get_map(head, "spec")
        image: Manifest = {"image": wanted.engine.cluster.backup_image}
        spec["instances"] = [{**_servers(wanted.engine), "replicas": wanted.servers}]
        spec["backups"] = {"enabled": False, "pgbackrest": image}
        spec["patroni"] = _patroni(wanted.engine, synchronous=False)
        get_map(head, "metadata")["finalizers"] = [DELETE_VOLUMES]
    return (head,)


def _cluster(wanted: EngineWanted) -> Manifest:
    """The cluster, and where it is restored from."""
    instance = wanted.instance
    head = named(PERCONA_CLUSTER, instance, cluster_name(instance), COMPONENT)
    spec: Manifest = {
        "crVersion": VERSION,
        "image": wanted.cluster.image,
        "postgresVersion": wanted.cluster.postgres_version,
        "databaseInitSQL": {"name": f"{instance.name}-{COMPONENT}-init", "key": INIT_KEY},
        "users": [
            {
                "name": USER,
                "databases": [USER],
                "grantPublicSchemaAccess": True,
                "options": f"CONNECTION LIMIT {wanted.cluster.max_connections}",
            },
            {"name": MONITOR},
        ],
        "instances": [_servers(wanted)],
        "patroni": _patroni(wanted),
        "backups": {"trackLatestRestorableTime": True, "pgbackrest": _backups(wanted)},
    }
    if instance.database.source:
        spec["dataSource"] = {"postgresCluster": _source(wanted)}
    head["spec"] = spec
    if (backup := arriving_backup(instance)) is not None:
        spec["dataSource"] = {"pgbackrest": arriving(backup)}
        return begun_for(instance, head)
    return head


def _source(wanted: EngineWanted) -> Manifest:
    """The cluster restored from, by whose own configuration the repository is read. Of both forms of a source
    this one alone takes an environment, by which the credentials come, as they do everywhere.

    A cluster that served before may be gone: then the one that is there is named, and the other's path in the
    repository. `--target-action` is the engine's own to set, and the only repository option that it keeps for
    itself is `--repo` (internal/controller/postgrescluster/pgbackrest.go).
    """
    instance, database = wanted.instance, wanted.instance.database
    repo = _measured(instance)
    found: Manifest = {
        "clusterName": database.replaces or database.source,
        "repoName": repo,
        "env": credentials(wanted.backup),
    }
    options: list[JsonValue] = []
    if database.replaces:
        _, bucket = wanted.backup.buckets[0]
        options.append(f"--{repo}-path={folder(on_cluster(instance, database.source), bucket)}")
    if database.exact and database.point is not None:
        options += until(database.point)
    if options:
        found["options"] = options
    return found


def connection(instance: Instance) -> Connection:
    """The Secret that the engine makes for the instance's user."""
    return Connection(
        f"{cluster_name(instance)}-pguser-{USER}",
        {"host": "host", "port": "port", "database": "dbname", "username": "user", "password": "password"},
        ssl_mode="require",
    )


def monitor(instance: Instance) -> Connection:
    """The same of the agent's: a user without a database, so its Secret names none."""
    keys = {"host": "host", "port": "port", "username": "user", "password": "password"}
    return Connection(f"{cluster_name(instance)}-pguser-{MONITOR}", keys, ssl_mode="require")


def trigger(instance: Instance, kind: BackupKind, mark: str) -> Manifest:
    """A backup to be made now."""
    head = lasting(PERCONA_BACKUP, instance, f"{OPTIONS[kind]}-{mark}", COMPONENT)
    head["spec"] = {
        "pgCluster": cluster_name(instance),
        "repoName": _measured(instance),
        "options": [f"--type={OPTIONS[kind]}"],
    }
    return head


def read_cluster(manifest: Manifest) -> ClusterState:
    """The engine's word on the cluster; it does not tell which pod is the primary."""
    status = get_map(manifest, "status")
    ready, size = (get_int(status, "postgres", key) for key in ("ready", "size"))
    state = get_str(status, "state") or "not taken up by its operator yet"
    return ClusterState(
        ready=state == "ready",
        servers=size,
        ready_servers=ready,
        paused=state in ("paused", "stopping"),
        message=state,
        created=created_at(manifest),
        origin=origin_of(manifest),
        begun_for=begun_for_in(manifest),
    )


def read_run(manifest: Manifest) -> EngineRun | None:
    """A backup, the engine's own by schedule or one that was asked for."""
    status = get_map(manifest, "status")
    options = [str(option) for option in get_list(manifest, "spec", "options")]
    told = next((option.partition("=")[2] for option in options if option.startswith("--type=")), "")
    kind = KINDS.get(get_str(status, "backupType") or told)
    state, at = STATES.get(get_str(status, "state")), created_at(manifest)
    if kind is None or state is None or at is None:
        return None
    return EngineRun(
        name=get_str(manifest, "metadata", "name"),
        cluster=get_str(manifest, "spec", "pgCluster"),
        kind=kind,
        state=state,
        asked=at,
        started=at if state in ("Running", "Completed", "Failed") else None,
        finished=parse_time(get_str(status, "completed")) or (at if state == "Failed" else None),
        stored=get_int(status, "size"),
        label=get_str(status, "backupName"),
        error=get_str(status, "error"),
    )


def _servers(wanted: EngineWanted) -> Manifest:
    cluster = wanted.cluster
    ours: Manifest = {CLUSTER_LABEL: cluster_name(wanted.instance), DATA_LABEL: "postgres"}
    apart: Manifest = {"topologyKey": ZONE_LABEL, "labelSelector": {"matchLabels": ours}}
    found: Manifest = {
        "name": "db",
        "replicas": cluster.instances,
        "dataVolumeClaimSpec": _claim(cluster.storage),
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "env": credentials(wanted.backup),
    }
    if amounts := resources(cluster.resources, default={}):
        found["resources"] = amounts
    return found


def _patroni(wanted: EngineWanted, *, synchronous: bool = True) -> Manifest:
    together: Manifest = {
        "synchronous_mode": True,
        "synchronous_mode_strict": True,
        "synchronous_node_count": 1,
    }
    return {
        "leaderLeaseDurationSeconds": LEASE,
        "syncPeriodSeconds": LOOP,
        "dynamicConfiguration": {
            "retry_timeout": RETRY,
            **(together if synchronous else {}),
            "postgresql": {"parameters": {**wanted.parameters, **PATIENCE}},
        },
    }


def _backups(wanted: EngineWanted) -> Manifest:
    options: Manifest = {"start-fast": "y", "compress-type": "zst"}
    repositories: list[JsonValue] = []
    schedules: Manifest = {"full": wanted.full.cron}
    if wanted.differential is not None:
        schedules["differential"] = wanted.differential.cron
    for name, repository in _repositories(wanted.backup):
        options |= _options(wanted, name, repository)
        repositories.append({"name": name, "schedules": schedules, **_place(repository)})
    return {
        "image": wanted.cluster.backup_image,
        "env": credentials(wanted.backup),
        "global": options,
        "repos": repositories,
    }


def _place(repository: Repository) -> Manifest:
    if repository.provider == "volume":
        assert repository.storage is not None
        return {"volume": {"volumeClaimSpec": _claim(repository.storage)}}
    return {
        "s3": {
            "bucket": repository.bucket,
            "endpoint": repository.endpoint,
            "region": repository.region,
        }
    }


def _claim(storage: Storage) -> Manifest:
    claim: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.class_name is not None:
        claim["storageClassName"] = storage.class_name
    return claim


def _measured(instance: Instance) -> str:
    """The repository that promises are reckoned from."""
    assert instance.spec.backup is not None
    _, bucket = instance.spec.backup.buckets[0]
    return next(name for name, place in _repositories(instance.spec.backup) if place is bucket)


def _options(wanted: EngineWanted, name: str, repository: Repository) -> Manifest:
    retention = wanted.backup.retention
    found: Manifest = {
        f"{name}-bundle": "y",
        f"{name}-block": "y",
        f"{name}-retention-full-type": "time",
        f"{name}-retention-full": str(retention.days),
        f"{name}-retention-diff": str(retention.differentials),
    }
    if repository.encryption.client_side is not None:
        found[f"{name}-cipher-type"] = "aes-256-cbc"
    if repository.provider == "volume":  # the engine makes one for each cluster, and knows where it is
        return found
    found[f"{name}-path"] = folder(wanted.instance, repository)
    if not (repository.endpoint or "").partition(":")[0].endswith(AMAZON):
        found[f"{name}-s3-uri-style"] = "path"  # a store of one's own has no host name per bucket
    return found


def _repositories(backup: Backup) -> list[tuple[str, Repository]]:
    every = (backup.repository, *backup.copies)
    return [(f"repo{number}", repository) for number, repository in enumerate(every, 1)]


def credentials(backup: Backup) -> list[JsonValue]:
    """pgBackRest's options of these names, out of the user's Secrets."""
    found: list[JsonValue] = []
    for name, repository in _repositories(backup):
        prefix = f"PGBACKREST_{name.upper()}"
        access, cipher = repository.secret_name, repository.encryption.client_side
        if access is not None:
            found.append(_from_secret(f"{prefix}_S3_KEY", access, "access-key-id"))
            found.append(_from_secret(f"{prefix}_S3_KEY_SECRET", access, "secret-access-key"))
        if cipher is not None:
            found.append(_from_secret(f"{prefix}_CIPHER_PASS", cipher.secret_name, "passphrase"))
    return found


def _from_secret(variable: str, secret: str, key: str) -> JsonValue:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


PERCONA = Adapter(
    engine="percona",
    capabilities=Capabilities(differential=True, client_side_encryption=True, copies=True, volumes=True),
    requirements=(Requirement(PERCONA_CLUSTER, INSTALL), Requirement(PERCONA_BACKUP, INSTALL)),
    cluster_kind=PERCONA_CLUSTER,
    backup_kind=PERCONA_BACKUP,
    pods=PodLabels(
        f"{DATA_LABEL}=postgres",
        CLUSTER_LABEL,
        ROLE_LABEL,
        frozenset({"primary", "master"}),
        data=f"{ROLE_LABEL}=pgdata",  # internal/controller/postgrescluster/postgres.go
    ),
    flows=Flows(members=(PATRONI, PGBACKREST)),
    connection=connection,
    monitor=monitor,
    made_by_us=lambda instance: "",  # noqa: ARG005 - the engine makes it
    render=render,
    read_cluster=read_cluster,
    read_run=read_run,
    trigger=trigger,
    restore=restore,
    with_volumes=DELETE_VOLUMES,
    annotation="--annotation",
)
