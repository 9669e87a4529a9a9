"""The operator's process: what outlives a term of leading, started in order and ended cleanly.

A standby watches nothing and answers `/readyz`. A leader's work is a `term`, with everything of its own.
"""

import asyncio
import asyncio.sslproto
import gc
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dedicated import __version__
from dedicated.api.catalogue import Catalogue
from dedicated.api.places import Places
from dedicated.cluster.client import Client, connect
from dedicated.cluster.lease import LeaderLease, lease_times
from dedicated.cluster.transport import Login
from dedicated.contract.places import Atlas, atlas_of, built_in
from dedicated.controllers import http
from dedicated.controllers.contract_time import ContractTime
from dedicated.controllers.http import Vitals, silence
from dedicated.controllers.leadership import TermNotEndedError, lead
from dedicated.controllers.metrics import Metrics, make_metrics
from dedicated.controllers.settings import Settings
from dedicated.controllers.term import Term

TLS_BUFFER = 32 * 1024
"""Bytes that asyncio keeps for each TLS connection, of which a fleet needs many at once. Its own choice is
256 KiB; what is larger is read in several steps."""

logger = logging.getLogger(__name__)
ModelT = TypeVar("ModelT", bound=BaseModel)


class SettingsError(Exception):
    """A setting that cannot work: says which, what is wrong, and the fix."""


def load_catalogue(path: Path) -> Catalogue:
    """The release catalogue of a YAML file. Raises `SettingsError`."""
    return _load(Catalogue, "--releases", path)


def load_atlas(path: Path | None) -> Atlas:
    """The map of places, with what a YAML file adds to it. Raises `SettingsError`."""
    return built_in() if path is None else atlas_of(_load(Places, "--places", path))


def _load(model: type[ModelT], option: str, path: Path) -> ModelT:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{option} {path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise SettingsError(f"{option} {path}: {where}: {first['msg']}") from error


def load_clock(settings: Settings, *, wall: Callable[[], datetime]) -> ContractTime:
    """The contract's time. Raises `SettingsError` where a test's steps cannot be read."""
    try:
        clock = ContractTime(wall=wall, steps=settings.test_clock)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--test-clock {settings.test_clock}: cannot be read: {error}") from error
    if settings.test_clock is not None:
        logger.warning("the contract's time is moved by a test: no date told is a real one")
    return clock


async def run(settings: Settings, *, now: Callable[[], datetime]) -> None:
    """Run until SIGTERM or SIGINT. Raises `SettingsError`, or what broke it.

    `now` is the wall clock, which may jump: what must not jump with it is on the monotonic clock.
    Ends the process where a term does not end: what goes on would keep asyncio from ending, too.
    """
    catalogue = load_catalogue(settings.releases_file)
    atlas = load_atlas(settings.places_file)
    clock = load_clock(settings, wall=now)
    asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER
    metrics = make_metrics()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    metrics.watch_tasks(lambda: len(asyncio.all_tasks(loop)))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Connections of its own: a renewal must not wait behind the requests of a thousand instances.
    async with _connect(settings, metrics) as client:
        lease = LeaderLease(
            client=client,
            namespace=settings.lease_namespace,
            name=settings.lease_name,
            identity=settings.identity,
            times=lease_times(settings.lease_seconds),
            wall=now,
        )
        metrics.leader.set_function(lambda: float(lease.is_leader))
        process = _Process(settings, catalogue, atlas, metrics, clock)
        vitals = process.vitals(lambda: lease.unheard)
        pages = http.serve(settings.http_address, vitals=vitals, registry=metrics.registry)
        async with pages as port:
            logger.info("serving health and metrics", extra={"port": port, "identity": settings.identity})
            try:
                await lead(lease, work=process.work, stop=stop)
            except TermNotEndedError as error:
                logger.critical("%s: ending the process", error)
                os._exit(1)
    logger.info("stopped")


def _connect(settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[Client]:
    return connect(
        Login(settings.kubeconfig, settings.context),
        user_agent=f"dedicated-operator/{__version__}",
        observe_request=metrics.observe_request,
    )


class _Process:
    """One term at a time, and what `/healthz`, `/readyz` and `/metrics` say of it; a standby has none."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        atlas: Atlas,
        metrics: Metrics,
        clock: ContractTime,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._catalogue = catalogue
        self._atlas = atlas
        self._metrics = metrics
        self._term: Term | None = None
        metrics.watch_queue(
            depth=lambda: self._term.queue.depth if self._term else 0,
            oldest=lambda: self._term.queue.oldest_age() if self._term else 0.0,
        )

    def vitals(self, unheard: Callable[[], float]) -> Vitals:
        """Where the health pages get their answers; `unheard`: seconds without one of the API server."""
        return Vitals(
            watches=lambda: self._term.watches() if self._term else {},
            queue_oldest=lambda: self._term.queue.oldest_age() if self._term else 0.0,
            queue_stuck=lambda: self._term.queue.stuck_age() if self._term else 0.0,
            missing=lambda: [*silence(unheard()), *(self._term.missing() if self._term else ())],
        )

    async def work(self, stop: asyncio.Event, fence: Callable[[], None]) -> None:
        """Lead until `stop` is set, in a term of which nothing is left afterwards."""
        # What is left of the last term refers to itself, and a full collection may be long in coming: this
        # term would ask for memory beside it.
        gc.collect()
        async with _connect(self._settings, self._metrics) as client:
            fenced = client.fenced(fence)
            self._term = Term(
                self._settings, self._catalogue, self._atlas, fenced, self._metrics, self._clock
            )
            try:
                await self._term.run(stop)
            finally:
                self._term = None
                self._metrics.forget_term()
