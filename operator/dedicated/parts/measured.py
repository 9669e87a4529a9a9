"""What was measured of an instance, kept for 13 months: a ConfigMap for each month in which something was.

A ConfigMap, because it is watched already, protected by its label as everything else of the instance is, and
read by people with kubectl. It has no owner reference: it outlives a status that was wiped and an instance
that was restored. One line is one stretch, so that it is the evidence of a claim as it stands (A-8):

    Core 2026-11-03T10:00:00Z 2026-11-03T10:05:10Z Discovery,Keys GET https://... answered 503
    Entry 2026-11-04T08:00:00Z - Entry no connection: Connection refused
    Unmeasured 2026-11-05T00:00:00Z 2026-11-05T00:02:00Z

A month without a line has no object: the first one says since when the instance is measured, and the newest
is never taken away. `objective` is the one in force when the object was last written in its month.
The operator's own gaps are kept alike, once for all instances, in the namespace of its Lease.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import TypeAlias, get_args

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.names import FIELD_MANAGER, LABEL_COMPONENT, LABEL_MANAGED_BY
from dedicated.api.objects import CONFIG_MAP
from dedicated.api.probing import Source
from dedicated.api.resource import Instance
from dedicated.contract.dates import Month, month_of
from dedicated.contract.downtime import MOST, Record, Span, Stretch, united
from dedicated.parts.metadata import lasting

COMPONENT = "service-level"
GAPS_COMPONENT = "not-measured"
OPEN = "-"
"""In place of the end of what is not over."""
Objectives: TypeAlias = Mapping[Month, Decimal | None]


@dataclass(frozen=True, slots=True)
class KeptMonth:
    """One object as read."""

    month: Month
    objective: Decimal | None
    record: Record


def month_of_manifest(manifest: Manifest) -> KeptMonth | None:
    """The month of an object; None where it is none of ours. A line that cannot be read is left out."""
    data = get_map(manifest, "data")
    month = _month(get_str(data, "month"))
    if month is None:
        return None
    begun = Record(since=parse_time(get_str(data, "measuredSince")))
    record = _parsed(get_str(data, "stretches"), begun)
    return KeptMonth(month, _objective(get_str(data, "objective")), record)


def record_of(months: Iterable[KeptMonth]) -> Record:
    """All months as one record."""
    found = sorted(months, key=lambda kept: kept.month)
    begun = [kept.record.since for kept in found if kept.record.since is not None]
    return Record(
        since=min(begun, default=None),
        core=united(stretch for kept in found for stretch in kept.record.core),
        entry=united(stretch for kept in found for stretch in kept.record.entry),
        unmeasured=tuple(span for kept in found for span in kept.record.unmeasured),
    )


def objectives_of(months: Iterable[KeptMonth]) -> dict[Month, Decimal | None]:
    """The objective of each month that is kept."""
    return {kept.month: kept.objective for kept in months}


def by_month(record: Record, *, zone: str) -> dict[Month, Record]:
    """The record month by month, each stretch where it begins; the first month is there in any case. Empty
    before the instance was measured."""
    if record.since is None:
        return {}
    found = {month_of(record.since, zone): Record(since=record.since)}
    spans = (*record.core, *record.entry, *record.unmeasured)
    for month in {month_of(span.since, zone) for span in spans}:
        found[month] = Record(
            since=record.since,
            core=tuple(one for one in record.core if month_of(one.since, zone) == month),
            entry=tuple(one for one in record.entry if month_of(one.since, zone) == month),
            unmeasured=few(one for one in record.unmeasured if month_of(one.since, zone) == month),
        )
    return found


def few(spans: Iterable[Span], most: int = MOST) -> tuple[Span, ...]:
    """The longest spans, in order of time: what is left out counts as measured."""
    found = sorted(spans, key=lambda span: span.since)
    if len(found) <= most:
        return tuple(found)
    closed = [(span.until - span.since, span) for span in found if span.until is not None]
    short = sorted(closed, key=lambda pair: (pair[0], pair[1].since))[: len(found) - most]
    out = {span for _, span in short}
    return tuple(span for span in found if span not in out)


def config_map(instance: Instance, month: Month, record: Record, objective: Decimal | None) -> Manifest:
    """The object of one month."""
    head = lasting(CONFIG_MAP, instance, suffix_of(month), COMPONENT)
    return {**head, "data": _data(month, record, objective)}


def suffix_of(month: Month) -> str:
    """What the object of a month is called behind its instance's name."""
    return f"measured-{month}"


def gaps_config_map(*, namespace: str, name: str, month: Month, gaps: tuple[Span, ...]) -> Manifest:
    """The operator's gaps of one month."""
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {LABEL_MANAGED_BY: FIELD_MANAGER, LABEL_COMPONENT: GAPS_COMPONENT},
        },
        "data": _data(month, Record(unmeasured=few(gaps)), None),
    }


def _data(month: Month, record: Record, objective: Decimal | None) -> Manifest:
    lines = [_line("Core", stretch) for stretch in record.core]
    lines += [_line("Entry", stretch) for stretch in record.entry]
    lines += [_line("Unmeasured", span) for span in record.unmeasured]
    data: dict[str, JsonValue] = {"month": str(month), "stretches": "".join(f"{line}\n" for line in lines)}
    if record.since is not None:
        data["measuredSince"] = rfc3339(record.since)
    if objective is not None:
        data["objective"] = str(objective)
    return data


def _line(kind: str, span: Span) -> str:
    parts = [kind, rfc3339(span.since), rfc3339(span.until) if span.until else OPEN]
    if isinstance(span, Stretch):
        parts += [",".join(span.services), " ".join(span.detail.split())]
    return " ".join(parts).rstrip()


def _parsed(text: str, record: Record) -> Record:
    core: list[Stretch] = []
    entry: list[Stretch] = []
    unmeasured: list[Span] = []
    for line in text.splitlines():
        kind, since, until, services, detail = (*line.split(" ", 4), *[""] * 5)[:5]
        start, end = parse_time(since), parse_time(until)
        if start is None or (end is None and until != OPEN):
            continue
        if kind == "Unmeasured":
            unmeasured.append(Span(start, end))
        elif named := _sources(services):
            (core if kind == "Core" else entry).append(Stretch(start, end, named, detail))
    return replace(record, core=tuple(core), entry=tuple(entry), unmeasured=tuple(unmeasured))


def _sources(text: str) -> tuple[Source, ...]:
    names: tuple[Source, ...] = get_args(Source)
    found = text.split(",")
    return tuple(name for name in names if name in found)


def _month(text: str) -> Month | None:
    year, _, number = text.partition("-")
    if not (year.isdecimal() and number.isdecimal() and 1 <= int(number) <= 12):
        return None
    return Month(int(year), int(number))


def _objective(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None
