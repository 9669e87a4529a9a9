"""A figure: what was measured, and whether it is within its target."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the bench. `target` is written as people read it; `met` is None where none is set."""

    name: str
    value: float
    unit: str
    target: str
    met: bool | None

    def line(self) -> str:
        """The figure as JSON."""
        return json.dumps(asdict(self))


def at_most(name: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that may reach its limit."""
    return Figure(name, round(value, 3), unit, f"<= {limit:g}", value <= limit)


def below(name: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that must stay below its limit."""
    return Figure(name, round(value, 3), unit, f"< {limit:g}", value < limit)


def report(name: str, value: float, unit: str) -> Figure:
    """A figure without a target."""
    return Figure(name, round(value, 3), unit, "report", None)


def median(values: Sequence[float]) -> float:
    """The middle of several measurements."""
    return statistics.median(values)
