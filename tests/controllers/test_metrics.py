"""The names that dashboards rely on, and series that go with their instance."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from dedicated.api.objects import Key
from dedicated.controllers.metrics import InstanceFigures, make_metrics


def scrape(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_conditions_are_one_of_three_and_leave_with_the_instance() -> None:
    metrics = make_metrics()
    acme = Key("a", "acme")
    metrics.instances.show(acme, InstanceFigures({"Ready": "True"}, version="v4.15.2", plan="Advanced"))
    metrics.instances.show(acme, InstanceFigures({"Ready": "Unknown"}, version="v4.15.3", plan="Advanced"))
    metrics.instances.show(Key("b", "other"), InstanceFigures({}, version="v4.15.2", plan="Standard"))
    told = scrape(metrics.registry)
    for status, value in (("True", "0.0"), ("False", "0.0"), ("Unknown", "1.0")):
        labels = f'{{condition="Ready",name="acme",namespace="a",status="{status}"}}'
        assert f"dedicated_instance_condition{labels} {value}" in told
    assert 'dedicated_instance_info{name="acme",namespace="a",plan="Advanced",version="v4.15.3"} 1.0' in told
    assert not any("v4.15.2" in line and "acme" in line for line in told)
    metrics.instances.drop(acme)
    assert not any("acme" in line for line in scrape(metrics.registry))
    assert any("other" in line for line in scrape(metrics.registry))


def test_the_names_are_those_of_the_documentation() -> None:
    metrics = make_metrics()
    metrics.reconciles.labels(result="ok").inc()
    metrics.reconcile_seconds.observe(0.01)
    metrics.observe_request("apply", "secrets", 200, 0.1)
    metrics.observe_request("watch", "secrets", 200, 600.0)
    metrics.watch_queue(depth=lambda: 3, oldest=lambda: 1.5)
    metrics.watch_heartbeat("jobs", lambda: 12.0)
    metrics.events_dropped.inc()
    told = scrape(metrics.registry)
    for line in (
        'dedicated_operator_reconcile_total{result="ok"} 1.0',
        "dedicated_operator_reconcile_duration_seconds_count 1.0",
        "dedicated_operator_queue_depth 3.0",
        "dedicated_operator_queue_oldest_seconds 1.5",
        'dedicated_operator_api_requests_total{code="200",resource="secrets",verb="apply"} 1.0',
        'dedicated_operator_api_requests_total{code="200",resource="secrets",verb="watch"} 1.0',
        'dedicated_operator_api_request_duration_seconds_count{resource="secrets",verb="apply"} 1.0',
        "dedicated_operator_leader 0.0",
        'dedicated_operator_watch_heartbeat_age_seconds{resource="jobs"} 12.0',
        "dedicated_operator_events_dropped_total 1.0",
    ):
        assert line in told
    assert not any("request_duration" in line and "watch" in line for line in told)


def test_two_processes_in_one_test_do_not_share_a_registry() -> None:
    first, second = make_metrics(), make_metrics()
    first.leader.set(1)
    assert "dedicated_operator_leader 0.0" in scrape(second.registry)
