"""How clients behave: polite ones, and such that try to get more than the policy gives."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from limiter.answers import Answer
from limiter.http1 import Endpoint, at, burst, get, lines, paced
from limiter.reference import Rules

UI, API = "/ui/console/x", "/oauth/v2/keys"


@dataclass(frozen=True, slots=True)
class Burst:
    """So many requests at once, at a time in windows; `replica` None: over all of them.

    `after`: the time is that since the step before this one was over.
    """

    time: float
    count: int
    replica: int | None = None
    after: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """A rate in parts of the limit, from a time for a length of windows."""

    time: float
    rate: float
    length: float
    replica: int | None = None


Step = Burst | Pace
Pattern = tuple[Step, ...]


def polite(limit: int) -> Pattern:
    """The whole budget at once, again as soon as the window is over."""
    again = Burst(1.005, limit * 100 // 101, after=True)
    return (Burst(0.0, again.count), again, again, again)


def edges(limit: int) -> Pattern:
    """What doubles a fixed window: the budget at its end, and again right after."""
    return (Burst(0.95, limit), Burst(1.02, limit), Burst(1.94, limit), Burst(2.1, limit))


def halves(limit: int) -> Pattern:
    """Half of it twice, then more than what has become free."""
    return tuple(Burst(number / 2, limit // 2 if number < 2 else limit) for number in range(7))


def above(rate: float) -> Pattern:
    """Steadily above the limit."""
    return (Pace(0.0, rate, 4.5),)


def moving(limit: int) -> Pattern:
    """All of it through one replica, then on through the last one for as long as the first may forget."""
    begin = (Burst(0.0, limit, 0), Pace(0.2, 1.3, 1.3, -1), Burst(1.6, limit, 0))
    return (*begin, Pace(1.7, 1.3, 2.5, -1), Burst(4.3, limit, -1), Burst(4.35, limit, 0))


def handed_over(limit: int) -> Pattern:
    """A budget through the first, one through the last, and again when the first one's share is old."""
    return tuple(Burst(number * 0.52, limit, -1 if number % 2 else 0) for number in range(9))


def random_bursts(limit: int, seed: int) -> Pattern:
    """Whatever comes."""
    chance = random.Random(seed)
    steps: list[Step] = []
    moment = 0.0
    while moment < 4:
        moment += chance.uniform(0.02, 0.8)
        replica = chance.choice([None, None, 0, -1])
        steps.append(Burst(moment, chance.randint(1, limit), replica))
    return tuple(steps)


async def behave(
    pattern: Pattern, rules: Rules, endpoints: Sequence[Endpoint], *, source: str, path: str = UI
) -> list[Answer]:
    """All answers of a client that behaves like this."""
    request, begun, found = get(path), time.monotonic(), list[Answer]()
    for step in pattern:
        after = isinstance(step, Burst) and step.after
        await at(time.monotonic() if after else begun, step.time * rules.window)
        async with lines(chosen(endpoints, step.replica), source=source, each=2) as made:
            match step:
                case Burst():
                    found += await burst(made, request, step.count, piece=8)
                case Pace():
                    rate = step.rate * rules.guaranteed / rules.window
                    found += await paced(made, request, rate=rate, seconds=step.length * rules.window)
    return found


def chosen(endpoints: Sequence[Endpoint], replica: int | None) -> Sequence[Endpoint]:
    """One replica, or all."""
    return endpoints if replica is None else [endpoints[replica]]


async def all_behave(
    patterns: Sequence[Pattern], rules: Rules, endpoints: Sequence[Endpoint], *, network: str, path: str = UI
) -> list[list[Answer]]:
    """Every pattern at once, each by a client of its own."""
    return await asyncio.gather(
        *(
            behave(pattern, rules, endpoints, source=f"{network}.{150 + number}", path=path)
            for number, pattern in enumerate(patterns)
        )
    )
