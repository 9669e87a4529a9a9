"""`dedicated status`: promises, figures, findings and dates of one instance on one screen."""

from collections.abc import Iterator

import click

from dedicated.api.conditions import RATE_LIMIT_ENFORCED, READY, condition_in, parse_time
from dedicated.api.instance import Sizing
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.cli.calendar import PERMITTED_BY, date_json, dates_table
from dedicated.cli.explanations import EXPLANATIONS
from dedicated.cli.frame import App, Cluster, cluster_options, instance_file, output, records_file
from dedicated.cli.source import Source, source_of
from dedicated.cli.terminal import Output, emit, pairs, say, show, table
from dedicated.cli.words import span, utc
from dedicated.contract.clock_conditions import when
from dedicated.contract.ledger import MONTHS
from dedicated.contract.objectives import Objectives, objectives
from dedicated.reconcile.obligations import Obligations

FIGURES = ("version", "zones", "server", "login")


@click.command(short_help="Promises, figures, findings and dates on one screen.")
@click.argument("name", required=False)
@instance_file(required=False)
@records_file()
@output
@cluster_options
@click.pass_obj
def status(
    app: App, *, name: str | None, file: str | None, records: str | None, cluster: Cluster, output: Output
) -> None:
    """What is promised to an instance, what is measured, what needs somebody, and the next dates.

    Conditions and findings are the operator's, as it wrote them; dates are computed here, from the records.
    The instance is NAME in the cluster, or the one in FILE, as kubectl get -o yaml writes them.
    """
    source = source_of(name, file=file, records=records, cluster=cluster)
    owed = source.owed(app.now())
    if output != "table":
        emit(_as_json(source, owed), output)
        return
    _head(source)
    say("\nPromised", "bold")
    show(pairs([*_promises(source, owed)]))
    say("\nMeasured", "bold")
    show(pairs([*_figures(source, owed)]))
    _conditions(source)
    _findings(source)
    if owed.clocks.dates:
        say("\nNext dates", "bold")
        show(dates_table(owed.clocks.dates, owed.terms.zone))


def _promised(source: Source) -> Objectives:
    spec = source.instance.spec
    return objectives(spec.plan, spec.infrastructure.class_)


def _head(source: Source) -> None:
    ready = condition_in(get_map(source.body, "status"), READY)
    state = f"Ready={get_str(ready, 'status') or 'Unknown'} {get_str(ready, 'reason')}".rstrip()
    say(f"{source.owner}: {state}", "bold")
    message = get_str(ready, "message") or "no operator has seen it yet"
    say(f"  {message}")
    seen = get_int(source.body, "status", "observedGeneration")
    if ready and seen != source.instance.meta.generation:
        say(f"  seen up to generation {seen}, the spec is at {source.instance.meta.generation}", "yellow")


def _promises(source: Source, owed: Obligations) -> Iterator[tuple[str, str]]:
    spec, promised = source.instance.spec, _promised(source)
    infrastructure = spec.infrastructure
    yield "plan", f"{spec.plan} on {infrastructure.class_}, infrastructure of the {infrastructure.owner}"
    if spec.options:
        yield "booked", ", ".join(spec.options)
    none = f"no objective on {spec.infrastructure.class_} (L-2)"
    yield "availability", f"{promised.availability} % per month (L-1)" if promised.availability else none
    yield "maintenance", PERMITTED_BY[owed.terms.standing] if owed.terms.clocks else "no clocks (L-2)"
    if load := _load(spec.sizing):
        yield "load", f"{load} (S-3)"
    if owed.agreed:
        yield "agreed otherwise", ", ".join(sorted(owed.agreed))


def _load(booked: Sizing) -> str:
    """The load that was booked, as far as it was; empty: nothing is named."""
    clients = f"{booked.clients} clients" if booked.clients else ""
    requests = f"{booked.requests_per_second} requests/s in all" if booked.requests_per_second else ""
    return ", ".join(part for part in (clients, requests) if part)


