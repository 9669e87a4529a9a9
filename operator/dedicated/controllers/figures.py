"""What metrics say of instances, read from the statuses that passes decided.

Figures are kept by key and rendered at each scrape, so that an instance that goes takes all its series with
it. Labels are bounded: condition types, reasons and codes of findings are words of the program, never texts.
Dates are Unix times: a date that a scrape repeats is still right, an age is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import Key
from dedicated.api.record import Gate
from dedicated.contract.runs import Standing
from dedicated.controllers.limit_figures import LimitFigures, limit_families, limit_figures
from dedicated.controllers.maintenance_figures import (
    LABELS,
    MaintenanceFigures,
    maintenance_families,
    maintenance_figures,
)
from dedicated.controllers.recovery_figures import (
    RecoveryFigures,
    recovery_families,
    recovery_figures,
)

STATUSES = ("True", "False", "Unknown")


@dataclass(frozen=True, slots=True)
class ConditionFigures:
    """A condition's status, the reason of it, and since when it has that status (Unix time)."""

    status: str
    reason: str
    since: float | None


@dataclass(frozen=True, slots=True)
class FindingFigures:
    """Findings of one code and party: how many, and the first deadline (Unix time)."""

    count: int
    deadline: float | None


@dataclass(frozen=True, slots=True)
class ServiceLevelFigures:
    """The current month: parts of it (0 to 1) by figure, times in seconds.

    `allowed` is None where there is no objective, `down_since` (Unix time) where no downtime goes on.
    """

    uptime: Mapping[str, float]
    downtime: float
    unknown: float
    allowed: float | None
    down_since: float | None


@dataclass(frozen=True, slots=True)
class InstanceFigures:
    """What metrics say of one instance.

    Conditions by type, findings by code and party, the next date by clause and party, the begin of the next
    slot and the end of the certificate (Unix times). A field that the status does not tell is empty or None.
    """

    conditions: Mapping[str, ConditionFigures]
    findings: Mapping[tuple[str, str], FindingFigures]
    dates: Mapping[tuple[str, str], float]
    slot: float | None
    maintenance: MaintenanceFigures
    service_level: ServiceLevelFigures | None
    recovery: RecoveryFigures | None
    limits: LimitFigures | None
    certificate: float | None
    version: str
    plan: str


def figures_of(
    body: Manifest, status: Manifest, requests: Sequence[Standing] = (), gates: tuple[Gate, ...] = ()
) -> InstanceFigures:
    """The figures of an instance by the status decided for it, written yet or not, and by its requests of
    maintenance; `gates` are the answers to the one whose turn it is."""
    slots = get_list(status, "maintenance", "nextSlots")
    return InstanceFigures(
        conditions={
            get_str(item, "type"): ConditionFigures(
                get_str(item, "status"),
                get_str(item, "reason"),
                _timestamp(get_str(item, "lastTransitionTime")),
            )
            for item in get_list(status, "conditions")
        },
        findings=_findings(status),
        dates=_dates(status),
        slot=_timestamp(get_str(slots[0], "start")) if slots else None,
        maintenance=maintenance_figures(status, requests, gates),
        service_level=_service_level(get_map(status, "serviceLevel")),
        recovery=recovery_figures(get_map(status, "recovery")),
        limits=limit_figures(get_map(status, "rateLimit")),
        certificate=_timestamp(get_str(status, "edge", "certificateNotAfter")),
        version=get_str(status, "summary", "version"),
        plan=get_str(get_map(body, "spec"), "plan"),
    )


def _findings(status: Manifest) -> dict[tuple[str, str], FindingFigures]:
    deadlines: dict[tuple[str, str], list[float | None]] = {}
    for item in get_list(status, "findings"):
        kind = (get_str(item, "code"), get_str(item, "responsible"))
        deadlines.setdefault(kind, []).append(_timestamp(get_str(item, "deadline")))
    return {
        kind: FindingFigures(len(found), min((at for at in found if at is not None), default=None))
        for kind, found in deadlines.items()
    }


def _dates(status: Manifest) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for item in get_list(status, "maintenance", "nextDates"):
        at = _timestamp(get_str(item, "at"))
        kind = (get_str(item, "clause"), get_str(item, "responsible"))
        if at is not None:
            found[kind] = min(at, found.get(kind, at))
    return found


def _service_level(level: Manifest) -> ServiceLevelFigures | None:
    month = get_map(level, "current")
    if not month:
        return None
    return ServiceLevelFigures(
        uptime={figure: float(Decimal(get_str(month, figure)) / 100) for figure in ("contract", "observed")},
        downtime=get_int(month, "downtimeMinutes") * 60.0,
        unknown=get_int(month, "unknownMinutes") * 60.0,
        allowed=get_int(month, "allowedMinutes") * 60.0 if "allowedMinutes" in month else None,
        down_since=_timestamp(get_str(level, "downSince")),
    )


def _timestamp(text: str) -> float | None:
    instant = parse_time(text)
    return instant.timestamp() if instant is not None else None


