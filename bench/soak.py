"""`python -m bench.soak [--minutes 30] [--seed N]`: an operator under churn and faults; what creeps?

Instances with simulated pods are changed, damaged, deleted and made again while the fault proxy answers
some requests wrongly, late or not at all, ends watches, silences them, and is away for 15 s now and then.
Every ten seconds the process is looked at. At the end there is calm: what is then left over, is a leak.
One JSON line per figure on standard output, progress on standard error; exit code 1 where a target was
missed.
"""

import argparse
import contextlib
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench import stage as scene
from bench.figure import Figure, at_most, below, report
from bench.stage import NAME, Stage, until
from bench.weather import Weather
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_map
from dedicated.api.objects import DEPLOYMENT, INSTANCE, SERVICE
from faultproxy import FaultProxy, fault_proxy
from testbed import operator_process
from testbed.client import ApiError
from testbed.operator_process import OperatorProcess, Settings

CROWD = 20
SAMPLE_SECONDS = 10.0
CHURN_SECONDS = 3.0
CALM_SECONDS = 90.0
OUTAGE_EVERY, OUTAGE_SECONDS = 300.0, 15.0
"""Shorter than the leader may go without renewing its lease: handover is another test's matter."""
STALL_EVERY = 420.0
NOTICE_SECONDS = 140.0
"""From silence on all watches to watches that hear again: 70 s without a bookmark, and up to a minute until
the next one on a new watch."""
GRAIN = 1.5
"""MB: Python asks for arenas of 1 MiB; one more, in the middle of the window, is a trend of so much."""
BLOCKS_PERCENT = 3.0
"""Blocks of Python's objects that may come to be in the last two thirds: what the churn leaves in the
cluster (200 records) and in bounded memories."""
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment. `at` in seconds since the start, `rss` in MB."""

    at: float
    rss: float
    tasks: int
    blocks: int
    threads: int
    files: int
    health: int
    oldest_watch: float


@dataclass(slots=True)
class Soak:
    """A run under way."""

    stage: Stage
    operator: OperatorProcess
    proxy: FaultProxy
    weather: Weather
    dice: random.Random
    began: float
    samples: list[Sample] = field(default_factory=list)
    changes: int = 0
    outages: int = 0
    noticed: list[float] = field(default_factory=list)
    """Seconds from each great silence to watches that hear again."""
    unsettled: bool = False
    """Whether not everything came to rest in the calm."""
    unsaid: int = 0
    """Great silences that `/healthz` did not show as ages of watches."""


def main() -> int:
    """Soak; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="of churn and faults; default 30")
    parser.add_argument("--seed", type=int, default=0, help="of the churn and the faults; default 0")
    options = parser.parse_args()
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {text}", file=sys.stderr, flush=True)

    missed = 0
    with _set_up(options.seed, say) as soak:
        _storm(soak, options.minutes * 60.0)
        for figure in _figures(soak, calm=_calm(soak)):
            print(figure.line(), flush=True)
            missed += figure.met is False
    say(f"done; {missed} targets missed")
    return 1 if missed else 0


@contextlib.contextmanager
def _set_up(seed: int, say: Callable[[str], None]) -> Iterator[Soak]:
    dice = random.Random(seed)
    weather = Weather(random.Random(dice.random()))
    with (
        scene.set_up(say) as stage,
        fault_proxy(server=stage.cluster.state.server, ca=stage.cluster.ca, policy=weather) as proxy,
    ):
        settings = Settings(stage.home, (), server=proxy.url)
        stage.operator = operator_process.start(stage.cluster, settings, stage.folder)
        stage.hold(CROWD)
        yield Soak(stage, stage.operator, proxy, weather, dice, time.monotonic())


def _storm(soak: Soak, seconds: float) -> None:
    """Churn and faults until the time is over."""
    over = threading.Event()
    churning = threading.Thread(target=_churn, args=(soak, over), name="churn")
    soak.weather.bad = True
    churning.start()
    next_outage, next_stall = OUTAGE_EVERY / 2, STALL_EVERY / 2
    try:
        while (now := time.monotonic() - soak.began) < seconds:
            if now >= next_outage:
                soak.proxy.outage(OUTAGE_SECONDS)
                soak.outages, next_outage = soak.outages + 1, now + OUTAGE_EVERY
            if now >= next_stall:
                _silence(soak)
                next_stall = now + STALL_EVERY
            _sample(soak)
            over.wait(SAMPLE_SECONDS)
    finally:
        over.set()
        churning.join()
        soak.weather.bad = False


def _silence(soak: Soak) -> None:
    """Silence every open watch, and see that `/healthz` shows it and the operator helps itself."""
    soak.weather.bad = False
    count, began = soak.proxy.stall_watches(), time.monotonic()
    oldest = 0.0

    def hears_again() -> bool:
        nonlocal oldest
        _sample(soak)
        oldest = max(oldest, soak.samples[-1].oldest_watch)
        return oldest > 30.0 and soak.samples[-1].oldest_watch < 30.0

    took = until("watches that hear again", hears_again, seconds=NOTICE_SECONDS * 2, every=1.0)
    soak.noticed.append(time.monotonic() - began)
    soak.unsaid += oldest <= 30.0
    soak.stage.say(f"{count} watches silenced: shown up to {oldest:.0f} s, heard again after {took:.0f} s")
    soak.weather.bad = True


def _calm(soak: Soak) -> Sample:
    """No faults, no churn: everything comes to rest, then one more look."""
    soak.stage.say("calm")
    for namespace in soak.stage.crowd:  # one that took its time to go was not made again
        soak.stage.create_instance(namespace)
    try:
        soak.stage.rest(soak.stage.crowd)
    except AssertionError as error:  # a figure of its own: half an hour of samples is not thrown away for it
        soak.stage.say(str(error)[:500])
        soak.unsettled = True
    time.sleep(CALM_SECONDS)
    _sample(soak)
    return soak.samples[-1]


