"""What every database engine is asked for, as one interface of pure functions.

An engine of ours is an adapter to the operator that runs PostgreSQL: it renders that operator's objects,
reads their status as facts, and makes the object that asks for a backup. What the engine cannot do of what
the contract asks for is declared in its `gaps`. `external` is an adapter too: it renders nothing.
Limit: a status is the engine's own word. What can be restored is never taken from it (`contract.recovery`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from dedicated.api.backup import Backup, Repository
from dedicated.api.conditions import parse_time
from dedicated.api.database import DatabaseCluster, Engine
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.names import ANNOTATION_KEYS
from dedicated.api.objects import Kind
from dedicated.api.resource import Instance
from dedicated.contract.recovery.rendering import Rendering
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.recovery.runs import BackupRun

COMPONENT = "database"
USER = "zitadel"
"""Name of the database, and of the user that owns what is in it."""
MONITOR = "dedicated-monitor"
"""Role of the recovery agent: it reads statistics, writes heartbeats and asks for checkpoints."""
PORT = 5432
"""Of PostgreSQL, with every engine."""
SPARE_CONNECTIONS = 20
"""Beside the instance's own: standbys, the engine's operator, the recovery agent, people."""
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
    """How an engine labels the pods of its servers: what selects them, and where cluster and role stand."""

    selector: str
    cluster: str
    role: str
    primaries: frozenset[str] = frozenset({"primary"})


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
        return {"archive_timeout": f"{seconds}s", "max_connections": str(connections)}


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as its engine tells it. `primary` is a pod's name, empty where the engine does not say."""

    ready: bool = False
    servers: int = 0
    ready_servers: int = 0
    primary: str = ""
    paused: bool = False
    message: str = ""
    created: datetime | None = None


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
    """What is known of an instance's engine. `missing` are kinds that the API server does not have."""

    missing: frozenset[str] = frozenset()
    cluster: ClusterState | None = None
    runs: tuple[EngineRun, ...] = field(default=())


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


def cluster_name(instance: str) -> str:
    """Name of an instance's cluster object."""
    return f"{instance}-{COMPONENT}"


def instance_of_cluster(cluster: str) -> str:
    """The instance whose cluster has this name; empty where it is none of ours."""
    stem = cluster.removesuffix(f"-{COMPONENT}")
    return stem if stem != cluster else ""


def folder(instance: Instance, repository: Repository) -> str:
    """The path in a repository: its own for each incarnation, so that two systems never archive into one."""
    parts = (repository.prefix.strip("/"), instance.namespace, instance.name, instance.meta.uid)
    return "/" + "/".join(part for part in parts if part)
