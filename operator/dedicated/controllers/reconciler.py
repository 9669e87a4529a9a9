"""One pass over one instance: observe, plan, execute, report.

All decisions are `reconcile.plan`'s. The finalizer is written before anything else. The status of a new
generation is written before the children, so that it never looks finished to a reader; otherwise after them.
After a pass that acted, another one follows at once and, as a rule, finds nothing to do.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from dedicated.api.catalogue import Catalogue
from dedicated.api.json import JsonValue, Manifest, get_int, get_map, get_str
from dedicated.api.objects import INSTANCE, Key
from dedicated.api.resource import Instance, InvalidInstance, Meta, meta_of, parse_instance
from dedicated.cluster.client import Client
from dedicated.cluster.errors import ApiError
from dedicated.cluster.events import EventRecorder
from dedicated.cluster.lease import NotLeader
from dedicated.contract.downtime import Span
from dedicated.contract.places import Atlas
from dedicated.contract.prerequisites import Platform
from dedicated.contract.reading import facts_in
from dedicated.controllers.answers import Answers
from dedicated.controllers.auditor import Auditor
from dedicated.controllers.certificates import CertificateReader
from dedicated.controllers.contract_time import ContractTime
from dedicated.controllers.execute import Executor
from dedicated.controllers.instances import Instances
from dedicated.controllers.measurer import Measurer
from dedicated.controllers.metrics import Metrics
from dedicated.controllers.namespaces import Namespaces
from dedicated.controllers.orders import refuse_orders
from dedicated.controllers.queue import WorkQueue
from dedicated.controllers.reporter import Reporter
from dedicated.controllers.secrets_reader import SecretsReader
from dedicated.controllers.turns import PROVING_PAUSE, Line
from dedicated.controllers.volumes import with_volumes
from dedicated.controllers.ways import WayFinder
from dedicated.controllers.world import World
from dedicated.controllers.writes import Writes
from dedicated.parts import escrow
from dedicated.parts.limiter.names import service_ref
from dedicated.reconcile.actions import Action, Plan, SetFinalizers, Settled
from dedicated.reconcile.observed import Failure, Measured, Observed
from dedicated.reconcile.plan import plan
from dedicated.reconcile.restores import with_database
from dedicated.reconcile.turns import causes


@dataclass(slots=True)
class _Memory:
    """What the last pass over an instance leaves to the next one. Lost at a restart, which costs reads only.

    `settled` is the plan's; `failures` are to be told; `acted` are the stages last carried out. Since
    `rolled_out` (monotonic seconds) a run waits for its public name to be read.
    """

    settled: Settled = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    acted: tuple[tuple[Action, ...], ...] = ()
    rolled_out: float | None = None


class Reconciler:
    """The handler of the work queue."""

    def __init__(
        self,
        *,
        client: Client,
        world: World,
        instances: Instances,
        queue: WorkQueue[Key],
        answers: Answers,
        measurer: Measurer,
        writes: Writes,
        ways: WayFinder,
        gaps: Callable[[], tuple[Span, ...]],
        platform: Callable[[], Platform],
        recorder: EventRecorder,
        metrics: Metrics,
        catalogue: Catalogue,
        atlas: Atlas,
        agent_image: str,
        limiter_image: str,
        user: str,
        audit_every: timedelta,
        clock: ContractTime,
    ) -> None:
        self._client = client
        self._world = world
        self._instances = instances
        self._queue = queue
        self._metrics = metrics
        self._catalogue = catalogue
        self._atlas = atlas
        self._agent_image = agent_image
        self._limiter_image = limiter_image
        self._clock = clock
        self._now = now = clock.now
        self._secrets = SecretsReader(client=client, world=world)
        self._certificates = CertificateReader(client=client, find=world.secret, dated=clock.of)
        self._namespaces = Namespaces(client=client, informer=world.marks)
        self._executor = Executor(
            client=client, world=world, namespaces=self._namespaces, secrets=self._secrets, user=user, now=now
        )
        self._auditor = Auditor(client=client, every=audit_every, now=now)
        self._answers = answers
        self._measurer = measurer
        self._writes = writes
        self._ways = ways
        self._gaps = gaps
        self._platform = platform
        self._reporter = Reporter(
            write=self._write_status, wake_at=queue.add_at, recorder=recorder, metrics=metrics
        )
        self._line = Line(
            present=world.roll.keys, wake=queue.add, wake_at=queue.add_at, metrics=metrics, now=now
        )
        self._memories: dict[Key, _Memory] = {}

    @property
    def seen_all(self) -> bool:
        """Whether every instance was looked at in this term."""
        return self._instances.keys <= self._memories.keys()

    async def handle(self, key: Key) -> None:
        """One pass. Raises what should be retried with back-off."""
        started = time.monotonic()
        result = "error"
        try:
            result = await self._pass(key)
        except ApiError as error:
            if not error.conflict and not (error.not_found and not self._instances.is_alive(key)):
                raise
            # The object moved on while we looked: its newer version, or its end, is on its way to us.
            result = "conflict"
            self._queue.failed(key)
        except NotLeader:
            # Either the lease is renewed in a moment, or this is the end of the term.
            result = "fenced"
            self._queue.failed(key)
        finally:
            body = self._instances.body(key)
            if body is not None:  # children may come before the instance's own body
                self._line.ended(key, get_map(body, "status"))
            self._metrics.reconciles.labels(result=result).inc()
            self._metrics.reconcile_seconds.observe(time.monotonic() - started)

    async def _pass(self, key: Key) -> str:
        body = self._instances.body(key)
        if body is None:
            self._forget(key)
            if key.name not in self._world.roll.in_namespace(key.namespace):
                await refuse_orders(key, world=self._world, executor=self._executor)
                await self._namespaces.release(key.namespace, key.name)
            return "gone"
        memory = self._memories.setdefault(key, _Memory())
        instance = with_database(parse_instance(body), facts_in(self._world.readings(key)))
        decided = await self._decide(instance, await self._observe(instance, memory), memory)
        version = await self._write_finalizers(instance.meta, decided)
        unseen = get_int(instance.meta.status, "observedGeneration") != instance.meta.generation
        first = unseen or decided.announced
        report = partial(
            self._reporter.report,
            body,
            instance.meta,
            decided,
            version=version,
            answered=self._answers.of(key) is not None,
        )
        if first:  # a new generation must not look finished, nor a turn unknown to the next operator
            await report()
        try:
            acted = await self._act(instance, decided, memory)
        except Exception:  # not where the pass is cut off: the report would go on beyond its end
            if not first:
                await report()
            raise
        if not first:
            await report()
        memory.settled = decided.settled
        audit = self._auditor.due(key)
        self._wake_at(key, decided.wake_at)
        # An audit that is due waits for the instance to come to rest, which is a pass of its own.
        self._wake_at(key, audit if decided.standing or audit > self._now() else None)
        wrote = version != instance.meta.resource_version
        if wrote and not acted and not instance.meta.deleting:  # what has to wait for rest must find it
            self._queue.add(key)
        return "changed" if acted or wrote else "unchanged"

    def _wake_at(self, key: Key, due: datetime | None) -> None:
        if due is not None:
            delay = (due - self._now()).total_seconds()
            self._queue.add_at(key, time.monotonic() + max(0.0, delay))

    async def _decide(
        self, instance: Instance | InvalidInstance, observed: Observed, memory: _Memory
    ) -> Plan:
        """The plan; where a full audit is due and nothing else to do, after it."""
        key = instance.meta.key
        heard = self._answers.heard_at(key)
        decide = partial(
            plan,
            instance,
            catalogue=self._catalogue,
            now=self._now(),
            settled=memory.settled,
            turn=self._line.of(key, causes(observed), heard=heard),
            proven=memory.rolled_out is not None and heard is not None and heard > memory.rolled_out,
        )
        decided = decide(observed)
        if isinstance(instance, Instance) and decided.standing and self._now() >= self._auditor.due(key):
            forged = await self._auditor.audit(instance, decided.standing)
            decided = decide(replace(observed, forged=forged)) if forged else decided
        memory.settled = {}  # until it is all done, what was found in order may be left half done
        self._ask(instance, decided)
        memory.rolled_out = (memory.rolled_out or time.monotonic()) if decided.proving else None
        if decided.proving:
            self._queue.add_at(key, time.monotonic() + PROVING_PAUSE)
        answered = self._answers.of(key) is not None
        self._line.passed(key, instance.meta.status, decided, answered=answered)
        return decided

    def _ask(self, instance: Instance | InvalidInstance, decided: Plan) -> None:
        """Read the public name; of a spec that cannot be read, the name that was read before."""
        key = instance.meta.key
        if isinstance(instance, InvalidInstance) and not instance.meta.deleting:
            return
        if decided.probe is None:
            self._measurer.stop(key, now=self._now())
        self._answers.ask(key, decided.probe, hurry=decided.rolling)
        measured = decided.probe if self._measurer.record(key).since else None
        self._writes.ask(key, measured, mail=isinstance(instance, Instance) and instance.spec.production)

    async def _act(self, instance: Instance | InvalidInstance, decided: Plan, memory: _Memory) -> bool:
        """Carry out what concerns children; whether there was anything. Refusals wait for the next pass."""
        key = instance.meta.key
        stages = tuple(
            children
            for stage in decided.stages
            if (children := tuple(action for action in stage if not isinstance(action, SetFinalizers)))
        )
        known, memory.failures = memory.failures, ()
        if not stages:
            memory.acted = ()
            if known:
                self._queue.add(key)
            return False
        failures = await self._executor.run(instance, stages)
        self._world.settle(key)
        # The same again has changed nothing: wait, instead of asking the API server without pause.
        stuck = memory.acted == stages
        memory.acted = stages
        if failures or stuck:
            memory.failures = failures
            self._queue.failed(key)
        # Refusals are told at once; those that follow wait, or a namespace on its end would keep us busy.
        if not (failures or stuck) or (failures and not known):
            self._queue.add(key)
        return True

    async def _observe(self, instance: Instance | InvalidInstance, memory: _Memory) -> Observed:
        key = instance.meta.key
        if isinstance(instance, Instance):
            self._world.seek(instance.spec)
        known = self._world.snapshot(key)
        observed = Observed(
            children=known.children,
            deployments=known.deployments,
            stateful_sets=known.stateful_sets,
            jobs=known.jobs,
            pods=known.pods,
            nodes=self._world.nodes,
            platform=self._platform(),
            atlas=self._atlas,
            agent_image=self._agent_image,
            limiter_image=self._limiter_image,
            identity=known.identity,
            service=self._answers.of(key),
            mail=self._writes.mail(key),
            failures=memory.failures,
            deleted=known.deleted,
            records=known.records,
            facts=known.facts,
            asked=known.asked,
            readings=known.readings,
            measured=Measured(self._measurer.record(key), known.months, self._gaps()),
            engine=known.engine,
            orders=known.orders,
            restores=known.restores,
            tasks=known.tasks,
            verdicts=known.verdicts,
            recovery=known.recovery,
            escrowed=known.escrowed,
            escrowing=known.escrowing,
            exports=known.exports,
            export_report=known.export_report,
            import_report=known.import_report,
            limiter=known.limiter,
            ways=self._ways.of(instance, known.pods, stands=service_ref(key.name) in known.children),
            limiter_hash=known.limiter_hash,
            senior=self._senior(key),
            mark=await self._namespaces.mark(key.namespace),
            test_clock=self._clock.words,
        )
        if isinstance(instance, InvalidInstance):
            return observed
        if not instance.meta.deleting:
            seen = replace(known.edge, certificate=await self._certificates.read(instance))
            observed = replace(observed, edge=seen)
        if not instance.meta.deleting or instance.spec.key_bundle is not None:
            masterkey, database = await self._secrets.read(instance, known.identity)
            observed = replace(
                observed, masterkey=masterkey, database=database, bundled=self._bundled(instance)
            )
        return await with_volumes(self._client, instance, observed)

    def _bundled(self, instance: Instance) -> dict[str, str]:
        """The versions of what a key bundle would hold; from now on their changes wake the instance."""
        if instance.spec.key_bundle is None:
            return {}
        found = {name: self._world.secret(instance.meta.key, name) for name in escrow.secrets_of(instance)}
        return {
            name: f"{one.uid}/{one.resource_version}" if one else "" for name, one in found.items()
        }

    def _senior(self, key: Key) -> str:
        """Name of the oldest instance in the namespace that is older than this one, or empty.

        The roll tells, since it has all of them from the start; kopf brings their bodies one by one.
        """
        own = self._instances.presence(key)
        ages = {
            name: (presence.created, presence.uid)
            for name, presence in self._world.roll.in_namespace(key.namespace).items()
            if own and name != key.name and (presence.created, presence.uid) < (own.created, own.uid)
        }
        return min(ages, key=lambda name: ages[name], default="")

    async def _write_finalizers(self, meta: Meta, decided: Plan) -> str:
        """Write the finalizers where the plan says so; the resourceVersion that now stands."""
        for action in decided.actions:
            if isinstance(action, SetFinalizers):
                finalizers: list[JsonValue] = list(action.finalizers)
                body: Manifest = {
                    "metadata": {"finalizers": finalizers, "resourceVersion": meta.resource_version}
                }
                return get_str(await self._patch(meta.key, body), "metadata", "resourceVersion")
        return meta.resource_version

    async def _write_status(self, key: Key, patch: Manifest) -> None:
        await self._patch(key, patch, subresource="status")

    async def _patch(self, key: Key, body: Manifest, *, subresource: str = "") -> Manifest:
        answer = await self._client.patch(
            INSTANCE, key.namespace, key.name, body, content="merge", subresource=subresource
        )
        if meta_of(answer).finalizers or not meta_of(answer).deleting:
            self._instances.returned(answer)
        return answer

    def _forget(self, key: Key) -> None:
        self._answers.forget(key)
        self._measurer.forget(key)
        self._writes.forget(key)
        self._line.forget(key)
        self._auditor.forget(key)
        self._reporter.forget(key)
        self._secrets.forget(key)
        self._certificates.forget(key)
        self._world.forget(key)
        self._ways.forget(key)
        self._memories.pop(key, None)
        # The roll may still hold the key itself, and would hold it for ever if this pass woke itself without
        # ever waiting for anything.
        for name in self._world.roll.in_namespace(key.namespace).keys() - {key.name}:
            self._queue.add(Key(key.namespace, name))
