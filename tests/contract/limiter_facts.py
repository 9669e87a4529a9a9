"""A limiter at work: three replicas that report, each proven, and nothing that leads past them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from dedicated.contract.limiter_report import (
    Bounds,
    ClassProof,
    Counts,
    Proof,
    Report,
    Thresholds,
)
from dedicated.contract.limits_sight import ClientSource, Sight, Ways

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
HASH = "aaaa567890abcdef"
THRESHOLDS = Thresholds(ui=Bounds(606, 2727), api=Bounds(3030, 9090))
PROOF = Proof(
    at=NOW - timedelta(hours=3),
    content="c1",
    passed=True,
    ui=ClassProof(606, 607, 2728, 60),
    api=ClassProof(3030, 3031, 9091, 60),
)
LOOKED = Ways(direct="Closed", looked=True)


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def report(replica: int = 0, *, policy: str = HASH, at: datetime = NOW) -> Report:
    """A replica that is well, with some traffic."""
    return Report(
        replica=replica,
        measured_at=at - timedelta(seconds=20),
        started_at=at - timedelta(days=2),
        haproxy="3.2.9",
        phase="Applied",
        content="c1",
        wanted="c1",
        policy_hash=policy,
        thresholds=THRESHOLDS,
        proof=replace(PROOF, at=at - timedelta(hours=3)),
        tracked=Counts(120, 400),
        room=131_072,
        requests=Counts(200, 1000),
        p50=3.0,
        p99=40.0,
    )


def sight(*reports: Report, mode: Literal["Enforce", "Shadow"] = "Enforce") -> Sight:
    """A limiter of these replicas, by default of three that are well."""
    found = reports or tuple(report(number) for number in range(3))
    return Sight(
        enforcement="Embedded",
        replicas=len(found),
        mode=mode,
        policy_hash=HASH,
        thresholds=THRESHOLDS,
        contents=("c1",) * len(found),
        since=ago(days=1),
        client=ClientSource("XForwardedFor", ("10.0.0.0/8",)),
        reports=found,
        ways=LOOKED,
        stands=True,
        zone="Europe/Zurich",
    )