class InstanceCollector(Collector):
    """The series of all instances."""

    def __init__(self) -> None:
        self._figures: dict[Key, InstanceFigures] = {}

    def show(self, key: Key, figures: InstanceFigures) -> None:
        """Take over an instance's figures."""
        self._figures[key] = figures

    def drop(self, key: Key) -> None:
        """The instance is gone."""
        self._figures.pop(key, None)

    def clear(self) -> None:
        """Nothing is known any more."""
        self._figures.clear()

    def collect(self) -> Iterator[Metric]:
        """All series, for one scrape. May run in another thread."""
        figures = dict(self._figures)
        yield _info(figures)
        yield from _conditions(figures)
        yield from _finding_families(figures)
        yield from _date_families(figures)
        yield from maintenance_families({key: found.maintenance for key, found in figures.items()})
        yield from _service_level_families(figures)
        yield from recovery_families({key: found.recovery for key, found in figures.items()})
        yield from limit_families({key: found.limits for key, found in figures.items()})
        yield _certificate(figures)


def _info(instances: Mapping[Key, InstanceFigures]) -> Metric:
    info = GaugeMetricFamily(
        "dedicated_instance_info",
        "Always 1; what the instance is, in labels.",
        labels=(*LABELS, "version", "plan"),
    )
    for key, figures in instances.items():
        info.add_metric((key.namespace, key.name, figures.version, figures.plan), 1)
    return info


def _conditions(instances: Mapping[Key, InstanceFigures]) -> tuple[Metric, Metric]:
    condition = GaugeMetricFamily(
        "dedicated_instance_condition",
        "1 for the status that a condition of the instance has, 0 for the others.",
        labels=(*LABELS, "condition", "status"),
    )
    since = GaugeMetricFamily(
        "dedicated_instance_condition_last_transition_timestamp_seconds",
        "Since when the condition has its status, which a label says, beside the reason.",
        labels=(*LABELS, "condition", "status", "reason"),
    )
    for key, figures in instances.items():
        for name, actual in figures.conditions.items():
            labels = (key.namespace, key.name, name)
            for status in STATUSES:
                condition.add_metric((*labels, status), float(status == actual.status))
            if actual.since is not None:
                since.add_metric((*labels, actual.status, actual.reason), actual.since)
    return condition, since


def _finding_families(instances: Mapping[Key, InstanceFigures]) -> tuple[Metric, Metric]:
    labels = (*LABELS, "code", "party")
    findings = GaugeMetricFamily(
        "dedicated_instance_findings", "Findings of the instance, by code and who must act.", labels=labels
    )
    deadline = GaugeMetricFamily(
        "dedicated_instance_finding_deadline_timestamp_seconds",
        "The first deadline of these findings, where one has any.",
        labels=labels,
    )
    for key, figures in instances.items():
        for (code, party), found in figures.findings.items():
            values = (key.namespace, key.name, code, party)
            findings.add_metric(values, found.count)
            if found.deadline is not None:
                deadline.add_metric(values, found.deadline)
    return findings, deadline


def _date_families(instances: Mapping[Key, InstanceFigures]) -> tuple[Metric, Metric]:
    date = GaugeMetricFamily(
        "dedicated_instance_next_date_timestamp_seconds",
        "The next date of the contract, by clause and who must act before it.",
        labels=(*LABELS, "clause", "party"),
    )
    slot = GaugeMetricFamily(
        "dedicated_instance_next_slot_timestamp_seconds",
        "When the next slot for maintenance begins.",
        labels=LABELS,
    )
    for key, figures in instances.items():
        for kind, at in figures.dates.items():
            date.add_metric((key.namespace, key.name, *kind), at)
        if figures.slot is not None:
            slot.add_metric((key.namespace, key.name), figures.slot)
    return date, slot


def _certificate(instances: Mapping[Key, InstanceFigures]) -> Metric:
    until = GaugeMetricFamily(
        "dedicated_instance_certificate_not_after_timestamp_seconds",
        "Until when the certificate of the way in is valid; absent where there is none, or it is not known.",
        labels=LABELS,
    )
    for key, figures in instances.items():
        if figures.certificate is not None:
            until.add_metric((key.namespace, key.name), figures.certificate)
    return until


def _service_level_families(instances: Mapping[Key, InstanceFigures]) -> tuple[Metric, ...]:
    uptime = GaugeMetricFamily(
        "dedicated_instance_uptime_ratio",
        "This month's uptime by the contract, and as it was observed, if nothing fails any more.",
        labels=(*LABELS, "figure"),
    )
    downtime, unknown, allowed = (
        GaugeMetricFamily(f"dedicated_instance_{name}_seconds", text, labels=LABELS)
        for name, text in (
            ("downtime", "This month's downtime by the contract."),
            ("unmeasured", "Time of this month that was not measured."),
            ("allowed_downtime", "Downtime that the objective leaves room for this month."),
        )
    )
    down = GaugeMetricFamily(
        "dedicated_instance_down_since_timestamp_seconds",
        "Begin of a downtime that goes on; absent where none does.",
        labels=LABELS,
    )
    for key, figures in instances.items():
        if (found := figures.service_level) is None:
            continue
        labels = (key.namespace, key.name)
        for figure, value in found.uptime.items():
            uptime.add_metric((*labels, figure), value)
        downtime.add_metric(labels, found.downtime)
        unknown.add_metric(labels, found.unknown)
        if found.allowed is not None:
            allowed.add_metric(labels, found.allowed)
        if found.down_since is not None:
            down.add_metric(labels, found.down_since)
    return uptime, downtime, unknown, allowed, down
