"""One term of leading: informers, queue, kopf and all they hold, made when it begins and gone when it ends.

The informers and kopf start first, and the work only when both have listed everything, so that neither a
restart nor a new term mistakes what it has not seen for missing. A term that is cancelled ends when all that
it started has ended; what it knew is lost with it, which costs the next term reads only.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic

import aiohttp

from dedicated.api.catalogue import Catalogue
from dedicated.api.objects import INGRESS_CLASS, INSTANCE, NAMESPACE, NODE, Key
from dedicated.cluster.client import Client
from dedicated.cluster.events import EventRecorder
from dedicated.cluster.pace import HASTY_POLICY
from dedicated.contract.places import Atlas
from dedicated.controllers.answers import Answers
from dedicated.controllers.continuity import Continuity, Place
from dedicated.controllers.contract_time import ContractTime
from dedicated.controllers.dialer import Dialer
from dedicated.controllers.http import WatchState
from dedicated.controllers.instances import Instances
from dedicated.controllers.measurer import Measurer
from dedicated.controllers.metrics import Metrics
from dedicated.controllers.platform import PlatformReader
from dedicated.controllers.queue import WorkQueue
from dedicated.controllers.reconciler import Reconciler
from dedicated.controllers.settings import Settings
from dedicated.controllers.shell import run_shell
from dedicated.controllers.waiting import before
from dedicated.controllers.ways import WayFinder
from dedicated.controllers.world import World, kinds_to_read
from dedicated.controllers.writes import Writes
from dedicated.parts.measured import record_of
from dedicated.probes import service

SETTLE_SECONDS = 0.1
"""From a child's change to the pass that looks at it."""
FLUSH_SECONDS = 5.0
"""Time for the last events at a clean stop."""

logger = logging.getLogger(__name__)


