"""Figures that verdicts share, each beside the target of the promise. Pure."""

from scenarios.measures import acknowledged, asked, failed, first_told, instant, kinds, longest, lost, steady
from scenarios.model import Figure
from scenarios.record import Measurement, State

TOLD = 15.0
"""Seconds from a fault until the status says so."""
HEALED = 30.0
"""Seconds from its healing until the status says so."""


def at_most(name: str, value: float | None, unit: str, limit: float) -> Figure:
    """A figure that may reach its limit, and misses it where it never came about."""
    return Figure(name, _short(value), unit, f"<= {limit:g}", value is not None and value <= limit)


def below(name: str, value: float | None, unit: str, limit: float) -> Figure:
    """A figure that must stay below its limit, and misses it where it never came about."""
    return Figure(name, _short(value), unit, f"< {limit:g}", value is not None and value < limit)


def told(name: str, value: float | None, unit: str) -> Figure:
    """A figure without a target."""
    return Figure(name, _short(value), unit, "report", None)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def load(measurement: Measurement) -> tuple[Figure, ...]:
    """How much was asked, and how much of it failed: without a target."""
    return (
        told("requests", asked(measurement), "requests"),
        told("failed requests", failed(measurement), "requests"),
    )


def nothing_lost(measurement: Measurement) -> tuple[Figure, ...]:
    """No acknowledged write may be lost; missed as well where none was acknowledged or nobody could count."""
    writes = len(acknowledged(measurement))
    count = lost(measurement)
    return (
        told("acknowledged writes", writes, "writes"),
        at_most("acknowledged writes lost", count if writes else None, "writes", 0),
    )


def no_failure(measurement: Measurement) -> tuple[Figure, ...]:
    """No request may fail, and some were made."""
    count = failed(measurement) if asked(measurement) else None
    whole = told("requests", asked(measurement), "requests")
    return (whole, at_most("failed requests", count, "requests", 0))


def outage(measurement: Measurement, limit: float | None) -> tuple[Figure, ...]:
    """The longest outage of any kind below a limit (0: none at all), and that of each kind."""
    value = longest(measurement) if asked(measurement) else None
    by_kind = [
        told(f"outage of {kind}s", longest(measurement, kind), "s")
        for kind in kinds(measurement)
    ]
    if limit is None:
        return (told("longest outage", value, "s"), *by_kind)
    judged = at_most if limit == 0 else below
    return (judged("longest outage", value, "s", limit), *by_kind)


def honest(
    measurement: Measurement, *signs: str, good: str = "True", subject: str = "instance", number: int = 0
) -> tuple[Figure, ...]:
    """From the fault to the first sign of it, and from the last healing until all signs are good again.

    A sign is the name of a state of the subject; it tells when it is anything but `good`.
    """
    fault, heal = instant(measurement, "fault", number), instant(measurement, "heal", -1)

    def tells(state: State) -> bool:
        return state.subject == subject and state.name in signs and state.value != good

    after = None if fault is None else first_told(measurement.states, tells, since=fault)
    figures = (below("fault to condition", after, "s", TOLD),)
    if heal is None:
        return figures
    back = [
        steady(measurement.states, subject=subject, name=sign, value=good, since=heal)
        for sign in signs
        if any((one.subject, one.name) == (subject, sign) for one in measurement.states)
    ]
    known = [one for one in back if one is not None]
    whole = max(known) if known and len(known) == len(back) else None
    return (*figures, below("heal to condition", whole, "s", HEALED))
