"""How long one decision takes: told, not judged, since the machine may be busy."""

import statistics
import time
from collections.abc import Callable

import pytest

from builders import NOW, body
from contract.clock_facts import two_years
from dedicated.api.json import JsonValue, Manifest, as_manifest
from dedicated.contract.dates import Month
from dedicated.contract.facts import Fact
from reconcile.simulation import Cluster

ROUNDS = 30
NIGHTLY: Manifest = {"recurrence": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "start": "02:00", "duration": "4h"}
WINDOWS: list[JsonValue] = [NIGHTLY]


@pytest.mark.parametrize(
    ("name", "facts", "spec"),
    [
        ("plan_at_rest_median_ms", [], {}),
        (
            "plan_with_two_years_of_records_median_ms",
            two_years(Month(2026, 2)),
            {"plan": "Advanced", "maintenance": {"windows": WINDOWS}},
        ),
    ],
)
def test_the_time_of_a_plan_is_reported(
    name: str, facts: list[Fact], spec: Manifest, record_property: Callable[[str, object], None]
) -> None:
    found = body()
    found["spec"] = {**as_manifest(found["spec"]), **spec}
    cluster = Cluster(found)
    cluster.stand()
    cluster.facts |= {fact.name: fact for fact in facts}
    cluster.server.now = NOW
    cluster.settle()
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        decided = cluster.plan()
        took.append((time.perf_counter() - started) * 1000)
        assert decided.actions == ()
    record_property(name, round(statistics.median(took), 3))
