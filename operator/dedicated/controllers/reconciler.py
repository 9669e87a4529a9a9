"""One pass over one instance: observe, plan, execute, report.

All decisions are `reconcile.plan`'s. The finalizer is written before anything else. The status of a new
generation is written before the children, so that it never looks finished to a reader; otherwise after them.
After a pass that acted, another one follows at once and, as a rule, finds nothing to do.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from dedicated.api.catalogue import Catalogue
from dedicated.api.conditions import AVAILABLE
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE, Key, Ref
from dedicated.api.resource import Instance, InvalidInstance, Meta, meta_of, parse_instance
from dedicated.cluster.client import Client
from dedicated.cluster.errors import ApiError
from dedicated.cluster.events import EventRecorder
from dedicated.controllers.execute import Executor
from dedicated.controllers.instances import Instances, presence_of
from dedicated.controllers.metrics import InstanceFigures, Metrics
from dedicated.controllers.prober import Prober
from dedicated.controllers.queue import WorkQueue
from dedicated.controllers.secrets_reader import SecretsReader
from dedicated.controllers.world import World
from dedicated.probes.service import Reading, Target
from dedicated.reconcile.actions import Action, Plan, SetFinalizers
from dedicated.reconcile.observed import Failure, Observed, ServiceReading
from dedicated.reconcile.plan import plan

logger = logging.getLogger(__name__)

MINOR_PAUSE = 2.0
"""Seconds between two writes of a status in which only figures moved."""
ANSWERS = "ready, discovery document and keys answer"


class Reconciler:
    """The handler of the work queue."""

    def __init__(
        self,
        *,
        client: Client,
        world: World,
        instances: Instances,
        queue: WorkQueue[Key],
        prober: Prober,
        recorder: EventRecorder,
        metrics: Metrics,
        catalogue: Catalogue,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._world = world
        self._instances = instances
        self._queue = queue
        self._prober = prober
        self._recorder = recorder
        self._metrics = metrics
        self._catalogue = catalogue
        self._now = now
        self._secrets = SecretsReader(client=client, world=world)
        self._executor = Executor(client=client, world=world, secrets=self._secrets, now=now)
        self._settled: dict[Key, dict[Ref, str]] = {}
        self._failures: dict[Key, tuple[Failure, ...]] = {}
        self._acted: dict[Key, tuple[tuple[Action, ...], ...]] = {}
        self._written: dict[Key, float] = {}
        self._asked: dict[Key, str] = {}
        self._answers: dict[Key, ServiceReading] = {}
        self._doubted: set[Key] = set()

    def heard(self, key: Key, reading: Reading) -> None:
        """What the public name answered. One wrong answer alone is not believed: the next one, soon after,
        decides. An answer like the last one wakes nobody."""
        new = ServiceReading(reading.ok, reading.detail or ANSWERS)
        old = self._answers.get(key)
        if old is not None and old.ok and not new.ok and key not in self._doubted:
            self._doubted.add(key)
            return
        self._doubted.discard(key)
        if new != old:
            self._answers[key] = new
            self._queue.add(key)

    async def handle(self, key: Key) -> None:
        """One pass. Raises what should be retried with back-off."""
        started = time.monotonic()
        result = "error"
        try:
            result = await self._pass(key)
        except ApiError as error:
            if not error.conflict and not (error.not_found and self._is_going(key)):
                raise
            # The object moved on while we looked: its newer version, or its end, is on its way to us.
            result = "conflict"
            self._queue.failed(key)
        finally:
            self._metrics.reconciles.labels(result=result).inc()
            self._metrics.reconcile_seconds.observe(time.monotonic() - started)

    async def _pass(self, key: Key) -> str:
        body = self._instances.bodies.get(key)
        if body is None:
            self._forget(key)
            return "gone"
        instance = parse_instance(body)
        observed = await self._observe(instance)
        decided = plan(
            instance,
            observed,
            catalogue=self._catalogue,
            now=self._now(),
            settled=self._settled.get(key, {}),
        )
        self._probe(key, decided)
        version = await self._write_finalizers(instance.meta, decided)
        first = get_int(instance.meta.status, "observedGeneration") != instance.meta.generation
        if first:  # a new generation must not look finished to a reader
            await self._write_status(body, instance.meta, decided, version=version)
        try:
            acted = isinstance(instance, Instance) and await self._act(instance, decided)
        except BaseException:
            self._settled.pop(key, None)  # what was found in order may have been left half done
            raise
        else:
            self._settled[key] = decided.settled
        finally:
            if not first:
                await self._write_status(body, instance.meta, decided, version=version)
        if decided.wake_at is not None:
            delay = (decided.wake_at - self._now()).total_seconds()
            self._queue.add_at(key, time.monotonic() + max(0.0, delay))
        return "changed" if acted or version != instance.meta.resource_version else "unchanged"

    async def _act(self, instance: Instance, decided: Plan) -> bool:
        """Carry out what concerns children; whether there was anything. Refusals wait for the next pass."""
        key = instance.meta.key
        stages = tuple(
            children
            for stage in decided.stages
            if (children := tuple(action for action in stage if not isinstance(action, SetFinalizers)))
        )
        known = self._failures.pop(key, ())
        if not stages:
            self._acted.pop(key, None)
            if known:
                self._queue.add(key)
            return False
        failures = await self._executor.run(instance, stages)
        self._world.settle(key)
        # The same again has changed nothing: wait, instead of asking the API server without pause.
        stuck = self._acted.get(key) == stages
        self._acted[key] = stages
        if failures or stuck:
            self._failures[key] = failures
            self._queue.failed(key)
        # Refusals are told at once; those that follow wait, or a namespace on its end would keep us busy.
        if not (failures or stuck) or (failures and not known):
            self._queue.add(key)
        return True

    async def _observe(self, instance: Instance | InvalidInstance) -> Observed:
        key = instance.meta.key
        known = self._world.snapshot(key)
        observed = Observed(
            children=known.children,
            deployments=known.deployments,
            jobs=known.jobs,
            pods=known.pods,
            nodes=self._world.nodes,
            identity=known.identity,
            service=self._answers.get(key),
            failures=self._failures.get(key, ()),
            deleted=known.deleted,
            senior=self._senior(key),
        )
        if isinstance(instance, InvalidInstance) or instance.meta.deleting:
            return observed
        masterkey, database = await self._secrets.read(instance, known.identity)
        return replace(observed, masterkey=masterkey, database=database)

    def _is_going(self, key: Key) -> bool:
        body = self._instances.bodies.get(key)
        return body is None or meta_of(body).deleting

    def _senior(self, key: Key) -> str:
        """Name of the oldest instance in the namespace that is older than this one, or empty.

        The roll tells, since it has all of them from the start; kopf brings their bodies one by one.
        """
        own = presence_of(self._instances.bodies[key])
        ages = {
            name: (presence.created, presence.uid)
            for name, presence in self._world.roll.in_namespace(key.namespace).items()
            if name != key.name and (presence.created, presence.uid) < (own.created, own.uid)
        }
        return min(ages, key=lambda name: ages[name], default="")

    def _probe(self, key: Key, decided: Plan) -> None:
        if decided.probe != self._asked.get(key):
            # What the old name answered says nothing about the new one.
            self._answers.pop(key, None)
            self._doubted.discard(key)
        if decided.probe is None:
            self._asked.pop(key, None)
            self._prober.unwatch(key)
        else:
            self._asked[key] = decided.probe
            self._prober.watch(key, Target(domain=decided.probe), hurry=decided.rolling)

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

    async def _write_status(self, body: Manifest, meta: Meta, decided: Plan, *, version: str) -> None:
        """Write the status where it differs, on the version that was judged, and tell of transitions."""
        if decided.status is None:
            return
        change = merge_patch(meta.status, decided.status)
        if change and self._answer_is_due(meta, decided):
            return
        if change and self._may_wait(meta, decided.status):
            self._queue.add_at(meta.key, self._written[meta.key] + MINOR_PAUSE)
        elif change:
            self._written[meta.key] = time.monotonic()
            patch: Manifest = {"metadata": {"resourceVersion": version}, "status": change}
            await self._patch(meta.key, patch, subresource="status")
        self._report(body, meta, decided)

    def _answer_is_due(self, meta: Meta, decided: Plan) -> bool:
        """Whether the public name was judged before we started, and is being asked for the first time now:
        its answer comes in seconds and wakes the key, so that a restart does not write `Unknown` before."""
        first = decided.probe is not None and meta.key not in self._answers
        seen = meta.status.get("observedGeneration") == meta.generation
        judged = any(
            get_str(item, "type") == AVAILABLE and get_str(item, "status") != "Unknown"
            for item in get_list(meta.status, "conditions")
        )
        return first and seen and judged

    def _may_wait(self, meta: Meta, status: Manifest) -> bool:
        """Whether only figures moved, and the last write is less than a moment ago: a rollout changes them
        with every pod."""
        recent = time.monotonic() - self._written.get(meta.key, -MINOR_PAUSE) < MINOR_PAUSE
        return recent and judgements(meta.status) == judgements(status)

    async def _patch(self, key: Key, body: Manifest, *, subresource: str = "") -> Manifest:
        answer = await self._client.patch(
            INSTANCE, key.namespace, key.name, body, content="merge", subresource=subresource
        )
        if meta_of(answer).finalizers or not meta_of(answer).deleting:
            self._instances.returned(answer)
        return answer

    def _report(self, body: Manifest, meta: Meta, decided: Plan) -> None:
        status = decided.status or {}
        for note in decided.events:
            self._recorder.record(
                body, kind=note.kind, reason=note.reason, action=note.action, note=note.note
            )
        conditions = {
            get_str(item, "type"): get_str(item, "status") for item in get_list(status, "conditions")
        }
        figures = InstanceFigures(
            conditions=conditions,
            version=get_str(status, "summary", "version"),
            plan=get_str(get_map(body, "spec"), "plan"),
        )
        self._metrics.instances.show(meta.key, figures)

    def _forget(self, key: Key) -> None:
        self._prober.unwatch(key)
        self._secrets.forget(key)
        self._world.forget(key)
        self._metrics.instances.drop(key)
        self._settled.pop(key, None)
        self._acted.pop(key, None)
        self._failures.pop(key, None)
        self._written.pop(key, None)
        self._asked.pop(key, None)
        self._answers.pop(key, None)
        self._doubted.discard(key)
        # The roll may still hold the key itself, and would hold it for ever if this pass woke itself without
        # ever waiting for anything.
        for name in self._world.roll.in_namespace(key.namespace).keys() - {key.name}:
            self._queue.add(Key(key.namespace, name))


def judgements(status: Manifest) -> tuple[JsonValue, ...]:
    """What people and tools wait for in a status: it is never held back."""
    conditions = [
        f"{get_str(item, 'type')} {get_str(item, 'status')} {get_str(item, 'reason')}"
        for item in get_list(status, "conditions")
    ]
    return (status.get("observedGeneration"), status.get("findings"), *conditions)


def merge_patch(old: Manifest, new: Manifest) -> Manifest:
    """The JSON merge patch (RFC 7386) that turns `old` into `new`; empty where they are equal."""
    patch: Manifest = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif value != before:
            patch[key] = value
    return patch
