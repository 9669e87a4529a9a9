"""`python -m bench.scale [NUMBER]`: a whole fleet on the control plane, one JSON line per figure.

Created in one go, at rest, one label on all, the operator started again, one field changed on all, the first
of a month at which all ask for their maintenance at once, all deleted. What each step costs is read from the
processes themselves (psutil) and from the API server's own metrics, since operator, control plane and
simulated kubelets share the machine: who was busiest was the bottleneck. 1,000 instances take the better part
of an hour on two cores; try 50 first.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import psutil
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bench.figure import Figure, at_most, below, report
from bench.rest import resident
from bench.stage import NAME, Stage, is_applied, set_up, until
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_str
from dedicated.api.maintenance import CONTRACT_ZONE
from dedicated.api.objects import DEPLOYMENT, INSTANCE, MAINTENANCE
from dedicated.contract.dates import month_of
from dedicated.parts.keys import OPERATOR_KEY
from testbed.cluster import Request

A = TypeVar("A")
B = TypeVar("B")

FLEET = 1_000
PROGRAMS = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kwok")
PER_INSTANCE = 6.0
"""Seconds after which a step that touches each instance is given up, times their number."""
QUIET_SECONDS = 15.0
REST_SECONDS = 60.0
KEYS_SECONDS = 60.0
"""After a start: by then each instance's probes have read their key."""
LEAD_SECONDS = 150.0
LEAD_PER_INSTANCE = 0.2
"""Seconds from the start of an operator to the date: it comes to rest before, and rests."""
REPLICAS = 4
HANDS = 8
"""Requests at once with which the bench itself writes."""


@dataclass(slots=True)
class Meter:
    """What a step costs: wall clock, processor seconds by program, the operator's requests."""

    stage: Stage
    started: float = field(default_factory=time.monotonic)
    before: dict[str, float] = field(default_factory=dict)
    since: int = 0

    def __post_init__(self) -> None:
        self.before = self._cpu()
        self.since = self.stage.cluster.audit_position()

    def _cpu(self) -> dict[str, float]:
        pids = {name: self.stage.cluster.pid(name) for name in PROGRAMS}
        pids["operator"] = self.stage.running().process.pid
        return {name: _seconds(psutil.Process(pid)) for name, pid in pids.items()}

    @property
    def seconds(self) -> float:
        """Since the start of the step."""
        return time.monotonic() - self.started

    def figures(self, step: str) -> Iterator[Figure]:
        """Processor seconds of each program so far."""
        for name, now in self._cpu().items():
            yield report(f"{step}_cpu_{name.replace('-', '_')}", now - self.before[name], "seconds")

    def busy(self, program: str) -> float:
        """Processor seconds of one program so far."""
        return self._cpu()[program] - self.before[program]

    def writes(self) -> int:
        """Changing requests of the operator so far, as the audit log has them."""
        return len(self.stage.writes(self.since))


def measure(stage: Stage, number: int) -> Iterator[Figure]:
    """All steps in order."""
    stage.running()
    yield below("scale_rss_idle", resident(stage), "MB", 90)
    stage.crowd = _spread(lambda _: stage.new_namespace(), range(number))
    stage.say(f"{number} namespaces")
    yield report("scale_instances", number, "instances")
    yield from _created(stage)
    yield from _at_rest(stage)
    yield from _labelled(stage)
    yield from _restarted(stage)
    yield from _changed(stage)
    yield from _first_of_month(stage)
    yield from _deleted(stage)


def _created(stage: Stage) -> Iterator[Figure]:
    meter, latency = Meter(stage), _latency(stage)
    _spread(stage.create_instance, stage.crowd)
    stage.say(f"all applied after {meter.seconds:.0f} s")
    _all(stage, is_applied)
    yield report("scale_created_seconds", meter.seconds, "seconds")
    operator, server = meter.busy("operator"), meter.busy("kube-apiserver")
    yield from meter.figures("scale_created")
    yield below("scale_created_operator_cpu_per_api_server_cpu", operator / server, "ratio", 1)
    asked, took = (now - was for now, was in zip(_latency(stage), latency, strict=True))
    yield report("scale_created_api_requests_all_users", asked, "requests")
    yield report("scale_created_api_latency_mean", took / asked * 1000, "ms")
    _quiet(stage)
    yield report("scale_created_operator_writes", meter.writes(), "writes")
    yield report("scale_rss_after_creation", resident(stage), "MB")


