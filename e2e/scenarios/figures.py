"""Figures that verdicts share, each beside the target of the promise. Pure."""

from collections.abc import Iterable

from clients.analysis import passed
from dedicated.api.conditions import parse_time
from dedicated.contract.rate_limits import Threshold
from scenarios.measures import (
    acknowledged,
    asked,
    failed,
    first_told,
    instant,
    kinds,
    longest,
    lost,
    steady,
    value_at,
)
from scenarios.model import Figure
from scenarios.record import DATABASE_SERVER, POINT, Measurement, State

TOLD = 15.0
"""Seconds from a fault until the status says so."""
HEALED = 30.0
"""Seconds from its healing until the status says so."""
LOST = "acknowledged writes lost"


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
        at_most(LOST, count if writes else None, "writes", 0),
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


def honest(measurement: Measurement, *signs: str) -> tuple[Figure, ...]:
    """From the first fault until a sign tells it, and from the last healing until all signs are as before.

    A sign is the name of a state of the instance; it tells once it differs from what it was at the fault.
    """
    fault = instant(measurement, "fault")
    if fault is None:
        return (below("fault to condition", None, "s", TOLD),)
    before = _at(measurement, signs, fault)

    def tells(state: State) -> bool:
        return state.subject == "instance" and state.value != before.get(state.name, state.value)

    after = first_told(measurement.states, tells, since=fault)
    return (below("fault to condition", after, "s", TOLD), *healed(measurement, *signs))


def healed(measurement: Measurement, *signs: str) -> tuple[Figure, ...]:
    """From the last healing until all signs are as before the first fault, and stay so."""
    return (below("heal to condition", _told_whole(measurement, signs), "s", HEALED),)


def servers_healed(measurement: Measurement, *signs: str) -> tuple[Figure, ...]:
    """How much of `healed` the engine took until all servers of the database were ready, and how much the
    status took after that: without a target. Negative where the status was first."""
    heal = instant(measurement, "heal", -1)
    servers = {one.subject for one in measurement.states if one.subject.startswith(f"{DATABASE_SERVER}/")}
    ready = _last(
        None
        if heal is None
        else steady(measurement.states, subject=server, name="Ready", value="True", since=heal)
        for server in servers
    )
    whole = _told_whole(measurement, signs)
    lag = None if ready is None or whole is None else whole - ready
    return (
        told("heal to the database's servers ready", ready, "s"),
        told("servers ready to condition", lag, "s"),
    )


def _told_whole(measurement: Measurement, signs: tuple[str, ...]) -> float | None:
    fault, heal = instant(measurement, "fault"), instant(measurement, "heal", -1)
    if fault is None or heal is None:
        return None
    return _last(
        steady(measurement.states, subject="instance", name=sign, value=value, since=heal)
        for sign, value in _at(measurement, signs, fault).items()
    )


def _last(back: Iterable[float | None]) -> float | None:
    """The longest of them; None where one did not come about."""
    found = list(back)
    known = [one for one in found if one is not None]
    return max(known) if known and len(known) == len(found) else None


def _at(measurement: Measurement, signs: tuple[str, ...], at: float) -> dict[str, str]:
    return {sign: value_at(measurement.states, "instance", sign, at) for sign in signs}


def said_before(measurement: Measurement, name: str, sign: str, *, value: str) -> tuple[Figure, ...]:
    """Whether a state had already the value at the first fault: 1 if so. Missed otherwise."""
    fault = instant(measurement, "fault")
    said = fault is not None and value_at(measurement.states, "instance", sign, fault) == value
    return (Figure(name, 1.0 if said else 0.0, "", "= 1", said),)


def took(measurement: Measurement, step: str, limit: float) -> tuple[Figure, ...]:
    """How long a step's condition took to come about."""
    return (at_most(step, measurement.numbers.get(step), "s", limit),)


def not_before(measurement: Measurement, name: str, *, step: str, seconds: float) -> tuple[Figure, ...]:
    """How long after a step pods began to be replaced, which may not be sooner. Missed where none was."""
    since = next((mark.at for mark in measurement.marks if mark.text == step), None)
    if since is None:
        return (Figure(name, None, "s", f">= {seconds:g}", False),)
    after = first_told(measurement.states, _rolls_out, since=since)
    return (Figure(name, _short(after), "s", f">= {seconds:g}", after is not None and after >= seconds),)


def _rolls_out(state: State) -> bool:
    return (state.subject, state.name, state.value) == ("instance", "Reconciling", "True")


def exposure(measurement: Measurement) -> tuple[Figure, ...]:
    """What was lost for good, which may reach back no further than the status had said at the loss (B-3).

    By the instants of acknowledgement: the first write that is not there is the end of what was kept.
    """
    fault = instant(measurement, "fault")
    said = "" if fault is None else value_at(measurement.states, "instance", POINT, fault)
    point = parse_time(said)
    if fault is None or point is None or measurement.stored is None:
        return (Figure("true loss", None, "s", "<= what was published", False),)
    kept = measurement.stored
    good = (one for one in measurement.rows if one.outcome == "ok" and one.token)
    gone = [one.end for one in good if one.token not in kept]
    published = fault - point.timestamp()
    loss = max(0.0, fault - min(gone)) if gone else 0.0
    return (
        told("writes lost for good", len(gone), "writes"),
        told("loss that the status had said to expect at most", published, "s"),
        at_most("true loss", loss, "s", round(published, 3)),
    )


def admitted(measurement: Measurement, *, window: float, limit: int) -> tuple[Figure, ...]:
    """How many requests of one client passed in the fullest window: the limit, and at most 1 % more than the
    limit with its tolerance (docs/rate-limits.md)."""
    count = passed(measurement.rows, window=window) if measurement.rows else None
    tolerant = Threshold(limit, 0).tolerant().limit
    over = None if count is None else max(0.0, 100 * (count - tolerant) / tolerant)
    return (
        told("requests offered", len(measurement.rows), "requests"),
        Figure(f"passed in {window:g} s", count, "requests", f">= {limit}", bool(count and count >= limit)),
        told(f"away from {limit}", None if count is None else 100 * (count - limit) / limit, "%"),
        at_most(f"above {tolerant}, the limit with its tolerance", over, "%", 1),
    )
