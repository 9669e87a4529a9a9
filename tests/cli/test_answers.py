"""Answers to a request: what could have no effect is said with its figure, and nothing is sent."""

from collections.abc import Callable

import pytest

from cli.running import NOW, WINDOW, Ran, instance, record, run
from dedicated.api.json import JsonValue, Manifest
from dedicated.cli import answers
from dedicated.cli.frame import Cluster
from dedicated.cli.source import Source, source_from

NOTICE: Manifest = {"kind": "Regular", "duration": "2h"}
RECORDS = [
    record("started", "2026-10-05T08:00:00Z", "ServiceStarted"),
    record("asked", "2026-11-01T00:00:00Z", "Notified", request="regular-2026-11", notice=NOTICE),
    record("over", "2026-11-20T00:00:00Z", "Retracted", request="regular-2026-10"),
    record("early", "2026-10-20T00:00:00Z", "Notified", request="regular-2026-10", notice=NOTICE),
]
LATER = ("--from", "2026-12-01T02:00", "--to", "2026-12-01T06:00")
Answering = Callable[..., tuple[Ran, list[tuple[str, Manifest]]]]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Run an answer about an instance; how it ended, and what would be recorded."""
    sent: list[tuple[str, Manifest]] = []

    def write(source: Source, fact: str, said: Manifest, **_: object) -> None:
        sent.append((fact, said))

    monkeypatch.setattr(answers, "write", write)

    def called(*arguments: str, plan: str = "Advanced", more: tuple[Manifest, ...] = (),
               maintenance: JsonValue = None) -> tuple[Ran, list[tuple[str, Manifest]]]:  # fmt: skip
        spec: Manifest = {"maintenance": maintenance} if maintenance else {}
        source = source_from(instance(plan, **spec), [*RECORDS, *more])

        def found(_name: str, _cluster: Cluster) -> Source:
            return source

        monkeypatch.setattr(answers, "in_cluster", found)
        return run(*arguments, now=NOW), sent

    return called


def test_a_slot_is_read_by_the_contract_zone(answer: Answering) -> None:
    ran, sent = answer("permit", "acme", "regular-2026-11", *LATER, "--any-time", "--reference", "T-1")
    assert ran.code == 0, ran.err
    slot: Manifest = {"start": "2026-12-01T01:00:00Z", "end": "2026-12-01T05:00:00Z", "anyTime": True}
    assert sent == [("Permitted", {"request": "regular-2026-11", "slot": slot, "reference": "T-1"})]


def test_the_next_slot_is_the_calendars(answer: Answering) -> None:
    ran, sent = answer(
        "permit", "acme", "regular-2026-11", "--next-slot", maintenance={"windows": [WINDOW]}
    )
    assert ran.code == 0, ran.err
    slot: Manifest = {"start": "2026-12-13T01:00:00Z", "end": "2026-12-13T05:00:00Z"}
    assert sent == [("Permitted", {"request": "regular-2026-11", "slot": slot})]


def test_refusing_and_withdrawing(answer: Answering) -> None:
    answer("refuse", "acme", "regular-2026-11", "--reason", "audit")
    _, sent = answer("withdraw", "acme", "regular-2026-11")
    assert sent == [
        ("Refused", {"request": "regular-2026-11", "reason": "audit"}),
        ("Withdrawn", {"request": "regular-2026-11"}),
    ]


USED = record(
    "used", "2026-11-02T00:00:00Z", "Permitted", request="regular-2026-11",
    slot={"start": "2026-11-28T08:00:00Z", "end": "2026-11-28T12:00:00Z"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("permit", "acme", "regular-2026-12", *LATER), 1,
         "regular-2026-12 was never notified; open: regular-2026-11"),
        (("permit", "acme", "regular-2026-10", *LATER), 1, "regular-2026-10 is not open any more"),
        (("permit", "acme", "regular-2026-11", "--from", "2026-12-01T02:00", "--to", "2026-12-01T03:00"), 1,
         "needs 2h, the slot has 1h left"),
        (("permit", "acme", "regular-2026-11", "--from", "2026-11-28T08:00", "--to", "2026-11-28T11:00"), 1,
         "needs 2h, the slot has 1h left"),
        (("permit", "acme", "regular-2026-11", "--from", "2026-11-01", "--to", "2026-11-02"), 1,
         "needs 2h, the slot has 0m left"),
        (("permit", "acme", "regular-2026-11"), 2, "name the slot by --from and --to, or take --next-slot"),
        (("permit", "acme", "regular-2026-11", "--from", "2026-12-01"), 2, "by --from and --to"),
        (("permit", "acme", "regular-2026-11", *LATER, "--next-slot"), 2, "by --from and --to"),
        (("permit", "acme", "regular-2026-11", "--next-slot"), 1, "no window within a year has room for 2h"),
        (("reschedule", "acme", "regular-2026-11", "--from", "2027-01-06", "--to", "2027-01-07"), 1,
         "(2027-01-06 00:00 Europe/Zurich), regular-2026-11 is due before 2027-01-05T23:00:00Z"),
    ],
)  # fmt: skip
def test_what_could_have_no_effect(
    answer: Answering, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ran, sent = answer(*arguments)
    assert (ran.code, sent) == (code, [])
    assert says in ran.err


def test_a_slot_that_began_is_not_taken_back(answer: Answering) -> None:
    ran, sent = answer("withdraw", "acme", "regular-2026-11", more=(USED,))
    assert (ran.code, sent) == (1, [])
    assert "began 2026-11-28T08:00:00Z" in ran.err
    assert "it is used (M-13)" in ran.err


def test_times_are_the_customers_only_where_the_plan_says_so(answer: Answering) -> None:
    ran, sent = answer("reschedule", "acme", "regular-2026-11", *LATER, plan="Standard")
    assert (ran.code, sent) == (1, [])
    assert "plan Standard has no choice of times (M-4)" in ran.err
    ran, sent = answer("reschedule", "acme", "regular-2026-11", *LATER)
    assert (ran.code, len(sent)) == (0, 1)


def test_an_emergency_is_moved_within_its_deadline(answer: Answering) -> None:
    cve = record("cve", "2026-11-26T09:00:00Z", "Notified", request="cve-1", reference="CVE-1",
                 notice={"kind": "Security", "duration": "2h"})  # fmt: skip
    late = ("--from", "2026-12-02", "--to", "2026-12-03")
    ran, sent = answer("reschedule", "acme", "cve-1", *late, more=(cve,))
    assert (ran.code, sent) == (1, [])
    assert "cve-1 is due before 2026-12-01T23:00:00Z (2026-12-02 00:00 Europe/Zurich) (M-6)" in ran.err