class Term:
    """The leader's work, once. `client` is fenced, and nobody else's."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        atlas: Atlas,
        client: Client,
        metrics: Metrics,
        clock: ContractTime,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._catalogue = catalogue
        self._atlas = atlas
        self._client = client
        self._metrics = metrics
        self.queue: WorkQueue[Key] = WorkQueue()
        self._instances = Instances(changed=self.queue.add)
        self._platform = PlatformReader(client=client, wall=clock.wall, changed=self._wake_all)
        self._world: World | None = None
        self._ways = WayFinder(
            client=client,
            namespaces=settings.namespaces or None,
            wake=self._wake_soon,
            dialer=None if settings.trust_network else Dialer(self._wake_soon),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Lead until `stop` is set. Raises `ApiError` where the API server does not let it begin."""
        logger.info("leading", extra={"namespaces": list(self._settings.namespaces) or "all"})
        namespaces = self._settings.namespaces or None
        await self._check_rights()
        world = self._world = World(
            client=self._client,
            namespaces=namespaces,
            with_nodes=await self._client.can_i(NODE, "list"),
            with_classes=await self._client.can_i(INGRESS_CLASS, "list"),
            with_marks=namespaces is None and await self._client.can_i(NAMESPACE, "list"),
            wake=self._wake_soon,
            wake_all=self._wake_all,
            roll=self._instances.present,
            is_alive=self._instances.is_alive,
            dated=self._clock.dated,
        )
        await self._platform.read()
        for name, informer in (*world.informers(), ("dedicatedinstances", world.roll)):
            self._metrics.watch_heartbeat(name, partial(_age, informer.heartbeat_age))
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(
                service.open_session(resolve=self._settings.resolve, ca_file=self._settings.probe_ca_file)
            )
            measurer, answers, writes = self._probes(world, session)
            stack.push_async_callback(self._ways.close)
            stack.push_async_callback(answers.close)
            stack.push_async_callback(writes.close)
            recorder = EventRecorder(
                client=self._client,
                instance=self._settings.identity,
                on_drop=self._metrics.events_dropped.inc,
                wall=self._clock.wall,
            )
            reconciler = Reconciler(
                client=replace(self._client, policy=HASTY_POLICY),
                world=world,
                instances=self._instances,
                queue=self.queue,
                answers=answers,
                measurer=measurer,
                writes=writes,
                ways=self._ways,
                gaps=lambda: continuity.gaps,
                platform=lambda: self._platform.platform,
                recorder=recorder,
                metrics=self._metrics,
                catalogue=self._catalogue,
                atlas=self._atlas,
                agent_image=self._settings.agent_image,
                limiter_image=self._settings.limiter_image,
                user=await self._client.user_name(),
                audit_every=timedelta(hours=self._settings.audit_hours),
                clock=self._clock,
            )
            continuity = self._continuity(measurer, answers, reconciler)
            await self._loop(world, reconciler, recorder, continuity, stop)

    def _probes(self, world: World, session: aiohttp.ClientSession) -> tuple[Measurer, Answers, Writes]:
        """Who asks the public names, and who remembers what came of it."""
        interval = self._settings.probe_interval
        measurer = Measurer(
            stored=lambda key: record_of(world.months(key)),
            wake=self.queue.add,
            count=self._metrics.measuring.count,
        )
        answers = Answers(
            read=partial(service.read, session=session, now=self._clock.now),
            wake=self.queue.add,
            measure=measurer.heard,
            interval=interval,
            contract_time=self._clock.of,
        )
        writes = Writes(
            client=self._client,
            session=session,
            measure=measurer.heard,
            wake=self.queue.add,
            now=self._clock.now,
            wall=self._clock.wall,
            reading_interval=interval,
        )
        return measurer, answers, writes

    def _continuity(self, measurer: Measurer, answers: Answers, reconciler: Reconciler) -> Continuity:
        settings = self._settings
        return Continuity(
            store=self._client,
            place=Place(settings.lease_namespace, f"{settings.lease_name}-measured", settings.identity),
            every=settings.measured_every,
            now=self._clock.now,
            heard_all=lambda: reconciler.seen_all and answers.all_heard,
            held=lambda now: measurer.held(now=now),
            covered=measurer.covered,
            gap_found=self._wake_all,
            told=lambda until: self._metrics.measuring.until.set(until.timestamp()),
        )

    def missing(self) -> list[str]:
        """What has not been listed yet, and why not."""
        if self._world is None:
            return ["informers: not started yet"]
        informers = (*self._world.informers(), (INSTANCE.plural, self._world.roll))
        return [
            informer.problem or f"{name}: not listed yet"
            for name, informer in informers
            if not informer.has_synced
        ]

    def watches(self) -> Mapping[str, WatchState]:
        """How each watch is."""
        if self._world is None:
            return {}
        now = monotonic()
        found = {
            name: WatchState(informer.heartbeat_age(now), informer.problem)
            for name, informer in self._world.informers()
        }
        found |= {
            name: WatchState(informer.heartbeat_age(now), informer.problem)
            for name, informer in self._ways.informers()
        }
        roll = self._world.roll
        found["dedicatedinstances"] = WatchState(roll.heartbeat_age(now), roll.problem)
        found["kopf"] = WatchState(self._instances.lateness())
        return found

    async def _loop(
        self,
        world: World,
        reconciler: Reconciler,
        recorder: EventRecorder,
        continuity: Continuity,
        stop: asyncio.Event,
    ) -> None:
        await continuity.begin()
        background = [
            asyncio.create_task(world.run(), name="informers"),
            asyncio.create_task(self._ways.run(), name="ways"),
            asyncio.create_task(recorder.run(), name="events"),
            asyncio.create_task(self._platform.run(), name="platform"),
            asyncio.create_task(
                run_shell(
                    source=self._client,
                    namespaces=self._settings.namespaces,
                    on_instance=self._instances.deliver,
                    stop=stop,
                    kind_exists=world.roll.synced,
                ),
                name="kopf",
            ),
        ]
        working = asyncio.create_task(
            self._work_when_synced(world, reconciler, continuity, stop), name="queue"
        )
        try:
            done, _ = await asyncio.wait({working, *background}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await working
            with suppress(TimeoutError):
                await asyncio.wait_for(recorder.flush(), FLUSH_SECONDS)
        finally:
            for task in (working, *background):
                task.cancel()
            await asyncio.gather(working, *background, return_exceptions=True)

    async def _work_when_synced(
        self, world: World, reconciler: Reconciler, continuity: Continuity, stop: asyncio.Event
    ) -> None:
        if not await before(stop, world.synced()):
            return
        logger.info("informers are synced")
        telling = asyncio.create_task(continuity.run(), name="continuity")
        try:
            await self.queue.run(self._settings.workers, reconciler.handle, stop=stop)
        finally:
            telling.cancel()
        await continuity.end()

    async def _check_rights(self) -> None:
        """Say which rights are missing."""
        for namespace in self._settings.namespaces or (None,):
            for kind in kinds_to_read():
                if not await self._client.can_i(kind, "list", namespace):
                    logger.error(
                        "may not list %s in %s: grant the rights of the chart",
                        kind.plural,
                        namespace or "all namespaces",
                    )

    def _wake_soon(self, key: Key) -> None:
        """Children change in bursts (a rollout, a Job): one pass sees the whole burst."""
        self.queue.add_at(key, monotonic() + SETTLE_SECONDS)

    def _wake_all(self) -> None:
        for key in self._instances.keys:
            self._wake_soon(key)


def _age(heartbeat_age: Callable[[float], float]) -> float:
    return heartbeat_age(monotonic())
