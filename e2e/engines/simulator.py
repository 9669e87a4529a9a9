"""The engines' operators, played: pods in zones, Secrets, status, backups; failures and failovers on demand.

One `step` looks at a namespace and does what the engine's controllers would have done by then; `playing`
steps until it is left. Each answer names the source that it was read from: Percona Operator for PostgreSQL at
adafb34 (after v3.0.0), CloudNativePG v1.30.0.
Limit: nothing is archived and no database runs: a Secret leads to the DSN that the test gives.
"""

import base64
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from dedicated.api.conditions import parse_time
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import (
    BARMAN_STORE,
    CNPG_BACKUP,
    CNPG_CLUSTER,
    PERCONA_BACKUP,
    PERCONA_CLUSTER,
    Kind,
)
from testbed import stub_pods
from testbed.client import Api, ApiError, condition

PERCONA_LABELS = "postgres-operator.crunchydata.com"
"""internal/naming/labels.go: cluster, data, role."""
INSTANCE_NAME = "cnpg.io/instanceName"
ZONE = "topology.kubernetes.io/zone"
SIZES = {"full": 120_000_000, "differential": 19_000_000}
"""Bytes in the repository, as measured for a database of 781 MB (database-backup.md, 1.3)."""
PAUSE = 0.2
BUSY = frozenset({429, 500, 503, 504})
"""Refusals after which the next step asks again, such as while a definition was just installed."""


