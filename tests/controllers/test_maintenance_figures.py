"""Series of maintenance: what there is, of the run whose turn it is, and of the one that ended last."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from alerts.exported import AT, HELD, standing
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import Key
from dedicated.api.record import Gate
from dedicated.contract.runs import Standing
from dedicated.controllers.figures import figures_of
from dedicated.controllers.metrics import make_metrics
from reconcile.maintaining import REQUEST, SLOT, announced, at
from reconcile.simulation import Cluster

PREFIX = "dedicated_instance_"
DAY = timedelta(days=1)
HOUR = 3600.0
BEGIN = AT.timestamp()


def told(registry: CollectorRegistry) -> dict[str, float]:
    """The series of maintenance: what follows the prefix, without the instance's labels -> value."""
    found = {}
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith((f"{PREFIX}maintenance_", f"{PREFIX}pending_")):
            series, value = line.removeprefix(PREFIX).rsplit(" ", 1)
            labels = series.replace('name="acme",namespace="a"', "").replace(",,", ",")
            found[labels.replace("{,", "{").replace(",}", "}").removesuffix("{}")] = float(value)
    return found


def scraped(*requests: Standing, gates: tuple[Gate, ...] = (), **status: JsonValue) -> dict[str, float]:
    metrics = make_metrics()
    metrics.instances.show(Key("a", "acme"), figures_of({}, status, requests, gates))
    return told(metrics.registry)


def test_an_instance_without_any_has_no_series() -> None:
    assert scraped(pendingActions=[]) == {}
    assert scraped(standing("Announced")) == {}


def test_what_waits_is_counted_by_kind_with_the_first_date() -> None:
    change: Manifest = {"kind": "Change", "what": "Deployment/acme-server", "why": "an edit"}
    waiting: list[JsonValue] = [
        {**change, "atTheLatest": "1970-01-01T02:00:00Z"},
        {**change, "atTheLatest": "1970-01-01T01:00:00Z"},
        {**change, "kind": "Release"},
    ]
    assert scraped(pendingActions=waiting) == {
        'pending_actions{kind="Change"}': 2.0,
        'pending_actions{kind="Release"}': 1.0,
        "pending_actions_latest_timestamp_seconds": HOUR,
    }


def test_the_first_slot_is_told_of_what_is_scheduled() -> None:
    later, sooner = standing("Scheduled", begins=AT + DAY), standing("Scheduled", kind="Security")
    assert scraped(later, sooner) == {'maintenance_slot_timestamp_seconds{kind="Security"}': BEGIN}


def test_a_run_has_its_begin_and_when_it_should_be_over() -> None:
    assert scraped(standing("Scheduled"), standing("Running", kind="Security")) == {
        'maintenance_slot_timestamp_seconds{kind="Security"}': BEGIN,
        'maintenance_run_since_timestamp_seconds{kind="Security"}': BEGIN,
        'maintenance_run_due_timestamp_seconds{kind="Security"}': BEGIN + 2 * HOUR,
    }


@pytest.mark.parametrize(("result", "holds"), [("Failed", True), ("Passed", False), ("NotApplicable", False)])
def test_only_a_gate_that_fails_is_told(result: str, *, holds: bool) -> None:
    gate = Gate.model_validate({**HELD.model_dump(), "result": result})
    series = scraped(standing("Gates"), gates=(Gate(gate="Permission", result="Passed"), gate))
    assert ('maintenance_gate_failed{gate="ReplicasHealthy"}' in series) == holds


def test_the_run_that_ended_last_is_told_with_its_result() -> None:
    first = standing("Completed", completed=AT)
    second = standing("Failed", kind="Security", failed=AT + DAY)
    name = "maintenance_last_run_timestamp_seconds"
    last = {f'{name}{{kind="Security",result="Failed"}}': (AT + DAY).timestamp()}
    assert {key: value for key, value in scraped(first, second).items() if key.startswith(name)} == last
    again = standing("Completed", failed=AT, completed=AT + 2 * DAY)
    assert f'{name}{{kind="Regular",result="Completed"}}' in scraped(second, again)


def test_a_pass_tells_how_far_its_maintenance_is() -> None:
    cluster = announced()
    assert series_of(cluster) == {
        'pending_actions{kind="Release"}': 1.0,
        "pending_actions_latest_timestamp_seconds": 1779314400.0,
        'maintenance_slot_timestamp_seconds{kind="Regular"}': SLOT.timestamp(),
    }
    at(cluster, SLOT)
    runs = series_of(cluster)
    assert runs['maintenance_run_since_timestamp_seconds{kind="Regular"}'] == SLOT.timestamp()
    assert runs['maintenance_run_due_timestamp_seconds{kind="Regular"}'] == SLOT.timestamp() + 2 * HOUR
    assert cluster.asked[REQUEST]


def series_of(cluster: Cluster) -> dict[str, float]:
    decided = cluster.plan()
    metrics = make_metrics()
    figures = figures_of(cluster.body, decided.status or {}, decided.requests, decided.gates)
    metrics.instances.show(Key("a", "acme"), figures)
    return told(metrics.registry)
