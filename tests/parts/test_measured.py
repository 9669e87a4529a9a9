"""What was measured, as it is kept: readable lines that come back as they went."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import instance
from dedicated.api.json import get_map, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.probing import Source
from dedicated.contract.dates import Month
from dedicated.contract.downtime import DETAIL, MOST, Record, Span, Stretch, bounded, united
from dedicated.parts.measured import (
    by_month,
    config_map,
    few,
    gaps_config_map,
    month_of_manifest,
    objectives_of,
    record_of,
)

ZONE = "Europe/Zurich"
START = datetime(2026, 3, 30, 12, tzinfo=UTC)
MARCH, APRIL = Month(2026, 3), Month(2026, 4)
SIZE = 1024 * 1024
"""Bytes that a ConfigMap may have."""


def second(number: int) -> datetime:
    return START + timedelta(seconds=number)


def kept(record: Record, objective: Decimal | None = None) -> Record:
    """The record as it comes back from its objects."""
    manifests = [
        config_map(instance(), month, part, objective) for month, part in by_month(record, zone=ZONE).items()
    ]
    months = [found for item in manifests if (found := month_of_manifest(item)) is not None]
    assert all(month.objective == objective for month in months)
    return record_of(months)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Records over the end of a month."""
    words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), max_size=12)

    def stretches(sources: tuple[Source, ...]) -> tuple[Stretch, ...]:
        found = []
        for _ in range(draw(st.integers(0, 4))):
            since = draw(st.integers(0, 200_000))
            until = None if draw(st.integers(0, 5)) == 0 else second(since + draw(st.integers(60, 90_000)))
            services = tuple(name for name in sources if draw(st.booleans())) or sources[:1]
            detail = " ".join(draw(st.lists(words, max_size=4))).strip()
            found.append(Stretch(second(since), until, services, " ".join(detail.split())))
        return united(found)

    spans = united(stretches(("Keys",)))
    return Record(
        since=START,
        core=stretches(("Discovery", "Keys", "Login", "SAML", "Session", "Token")),
        entry=stretches(("Entry",)),
        unmeasured=tuple(Span(one.since, one.until) for one in spans),
    )


@given(records())
def test_a_record_comes_back_as_it_was_kept(record: Record) -> None:
    assert kept(record) == record
    assert kept(kept(record)) == record


def test_a_month_is_evidence_that_people_can_read() -> None:
    stretch = Stretch(second(0), second(310), ("Discovery", "Keys"), "GET https://a.example answered 503")
    record = Record(START, (stretch,), (Stretch(second(400), None, ("Entry",), "no\nconnection"),))
    manifest = config_map(instance(), MARCH, record, Decimal("99.9"))
    assert get_map(manifest, "data") == {
        "month": "2026-03",
        "measuredSince": "2026-03-30T12:00:00Z",
        "objective": "99.9",
        "stretches": "Core 2026-03-30T12:00:00Z 2026-03-30T12:05:10Z Discovery,Keys "
        "GET https://a.example answered 503\nEntry 2026-03-30T12:06:40Z - Entry no connection\n",
    }
    assert get_str(manifest, "metadata", "name") == "acme-measured-2026-03"
    assert get_str(manifest, "metadata", "labels", LABEL_INSTANCE) == "acme"
    assert "ownerReferences" not in get_map(manifest, "metadata")


def test_a_stretch_is_kept_where_it_begins_and_the_first_month_always() -> None:
    record = Record(START, (Stretch(second(122_399), second(140_000), ("Keys",)),))
    assert list(by_month(record, zone=ZONE)) == [MARCH]
    later = Record(START, (Stretch(second(122_400), second(140_000), ("Keys",)),))
    assert {month: len(part.core) for month, part in by_month(later, zone=ZONE).items()} == {
        MARCH: 0,
        APRIL: 1,
    }
    assert by_month(Record(), zone=ZONE) == {}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Core",
        "Core now then Keys x",
        "Core 2026-03-30T12:00:00Z 2026 Keys x",
        "Core 2026-03-30T12:00:00Z - Console x",
    ],
)
def test_a_line_that_nobody_can_read_is_left_out(line: str) -> None:
    manifest = config_map(instance(), MARCH, Record(START), None)
    data = get_map(manifest, "data")
    data["stretches"] = f"{line}\nUnmeasured 2026-03-30T12:00:00Z -\n"
    found = month_of_manifest(manifest)
    assert found is not None
    assert (found.record.core, found.record.unmeasured) == ((), (Span(START, None),))


@pytest.mark.parametrize("month", ["", "2026", "2026-13", "x-1"])
def test_what_is_no_month_is_none(month: str) -> None:
    assert month_of_manifest({"data": {"month": month}}) is None
    assert month_of_manifest({"data": {"month": "2026-03", "objective": "much"}}) is not None


def test_objectives_are_kept_with_their_months() -> None:
    manifest = config_map(instance(), MARCH, Record(START), Decimal("99.50"))
    found = month_of_manifest(manifest)
    assert found is not None
    assert objectives_of([found]) == {MARCH: Decimal("99.5")}


def test_the_worst_month_fits_into_an_object() -> None:
    worst = [
        Stretch(
            second(1000 * n), second(1000 * n + 100), ("Discovery", "Keys", "Login", "SAML"), "ü" * DETAIL
        )
        for n in range(3 * MOST)
    ]
    record = Record(START, bounded(worst), bounded(worst), few([Span(one.since, one.until) for one in worst]))
    data = get_map(config_map(instance(), MARCH, record, None), "data")
    assert len(get_str(data, "stretches").encode()) < SIZE / 2


def test_the_longest_spans_are_kept_and_those_that_go_on() -> None:
    spans = [Span(second(1000 * n), second(1000 * n + 100 + n)) for n in range(5)]
    going_on = Span(second(9000), None)
    assert few([*spans, going_on], 3) == (spans[3], spans[4], going_on)


def test_the_operators_gaps_are_of_no_instance() -> None:
    gaps = (Span(second(0), second(90)),)
    manifest = gaps_config_map(namespace="home", name="gaps", month=MARCH, gaps=gaps)
    assert LABEL_INSTANCE not in get_map(manifest, "metadata", "labels")
    found = month_of_manifest(manifest)
    assert found is not None
    assert found.record.unmeasured == gaps
