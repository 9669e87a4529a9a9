"""The rate limits in a pass: what is seen of the limiter, judged as conditions, findings and
`status.rateLimit`.

None of it holds up anything, nor changes `Ready`: an instance whose limits are not proven serves. Without a
way in that is stated there is no limiter, and nothing is found: the conditions say what to set.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.conditions import (
    CLIENT_ADDRESS_TRUSTED,
    RATE_LIMIT_CAPACITY,
    RATE_LIMIT_CONFIGURED,
    RATE_LIMIT_ENFORCED,
    RATE_LIMIT_EXACT,
    Condition,
    condition_in,
    parse_time,
    rfc3339,
)
from dedicated.api.edge import ClientAddress
from dedicated.api.findings import Finding
from dedicated.api.instance import Party
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.resource import Instance
from dedicated.contract import limits_conditions
from dedicated.contract.dates import earliest
from dedicated.contract.limiter_report import Bounds, Thresholds
from dedicated.contract.limits_guarantee import Guarantee, load_guarantee
from dedicated.contract.limits_sight import STALE, ClientSource, Enforcement, Sight, fresh
from dedicated.contract.objectives import Objectives
from dedicated.contract.raised_ranges import Problem
from dedicated.contract.rate_limits import InForce, Policy, policy_hash, policy_in_force
from dedicated.reconcile.judgement import Judgement
from dedicated.reconcile.limiting import Limiting, awaits_turn
from dedicated.reconcile.limits_status import last_proof, limits, load_told, observed, replicas
from dedicated.reconcile.observed import Observed

CODES: dict[tuple[str, str], tuple[str, Party, str]] = {
    (RATE_LIMIT_CONFIGURED, "ConfigRejected"): (
        "LimiterConfigRejected", "Provider", "read the log of the limiter's agent, with HAProxy's own words",
    ),
    (RATE_LIMIT_CONFIGURED, "NotApplied"): (
        "LimiterNotApplied", "Provider", "look at the limiter's pods, and at their way to the API server",
    ),
    (RATE_LIMIT_CONFIGURED, "NotReported"): (
        "LimiterSilent", "Provider", "look at the limiter's pods, and at their way to the API server",
    ),
    (RATE_LIMIT_ENFORCED, "BypassFound"): (
        "LimiterBypassed", "Provider", "take it away, or let it lead to the limiter's Service",
    ),
    (RATE_LIMIT_ENFORCED, "ProofFailed"): (
        "LimitProofFailed", "Provider", "delete the replica's pod; if it fails again, find out what differs",
    ),
    (RATE_LIMIT_ENFORCED, "HashMismatch"): (
        "LimitPolicyDiffers", "Provider", "delete the replica's pod: it starts with the policy in force",
    ),
    (RATE_LIMIT_ENFORCED, "Shadow"): (
        "LimitsNotEnforced", "Provider", "set spec.rateLimit.mode to Enforce when the counts are as expected",
    ),
    (RATE_LIMIT_EXACT, "ReplicasApart"): (
        "LimiterReplicasApart", "Provider", "let the limiter's pods reach each other at their port for peers",
    ),
    (CLIENT_ADDRESS_TRUSTED, "NobodyTrusted"): (
        "ClientAddressUntrusted", "Provider", "name the proxies' ranges in spec.edge.clientAddress.trusted",
    ),
    (CLIENT_ADDRESS_TRUSTED, "HeaderSpoofable"): (
        "ClientAddressUntrusted", "Provider", "name only the proxies in spec.edge.clientAddress.trusted",
    ),
    (CLIENT_ADDRESS_TRUSTED, "SharedAddress"): (
        "ClientAddressUntrusted", "Provider",
        "let the way in tell the client's address, and name its proxies in spec.edge.clientAddress",
    ),
    (RATE_LIMIT_CAPACITY, "NearlyFull"): (
        "LimiterNearlyFull", "Provider", "raise spec.rateLimit.addresses; the pods' memory follows",
    ),
}  # fmt: skip
"""Condition and reason -> the finding's code, who must act, and how. Other reasons are no finding."""