def _figures(source: Source, owed: Obligations) -> Iterator[tuple[str, str]]:
    summary = get_map(source.body, "status", "summary")
    for name in FIGURES:
        yield name, get_str(summary, name) or "not measured"
    current = owed.clocks.current
    if current is not None:
        missed = f"{owed.clocks.streak} missed in a row, {MONTHS} are a failure (M-7)"
        yield "this month", f"{current.month}: {current.state}; {missed}"
    floor = owed.clocks.floor
    if floor is not None:
        state = "overdue since" if owed.clocks.overdue else "due before"
        yield "quarterly floor", f"{state} {when(floor.due, owed.terms)}: {floor.responsible} (M-3)"
    yield "availability", _measured(get_map(source.body, "status", "serviceLevel"), owed)
    if recovery := get_map(source.body, "status", "recovery"):
        yield "recovery", _recoverable(recovery, owed)
    if limits := get_map(source.body, "status", "rateLimit"):
        yield "rate limits", _limited(limits, source)
    if owed.clocks.void is not None:
        yield "service level", f"void since {when(owed.clocks.void.start, owed.terms)} (M-11)"
    if owed.slots:
        slot, zone = owed.slots[0], owed.terms.zone
        yield "next slot", f"{utc(slot.start)} ({span(slot.start, slot.end, zone)} {zone})"


def _measured(level: Manifest, owed: Obligations) -> str:
    """The month's availability as the operator wrote it."""
    month = get_map(level, "current")
    if not month:
        return "not measured"
    allowed = f" of {get_int(month, 'allowedMinutes')} allowed" if "allowedMinutes" in month else ""
    down = f"{get_int(month, 'downtimeMinutes')} min of downtime{allowed}"
    unknown = get_int(month, "unknownMinutes")
    parts = [f"{get_str(month, 'month')}: {get_str(month, 'contract')} %, {down}"]
    parts += [f"{unknown} min not measured"] if unknown else []
    since = parse_time(get_str(level, "downSince"))
    parts += [f"down since {when(since, owed.terms)}"] if since else []
    return "; ".join(parts)


def _recoverable(recovery: Manifest, owed: Obligations) -> str:
    """What could be restored, as the operator wrote it; it says when it was measured."""
    newest, measured = (
        parse_time(get_str(recovery, key)) for key in ("newestRecoverablePoint", "measuredAt")
    )
    told = f"newest point {when(newest, owed.terms)}" if newest else "nothing can be restored"
    at = f", measured {utc(measured)}" if measured else ""
    return f"{told}; {get_str(recovery, 'objective')} may be lost (B-3){at}"


def _limited(limits: Manifest, source: Source) -> str:
    """Whether clients are held to the limits, and what of that was refused, as the operator wrote it."""
    enforced = condition_in(get_map(source.body, "status"), RATE_LIMIT_ENFORCED)
    ui, api = (get_int(limits, "limits", kind, "limit") for kind in ("ui", "api"))
    told = f"{get_str(enforced, 'reason') or 'not judged'}: ui {ui}, api {api} a minute (RL-1)"
    seen = get_map(limits, "observed")
    if not seen:
        return told
    classes = get_list(seen, "refusedPerMinute")
    refused = sum(get_int(one, "limited") + get_int(one, "banned") for one in classes)
    counted = f"{refused} of {get_int(seen, 'requestsPerMinute')} requests a minute refused"
    measured = parse_time(get_str(seen, "measuredAt"))
    return f"{told}; {counted}{f', measured {utc(measured)}' if measured else ''}"


def _conditions(source: Source) -> None:
    """Those that need a look; the good ones are counted."""
    items = get_list(source.body, "status", "conditions")
    bad = [item for item in items if get_str(item, "status") != _good(get_str(item, "type"))]
    count = f"{len(items) - len(bad)} of {len(items)} as they should be" if items else "none yet"
    say(f"\nConditions: {count}", "bold")
    rows = [
        [get_str(item, field) for field in ("type", "status", "reason", "lastTransitionTime", "message")]
        for item in bad
    ]
    if rows:
        show(table(["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"], rows))


def _good(kind: str) -> str:
    return EXPLANATIONS[kind].good if kind in EXPLANATIONS else "True"


def _findings(source: Source) -> None:
    found = get_list(source.body, "status", "findings")
    say(f"\nFindings: {len(found) or 'none'}", "bold")
    rows = []
    for item in found:
        deadline = parse_time(get_str(item, "deadline"))
        text = f"{get_str(item, 'message')}. To do: {get_str(item, 'action')}"
        until = utc(deadline) if deadline else ""
        who = " ".join(filter(None, (get_str(item, "responsible"), get_str(item, "contact"))))
        rows.append((who, until, get_str(item, "code"), text))
    if rows:
        show(table(["WHO", "BEFORE", "CODE", "WHAT"], rows))


def _as_json(source: Source, owed: Obligations) -> JsonValue:
    return {
        "instance": source.owner,
        "promised": dict(_promises(source, owed)),
        "measured": dict(_figures(source, owed)),
        "conditions": get_list(source.body, "status", "conditions"),
        "findings": get_list(source.body, "status", "findings"),
        "dates": [date_json(date, owed.terms.zone) for date in owed.clocks.dates],
    }
