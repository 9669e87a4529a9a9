"""`dedicated calendar`: when maintenance may run, as dates, and the dates of the clocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import click
from rich.table import Table

from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest
from dedicated.cli.frame import App, Cluster, cluster_options, instance_file, output, records_file
from dedicated.cli.ics import Event, calendar_file
from dedicated.cli.source import Source, source_of
from dedicated.cli.terminal import Output, emit, say, show, table
from dedicated.cli.words import length, span, utc, wall
from dedicated.contract.calendar import Freeze, Slot, slots
from dedicated.contract.clocks import Ahead
from dedicated.contract.dates import local
from dedicated.contract.permission import Terms

REACH = timedelta(days=3653)
"""How far slots are looked for."""
PERMITTED_BY = {
    "Window": "standing windows permit, without being asked (M-13)",
    "Plan": "the plan permits, at the provider's window (M-1)",
    None: "nothing stands: each request needs its own permission (M-13)",
}


@dataclass(frozen=True, slots=True)
class Dates:
    """What a calendar shows."""

    slots: tuple[Slot, ...]
    freezes: tuple[Freeze, ...]
    ahead: tuple[Ahead, ...]


@click.command(short_help="The next slots, freezes and dates; also as iCalendar.")
@click.argument("name", required=False)
@instance_file(required=False)
@records_file()
@click.option("--next", "count", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="N",
              help="How many slots.")  # fmt: skip
@click.option("--ics", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
              help="Write an iCalendar file; - is standard output.")  # fmt: skip
@output
@cluster_options
@click.pass_obj
def calendar(
    app: App, *, name: str | None, file: str | None, records: str | None, cluster: Cluster,
    count: int, ics: str | None, output: Output,
) -> None:  # fmt: skip
    """When maintenance of an instance may run: its next slots in UTC and local time, its freezes, and the
    dates of the contract's clocks by its records.

    The instance is NAME in the cluster, or the one in FILE.
    """
    now = app.now()
    source = source_of(name, file=file, records=records, cluster=cluster)
    owed = source.owed(now)
    terms = owed.terms
    found = Dates(
        slots=tuple(islice(slots(terms.calendar, after=now, until=now + REACH), count)),
        freezes=tuple(freeze for freeze in terms.freezes if freeze.end > now),
        ahead=owed.clocks.dates,
    )
    if ics is not None:
        _write(ics, calendar_file([*_events(found)], owner=source.owner, stamp=now))
    elif output == "table":
        _tell(source, terms, found)
    else:
        emit(_as_json(terms, found), output)


def _write(file: str, text: str) -> None:
    if file == "-":
        click.echo(text, nl=False)
    else:
        Path(file).write_bytes(text.encode())
        say(f"{file}: {text.count('BEGIN:VEVENT')} events")


def _events(found: Dates) -> Iterator[Event]:
    for slot in found.slots:
        yield Event(f"slot {rfc3339(slot.start)}", slot.start, "Maintenance may run", slot.end)
    for freeze in found.freezes:
        subject, summary = f"freeze {rfc3339(freeze.start)}", f"No maintenance: {freeze.reason}"
        yield Event(subject, freeze.start, summary, freeze.end)
    for date in found.ahead:
        text = f"{date.responsible} must act before ({date.clause})"
        yield Event(f"{date.clause} {date.what}", date.at, date.what, description=text)


def _tell(source: Source, terms: Terms, found: Dates) -> None:
    say(f"{source.owner}: {PERMITTED_BY[terms.standing]}", "bold")
    say("")
    if found.slots:
        rows = [
            (utc(start), utc(end), span(start, end, terms.zone), length(end - start))
            for start, end in ((slot.start, slot.end) for slot in found.slots)
        ]
        show(table(["SLOT FROM (UTC)", "UNTIL (UTC)", terms.zone, "LASTS"], rows))
    else:
        say("no slots: no window is in force")
    if found.freezes:
        say("")
        frozen = [(utc(item.start), utc(item.end), item.reason) for item in found.freezes]
        show(table(["FROZEN FROM (UTC)", "UNTIL (UTC)", "REASON"], frozen))
    if found.ahead:
        say("")
        show(dates_table(found.ahead, terms.zone))


def dates_table(ahead: tuple[Ahead, ...], zone: str) -> Table:
    """The dates of the clocks, for people."""
    rows = [
        (utc(date.at), wall(date.at, zone), date.responsible, date.clause, date.what)
        for date in ahead
    ]
    return table(["DATE (UTC)", zone, "WHO", "CLAUSE", "WHAT HAPPENS"], rows)


def _as_json(terms: Terms, found: Dates) -> JsonValue:
    return {
        "timeZone": terms.zone,
        "permittedBy": terms.standing or "Request",
        "slots": [_stretch(slot.start, slot.end, terms.zone) for slot in found.slots],
        "freezes": [
            {**_stretch(item.start, item.end, terms.zone), "reason": item.reason} for item in found.freezes
        ],
        "dates": [date_json(date, terms.zone) for date in found.ahead],
    }


def date_json(date: Ahead, zone: str) -> Manifest:
    """A date of the clocks, for programs."""
    return {
        "at": rfc3339(date.at),
        "local": local(date.at, zone).isoformat(),
        "what": date.what,
        "responsible": date.responsible,
        "clause": date.clause,
    }


def _stretch(start: datetime, end: datetime, zone: str) -> Manifest:
    return {
        "start": rfc3339(start),
        "end": rfc3339(end),
        "localStart": local(start, zone).isoformat(),
        "localEnd": local(end, zone).isoformat(),
    }
