"""The operator's process: everything wired, started in order, and ended cleanly.

A standby watches nothing and answers `/readyz`; the leader starts informers and kopf, waits until both have
listed everything, and only then works, so that a restart never mistakes what it has not seen for missing.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

import yaml
from pydantic import ValidationError

from dedicated import __version__
from dedicated.api.catalogue import Catalogue
from dedicated.api.objects import INSTANCE, NODE, Key
from dedicated.cluster.client import Client, connect
from dedicated.cluster.events import EventRecorder
from dedicated.cluster.lease import LeaderLease, lease_times
from dedicated.cluster.transport import Login
from dedicated.controllers import http
from dedicated.controllers.answers import Answers
from dedicated.controllers.http import Vitals, WatchState
from dedicated.controllers.instances import Instances
from dedicated.controllers.leadership import lead
from dedicated.controllers.metrics import Metrics, make_metrics
from dedicated.controllers.queue import WorkQueue
from dedicated.controllers.reconciler import Reconciler
from dedicated.controllers.settings import Settings
from dedicated.controllers.shell import run_shell
from dedicated.controllers.waiting import before
from dedicated.controllers.world import World, kinds_to_read
from dedicated.probes import service

SETTLE_SECONDS = 0.1
"""From a child's change to the pass that looks at it."""
FLUSH_SECONDS = 5.0
"""Time for the last events at a clean stop."""

logger = logging.getLogger(__name__)


class SettingsError(Exception):
    """A setting that cannot work: says which, what is wrong, and the fix."""


def load_catalogue(path: Path) -> Catalogue:
    """The release catalogue of a YAML file. Raises `SettingsError`."""
    try:
        return Catalogue.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"--releases {path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise SettingsError(f"--releases {path}: {where}: {first['msg']}") from error


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises `SettingsError`, `LeadershipLostError`, or what broke it."""
    catalogue = load_catalogue(settings.releases_file)
    metrics = make_metrics()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with connect(
        Login(settings.kubeconfig, settings.context),
        user_agent=f"dedicated-operator/{__version__}",
        qps=settings.qps,
        burst=settings.burst,
        observe_request=metrics.observe_request,
    ) as client:
        lease = LeaderLease(
            client=client,
            namespace=settings.lease_namespace,
            name=settings.lease_name,
            identity=settings.identity,
            times=lease_times(settings.lease_seconds),
        )
        metrics.leader.set_function(lambda: float(lease.is_leader))
        process = _Process(settings, catalogue, client.fenced(lease.held), metrics)
        pages = http.serve(settings.http_address, vitals=process.vitals(), registry=metrics.registry)
        async with pages as port:
            logger.info("serving health and metrics", extra={"port": port, "identity": settings.identity})
            await lead(lease, work=process.work, stop=stop)
    logger.info("stopped")


class _Process:
    """The leader's work, and what `/healthz` and `/readyz` ask of it."""

    def __init__(self, settings: Settings, catalogue: Catalogue, client: Client, metrics: Metrics) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._client = client
        self._metrics = metrics
        self._queue: WorkQueue[Key] = WorkQueue()
        self._instances = Instances(changed=self._queue.add)
        self._leading = False
        self._world: World | None = None
        metrics.watch_queue(depth=lambda: self._queue.depth, oldest=self._queue.oldest_age)

    def vitals(self) -> Vitals:
        """Where the health pages get their answers."""
        return Vitals(
            watches=self._watches,
            queue_oldest=self._queue.oldest_age,
            queue_stuck=self._queue.stuck_age,
            missing=self._unsynced,
        )

    async def work(self, stop: asyncio.Event) -> None:
        """Lead until `stop` is set."""
        self._leading = True
        logger.info("leading", extra={"namespaces": list(self._settings.namespaces) or "all"})
        namespaces = self._settings.namespaces or None
        with_nodes = await self._check_rights()
        world = self._world = World(
            client=self._client,
            namespaces=namespaces,
            with_nodes=with_nodes,
            wake=self._wake_soon,
            wake_all=self._wake_all,
            roll=self._instances.present,
            is_alive=self._is_alive,
        )
        for name, informer in (*world.informers(), ("dedicatedinstances", world.roll)):
            self._metrics.watch_heartbeat(name, partial(_age, informer.heartbeat_age))
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(
                service.open_session(resolve=self._settings.resolve, ca_file=self._settings.probe_ca_file)
            )
            answers = Answers(
                read=partial(service.read, session=session, now=_utc_now),
                wake=self._queue.add,
                interval=self._settings.probe_interval,
            )
            stack.push_async_callback(answers.close)
            recorder = EventRecorder(
                client=self._client,
                instance=self._settings.identity,
                on_drop=self._metrics.events_dropped.inc,
            )
            reconciler = Reconciler(
                client=self._client,
                world=world,
                instances=self._instances,
                queue=self._queue,
                answers=answers,
                recorder=recorder,
                metrics=self._metrics,
                catalogue=self._catalogue,
                now=_utc_now,
            )
            await self._loop(world, reconciler, recorder, stop)

    async def _loop(
        self, world: World, reconciler: Reconciler, recorder: EventRecorder, stop: asyncio.Event
    ) -> None:
        background = [
            asyncio.create_task(world.run(), name="informers"),
            asyncio.create_task(recorder.run(), name="events"),
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
        working = asyncio.create_task(self._work_when_synced(world, reconciler, stop), name="queue")
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

    async def _work_when_synced(self, world: World, reconciler: Reconciler, stop: asyncio.Event) -> None:
        if not await before(stop, world.synced()):
            return
        logger.info("informers are synced")
        await self._queue.run(self._settings.workers, reconciler.handle, stop=stop)

    async def _check_rights(self) -> bool:
        """Say which rights are missing; whether nodes may be read."""
        for namespace in self._settings.namespaces or (None,):
            for kind in kinds_to_read():
                if not await self._client.can_i(kind, "list", namespace):
                    logger.error(
                        "may not list %s in %s: grant the rights of the chart",
                        kind.plural,
                        namespace or "all namespaces",
                    )
        return await self._client.can_i(NODE, "list")

    def _unsynced(self) -> list[str]:
        """What a leader has not listed yet, and why not; nothing for a standby."""
        if self._world is None:
            return ["informers: not started yet"] if self._leading else []
        informers = (*self._world.informers(), (INSTANCE.plural, self._world.roll))
        return [
            informer.problem or f"{name}: not listed yet"
            for name, informer in informers
            if not informer.has_synced
        ]

    def _watches(self) -> Mapping[str, WatchState]:
        if self._world is None:
            return {}
        now = monotonic()
        found = {
            name: WatchState(informer.heartbeat_age(now), informer.problem)
            for name, informer in self._world.informers()
        }
        roll = self._world.roll
        found["dedicatedinstances"] = WatchState(roll.heartbeat_age(now), roll.problem)
        found["kopf"] = WatchState(self._instances.lateness())
        return found

    def _wake_soon(self, key: Key) -> None:
        """Children change in bursts (a rollout, a Job): one pass sees the whole burst."""
        self._queue.add_at(key, monotonic() + SETTLE_SECONDS)

    def _wake_all(self) -> None:
        for key in self._instances.bodies:
            self._wake_soon(key)

    def _is_alive(self, key: Key) -> bool:
        body = self._instances.bodies.get(key)
        metadata = body.get("metadata") if body else None
        return isinstance(metadata, dict) and not metadata.get("deletionTimestamp")


def _age(heartbeat_age: Callable[[float], float]) -> float:
    return heartbeat_age(monotonic())


def _utc_now() -> datetime:
    return datetime.now(UTC)
