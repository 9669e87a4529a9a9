"""kopf as the shell: it logs in and watches DedicatedInstances; everything else is ours.

kopf runs in a thread with an event loop of its own, for three reasons. When it ends, it cancels every task of
its loop that is younger than itself, and ours would be among them. In a main thread it takes over the signal
handlers. And it ends on what is no end for us (an ERROR event other than 410, a kind that vanished,
credentials refused twice); here it is started again. Its handlers only hand the object over to our loop.

kopf compares no list with what it knew, so what is deleted while its watch is interrupted is never told. A
metadata-only informer of ours on the same kind therefore calls the roll (`Instances.present`): it finds such
ghosts, and it measures how far kopf's watch is behind, which kopf does not tell either. The price is one more
watch.
"""

import asyncio
import itertools
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

import kopf

from dedicated.api.json import Manifest, as_manifest
from dedicated.api.names import GROUP, PLURAL, VERSION
from dedicated.cluster.transport import Credentials
from dedicated.controllers.waiting import before

OnInstance = Callable[[str, Manifest], None]
"""Called in our loop with the event's type (ADDED, MODIFIED, DELETED; empty: listed) and the object."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
IDENTITY = "dedicated-operator"
"""What kopf calls itself in its log: it has no peers."""
STOP_SECONDS = 20.0
"""A kopf that does not end in this time at a stop is left alone: its thread ends with the process."""

logger = logging.getLogger(__name__)


class LoginSource(Protocol):
    """The part of `cluster.client.Client` that the shell needs."""

    async def credentials(self, *, fresh: bool = False) -> Credentials:
        """The credentials in force; `fresh` reads them anew."""


class JitteredForever:
    """Delays between two bounds in seconds, growing, without end: an outage must not end the process."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        for power in itertools.count():
            longest = min(self._longest, self._first * 2.0 ** min(power, 16))
            yield longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


async def run_shell(
    *,
    source: LoginSource,
    namespaces: tuple[str, ...],
    on_instance: OnInstance,
    stop: asyncio.Event,
    kind_exists: Callable[[], Awaitable[None]],
) -> None:
    """Watch DedicatedInstances (everywhere if `namespaces` is empty) until `stop` is set.

    `kind_exists` returns once the kind is there (the roll has synced): a kopf started before watches nothing.
    Cancelled, it ends when kopf's thread has ended, however long that takes.
    """
    pauses = iter(JitteredForever(FIRST_PAUSE, LONGEST_PAUSE))
    now = asyncio.get_running_loop().time
    while await before(stop, kind_exists()):
        started = now()
        try:
            await _run_kopf(source=source, namespaces=namespaces, on_instance=on_instance, stop=stop)
        except Exception as error:  # noqa: BLE001 - whatever ended kopf, it is started again
            logger.warning("kopf ended, starting it again: %s: %s", type(error).__name__, error)
        if now() - started > LONGEST_PAUSE:
            pauses = iter(JitteredForever(FIRST_PAUSE, LONGEST_PAUSE))
        if not await before(stop, asyncio.sleep(next(pauses))):
            return


async def _run_kopf(
    *, source: LoginSource, namespaces: tuple[str, ...], on_instance: OnInstance, stop: asyncio.Event
) -> None:
    ours = asyncio.get_running_loop()
    started: asyncio.Future[Callable[[], object]] = ours.create_future()
    ended: asyncio.Future[None] = ours.create_future()

    async def operate() -> None:
        flag = asyncio.Event()
        theirs = asyncio.get_running_loop()
        ours.call_soon_threadsafe(started.set_result, lambda: theirs.call_soon_threadsafe(flag.set))
        await kopf.operator(
            registry=_registry(source=source, on_instance=on_instance, ours=ours),
            settings=_settings(),
            # Else kopf asks who the user is: in a container often a number that no name belongs to.
            identity=IDENTITY,  # type: ignore[arg-type]  # kopf exports no such type
            clusterwide=not namespaces,
            namespaces=namespaces,
            standalone=True,
            stop_flag=flag,
        )

    def thread() -> None:
        try:
            asyncio.run(operate())
        except BaseException as error:  # noqa: BLE001 - handed over to our loop
            ours.call_soon_threadsafe(_fail, ended, error)
        else:
            ours.call_soon_threadsafe(_succeed, ended)

    threading.Thread(target=thread, name="kopf", daemon=True).start()
    try:
        await before(stop, asyncio.shield(ended))
    finally:
        either: tuple[asyncio.Future[Any], ...] = (started, ended)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            started.result()()
        await asyncio.wait({ended}, timeout=STOP_SECONDS if stop.is_set() else None)
    if not ended.done():
        raise TimeoutError(f"not ended within {STOP_SECONDS:g} s")
    ended.result()


def _registry(
    *, source: LoginSource, on_instance: OnInstance, ours: asyncio.AbstractEventLoop
) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, backoff=5)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        # kopf logs in at its start and after an answer of 401: both times the file may have a newer token.
        pending = asyncio.run_coroutine_threadsafe(source.credentials(fresh=True), ours)
        return connection_info(await asyncio.wrap_future(pending))

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def hand_over(event: Any, **_: Any) -> None:
        manifest = as_manifest(event["object"])
        ours.call_soon_threadsafe(on_instance, event["type"] or "", manifest)

    return registry


def connection_info(credentials: Credentials) -> kopf.ConnectionInfo:
    """The same user for kopf."""
    scheme, _, token = (credentials.authorization or "").partition(" ")
    return kopf.ConnectionInfo(
        server=credentials.server,
        ca_path=credentials.ca_path,
        insecure=credentials.insecure,
        scheme=scheme or None,
        token=token or None,
        certificate_path=credentials.certificate_path,
        private_key_path=credentials.private_key_path,
        proxy_url=credentials.proxy,
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    # Not ours: kopf takes its own finalizer off whatever no handler of its needs it for.
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.scanning.disabled = True
    # An object is held by its worker, and a chunk by the list, until they end: that bounds the memory of a
    # restart with many objects, since Python does not give it back.
    settings.watching.chunk_size = 50
    settings.queueing.idle_timeout = 0.1
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 610
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = JitteredForever(FIRST_PAUSE, LONGEST_PAUSE)
    # Never limited: idle workers keep their slots for seconds, a full house for ever (nolar/kopf#1243).
    settings.queueing.worker_limit = None
    settings.process.ultimate_exiting_timeout = 60
    return settings


def _succeed(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: "asyncio.Future[None]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
