"""The rate limits in passes: what is told, what is found, and how seldom a status at rest is written."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest

from builders import body
from contract.limiter_facts import LOOKED, report
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.objects import NETWORK_POLICY, SERVICE, Key
from dedicated.api.resource import Instance, parse_instance
from dedicated.api.status_limits import StatusRateLimit
from dedicated.contract.limiter_report import Counts, Proof, Refused, Report
from dedicated.contract.limits_sight import Way, Ways
from dedicated.contract.rate_limits import Policy, policy_hash, policy_in_force
from dedicated.parts.limiter.objects_files import Files, files_of
from dedicated.parts.limiter.ways import leads_of, ways_of
from dedicated.reconcile import limiting
from dedicated.reconcile.turns import Turn
from reconcile.simulation import Cluster
from reconcile.test_plan_limiter import stood

CONDITIONS = (
    "RateLimitConfigured",
    "RateLimitEnforced",
    "RateLimitExact",
    "ClientAddressTrusted",
    "RateLimitCapacity",
)


def reports(cluster: Cluster) -> tuple[Report, ...]:
    """What three replicas tell that are well now."""
    instance = parse_instance(cluster.body)
    assert isinstance(instance, Instance)
    now, force = cluster.server.now, policy_in_force(instance.spec.rate_limit, (), now=cluster.server.now)
    contents = files_of(instance, force.policy, replicas=3).contents
    found = []
    for number, content in enumerate(contents):
        well = report(number, policy=policy_hash(force.policy), at=now)
        assert well.proof is not None
        proof: Proof = replace(well.proof, content=content)
        found.append(replace(well, content=content, wanted=content, proof=proof))
    return tuple(found)


WAYS = {SERVICE.kind, NETWORK_POLICY.kind}
GUARANTEED: Manifest = {"class": "GoogleCloud"}
"""Infrastructure that load is guaranteed on."""


def proven(**spec: JsonValue) -> Cluster:
    """An instance whose limiter was proven, at rest."""
    cluster = stood(**spec)
    cluster.limiter, cluster.ways = reports(cluster), LOOKED
    cluster.settle()
    return cluster


def told(cluster: Cluster) -> dict[str, tuple[str, str]]:
    return {kind: cluster.condition(kind) for kind in CONDITIONS}


def limits(cluster: Cluster) -> Manifest:
    return get_map(cluster.body, "status", "rateLimit")


def test_without_a_way_in_nothing_is_found_and_nothing_else_changes() -> None:
    cluster = Cluster(body())
    cluster.stand()
    assert told(cluster) == dict.fromkeys(CONDITIONS, ("Unknown", "NoEdge"))
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.findings() == []
    assert "set spec.edge" in cluster.message("RateLimitEnforced")
    assert limits(cluster) == {}


def test_a_limiter_that_is_proven() -> None:
    cluster = proven(infrastructure=GUARANTEED)
    assert set(told(cluster).values()) == {
        ("True", "Applied"), ("True", "Proven"), ("True", "Exact"), ("True", "Trusted"), ("True", "Room"),
    }  # fmt: skip
    assert cluster.findings() == []
    shown = limits(cluster)
    assert get_map(shown, "limits") == {
        "ui": {"limit": 606, "ban": 2727}, "api": {"limit": 3030, "ban": 9090}
    }  # fmt: skip
    assert [get_str(item, "phase") for item in get_list(shown, "replicas")] == ["Applied"] * 3
    assert get_map(shown, "observed")["requestsPerMinute"] == 3600
    assert get_str(shown, "guarantee") == "Kept"
    assert get_map(shown, "lastProof")["passed"] is True
    StatusRateLimit.model_validate(shown)


def test_before_the_first_report_nothing_is_claimed() -> None:
    cluster = stood()
    assert set(told(cluster).values()) == {("Unknown", "NotReported")}
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.findings() == []
    due = cluster.plan().wake_at
    assert due is not None
    cluster.server.now = due
    cluster.settle()
    assert cluster.findings() == ["LimiterSilent"]


@pytest.mark.parametrize(
    ("ways", "code"),
    [
        (Ways((Way("Service", "back-door", "NodePort"),), "Closed", looked=True), "LimiterBypassed"),
        (Ways((), "Open", looked=True), "LimiterBypassed"),
    ],
)
def test_a_way_past_the_limiter_is_found_and_ready_stays(ways: Ways, code: str) -> None:
    cluster = proven()
    cluster.ways = ways
    cluster.settle()
    assert cluster.condition("RateLimitEnforced") == ("False", "BypassFound")
    assert cluster.findings() == [code]
    assert cluster.condition("Ready") == ("True", "Ready")


def test_nothing_that_the_operator_makes_leads_past_the_limiter() -> None:
    cluster = proven()
    found = [thing.full() for ref, thing in cluster.server.objects.items() if ref.kind in WAYS]
    assert {get_str(item, "kind") for item in found} == WAYS
    leads = [one for item in found if (one := leads_of(item)) is not None]
    assert ways_of(Key("acme-ns", "acme"), leads) == ()


def test_a_report_that_comes_no_more_is_no_report() -> None:
    cluster = proven()
    due = cluster.plan().wake_at
    assert due is not None
    cluster.server.now = due
    cluster.settle()
    assert set(told(cluster).values()) == {("Unknown", "NotReported")}


def test_a_status_at_rest_is_written_less_than_once_in_five_minutes() -> None:
    """Reports of a live instance, twice a minute for two hours: their figures scatter."""
    cluster = proven()
    written = 0
    for half_minute in range(240):
        cluster.server.now += timedelta(seconds=30)
        cluster.limiter = tuple(
            replace(
                one,
                proof=before.proof,
                requests=Counts(200 + half_minute * 7 % 41, 1000 - half_minute * 13 % 97),
                tracked=Counts(120 + half_minute % 9, 400),
                p99=40.0 + half_minute % 7,
            )
            for one, before in zip(reports(cluster), cluster.limiter, strict=True)
        )
        before_it = deepcopy(cluster.body["status"])
        cluster.step()
        written += before_it != cluster.body["status"]
    assert written == 0


def test_what_changed_is_told_after_five_minutes() -> None:
    cluster = proven()
    shown = get_str(limits(cluster), "observed", "measuredAt")
    cluster.server.now += timedelta(minutes=2)
    cluster.limiter = tuple(replace(one, refused=Refused(ui_limited=90)) for one in reports(cluster))
    decided = cluster.settle()
    assert get_str(limits(cluster), "observed", "measuredAt") == shown
    assert decided.wake_at is not None
    assert decided.wake_at <= cluster.server.now + timedelta(minutes=3)
    cluster.server.now = decided.wake_at
    cluster.limiter = tuple(replace(one, refused=Refused(ui_limited=90)) for one in reports(cluster))
    cluster.settle()
    assert get_str(limits(cluster), "observed", "measuredAt") != shown
    assert get_list(limits(cluster), "observed", "refusedPerMinute")[0] == {
        "class": "ui", "limited": 270, "banned": 0
    }  # fmt: skip


def test_requests_below_their_limits_that_fail_are_found() -> None:
    cluster = stood(infrastructure=GUARANTEED)
    cluster.limiter = tuple(replace(one, failed=Counts(0, 50)) for one in reports(cluster))
    cluster.ways = LOOKED
    cluster.settle()
    assert cluster.findings() == ["GuaranteeMissed"]
    assert get_str(limits(cluster), "guarantee") == "Missed"


def test_an_operator_that_has_just_started_takes_its_predecessor_s_word() -> None:
    cluster = proven()
    cluster.ways = Ways(early=True)
    cluster.settle()
    assert cluster.condition("RateLimitEnforced") == ("True", "Proven")
    cluster.ways = Ways()
    cluster.settle()
    assert cluster.condition("RateLimitEnforced") == ("Unknown", "NotProbed")


def test_since_when_a_policy_is_wanted_is_remembered() -> None:
    cluster = proven()
    since = get_str(limits(cluster), "wantedSince")
    cluster.server.now += timedelta(hours=1)
    cluster.limiter = reports(cluster)
    cluster.settle()
    assert get_str(limits(cluster), "wantedSince") == since
    cluster.edit_spec(rateLimit={"mode": "Shadow"})
    cluster.settle()
    assert get_str(limits(cluster), "wantedSince") == rfc3339(cluster.server.now)
    assert cluster.condition("RateLimitEnforced") == ("False", "Shadow")
    assert cluster.findings() == ["LimitsNotEnforced"]


def test_where_the_customer_enforces_it_is_said() -> None:
    found = body()
    spec = as_manifest(found["spec"])
    found["spec"] = {**spec, "rateLimit": {"enforcement": "External"}}
    cluster = Cluster(found)
    cluster.stand()
    assert cluster.condition("RateLimitExact") == ("False", "External")
    assert get_str(limits(cluster), "enforcement") == "External"
    assert cluster.findings() == []


def test_files_that_wait_for_the_operators_turn_are_missed_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = proven()
    before, since = told(cluster), limits(cluster)["wantedSince"]

    def rendered(instance: Instance, policy: Policy, *, replicas: int) -> Files:
        found = files_of(instance, policy, replicas=replicas)
        return replace(found, mark=f"{found.mark}-new", contents=tuple(f"new{one}" for one in found.contents))

    monkeypatch.setattr(limiting, "files_of", rendered)
    cluster.turn = Turn("Waiting", before=1)
    cluster.settle()
    cluster.pass_time(minutes=20)
    cluster.limiter = tuple(replace(one, measured_at=cluster.server.now) for one in cluster.limiter)
    cluster.settle()
    assert cluster.condition("UpToDate") == ("False", "OperatorUpgradePending")
    assert told(cluster) == before
    assert limits(cluster)["wantedSince"] == since
    cluster.turn = Turn("Running", since="2026-03-08T12:00:00Z")
    cluster.settle()
    assert told(cluster)["RateLimitConfigured"] == ("Unknown", "Applying")
