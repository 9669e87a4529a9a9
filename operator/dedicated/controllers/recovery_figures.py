"""What metrics say of an instance's recoverability, by the status decided for it.

Instants, as in the status, which follows the agent's reports every 5 minutes. The figures of the second
(`dedicated_backup_*`, `dedicated_database_*`) are the agent's own: each metric has one owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric

from dedicated.api.conditions import parse_time
from dedicated.api.duration import parse_duration
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import Key
from dedicated.controllers.maintenance_figures import LABELS


@dataclass(frozen=True, slots=True)
class RecoveryFigures:
    """The objective in seconds; when it was measured, and the newest recoverable point (Unix times)."""

    objective: float
    measured: float | None
    newest: float | None


def recovery_figures(found: Manifest) -> RecoveryFigures | None:
    """By `status.recovery`; None where there is none."""
    objective = get_str(found, "objective")
    if not objective:
        return None
    return RecoveryFigures(
        objective=parse_duration(objective).total_seconds(),
        measured=_timestamp(get_str(found, "measuredAt")),
        newest=_timestamp(get_str(found, "newestRecoverablePoint")),
    )


def recovery_families(instances: Mapping[Key, RecoveryFigures | None]) -> tuple[Metric, ...]:
    """The series of all instances that a recovery agent reports of."""
    objective, measured, newest = (
        GaugeMetricFamily(f"dedicated_instance_{name}", text, labels=LABELS)
        for name, text in (
            ("recovery_objective_seconds", "What may be lost when all copies of the database are."),
            ("recovery_measured_timestamp_seconds", "When it was measured what could be restored."),
            (
                "newest_recoverable_point_timestamp_seconds",
                "Nothing committed until then is lost; absent where no backup can be restored.",
            ),
        )
    )
    for key, found in instances.items():
        if found is None:
            continue
        labels = (key.namespace, key.name)
        objective.add_metric(labels, found.objective)
        for family, at in ((measured, found.measured), (newest, found.newest)):
            if at is not None:
                family.add_metric(labels, at)
    return objective, measured, newest


def _timestamp(text: str) -> float | None:
    instant = parse_time(text)
    return instant.timestamp() if instant is not None else None
