"""The world around one instance, in memory: plans are carried out; Jobs, people and time move on command."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta

from builders import CATALOGUE, DSN, MASTERKEY, PLATFORM, SALT, nodes
from dedicated.api.catalogue import Catalogue
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import FIELD_MANAGER, LABEL_COMPONENT
from dedicated.api.objects import CONFIG_MAP, JOB, SECRET, Ref
from dedicated.api.resource import Instance, InvalidInstance, parse_instance
from dedicated.contract import downtime
from dedicated.contract.facts import Fact
from dedicated.contract.limiter_report import Report as LimiterReport
from dedicated.contract.limits_sight import Ways
from dedicated.contract.prerequisites import Node, Platform
from dedicated.contract.reading import read
from dedicated.contract.records import Record, Statement, manifest_of
from dedicated.parts import keys, schema
from dedicated.parts.config import merge
from dedicated.parts.database.engine import EngineState
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.database.external import DatabaseReading, read_secret
from dedicated.parts.edge.entry import EdgeState
from dedicated.parts.keys import Identity, MasterkeyReading
from dedicated.parts.measured import KeptMonth, month_of_manifest
from dedicated.parts.recovery_agent import Kept
from dedicated.reconcile.actions import (
    Action,
    Apply,
    Ask,
    CreateAdmin,
    CreateKeyPair,
    CreateMonitor,
    CreatePeers,
    Delete,
    EstablishIdentity,
    MarkNamespace,
    Plan,
    RecordFact,
    RollUp,
    SetFinalizers,
    Settled,
    Tell,
)
from dedicated.reconcile.asked import asked_of
from dedicated.reconcile.drift import Drift
from dedicated.reconcile.judgement import judge
from dedicated.reconcile.observed import (
    Failure,
    Measured,
    Observed,
    PodState,
    ServiceReading,
    child_of,
    job_of,
)
from dedicated.reconcile.plan import plan
from dedicated.reconcile.removal import removal_patch
from dedicated.reconcile.turns import FREE, Turn
from reconcile.api_server import Server
from reconcile.made_once import secret_of
from reconcile.ordered import Restores
from reconcile.played_escrow import PlayedEscrow, is_schema_job
from reconcile.rolling import ROLLED, deployments_in, rolled_out, stateful_sets_in

MOST_PASSES = 12


@dataclass
class Cluster:
    """`body` is the instance as stored; `told` are the reasons of all events, `done` all actions so far."""

    body: Manifest
    server: Server = field(default_factory=Server)
    catalogue: Catalogue = CATALOGUE
    nodes: tuple[Node, ...] | None = field(default_factory=nodes)
    platform: Platform = PLATFORM
    secrets: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"database": {"dsn": DSN}})
    pods: list[PodState] = field(default_factory=list)
    service: ServiceReading | None = None
    mail: bool | None = None
    failures: tuple[Failure, ...] = ()
    senior: str = ""
    mark: str | None = ""
    turn: Turn = FREE
    settled: Settled = field(default_factory=dict)
    deleted: dict[Ref, str] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    asked: dict[str, Manifest] = field(default_factory=dict)
    restores: Restores = field(default_factory=Restores)
    proven: bool = True
    forged: dict[Ref, Drift] = field(default_factory=dict)
    measured: downtime.Record = field(default_factory=downtime.Record)
    engine: EngineState = field(default_factory=EngineState)
    recovery: Kept | None = None
    agent_image: str = ""
    limiter_image: str = "haproxy:3.2"
    limiter: tuple[LimiterReport, ...] = ()
    ways: Ways = field(default_factory=Ways)
    edge: EdgeState = field(default_factory=EdgeState)
    escrow: PlayedEscrow = field(default_factory=PlayedEscrow)
    gaps: tuple[downtime.Span, ...] = ()
    told: list[str] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)

    # What the operator sees and does.

    def observed(self) -> Observed:
        """One snapshot."""
        full = {ref: thing.full() for ref, thing in self.server.objects.items()}
        identity = self._identity()
        masterkey, database = self._readings(identity)
        return Observed(
            children={ref: child_of(item) for ref, item in full.items()},
            deployments=deployments_in(full), stateful_sets=stateful_sets_in(full),
            jobs={ref.name: job_of(item) for ref, item in full.items() if is_schema_job(ref)},
            pods=tuple(self.pods),
            nodes=self.nodes, platform=self.platform,
            identity=identity,
            masterkey=masterkey, database=database,
            service=self.service, mail=self.mail,
            failures=self.failures,
            deleted={ref: uid for ref, uid in self.deleted.items() if ref not in self.server.objects},
            records=tuple(self.records.values()), facts=tuple(self.facts.values()),
            asked=tuple(map(asked_of, self.asked.values())),
            restores=self.restores.orders(), verdicts=self.restores.verdicts,
            exports=self.restores.exported(),
            forged=self.forged,
            measured=Measured(self.measured, self.months(), self.gaps),
            engine=self.engine, edge=self.edge, recovery=self.recovery,
            agent_image=self.agent_image, limiter_image=self.limiter_image, senior=self.senior,
            limiter_hash=self._limiter_hash(full), limiter=self.limiter, ways=self.ways,
            escrowed=self.escrow.kept, escrowing=self.escrow.attempts,
            bundled=self.escrow.bundled(self.body), mark=self.mark,
        )

    def months(self) -> tuple[KeptMonth, ...]:
        """What is kept of the service level."""
        things = (thing for ref, thing in self.server.objects.items() if "-measured-" in ref.name)
        return tuple(kept for thing in things if (kept := month_of_manifest(thing.full())) is not None)

    def plan(self) -> Plan:
        """Decide one pass, and change nothing."""
        return plan(
            parse_instance(self.body),
            self.observed(),
            catalogue=self.catalogue,
            now=self.server.now,
            settled=self.settled,
            turn=self.turn,
            proven=self.proven,
        )

    def step(self) -> Plan:
        """One pass: decide, and carry it out."""
        decided = self.plan()
        self.settled = decided.settled
        if decided.status is not None:
            self.body["status"] = deepcopy(decided.status)
        self.told.extend(note.reason for note in decided.events)
        self.carry_out(decided.actions)
        return decided

    def carry_out(self, actions: tuple[Action, ...]) -> None:
        """Do what a plan asks for."""
        for action in actions:
            self._execute(action)
        self.deleted = {ref: uid for ref, uid in self.deleted.items() if ref not in self.server.objects}

    def settle(self) -> Plan:
        """Passes until nothing is to be done; the last one."""
        for _ in range(MOST_PASSES):
            decided = self.step()
            if not decided.actions:
                return decided
        raise AssertionError(f"no rest: {[getattr(action, 'ref', action) for action in decided.actions]}")

    def after_restart(self) -> Plan:
        """The first pass of a new operator process: nothing is remembered but what is in the cluster."""
        self.settled = {}
        return self.plan()

    def instance(self) -> Instance:
        """The instance as stored."""
        found = parse_instance(self.body)
        assert isinstance(found, Instance)
        return found

    def condition(self, kind: str) -> tuple[str, str]:
        """(status, reason) of a condition as last written."""
        found = self._condition(kind)
        return get_str(found, "status"), get_str(found, "reason")

    def message(self, kind: str) -> str:
        """What a condition says, as last written."""
        return get_str(self._condition(kind), "message")

    def setup(self) -> str:
        """Name of the setup Job of what is wanted now."""
        wanted = judge(self.instance(), self.observed(), self.catalogue, now=self.server.now).wanted
        assert wanted is not None
        return schema.setup_ref(wanted).name

    def findings(self) -> list[str]:
        """Codes of the findings as last written."""
        return [get_str(item, "code") for item in get_list(self.body, "status", "findings")]

    def names(self, kind: str) -> list[str]:
        """Names of all objects of a kind, sorted."""
        return sorted(ref.name for ref in self.server.objects if ref.kind == kind)

    def manifest(self, kind: str, name: str) -> Manifest:
        """An object as it is read."""
        return self.server.objects[Ref(kind, name)].full()

    # What people and the platform do.

    def edit_spec(self, **changes: JsonValue) -> None:
        """Somebody applies another spec."""
        self.body["spec"] = merge(get_map(self.body, "spec"), changes)
        metadata = get_map(self.body, "metadata")
        metadata["generation"] = get_int(metadata, "generation") + 1

    def edit(
        self,
        ref: Ref,
        change: Callable[[Manifest], None],
        *,
        manager: str = "kubectl-edit",
        subresource: str = "",
        timed: bool = True,
    ) -> None:
        """An update of a child by somebody else."""
        thing = self.server.objects[ref]
        new = deepcopy(thing.manifest)
        change(new)
        self.server.update(thing, new, manager=manager, subresource=subresource, timed=timed)

    def delete(self, ref: Ref) -> None:
        """Somebody deletes a child."""
        self.deleted[ref] = self.server.objects.pop(ref).uid
        if ref.kind == SECRET.kind:
            self.secrets.pop(ref.name, None)

    def jobs_complete(self) -> None:
        """Every Job that is there ends well."""
        done: Manifest = {"conditions": [{"type": "Complete", "status": "True"}]}
        for ref, thing in self.server.objects.items():
            if ref.kind == JOB.kind:
                self.server.set_status(thing, done)
        self.pods = [pod for pod in self.pods if pod.component != "schema"]

    def job_fails(self, name: str, *, times: int = 1, for_good: bool = False) -> None:
        """A Job's attempts fail."""
        conditions: list[JsonValue] = [{"type": "Failed", "status": "True"}] if for_good else []
        thing = self.server.objects[Ref(JOB.kind, name)]
        self.server.set_status(thing, {"failed": times, "conditions": conditions})

    def job_pod(self, *, problem: str = "", finished: bool = False) -> None:
        """A pod of a schema Job."""
        name = f"schema-{len(self.pods)}"
        self.pods.append(PodState(name, "schema", "z1-1", False, finished, False, problem))

    def rollout(self, *names: str) -> None:
        """Workloads (all, if none is named) reach their newest template, spread over the zones."""
        for ref, thing in self.server.objects.items():
            if ref.kind in ROLLED and (not names or ref.name in names):
                replicas = get_int(thing.manifest, "spec", "replicas")
                self.server.set_status(thing, rolled_out(thing.generation, replicas))
                component = get_str(thing.manifest, "metadata", "labels", LABEL_COMPONENT)
                self.pods = [pod for pod in self.pods if pod.component != component]
                self.pods += [self._pod(component, number) for number in range(replicas)]

    def stand(self) -> Plan:
        """Create the instance and bring it to rest."""
        for _ in range(3):
            self.settle()
            self.jobs_complete()
        self.rollout()
        self.service = ServiceReading(ok=True, detail="ready, discovery document and keys answer")
        return self.settle()

    def pass_time(self, **duration: float) -> None:
        """The clock moves on."""
        self.server.now += timedelta(**duration)

    def _condition(self, kind: str) -> JsonValue:
        conditions = get_list(self.body, "status", "conditions")
        (found,) = [item for item in conditions if get_str(item, "type") == kind]
        return found

    def _execute(self, action: Action) -> None:
        self.done.append(action)
        if self.restores.carry_out(action, now=self.server.now):
            return
        match action:
            case SetFinalizers(finalizers):
                get_map(self.body, "metadata")["finalizers"] = list(finalizers)
            case MarkNamespace(instance, was):
                assert instance or was == self.mark
                self.mark = instance
            case EstablishIdentity():
                self._establish_identity(self.instance())
            case CreateKeyPair() | CreateAdmin() | CreateMonitor() | CreatePeers():
                self.server.create(secret_of(self.instance(), action), manager=FIELD_MANAGER)
            case Apply():
                self._apply(action)
            case RollUp():
                raise AssertionError("no record is a month old here")
            case Delete(ref, uid):
                assert self.server.objects[ref].uid == uid
                del self.server.objects[ref]
            case RecordFact() | Ask() | Tell():
                self._write_down(action)

    def _write_down(self, action: RecordFact | Ask | Tell) -> None:
        match action:
            case RecordFact(statement):
                self.state(statement)
            case Ask(manifest) if get_str(manifest, "kind") == JOB.kind:
                self.escrow.carry_out(manifest, now=self.server.now)
            case Ask(manifest):
                self.asked.setdefault(get_str(manifest, "metadata", "name"), manifest)
            case Tell(name, status):
                self.asked[name] = {**self.asked[name], "status": status}

    def _apply(self, action: Apply) -> None:
        assert action.fresh == (action.ref not in self.server.objects), action.ref
        if action.record is not None:
            self.record(action.record)
        thing = self.server.apply(action.manifest, manager=FIELD_MANAGER)
        if action.remove:
            operations = removal_patch(thing.full(), action.remove)
            self.server.patch(thing, operations, manager=FIELD_MANAGER)

    def state(self, statement: Statement) -> None:
        """Keep a fact of the operator's, at the API server's time."""
        manifest = manifest_of(statement, namespace="acme-ns", by="operator")
        made: Manifest = {**get_map(manifest, "metadata"), "creationTimestamp": rfc3339(self.server.now)}
        reading = read({**manifest, "metadata": made})
        assert reading is not None
        for fact in reading.facts:
            self.facts.setdefault(fact.name, fact)

    def record(self, record: Record) -> None:
        """Keep a record, at the API server's time; one that is there stays as it is."""
        made = replace(record.modification, repaired_at=rfc3339(self.server.now))
        self.records.setdefault(record.name, replace(record, modification=made))

    def _establish_identity(self, instance: Instance) -> None:
        ref = keys.masterkey_ref(instance)
        if instance.spec.keys is None and ref.name not in self.secrets:
            self.server.create(keys.masterkey_secret(instance, MASTERKEY), manager=FIELD_MANAGER)
            self.secrets[ref.name] = {ref.key: MASTERKEY}
        taken = keys.fingerprint(self.secrets[ref.name][ref.key], salt=SALT)
        identity = keys.identity_config_map(instance, Identity(salt=SALT, masterkey=taken))
        self.server.create(identity, manager=FIELD_MANAGER)

    def _pod(self, component: str, number: int) -> PodState:
        places = self.nodes or nodes()
        zones = sorted({node.zone for node in places})
        zone = zones[number % len(zones)]
        node = next(node.name for node in places if node.zone == zone)
        return PodState(f"{component}-{number}", component, node, True, False, False, "")

    def _identity(self) -> Identity | None:
        name = f"{get_str(self.body, 'metadata', 'name')}-{keys.IDENTITY}"
        thing = self.server.objects.get(Ref("ConfigMap", name))
        if thing is None:
            return None
        data = get_map(thing.manifest, "data")
        return Identity(salt=get_str(data, "salt"), masterkey=get_str(data, "masterkey"))

    def _limiter_hash(self, full: dict[Ref, Manifest]) -> str:
        name = f"{get_str(self.body, 'metadata', 'name')}-limiter"
        return get_str(full.get(Ref(CONFIG_MAP.kind, name)), "data", "hash")

    def _readings(self, identity: Identity | None) -> tuple[MasterkeyReading, DatabaseReading]:
        instance = parse_instance(self.body)
        masterkey, database = MasterkeyReading(found=False), DatabaseReading(found=False)
        if isinstance(instance, InvalidInstance):
            return masterkey, database
        ref = keys.masterkey_ref(instance)
        held = self.secrets.get(ref.name)
        if held is not None:
            masterkey = keys.read_masterkey(held, key=ref.key, identity=identity)
        data = self.secrets.get(adapter_of(instance).connection(instance).secret)
        if held is not None and data is not None:
            database = read_secret(data, mark_key=held.get(ref.key, b""))
        return masterkey, database
