"""A scenario's timeline as SVG: requests by kind, bands of states, marks of faults. Pure.

Only states that changed meanwhile, or that tell of readiness, have a band: the rest says nothing. Colours
are classes of the page's style.
"""

from collections.abc import Sequence
from html import escape
from typing import cast

from dedicated.api.json import Manifest, as_manifest, get_list, get_map, get_str

WIDTH, LEFT, RIGHT = 1040, 210, 12
BAR, BAND, GAP = 44, 14, 5
LABEL = 13
ALWAYS = frozenset({"Ready", "HighlyAvailable"})
SHOWN = 26
"""Bands at most."""
Count = tuple[float, float, float]


def timeline(scenario: Manifest) -> str:
    """The picture; empty for a scenario that was not played."""
    seconds = _number(scenario.get("seconds"))
    if seconds <= 0:
        return ""
    marks = [as_manifest(one) for one in get_list(scenario, "marks")]
    top = LABEL * (len(marks) + 1)
    parts: list[str] = []
    y = float(top)
    for kind, counts in get_map(scenario, "requests").items():
        parts.append(_bars(kind, _counts(as_manifest(counts)), y=y, seconds=seconds))
        y += BAR + GAP
    for state in _worth(scenario):
        parts.append(_bands(state, y=y, seconds=seconds))
        y += BAND + GAP
    axis = _axis(y, seconds)
    lines = "".join(_mark(one, row, bottom=y, seconds=seconds) for row, one in enumerate(marks))
    name = escape(get_str(scenario, "name"))
    return (
        f"<svg viewBox='0 0 {WIDTH} {y + 20:g}' role=img aria-label='Timeline of {name}'>"
        f"{''.join(parts)}{axis}{lines}</svg>"
    )


def _x(at: float, seconds: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(max(at, 0.0), seconds) / seconds, 1)


def _counts(counts: Manifest) -> list[Count]:
    rows = (cast("Sequence[float]", one) for one in get_list(counts, "perSecond"))
    return [(float(at), float(good), float(bad)) for at, good, bad in rows]


def _bars(kind: str, counts: Sequence[Count], *, y: float, seconds: float) -> str:
    """Good requests grow upwards from a line, others downwards."""
    most = max((max(good, bad) for _, good, bad in counts), default=1) or 1
    above, below = BAR * 0.62, BAR * 0.38
    line = y + above
    drawn = []
    for at, good, bad in counts:
        x, tip = _x(at, seconds), f"<title>{at:g} s: {good:g} good, {bad:g} not</title>"
        width = max(1.0, _x(at + 1, seconds) - x - 0.4)
        if good:
            high = above * good / most
            drawn.append(_box(x, line - high, width, high, "good", tip))
        if bad:
            drawn.append(_box(x, line, width, max(2.0, below * bad / most), "bad", tip))
    total = sum(bad for _, _, bad in counts)
    label = f"{kind}s, at most {most:g}/s" + (f", {total:g} not good" if total else "")
    rule = f"<line class=axis x1={LEFT} x2={WIDTH - RIGHT} y1={line:g} y2={line:g} />"
    return f"<text x=0 y={line:g}>{escape(label)}</text>{rule}{''.join(drawn)}"


def _box(x: float, y: float, width: float, height: float, kind: str, inner: str) -> str:
    return (
        f"<rect class='{kind}' x={x:g} y={y:.1f} width={width:.1f} height={height:.1f}>{inner}</rect>"
    )


def _worth(scenario: Manifest) -> list[Manifest]:
    """The states that have something to say, at most as many as can be read."""
    states = [as_manifest(one) for one in get_list(scenario, "states")]
    told = [
        one
        for one in states
        if len(get_list(one, "bands")) > 1
        or (get_str(one, "subject") == "instance" and get_str(one, "name") in ALWAYS)
    ]
    return told[:SHOWN]


def _bands(state: Manifest, *, y: float, seconds: float) -> str:
    subject, name = get_str(state, "subject"), get_str(state, "name")
    label = name if subject == "instance" else f"{subject} {name}"
    drawn = []
    for one in get_list(state, "bands"):
        begun, ended, value, reason = cast("tuple[float, float, str, str]", one)
        x, end = _x(begun, seconds), _x(ended, seconds)
        kind = value if value in ("True", "False", "Unknown", "absent") else "other"
        tip = f"<title>{begun:g} to {ended:g} s: {escape(value)} {escape(reason)}</title>"
        drawn.append(_box(x, y, max(1.0, end - x - 0.6), BAND, kind, tip))
    return f"<text x=0 y={y + BAND - 3:g}>{escape(label[:34])}</text>{''.join(drawn)}"


def _mark(mark: Manifest, row: int, *, bottom: float, seconds: float) -> str:
    """A line over all lanes; its words stand above them, one mark to a row, on the side that has room."""
    at, kind = _number(mark.get("at")), get_str(mark, "what")
    x, y = _x(at, seconds), LABEL * (row + 1)
    side = "end" if x > WIDTH * 0.6 else "start"
    shift = -4 if side == "end" else 4
    return (
        f"<line class={kind} x1={x} x2={x} y1={y - 9} y2={bottom:g} />"
        f"<text x={x + shift} y={y} text-anchor={side}>{at:.1f} s {escape(get_str(mark, 'text'))}</text>"
    )


def _axis(y: float, seconds: float) -> str:
    step = next((one for one in (5, 10, 20, 30, 60, 120, 300, 600) if seconds / one <= 12), 1200)
    ticks = range(0, int(seconds) + 1, step)
    return "".join(
        f"<line class=axis x1={_x(at, seconds)} x2={_x(at, seconds)} y1={y:g} y2={y + 4:g} />"
        f"<text class=dim x={_x(at, seconds)} y={y + 16:g} text-anchor=middle>{at} s</text>"
        for at in ticks
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
