"""The report as one HTML page that needs nothing else: no script, no font, no picture from anywhere. Pure.

Made of the report's JSON, so that a page can be made again of a stored report.
"""

from html import escape
from pathlib import Path

from dedicated.api.json import Manifest, as_manifest, get_list, get_map, get_str
from scenarios.record import FULL, FULL_BEFORE
from scenarios.timeline import timeline

STYLE = (Path(__file__).parent / "page.css").read_text()
LEGEND = (
    "Bars: requests a second, good above the line, not good below. Bands: green True, red False, "
    "grey Unknown, blue any other value. Red lines: faults; dashed blue lines: what was undone; "
    "blue lines: changes."
)


def page(report: Manifest) -> str:
    """The whole page."""
    scenarios = [as_manifest(one) for one in get_list(report, "scenarios")]
    played = [one for one in scenarios if get_str(one, "outcome") != "not run" or "seconds" in one]
    about = get_map(report, "about")
    facts = " · ".join(f"{name}: {value}" for name, value in about.items() if value)
    parts = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Scenarios on real nodes</title><style>{STYLE}</style>",
        "<h1>Scenarios on real nodes</h1>",
        f"<p>{escape(_score(scenarios, report))}</p><p class=dim>{escape(facts)}</p>",
        _overview(scenarios),
        f"<p class=dim>{escape(LEGEND)}</p>" if played else "",
        *(_section(one) for one in played),
        "</html>",
    )
    return "\n".join(part for part in parts if part)


def _score(scenarios: list[Manifest], report: Manifest) -> str:
    outcomes = [get_str(one, "outcome") for one in scenarios]
    counts = ", ".join(
        f"{outcomes.count(name)} {name}"
        for name in ("met", "missed", "failed", "not run")
        if name in outcomes
    )
    return f"{counts}; {report.get('seconds')} s in all."


def _overview(scenarios: list[Manifest]) -> str:
    """One line per scenario, also for those that were not run, with the reason."""
    rows = (
        f"<tr><td class=o>{_linked(one)}<td>{escape(get_str(one, 'clause'))}<td>{_outcome(one)}"
        f"<td>{escape(_essence(one))}"
        for one in scenarios
    )
    return (
        f"<table><tr><th>Scenario<th>Clause<th>Outcome<th>Figures that were judged, or why not"
        f"{''.join(rows)}</table>"
    )


def _linked(scenario: Manifest) -> str:
    name = escape(get_str(scenario, "name"))
    return f"<a href='#{name}'>{name}</a>" if "seconds" in scenario else name


def _outcome(scenario: Manifest) -> str:
    word = get_str(scenario, "outcome")
    return f"<span class='o {word.replace(' ', '-')}'>{word}</span>"


def _essence(scenario: Manifest) -> str:
    if reason := get_str(scenario, "reason"):
        return reason
    figures = [as_manifest(one) for one in get_list(scenario, "figures")]
    return "; ".join(f"{get_str(one, 'name')} {_value(one)}" for one in figures if one.get("met") is not None)


def _value(figure: Manifest) -> str:
    value = figure.get("value")
    return "not seen" if value is None else f"{value:g} {get_str(figure, 'unit')}" if isinstance(
        value, int | float
    ) else str(value)


def _section(scenario: Manifest) -> str:
    name = escape(get_str(scenario, "name"))
    reason, numbers = get_str(scenario, "reason"), get_map(scenario, "numbers")
    return "".join(
        (
            f"<section id='{name}'><h2>{name} {_outcome(scenario)}</h2>",
            f"<p>{escape(get_str(scenario, 'promise'))} ",
            f"<span class=dim>({escape(get_str(scenario, 'clause'))}; target: ",
            f"{escape(get_str(scenario, 'target'))})</span></p>",
            f"<p class=failed>{escape(reason)}</p>" if reason else "",
            *(f"<p class=dim>{one}: {numbers[one]}</p>" for one in (FULL_BEFORE, FULL) if one in numbers),
            _figures(scenario),
            timeline(scenario),
            _errors(scenario),
            "</section>",
        )
    )


def _figures(scenario: Manifest) -> str:
    figures = [as_manifest(one) for one in get_list(scenario, "figures")]
    if not figures:
        return ""
    words = {True: "met", False: "missed"}
    rows = (
        f"<tr><td>{escape(get_str(one, 'name'))}<td class=n>{escape(_value(one))}"
        f"<td>{escape(get_str(one, 'target'))}<td class='o {words.get(one.get('met') is True, '')}'>"
        f"{'' if one.get('met') is None else words[one.get('met') is True]}"
        for one in figures
    )
    return f"<table><tr><th>Figure<th class=n>Value<th>Target<th>{''.join(rows)}</table>"


def _errors(scenario: Manifest) -> str:
    errors = [as_manifest(one) for one in get_list(scenario, "errors")]
    cells = ((one.get("count"), get_str(one, "text"), get_str(one, "after")) for one in errors)
    rows = (f"<tr><td class=n>{count}<td>{escape(text)}<td>{escape(after)}" for count, text, after in cells)
    heads = "<th class=n>Times<th>What clients were told<th>After"
    return f"<table><tr>{heads}{''.join(rows)}</table>" if errors else ""
