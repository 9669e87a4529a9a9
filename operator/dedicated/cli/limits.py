"""What `dedicated limits` shows: the rate limits in force, and what the limiter's replicas tell of them.

The policy is reckoned here from the spec and the records, at the time of the call: an override that ends now
is over now. What replicas report is read from their ConfigMap; conditions and findings are the operator's, as
it wrote them. No address of a client is known anywhere that this reads (RL-2).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dedicated.api.conditions import RATE_LIMIT_ENFORCED, condition_in, rfc3339
from dedicated.api.duration import duration_text
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, INSTANCE, RECORD
from dedicated.cli import to_do
from dedicated.cli.frame import Cluster
from dedicated.cli.source import Source, source_from
from dedicated.cli.terminal import pairs, say, show, table
from dedicated.cli.words import utc, wall
from dedicated.contract.limiter_report import Report, report_name, reports_in
from dedicated.contract.limits_conditions import JUDGED
from dedicated.contract.limits_guarantee import load_of
from dedicated.contract.limits_sight import STALE, fresh
from dedicated.contract.rate_limits import (
    BAN,
    BAN_WINDOW,
    WINDOW,
    Entry,
    InForce,
    Kind,
    Policy,
    Threshold,
    policy_hash,
    policy_in_force,
)
from dedicated.parts.limiter.names import MOST_REPLICAS, replica_name
from dedicated.reconcile.limits import CODES

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

KINDS: tuple[Kind, ...] = ("ui", "api")
PATHS = {"ui": "/ui/ and below", "api": "everything else"}
FURTHER = ("RecordWithoutEffect", "GuaranteeMissed")
"""Findings that stand for no condition."""
NOTHING_STANDS = {
    "NoEdge": "nothing is enforced: spec.edge is not set, so no limiter stands",
    "External": "spec.rateLimit.enforcement is External: no limiter stands, the customer's edge is to limit",
    "Shadow": "mode Shadow: requests are counted, and none is refused",
}


@dataclass(frozen=True, slots=True)
class Sight:
    """An instance, its policy and what its replicas told, at a time."""

    source: Source
    reports: tuple[Report, ...]
    now: datetime

    @property
    def in_force(self) -> InForce:
        """The policy now."""
        return policy_in_force(self.source.instance.spec.rate_limit, self.source.facts, now=self.now)

    @property
    def policy(self) -> Policy:
        """Its limits."""
        return self.in_force.policy

    @property
    def status(self) -> Manifest:
        """What the operator wrote."""
        return get_map(self.source.body, "status")

    @property
    def standing(self) -> str:
        """Why nothing is refused: a key of NOTHING_STANDS; empty: requests are refused at the limits."""
        spec = self.source.instance.spec
        if spec.rate_limit is not None and spec.rate_limit.enforcement == "External":
            return "External"
        if spec.edge is None:
            return "NoEdge"
        return "Shadow" if self.policy.mode == "Shadow" else ""


def in_cluster(name: str, cluster: Cluster, now: datetime) -> Sight:
    """What the cluster tells of an instance. Raises Failure."""
    from dedicated.cli.cluster import ask
    from dedicated.cluster.errors import ApiError

    async def load(client: "Client", namespace: str) -> tuple[Manifest, list[Manifest], Manifest]:
        body = await client.get(INSTANCE, namespace, name)
        records, _ = await client.list(RECORD, namespace)
        try:
            return body, records, await client.get(CONFIG_MAP, namespace, report_name(name))
        except ApiError as error:
            if not error.not_found:
                raise
            return body, records, {}

    body, records, told = ask(cluster, load)
    return sight_of(body, records, told, now=now)


def sight_of(body: Manifest, records: list[Manifest], told: Manifest, *, now: datetime) -> Sight:
    """What an instance, its ledger and its replicas tell at a time. Raises Failure if it is not valid."""
    data = {key: value for key, value in get_map(told, "data").items() if isinstance(value, str)}
    return Sight(source_from(body, records), reports_in(data, replicas=MOST_REPLICAS), now)


def told(sight: Sight) -> None:
    """All on one screen."""
    _head(sight)
    _policy(sight)
    _ranges(sight)
    _replicas(sight)
    _observed(sight)
    to_do.tell(conditions(sight), findings(sight))


def _head(sight: Sight) -> None:
    found = condition_in(sight.status, RATE_LIMIT_ENFORCED)
    state = f"{get_str(found, 'status') or 'Unknown'} {get_str(found, 'reason')}".rstrip()
    say(f"{sight.source.owner}: {RATE_LIMIT_ENFORCED}={state}", "bold")
    say(f"  {get_str(found, 'message') or 'no operator has seen it yet'}")
    if sight.standing and sight.standing != get_str(found, "reason"):
        say(f"  {NOTHING_STANDS[sight.standing]}", "yellow")


def _policy(sight: Sight) -> None:
    policy = sight.policy
    say(f"\nPolicy {policy_hash(policy)} (RL-1), mode {policy.mode}", "bold")
    rows = [[kind, PATHS[kind], *_bounds(threshold_of(policy, kind))] for kind in KINDS]
    show(table(["CLASS", "PATHS", "LIMIT", "BAN"], rows))
    say(f"  per client: an IPv4 address, or an IPv6 network of /{policy.ipv6_prefix}")


def threshold_of(of: Policy | Entry, kind: Kind) -> Threshold:
    """What holds for a class."""
    return of.ui if kind == "ui" else of.api


def _bounds(found: Threshold) -> tuple[str, str]:
    return f"{found.limit} in {WINDOW} s", f"{BAN} s, beyond {found.ban} in {BAN_WINDOW} s"


def _ranges(sight: Sight) -> None:
    entries, zone = sight.policy.entries, sight.source.zone
    later = sight.in_force.wake_at
    change = f"; next date {utc(later)}" if later else ""
    say(f"\nOther limits by record (RL-3, RL-4): {len(entries) or 'none'}{change}", "bold")
    if entries:
        rows = [
            [one.range, *limits_of(one), utc(one.until), wall(one.until, zone), one.record] for one in entries
        ]
        show(table(["RANGE", "UI", "API", "UNTIL (UTC)", zone, "RECORD"], rows))
    for problem in sight.in_force.problems:
        text = f"{problem.field} {problem.value}: {problem.reason}; {problem.fix}"
        say(f"  {problem.record} has no effect: {text}", "yellow")


def limits_of(entry: Entry) -> tuple[str, str]:
    """What a range may send in a minute, by class."""
    return ("exempt", "exempt") if entry.exempt else (str(entry.ui.limit), str(entry.api.limit))


def _replicas(sight: Sight) -> None:
    if sight.standing in ("NoEdge", "External"):
        return
    say(f"\nReplicas that report: {len(sight.reports) or 'none'}", "bold")
    if sight.reports:
        rows = [[*_replica(report, sight)] for report in sight.reports]
        show(
            table(
                ["REPLICA", "REPORTED", "PHASE", "POLICY", "PROVEN: REFUSED, BANNED AT", "CLIENTS UI/API"],
                rows,
            )
        )
    for report in sight.reports:
        if report.message:
            name = replica_name(sight.source.instance.name, report.replica)
            say(f"  {name}: {report.message}", "yellow")


def _replica(report: Report, sight: Sight) -> Iterator[str]:
    stale = " (says nothing of now)" if sight.now - report.measured_at > STALE else ""
    yield replica_name(sight.source.instance.name, report.replica)
    yield _ago(report.measured_at, sight.now) + stale
    yield report.phase
    yield "in force" if report.policy_hash == policy_hash(sight.policy) else f"another: {report.policy_hash}"
    yield _proven(report, sight.now)
    yield f"{report.tracked.ui}/{report.tracked.api} of {report.room}"


def _proven(report: Report, now: datetime) -> str:
    proof = report.proof
    if proof is None:
        return "not yet"
    if not proof.passed:
        return f"FAILED {_ago(proof.at, now)}: {proof.detail}"
    numbers = "; ".join(
        f"{kind} {found.first_refused}, {found.banned_at}"
        for kind, found in (("ui", proof.ui), ("api", proof.api))
    )
    old = "" if proof.content == report.content else ", of what was in force before"
    return f"{_ago(proof.at, now)}{old}: {numbers}"


def _observed(sight: Sight) -> None:
    """Of the replicas that told of it lately."""
    reports = fresh(sight.reports, now=sight.now)
    if not reports:
        return
    word = "WOULD BE " if sight.policy.mode == "Shadow" else ""
    say("\nThe last minute", "bold")
    rows = [[str(cell) for cell in observed(reports, kind).values()] for kind in KINDS]
    show(table(["CLASS", "REQUESTS", f"{word}LIMITED", f"{word}BANNED", "BANS NOW"], rows))
    show(pairs([*_latencies(reports)]))
    paths = refused_paths(reports)
    if paths:
        say("\nRefused most, in the last hour", "bold")
        show(table(["PATH", "REFUSED"], [[path, str(count)] for path, count in paths]))


def observed(reports: Sequence[Report], kind: Kind) -> Manifest:
    """What all replicas saw of a class in the last minute.

    Requests are each one's own and add up; bans are in one table, which all have.
    """
    if kind == "ui":
        each = [(one.requests.ui, one.refused.ui_limited, one.refused.ui_banned) for one in reports]
    else:
        each = [(one.requests.api, one.refused.api_limited, one.refused.api_banned) for one in reports]
    requests, limited, banned = (sum(column) for column in zip(*each, strict=True))
    bans = max(one.bans.ui if kind == "ui" else one.bans.api for one in reports)
    return {"class": kind, "requests": requests, "limited": limited, "banned": banned, "bans": bans}


def _latencies(reports: Sequence[Report]) -> Iterator[tuple[str, str]]:
    """The slowest replica's: quantiles cannot be added."""
    load = load_of(reports)
    if load.p50 is not None and load.p99 is not None:
        yield "answered within", f"{load.p50:g} ms (p50), {load.p99:g} ms (p99), in the slowest replica"
    share = max(one.from_cluster for one in reports)
    yield "clients unknown", f"{share:.0%} of requests have an address of the cluster or of a trusted proxy"


