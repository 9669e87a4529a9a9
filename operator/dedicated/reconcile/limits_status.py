"""`status.rateLimit`: the policy in force, who holds to it, how it was proven, and what was seen.

What was seen differs with each report. It is told to two digits, and told anew only when it differs by more
than a quarter and what was told is 5 minutes old: a status at rest is not written for it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from dedicated.api.conditions import parse_time, rfc3339, shorten
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.contract.limiter_report import ClassProof, Report, Thresholds, two_digits
from dedicated.contract.limits_guarantee import Load, load_of
from dedicated.contract.limits_sight import Sight, fresh
from dedicated.parts.limiter.names import replica_name

TOLD_EVERY = timedelta(minutes=5)
"""Between two tellings of what was seen."""
QUARTER, FEW = 4, 10
"""A figure is told anew where it differs by more than this part of it, and by more than a few."""


def replicas(instance: str, sight: Sight, *, now: datetime) -> list[JsonValue]:
    """What each replica wanted says of itself."""
    heard = {report.replica: report for report in fresh(sight.reports, now=now)}
    return [_replica(replica_name(instance, each), heard.get(each)) for each in range(sight.replicas)]


def _replica(name: str, report: Report | None) -> Manifest:
    if report is None:
        return {"name": name, "phase": "Unknown"}
    found: Manifest = {"name": name, "phase": report.phase}
    if report.policy_hash:
        found["observedHash"] = report.policy_hash
    if report.message:
        found["message"] = shorten(report.message, 400)
    return found


def limits(found: Thresholds) -> Manifest:
    """The thresholds of everybody."""
    return {
        "ui": {"limit": found.ui.limit, "ban": found.ui.ban},
        "api": {"limit": found.api.limit, "ban": found.api.ban},
    }


def last_proof(instance: str, reports: Sequence[Report]) -> Manifest | None:
    """The first that failed, else the oldest of the replicas' last proofs; None where one has none."""
    found = [(report.proof.passed, report.proof.at, report) for report in reports if report.proof]
    if not found or len(found) < len(reports):
        return None
    _, _, report = min(found, key=lambda one: one[:2])
    proof = report.proof
    assert proof is not None
    told: Manifest = {
        "at": rfc3339(proof.at),
        "passed": proof.passed,
        "classes": [_proof("ui", proof.ui), _proof("api", proof.api)],
    }
    if not proof.passed:
        told["replica"] = replica_name(instance, report.replica)
        told["detail"] = shorten(proof.detail, 400)
    return told


def _proof(name: str, found: ClassProof) -> Manifest:
    return {
        "class": name,
        "admitted": found.admitted,
        "firstRefused": found.first_refused,
        "bannedAt": found.banned_at,
        "banSeconds": found.ban_seconds,
    }


def observed(
    reports: Sequence[Report], known: Manifest, *, now: datetime
) -> tuple[Manifest | None, datetime | None]:
    """What was seen, and when it is to be told anew by what is known now. `known`: as it is told."""
    if not reports:
        return (known or None), None
    seen = _seen(reports)
    told = parse_time(get_str(known, "measuredAt"))
    if told is None:
        return seen, None
    if not _differs(known, seen):
        return known, None
    due = told + TOLD_EVERY
    return (seen, None) if now >= due else (known, due)


def _seen(reports: Sequence[Report]) -> Manifest:
    load = load_of(reports)
    refused: list[JsonValue] = [
        {
            "class": "ui",
            "limited": two_digits(sum(one.refused.ui_limited for one in reports)),
            "banned": two_digits(sum(one.refused.ui_banned for one in reports)),
        },
        {
            "class": "api",
            "limited": two_digits(sum(one.refused.api_limited for one in reports)),
            "banned": two_digits(sum(one.refused.api_banned for one in reports)),
        },
    ]
    found: Manifest = {
        "measuredAt": rfc3339(max(one.measured_at for one in reports)),
        "requestsPerMinute": two_digits(load.requests),
        "failedPerMinute": two_digits(load.failed),
        "refusedPerMinute": refused,
        # A ban is known to every replica.
        "bans": two_digits(max(one.bans.ui + one.bans.api for one in reports)),
        "tracked": two_digits(max(max(one.tracked.ui, one.tracked.api) for one in reports)),
        "room": min(one.room for one in reports),
    }
    if load.p50 is not None:
        found["p50Milliseconds"] = two_digits(round(load.p50))
    if load.p99 is not None:
        found["p99Milliseconds"] = two_digits(round(load.p99))
    return found


def load_told(seen: Manifest) -> Load:
    """The load as a status tells it."""
    refused = [get_map(item) for item in get_list(seen, "refusedPerMinute")]
    return Load(
        requests=get_int(seen, "requestsPerMinute"),
        refused=sum(get_int(one, "limited") + get_int(one, "banned") for one in refused),
        failed=get_int(seen, "failedPerMinute"),
        p50=get_int(seen, "p50Milliseconds") if "p50Milliseconds" in seen else None,
        p99=get_int(seen, "p99Milliseconds") if "p99Milliseconds" in seen else None,
    )


def _differs(old: Manifest, new: Manifest) -> bool:
    before, after = dict(_figures(old)), dict(_figures(new))
    return any(_apart(before.get(name, 0), after.get(name, 0)) for name in before.keys() | after.keys())


def _apart(one: int, other: int) -> bool:
    return abs(one - other) > max(FEW, max(one, other) // QUARTER)


def _figures(seen: Manifest) -> Iterator[tuple[str, int]]:
    for name, value in seen.items():
        if isinstance(value, int):
            yield name, value
    for item in get_list(seen, "refusedPerMinute"):
        for name in ("limited", "banned"):
            yield f"{get_str(item, 'class')} {name}", get_int(item, name)
