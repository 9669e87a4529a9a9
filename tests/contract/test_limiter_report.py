"""A replica's report survives its way as text; what it is written anew for is what somebody acts on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dedicated.contract.limiter_report import (
    LONGEST,
    PATHS,
    WORDS,
    Bounds,
    ClassProof,
    Counts,
    Proof,
    Refused,
    Report,
    Thresholds,
    TopPath,
    from_json,
    material,
    reports_in,
    to_json,
    two_digits,
)

NOW = datetime(2026, 11, 2, 12, 0, 7, 250_000, tzinfo=UTC)
PROOF = Proof(NOW, "abc", True, "", ClassProof(606, 607, 2728, 60), ClassProof(3030, 3031, 9091, 60), 3)
FULL = Report(
    replica=1,
    measured_at=NOW,
    started_at=NOW - timedelta(hours=1),
    haproxy="3.2.9",
    phase="Applied",
    content="abc",
    wanted="abc",
    policy_hash="fa5be5c56f188f90",
    thresholds=Thresholds(Bounds(606, 2727), Bounds(3030, 9090)),
    proof=PROOF,
    bans=Counts(1, 2),
    tracked=Counts(1234, 5678),
    room=131_072,
    requests=Counts(1999, 2001),
    refused=Refused(1, 2, 3, 4),
    p50=1.5,
    p99=12.0,
    from_cluster=0.01,
    top_paths=(TopPath("/ui/console", 17),),
)


def test_a_report_comes_back_as_it_was() -> None:
    assert from_json(to_json(FULL)) == FULL
    assert from_json(to_json(Report(0, NOW))) == Report(0, NOW)


def test_an_agent_of_another_version_is_understood() -> None:
    newer = to_json(FULL).replace('{"replica"', '{"colour":"green","replica"', 1)
    assert from_json(newer) == FULL
    assert from_json('{"replica":2,"measured_at":"2026-11-02T12:00:07.25Z"}') == Report(2, NOW)


def test_what_is_none_or_too_long_is_no_report() -> None:
    assert from_json("") is None
    assert from_json("{}") is None
    assert from_json(to_json(FULL).replace('"Applied"', '"Elsewhere"')) is None
    assert from_json(to_json(FULL) + " " * LONGEST) is None


def test_a_report_is_never_longer_than_is_read() -> None:
    paths = tuple(TopPath(f"/{number}" + "ä" * 500, number) for number in range(1000))
    huge = replace(
        FULL, message="x" * 10**5, proof=replace(PROOF, detail="y" * 10**5), top_paths=paths, haproxy="3"
    )
    found = from_json(to_json(huge))
    assert found is not None
    assert found.proof is not None
    assert (len(found.message), len(found.proof.detail), len(found.top_paths)) == (WORDS, WORDS, PATHS)


def test_proven_is_the_wanted_content_only() -> None:
    assert FULL.proven
    assert not replace(FULL, wanted="new").proven
    assert not replace(FULL, content="new", wanted="new").proven
    assert not replace(FULL, proof=replace(PROOF, passed=False)).proven
    assert not replace(FULL, phase="Rejected").proven
    assert not replace(FULL, proof=None).proven


def test_a_report_under_the_key_of_another_replica_is_left_out() -> None:
    data = {
        "r0": to_json(replace(FULL, replica=0)),
        "r1": to_json(replace(FULL, replica=0)),
        "r2": to_json(FULL),
    }
    assert [one.replica for one in reports_in(data, replicas=3)] == [0]


def test_what_scatters_at_rest_is_no_difference() -> None:
    later = replace(FULL, measured_at=NOW + timedelta(minutes=1), tracked=Counts(1299, 5601), p99=12.9)
    assert material(later) == material(FULL)
    for other in (
        replace(FULL, phase="Applying"),
        replace(FULL, bans=Counts(2, 2)),
        replace(FULL, tracked=Counts(1300, 5678)),
        replace(FULL, p99=20.0),
        replace(FULL, from_cluster=0.4),
        replace(FULL, thresholds=Thresholds(Bounds(607, 2727), Bounds(3030, 9090))),
    ):
        assert material(other) != material(FULL)


def test_numbers_are_told_to_two_digits() -> None:
    assert [two_digits(number) for number in (0, 7, 99, 100, 1999, 123_456)] == [0, 7, 99, 100, 1900, 120_000]
