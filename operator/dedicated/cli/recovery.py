"""`dedicated recovery`: what could be restored now, as a timeline: backups, gaps, failovers, newest point.

Reckoned here from the recovery agent's record, at the time of the call, so that the exposure is that of now.
Conditions and findings are the operator's, as it wrote them; when, is told beside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
from rich.text import Text

from dedicated.api.conditions import (
    BACKUP_ENCRYPTED,
    BACKUP_POLICY_SATISFIED,
    DATA_PROTECTED,
    RESTORE_PROVEN,
    condition_in,
    parse_time,
    rfc3339,
)
from dedicated.api.duration import duration_text, parse_duration
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, INSTANCE, RECORD
from dedicated.cli import to_do
from dedicated.cli.frame import App, Cluster, cluster_options, output
from dedicated.cli.source import Source, source_from
from dedicated.cli.terminal import Output, emit, pairs, say, show, table
from dedicated.cli.words import utc, wall
from dedicated.contract.failover import outage
from dedicated.contract.recovery.objectives import CONTRACT
from dedicated.contract.recovery.points import Rates, Recoverability
from dedicated.contract.recovery.report import REPORT, Report, from_json
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.verdict import JUDGED, doubt
from dedicated.contract.recovery.wal import Segment, position_text, segment_name
from dedicated.parts.recovery_agent import record_name
from dedicated.reconcile.recovery import CODES, STALE

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

PARTS = (*JUDGED, BACKUP_ENCRYPTED, RESTORE_PROVEN, BACKUP_POLICY_SATISFIED)
"""What is told beside the condition that stands for them, and the one of failover."""
WIDTH = 40
"""Characters of the bar that stands for the objective."""
SHOWN = 20
"""Events of the timeline that are shown by default."""
UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Sight:
    """An instance, the report that is believed of it, and why none is; at a time."""

    source: Source
    report: Report | None
    doubt: str
    now: datetime

    @property
    def status(self) -> Manifest:
        """`status.recovery`, as the operator wrote it."""
        return get_map(self.source.body, "status", "recovery")

    @property
    def found(self) -> Recoverability | None:
        """What could be restored."""
        return self.report.found if self.report else None

    @property
    def objective(self) -> timedelta:
        """The disaster RPO in force, as the operator wrote it; else the contract's."""
        told = get_str(self.status, "objective")
        return parse_duration(told) if told else CONTRACT.disaster_rpo

    @property
    def exposure(self) -> timedelta | None:
        """How much would be lost now; None where that is not known, or all would be."""
        return self.found.exposure(self.now) if self.found else None


@click.command(short_help="What could be restored: backups, gaps, failovers, exposure.")
@click.argument("name")
@click.option("--all", "everything", is_flag=True, help=f"All that is known, not the newest {SHOWN} events.")
@output
@cluster_options
@click.pass_obj
def recovery(app: App, *, name: str, everything: bool, cluster: Cluster, output: Output) -> None:
    """What could be restored of an instance now, how much would be lost, and who must act.

    It reads the DedicatedInstance and the ConfigMap NAME-recovery, never the database or the store.
    """
    sight = in_cluster(name, cluster, app.now())
    events = [*_events(sight)]
    shown = events if everything else events[-SHOWN:]
    if output != "table":
        emit(_as_json(sight, events), output)
        return
    _head(sight)
    say("\nNow", "bold")
    if (bar := _bar(sight)) is not None:
        show(bar)
    show(pairs([*_now(sight), *_drilled(sight)]))
    _timeline(sight, shown, left_out=len(events) - len(shown))
    _to_do(sight)


