"""Multi-zonal high availability (S-2): ready only with at least two zones in real use, and judged by
one question: would the loss of any one zone be survived now?
"""

from collections.abc import Mapping
from dataclasses import dataclass

READY_ZONES = 2
"""Zones that must be in real use for an instance to be Ready (S-2; decision 11)."""


@dataclass(frozen=True, slots=True)
class ZoneUse:
    """Ready pods of one workload by zone name."""

    workload: str
    ready: Mapping[str, int]

    @property
    def zones(self) -> int:
        """Zones with at least one ready pod."""
        return sum(1 for count in self.ready.values() if count > 0)


def in_enough_zones(uses: tuple[ZoneUse, ...], *, needed: int = READY_ZONES) -> bool:
    """Whether every workload stands in as many zones as Ready asks for."""
    return all(use.zones >= needed for use in uses)


def survives_any_zone(uses: tuple[ZoneUse, ...]) -> tuple[bool, str]:
    """Whether each workload keeps a ready pod when any one zone is lost; and the figures as text."""
    figures = "; ".join(f"{use.workload} {_figures(use)}" for use in uses)
    return all(use.zones >= READY_ZONES for use in uses), figures


def _figures(use: ZoneUse) -> str:
    counts = ", ".join(f"{zone} {count}" for zone, count in sorted(use.ready.items()) if count > 0)
    if not counts:
        return "ready in no zone"
    return f"ready in {use.zones} zone{'' if use.zones == 1 else 's'} ({counts})"