@dataclass(slots=True)
class Simulator:
    """The engines' operators of one namespace. `failing` is the error that the next backups end with."""

    api: Api
    namespace: str
    dsn: str
    failing: str = ""
    shared: str = ""
    """Role and database that the DSN leads to, where the server is shared and has no room for the spec's."""
    holding: bool = False
    """Backups that began do not end."""
    restoring: str = ""
    """What keeps restored clusters from getting ready, in the engine's words; empty: they do."""
    astray: timedelta = timedelta(0)
    """By how much a restore ends before the point that it was to reach."""
    lost: set[str] = field(default_factory=set)
    """Clusters whose servers are gone, with their data."""
    emptied: set[str] = field(default_factory=set)
    """Clusters whose volumes went with them, by their finalizer."""
    restored: dict[str, datetime | None] = field(default_factory=dict)
    """Cluster -> the point that it was restored to; None: all that was archived."""
    primaries: dict[str, int] = field(default_factory=dict)
    """Cluster -> index of the server that is its primary."""

    def step(self) -> None:
        """What the engines' controllers do next."""
        for cluster in self.api.list(PERCONA_CLUSTER, self.namespace):
            self._percona(cluster)
        for cluster in self.api.list(CNPG_CLUSTER, self.namespace):
            self._cnpg(cluster)
        for backup in self.api.list(PERCONA_BACKUP, self.namespace):
            self._percona_backup(backup)
        for backup in self.api.list(CNPG_BACKUP, self.namespace):
            self._cnpg_backup(backup)

    def fail_over(self, cluster: str) -> None:
        """Another server becomes the primary: Patroni (or the instance manager) moves the role label."""
        self.primaries[cluster] = self.primaries.get(cluster, 0) + 1

    def schedule(self, cluster: str, kind: str) -> None:
        """A backup as the engine's own schedule makes it (percona/controller/pgcluster/schedule.go)."""
        spec: Manifest = {"pgCluster": cluster, "repoName": "repo1", "options": [f"--type={kind}"]}
        self.api.create(
            {
                "apiVersion": PERCONA_BACKUP.api_version,
                "kind": PERCONA_BACKUP.kind,
                "metadata": {"generateName": f"{cluster}-repo1-{kind}-", "namespace": self.namespace},
                "spec": spec,
            }
        )

    def _percona(self, cluster: Manifest) -> None:
        name = get_str(cluster, "metadata", "name")
        if get_map(cluster, "metadata").get("deletionTimestamp"):
            # percona/controller/pgcluster/finalizer.go: the volumes go, then the finalizer.
            self.api.patch(PERCONA_CLUSTER, self.namespace, name, {"metadata": {"finalizers": []}})
            self.emptied.add(name)
            return
        # internal/controller/postgrescluster/instance.go names servers CLUSTER-SET-xxxx-0.
        (servers,) = get_list(cluster, "spec", "instances")
        size = get_int(servers, "replicas")
        source = get_map(cluster, "spec", "dataSource", "postgresCluster")
        bucket = get_map(cluster, "spec", "dataSource", "pgbackrest")
        of, target = get_str(source, "clusterName"), _percona_target(source or bucket)
        there = bool(bucket) or self.api.find(PERCONA_CLUSTER, self.namespace, of) is not None
        if (source or bucket) and self._restores(name, target, there=there):
            self._status(PERCONA_CLUSTER, cluster, {"state": "initializing", "postgres": {"size": size}})
            return
        labels: Manifest = {f"{PERCONA_LABELS}/cluster": name, f"{PERCONA_LABELS}/data": "postgres"}
        names = [f"{name}-db-{number:04d}-0" for number in range(size)]
        # internal/patroni: the label role is primary or replica since 3.0.
        role = f"{PERCONA_LABELS}/role"
        ready = self._servers(cluster, names, labels, role, get_map(servers, "affinity"))
        for user in get_list(cluster, "spec", "users"):
            # internal/controller/postgrescluster/postgres.go, generatePostgresUserSecret.
            databases = get_list(user, "databases")
            extra = {"dbname": str(databases[0])} if databases else {}
            self._secret(f"{name}-pguser-{get_str(user, 'name')}", get_str(user, "name"), "user", extra)
        # percona/controller/pgcluster/status.go, getState.
        state = "ready" if ready == size else "initializing"
        version = get_int(cluster, "spec", "postgresVersion")
        postgres: Manifest = {"size": size, "ready": ready, "version": version}
        self._status(PERCONA_CLUSTER, cluster, {"state": state, "postgres": postgres})

    def _cnpg(self, cluster: Manifest) -> None:
        name, size = get_str(cluster, "metadata", "name"), get_int(cluster, "spec", "instances")
        labels: Manifest = {"cnpg.io/cluster": name, "cnpg.io/podRole": "instance"}
        names = [f"{name}-{number + 1}" for number in range(size)]
        apart: Manifest = {"topologyKey": ZONE, "labelSelector": {"matchLabels": labels}}
        affinity: Manifest = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
        recovery = get_map(cluster, "spec", "bootstrap", "recovery")
        if any(self.api.find(BARMAN_STORE, self.namespace, store) is None for store in _stores(cluster)):
            # plugin-barman-cloud, internal/cnpgi/operator/reconciler.go: it stops all work on the cluster.
            self._status(CNPG_CLUSTER, cluster, {"phase": "Waiting for the plugin"})
            return
        target = _cnpg_target(recovery)
        if recovery and self._restores(name, target, there=True):
            # api/v1/cluster_types.go: PhaseFirstPrimary.
            told: Manifest = {"phase": "Setting up primary", "phaseReason": self.restoring}
            self._status(CNPG_CLUSTER, cluster, told)
            return
        # pkg/utils/labels_annotations.go: the server's own name, on its pod and its volumes.
        ready = self._servers(cluster, names, labels, "cnpg.io/instanceRole", affinity, own=INSTANCE_NAME)
        begun = recovery or get_map(cluster, "spec", "bootstrap", "initdb")
        database = get_str(begun, "database")
        # pkg/specs/secrets.go, CreateSecret: both user and username.
        owner = get_str(begun, "owner")
        self._secret(f"{name}-app", owner, "username", {"dbname": database, "user": owner})
        # api/v1/cluster_types.go: PhaseHealthy, PhaseCreatingReplica.
        phase = "Cluster in healthy state" if ready == size else "Creating a new replica"
        status: Manifest = {
            "phase": phase,
            "instances": size,
            "readyInstances": ready,
            "currentPrimary": names[self.primaries.get(name, 0) % size],
        }
        self._status(CNPG_CLUSTER, cluster, status)

    def _restores(self, cluster: str, target: datetime | None, *, there: bool) -> bool:
        """Whether a restored cluster is not there yet. Percona's copies the configuration of its source,
        which has to be `there` while it is made (internal/controller/postgrescluster/pgbackrest.go), unless
        it is a bucket."""
        if cluster in self.restored:
            return False
        if self.restoring or not there:
            return True
        self.restored[cluster] = target - self.astray if target else None
        return False

    def _servers(
        self,
        cluster: Manifest,
        names: list[str],
        labels: Manifest,
        role: str,
        affinity: Manifest,
        *,
        own: str = "",
    ) -> int:
        """Make the servers, label the primary; how many are ready. `own`: the label with a server's name."""
        name = get_str(cluster, "metadata", "name")
        if name in self.lost:
            for server in names:
                with contextlib.suppress(ApiError):
                    self.api.delete("v1/pods", self.namespace, server)
            return 0
        owner: JsonValue = {
            "apiVersion": get_str(cluster, "apiVersion"),
            "kind": get_str(cluster, "kind"),
            "name": name,
            "uid": get_str(cluster, "metadata", "uid"),
        }
        ready = 0
        for number, server in enumerate(names):
            is_primary = number == self.primaries.get(name, 0) % len(names)
            wanted: Manifest = {**labels, role: "primary" if is_primary else "replica"}
            if own:
                wanted[own] = server
            found = self.api.find("v1/pods", self.namespace, server)
            if found is None:
                database = stub_pods.container("sleep", name="database")
                pod = stub_pods.pod(self.namespace, database, name=server)
                get_map(pod, "metadata")["labels"] = wanted
                get_map(pod, "metadata")["ownerReferences"] = [owner]
                get_map(pod, "spec")["affinity"] = affinity
                with contextlib.suppress(ApiError):  # one that is still going has the name
                    self.api.create(pod)
            elif get_str(found, "metadata", "labels", role) != wanted[role]:
                self.api.patch("v1/pods", self.namespace, server, {"metadata": {"labels": wanted}})
            ready += condition(found, "Ready") == "True"
        return ready

    def _secret(self, name: str, user: str, key: str, extra: dict[str, str]) -> None:
        if self.api.find("v1/secrets", self.namespace, name) is not None:
            return
        parts = urlsplit(self.dsn)
        owned = {key: user, **extra}
        values = {
            "host": parts.hostname or "",
            "port": str(parts.port or 5432),
            "password": parts.password or "",
            **(dict.fromkeys(owned, self.shared) if self.shared else owned),
        }
        data: Manifest = {field: base64.b64encode(text.encode()).decode() for field, text in values.items()}
        head: Manifest = {"name": name, "namespace": self.namespace}
        self.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": head, "data": data})

    def _percona_backup(self, backup: Manifest) -> None:
        # percona/controller/pgbackup/controller.go: New, Starting, Running, then Succeeded or Failed.
        state = get_str(backup, "status", "state")
        told = str(get_list(backup, "spec", "options")[0]).removeprefix("--type=")
        short = {"differential": "diff", "incremental": "incr"}.get(told, told)
        if state in ("Succeeded", "Failed"):
            return
        following = {"": "Starting", "Starting": "Running"}.get(state)
        if following is not None:
            self._status(PERCONA_BACKUP, backup, {"state": following})
        elif self.failing:
            self._status(PERCONA_BACKUP, backup, {"state": "Failed", "error": self.failing})
        elif not self.holding:
            done: Manifest = {
                "state": "Succeeded",
                "backupType": short,
                "completed": _now(),
                "size": SIZES["full" if short == "full" else "differential"],
                "backupName": _label(backup, short),
                "repo": {"name": "repo1"},
            }
            self._status(PERCONA_BACKUP, backup, done)

    def _cnpg_backup(self, backup: Manifest) -> None:
        # api/v1/backup_types.go: pending, started, running, finalizing, then completed or failed.
        phase = get_str(backup, "status", "phase")
        if phase in ("completed", "failed"):
            return
        if phase == "":
            self._status(CNPG_BACKUP, backup, {"phase": "running", "startedAt": _now(), "method": "plugin"})
        elif self.failing:
            self._status(CNPG_BACKUP, backup, {"phase": "failed", "error": self.failing})
        elif not self.holding:
            done: Manifest = {
                "phase": "completed",
                "stoppedAt": _now(),
                "backupId": _label(backup, "full"),
            }
            self._status(CNPG_BACKUP, backup, done)

    def _status(self, kind: Kind, found: Manifest, status: Manifest) -> None:
        """Merge into the status what is not there yet."""
        known = get_map(found, "status")
        if all(known.get(key) == value for key, value in status.items()):
            return
        name = get_str(found, "metadata", "name")
        with contextlib.suppress(ApiError):  # gone, or changed meanwhile: the next step looks again
            self.api.patch(kind, self.namespace, name, {"status": status}, subresource="status")


