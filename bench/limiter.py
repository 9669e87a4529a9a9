"""What the limiter holds and costs, in real HAProxy on loopback. Run: `python -m bench.limiter`.

Costs are pairs in one run: rounds with the limiter and with a HAProxy that only proxies take turns before the
same server. Windows and bans have their real lengths.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from bench.figure import Figure, at_most, report
from dedicated.parts.limiter.tables import ENTRY_BYTES
from limiter import envoy
from limiter.answers import Answer
from limiter.costs import (
    ADDRESSES,
    cost_in_latency,
    cost_in_processor,
    memory_of_addresses,
    pair,
    refusal_time,
)
from limiter.http1 import at, burst, get, lines, paced
from limiter.patterns import UI
from limiter.reference import Exact, Rules, bans, most_admitted, refused_below
from limiter.stand import Stand, standing

ROUNDS = 5
SECONDS = 6.0
POLITE, BURST = 600, 1600
AGAIN = (60.5, 62.0)
"""Seconds from the last answer of a burst to the next: right after the minute, and later."""
BAN_RATE, BAN_SECONDS = 40.0, 135.0


def costs() -> Iterator[Figure]:
    """Processor time and latency, of one replica and of two."""
    for replicas in (1, 2):
        with pair(replicas=replicas) as both:
            cpu = asyncio.run(cost_in_processor(both, rounds=ROUNDS))
            late = asyncio.run(cost_in_latency(both, rounds=ROUNDS, seconds=SECONDS))
            refused = asyncio.run(refusal_time(*both.sides[0]))
        name = f"limiter_{replicas}_replicas"
        yield report(f"{name}_cpu", cpu.limiter, "us a request")
        yield report(f"{name}_cpu_proxying_alone", cpu.plain, "us a request")
        yield at_most(f"{name}_cpu_more", cpu.more, "us a request", 12)
        yield report(f"{name}_p50", late.limiter, "ms")
        yield at_most(f"{name}_p50_more", late.more, "ms", 0.3)
        yield report(f"{name}_cpu_refusal", refused, "us a request")


def beside_envoy() -> Iterator[Figure]:
    """The limiter, Envoy with a local limit, and Envoy that only proxies, in the same rounds."""
    if envoy.find() is None:
        print("envoy is not on the path: not compared", file=sys.stderr)
        return
    with envoy.trio() as sides:
        found = asyncio.run(envoy.compared(sides, rounds=ROUNDS, seconds=SECONDS))
    names = ("limiter", "envoy_local_limit", "envoy_proxying_alone")
    for name, (cpu, late) in zip(names, found, strict=True):
        yield report(f"limiter_beside_envoy_{name}_cpu", cpu, "us a request")
        yield report(f"limiter_beside_envoy_{name}_p50", late, "ms")


def memory() -> Iterator[Figure]:
    """A million addresses in the counters of both classes, against the formula."""
    taken, entries = memory_of_addresses()
    yield report("limiter_memory_addresses", ADDRESSES, "addresses")
    yield report("limiter_memory_entry", taken / entries, "bytes")
    off = abs(taken / (entries * ENTRY_BYTES) - 1) * 100
    yield at_most("limiter_memory_off_formula", off, "%", 15)


async def _polite(stand: Stand, number: int) -> list[Answer]:
    """The minute's budget at once, and again whenever the minute is over."""
    answers = list[Answer]()
    for wait in (0.0, *AGAIN):
        if answers:
            await at(max(answer.done for answer in answers), wait)
        async with lines(stand.endpoints, source=f"{stand.network}.{150 + number}", each=4) as made:
            answers += await burst(made, get(UI), POLITE, piece=4)
    return answers


async def _at_once(stand: Stand, number: int) -> list[Answer]:
    """Far more than the budget."""
    async with lines(stand.endpoints, source=f"{stand.network}.{150 + number}", each=6) as made:
        return await burst(made, get(UI), BURST, piece=1)


async def _banned(stand: Stand) -> list[Answer]:
    """A client that is banned, and asks on."""
    async with lines(stand.endpoints, source=f"{stand.network}.170") as made:
        return await paced(made, get(UI), rate=BAN_RATE, seconds=BAN_SECONDS)


@dataclass(frozen=True, slots=True)
class _Watched:
    polite: list[Answer]
    bursts: list[list[Answer]]
    banned: list[Answer]


async def _watched(stands: Sequence[Stand]) -> list[_Watched]:
    """Bursts one after the other, so that they are as quick as the machine is; the rest at once."""
    bursts = [[await _at_once(stand, number) for number in range(5)] for stand in stands]
    polite = asyncio.gather(*(_polite(stand, 10) for stand in stands))
    banned = asyncio.gather(*(_banned(stand) for stand in stands))
    return [_Watched(*each) for each in zip(await polite, bursts, await banned, strict=True)]


def windows() -> Iterator[Figure]:
    """What passes in a window, and when bans begin and end, by replicas."""
    with ExitStack() as stack:
        stands = [stack.enter_context(standing(replicas=replicas)) for replicas in (1, 2, 3)]
        found = asyncio.run(_watched(stands))
    for stand, watched in zip(stands, found, strict=True):
        rules, name = stand.rules("ui"), f"limiter_{stand.site.replicas}_replicas"
        refused = sum(not answer.admitted for answer in watched.polite)
        yield at_most(f"{name}_polite_bursts_refused", refused, "requests", 0)
        passed = median(sum(answer.admitted for answer in answers) for answers in watched.bursts)
        over = (passed / rules.limit - 1) * 100
        yield at_most(f"{name}_burst_overshoot", over, "%", 1 if stand.site.replicas == 1 else 2)
        densest = (most_admitted(watched.banned, rules.window) / rules.limit - 1) * 100
        yield at_most(f"{name}_window_overshoot", densest, "%", 1)
        below = len(refused_below(watched.banned, rules.guaranteed, rules.window))
        yield at_most(f"{name}_refused_below_guarantee", below, "requests", 0)
        yield from _ban(name, watched.banned, rules)


def _ban(name: str, answers: list[Answer], rules: Rules) -> Iterator[Figure]:
    exact = Exact(rules)
    ordered = sorted(answers, key=lambda one: one.sent)
    begin = next(answer.sent for answer in ordered if exact.ask(answer.sent) == "banned")
    begun, ended = bans(answers, banned=rules.banned)[0]
    yield at_most(f"{name}_ban_begins_off", abs(begun - begin), "seconds", 0.5)
    yield at_most(f"{name}_ban_ends_off", abs(ended - begin - rules.banned), "seconds", 1)


def main() -> int:
    """Measure; the exit code: 1 where a target was missed."""
    missed = 0
    for measure in (costs, beside_envoy, memory, windows):
        for figure in measure():
            print(figure.line(), flush=True)
            missed += figure.met is False
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
