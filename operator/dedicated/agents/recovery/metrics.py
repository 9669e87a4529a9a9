"""What the agent tells Prometheus. Seconds are reckoned at each scrape, from instants (docs/metrics.md)."""

import math
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dedicated.agents.recovery.knowledge import Knowledge
from dedicated.contract.failover import State, outage, standings, synchronous
from dedicated.contract.recovery.objectives import RecoveryObjectives

KINDS = {"full": "full", "differential": "diff", "incremental": "incr"}
TROUBLES = ("Database", "Repository", "Store", "Clock", "Record")
Figure = tuple[str, str, dict[str, float]]
"""Name, help, and a value for each value of the label `type` (empty: without that label)."""


class RecoveryCollector(Collector):
    """All figures of one instance, with its namespace and name as labels."""

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        clock: Callable[[], datetime],
        objectives: RecoveryObjectives,
        labels: dict[str, str],
        record_problem: Callable[[], str],
    ) -> None:
        self._known = knowledge
        self._clock = clock
        self._objectives = objectives
        self._labels = labels
        self._record_problem = record_problem

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The figures of now; what is not known is absent."""
        for name, text, values in (*self._exposure(), *self._backups(), *self._database(), self._trouble()):
            typed = list(values) != [""]
            family = GaugeMetricFamily(name, text, labels=[*self._labels, *(["type"] if typed else [])])
            for kind, value in values.items():
                family.add_metric([*self._labels.values(), *([kind] if typed else [])], value)
            yield family

    def _exposure(self) -> Iterator[Figure]:
        found, objective = self._known.found, self._objectives.disaster_rpo.total_seconds()
        yield "dedicated_backup_rpo_objective_seconds", "The disaster RPO in force.", {"": objective}
        if self._known.memory.latest is not None:
            at = self._known.memory.latest.at.timestamp()
            yield "dedicated_backup_sampled_timestamp_seconds", "Last sample of the primary.", {"": at}
        if found is None:
            return
        exposure = found.exposure(self._clock())
        seconds = math.inf if exposure is None else exposure.total_seconds()
        text = "How much would be lost if all copies of the database were lost now; infinite: all of it."
        yield "dedicated_backup_exposure_seconds", text, {"": seconds}
        missing = float(sum(gap.count for gap in found.gaps))
        yield "dedicated_backup_archive_gap_segments", "Segments missing in the archive.", {"": missing}
        text = "When the repository was listed."
        yield "dedicated_backup_listed_timestamp_seconds", text, {"": found.listed_at.timestamp()}

    def _backups(self) -> Iterator[Figure]:
        newest: dict[str, float] = {}
        for backup in self._known.listing.backups if self._known.listing else ():
            if not backup.failed:
                kind = KINDS[backup.kind]
                newest[kind] = max(newest.get(kind, 0), backup.completed.timestamp())
        if newest:
            yield "dedicated_backup_last_success_timestamp_seconds", "End of the newest backup.", newest

    def _database(self) -> Iterator[Figure]:
        followed, failover = self._known.replication, self._known.failover
        if followed is not None:
            text = "Standbys that stream on the primary's timeline and may acknowledge commits."
            yield "dedicated_database_sync_standbys", text, {"": float(len(synchronous(followed)))}
            states: dict[str, float] = dict.fromkeys(get_args(State), 0.0)
            for one in standings(followed, ()):
                states[one.state] += 1
            text = "Servers beside the primary by how they stand; only Streaming counts."
            yield "dedicated_database_standbys", text, states
            text = "Commits that wait for a synchronous standby for 2 s and longer."
            yield "dedicated_database_blocked_commits", text, {"": float(followed.blocked)}
        if failover is not None:
            text = "Between the last heartbeat before the last failover and the first after it."
            yield "dedicated_database_failover_outage_seconds", text, {"": outage(failover).total_seconds()}

    def _trouble(self) -> Figure:
        troubled = {trouble.what for trouble in self._known.troubles}
        values = {name: float(name in troubled) for name in TROUBLES}
        values["Record"] = float(bool(self._record_problem()))
        return "dedicated_recovery_agent_trouble", "1 where the agent cannot do its work with it.", values


def make_registry(collector: RecoveryCollector) -> CollectorRegistry:
    """A registry of its own."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry
