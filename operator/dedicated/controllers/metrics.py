"""What the operator tells Prometheus, in a registry of its own. All of it is in docs/metrics.md."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dedicated.controllers.figures import InstanceCollector

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Measuring:
    """What is told of measuring service levels."""

    probes: Counter
    until: Gauge

    def count(self, source: str, outcome: str) -> None:
        """For the measurer."""
        self.probes.labels(source=source, outcome=outcome).inc()


@dataclass(frozen=True, slots=True)
class Metrics:
    """All metrics of one process. Times are in seconds."""

    registry: CollectorRegistry
    instances: InstanceCollector
    reconciles: Counter
    reconcile_seconds: Histogram
    queue_depth: Gauge
    queue_oldest: Gauge
    api_requests: Counter
    api_seconds: Histogram
    leader: Gauge
    watch_age: Gauge
    tasks: Gauge
    blocks: Gauge
    events_dropped: Counter
    upgrade_waiting: Gauge
    upgrade_objects: Gauge
    upgrade_turn: Gauge
    measuring: Measuring

    def observe_request(self, verb: str, plural: str, code: int, seconds: float) -> None:
        """For the API client; code 0 stands for no answer."""
        self.api_requests.labels(verb=verb, resource=plural, code=str(code)).inc()
        # The length of a watch says nothing about the API server.
        if verb != "watch":
            self.api_seconds.labels(verb=verb, resource=plural).observe(seconds)

    def watch_queue(self, *, depth: Callable[[], int], oldest: Callable[[], float]) -> None:
        """Read the queue at each scrape."""
        self.queue_depth.set_function(depth)
        self.queue_oldest.set_function(oldest)

    def watch_tasks(self, count: Callable[[], int]) -> None:
        """Count the event loop's tasks at each scrape."""
        self.tasks.set_function(count)

    def watch_line(self, *, instances: Callable[[], float], objects: Callable[[], float]) -> None:
        """Read at each scrape what waits for its turn after an upgrade of the operator."""
        self.upgrade_waiting.set_function(instances)
        self.upgrade_objects.set_function(objects)

    def watch_heartbeat(self, resource: str, age: Callable[[], float]) -> None:
        """Read a watch's age at each scrape."""
        self.watch_age.labels(resource=resource).set_function(age)

    def forget_term(self) -> None:
        """A standby knows no instance and has no watch; what was counted stays."""
        self.instances.clear()
        self.watch_age.clear()
        self.upgrade_turn.clear()
        self.watch_line(instances=lambda: 0, objects=lambda: 0)


def make_metrics() -> Metrics:
    """Fresh metrics in a fresh registry."""
    registry = CollectorRegistry()
    instances = InstanceCollector()
    registry.register(instances)
    name = "dedicated_operator"
    gauge = partial(Gauge, registry=registry)
    return Metrics(
        registry=registry,
        instances=instances,
        reconciles=Counter(f"{name}_reconcile", "Passes over an instance.", ("result",), registry=registry),
        reconcile_seconds=Histogram(
            f"{name}_reconcile_duration_seconds", "Duration of a pass.", buckets=BUCKETS, registry=registry
        ),
        queue_depth=gauge(f"{name}_queue_depth", "Instances that wait for a pass."),
        queue_oldest=gauge(f"{name}_queue_oldest_seconds", "How long the first in the queue has waited."),
        api_requests=Counter(
            f"{name}_api_requests",
            "Requests to the API server; code 0: no answer.",
            ("verb", "resource", "code"),
            registry=registry,
        ),
        api_seconds=Histogram(
            f"{name}_api_request_duration_seconds",
            "Duration of requests to the API server, watches apart.",
            ("verb", "resource"),
            buckets=BUCKETS,
            registry=registry,
        ),
        leader=gauge(f"{name}_leader", "1 where this process leads."),
        watch_age=gauge(
            f"{name}_watch_heartbeat_age_seconds",
            "Seconds since the last list, event or bookmark of a watch.",
            ("resource",),
        ),
        tasks=gauge(f"{name}_tasks", "Tasks of the event loop: more of them at rest is a leak."),
        blocks=_blocks(registry, name),
        events_dropped=Counter(f"{name}_events_dropped", "Events not told.", registry=registry),
        upgrade_waiting=gauge(
            f"{name}_upgrade_waiting_instances",
            "Instances that this operator changes and that wait for their turn.",
        ),
        upgrade_objects=gauge(f"{name}_upgrade_waiting_objects", "Objects of these instances that change."),
        measuring=_measuring(name, registry),
        upgrade_turn=gauge(
            f"{name}_upgrade_turn_seconds",
            "How long the instance that has its turn has had it.",
            ("namespace", "name"),
        ),
    )


def _measuring(name: str, registry: CollectorRegistry) -> Measuring:
    return Measuring(
        probes=Counter(
            f"{name}_probes",
            "Probes of the public names, by Core Service and what came of them.",
            ("source", "outcome"),
            registry=registry,
        ),
        until=Gauge(
            f"{name}_measured_until_timestamp_seconds",
            "Until when it is written down that was measured.",
            registry=registry,
        ),
    )


def _blocks(registry: CollectorRegistry, name: str) -> Gauge:
    """Read at each scrape."""
    blocks = Gauge(
        f"{name}_python_blocks",
        "Blocks of memory that Python's objects hold: more memory without more of them is the allocator's.",
        registry=registry,
    )
    blocks.set_function(sys.getallocatedblocks)
    return blocks
