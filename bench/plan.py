"""Time of `plan()` for one instance at rest: what every event of a fleet costs. Run: `python -m bench.plan`.

In a process of its own, on a snapshot made by the tests' simulation; the median of 200 passes, without
records, with two years of them under nightly windows, with a database that an engine runs, and with a way
in and its limiter.
"""

import time
from collections.abc import Sequence

from bench.figure import below, median
from builders import NOW, body
from contract.clock_facts import two_years
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.api.resource import parse_instance
from dedicated.contract.dates import Month
from dedicated.contract.facts import Fact
from dedicated.reconcile.plan import plan
from reconcile.simulation import Cluster
from reconcile.test_plan_limiter import stood
from reconcile.test_plan_recovery import report as told
from reconcile.test_plan_recovery import stand, tell

ROUNDS = 200
WINDOWS: list[JsonValue] = [
    {"recurrence": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "start": "02:00", "duration": "4h"}
]
NIGHTLY: Manifest = {"plan": "Advanced", "maintenance": {"windows": WINDOWS}}


def measure(spec: Manifest, facts: Sequence[Fact]) -> float:
    """Median milliseconds of a pass that finds nothing to do."""
    found = body()
    cluster = Cluster({**found, "spec": {**get_map(found, "spec"), **spec}})
    cluster.stand()
    cluster.facts |= {fact.name: fact for fact in facts}
    cluster.server.now = NOW
    cluster.settle()
    return _median(cluster)


def measure_managed() -> float:
    """The same where an engine runs the database, and its agent has just reported."""
    cluster = stand()
    tell(cluster, told(cluster.server.now))
    return _median(cluster)


def measure_edge() -> float:
    """The same where a way in leads to a limiter, which is rolled out."""
    return _median(stood())


def _median(cluster: Cluster) -> float:
    instance, observed = parse_instance(cluster.body), cluster.observed()
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        decided = plan(
            instance,
            observed,
            catalogue=cluster.catalogue,
            now=cluster.server.now,
            settled=cluster.settled,
        )
        took.append((time.perf_counter() - started) * 1000)
        if decided.actions:
            raise RuntimeError("the instance of the bench is not at rest")
    return median(took)


if __name__ == "__main__":
    print(below("plan_one_instance", measure({}, ()), "ms", 2).line())
    records = two_years(Month(2026, 2))
    print(below("plan_one_instance_with_two_years_of_records", measure(NIGHTLY, records), "ms", 3).line())
    print(below("plan_one_instance_with_recovery", measure_managed(), "ms", 2).line())
    print(below("plan_one_instance_with_edge", measure_edge(), "ms", 2).line())