def _churn(soak: Soak, over: threading.Event) -> None:
    acts = (_label, _edit, _delete_child, _scale, _delete_and_create)
    while not over.wait(CHURN_SECONDS * soak.dice.uniform(0.5, 1.5)):
        namespace = soak.dice.choice(soak.stage.crowd)
        try:
            soak.dice.choice(acts)(soak, namespace)
        except (ApiError, AssertionError) as error:  # what is not there now is there later
            soak.stage.say(f"churn in {namespace}: {error}"[:200])
        soak.changes += 1


def _label(soak: Soak, namespace: str) -> None:
    body: Manifest = {"metadata": {"labels": {"example.test/soak": str(soak.changes)}}}
    soak.stage.cluster.api.patch(INSTANCE, namespace, NAME, body, manager="somebody")


def _edit(soak: Soak, namespace: str) -> None:
    body: JsonValue = [{"op": "replace", "path": "/spec/ports/0/port", "value": 9999}]
    soak.stage.cluster.api.patch(
        SERVICE, namespace, f"{NAME}-server", body, content="json", manager="somebody"
    )


def _delete_child(soak: Soak, namespace: str) -> None:
    kind, name = soak.dice.choice([(SERVICE, f"{NAME}-login"), (DEPLOYMENT, f"{NAME}-login")])
    soak.stage.cluster.api.delete(kind, namespace, name)


def _scale(soak: Soak, namespace: str) -> None:
    body: Manifest = {"spec": {"server": {"resources": {"requests": {"cpu": f"{soak.changes % 90 + 10}m"}}}}}
    soak.stage.cluster.api.patch(INSTANCE, namespace, NAME, body, manager="user")


def _delete_and_create(soak: Soak, namespace: str) -> None:
    soak.stage.cluster.api.delete(INSTANCE, namespace, NAME)
    soak.stage.cluster.api.wait_for(
        INSTANCE, namespace, NAME, lambda found: found is None, timeout=NOTICE_SECONDS, what="deleted"
    )
    soak.stage.create_instance(namespace)


def _sample(soak: Soak) -> None:
    process = psutil.Process(soak.operator.process.pid)
    told = _told(soak.operator)
    status, text = soak.operator.http("/healthz")
    watches = get_map(as_manifest(json.loads(text)), "watches") if status else {}
    ages = [float(str(get_map(watches, name).get("ageSeconds", 0))) for name in watches]
    soak.samples.append(
        Sample(
            at=time.monotonic() - soak.began,
            rss=process.memory_info().rss / MEGABYTE,
            tasks=told["tasks"],
            blocks=told["python_blocks"],
            threads=process.num_threads(),
            files=process.num_fds(),
            health=status,
            oldest_watch=max(ages, default=0.0),
        )
    )
    if len(soak.samples) % 12 == 0:
        soak.stage.say(str(soak.samples[-1]))


def _told(operator: OperatorProcess) -> dict[str, int]:
    """The gauges without labels, by what follows `dedicated_operator_` in their names."""
    return {
        sample.name.removeprefix("dedicated_operator_"): int(sample.value)
        for family in text_string_to_metric_families(operator.http("/metrics")[1])
        for sample in family.samples
        if family.type == "gauge" and not sample.labels
    }


def _figures(soak: Soak, *, calm: Sample) -> Iterator[Figure]:
    first = soak.samples[0]
    later = [sample for sample in soak.samples if sample.at > calm.at / 3]
    slope, noise = trend([(sample.at, sample.rss) for sample in later])
    window = later[-1].at - later[0].at
    yield report("soak_minutes", calm.at / 60.0, "minutes")
    yield report("soak_changes", soak.changes, "changes")
    yield report("soak_faults", soak.weather.faults, "faults")
    yield report("soak_outages", soak.outages, "outages of 15 s")
    yield report("soak_rss_start", first.rss, "MB")
    yield report("soak_rss_end", calm.rss, "MB")
    yield report("soak_blocks_start", first.blocks, "blocks of Python's objects")
    yield report("soak_rss_noise", noise, "MB, standard deviation around the trend")
    yield at_most("soak_rss_drift", slope * window, "MB over the last two thirds", max(GRAIN, 2 * noise))
    more, _ = trend([(sample.at, sample.blocks) for sample in later])
    percent = 100.0 * more * window / first.blocks
    yield at_most("soak_blocks_drift", percent, "% over the last two thirds", BLOCKS_PERCENT)
    yield at_most("soak_tasks_more_at_rest", calm.tasks - first.tasks, "tasks", 0)
    yield at_most("soak_threads_more_at_rest", calm.threads - first.threads, "threads", 2)
    yield at_most("soak_files_more_at_rest", calm.files - first.files, "open files", 8)
    yield at_most("soak_not_at_rest_in_the_calm", int(soak.unsettled), "runs", 0)
    yield at_most("soak_unhealthy", sum(sample.health != 200 for sample in soak.samples), "answers", 0)
    yield at_most("soak_silence_unsaid", soak.unsaid, "silences", 0)
    yield below("soak_silence_ended", max(soak.noticed, default=0.0), "seconds", NOTICE_SECONDS)
    yield at_most("soak_not_ended_by_itself", int(soak.operator.process.poll() is not None), "ends", 0)


def trend(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope of the regression line, and the standard deviation of the points around it."""
    line = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    rest = [y - line.slope * x - line.intercept for x, y in points]
    return line.slope, statistics.pstdev(rest)


if __name__ == "__main__":
    sys.exit(main())
