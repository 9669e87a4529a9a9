"""What is recorded on rate limits, and what the command says of it."""

import click
import pytest

from api.edge_examples import SERVICE
from cli.running import instance, record
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.cli.facts import Record
from dedicated.cli.record import FORMS, Values, fields_of
from dedicated.cli.recording import Recorded, draft, said_before
from dedicated.cli.source import Source, source_from
from dedicated.cli.terminal import Failure
from dedicated.cli.words import record_told

NAT = "203.0.113.0/24"
VALUES: Values = {
    "range": NAT, "ranges": (NAT, "198.51.100.0/28"), "factor": "20", "from": "2026-12-20", "record": "o",
    "until": "2026-12-22", "reference": "T-1", "reason": "a NAT",
}  # fmt: skip
UNTIL = "2026-12-21T23:00:00Z"
DAYS = "Sun 2026-12-20 00:00 to Tue 2026-12-22 00:00"


def source(*records: Manifest, **spec: JsonValue) -> Source:
    return source_from(instance(**spec), list(records))


def fields(name: str, **values: str | tuple[str, ...]) -> Manifest:
    return fields_of(FORMS[name], {**VALUES, **values}, zone="Europe/Zurich")


def raised(name: str = "o", at: str = "2026-12-02T00:00:00Z", **changes: str) -> Manifest:
    return record(name, at, "Override", **fields("override", **changes))


def effects(given: Source, name: str) -> list[str]:
    found: Record = next(item for item in given.records if item.name == name)
    return Recorded(given, found, made=True).effects()


def test_an_override_has_a_factor_or_none() -> None:
    assert get_map(fields("override"), "override") == {
        "range": NAT, "factor": 20, "validFrom": "2026-12-19T23:00:00Z", "validUntil": UNTIL,
    }  # fmt: skip
    assert get_map(fields("override", factor="exempt"), "override")["exempt"] is True


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"factor": "twice"}, "--factor 'twice': write a whole number, 2 to 100, or exempt"),
        ({"range": "203.0.113.7/24"}, "write 203.0.113.0/24 for all of it, or 203.0.113.7/32 for the one"),
        ({"range": "NAT"}, "--range 'NAT': not a range of addresses; write CIDR notation"),
        ({"range": "0.0.0.0/0"}, "wider than /8"),
    ],
)
def test_a_wrong_word_is_told_with_what_to_write(wrong: dict[str, str], says: str) -> None:
    with pytest.raises(click.UsageError, match=f".*{says}"):
        fields("override", **wrong)


def test_what_admission_would_refuse_is_a_wrong_argument() -> None:
    with pytest.raises(Failure, match="less than or equal to 100") as refused:
        draft(source(), "Override", fields("override", factor="101"), by="ops")
    assert refused.value.exit_code == 2
    long = fields("load-test", until="2026-12-28")
    with pytest.raises(Failure, match=r"loadTest.until: until must be later than from, and at most 7 days"):
        draft(source(), "LoadTest", long, by="ops")


def test_an_override_says_what_it_raises() -> None:
    given = source(raised(), raised("e", factor="exempt"), edge=SERVICE)
    held = f"{NAT} has 20 times the published limits from 2026-12-19T23:00Z until 2026-12-21T23:00Z"
    assert effects(given, "o") == [held]
    assert effects(given, "e")[0].startswith(f"{NAT} has no limits from")


def test_without_a_way_in_there_is_nothing_to_raise() -> None:
    assert effects(source(raised()), "o")[-1] == (
        "no limiter stands: without spec.edge no limit is enforced, and none has to be raised"
    )


def test_an_override_that_is_over_has_no_effect() -> None:
    late = raised(at="2026-12-23T00:00:00Z", **{"from": "2026-12-20"})
    (said,) = effects(source(late, edge=SERVICE), "o")
    assert said.startswith("has no effect: ")
    assert said.endswith("until 2026-12-21T23:00Z, which is over")


def test_a_load_test_that_is_recorded_too_late_says_so() -> None:
    early = record("early", "2026-12-02T00:00:00Z", "LoadTest", **fields("load-test"))
    late = record("late", "2026-12-07T00:00:00Z", "LoadTest", **fields("load-test"))
    given = source(early, late, edge=SERVICE)
    assert effects(given, "early") == [
        f"{held} has no limits from 2026-12-19T23:00Z until 2026-12-21T23:00Z"
        for held in (NAT, "198.51.100.0/28")
    ]
    (said,) = effects(given, "late")
    void = "has no effect: loadTest.from 2026-12-19T23:00:00Z: recorded at 2026-12-07T00:00:00Z"
    assert said.startswith(void)


def test_what_is_taken_back_is_named() -> None:
    taken = record("w", "2026-12-03T00:00:00Z", "OverrideWithdrawn", **fields("override-withdrawn"))
    given = source(raised(), taken, edge=SERVICE)
    assert effects(given, "w") == ["o no longer holds"]
    assert effects(source(taken, edge=SERVICE), "w") == [
        "has no effect: o is no Override and no LoadTest of acme"
    ]


def test_said_again_after_it_was_taken_back_it_is_a_new_word() -> None:
    taken = record("w", "2026-12-03T00:00:00Z", "OverrideWithdrawn", **fields("override-withdrawn"))
    said = fields("override")
    known = said_before(source(raised()), "Override", said)
    assert known is not None
    assert known.name == "o"
    assert said_before(source(raised(), taken), "Override", said) is None


def test_the_ledger_tells_them_in_words() -> None:
    taken = record("w", "2026-12-03T00:00:00Z", "OverrideWithdrawn", **fields("override-withdrawn"))
    test = record("t", "2026-12-02T00:00:00Z", "LoadTest", **fields("load-test"))
    told = [record_told(item, "Europe/Zurich") for item in source(raised(), test, taken).records]
    assert told == [
        f"Override: {NAT} has 20 times the published limits, {DAYS} (T-1, a NAT)",
        f"LoadTest: from {NAT}, 198.51.100.0/28, {DAYS} (T-1, a NAT)",
        "OverrideWithdrawn o (T-1, a NAT)",
    ]
