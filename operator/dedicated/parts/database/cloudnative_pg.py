"""`engine: cloudnative-pg`: cluster and backups as objects of CloudNativePG 1.30 and its Barman plugin.

What the engine cannot do is declared (`GAPS`), never hidden: it has no differential backups to an object
store and no encryption before data leaves, and a lost node is noticed after the cluster's grace period
only. Each incarnation of an instance is a server of its own in the store. The in-tree `barmanObjectStore`
is about to be removed and is never rendered. The region is told to the plugin as environment, since its own
field wants it in a Secret.
Limit: what of it has run against the engine itself is told in docs/engines.md.
"""

from dataclasses import replace
from datetime import datetime

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import Manifest, get_int, get_map, get_str
from dedicated.api.names import ZONE_LABEL
from dedicated.api.objects import BARMAN_STORE, CNPG_BACKUP, CNPG_CLUSTER, CNPG_SCHEDULE, Ref
from dedicated.api.resource import Instance
from dedicated.api.source import BackupSource
from dedicated.api.words import instant
from dedicated.contract.recovery.repository import BackupKind
from dedicated.parts.database import receiver
from dedicated.parts.database.engine import (
    COMPONENT,
    MONITOR,
    PORT,
    USER,
    Adapter,
    Capabilities,
    ClusterState,
    Connection,
    EngineRun,
    EngineWanted,
    Flows,
    Gap,
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
from dedicated.parts.metadata import child, lasting, named
from dedicated.parts.workload import resources

PLUGIN = "barman-cloud.cloudnative-pg.io"
INSTALL = "install CloudNativePG 1.30 with its custom resource definitions"
INSTALL_PLUGIN = "install the Barman Cloud plugin 0.14 for CloudNativePG with its custom resource definitions"
MONITOR_SECRET = f"{COMPONENT}-monitor"
"""Suffix of the Secret with the agent's password, which the operator makes once."""
HEALTHY = "Cluster in healthy state"
"""Phase of a cluster at rest (api/v1/cluster_types.go, PhaseHealthy)."""
STATUS_PORT, METRICS_PORT = 8000, 9187
"""Of the instance manager (pkg/management/url/url.go): the operator asks it, and members ask each other."""
OPERATOR = {"app.kubernetes.io/name": "cloudnative-pg"}
"""The engine's operator, by its manifest and its chart (docs/src/samples/networkpolicy-example.yaml)."""
SOURCE = "source"
"""What a restored cluster calls the archive that it was made from."""
RESTORED_AT_ONCE = 4
"""Files of log that a restore fetches side by side. A running cluster fetches one: a standby asks its archive
again and again while a primary is missing, and the three files after the one that it needs are not there
yet; asked for as well they took half of a failover's time (docs/engines.md)."""
HIBERNATION = "cnpg.io/hibernation"
SMART_SHUTDOWN_SECONDS = 10
"""How long a server that stops lets sessions end by themselves and refuses new ones. ZITADEL never ends
any in its pool: the default of 180 s is a server that is missing for longer (B-5)."""
STATES: dict[str, RunState] = {
    "": "Pending",
    "pending": "Pending",
    "started": "Running",
    "running": "Running",
    "finalizing": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "walArchivingFailing": "Failed",
}
"""Phases of a Backup (api/v1/backup_types.go)."""
GAPS = (
    Gap("DifferentialUnsupported", "no differential backups to an object store", "B-2"),
    Gap("ServerSideEncryptionOnly", "backups are encrypted by the store, not before they leave", "D-2"),
    Gap("SlowNodeLoss", "a lost primary: no writes for 57 to 84 s, the objective is below 60 s", "B-5"),
)
"""What the engine cannot do of what the contract asks for."""


def render(wanted: EngineWanted) -> tuple[Manifest, ...]:
    """The stores, the cluster, and the schedule of full backups; first the store that it is restored from, if
    it is made from a backup of another instance."""
    own = _store(wanted), _cluster(wanted), _schedule(wanted), *_sources(wanted)
    backup = arriving_backup(wanted.instance)
    return own if backup is None else (_arriving_store(wanted.instance, backup), *own)


def restore(wanted: RestoreWanted) -> tuple[Manifest, ...]:
    """The restored cluster, with a store of its own where it may become the instance's; a copy has none, and
    archives nowhere. Its volumes go with it, since it owns them (pkg/specs/pvcs.go)."""
    head = copy_head(wanted, _cluster(wanted.engine))
    if wanted.lives:
        return _store(wanted.engine), head, *_sources(wanted.engine)
    spec = get_map(head, "spec")
    spec["instances"] = wanted.servers
    del spec["plugins"]
    del get_map(spec, "postgresql")["synchronous"]
    return head, *_sources(wanted.engine)


def connection(instance: Instance) -> Connection:
    """The Secret that the engine makes for the owner of the database."""
    return Connection(
        f"{cluster_name(instance)}-app",
        {
            "host": "host",
            "port": "port",
            "database": "dbname",
            "username": "username",
            "password": "password",
        },
        ssl_mode="require",
    )


def monitor(instance: Instance) -> Connection:
    """The Secret of the agent's role: the engine reads user and password, and adds nothing."""
    keys = {"username": "username", "password": "password"}
    return Connection(f"{instance.name}-{MONITOR_SECRET}", keys, ssl_mode="require")


def trigger(instance: Instance, kind: BackupKind, mark: str) -> Manifest:
    """A full backup to be made now, whatever is asked for: the engine has no other."""
    del kind
    head = lasting(CNPG_BACKUP, instance, f"full-{mark}", COMPONENT)
    head["spec"] = {"cluster": {"name": cluster_name(instance)}, **_by_plugin()}
    return head


def read_cluster(manifest: Manifest) -> ClusterState:
    """The engine's word on the cluster."""
    status = get_map(manifest, "status")
    phase, reason = get_str(status, "phase"), get_str(status, "phaseReason")
    text = f"{phase}: {reason}" if reason else phase
    return ClusterState(
        ready=phase == HEALTHY,
        servers=get_int(manifest, "spec", "instances"),
        ready_servers=get_int(status, "readyInstances"),
        primary=get_str(status, "currentPrimary"),
        paused=get_str(manifest, "metadata", "annotations", HIBERNATION) == "on",
        message=text or "not taken up by its operator yet",
        created=created_at(manifest),
        origin=origin_of(manifest),
        begun_for=begun_for_in(manifest),
    )


def read_run(manifest: Manifest) -> EngineRun | None:
    """A backup, the engine's own by schedule or one that was asked for."""
    status = get_map(manifest, "status")
    at = created_at(manifest)
    state = STATES.get(get_str(status, "phase"))
    if at is None or state is None or get_str(manifest, "spec", "method") != "plugin":
        return None
    stopped = parse_time(get_str(status, "stoppedAt"))
    return EngineRun(
        name=get_str(manifest, "metadata", "name"),
        cluster=get_str(manifest, "spec", "cluster", "name"),
        kind="full",
        state=state,
        asked=at,
        started=parse_time(get_str(status, "startedAt")),
        finished=stopped or (at if state == "Failed" else None),
        label=get_str(status, "backupId"),
        error=get_str(status, "error"),
    )


def belongings(instance: Instance) -> tuple[Ref, ...]:
    """The store and the schedule of an instance's database, and of a restored one the store of its source."""
    store, schedule = cluster_name(instance), Ref(CNPG_SCHEDULE.kind, _schedule_name(instance))
    sources = (Ref(BARMAN_STORE.kind, _source_name(instance)),) if instance.database.cluster else ()
    return Ref(BARMAN_STORE.kind, store), schedule, *sources


def server_name(instance: Instance) -> str:
    """The server's name in the store: its own for each incarnation."""
    return f"{instance.name}-{instance.incarnation}"


def _sources(wanted: EngineWanted) -> tuple[Manifest, ...]:
    """The store that a restored cluster is made from, as an object of that cluster's own: the plugin stops
    all work on a cluster that names a store which is gone (internal/cnpgi/operator/reconciler.go), and that
    of the old database goes with it. It is read only: nothing expires here."""
    instance = wanted.instance
    if not instance.database.source:
        return ()
    store = _store(replace(wanted, instance=on_cluster(instance, instance.database.source)))
    get_map(store, "metadata")["name"] = _source_name(instance)
    del get_map(store, "spec")["retentionPolicy"]
    get_map(store, "spec", "configuration", "wal")["maxParallel"] = RESTORED_AT_ONCE
    return (store,)


def _source_name(instance: Instance) -> str:
    return f"{cluster_name(instance)}-{SOURCE}"


def _arriving_store(instance: Instance, backup: BackupSource) -> Manifest:
    """The store of another instance: nothing is archived there, and no retention is kept. It goes when the
    import is on record."""
    head = child(BARMAN_STORE, instance, SOURCE, COMPONENT)
    head["spec"] = {
        "instanceSidecarConfiguration": {"env": [{"name": "AWS_DEFAULT_REGION", "value": backup.region}]},
        "configuration": {
            "destinationPath": f"s3://{backup.bucket}/{backup.folder}",
            "endpointURL": f"https://{backup.endpoint}",
            "s3Credentials": _s3_credentials(backup.secret_name),
            "wal": {"maxParallel": RESTORED_AT_ONCE},
        },
    }
    return head


def _s3_credentials(secret: str | None) -> Manifest:
    def key(name: str) -> Manifest:
        return {"name": secret, "key": name}

    return {"accessKeyId": key("access-key-id"), "secretAccessKey": key("secret-access-key")}


def _store(wanted: EngineWanted) -> Manifest:
    repository = wanted.backup.repository
    encryption: Manifest = (
        {"encryption": repository.encryption.server_side} if repository.encryption.server_side else {}
    )
    head = named(BARMAN_STORE, wanted.instance, cluster_name(wanted.instance), COMPONENT)
    head["spec"] = {
        "retentionPolicy": f"{wanted.backup.retention.days}d",
        "instanceSidecarConfiguration": {"env": [{"name": "AWS_DEFAULT_REGION", "value": repository.region}]},
        "configuration": {
            "destinationPath": f"s3://{repository.bucket}{folder(wanted.instance, repository)}",
            "endpointURL": f"https://{repository.endpoint}",
            "s3Credentials": _s3_credentials(repository.secret_name),
            "data": {"compression": "gzip", "jobs": 2, **encryption},
            "wal": {"compression": "gzip", "maxParallel": 1, **encryption},
        },
    }
    return head


def _cluster(wanted: EngineWanted) -> Manifest:
    instance, cluster = wanted.instance, wanted.cluster
    storage: Manifest = {"size": cluster.storage.size}
    if cluster.storage.class_name is not None:
        storage["storageClass"] = cluster.storage.class_name
    head = named(CNPG_CLUSTER, instance, cluster_name(instance), COMPONENT)
    spec: Manifest = {
        "instances": cluster.instances,
        "imageName": cluster.image,
        "storage": storage,
        "smartShutdownTimeout": SMART_SHUTDOWN_SECONDS,
        **_bootstrap(instance),
        "managed": {"roles": [_role(instance), _user(wanted)]},
        "affinity": {
            "enablePodAntiAffinity": True,
            "topologyKey": ZONE_LABEL,
            "podAntiAffinityType": "required",
        },
        "postgresql": {
            "parameters": wanted.parameters,
            "synchronous": {
                "method": "any",
                "number": 1,
                "dataDurability": "required",
                "failoverQuorum": True,
            },
        },
        "plugins": [{"name": PLUGIN, "isWALArchiver": True, "parameters": _archive(instance)}],
    }
    if amounts := resources(cluster.resources, default={}):
        spec["resources"] = amounts
    head["spec"] = spec
    return head if arriving_backup(instance) is None else begun_for(instance, head)


def _archive(instance: Instance) -> Manifest:
    """Where an instance's database archives, as the plugin is told."""
    return {"barmanObjectName": cluster_name(instance), "serverName": server_name(instance)}


def _bootstrap(instance: Instance) -> Manifest:
    """A new database, or one restored from the archive of another; its user's password is made anew."""
    database, backup = instance.database, arriving_backup(instance)
    if backup is not None:
        at = instant(backup.target) if backup.target else None
        store: Manifest = {
            "barmanObjectName": f"{instance.name}-{SOURCE}",
            "serverName": backup.server,
        }
        return _recovery(store, at)
    if not database.source:
        made: Manifest = {"database": USER, "owner": USER, "dataChecksums": True}
        return {"bootstrap": {"initdb": {**made, "postInitSQL": [*receiver.STATEMENTS]}}}
    archive = {**_archive(on_cluster(instance, database.source)), "barmanObjectName": _source_name(instance)}
    return _recovery(archive, database.point if database.exact else None)


def _recovery(archive: Manifest, until: datetime | None) -> Manifest:
    """What begins with an archive; `until` the end of the log where it is None."""
    recovery: Manifest = {"source": SOURCE, "database": USER, "owner": USER}
    if until is not None:
        recovery["recoveryTarget"] = {"targetTime": rfc3339(until)}
    plugin: Manifest = {"name": PLUGIN, "parameters": archive}
    return {
        "bootstrap": {"recovery": recovery},
        "externalClusters": [{"name": SOURCE, "plugin": plugin}],
    }


def _role(instance: Instance) -> Manifest:
    return {
        "name": MONITOR,
        "ensure": "present",
        "login": True,
        "inRoles": ["pg_monitor", "pg_checkpoint"],
        "passwordSecret": {"name": f"{instance.name}-{MONITOR_SECRET}"},
    }


def _user(wanted: EngineWanted) -> Manifest:
    """The instance's own; its password is the bootstrap's."""
    limit = wanted.cluster.max_connections
    return {"name": USER, "ensure": "present", "login": True, "connectionLimit": limit}


def _schedule_name(instance: Instance) -> str:
    """A schedule's cluster never changes, as the engine has it, so a restored one has another schedule."""
    return f"{instance.database.cluster or instance.name}-full"


def _schedule(wanted: EngineWanted) -> Manifest:
    head = named(CNPG_SCHEDULE, wanted.instance, _schedule_name(wanted.instance), COMPONENT)
    head["spec"] = {
        "schedule": wanted.full.with_seconds,
        "cluster": {"name": cluster_name(wanted.instance)},
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


CLOUDNATIVE_PG: Adapter = Adapter(
    engine="cloudnative-pg",
    capabilities=Capabilities(gaps=GAPS, verified=True),
    requirements=(
        Requirement(CNPG_CLUSTER, INSTALL),
        Requirement(CNPG_SCHEDULE, INSTALL),
        Requirement(CNPG_BACKUP, INSTALL),
        Requirement(BARMAN_STORE, INSTALL_PLUGIN),
    ),
    cluster_kind=CNPG_CLUSTER,
    backup_kind=CNPG_BACKUP,
    pods=PodLabels(
        "cnpg.io/podRole=instance", "cnpg.io/cluster", "cnpg.io/instanceRole", data="cnpg.io/pvcRole=PG_DATA"
    ),
    flows=Flows(
        members=(STATUS_PORT,),
        operator=OPERATOR,
        operator_ports=(PORT, STATUS_PORT),
        metrics=(METRICS_PORT,),
    ),
    connection=connection,
    monitor=monitor,
    made_by_us=lambda instance: monitor(instance).secret,
    render=render,
    read_cluster=read_cluster,
    read_run=read_run,
    trigger=trigger,
    restore=restore,
    belongings=belongings,
)
