"""`dedicated simulate`: an instance's contract on a virtual clock, month by month."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest
from dedicated.cli.frame import instance_file, instant_in, output, records_file
from dedicated.cli.source import in_files
from dedicated.cli.terminal import Output, emit, say, show, table
from dedicated.cli.words import fact_told, wall
from dedicated.contract.clock_conditions import when
from dedicated.contract.clocks import Clocks
from dedicated.contract.dates import Month, local, month_of
from dedicated.contract.ledger import MONTHS, Entry
from dedicated.contract.permission import Terms
from dedicated.contract.timeline import Moment, Operator, replay

LONGEST = timedelta(days=50 * 366)
REQUEST = timedelta(hours=2)
"""Length of the requests that a replay opens by itself."""
LEDGER = "Month"
"""Changes that the columns of a month show already."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was recorded, or came about."""

    at: datetime
    kind: str
    subject: str
    state: str
    what: str
    responsible: str
    clause: str


@click.command(short_help="Replay the contract on a virtual clock, month by month.")
@instance_file(required=True)
@records_file()
@click.option("--from", "start", required=True, metavar="TIME", help="As 2026-01, or 2026-01-05T09:00.")
@click.option("--to", "end", required=True, metavar="TIME", help="The end; at most 50 years later.")
@click.option(
    "--as-operator",
    is_flag=True,
    help="Also record what the operator records by itself: the start of the service at --from unless the "
    "records have one, and the request of each month that has none.",
)
@output
def simulate(
    *, file: str, records: str | None, start: str, end: str, as_operator: bool, output: Output
) -> None:
    """Replay the contract of the instance in FILE by its records, and tell what came about when.

    The rules are the operator's own, asked at every instant at which anything can change. Plan, zone, windows
    and freezes are those of FILE all the time, and agreements those in force at the end. Times without an
    offset are in the instance's contract zone.
    """
    source = in_files(file, records)
    first = instant_in(source.zone, start, option="--from")
    last = instant_in(source.zone, end, option="--to")
    if not timedelta(0) < last - first <= LONGEST:
        raise click.UsageError(f"--to must be later than --from, by at most {LONGEST.days // 366} years")
    terms = source.owed(last).terms
    operator = Operator(duration=REQUEST) if as_operator else None
    steps = replay(source.facts, terms, start=first, end=last, operator=operator)
    moments = [*_with_progress(steps, first, last)]
    entries = {entry.month: entry for entry in moments[-1].clocks.entries}
    lines = _by_month(moments, terms)
    shown = _months(first, last, terms.zone)
    if output == "table":
        _tell(shown, entries, lines, terms)
        _tell_end(moments[-1].clocks, terms, last)
    else:
        emit([_as_json(month, entries.get(month), lines.get(month, []), terms) for month in shown], output)


def _with_progress(steps: Iterable[Moment], first: datetime, last: datetime) -> Iterator[Moment]:
    """The moments; on a terminal with how far they are."""
    if not sys.stderr.isatty():
        yield from steps
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replay", total=(last - first).total_seconds())
        for moment in steps:
            progress.update(task, completed=(moment.at - first).total_seconds())
            yield moment


def _months(first: datetime, last: datetime, zone: str) -> list[Month]:
    month, found = month_of(first, zone), []
    while month <= month_of(last, zone):
        found.append(month)
        month = month.plus(1)
    return found


def _by_month(moments: Iterable[Moment], terms: Terms) -> Mapping[Month, list[Line]]:
    found: dict[Month, list[Line]] = {}
    for moment in moments:
        lines = found.setdefault(month_of(moment.at, terms.zone), [])
        lines += [
            Line(fact.at, "Record", fact.name, type(fact).__name__, fact_told(fact, terms.zone), fact.by, "")
            for fact in moment.facts
        ]
        lines += [
            Line(moment.at, change.kind, change.subject, change.state, change.what,
                 change.responsible or "", change.clause)
            for change in moment.changes
        ]  # fmt: skip
    return found


def _tell(
    months: Iterable[Month], entries: Mapping[Month, Entry], lines: Mapping[Month, list[Line]], terms: Terms
) -> None:
    rows = []
    for month in months:
        entry = entries.get(month)
        head = (str(month), entry.state, str(entry.streak)) if entry else (str(month), "-", "-")
        shown = [line for line in lines.get(month, ()) if line.kind != LEDGER]
        told = [(wall(line.at, terms.zone), line.responsible, line.what) for line in shown]
        for words in told or [("", "", "")]:
            rows.append((*head, *words))
            head = ("", "", "")
    show(table(["MONTH", "STATE", "MISSED", terms.zone, "WHO", "WHAT"], rows))


def _tell_end(found: Clocks, terms: Terms, last: datetime) -> None:
    say("")
    say(f"At {when(last, terms)}:", "bold")
    say(f"  {found.streak} months missed in a row; {MONTHS} are a failure to permit (M-7)")
    for issue in found.issues:
        if issue.state not in {"Resolved", "Closed"}:
            say(f"  issue {issue.name}: {issue.state}")
    if found.void is not None:
        say(f"  service level void since {when(found.void.start, terms)} (M-11)")
    for date in found.dates[:1]:
        say(f"  next: {when(date.at, terms)}: {date.what} ({date.responsible}, {date.clause})")


def _as_json(month: Month, entry: Entry | None, lines: Iterable[Line], terms: Terms) -> Manifest:
    return {
        "month": str(month),
        "state": entry.state if entry else None,
        "missedInARow": entry.streak if entry else None,
        "final": entry.final if entry else None,
        "events": [
            {
                **asdict(line),
                "at": rfc3339(line.at),
                "local": local(line.at, terms.zone).isoformat(),
            }
            for line in lines
        ],
    }
