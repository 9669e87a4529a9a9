"""How long one decision takes: told, not judged, since the machine may be busy."""

import statistics
import time
from collections.abc import Callable

from builders import CATALOGUE, NOW, body
from dedicated.api.resource import parse_instance
from dedicated.reconcile.plan import plan
from reconcile.simulation import Cluster

ROUNDS = 30


def test_the_time_of_a_plan_at_rest_is_reported(record_property: Callable[[str, object], None]) -> None:
    cluster = Cluster(body())
    cluster.stand()
    observed, settled = cluster.observed(), cluster.settled
    instance = parse_instance(cluster.body)
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        decided = plan(instance, observed, catalogue=CATALOGUE, now=NOW, settled=settled)
        took.append((time.perf_counter() - started) * 1000)
        assert decided.actions == ()
    record_property("plan_at_rest_median_ms", round(statistics.median(took), 3))