def in_cluster(name: str, cluster: Cluster, now: datetime) -> Sight:
    """What the cluster tells of an instance. Raises Failure."""
    from dedicated.cli.cluster import ask
    from dedicated.cluster.errors import ApiError

    async def load(client: "Client", namespace: str) -> tuple[Manifest, Manifest, list[Manifest]]:
        body = await client.get(INSTANCE, namespace, name)
        records, _ = await client.list(RECORD, namespace)
        try:
            return body, await client.get(CONFIG_MAP, namespace, record_name(name)), records
        except ApiError as error:
            if not error.not_found:
                raise
            return body, {}, records

    body, record, records = ask(cluster, load)
    return sight_of(body, record, records, now=now)


def sight_of(body: Manifest, record: Manifest, records: list[Manifest], *, now: datetime) -> Sight:
    """What an instance, its record and its ledger tell at a time. Raises Failure if it is not valid."""
    source = source_from(body, records)
    report = from_json(get_str(record, "data", REPORT))
    why = doubt(report, incarnation=source.instance.incarnation, zone=source.zone, now=now)
    return Sight(source, None if why else report, why, now)


def _head(sight: Sight) -> None:
    whole = condition_in(get_map(sight.source.body, "status"), DATA_PROTECTED)
    state = f"DataProtected={get_str(whole, 'status') or 'Unknown'} {get_str(whole, 'reason')}".rstrip()
    say(f"{sight.source.owner}: {state}", "bold")
    say(f"  {get_str(whole, 'message') or 'no operator has seen it yet'}")
    told = parse_time(get_str(sight.status, "measuredAt"))
    if told is not None and sight.now - told > STALE:
        text = f"  written {_ago(told, sight.now)}: nobody has measured since, so it says nothing of now"
        say(text, "yellow")


def _bar(sight: Sight) -> Text | None:
    """The exposure as a part of the objective."""
    exposure = sight.exposure
    if exposure is None:
        return None
    part = exposure / sight.objective
    filled = min(WIDTH, round(part * WIDTH))
    style = "green" if part < 0.25 else "yellow" if part < 1 else "red"
    rest = "." * (WIDTH - filled)
    return Text.assemble("  [", ("#" * filled, style), rest, f"] {part:.0%} of the objective is used up")


def _now(sight: Sight) -> Iterator[tuple[str, str]]:
    report, found, zone = sight.report, sight.found, sight.source.zone
    if report is None:
        yield "measured", f"not now: {sight.doubt}"
        return
    yield "reported", _ago(report.written, sight.now)
    if found is None:
        yield "repository", "not listed yet"
        return
    if found.newest is None:
        yield "exposure", "everything: no backup in the repository can be restored"
        return
    exposure = duration_text(sight.now - found.newest)
    yield "exposure", f"{exposure} of {duration_text(sight.objective)} (B-3)"
    earliest = f"from {_at(found.earliest, zone)}" if found.earliest else "one point alone"
    yield "recoverable", f"{earliest} to {_at(found.newest, zone)}"
    if found.frontier is not None:
        listed = f"listed {_ago(found.listed_at, sight.now)}"
        yield "log held to", f"{position_text(found.frontier)} on timeline {found.timeline}; {listed}"
    if (restore := found.restore_time(Rates())) is not None:
        yield "restore takes", f"about {duration_text(restore)} (B-4)"
    yield from _replicated(sight)


def _drilled(sight: Sight) -> Iterator[tuple[str, str]]:
    """The last drill, from the status: it stands while nobody reports."""
    last = get_map(sight.status, "lastDrill")
    ended = parse_time(get_str(last, "at"))
    if ended is not None:
        result = "passed" if last.get("passed") is True else f"FAILED, {get_str(last, 'reason')}"
        took = f" in {get_str(last, 'took')}" if last.get("took") else ""
        yield "last drill", f"{_ago(ended, sight.now)}: {result}{took}; {get_str(last, 'found')} (B-4)"


def _replicated(sight: Sight) -> Iterator[tuple[str, str]]:
    known = get_map(sight.status, "replication")
    if known:
        primary = _server(known.get("primary"))
        good = ", ".join(_server(one) for one in get_list(known, "synchronous")) or "none"
        yield "primary", f"{primary}; synchronous: {good} (B-5)"
    last = sight.report.failover if sight.report else None
    if last is not None:
        lost = duration_text(outage(last))
        yield "last failover", f"{_at(last.first_after, sight.source.zone)}, {lost} without a commit at most"


