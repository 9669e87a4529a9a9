"""Rate limits end to end: what a record raises is in the limiter's files at once, and enforced is what was
proven. The limiter's pods are simulated, the agents in them played."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cli.running import run
from cluster.instances import condition, instance
from cluster.limits_stage import EDGE, LIMITER, Limited, limited, override
from cluster.standing import SIMULATED, records, until
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import (
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    RECORD,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from dedicated.contract.limiter_report import from_json
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

OFFICE = "198.51.100.0/28"
CHILDREN: tuple[tuple[Kind, str], ...] = (
    (STATEFUL_SET, "acme-limiter"),
    (CONFIG_MAP, "acme-limiter"),
    (CONFIG_MAP, "acme-limiter-report"),
    (SERVICE, "acme-limiter"),
    (SERVICE, "acme-limiter-0"),
    (DISRUPTION_BUDGET, "acme-limiter"),
    (NETWORK_POLICY, "acme-limiter"),
)


@pytest.fixture
def stage(cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator) -> Iterator[Limited]:
    namespace = make_namespace(labels=SIMULATED)
    run_operator(namespace, watch=(namespace,), extra=LIMITER)
    with limited(cluster, namespace) as found:
        yield found


def in_a_month() -> str:
    return rfc3339(datetime.now(UTC) + timedelta(days=30))


def test_what_a_record_raises_is_written_within_a_second_and_proven(stage: Limited, cluster: Cluster) -> None:
    body = stage.wait("RateLimitEnforced", "True", "Proven")
    before, told = stage.hash(), get_map(body, "status", "rateLimit")
    assert get_str(told, "policyHash") == before
    assert [get_str(one, "observedHash") for one in get_list(told, "replicas")] == [before] * 3
    assert get_int(told, "limits", "ui", "limit") == 606

    raised: dict[str, JsonValue] = {"range": OFFICE, "factor": 4, "validUntil": in_a_month()}
    asked = time.monotonic()
    stage.api.create(override(stage.namespace, "office", **raised))
    until(lambda: stage.hash() != before, "the raised limits in the limiter's files")
    assert time.monotonic() - asked < 1, "raised limits are in force at once (RL-3)"

    def is_proven() -> bool:
        now = stage.wait("RateLimitEnforced", "True", "Proven")
        known = get_map(now, "status", "rateLimit")
        seen = [get_str(one, "observedHash") for one in get_list(known, "replicas")]
        return get_int(known, "overrides") == 1 and seen == [stage.hash()] * 3

    until(is_proven, "every replica enforces the raised limits", seconds=60)
    config = str(cluster.kubeconfig)
    asks = ("check", "acme", "198.51.100.3", "/ui/login", "-n", stage.namespace, "--kubeconfig", config)
    ended = run("limits", *asks, now=datetime.now(UTC))
    assert "2424 admitted" in ended.out, ended.err
    shown = run("limits", "acme", "-n", stage.namespace, "--kubeconfig", config, now=datetime.now(UTC))
    assert f"{OFFICE}  2424" in shown.out, shown.err
    assert shown.out.count("in force") == 3


def test_a_replica_that_admits_too_much_is_found(stage: Limited) -> None:
    stage.wait("RateLimitEnforced", "True", "Proven")
    stage.agents.raised[1] = 94
    stage.api.create(override(stage.namespace, "office", range=OFFICE, factor=2, validUntil=in_a_month()))
    body = stage.wait("RateLimitEnforced", "False", "ProofFailed")
    assert "700 admitted, not 606" in get_str(condition(body, "RateLimitEnforced"), "message")
    codes = [get_str(one, "code") for one in get_list(body, "status", "findings")]
    assert "LimitProofFailed" in codes
    assert condition(body, "Stalled")["status"] == "False", "the instance serves on"


def test_a_configuration_that_is_refused_is_told_and_the_old_one_stays(stage: Limited) -> None:
    stage.wait("RateLimitEnforced", "True", "Proven")
    stage.agents.refusing = "line 7: unknown keyword"
    before = stage.hash()
    stage.api.create(override(stage.namespace, "office", range=OFFICE, exempt=True, validUntil=in_a_month()))
    body = stage.wait("RateLimitConfigured", "False", "ConfigRejected")
    assert "unknown keyword" in get_str(condition(body, "RateLimitConfigured"), "message")
    report = from_json(
        get_str(stage.api.get(CONFIG_MAP, stage.namespace, "acme-limiter-report"), "data", "r0")
    )
    assert report is not None
    assert report.policy_hash == before


def test_children_that_are_deleted_come_back(stage: Limited) -> None:
    stage.wait("RateLimitEnforced", "True", "Proven")
    for kind, name in CHILDREN:
        uid = get_str(stage.api.get(kind, stage.namespace, name), "metadata", "uid")

        def is_back(kind: Kind = kind, name: str = name, uid: str = uid) -> bool:
            found = stage.api.find(kind, stage.namespace, name)
            return found is not None and get_str(found, "metadata", "uid") != uid

        stage.api.delete(kind, stage.namespace, name)
        until(is_back, f"{kind.kind} {name} again")
    told = {get_str(one, "spec", "modification", "object") for one in records(stage.api, stage.namespace)}
    assert {f"{kind.kind}/{name}" for kind, name in CHILDREN} <= told
    stage.wait("RateLimitEnforced", "True", "Proven")


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"edge": {}}, "set exactly one of gateway, ingress, loadBalancer and service"),
        ({"edge": {**EDGE, "ingress": {"className": "traefik"}}}, "set exactly one of"),
        ({"edge": {**EDGE, "tls": {"secretName": "t"}}}, "tls has no effect with service"),
        ({"edge": {"loadBalancer": {}}}, "tls is required"),
        ({"rateLimit": {"mode": "Shadow"}}, "rateLimit has no effect without edge"),
        ({"edge": EDGE, "rateLimit": {"mode": "Off"}}, 'supported values: "Enforce", "Shadow"'),
    ],
)
def test_a_way_in_that_cannot_be_is_refused_in_words(
    cluster: Cluster, namespace: str, spec: Manifest, words: str
) -> None:
    with pytest.raises(ApiError) as refused:
        cluster.api.create(instance(namespace, "acme", **spec))
    assert refused.value.status == 422
    assert words in refused.value.message


def test_a_load_test_that_comes_too_late_is_void_and_told(stage: Limited) -> None:
    before = stage.hash()
    begins = datetime.now(UTC) + timedelta(days=10)
    stage.api.create(
        {
            "apiVersion": RECORD.api_version,
            "kind": RECORD.kind,
            "metadata": {"name": "late", "namespace": stage.namespace},
            "spec": {
                "instance": "acme",
                "fact": "LoadTest",
                "by": "admin",
                "reference": "TICKET-14",
                "loadTest": {
                    "ranges": ["192.0.2.0/29"],
                    "from": rfc3339(begins),
                    "until": rfc3339(begins + timedelta(hours=8)),
                },
            },
        }
    )

    def is_told() -> bool:
        body = stage.wait("RateLimitEnforced", "True", "Proven")
        told = [
            one
            for one in get_list(body, "status", "findings")
            if get_str(one, "code") == "RecordWithoutEffect"
        ]
        return any("late: loadTest.from" in get_str(one, "message") for one in told)

    until(is_told, "the load test is void", seconds=60)
    assert stage.hash() == before
