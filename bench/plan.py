"""Time of `plan()` for one instance at rest: what every event of a fleet costs. Run: `python -m bench.plan`.

In a process of its own, on a snapshot made by the tests' simulation; the median of 200 passes.
"""

import time

from bench.figure import below, median
from builders import body
from dedicated.api.resource import parse_instance
from dedicated.reconcile.plan import plan
from reconcile.simulation import Cluster

ROUNDS = 200


def measure() -> float:
    """Median milliseconds of a pass that finds nothing to do."""
    cluster = Cluster(body())
    cluster.stand()
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
    print(below("plan_one_instance", measure(), "ms", 2).line())
