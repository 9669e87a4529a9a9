"""What metrics say of an instance's recoverability, by the status decided for it.

Instants, as in the status, which follows the agent's reports every 5 minutes. The figures of the second
(`dedicated_backup_*`, `dedicated_database_*`) are the agent's own: each metric has one owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric

from dedicated.api.conditions import parse_time
from dedicated.api.duration import parse_duration
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import Key
from dedicated.controllers.maintenance_figures import LABELS


@dataclass(frozen=True, slots=True)
class RecoveryFigures:
    """The objective in seconds; when it was measured, and the newest recoverable point (Unix times).

    Of the last drill: when it was over, whether it passed, and for how many seconds it restored.
    """

    objective: float
    measured: float | None
    newest: float | None
    drilled: float | None = None
    passed: float | None = None
    took: float | None = None


def recovery_figures(found: Manifest) -> RecoveryFigures | None:
    """By `status.recovery`; None where there is none."""
    objective = get_str(found, "objective")
    if not objective:
        return None
    drill = get_map(found, "lastDrill")
    took = get_str(drill, "took")
    return RecoveryFigures(
        objective=parse_duration(objective).total_seconds(),
        measured=_timestamp(get_str(found, "measuredAt")),
        newest=_timestamp(get_str(found, "newestRecoverablePoint")),
        drilled=_timestamp(get_str(drill, "at")),
        passed=float(drill.get("passed") is True) if drill else None,
        took=parse_duration(took).total_seconds() if took and took != "0s" else None,
    )


def recovery_families(instances: Mapping[Key, RecoveryFigures | None]) -> tuple[Metric, ...]:
    """The series of all instances that a recovery agent reports of."""
    objective, measured, newest, drilled, passed, took = (
        GaugeMetricFamily(f"dedicated_instance_{name}", text, labels=LABELS)
        for name, text in (
            ("recovery_objective_seconds", "What may be lost when all copies of the database are."),
            ("recovery_measured_timestamp_seconds", "When it was measured what could be restored."),
            (
                "newest_recoverable_point_timestamp_seconds",
                "Nothing committed until then is lost; absent where no backup can be restored.",
            ),
            ("last_drill_timestamp_seconds", "When the last restore that was tried out was over."),
            ("last_drill_success", "1 where it brought all back, else 0."),
            ("last_drill_restore_seconds", "How long it restored, until recovery had ended."),
        )
    )
    for key, found in instances.items():
        if found is None:
            continue
        labels = (key.namespace, key.name)
        objective.add_metric(labels, found.objective)
        told = (
            (measured, found.measured),
            (newest, found.newest),
            (drilled, found.drilled),
            (passed, found.passed),
            (took, found.took),
        )
        for family, value in told:
            if value is not None:
                family.add_metric(labels, value)
    return objective, measured, newest, drilled, passed, took


def _timestamp(text: str) -> float | None:
    instant = parse_time(text)
    return instant.timestamp() if instant is not None else None