class Steps(Protocol):
    """What plays in steps."""

    def step(self) -> None:
        """What would have been done by now."""


Played = TypeVar("Played", bound=Steps)


@contextlib.contextmanager
def playing(simulator: Played, *others: Steps, pause: float = PAUSE) -> Iterator[Played]:
    """Step each `pause` seconds until the block is left, and others with it; an error in a step is raised
    there."""
    over = threading.Event()
    errors: list[Exception] = []
    players: tuple[Steps, ...] = (simulator, *others)

    def play() -> None:
        while not over.wait(pause):
            try:
                for played in players:
                    played.step()
            except ApiError as error:
                if error.status not in BUSY:
                    errors.append(error)
                    return
            except Exception as error:  # noqa: BLE001 - told to the test, in its own thread
                errors.append(error)
                return

    thread = threading.Thread(target=play, name="engines", daemon=True)
    thread.start()
    try:
        yield simulator
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]


def _percona_target(source: Manifest) -> datetime | None:
    """The time in pgBackRest's options, which a shell takes the quotes from."""
    options = [str(option) for option in get_list(source, "options")]
    told = next((item.partition("=")[2] for item in options if item.startswith("--target=")), "")
    return datetime.fromisoformat(told.strip('"')) if told else None


def _cnpg_target(recovery: Manifest) -> datetime | None:
    return parse_time(get_str(recovery, "recoveryTarget", "targetTime"))


def _stores(cluster: Manifest) -> set[str]:
    """The stores that a cluster names (internal/cnpgi/operator/config/config.go)."""
    named = [*get_list(cluster, "spec", "plugins"), *get_list(cluster, "spec", "externalClusters")]
    found = {
        get_str(item.get("plugin") or item, "parameters", "barmanObjectName") for item in map(get_map, named)
    }
    return found - {""}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _label(backup: Manifest, short: str) -> str:
    """As pgBackRest names a backup: its time, and the kind's letter."""
    at = get_str(backup, "metadata", "creationTimestamp")
    digits = "".join(character for character in at if character.isdigit())
    return f"{digits[:8]}-{digits[8:14]}{'F' if short == 'full' else 'D'}"