def _at_rest(stage: Stage) -> Iterator[Figure]:
    time.sleep(KEYS_SECONDS)
    meter = Meter(stage)
    time.sleep(REST_SECONDS)
    yield report("scale_rest_cpu", meter.busy("operator") / meter.seconds * 100, "% of a core")
    asked = len(_asked(stage, meter.since))
    yield at_most("scale_rest_requests_beyond_lease_and_watch", asked, "requests", 0)


def _labelled(stage: Stage) -> Iterator[Figure]:
    meter = Meter(stage)
    body: Manifest = {"metadata": {"labels": {"example.test/bench": "1"}}}
    _spread(lambda space: stage.cluster.api.patch(INSTANCE, space, NAME, body, manager="x"), stage.crowd)
    _quiet(stage)
    yield at_most("scale_label_on_all_writes", meter.writes(), "writes", 0)


def _restarted(stage: Stage) -> Iterator[Figure]:
    stage.stopped()
    since, started = stage.cluster.audit_position(), time.monotonic()
    stage.running()
    ready = time.monotonic() - started
    busy = _quiet(stage)
    yield below("scale_restart_cpu", busy, "seconds", 10)
    yield below("scale_restart_rss", resident(stage), "MB", 130)
    yield at_most("scale_restart_writes", len(stage.writes(since)), "writes", 0)
    yield report("scale_restart_ready", ready, "seconds")
    yield report("scale_restart_requests", len(_asked(stage, since)), "requests")


def _changed(stage: Stage) -> Iterator[Figure]:
    meter = Meter(stage)
    body: Manifest = {"spec": {"login": {"replicas": REPLICAS}}}
    _spread(lambda space: stage.cluster.api.patch(INSTANCE, space, NAME, body, manager="x"), stage.crowd)
    _all(stage, partial(is_applied, login=REPLICAS))
    yield report("scale_change_seconds", meter.seconds, "seconds")
    yield from meter.figures("scale_change")
    _quiet(stage)
    yield report("scale_change_writes", meter.writes(), "writes")
    yield report("scale_rss_after_change", resident(stage), "MB")


def _first_of_month(stage: Stage) -> Iterator[Figure]:
    """A date of all instances' clocks (M-2), by a test clock that begins before it."""
    stage.stopped()
    number, started = len(stage.crowd), datetime.now(UTC).replace(microsecond=0)
    lead = timedelta(seconds=LEAD_SECONDS + LEAD_PER_INSTANCE * number)
    month = month_of(started, CONTRACT_ZONE).plus(1).start(CONTRACT_ZONE)
    steps = stage.folder / "steps.json"
    step: Manifest = {"since": rfc3339(started), "becomes": rfc3339(month - lead)}
    steps.write_text(json.dumps({"steps": [step]}))
    stage.extra = (f"--test-clock={steps}",)
    stage.running()
    _quiet(stage)
    time.sleep(KEYS_SECONDS)
    left = (started + lead - datetime.now(UTC)).total_seconds()
    if left < REST_SECONDS / 2:
        raise RuntimeError(f"the operator came to rest {left:.0f} s before the date: too late to tell")
    rest = Meter(stage)
    time.sleep(left - 1)
    asked = len(_asked(stage, rest.since))
    yield at_most("scale_month_requests_before_the_date", asked, "requests", 0)
    meter = Meter(stage)
    _until_all(stage, "all months asked for", partial(_all_announced, stage))
    yield report("scale_month_seconds", (datetime.now(UTC) - started - lead).total_seconds(), "seconds")
    _quiet(stage)
    yield report("scale_month_requests_per_instance", len(_asked(stage, meter.since)) / number, "requests")
    yield report("scale_month_writes_per_instance", meter.writes() / number, "writes")
    yield report("scale_month_cpu_operator", meter.busy("operator"), "seconds")


