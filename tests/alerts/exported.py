"""The metrics that the operator really exports, one series of each, and what alerts and dashboard ask for."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from contract.recovery_facts import backup, listing
from dedicated.agents.limiter import metrics as limiter_metrics
from dedicated.agents.limiter.latency import Latencies, Line
from dedicated.agents.limiter.state import State
from dedicated.agents.recovery.clock import Clock
from dedicated.agents.recovery.knowledge import Knowledge
from dedicated.agents.recovery.metrics import RecoveryCollector, make_registry
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_str
from dedicated.api.maintenance_request import Phase
from dedicated.api.objects import Key
from dedicated.api.record import Gate
from dedicated.contract.facts import Kind, Notified, Request
from dedicated.contract.limiter_report import Proof
from dedicated.contract.recovery.objectives import CONTRACT
from dedicated.contract.recovery.points import recoverability
from dedicated.contract.recovery.report import Failover, Replication
from dedicated.contract.recovery.sampling import Memory, Sample
from dedicated.contract.recovery.wal import SEGMENT
from dedicated.contract.runs import RunSlot, Standing
from dedicated.controllers.figures import figures_of
from dedicated.controllers.metrics import make_metrics
from helm_charts import CHARTS, OPERATOR
from testbed.home import CHECKOUT

MONITORING = CHARTS / OPERATOR / "files" / "monitoring"
RULES = MONITORING / "rules.yaml"
DASHBOARD = MONITORING / "dashboard.json"
CASES = CHECKOUT / "tests" / "alerts"
STATUS: Manifest = {
    "summary": {"version": "v4.15.2"},
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "TooFewZonesInUse",
            "lastTransitionTime": "2026-03-01T12:00:00Z",
        }
    ],
    "findings": [
        {"code": "ResolutionDue", "responsible": "Customer", "deadline": "2026-03-06T12:00:00Z"},
        {"code": "ResolutionDue", "responsible": "Customer", "deadline": "2026-03-05T12:00:00Z"},
        {"code": "ResolutionDue", "responsible": "Customer"},
        {"code": "ZonesUnknown", "responsible": "Provider"},
    ],
    "maintenance": {
        "nextSlots": [{"start": "2026-03-08T02:00:00Z"}, {"start": "2026-04-12T02:00:00Z"}],
        "nextDates": [{"at": "2026-04-01T00:00:00Z", "clause": "M-7", "responsible": "Customer"}],
    },
    "pendingActions": [
        {"kind": "Release", "what": "ZITADEL", "why": "channel", "atTheLatest": "2026-05-20T22:00:00Z"}
    ],
    "serviceLevel": {
        "current": {
            "contract": "99.950",
            "observed": "99.900",
            "downtimeMinutes": 21,
            "unknownMinutes": 40,
            "allowedMinutes": 43,
        },
        "downSince": "2026-03-05T12:00:00Z",
    },
    "recovery": {
        "measuredAt": "2026-03-08T00:59:00Z",
        "objective": "1h",
        "newestRecoverablePoint": "2026-03-08T00:58:30Z",
        "lastDrill": {"at": "2026-03-07T03:20:00Z", "passed": True, "took": "2m"},
    },
    "rateLimit": {
        "policyHash": "aaaa567890abcdef",
        "limits": {"ui": {"limit": 606, "ban": 2727}, "api": {"limit": 3030, "ban": 9090}},
        "overrides": 2,
        "replicas": [
            {"name": "login-limiter-0", "observedHash": "aaaa567890abcdef", "phase": "Applied"},
            {"name": "login-limiter-1", "observedHash": "bbbb567890abcdef", "phase": "Applying"},
        ],
        "lastProof": {"at": "2026-03-08T00:00:00Z", "passed": True},
        "observed": {
            "requestsPerMinute": 1200,
            "failedPerMinute": 3,
            "refusedPerMinute": [{"class": "ui", "limited": 20, "banned": 0}],
            "bans": 1,
            "tracked": 1300,
            "room": 131072,
            "p99Milliseconds": 40,
        },
        "guarantee": "Kept",
    },
    "edge": {"kind": "Gateway", "certificateNotAfter": "2026-05-30T12:00:00Z"},
}
AT = datetime(2026, 3, 8, 1, 0, tzinfo=UTC)
HELD = Gate(gate="ReplicasHealthy", result="Failed", reason="server 2/3 ready")
TARGET_LABELS = frozenset({"cluster", "namespace", "job", "pod"})
"""Labels that Prometheus adds from the target, or that a fleet of Prometheis adds."""


def standing(
    phase: Phase,
    *,
    kind: Kind = "Regular",
    begins: datetime = AT,
    failed: datetime | None = None,
    completed: datetime | None = None,
) -> Standing:
    """A request of maintenance of 2 h, in a slot of 4 h; one that runs does so since its begin."""
    asked = Notified("n", AT - timedelta(days=7), "operator", "m", kind, timedelta(hours=2))
    return Standing(
        request=Request(asked, failures=(failed,) if failed else (), completed=completed),
        phase=phase,
        slot=RunSlot(begins, begins + timedelta(hours=4), "Window"),
        started=begins if phase == "Running" else None,
    )


@dataclass(frozen=True, slots=True)
class Family:
    """A metric as Prometheus names it: `counter`, `gauge` or `histogram`, and its labels."""

    type: str
    labels: frozenset[str]


def registry() -> CollectorRegistry:
    """The operator's registry with a series of every metric."""
    metrics = make_metrics()
    metrics.instances.show(
        Key("acme", "login"),
        figures_of({"spec": {"plan": "Standard"}}, STATUS, (standing("Gates", failed=AT),), (HELD,)),
    )
    metrics.instances.show(Key("acme", "other"), figures_of({}, {}, (standing("Running"),)))
    metrics.reconciles.labels(result="changed").inc()
    metrics.observe_request("apply", "secrets", 200, 0.1)
    metrics.watch_heartbeat("jobs", lambda: 12.0)
    metrics.measuring.count("Keys", "Good")
    metrics.upgrade_turn.labels(namespace="acme", name="login").set(1)
    return metrics.registry


