"""An instance on its way out, with a database of its own: what exists of it, and what becomes of it.

A plan's actions are carried out on values; the engine, people and time are the test's.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from builders import CATALOGUE, IDENTITY, NOW, UID, body, clustered, spec
from dedicated.api.conditions import rfc3339
from dedicated.api.instance_restore import InstanceRestoreStatus
from dedicated.api.json import JsonValue, Manifest, digest, get_list, get_map, get_str
from dedicated.api.names import FINALIZER
from dedicated.api.objects import JOB, PERCONA_CLUSTER, VOLUME_CLAIM, Ref
from dedicated.api.resource import Instance, InvalidInstance, parse_instance
from dedicated.contract.ending import DeletionConfirmed, DeletionWithdrawn, FinalBackup
from dedicated.contract.facts import DatabaseRemoved, Fact
from dedicated.contract.reading import Reading, read
from dedicated.contract.records import manifest_of
from dedicated.parts.database.engine import ClusterState, EngineRun, EngineState, Origin, cluster_name
from dedicated.parts.keys import MasterkeyReading
from dedicated.reconcile.actions import (
    Action,
    Ask,
    Delete,
    HandOver,
    MarkNamespace,
    Plan,
    RecordFact,
    SetFinalizers,
    Tell,
)
from dedicated.reconcile.asked import RestoreOrder
from dedicated.reconcile.deletion import claims_wanted
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.plan import plan
from dedicated.reconcile.restores import with_database
from reconcile.played_escrow import PlayedEscrow

CLUSTER = Ref(PERCONA_CLUSTER.kind, "acme-database")
CLAIMS = ("acme-database-db-0", "acme-database-db-1")
SECRETS = (Ref("Secret", "acme-masterkey"), Ref("Secret", "acme-operator-key"))
KEYS = (*SECRETS, Ref("ConfigMap", "acme-identity"))
SERVING = (
    Ref("Deployment", "acme-server"),
    Ref("Deployment", "acme-login"),
    Ref("Job", "acme-setup-1"),
    Ref("StatefulSet", "acme-limiter"),
    Ref("Service", "acme-edge"),
)
COMPONENTS = {
    SERVING[0]: "server",
    SERVING[1]: "login",
    SERVING[2]: "schema",
    SERVING[3]: "limiter",
    SERVING[4]: "edge",
    Ref("Deployment", "acme-recovery"): "recovery",
    CLUSTER: "database",
    Ref("ConfigMap", "acme-database-init"): "database",
    Ref("NetworkPolicy", "acme-database"): "network",
    Ref("Secret", "acme-database-monitor"): "database",
    **dict.fromkeys(KEYS, "keys"),
}
"""What an instance is made of -> its component. Those of the first six belong to it by their owner."""
OWNED = tuple(COMPONENTS)[:6]
_YESTERDAY = NOW - timedelta(days=1)
BEFORE = EngineRun(
    "before", "acme-database", "full", "Completed", _YESTERDAY, _YESTERDAY, _YESTERDAY, label="before"
)
"""The backup of the day before."""


def uid_of(name: str) -> str:
    """The uid of a child or a claim; records are named by its beginning."""
    return digest([name])


def child(ref: Ref) -> Child:
    """A child as the operator keeps it."""
    return Child(
        ref, uid_of(ref.name), "1", COMPONENTS.get(ref, ""), owner_uid=UID if ref in OWNED else ""
    )


@dataclass
class Departure:
    """An instance that was deleted at NOW. `done` are all actions, each with the time it was carried out."""

    spec: Manifest = field(default_factory=dict)
    engine: Literal["percona", "cloudnative-pg", "external"] = "percona"
    now: datetime = NOW
    children: dict[Ref, Child] = field(default_factory=lambda: {ref: child(ref) for ref in COMPONENTS})
    claims: set[str] = field(default_factory=lambda: set(CLAIMS))
    runs: list[EngineRun] = field(default_factory=lambda: [BEFORE])
    facts: dict[str, Fact] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    escrow: PlayedEscrow = field(default_factory=PlayedEscrow)
    restores: dict[str, RestoreOrder] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    ready: bool = True
    missing: frozenset[str] = frozenset()
    finalizers: tuple[str, ...] = (FINALIZER,)
    status: Manifest = field(default_factory=dict)
    done: list[Action] = field(default_factory=list)

    def instance(self) -> Instance | InvalidInstance:
        """The instance as stored."""
        found: Manifest = {**body(), "spec": self._wanted(), "status": self.status}
        metadata: Manifest = {
            **get_map(found, "metadata"),
            "deletionTimestamp": rfc3339(NOW),
            "finalizers": list[JsonValue](self.finalizers),
        }
        return with_database(parse_instance({**found, "metadata": metadata}), self.facts.values())

    def observed(self) -> Observed:
        """One snapshot."""
        instance = self.instance()
        seen = Observed(
            children=dict(self.children),
            engine=self._engine(instance),
            facts=tuple(self.facts.values()),
            readings=tuple(self.readings),
            identity=IDENTITY,
            masterkey=MasterkeyReading(found=True, fingerprint=IDENTITY.masterkey),
            restores=tuple(self.restores.values()),
            escrowed=self.escrow.kept,
            escrowing=self.escrow.attempts,
            bundled=self.escrow.bundled({**body(), "spec": self._wanted()}),
            agent_image="images.example.test/operator:1",
            mark="",
        )
        if isinstance(instance, InvalidInstance) or not claims_wanted(instance, seen):
            return seen
        return replace(seen, volumes=tuple(child(Ref(VOLUME_CLAIM.kind, name)) for name in self.claims))

    def _wanted(self) -> Manifest:
        return spec(**({} if self.engine == "external" else clustered(self.engine)), **self.spec)

    def _engine(self, instance: Instance | InvalidInstance) -> EngineState:
        """The instance's database is as `ready` says; those beside it are."""
        state = ClusterState(ready=self.ready, message="ready" if self.ready else "broken")
        there = {
            ref.name: replace(state, origin=self.origins.get(ref.name))
            for ref in self.children
            if ref.kind == PERCONA_CLUSTER.kind
        }
        live = cluster_name(instance) if isinstance(instance, Instance) else CLUSTER.name
        runs = tuple(run for run in self.runs if run.cluster == live)
        return EngineState(self.missing, there.pop(live, None), runs, there)

    def plan(self) -> Plan:
        """Decide one pass, and change nothing."""
        return plan(self.instance(), self.observed(), catalogue=CATALOGUE, now=self.now, settled={})

    def step(self) -> Plan:
        """One pass: decide, tell, and carry it out."""
        decided = self.plan()
        if decided.status is not None:
            self.status = decided.status
        for action in decided.actions:
            self.carry_out(action)
        return decided

    def settle(self) -> Plan:
        """Passes until nothing is to be done; the last one."""
        for _ in range(20):
            decided = self.step()
            if not decided.actions:
                return decided
        raise AssertionError(f"no rest: {decided.actions}")

    def carry_out(self, action: Action) -> None:
        """Do what a plan asks for; a cluster that is deleted goes at once, its claims stay (Percona)."""
        self.done.append(action)
        match action:
            case SetFinalizers(finalizers):
                self.finalizers = finalizers
            case Delete(Ref(VOLUME_CLAIM.kind, name), uid):
                assert uid == uid_of(name)
                self.claims.discard(name)
            case Delete(ref, uid):
                assert self.children[ref].uid == uid
                del self.children[ref]
            case HandOver(seen):
                del self.children[seen.ref]
            case RecordFact(statement):
                self.state(manifest_of(statement, namespace="acme-ns", by="operator"))
            case Ask(manifest) if manifest["kind"] == JOB.kind:
                self.escrow.carry_out(manifest, now=self.now)
            case Ask(manifest):
                name, of = get_str(manifest, "metadata", "name"), get_str(manifest, "spec", "pgCluster")
                self.runs.append(EngineRun(name, of, "full", "Running", self.now, self.now))
            case Tell(name, status):
                InstanceRestoreStatus.model_validate(status)
                self.restores[name] = replace(self.restores[name], status=status)
            case MarkNamespace():
                raise AssertionError("the namespace has no label")
            case _:
                raise AssertionError(f"no part of a deletion: {action}")

    def state(self, manifest: Manifest) -> None:
        """Keep a record, at the API server's time."""
        made: Manifest = {**get_map(manifest, "metadata"), "creationTimestamp": rfc3339(self.now)}
        reading = read({**manifest, "metadata": made})
        assert reading is not None
        self.readings.append(reading)
        for fact in reading.facts:
            self.facts.setdefault(fact.name, fact)

    def confirm(self, *, by: str = "carla", uid: str = UID) -> None:
        """A person confirms."""
        name = f"acme-confirmed-{len(self.facts)}"
        self.facts[name] = DeletionConfirmed(name, self.now, by, uid)

    def withdraw(self, *, by: str = "paul") -> None:
        """A person takes it back."""
        name = f"acme-withdrawn-{len(self.facts)}"
        self.facts[name] = DeletionWithdrawn(name, self.now, by, UID)

    def backup_ends(self, *, well: bool) -> None:
        """What the engine makes of the backups that run."""
        self.runs = [
            replace(
                run,
                state="Completed" if well else "Failed",
                finished=self.now,
                label="20260301-120000F",
                error="" if well else "no space left in the repository",
            )
            if run.state == "Running"
            else run
            for run in self.runs
        ]

    def pass_time(self, **duration: float) -> None:
        """The clock moves on."""
        self.now += timedelta(**duration)

    def told(self, kind: type[FinalBackup | DatabaseRemoved]) -> list[Fact]:
        """The operator's facts of a kind."""
        return [fact for fact in self.facts.values() if isinstance(fact, kind)]

    @property
    def phase(self) -> str:
        """The step that the status tells of."""
        return get_str(self.status, "deletion", "phase")

    @property
    def findings(self) -> list[str]:
        """Codes of what needs somebody."""
        return [get_str(item, "code") for item in get_list(self.status, "findings")]