def _all_announced(stage: Stage) -> bool:
    phases = [get_str(item, "status", "phase") for item in stage.cluster.api.list(MAINTENANCE)]
    return sum(phase not in ("", "Pending") for phase in phases) == len(stage.crowd)


def _deleted(stage: Stage) -> Iterator[Figure]:
    meter = Meter(stage)
    _spread(lambda space: stage.cluster.api.delete(INSTANCE, space, NAME), stage.crowd)
    _until_all(stage, "no instance", lambda: not stage.cluster.api.list(INSTANCE))
    yield report("scale_deleted_seconds", meter.seconds, "seconds")
    _until_all(stage, "no Deployment", lambda: not stage.cluster.api.list(DEPLOYMENT))
    yield report("scale_deleted_children_seconds", meter.seconds, "seconds")
    yield from meter.figures("scale_deleted")
    yield report("scale_rss_after_deletion", resident(stage), "MB")


def _all(stage: Stage, holds: Callable[[Manifest], bool]) -> None:
    def done() -> bool:
        bodies = stage.cluster.api.list(INSTANCE)
        return sum(holds(body) for body in bodies) == len(stage.crowd)

    _until_all(stage, "all instances applied", done)


def _until_all(stage: Stage, what: str, holds: Callable[[], bool]) -> None:
    """Looking costs the API server a list of all: once in a while."""
    number = len(stage.crowd)
    until(what, holds, seconds=60 + PER_INSTANCE * number, every=max(0.5, number / 100))


def _quiet(stage: Stage) -> float:
    """Until the operator has asked for nothing for some time: its processor seconds at the last request.

    Read from the audit log: a scrape of a fleet's metrics is work that the operator would not have had. What
    the probes need is read by each instance in its own place of their first minute, and ends no silence.
    """
    position, last, busy = stage.cluster.audit_position(), time.monotonic(), _seconds(stage.process())

    def silent() -> bool:
        nonlocal position, last, busy
        end = stage.cluster.audit_position()
        if any(not request.name.endswith(OPERATOR_KEY) for request in _asked(stage, position)):
            last, busy = time.monotonic(), _seconds(stage.process())
        position = end
        return time.monotonic() - last > QUIET_SECONDS

    until("an operator at rest", silent, seconds=60 + PER_INSTANCE * len(stage.crowd), every=0.5)
    return busy


def _asked(stage: Stage, since: int) -> list[Request]:
    """The operator's requests after a position of the audit log, but for lease and watches."""
    found = stage.cluster.requests(since=since, user=stage.running().account)
    return [request for request in found if request.verb != "watch" and request.resource != "leases"]


def _latency(stage: Stage) -> tuple[float, float]:
    """Requests that the API server answered, of all users and watches apart, and the seconds it took."""
    text = stage.cluster.kubectl("get", "--raw", "/metrics")
    name = "apiserver_request_duration_seconds"
    count, seconds = (
        sum(s.value for s in _samples(text, f"{name}_{part}") if s.labels["verb"] not in ("WATCH", "CONNECT"))
        for part in ("count", "sum")
    )
    return count, seconds


def _samples(text: str, name: str) -> list[Sample]:
    """The samples of one name in a page of metrics; only its lines are parsed."""
    lines = "".join(line + "\n" for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
    return [sample for family in text_string_to_metric_families(lines) for sample in family.samples]


def _seconds(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


def _spread(work: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """The work on each item, some at once."""
    with ThreadPoolExecutor(HANDS) as hands:
        return list(hands.map(work, items))


def main() -> int:
    """Measure; the exit code: 1 where a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=FLEET, help="instances; default 1000")
    number = parser.parse_args().number
    started = time.monotonic()
    missed = 0

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text}", file=sys.stderr, flush=True)

    with set_up(say, answered=True) as stage:
        for figure in measure(stage, number):
            print(figure.line(), flush=True)
            say(f"{figure.name}: {figure.value} {figure.unit} (target {figure.target})")
            missed += figure.met is False
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