def _server(item: JsonValue) -> str:
    return f"{get_str(item, 'name')} ({get_str(item, 'zone') or 'zone unknown'})"


@dataclass(frozen=True, slots=True)
class Event:
    """Something on the timeline."""

    at: datetime
    what: str
    detail: str


def _events(sight: Sight) -> Iterator[Event]:
    """What is known, in order of time."""
    report = sight.report
    if report is None:
        return
    found: list[Event] = [_of_run(run) for run in report.backups]
    if report.failover is not None:
        lost = duration_text(outage(report.failover))
        text = f"timeline {report.failover.timeline}, {lost} without a commit"
        found.append(Event(report.failover.first_after, "failover", text))
    point = report.found
    if point is not None and point.backup is not None:
        # A gap has no time of its own: it lies behind the backup that a restore begins with.
        found += [
            Event(point.backup.completed, "GAP", f"{gap.count} segments from {_named(point, gap.first)}")
            for gap in point.gaps
        ]
    if point is not None and point.newest is not None:
        found.append(Event(point.newest, "newest recoverable point", "what is committed later would be lost"))
    yield from sorted(found, key=lambda event: event.at)


def _of_run(run: BackupRun) -> Event:
    kind = f"{run.kind} backup"
    if run.failed:
        return Event(run.started, f"{kind} FAILED", run.error or run.label)
    if run.finished is None:
        return Event(run.started, f"{kind} runs", run.label)
    took = duration_text(run.finished - run.started)
    return Event(run.started, kind, f"{run.label}, {_size(run.stored)}, took {took}")


def _named(found: Recoverability, number: int) -> str:
    return segment_name(Segment(found.timeline, number))


def _timeline(sight: Sight, events: list[Event], *, left_out: int) -> None:
    more = f" ({left_out} older ones: --all)" if left_out else ""
    say(f"\nTimeline: {len(events) or 'nothing known'}{more}", "bold")
    if events:
        zone = sight.source.zone
        rows = [(utc(event.at), wall(event.at, zone), event.what, event.detail) for event in events]
        show(table(["WHEN (UTC)", zone, "WHAT", ""], rows))


def _to_do(sight: Sight) -> None:
    """Conditions that are not good, and findings: each says who must act."""
    status = get_map(sight.source.body, "status")
    to_do.tell([found for kind in PARTS if (found := condition_in(status, kind))], _findings(status))


def _findings(status: Manifest) -> list[JsonValue]:
    return [item for item in get_list(status, "findings") if get_str(item, "code") in CODES]


def _as_json(sight: Sight, events: list[Event]) -> JsonValue:
    status, exposure = get_map(sight.source.body, "status"), sight.exposure
    kinds = (DATA_PROTECTED, *PARTS)
    return {
        "instance": sight.source.owner,
        "at": rfc3339(sight.now),
        "doubt": sight.doubt,
        "objectiveSeconds": int(sight.objective.total_seconds()),
        "exposureSeconds": None if exposure is None else int(exposure.total_seconds()),
        "recovery": sight.status,
        "timeline": [
            {"at": rfc3339(event.at), "what": event.what, "detail": event.detail} for event in events
        ],
        "conditions": [found for kind in kinds if (found := condition_in(status, kind))],
        "findings": _findings(status),
    }


def _at(instant: datetime, zone: str) -> str:
    return f"{utc(instant)} ({wall(instant, zone)} {zone})"


def _ago(instant: datetime, now: datetime) -> str:
    return f"{duration_text(max(timedelta(0), now - instant))} ago"


def _size(count: int) -> str:
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} {UNITS[unit]}" if amount >= 10 or unit == 0 else f"{amount:.1f} {UNITS[unit]}"
