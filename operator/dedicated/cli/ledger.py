"""`dedicated ledger`: an instance's records in order, and what each of them did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, as_manifest
from dedicated.cli.facts import Record
from dedicated.cli.frame import App, Cluster, cluster_options, instance_file, output, records_file
from dedicated.cli.source import Source, source_of
from dedicated.cli.terminal import Output, emit, say, show, table
from dedicated.cli.words import record_told, wall
from dedicated.contract.dates import local
from dedicated.contract.timeline import Moment, replay


@dataclass(frozen=True, slots=True)
class Row:
    """A record, and what it changed in its second."""

    record: Record
    effects: list[str] = field(default_factory=list)


@click.command(short_help="The records in order: who, what, when, and what each did.")
@click.argument("name", required=False)
@instance_file(required=False)
@records_file()
@output
@cluster_options
@click.pass_obj
def ledger(
    app: App, *, name: str | None, file: str | None, records: str | None, cluster: Cluster, output: Output
) -> None:
    """The ContractRecords of an instance in order of time, those of closed months at their places, and what
    each changed by the contract's rules.

    The instance is NAME in the cluster, or the one in FILE with --records.
    """
    now = app.now()
    source = source_of(name, file=file, records=records, cluster=cluster)
    terms = source.owed(now).terms
    rows = [Row(record) for record in source.records]
    if rows:
        moments = replay(source.facts, terms, start=rows[0].record.at, end=max(now, rows[0].record.at))
        _attribute(rows, [*moments])
    if output == "table":
        _tell(source, rows, terms.zone)
    else:
        emit([_as_json(row, terms.zone) for row in rows], output)


def _attribute(rows: Sequence[Row], moments: Sequence[Moment]) -> None:
    """Write the changes of each moment to the record that made them.

    Of several in one second it is the last that the rules see; a record without effect is told of itself.
    """
    by_name: Mapping[str, Row] = {row.record.name: row for row in rows}
    for moment in moments:
        for change in moment.changes:
            own = change.subject if change.kind == "Rejected" else ""
            names = [own, *(fact.name for fact in reversed(moment.facts))]
            row = next((by_name[name] for name in names if name in by_name), None)
            if row is not None and change.what not in row.effects:
                row.effects.append(change.what)


def _tell(source: Source, rows: Sequence[Row], zone: str) -> None:
    if not rows:
        say(f"{source.owner} has no records")
        return
    lines = []
    for row in rows:
        head = (wall(row.record.at, zone), row.record.spec.by, record_told(row.record, zone))
        for effect in row.effects or [""]:
            lines.append((*head, effect))
            head = ("", "", "")
    show(table([zone, "BY", "WHAT", "EFFECT"], lines))


def _as_json(row: Row, zone: str) -> Manifest:
    said = row.record.spec.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
    return {
        "name": row.record.name,
        "at": rfc3339(row.record.at),
        "local": local(row.record.at, zone).isoformat(),
        "spec": as_manifest(said),
        "effects": [*row.effects],
    }
