"""What replicas of a limiter have reported, for the command that tells of it."""

from dataclasses import replace
from datetime import timedelta

from cli.running import NOW
from dedicated.api.json import Manifest
from dedicated.contract.limiter_report import (
    Bounds,
    ClassProof,
    Counts,
    Proof,
    Refused,
    Report,
    Thresholds,
    TopPath,
    key_of,
    to_json,
)
from dedicated.contract.rate_limits import Policy, policy_hash

PROOF = Proof(
    NOW - timedelta(hours=3), "c1", True, "", ClassProof(606, 607, 2728, 60), ClassProof(3030, 3031, 9091, 60)
)


def report(replica: int = 0, policy: Policy | None = None) -> Report:
    """As of 20 s ago: the policy in force and proven, some requests, some refused."""
    return Report(
        replica=replica,
        measured_at=NOW - timedelta(seconds=20),
        phase="Applied",
        content="c1",
        wanted="c1",
        policy_hash=policy_hash(policy or Policy()),
        thresholds=Thresholds(Bounds(606, 2727), Bounds(3030, 9090)),
        proof=PROOF,
        bans=Counts(ui=2, api=1),
        tracked=Counts(ui=310, api=1200),
        room=131_072,
        requests=Counts(ui=900, api=5200),
        refused=Refused(ui_limited=40, ui_banned=7, api_limited=3),
        p50=1.2 + replica,
        p99=9.5,
        top_paths=(TopPath("/ui/login", 30 + replica), TopPath("/oauth/v2", 3)),
    )


def told(*reports: Report) -> Manifest:
    """Their ConfigMap."""
    return {"data": {key_of(one.replica): to_json(one) for one in reports}}


def both(policy: Policy | None = None) -> Manifest:
    """Two replicas of which the second one says why it is not as far."""
    second = replace(report(1, policy), phase="Waiting", message="replica 0 is proven first")
    return told(report(0, policy), second)
