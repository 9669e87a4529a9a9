"""What metrics say of an instance's maintenance: what waits, what is scheduled, what runs, how it ended.

Only what there is becomes a series: an instance at rest has one of its last run, and one or two of the next.
Kinds, results and gates are words of the program.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_list, get_str
from dedicated.api.objects import Key
from dedicated.api.record import Gate
from dedicated.contract.facts import Request
from dedicated.contract.gates import failed
from dedicated.contract.runs import Standing, next_to_run

LABELS = ("namespace", "name")


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The maintenance that runs, or else the next one: the begin of its slot, since when it runs, when that
    should be over (Unix times). `gate` is the one that keeps it from starting in its slot, or empty."""

    kind: str
    slot: float
    since: float | None
    due: float | None
    gate: str


@dataclass(frozen=True, slots=True)
class LastRun:
    """The run that ended last, and when (Unix time)."""

    kind: str
    result: str
    at: float


@dataclass(frozen=True, slots=True)
class MaintenanceFigures:
    """`pending` are the changes that wait for a slot, by kind, `latest` is the first date (Unix time) before
    which one of them has to be done."""

    pending: Mapping[str, int]
    latest: float | None
    run: RunFigures | None
    last: LastRun | None


def maintenance_figures(
    status: Manifest, requests: Sequence[Standing], gates: tuple[Gate, ...]
) -> MaintenanceFigures:
    """By the status decided and by the requests; `gates` are the answers to the one whose turn it is."""
    waiting = get_list(status, "pendingActions")
    dates = [at.timestamp() for item in waiting if (at := parse_time(get_str(item, "atTheLatest")))]
    return MaintenanceFigures(
        pending=dict(Counter(get_str(item, "kind") for item in waiting)),
        latest=min(dates, default=None),
        run=_run(requests, gates),
        last=_last(item.request for item in requests),
    )


def _run(requests: Sequence[Standing], gates: tuple[Gate, ...]) -> RunFigures | None:
    scheduled = [item for item in requests if item.phase == "Scheduled"]
    found = next_to_run(requests) or min(scheduled, key=_begin, default=None)
    if found is None or found.slot is None:
        return None
    held = failed(gates)
    since = found.started if found.phase == "Running" else None
    due = min(since + found.request.notified.duration, found.slot.end) if since else None
    return RunFigures(
        kind=found.request.notified.kind,
        slot=found.slot.start.timestamp(),
        since=since.timestamp() if since else None,
        due=due.timestamp() if due else None,
        gate=held.gate if held else "",
    )


def _begin(found: Standing) -> float:
    return found.slot.start.timestamp() if found.slot else float("inf")


def _last(requests: Iterable[Request]) -> LastRun | None:
    ended: list[tuple[datetime, str, str]] = []
    for request in requests:
        ended += [(at, request.notified.kind, "Failed") for at in request.failures]
        ended += [(request.completed, request.notified.kind, "Completed")] if request.completed else []
    at, kind, result = max(ended, default=(None, "", ""))
    return LastRun(kind, result, at.timestamp()) if at is not None else None


def maintenance_families(instances: Mapping[Key, MaintenanceFigures]) -> tuple[Metric, ...]:
    """The series of all instances."""
    pending, latest = _pending_families(instances)
    gate = _gauge("gate_failed", "1 for the gate that keeps a run from starting in its slot.", "gate")
    last = _gauge("last_run_timestamp_seconds", "When the run that ended last did.", "kind", "result")
    slot, since, due = (
        _gauge(f"{name}_timestamp_seconds", text, "kind")
        for name, text in (
            ("slot", "Begin of the slot of the maintenance that runs, else of the one that is next."),
            ("run_since", "Since when a maintenance runs; absent where none does."),
            (
                "run_due",
                "When the run should be over: after the time announced, at the latest with its slot.",
            ),
        )
    )
    for key, figures in instances.items():
        labels = (key.namespace, key.name)
        if figures.last is not None:
            last.add_metric((*labels, figures.last.kind, figures.last.result), figures.last.at)
        if (run := figures.run) is None:
            continue
        slot.add_metric((*labels, run.kind), run.slot)
        for family, at in ((since, run.since), (due, run.due)):
            if at is not None:
                family.add_metric((*labels, run.kind), at)
        if run.gate:
            gate.add_metric((*labels, run.gate), 1)
    return pending, latest, slot, since, due, gate, last


def _pending_families(instances: Mapping[Key, MaintenanceFigures]) -> tuple[GaugeMetricFamily, ...]:
    pending = GaugeMetricFamily(
        "dedicated_instance_pending_actions",
        "Changes that wait for a slot of maintenance, by kind.",
        labels=(*LABELS, "kind"),
    )
    latest = GaugeMetricFamily(
        "dedicated_instance_pending_actions_latest_timestamp_seconds",
        "The first date before which one of them has to be done.",
        labels=LABELS,
    )
    for key, figures in instances.items():
        labels = (key.namespace, key.name)
        for kind, count in figures.pending.items():
            pending.add_metric((*labels, kind), count)
        if figures.latest is not None:
            latest.add_metric(labels, figures.latest)
    return pending, latest


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"dedicated_instance_maintenance_{name}", text, labels=(*LABELS, *labels))