def agent_registry() -> CollectorRegistry:
    """The recovery agent's registry with a series of every metric."""
    clock = Clock(wall=lambda: AT, monotonic=lambda: 0.0)
    known = Knowledge(incarnation="uid", clock=clock, monotonic=lambda: 0.0)
    full = replace(backup(3), started=AT, completed=AT)
    known.memory = Memory((Sample(AT, 8 * SEGMENT, 1),))
    known.listing = replace(listing({1: range(3, 9)}, full), at=AT)
    known.found = recoverability(known.listing, known.memory, now=AT)
    known.replication = Replication(AT, "db-0", 1, 71)
    known.failover = Failover(AT, AT, 1)
    labels = {"namespace": "acme", "name": "login"}
    return make_registry(
        RecoveryCollector(
            knowledge=known, clock=clock, objectives=CONTRACT, labels=labels, record_problem=lambda: ""
        )
    )


def limiter_registry() -> CollectorRegistry:
    """The limiter agent's registry with a series of every metric."""
    latencies = Latencies(lambda: 0.0)
    latencies.add(Line(200, 5, near=False))
    state = State(replica=0, now=lambda: AT, latencies=latencies)
    state.prove(Proof(AT, "a", passed=True))
    labels = {"namespace": "acme", "name": "login", "replica": "0"}
    return limiter_metrics.make_registry(limiter_metrics.LimiterCollector(state, labels=labels))


def _metrics() -> Iterator[Metric]:
    yield from registry().collect()
    yield from agent_registry().collect()
    yield from limiter_registry().collect()


def families() -> dict[str, Family]:
    """Every metric by its name, counters with their `_total`; operator's and agent's."""
    found: dict[str, Family] = {}
    for metric in _metrics():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = frozenset().union(*(frozenset(sample.labels) for sample in metric.samples))
        assert metric.samples, f"{name} has no series: fill it here"
        found[name] = Family(metric.type, labels - {"le"})
    return found


def series() -> dict[str, frozenset[str]]:
    """Every series by its name, with its labels."""
    return {
        sample.name: frozenset(sample.labels)
        for metric in _metrics()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


def rules() -> list[Manifest]:
    """All alerts of the chart."""
    document = as_manifest(yaml.safe_load(RULES.read_text()))
    return [as_manifest(rule) for group in get_list(document, "groups") for rule in get_list(group, "rules")]


def cases() -> list[Manifest]:
    """What promtool tests: each alert rule test with its expectation."""
    return [
        as_manifest(case)
        for path in sorted(CASES.glob("*.yaml"))
        for test in get_list(as_manifest(yaml.safe_load(path.read_text())), "tests")
        for case in get_list(test, "alert_rule_test")
    ]


def dashboard_queries() -> list[str]:
    """The dashboard's PromQL, its variables filled in."""
    found = [
        get_str(target, "expr")
        for panel in get_list(_dashboard(), "panels")
        for target in get_list(panel, "targets")
    ]
    for name, value in (("$__rate_interval", "2m"), ("$namespace", "acme|globex"), ("$name", "login")):
        found = [query.replace(name, value) for query in found]
    return found


def dashboard_variables() -> list[str]:
    """The queries of the dashboard's variables: no PromQL, but series in it."""
    return [get_str(item, "definition") for item in get_list(_dashboard(), "templating", "list")]


def selectors(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The series that a query names, each with the labels it selects by."""
    for name, inside in re.findall(r"\b(dedicated_\w+)(?:\{([^}]*)\})?", text):
        yield name, frozenset(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", inside))


def values_of(label: str) -> set[str]:
    """Every value that an alert or the dashboard selects a label by; of patterns, each alternative."""
    texts = [get_str(rule, "expr") for rule in rules()] + dashboard_queries()
    found = [value for text in texts for value in re.findall(rf'\b{label}(?:=~|!~|!=|=)"([^"]*)"', text)]
    return {alternative for value in found for alternative in value.split("|")}


def _dashboard() -> JsonValue:
    return as_manifest(json.loads(DASHBOARD.read_text()))
