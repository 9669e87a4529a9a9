"""What the limiter's agent tells Prometheus (docs/metrics.md). No address is among it, and no path."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from dedicated.agents.limiter.state import State
from dedicated.contract.limiter_report import Phase

PHASES: tuple[Phase, ...] = ("Waiting", "Applying", "Applied", "Rejected")
Values: TypeAlias = dict[tuple[str, ...], float]
"""A value for each combination of the values of the labels."""
Figure: TypeAlias = tuple[str, str, tuple[str, ...], Values]


class LimiterCollector(Collector):
    """All figures of one replica, with namespace, name and replica as labels."""

    def __init__(self, state: State, *, labels: dict[str, str]) -> None:
        self._state = state
        self._labels = labels

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """The figures of now."""
        for name, text, labels, values in self._gauges():
            gauge = GaugeMetricFamily(name, text, labels=[*self._labels, *labels])
            for key, value in values.items():
                gauge.add_metric([*self._labels.values(), *key], value)
            yield gauge
        for name, text, labels, values in self._counters():
            counter = CounterMetricFamily(name, text, labels=[*self._labels, *labels])
            for key, value in values.items():
                counter.add_metric([*self._labels.values(), *key], value)
            yield counter

    def _gauges(self) -> Iterator[Figure]:
        state, seen, by_class = self._state, self._state.figures, ("class",)
        bans: Values = {("ui",): seen.bans.ui, ("api",): seen.bans.api}
        yield "dedicated_limiter_bans", "Clients banned now.", by_class, bans
        tracked: Values = {("ui",): seen.tracked.ui, ("api",): seen.tracked.api}
        yield "dedicated_limiter_tracked_clients", "Clients counted now.", by_class, tracked
        yield (
            "dedicated_limiter_client_room",
            "Clients of a class that there is room for.",
            (),
            {(): seen.room},
        )
        phases: Values = {(phase,): float(phase == state.phase) for phase in PHASES}
        yield "dedicated_limiter_phase", "How far what is wanted is: 1 at one of them.", ("phase",), phases
        text = "Other replicas whose counts are not heard."
        yield "dedicated_limiter_replicas_apart", text, (), {(): seen.apart}
        if (proof := state.proof) is not None:
            text = "1 where the last proof found the limits of the policy."
            yield "dedicated_limiter_proof_passed", text, (), {(): float(proof.passed)}
            text = "When the limits in force were last proven, or found to be others."
            yield "dedicated_limiter_proof_timestamp_seconds", text, (), {(): proof.at.timestamp()}
        quantiles = {"0.5": state.latencies.quantile(0.5), "0.99": state.latencies.quantile(0.99)}
        latency: Values = {(name,): found / 1000 for name, found in quantiles.items() if found is not None}
        text = "Time to the last byte of an answer, of a sample of the last minute."
        yield "dedicated_limiter_latency_seconds", text, ("quantile",), latency
        text = "Share of a sample of requests whose client's address is the cluster's or a proxy's."
        yield "dedicated_limiter_from_cluster_ratio", text, (), {(): state.latencies.near()}

    def _counters(self) -> Iterator[Figure]:
        ever = self._state.figures.ever
        requests: Values = {("ui",): ever.requests.ui, ("api",): ever.requests.api}
        yield "dedicated_limiter_requests", "Requests, refused ones among them.", ("class",), requests
        failed: Values = {("ui",): ever.failed.ui, ("api",): ever.failed.api}
        yield "dedicated_limiter_failed", "Requests answered with 5xx.", ("class",), failed
        refused: Values = {
            ("ui", "limited"): ever.refused.ui_limited,
            ("ui", "banned"): ever.refused.ui_banned,
            ("api", "limited"): ever.refused.api_limited,
            ("api", "banned"): ever.refused.api_banned,
        }
        text = "Requests refused, or in shadow mode those that would have been."
        yield "dedicated_limiter_refused", text, ("class", "reason"), refused


def make_registry(collector: LimiterCollector) -> CollectorRegistry:
    """A registry of its own."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry
