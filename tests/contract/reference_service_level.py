"""Downtime and minutes once more: second by second, and by other means than `dedicated.contract`.

Written from contract.md A-1 to A-9. Failed probes of a service are paired off, the seconds that they stand
for are collected one by one, and minutes are counted by walking along those that are left. No interval is
ever cut, joined or clipped here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from dedicated.api.probing import Sample, Source

TOLERANCE = 1
"""Seconds that probes may be late."""


@dataclass(frozen=True, slots=True)
class Slow:
    """What the walk has found: runs of seconds, each in order."""

    core: list[list[int]]
    entry: list[list[int]]
    both: list[list[int]]


def walk(samples: Sequence[Sample], *, end: int) -> Slow:
    """All downtime up to a second; what has no good probe behind it goes on to that second."""
    seconds: dict[Source, set[int]] = {}
    for service in {name for sample in samples for name in sample.outcomes}:
        probes = [
            (int(sample.at.timestamp()), sample.outcomes[service])
            for sample in samples
            if service in sample.outcomes
        ]
        seconds[service] = _down(probes, end)
    core = set().union(*(found for name, found in seconds.items() if name != "Entry"))
    entry = seconds.get("Entry", set())
    return Slow(runs(core), runs(entry), runs(core | entry))


def _down(probes: Sequence[tuple[int, str]], end: int) -> set[int]:
    """The seconds for which a service's failed probes stand."""
    down: set[int] = set()
    failed = [number for number, (_, outcome) in enumerate(probes) if outcome == "Failed"]
    for number in failed:
        at = probes[number][0]
        later = [other for other in failed if other > number]
        follows = bool(later) and later[0] - number - 1 <= 1 and probes[later[0]][0] - at <= 20 + TOLERANCE
        # Two failed ones in a row follow each other however long nothing was asked in between.
        follows = follows or (bool(later) and later[0] == number + 1)
        if follows:
            down.update(range(at, probes[later[0]][0]))
        else:
            down.update(range(at, probes[number + 1][0] if number + 1 < len(probes) else end))
    return down


def runs(seconds: Iterable[int]) -> list[list[int]]:
    """Runs of seconds that follow each other, of a minute or more."""
    found: list[list[int]] = []
    for second in sorted(seconds):
        if found and found[-1][-1] == second - 1:
            found[-1].append(second)
        else:
            found.append([second])
    return [run for run in found if len(run) >= 60]


def minutes_by_month(
    found_runs: Iterable[Sequence[int]], zone: str, *, counts: Callable[[int], bool]
) -> dict[str, int]:
    """Whole minutes of each run by the month in which each begins; `counts` says which seconds are left."""
    found: dict[str, int] = {}
    rules = ZoneInfo(zone)
    for run in found_runs:
        left = [second for second in run if counts(second)]
        for place in range(0, len(left) - 59, 60):
            month = f"{datetime.fromtimestamp(left[place], rules):%Y-%m}"
            found[month] = found.get(month, 0) + 1
    return found
