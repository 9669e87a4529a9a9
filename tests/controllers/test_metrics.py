"""The names that dashboards rely on, and series that go with their instance."""

import re

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from alerts.exported import Family, families
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import Key
from dedicated.controllers.figures import figures_of
from dedicated.controllers.metrics import make_metrics
from testbed.home import CHECKOUT


def scrape(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def standard(**status: JsonValue) -> tuple[Manifest, Manifest]:
    """The body and the decided status of an instance of the plan Standard."""
    return {"spec": {"plan": "Standard"}}, {"summary": {"version": "v4.15.2"}, **status}


def ready(status: str, reason: str) -> list[JsonValue]:
    """A list of one condition."""
    since = "1970-01-01T00:20:34Z"
    return [{"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": since}]


def test_conditions_are_one_of_three_and_leave_with_the_instance() -> None:
    metrics = make_metrics()
    acme = Key("a", "acme")
    metrics.instances.show(acme, figures_of(*standard(conditions=ready("True", "Ready"))))
    body, status = standard(summary={"version": "v4.15.3"}, conditions=ready("Unknown", "NotProbed"))
    metrics.instances.show(acme, figures_of(body, status))
    metrics.instances.show(Key("b", "other"), figures_of(*standard()))
    told = scrape(metrics.registry)
    for name, value in (("True", "0.0"), ("False", "0.0"), ("Unknown", "1.0")):
        labels = f'{{condition="Ready",name="acme",namespace="a",status="{name}"}}'
        assert f"dedicated_instance_condition{labels} {value}" in told
    since = [line for line in told if line.startswith("dedicated_instance_condition_last_transition")]
    labels = '{condition="Ready",name="acme",namespace="a",reason="NotProbed",status="Unknown"}'
    assert since == [f"dedicated_instance_condition_last_transition_timestamp_seconds{labels} 1234.0"]
    assert 'dedicated_instance_info{name="acme",namespace="a",plan="Standard",version="v4.15.3"} 1.0' in told
    assert not any("v4.15.2" in line and "acme" in line for line in told)
    metrics.instances.drop(acme)
    assert not any("acme" in line for line in scrape(metrics.registry))
    assert any("other" in line for line in scrape(metrics.registry))


def test_findings_are_counted_by_code_and_party_with_the_first_deadline() -> None:
    metrics = make_metrics()
    due: Manifest = {"code": "ResolutionDue", "responsible": "Customer", "message": "at length"}
    findings: list[JsonValue] = [
        {**due, "deadline": "1970-01-01T02:00:00Z"},
        {**due, "deadline": "1970-01-01T01:00:00Z"},
        due,
        {"code": "ZonesUnknown", "responsible": "Provider"},
    ]
    metrics.instances.show(Key("a", "acme"), figures_of(*standard(findings=findings)))
    told = scrape(metrics.registry)
    ours = '{code="ResolutionDue",name="acme",namespace="a",party="Customer"}'
    theirs = '{code="ZonesUnknown",name="acme",namespace="a",party="Provider"}'
    assert [line for line in told if "finding" in line] == [
        f"dedicated_instance_findings{ours} 3.0",
        f"dedicated_instance_findings{theirs} 1.0",
        f"dedicated_instance_finding_deadline_timestamp_seconds{ours} 3600.0",
    ]
    metrics.instances.show(Key("a", "acme"), figures_of(*standard()))
    assert not any("finding" in line for line in scrape(metrics.registry))


def test_dates_are_the_first_of_a_clause_and_party() -> None:
    metrics = make_metrics()
    theirs: Manifest = {"clause": "M-7", "responsible": "Customer"}
    dates: list[JsonValue] = [
        {**theirs, "at": "1970-01-01T01:00:00Z"},
        {**theirs, "at": "1970-01-01T02:00:00Z"},
        {"clause": "M-3", "responsible": "Provider", "at": "1970-01-01T03:00:00Z"},
    ]
    slots: list[JsonValue] = [{"start": "1970-01-01T04:00:00Z"}, {"start": "1970-01-01T05:00:00Z"}]
    body, status = standard(maintenance={"nextDates": dates, "nextSlots": slots})
    metrics.instances.show(Key("a", "acme"), figures_of(body, status))
    date, ours = "dedicated_instance_next_date_timestamp_seconds", 'name="acme",namespace="a"'
    assert [line for line in scrape(metrics.registry) if "_next_" in line] == [
        f'{date}{{clause="M-7",{ours},party="Customer"}} 3600.0',
        f'{date}{{clause="M-3",{ours},party="Provider"}} 10800.0',
        f"dedicated_instance_next_slot_timestamp_seconds{{{ours}}} 14400.0",
    ]


def test_the_service_level_is_in_seconds_and_parts_of_one() -> None:
    metrics = make_metrics()
    month: Manifest = {
        "contract": "99.950",
        "observed": "99.900",
        "downtimeMinutes": 21,
        "unknownMinutes": 40,
    }
    down: Manifest = {"current": {**month, "allowedMinutes": 43}, "downSince": "1970-01-01T01:00:00Z"}
    levels: dict[str, Manifest] = {"none": {"current": month}, "acme": down}
    for name, level in levels.items():
        body, status = standard(serviceLevel=level)
        metrics.instances.show(Key("a", name), figures_of(body, status))
    told = scrape(metrics.registry)
    ours = 'name="acme",namespace="a"}'
    for line in (
        f'dedicated_instance_uptime_ratio{{figure="contract",{ours} 0.9995',
        f'dedicated_instance_uptime_ratio{{figure="observed",{ours} 0.999',
        f"dedicated_instance_downtime_seconds{{{ours} 1260.0",
        f"dedicated_instance_unmeasured_seconds{{{ours} 2400.0",
        f"dedicated_instance_allowed_downtime_seconds{{{ours} 2580.0",
        f"dedicated_instance_down_since_timestamp_seconds{{{ours} 3600.0",
    ):
        assert line in told
    assert not any(("allowed" in line or "down_since" in line) and "none" in line for line in told)


def test_the_documentation_has_every_metric_with_type_and_labels() -> None:
    text = (CHECKOUT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(dedicated_\w+)` \| (\w+) \|([^|]*)\| ", text, re.MULTILINE)
    documented = {
        name: Family(kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    assert documented == families()


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


def test_blocks_of_python_are_read_at_each_scrape() -> None:
    registry = make_metrics().registry
    before = registry.get_sample_value("dedicated_operator_python_blocks")
    kept = [object() for _ in range(100_000)]
    after = registry.get_sample_value("dedicated_operator_python_blocks")
    assert before is not None
    assert after is not None
    assert after - before > len(kept) / 2


def test_probes_are_counted_by_service_and_outcome() -> None:
    metrics = make_metrics()
    metrics.measuring.count("Keys", "Failed")
    told = scrape(metrics.registry)
    assert 'dedicated_operator_probes_total{outcome="Failed",source="Keys"} 1.0' in told
