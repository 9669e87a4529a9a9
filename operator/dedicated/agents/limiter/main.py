"""The agent's process: its parts put together, started and ended; and what it does before the first start."""

import asyncio
import itertools
import logging
import secrets
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from dedicated.agents.limiter import latency, places
from dedicated.agents.limiter.applying import Applier
from dedicated.agents.limiter.content import ContentError, content_of
from dedicated.agents.limiter.files import Folder
from dedicated.agents.limiter.latency import Latencies
from dedicated.agents.limiter.metrics import LimiterCollector, make_registry
from dedicated.agents.limiter.places import PlaceError
from dedicated.agents.limiter.proving import Source
from dedicated.agents.limiter.settings import Settings
from dedicated.agents.limiter.state import State
from dedicated.agents.limiter.telling import Teller
from dedicated.agents.limiter.work import RETRY, Work
from dedicated.agents.pages import serve
from dedicated.agents.running import run_until
from dedicated.cluster.own_object import Door, OwnConfigMap, OwnObjectError
from dedicated.cluster.own_watch import OwnWatch
from dedicated.contract.limiter_report import MANAGER
from dedicated.parts.limiter.configuration import NO_SERVERS, SERVER_STATE
from dedicated.probes.haproxy import Haproxy

STUCK = timedelta(minutes=10)
"""Without a step for so long, only a new process helps: each has a limit of time."""
ATTEMPTS = 60

logger = logging.getLogger(__name__)


class PrepareError(Exception):
    """The files could not be written; the text says why."""


async def prepare(settings: Settings) -> None:
    """Write the files that HAProxy starts with. Raises PrepareError after many attempts."""
    problem = ""
    for _ in range(ATTEMPTS):
        try:
            await _write(settings)
        except (OwnObjectError, ContentError, PlaceError) as error:
            if str(error) != problem:
                logger.warning("not prepared yet", extra={"cause": str(error)})
            problem = str(error)
            await asyncio.sleep(RETRY)
        else:
            return
    raise PrepareError(problem)


async def _write(settings: Settings) -> None:
    content = content_of(await _watch(settings).read(), replica=settings.replica)
    found = await places.find(content.files, instance=settings.instance, namespace=settings.namespace)
    folder = Folder(settings.files)
    folder.begin()
    folder.write(places.filled(content.files, found))
    Folder(settings.sockets).write({SERVER_STATE: NO_SERVERS})
    folder.end(content.digest)
    logger.info("prepared", extra={"content": content.digest})


async def run(settings: Settings, *, now: Callable[[], datetime]) -> None:
    """Run until SIGTERM or SIGINT. Raises what broke it: then a new process is better."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work(settings, stop=stop, now=now)
    logger.info("stopped")


async def work(
    settings: Settings,
    *,
    stop: asyncio.Event,
    now: Callable[[], datetime],
    serving: Callable[[int], None] = lambda _: None,
) -> None:
    """Work until `stop` is set; `serving` is told the port of the pages."""
    changed = asyncio.Event()
    latencies = Latencies(time.monotonic)
    state = State(replica=settings.replica, now=now, latencies=latencies, changed=changed.set)
    record = OwnConfigMap(
        settings.api_server, settings.credentials, settings.namespace, settings.report, MANAGER
    )
    numbers = itertools.count(secrets.randbelow(1000))
    process = Haproxy(settings.sockets / "admin.sock", settings.sockets / "master.sock")
    following = Work(
        settings,
        applier=Applier(process, Folder(settings.files), settings.sockets, settings.haproxy),
        state=state,
        watch=_watch(settings),
        record=record,
        source=Source(settings.replica, lambda: next(numbers), lambda: secrets.randbits(32)),
        now=now,
        monotonic=time.monotonic,
    )
    teller = Teller(
        record=record,
        state=state,
        every=settings.tell_every,
        monotonic=time.monotonic,
        changed=changed,
    )
    labels = {
        "namespace": settings.namespace,
        "name": settings.instance,
        "replica": str(settings.replica),
    }
    registry = make_registry(LimiterCollector(state, labels=labels))
    async with serve(settings.http_address, registry=registry, stuck=lambda: _stuck(following)) as port:
        logger.info("serving health and metrics", extra={"port": port, "instance": settings.instance})
        serving(port)
        listening = latency.listen(settings.sockets / "log.sock", latencies)
        loops = (following.follow(), following.observe(), following.run())
        await run_until(stop, *loops, teller.run(), listening)


def _watch(settings: Settings) -> OwnWatch:
    return OwnWatch(Door(settings.api_server, settings.credentials), settings.namespace, settings.wanted)


def _stuck(following: Work) -> str:
    age, limit = time.monotonic() - following.alive, STUCK.total_seconds()
    return f"the last step began {age:.0f} s ago, limit {limit:.0f} s" if age > limit else ""