@dataclass(frozen=True, slots=True)
class Limits:
    """What is said of the rate limits. `status` is `status.rateLimit`, None without a limiter."""

    conditions: tuple[Condition, ...]
    findings: tuple[Finding, ...]
    status: Manifest | None
    wake_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the limiter is to be: the digest of the files of each replica, and of all of them, and whether it
    stood once."""

    contents: tuple[str, ...] = ()
    mark: str = ""
    stands: bool = False


def _asked(found: Limiting, seen: Observed, known: Manifest) -> _Asked:
    """Files that wait for the operator's turn are asked of nobody yet: replicas are held to those that they
    are given, as they tell."""
    if found.wanted is None:
        return _Asked(stands=found.stands)
    files, told = found.wanted.files, get_str(known, "configuration")
    if not (told and awaits_turn(found.wanted, seen)):
        return _Asked(files.contents, files.mark, found.stands)
    given = {report.replica: report.wanted for report in seen.limiter}
    contents = tuple(given.get(number, "") for number in range(len(files.contents)))
    return _Asked(contents, told, found.stands)


def judge(
    instance: Instance, seen: Observed, judgement: Judgement, promised: Objectives, *, now: datetime
) -> Limits:
    """Judge what the replicas told and what leads past them."""
    before, spec, zone = instance.meta.status, instance.spec, judgement.obligations.terms.zone
    force = judgement.limiting.in_force or policy_in_force(spec.rate_limit, seen.facts, now=now)
    known = get_map(before, "rateLimit")
    asked = _asked(judgement.limiting, seen, known)
    sight = _sight(instance, seen, asked, force.policy, known, zone=zone, now=now)
    found = limits_conditions.conditions(sight, before, generation=instance.meta.generation, now=now)
    judged = _held(found, sight, before)
    patient = now < sight.since + STALE
    findings = [*_findings(judged, patient=patient), *map(_problem, force.problems)]
    if sight.enforcement == "NoEdge":
        return Limits(judged, tuple(map(_problem, force.problems)), None, force.wake_at)
    status = _head(sight, force, judged)
    if sight.enforcement == "External":
        return Limits(judged, tuple(findings), status, force.wake_at)
    heard = fresh(sight.reports, now=now)
    load, told_at = observed(heard, get_map(known, "observed"), now=now)
    guarantee = load_guarantee(load_told(load or {}), promised, booked=spec.sizing.requests_per_second)
    findings += _missed(guarantee)
    parts: dict[str, Manifest | None] = {
        "lastProof": last_proof(instance.name, heard),
        "observed": load,
    }
    status |= {
        "configuration": asked.mark,
        "wantedSince": rfc3339(sight.since),
        "replicas": replicas(instance.name, sight, now=now),
        "guarantee": guarantee.state,
        **{name: value for name, value in parts.items() if value is not None},
    }
    overdue = sight.since + STALE if patient else None
    wakes = (force.wake_at, limits_conditions.next_change(sight, now=now), told_at, overdue)
    return Limits(judged, tuple(findings), status, earliest(*wakes))


def _sight(
    instance: Instance,
    seen: Observed,
    asked: _Asked,
    policy: Policy,
    known: Manifest,
    *,
    zone: str,
    now: datetime,
) -> Sight:
    digest = policy_hash(policy)
    same = (get_str(known, "policyHash"), get_str(known, "configuration")) == (digest, asked.mark)
    since = parse_time(get_str(known, "wantedSince")) if same else None
    edge = instance.spec.edge
    return Sight(
        enforcement=_enforcement(instance),
        replicas=len(asked.contents),
        mode=policy.mode,
        policy_hash=digest,
        thresholds=Thresholds(
            ui=Bounds(policy.ui.limit, policy.ui.ban), api=Bounds(policy.api.limit, policy.api.ban)
        ),
        contents=asked.contents,
        since=since or now,
        client=_client(edge.client_address) if edge else ClientSource(),
        reports=tuple(report for report in seen.limiter if report.replica < len(asked.contents)),
        ways=seen.ways,
        stands=asked.stands,
        zone=zone,
    )


def _enforcement(instance: Instance) -> Enforcement:
    settings = instance.spec.rate_limit
    if settings is not None and settings.enforcement == "External":
        return "External"
    return "NoEdge" if instance.spec.edge is None else "Embedded"


def _client(found: ClientAddress) -> ClientSource:
    return ClientSource(found.from_, tuple(map(str, found.trusted)), found.hops)


def _held(
    judged: tuple[Condition, ...], sight: Sight, before: Manifest
) -> tuple[Condition, ...]:
    """An operator that has just started has not looked for ways past the limiter yet, and takes its
    predecessor's word for a moment: else a new operator would write the status of every instance twice."""
    if not sight.ways.early:
        return judged
    return tuple(
        _as_before(one, before) if (one.type, one.reason) == (RATE_LIMIT_ENFORCED, "NotProbed") else one
        for one in judged
    )


def _as_before(judged: Condition, before: Manifest) -> Condition:
    known = condition_in(before, judged.type)
    match get_str(known, "status"), get_str(known, "reason"):
        case "True", ("Proven" | "Applying") as reason:
            return replace(judged, status="True", reason=reason, message=get_str(known, "message"))
        case "False", "BypassFound":
            return replace(
                judged, status="False", reason="BypassFound", message=get_str(known, "message")
            )
    return judged


def _head(sight: Sight, force: InForce, judged: tuple[Condition, ...]) -> Manifest:
    """What is said with and without a limiter."""
    found: Manifest = {
        "enforcement": sight.enforcement,
        "mode": sight.mode,
        "policyHash": sight.policy_hash,
        "limits": limits(sight.thresholds),
        "overrides": len(force.policy.entries),
        "deviations": [
            f"{one.reason}: {one.message}"
            for one in judged
            if one.status == "False" and (one.type == RATE_LIMIT_EXACT or one.reason == "Shadow")
        ],
    }
    if force.wake_at is not None:
        found["nextChange"] = rfc3339(force.wake_at)
    return found


def _findings(judged: tuple[Condition, ...], *, patient: bool) -> Iterator[Finding]:
    """What the conditions come to; `patient` with replicas that cannot have reported yet."""
    for one in judged:
        if patient and one.reason == "NotReported":
            continue
        if (known := CODES.get((one.type, one.reason))) is not None:
            code, party, action = known
            text = one.message.removesuffix(f". {party} must act")
            yield Finding(code=code, responsible=party, message=text, action=action)


def _problem(found: Problem) -> Finding:
    return Finding(
        code="RecordWithoutEffect",
        responsible="Provider",
        message=f"{found.record}: {found.field} {found.value}: {found.reason}",
        action=found.fix,
    )


def _missed(found: Guarantee) -> Iterator[Finding]:
    if found.state == "Missed":
        yield Finding(
            code="GuaranteeMissed",
            responsible="Provider",
            message=found.message,
            action="look at the load and latency of server and database; raise replicas or resources",
        )
