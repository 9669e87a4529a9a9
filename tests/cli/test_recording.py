"""What a record is called, and what it says: the same word again is no second record."""

import pytest

from cli.running import instance, record, three_refused
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.record import ProviderFact, SharedFact
from dedicated.cli.facts import Record, records_about
from dedicated.cli.record import FORMS, Form, Values, fields_of
from dedicated.cli.recording import about, draft, said_before
from dedicated.cli.source import Source, source_from
from dedicated.cli.terminal import Failure

SLOT: Manifest = {"start": "2026-12-13T01:00:00Z", "end": "2026-12-13T05:00:00Z"}
PERMIT: Manifest = {"request": "regular-2026-12", "slot": SLOT}


def source(*records: Manifest) -> Source:
    return source_from(instance(), list(records))


def name(given: Source, fact: str, said: Manifest) -> str:
    return get_str(draft(given, fact, said, by="alice"), "metadata", "name")


def test_a_name_follows_from_what_is_said_and_from_the_word_before() -> None:
    first = name(source(), "Permitted", PERMIT)
    assert first == name(source(), "Permitted", PERMIT)
    assert first.startswith("acme-permitted-")
    other: Manifest = {**PERMIT, "request": "regular-2027-01"}
    withdrawn = record("w", "2026-12-02T00:00:00Z", "Withdrawn", request="regular-2026-12")
    elsewhere = record("e", "2026-12-02T00:00:00Z", "Refused", request="regular-2027-01")
    assert name(source(), "Permitted", other) != first
    assert name(source(withdrawn), "Permitted", PERMIT) != first
    assert name(source(elsewhere), "Permitted", PERMIT) == first


def test_words_are_about_the_same_request_or_issue() -> None:
    records = source(
        record("a", "2026-12-02T00:00:00Z", "Refused", request="regular-2026-12"),
        record("b", "2026-12-03T00:00:00Z", "Refused", request="regular-2027-01"),
        record("c", "2026-12-04T00:00:00Z", "Waiver", issue="regular-2026-09", reference="x"),
        record("d", "2026-12-05T00:00:00Z", "ServiceStarted"),
    ).records

    def found(fact: str, **said: JsonValue) -> list[str]:
        return [item.name for item in about(records, fact, said)]

    assert found("Permitted", request="regular-2026-12") == ["a"]
    assert found("Escalated", issue="regular-2026-09") == ["c"]
    assert found("Escalated", issue="regular-2026-08") == []
    assert found("ServiceStarted") == ["d"]


def test_of_answers_the_last_word_counts() -> None:
    permitted = record("p", "2026-12-02T00:00:00Z", "Permitted", **PERMIT)
    withdrawn = record("w", "2026-12-03T00:00:00Z", "Withdrawn", request="regular-2026-12")
    known = said_before(source(permitted), "Permitted", PERMIT)
    assert known is not None
    assert known.name == "p"
    assert said_before(source(permitted, withdrawn), "Permitted", PERMIT) is None


def test_of_other_facts_any_that_has_effect_counts() -> None:
    notice: Manifest = {"kind": "Security", "duration": "2h"}
    said: Manifest = {"request": "cve", "reference": "CVE-1", "notice": notice}
    notified = record("n", "2026-12-02T00:00:00Z", "Notified", **said)
    delivered = record("d", "2026-12-03T00:00:00Z", "Delivered", request="cve")
    known = said_before(source(notified, delivered), "Notified", said)
    assert known is not None
    assert known.name == "n"
    assert said_before(source(notified), "Notified", {**said, "reference": "CVE-2"}) is None


