"""What every database engine is asked for, as one interface of pure functions.

An engine of ours is an adapter to the operator that runs PostgreSQL: it renders that operator's objects,
reads their status as facts, and makes the object that asks for a backup. What the engine cannot do of what
the contract asks for is declared in its `gaps`. `external` is an adapter too: it renders nothing.
Limit: a status is the engine's own word. What can be restored is never taken from it (`contract.recovery`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from dedicated.api.backup import Backup, Repository
from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.database import DatabaseCluster, Engine
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.names import ANNOTATION_IMPORT, ANNOTATION_KEYS, ANNOTATION_POINT, ANNOTATION_RESTORE
from dedicated.api.objects import Kind, Ref
from dedicated.api.resource import FIRST, Database, Instance
from dedicated.api.source import BackupSource
from dedicated.contract.recovery.rendering import Rendering
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.recovery.runs import BackupRun

COMPONENT = "database"
RESTORED = "db"
CLUSTER_NAME = re.compile(rf"(?P<instance>.+)-(?:{COMPONENT}|{RESTORED}-[0-9a-f]{{6}})")
USER = "zitadel"
"""Name of the database, and of the user that owns what is in it."""
MONITOR = "dedicated-monitor"
"""Role of the recovery agent: it reads statistics, writes heartbeats and asks for checkpoints."""
PORT = 5432
"""Of PostgreSQL, with every engine."""
SPARE_CONNECTIONS = 20
"""Beside the instance's own: standbys, the engine's operator, the recovery agent, people.

The instance's role may not take them. Commits that wait for a standby keep their sessions, also those whose
client is gone; without a free one a server that left the primary's history cannot be rewound, and no
standby comes back for which they wait.
"""
CLIENTS_GONE: Manifest = {
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
    "idle_in_transaction_session_timeout": "15s",
}
"""A client that is gone without a word, with its node or its network, keeps its locks for 11 s, not for the
2 hours of the kernel: all that write to the same rows wait for it (B-5). The kernel of a client that hangs
answers on, so that its transaction ends only when it did nothing for 15 s."""
OR_LATER = " or later"
"""Behind the point of a restore to all that was archived."""
AMAZON = ".amazonaws.com"

RunState = Literal["Pending", "Running", "Completed", "Failed"]


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a user's credentials are: a Secret, and its key for each field.

    Fields are host, port, database, username, password, sslmode; `ssl_mode` is said where no key has it.
    """

    secret: str
    keys: Mapping[str, str]
    ssl_mode: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the contract asks for and the engine has not; `clause` is the contract's."""

    code: str
    text: str
    clause: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine offers. `verified`: this operator has run it for real, not against its definitions."""

    verified: bool = False
    differential: bool = False
    client_side_encryption: bool = False
    copies: bool = False
    volumes: bool = False
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """A kind that has to be there, and what brings it."""

    kind: Kind
    install: str


@dataclass(frozen=True, slots=True)
class PodLabels:
    """How an engine labels the pods of its servers: what selects them, and where cluster and role stand.

    `data` selects, of the volume claims of a cluster, those of its servers: backups on a volume are not data.
    """

    selector: str
    cluster: str
    role: str
    primaries: frozenset[str] = frozenset({"primary"})
    data: str = ""


@dataclass(frozen=True, slots=True)
class Flows:
    """The ports that an engine's pods need beside PostgreSQL's own.

    `members` are between the pods of one cluster. `operator` are the labels of the engine's operator, in
    whatever namespace it is, and `operator_ports` what it connects to; empty where it only runs commands in
    the pods, which no policy sees. `metrics` are for the monitoring.
    """

    members: tuple[int, ...]
    operator: Mapping[str, str] = field(default_factory=dict)
    operator_ports: tuple[int, ...] = ()
    metrics: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineWanted:
    """Input of an engine's rendering. The renderings are the schedules as they stand now, in UTC;
    `differential` is None where it was agreed that the log alone is kept between full backups."""

    instance: Instance
    full: Rendering
    differential: Rendering | None
    archive_interval: timedelta

    @property
    def cluster(self) -> DatabaseCluster:
        """The servers wanted."""
        assert self.instance.spec.database.cluster is not None
        return self.instance.spec.database.cluster

    @property
    def backup(self) -> Backup:
        """The backups wanted."""
        assert self.instance.spec.backup is not None
        return self.instance.spec.backup

    @property
    def parameters(self) -> Manifest:
        """Settings of PostgreSQL that every engine is given."""
        seconds = int(self.archive_interval.total_seconds())
        connections = self.cluster.max_connections + SPARE_CONNECTIONS
        return {
            "archive_timeout": f"{seconds}s",
            "max_connections": str(connections),
            **CLIENTS_GONE,
        }


@dataclass(frozen=True, slots=True)
class RestoreWanted:
    """Input of the rendering of a restored cluster, which is `engine.instance.database`; its source and point
    are told there. `restore` is the InstanceRestore's name.

    With `lives` it may become the instance's database: as many servers, archiving into a place of its own.
    Else it is a copy to be looked at: one server, which archives nowhere and goes with its volumes.
    """

    engine: EngineWanted
    restore: str
    lives: bool

    @property
    def servers(self) -> int:
        """How many there are to be."""
        return self.engine.cluster.instances if self.lives else 1


@dataclass(frozen=True, slots=True)
class Origin:
    """By which InstanceRestore a cluster was made, and to which point; `exact`: to no later one."""

    restore: str
    point: datetime
    exact: bool


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as its engine tells it. `primary` is a pod's name, empty where the engine does not say.
    `origin` is of one that was restored, and is not the instance's database, or not yet; `begun_for` is the
    incarnation that it was begun for from a backup of another instance, as long as that is not imported."""

    ready: bool = False
    servers: int = 0
    ready_servers: int = 0
    primary: str = ""
    paused: bool = False
    message: str = ""
    created: datetime | None = None
    origin: Origin | None = None
    begun_for: str = ""


