"""The agent's process: its parts put together, started and ended."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from dedicated.agents.pages import serve
from dedicated.agents.recovery.clock import Clock
from dedicated.agents.recovery.knowledge import Knowledge
from dedicated.agents.recovery.loops import Ask, Loops
from dedicated.agents.recovery.metrics import RecoveryCollector, make_registry
from dedicated.agents.recovery.repositories import PgBackRestRepository, Repository
from dedicated.agents.recovery.settings import Settings
from dedicated.agents.recovery.stores import Places, barman_in, places_in
from dedicated.agents.recovery.writer import Writer
from dedicated.agents.running import run_until
from dedicated.cluster.own_object import OwnConfigMap
from dedicated.contract.recovery.report import MANAGER
from dedicated.probes.database import Database
from dedicated.probes.members import ask_members
from dedicated.probes.repository import PgBackRest

STUCK = timedelta(minutes=5)
"""Without an attempt to sample for so long, only a new process helps: each has a limit of time."""

logger = logging.getLogger(__name__)


async def run(
    settings: Settings,
    *,
    now: Callable[[], datetime],
    repository: Repository | None = None,
) -> None:
    """Run until SIGTERM or SIGINT. Raises what broke it: then a new process is better.

    `now` is the wall clock, which may jump. `repository` is that of the settings unless another
    is given.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work(settings, stop=stop, now=now, repository=repository)
    logger.info("stopped")


async def work(
    settings: Settings,
    *,
    stop: asyncio.Event,
    now: Callable[[], datetime],
    repository: Repository | None = None,
    serving: Callable[[int], None] = lambda _: None,
) -> None:
    """Work until `stop` is set; `serving` is told the port of the pages."""
    changed = asyncio.Event()
    clock = Clock(wall=now, monotonic=time.monotonic)
    knowledge = Knowledge(
        incarnation=settings.incarnation, clock=clock, monotonic=time.monotonic, changed=changed.set
    )
    loops = Loops(
        knowledge=knowledge,
        clock=clock,
        database=Database(settings.dsn_file, now=clock),
        repository=repository or _repository(settings),
        places=_places(settings, clock),
        members=_members(settings, clock),
        sample_every=settings.sample_every,
        audit_every=settings.audit_every,
        verify_every=settings.verify_every,
        monotonic=time.monotonic,
    )
    writer = Writer(
        record=_record(settings, clock),
        knowledge=knowledge,
        clock=clock,
        objectives=settings.objectives,
        incarnation=settings.incarnation,
        every=settings.write_every,
        monotonic=time.monotonic,
        changed=changed,
    )
    figures = RecoveryCollector(
        knowledge=knowledge,
        clock=clock,
        objectives=settings.objectives,
        labels={"namespace": settings.namespace, "name": settings.instance},
        record_problem=lambda: writer.problem,
    )
    stuck = partial(_stuck, loops, settings)
    async with serve(settings.http_address, registry=make_registry(figures), stuck=stuck) as port:
        logger.info("serving health and metrics", extra={"port": port, "instance": settings.instance})
        serving(port)
        await run_until(stop, loops.run(), writer.run())


def _repository(settings: Settings) -> Repository:
    """The one that the settings lead to."""
    if settings.barman_server and settings.stores_file is not None:
        return barman_in(settings.stores_file, settings.barman_server)
    return PgBackRestRepository(
        PgBackRest(
            settings.repository_config,
            settings.stanza,
            settings.pgbackrest,
            environment=settings.environment,
        )
    )


def _places(settings: Settings, clock: Clock) -> Places | None:
    """Where the backups are kept; None where no place is named."""
    if settings.stores_file is None:
        return None
    return Places(places_in(settings.stores_file.read_text(encoding="utf-8")), now=clock)


def _members(settings: Settings, clock: Clock) -> Ask | None:
    """How the servers are asked; None where none is named."""
    hosts = settings.members
    return partial(ask_members, settings.dsn_file, hosts, now=clock) if hosts else None


def _record(settings: Settings, clock: Clock) -> OwnConfigMap:
    return OwnConfigMap(
        server=settings.api_server,
        credentials=settings.credentials,
        namespace=settings.namespace,
        name=settings.record,
        manager=MANAGER,
        heard=lambda at: clock.heard("ApiServer", at),
    )


def _stuck(loops: Loops, settings: Settings) -> str:
    limit = (STUCK + settings.sample_every).total_seconds()
    age = time.monotonic() - loops.tried
    return f"the primary was last asked {age:.0f} s ago, limit {limit:.0f} s" if age > limit else ""
