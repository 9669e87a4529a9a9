"""What the operator tells: events on transitions, figures for Prometheus, logs for machines, no secrets."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster.observing import wait_stalled
from cluster.standing import SIMULATED, Standing, events_of, stand, stand_simulated, until
from dedicated.api.conditions import TYPES, parse_time
from dedicated.api.json import get_int, get_list, get_str
from dedicated.api.objects import INSTANCE
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


def samples(at: Standing, name: str) -> list[tuple[dict[str, str], float]]:
    """All samples of a metric: labels and value."""
    status, text = at.operator.http("/metrics")
    assert status == 200
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    ]


def shown(at: Standing) -> dict[str, str]:
    """Condition -> status, as the metrics have it."""
    found = samples(at, "dedicated_instance_condition")
    ours = [(labels, value) for labels, value in found if labels["namespace"] == at.namespace]
    assert len(ours) == 3 * len({labels["condition"] for labels, _ in ours})
    return {labels["condition"]: labels["status"] for labels, value in ours if value == 1}


def since(at: Standing) -> dict[tuple[str, str, str], float]:
    """Condition, status and reason -> Unix time of the last transition, as the metrics have it."""
    found = samples(at, "dedicated_instance_condition_last_transition_timestamp_seconds")
    return {
        (labels["condition"], labels["status"], labels["reason"]): value
        for labels, value in found
        if labels["namespace"] == at.namespace
    }


def told(at: Standing) -> dict[str, str]:
    """Condition -> status, as the object has it."""
    return {
        get_str(item, "type"): get_str(item, "status")
        for item in get_list(at.body(), "status", "conditions")
    }


def reasons(at: Standing) -> list[str]:
    """Reasons of all events of the operator, sorted."""
    return sorted(get_str(event, "reason") for event in events_of(at.api, at.namespace))


def test_transitions_are_told_once(
    cluster: Cluster, crds: None, namespace: str, database: str, run_operator: RunOperator
) -> None:
    at = stand(cluster, namespace, database, run_operator)
    until(lambda: "Ready" in reasons(at), "the event Ready")
    at.rest()
    first = events_of(at.api, namespace)
    assert len({get_str(event, "reason") for event in first}) == len(first), reasons(at)
    (ready,) = (event for event in first if get_str(event, "reason") == "Ready")
    assert get_str(ready, "type") == "Normal"
    assert get_str(ready, "regarding", "uid") == get_str(at.body(), "metadata", "uid")
    assert not [event for event in first if get_str(event, "type") == "Warning"]

    at.api.patch(INSTANCE, namespace, "acme", {"spec": {"release": {"version": "v9.9.9"}}})
    wait_stalled(at.api, namespace, "ReleaseUnknown")
    until(lambda: "Stalled" in reasons(at), "the event Stalled")
    at.rest()
    told_of = [event for event in events_of(at.api, namespace) if get_str(event, "type") == "Warning"]
    assert sorted(get_str(event, "reason") for event in told_of) == ["NotReady", "Stalled"]
    assert all(get_int(event, "series", "count") == 0 for event in told_of)
    labels = {"namespace": namespace, "name": "acme", "code": "ReleaseUnknown", "party": "Provider"}
    assert samples(at, "dedicated_instance_findings") == [(labels, 1.0)]
    shown_by_kubectl = cluster.kubectl("-n", namespace, "describe", "di", "acme")
    assert "ReleaseUnknown" in shown_by_kubectl


def test_metrics_and_logs(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    assert shown(at) == told(at)
    assert set(shown(at)) == set(TYPES)
    assert since(at) == {
        (get_str(item, "type"), get_str(item, "status"), get_str(item, "reason")): parsed.timestamp()
        for item in get_list(at.body(), "status", "conditions")
        if (parsed := parse_time(get_str(item, "lastTransitionTime"))) is not None
    }
    (info,) = samples(at, "dedicated_instance_info")
    assert (info[0]["version"], info[0]["plan"]) == ("v4.15.2", "Standard")
    assert samples(at, "dedicated_operator_leader") == [({}, 1.0)]
    assert samples(at, "dedicated_operator_events_dropped_total") == [({}, 0.0)]
    passes = samples(at, "dedicated_operator_reconcile_total")
    assert sum(value for labels, value in passes if labels["result"] == "error") == 0

    for line in at.operator.logs():
        assert {"timestamp", "level", "logger", "message"} <= line.keys(), line
        assert get_str(line, "level") in {"debug", "info", "warning"}, line

    at.api.delete(INSTANCE, at.namespace, "acme")
    until(lambda: not samples(at, "dedicated_instance_condition"), "no series of what is gone")