@dataclass(frozen=True, slots=True)
class EngineRun:
    """A backup as an object of the engine. `name` is the object's; `label` names it in the repository."""

    name: str
    cluster: str
    kind: BackupKind
    state: RunState
    asked: datetime
    started: datetime | None = None
    finished: datetime | None = None
    stored: int = 0
    label: str = ""
    error: str = ""

    @property
    def run(self) -> BackupRun:
        """The same as a fact of the schedule's; what has not begun yet counts from when it was asked for."""
        return BackupRun(
            kind=self.kind,
            started=self.started or self.asked,
            finished=self.finished if self.state in ("Completed", "Failed") else None,
            failed=self.state == "Failed",
            stored=self.stored,
            label=self.label,
            error=self.error,
        )


@dataclass(frozen=True, slots=True)
class EngineState:
    """What is known of an instance's engine. `missing` are kinds that the API server does not have. `cluster`
    and `runs` are of the instance's database, `others` the clusters beside it, by name, and `past` their
    backups."""

    missing: frozenset[str] = frozenset()
    cluster: ClusterState | None = None
    runs: tuple[EngineRun, ...] = field(default=())
    others: Mapping[str, ClusterState] = field(default_factory=dict)
    past: tuple[EngineRun, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapter:
    """One engine. `connection` and `monitor` are of the instance's own user and of the agent's."""

    engine: Engine
    capabilities: Capabilities
    requirements: tuple[Requirement, ...]
    cluster_kind: Kind | None
    backup_kind: Kind | None
    pods: PodLabels | None
    flows: Flows | None
    connection: Callable[[Instance], Connection]
    monitor: Callable[[Instance], Connection | None]
    made_by_us: Callable[[Instance], str]
    """The Secret of `monitor` where the operator makes it; empty where the engine does, or there is none."""
    render: Callable[[EngineWanted], tuple[Manifest, ...]]
    read_cluster: Callable[[Manifest], ClusterState]
    read_run: Callable[[Manifest], EngineRun | None]
    trigger: Callable[[Instance, BackupKind, str], Manifest]
    """A backup asked for now; the text marks it, so that asking twice asks once."""
    restore: Callable[[RestoreWanted], tuple[Manifest, ...]]
    """What a restored cluster is made of, before it is the instance's database."""
    belongings: Callable[[Instance], tuple[Ref, ...]] = lambda instance: ()  # noqa: ARG005
    """What of an instance's database is its cluster's alone, beside the cluster."""
    with_volumes: str = ""
    """The finalizer by which the engine removes a cluster's volumes too; empty where it does so anyway."""
    annotation: str = ""
    """Option by which the backup itself, in the repository, is told KEY=VALUE; empty: it cannot be."""


def with_keys(adapter: Adapter, order: Manifest, fingerprint: str) -> Manifest:
    """An order that says which masterkey its backup needs: on the object, and in the repository where the
    engine can. Without a fingerprint as it is."""
    if not fingerprint:
        return order
    metadata, wanted = get_map(order, "metadata"), get_map(order, "spec")
    marked: Manifest = {**metadata, "annotations": {ANNOTATION_KEYS: fingerprint}}
    if adapter.annotation:
        option = f"{adapter.annotation}=keys={fingerprint}"
        wanted = {**wanted, "options": [*get_list(wanted, "options"), option]}
    return {**order, "metadata": marked, "spec": wanted}


def created_at(manifest: Manifest) -> datetime | None:
    """When an object was created; None where it does not tell."""
    return parse_time(get_str(manifest, "metadata", "creationTimestamp"))


def cluster_name(instance: Instance) -> str:
    """Name of the cluster object that is an instance's database."""
    return cluster_of(instance.name, instance.database)


def cluster_of(instance: str, database: Database) -> str:
    """Name of the cluster object that a database of an instance is."""
    return database.cluster or f"{instance}-{COMPONENT}"


def restored_name(instance: Instance, mark: str) -> str:
    """Name of a restored cluster; `mark` has 6 digits, so that it fits where CloudNativePG allows 50."""
    return f"{instance.name}-{RESTORED}-{mark}"


def instance_of_cluster(cluster: str) -> str:
    """The instance that a cluster of this name belongs to; empty where it is none of ours."""
    found = CLUSTER_NAME.fullmatch(cluster)
    return found["instance"] if found else ""


def on_cluster(instance: Instance, cluster: str) -> Instance:
    """The instance with the cluster of this name as its database."""
    first = cluster == cluster_of(instance.name, FIRST)
    return replace(instance, database=FIRST if first else Database(cluster))


def copy_head(wanted: RestoreWanted, head: Manifest) -> Manifest:
    """The head of a cluster that is not the instance's database, or not yet: what it was made by."""
    point = wanted.engine.instance.database.point
    assert point is not None
    database = wanted.engine.instance.database
    notes: Manifest = {
        ANNOTATION_RESTORE: wanted.restore,
        ANNOTATION_POINT: rfc3339(point) if database.exact else f"{rfc3339(point)}{OR_LATER}",
    }
    return {**head, "metadata": {**get_map(head, "metadata"), "annotations": notes}}


def origin_of(manifest: Manifest) -> Origin | None:
    """What `copy_head` told of a cluster; None where it is no copy."""
    notes = get_map(manifest, "metadata", "annotations")
    restore, told = get_str(notes, ANNOTATION_RESTORE), get_str(notes, ANNOTATION_POINT)
    point = parse_time(told.removesuffix(OR_LATER))
    return Origin(restore, point, not told.endswith(OR_LATER)) if restore and point else None


def arriving_backup(instance: Instance) -> BackupSource | None:
    """The backup of another instance that the first database is made from; None: of none, or it was."""
    source = instance.arriving
    return source.backup if source is not None and instance.database == FIRST else None


def begun_for(instance: Instance, head: Manifest) -> Manifest:
    """The head of a cluster that is made from a backup of another instance: for whom, so that one of another
    incarnation, which its engine would not make anew, is not taken for it."""
    notes: Manifest = {ANNOTATION_IMPORT: instance.meta.uid}
    return {**head, "metadata": {**get_map(head, "metadata"), "annotations": notes}}


def begun_for_in(manifest: Manifest) -> str:
    """What `begun_for` told of a cluster; empty where it did not."""
    return get_str(manifest, "metadata", "annotations", ANNOTATION_IMPORT)


def folder(instance: Instance, repository: Repository) -> str:
    """The path in a repository: its own for each incarnation, so that two systems never archive into one."""
    parts = (repository.prefix.strip("/"), instance.namespace, instance.name, instance.incarnation)
    return "/" + "/".join(part for part in parts if part)
