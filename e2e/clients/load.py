"""The load: each kind at its own times, whether or not it was answered before; a burst for the limiter.

Requests begin by the clock, so that an outage is seen by as many of them as real clients would lose. What the
process was late for is left out, not caught up: a client never asks faster than planned.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import cycle

from clients import kinds
from clients.kinds import Credentials, Done, Turn, WrongError
from clients.rows import Kind, Outcome, Row
from clients.session import NoAnswerError, Session, Stopwatch, sessions
from clients.target import SECONDS, Identity, Plan, Target

Told = Callable[[Row], None]
PATHS: dict[Kind, str] = {"page": "/ui/v2/login/healthy", "call": "/oauth/v2/keys"}
"""What a burst asks for: the cheapest of its class."""


async def run(target: Target, identity: Identity, plan: Plan, *, told: Told, stop: asyncio.Event) -> None:
    """All kinds until told to stop; open requests end by their own deadline. OSError for a bad CA file."""
    credentials = Credentials(identity)
    async with sessions(target) as opened, asyncio.TaskGroup() as group:
        for kind in plan.kinds:
            sources = cycle(opened)

            def begin(kind: Kind = kind, sources: "cycle[Session]" = sources) -> None:
                turn = partial(_as, kinds.TURNS[kind], credentials)
                group.create_task(_turn(kind, next(sources), turn, told))

            group.create_task(_every(plan.interval(kind), begin, stop))


async def burst(target: Target, kind: Kind, *, each_second: float, told: Told, stop: asyncio.Event) -> None:
    """Plain requests of one class over kept connections, at a rate that may be above the limit."""
    async with sessions(target, keep=True) as opened, asyncio.TaskGroup() as group:
        sources = cycle(opened)

        def begin() -> None:
            group.create_task(_turn(kind, next(sources), partial(_plain, PATHS[kind]), told))

        await _every(1 / each_second, begin, stop)


async def _as(turn: Turn, credentials: Credentials, session: Session) -> Done:
    return await turn(session, credentials)


async def _plain(path: str, session: Session) -> Done:
    answer = await session.ask("GET", path)
    if answer.status != 200:
        raise WrongError(path, answer.status)
    return Done(answer.status)


async def _every(interval: float, begin: Callable[[], None], stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not stop.is_set():
        begin()
        due = max(due + interval, loop.time())
        try:
            async with asyncio.timeout_at(due):
                await stop.wait()
        except TimeoutError:
            continue


async def _turn(kind: Kind, session: Session, turn: Callable[[Session], Awaitable[Done]], told: Told) -> None:
    watch = Stopwatch()
    outcome: Outcome = "failed"
    done, detail = Done(0), ""
    try:
        async with asyncio.timeout(SECONDS):
            done = await turn(session)
        outcome = "ok"
    except TimeoutError:
        detail = f"no answer within {SECONDS:g} s"
    except WrongError as error:
        outcome = "refused" if error.status == kinds.REFUSED else "failed"
        done, detail = Done(error.status), str(error)
    except NoAnswerError as error:
        detail = str(error)
    told(Row(watch.at, kind, outcome, watch.seconds(), done.status, detail, done.token, session.source))
