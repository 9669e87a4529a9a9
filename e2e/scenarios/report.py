"""The report of a run as JSON (docs/scenarios.md has its fields). Pure.

Requests are kept as counts per second and kind, so that the report of a long run stays small; all else is
as measured. Times in a scenario are seconds from its begin.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from clients.rows import Row
from dedicated.api.json import JsonValue, Manifest
from scenarios import figures
from scenarios.measures import Band, bands, kinds
from scenarios.model import Result, Scenario
from scenarios.record import Measurement

Judge = Literal["all", "losses"]
VERSION = 1
"""Of the report's fields."""
ERRORS = 12
"""Different ones that are told."""


def report(
    results: Iterable[Result], *, unasked: Iterable[Scenario], about: Mapping[str, str], seconds: float
) -> Manifest:
    """Everything of a run; `about` says where and on what, `unasked` are scenarios that were not chosen."""
    told = [_result(one) for one in results]
    left = [_result(Result(one, "not run", "not chosen for this run")) for one in unasked]
    return {
        "version": VERSION,
        "about": dict(about),
        "seconds": round(seconds, 1),
        "scenarios": [*told, *left],
    }


def _result(result: Result) -> Manifest:
    scenario = result.scenario
    told: Manifest = {
        "name": scenario.name,
        "promise": scenario.promise,
        "clause": scenario.clause,
        "target": scenario.target,
        "outcome": result.outcome,
        "reason": result.reason,
        "figures": [_plain(asdict(one)) for one in result.figures],
    }
    return told if result.measurement is None else told | _measured(result.measurement)


def _measured(seen: Measurement) -> Manifest:
    return {
        "begun": round(seen.begun, 3),
        "seconds": round(seen.ended - seen.begun, 2),
        "marks": [
            {"at": round(one.at - seen.begun, 2), "what": one.what, "text": one.text} for one in seen.marks
        ],
        "requests": {kind: _counts(seen.rows, kind, seen.begun) for kind in kinds(seen)},
        "states": _states(seen),
        "numbers": {name: round(value, 3) for name, value in seen.numbers.items()},
        "errors": [
            {"after": after, "text": text, "count": count} for (after, text), count in _errors(seen)
        ],
    }


def _counts(rows: Iterable[Row], kind: str, begun: float) -> Manifest:
    """Requests by the second in which they were over: `[second, good, not good]`."""
    good: Counter[int] = Counter()
    bad: Counter[int] = Counter()
    for row in rows:
        if row.kind == kind:
            (good if row.outcome == "ok" else bad)[int(row.end - begun)] += 1
    seconds = sorted(good.keys() | bad.keys())
    return {"perSecond": [[second, good[second], bad[second]] for second in seconds]}


def _errors(seen: Measurement) -> list[tuple[tuple[str, str], int]]:
    """What clients were told where an answer was not good, by the mark before it: the most frequent first."""
    found: Counter[tuple[str, str]] = Counter()
    for row in seen.rows:
        if row.outcome != "ok":
            after = [mark.text for mark in seen.marks if mark.at <= row.end]
            text = f"{row.kind}: {row.status or '-'} {row.detail}"
            found[after[-1] if after else "", text] += 1
    return found.most_common(ERRORS)


def _states(seen: Measurement) -> list[JsonValue]:
    """Every state as bands, in the order in which they were first seen."""
    names = dict.fromkeys((one.subject, one.name) for one in seen.states)
    found = ((key, bands(seen.states, *key, begun=seen.begun, ended=seen.ended)) for key in names)
    return [
        {
            "subject": subject,
            "name": name,
            "bands": [_band(one, seen.begun) for one in stretches],
        }
        for (subject, name), stretches in found
        if stretches
    ]


def _band(band: Band, begun: float) -> list[JsonValue]:
    """`[from, to, value, reason]`."""
    return [round(band.begun - begun, 2), round(band.ended - begun, 2), band.value, band.reason]


def _plain(values: Mapping[str, JsonValue]) -> Manifest:
    return dict(values)


def missed(results: Sequence[Result], judge: Judge = "all") -> bool:
    """Whether a promise was not kept, or the test of it did not come to its end."""
    return any(map(JUDGES[judge], results))


def _not_met(result: Result) -> bool:
    return result.outcome in ("missed", "failed")


def _lost(result: Result) -> bool:
    lost = any(one.name == figures.LOST and one.met is False for one in result.figures)
    return lost or result.outcome == "failed"


JUDGES: Mapping[Judge, Callable[[Result], bool]] = {"all": _not_met, "losses": _lost}
"""Times say something of the machine too; no machine is an excuse for an acknowledged write that is lost."""