def test_a_record_without_effect_does_not_count_as_said() -> None:
    said: Manifest = {"issue": "regular-2026-02", "reference": "letter of 11 May"}
    *others, notice = three_refused()
    asked = [
        record(f"asked-{month}", f"{month}-01T06:00:00Z", "Notified", request=f"regular-{month}",
               notice={"kind": "Regular", "duration": "2h"})
        for month in ("2026-02", "2026-03", "2026-04")
    ]  # fmt: skip
    started = record("started", "2026-01-05T08:00:00Z", "ServiceStarted")
    early: Manifest = {
        **notice, "metadata": {**get_map(notice, "metadata"), "creationTimestamp": "2026-05-06T08:00:00Z"}
    }  # fmt: skip
    with_effect = source(started, *asked, *others, notice)
    without = source(started, *asked, *others, early)
    assert said_before(with_effect, "TerminationNotice", said) is not None
    assert said_before(without, "TerminationNotice", said) is None
    assert name(without, "TerminationNotice", said) != name(source(), "TerminationNotice", said)


def test_who_says_it_makes_no_difference_to_what_is_said() -> None:
    key = source().instance.meta.key
    (found,) = records_about([record("a", "2026-12-02T00:00:00Z", "Permitted", **PERMIT)], key)
    said: Manifest = {"instance": "acme", "fact": "Permitted", "by": "bob", **PERMIT}
    assert found.says(said)
    assert not found.says({**said, "slot": {**SLOT, "anyTime": True}})


def test_a_form_that_admission_would_refuse_is_a_wrong_argument() -> None:
    with pytest.raises(Failure, match="slot stands with fact Permitted") as refused:
        draft(source(), "Permitted", {"request": "regular-2026-12"}, by="alice")
    assert refused.value.exit_code == 2


VALUES: Values = {
    "issue": "regular-2026-02", "request": "cve-1", "reference": "T-1", "reason": "why", "clause": "S-2",
    "value": "2", "from": "2026-12-01", "until": "2026-12-03T12:00Z", "to": "User:eve",
    "object": ("Deployment/acme-server",), "range": "203.0.113.0/24", "ranges": ("203.0.113.0/24",),
    "factor": "20", "record": "acme-override-1",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("optional", [False, True])
def test_each_form_makes_a_valid_record(form: Form, optional: bool) -> None:
    options = (*form.must, *form.may) if optional else form.must
    said = fields_of(form, {option: VALUES[option] for option in options}, zone="Europe/Zurich")
    spec = get_map(draft(source(), form.fact, said, by="ops"), "spec")
    assert get_str(spec, "fact") == form.fact


def test_times_become_instants_of_the_contract_zone() -> None:
    said = fields_of(FORMS["force-majeure"], VALUES, zone="Europe/Zurich")
    assert said["stretch"] == {"start": "2026-11-30T23:00:00Z", "end": "2026-12-03T12:00:00Z"}


@pytest.mark.parametrize(
    ("text", "grantee"),
    [
        ("User:eve", {"kind": "User", "name": "eve"}),
        ("User:oidc:eve", {"kind": "User", "name": "oidc:eve"}),
        ("Group:ops", {"kind": "Group", "name": "ops"}),
        ("ServiceAccount:ns:debugger", {"kind": "ServiceAccount", "namespace": "ns", "name": "debugger"}),
    ],
)
def test_who_is_instructed(text: str, grantee: Manifest) -> None:
    said = fields_of(FORMS["instruction"], {**VALUES, "to": text}, zone="UTC")
    assert get_map(said, "instruction")["grantee"] == grantee


@pytest.mark.parametrize("text", ["eve", "User:", "ServiceAccount:debugger", "Robot:x", "ServiceAccount::x"])
def test_nobody_is_instructed_by_half_a_name(text: str) -> None:
    import click

    with pytest.raises(click.UsageError, match="write User:NAME, Group:NAME or ServiceAccount"):
        fields_of(FORMS["instruction"], {**VALUES, "to": text}, zone="UTC")


def test_every_fact_of_the_provider_has_a_form_but_the_announcement() -> None:
    from typing import get_args

    facts = {*get_args(ProviderFact), *get_args(SharedFact)}
    assert {form.fact for form in FORMS.values()} == facts - {"Notified"}


def test_records_of_other_instances_say_nothing_here() -> None:
    other = record("a", "2026-12-02T00:00:00Z", "Refused", instance="globex", request="regular-2026-12")
    records: tuple[Record, ...] = source(other).records
    assert records == ()