def refused_paths(reports: Sequence[Report]) -> list[tuple[str, int]]:
    """The paths that were refused most, over all replicas."""
    counts: dict[str, int] = {}
    for one in (path for report in reports for path in report.top_paths):
        counts[one.path] = counts.get(one.path, 0) + one.refused
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]


def conditions(sight: Sight) -> list[JsonValue]:
    """The five conditions, as the operator wrote them."""
    return [found for kind in JUDGED if (found := condition_in(sight.status, kind))]


def findings(sight: Sight) -> list[JsonValue]:
    """Findings of rate limits, as the operator wrote them."""
    codes = {*FURTHER, *(code for code, _, _ in CODES.values())}
    return [item for item in get_list(sight.status, "findings") if get_str(item, "code") in codes]


def as_json(sight: Sight) -> Manifest:
    """All of it, for programs."""
    policy, reports = sight.policy, fresh(sight.reports, now=sight.now)
    return {
        "instance": sight.source.owner,
        "at": rfc3339(sight.now),
        "notEnforced": sight.standing,
        "policy": {
            "hash": policy_hash(policy),
            "mode": policy.mode,
            "ipv6Prefix": policy.ipv6_prefix,
            "classes": [
                {"class": kind, "limit": found.limit, "ban": found.ban}
                for kind in KINDS
                for found in (threshold_of(policy, kind),)
            ],
            "ranges": [_entry(one) for one in policy.entries],
        },
        "replicas": [_report(one, sight) for one in sight.reports],
        "lastMinute": [observed(reports, kind) for kind in KINDS] if reports else [],
        "refusedPaths": [{"path": path, "refused": count} for path, count in refused_paths(reports)],
        "conditions": conditions(sight),
        "findings": findings(sight),
    }


def _entry(one: Entry) -> Manifest:
    ui, api = limits_of(one)
    return {"range": one.range, "ui": ui, "api": api, "record": one.record, "until": rfc3339(one.until)}


def _report(report: Report, sight: Sight) -> Manifest:
    return {
        "replica": report.replica,
        "measuredAt": rfc3339(report.measured_at),
        "phase": report.phase,
        "policyHash": report.policy_hash,
        "proven": report.proven,
        "stale": sight.now - report.measured_at > STALE,
        "tracked": {"ui": report.tracked.ui, "api": report.tracked.api, "room": report.room},
    }


def _ago(instant: datetime, now: datetime) -> str:
    return f"{duration_text(max(timedelta(0), now - instant))} ago"
