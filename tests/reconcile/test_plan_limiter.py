"""The limiter in plans: its place in the order, what closes when, and what of it waits for nobody."""

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import NOW, body
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import CONFIG_MAP, NETWORK_POLICY, SECRET, SERVICE, STATEFUL_SET, Ref
from dedicated.api.resource import Instance
from dedicated.contract.rate_limits import Policy, policy_hash, policy_in_force
from dedicated.contract.records import Statement
from dedicated.parts.limiter.objects_files import Files, files_of
from dedicated.reconcile import limiting
from dedicated.reconcile.actions import Apply, CreatePeers, Delete, Plan
from dedicated.reconcile.observed import PodState
from dedicated.reconcile.turns import Turn
from reconcile.rolling import rolled_out
from reconcile.simulation import Cluster

SERVICE_EDGE: Manifest = {"service": {}}
PODS = Ref(STATEFUL_SET.kind, "acme-limiter")
WAY_IN = Ref(SERVICE.kind, "acme-limiter")
FILES = Ref(CONFIG_MAP.kind, "acme-limiter")
TO_SERVER, TO_LOGIN = (Ref(NETWORK_POLICY.kind, f"acme-{name}") for name in ("server", "login"))
MONTHLY: Manifest = {
    "plan": "Advanced",
    "maintenance": {
        "windows": [{"recurrence": "FREQ=MONTHLY;BYDAY=2SU", "start": "02:00", "duration": "4h"}]
    },
}
PEERS = f"acme-limiter-peers-{NOW:%Y%m}"


def new(edge: JsonValue = SERVICE_EDGE, **spec: JsonValue) -> Cluster:
    found = body()
    found["spec"] = {**as_manifest(found["spec"]), "edge": edge, **spec}
    return Cluster(found, agent_image="operator:2")


def before_the_limiter(**spec: JsonValue) -> Cluster:
    """Server and login run, the limiter's pods were just made."""
    cluster = new(**spec)
    for _ in range(3):
        cluster.settle()
        cluster.jobs_complete()
    cluster.rollout("acme-server", "acme-login")
    cluster.settle()
    return cluster


def stood(**spec: JsonValue) -> Cluster:
    cluster = before_the_limiter(**spec)
    cluster.rollout()
    cluster.stand()
    return cluster


def sources(cluster: Cluster, ref: Ref) -> list[str]:
    """The components that a policy lets in; empty text: pods of any kind."""
    (rule,) = get_list(cluster.server.objects[ref].manifest, "spec", "ingress")
    return [get_str(item, "podSelector", "matchLabels", LABEL_COMPONENT) for item in get_list(rule, "from")]


def applied(decided: Plan) -> set[Ref]:
    return {action.ref for action in decided.actions if isinstance(action, Apply)}


def test_the_limiter_follows_the_server() -> None:
    cluster = new()
    for _ in range(3):
        cluster.settle()
        cluster.jobs_complete()
    assert PODS not in cluster.server.objects
    assert cluster.condition("Reconciling") == ("True", "Progressing")
    assert cluster.message("Reconciling") == "the limiter follows the server"
    cluster.rollout("acme-server")
    cluster.settle()
    assert PODS in cluster.server.objects
    assert cluster.message("Ready") == "rolling out the limiter"


def test_the_ways_past_it_are_closed_once_it_stands_and_never_before() -> None:
    cluster = before_the_limiter()
    assert WAY_IN not in cluster.server.objects
    assert sources(cluster, TO_SERVER) == sources(cluster, TO_LOGIN) == ["", ""]
    cluster.server.set_status(cluster.server.objects[PODS], {**rolled_out(1, 3), "readyReplicas": 1})
    cluster.settle()
    assert sources(cluster, TO_SERVER) == ["", ""], "one pod is no limiter"
    cluster.rollout("acme-limiter")
    cluster.settle()
    assert WAY_IN in cluster.server.objects
    assert sources(cluster, TO_SERVER) == ["limiter", "login"]
    assert sources(cluster, TO_LOGIN) == ["limiter"]


def test_a_bad_moment_opens_no_way_past_it() -> None:
    cluster = stood()
    cluster.server.set_status(cluster.server.objects[PODS], {"observedGeneration": 1, "replicas": 3})
    cluster.pods = [pod for pod in cluster.pods if pod.component != "limiter"]
    assert applied(cluster.after_restart()) == set()
    cluster.delete(WAY_IN)
    cluster.settle()
    assert sources(cluster, TO_SERVER) == ["limiter", "login"]
    assert WAY_IN in cluster.server.objects
    assert [fact.modification.object for fact in cluster.records.values()] == ["Service/acme-limiter"]


def test_the_instance_is_ready_with_a_limiter_in_two_zones_alone() -> None:
    cluster = stood()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert get_str(cluster.body, "status", "summary", "limiter") == "3/3"
    zones = get_list(cluster.body, "status", "zones")
    assert [get_int(zone, "limiter") for zone in zones] == [1, 1, 1]
    cluster.pods = [pod for pod in cluster.pods if pod.name not in ("limiter-0", "limiter-1")]
    cluster.settle()
    assert cluster.condition("Ready") == ("False", "TooFewZonesInUse")
    assert cluster.condition("HighlyAvailable") == ("False", "ZoneLossNotSurvived")


def test_without_a_way_in_nothing_tells_of_a_limiter() -> None:
    cluster = Cluster(body(), agent_image="operator:2")
    cluster.stand()
    assert not [ref for ref in cluster.server.objects if "limiter" in ref.name or "-pods" in ref.name]
    assert "limiter" not in get_map(cluster.body, "status", "summary")
    assert all("limiter" not in get_map(zone) for zone in get_list(cluster.body, "status", "zones"))


def test_a_way_in_that_goes_opens_the_ways_before_the_limiter_goes() -> None:
    cluster = stood()
    cluster.body = {**cluster.body, "metadata": {**get_map(cluster.body, "metadata"), "generation": 2}}
    del get_map(cluster.body, "spec")["edge"]
    first = cluster.step()
    assert applied(first) == {TO_SERVER, TO_LOGIN}
    assert not [action for action in first.actions if isinstance(action, Delete)]
    cluster.settle()
    left = [ref for ref in cluster.server.objects if "limiter" in ref.name or "-pods" in ref.name]
    assert left == [Ref(SECRET.kind, PEERS)], "no Secret is the operator's to take away"
    assert cluster.records == {}


def override(cluster: Cluster, until: timedelta = timedelta(days=30)) -> None:
    """The provider raises a range."""
    now = cluster.server.now
    raised: Manifest = {
        "range": "198.51.100.0/24", "factor": 3, "validUntil": f"{now + until:%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip
    told: Manifest = {"override": raised, "reference": "T-1", "reason": "an office behind one address"}
    cluster.state(Statement("acme-raised", "acme", "Override", told))


def held_hash(cluster: Cluster) -> str:
    return get_str(cluster.server.objects[FILES].manifest, "data", "hash")


def wanted_hash(cluster: Cluster) -> str:
    now, limit = cluster.server.now, cluster.instance().spec.rate_limit
    return policy_hash(policy_in_force(limit, cluster.facts.values(), now=now).policy)


@pytest.mark.parametrize("waits", [{}, MONTHLY])
def test_a_policy_that_changes_is_applied_at_once_and_rolls_no_pod(waits: Manifest) -> None:
    cluster = stood(**waits)
    pods = cluster.server.objects[PODS].generation
    before = held_hash(cluster)
    override(cluster)
    assert applied(cluster.step()) == {FILES}
    assert held_hash(cluster) == wanted_hash(cluster) != before
    cluster.settle()
    assert cluster.condition("UpToDate")[0] == "True"
    decided = cluster.plan()
    assert decided.wake_at is not None
    cluster.pass_time(days=31)
    cluster.settle()
    assert held_hash(cluster) == before
    assert cluster.server.objects[PODS].generation == pods


def test_pods_wait_for_a_slot_and_the_configuration_does_not() -> None:
    cluster = stood(**MONTHLY)
    cluster.limiter_image = "haproxy:3.4"
    cluster.settle()
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")
    assert "StatefulSet/acme-limiter" in cluster.message("UpToDate")
    template = get_list(cluster.server.objects[PODS].manifest, "spec", "template", "spec", "containers")
    assert get_str(template[0], "image") == "haproxy:3.2"
    override(cluster)
    assert applied(cluster.step()) == {FILES}


def test_the_link_is_renewed_each_year_under_a_new_name() -> None:
    cluster = stood()
    (made,) = [action for action in cluster.done if isinstance(action, CreatePeers)]
    assert made == CreatePeers(PEERS)
    cluster.pass_time(days=330)
    cluster.settle()
    assert [action for action in cluster.done if isinstance(action, CreatePeers)] == [made]
    cluster.pass_time(days=40)
    cluster.settle()
    renewed = next(a for a in reversed(cluster.done) if isinstance(a, CreatePeers))
    assert renewed.before == PEERS
    volumes = get_list(cluster.server.objects[PODS].manifest, "spec", "template", "spec", "volumes")
    assert [get_str(v, "secret", "secretName") for v in volumes if get_str(v, "name") == "peers"] == [
        renewed.name
    ]
    assert {Ref(SECRET.kind, PEERS), Ref(SECRET.kind, renewed.name)} <= cluster.server.objects.keys()


@pytest.mark.parametrize("which", ["--agent-image", "--limiter-image"])
def test_an_operator_without_an_image_changes_nothing_and_says_so(which: str) -> None:
    cluster = stood()
    if which == "--agent-image":
        cluster.agent_image = ""
    else:
        cluster.limiter_image = ""
    assert cluster.after_restart().actions == ()
    cluster.step()
    assert cluster.condition("Stalled") == ("True", "LimiterImageMissing")
    assert which in cluster.message("Stalled")


def test_replicas_are_two_or_three_whatever_the_zones() -> None:
    assert [judge_in(zones) for zones in (1, 2, 3, 7)] == [2, 2, 3, 3]


def judge_in(zones: int) -> int:
    cluster = new()
    found = limiting.judge(cluster.instance(), cluster.observed(), zones=zones, now=NOW)
    assert found.wanted is not None
    return found.wanted.replicas


def test_what_a_new_operator_renders_waits_for_its_turn_unless_the_policy_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = stood()

    def rendered(instance: Instance, policy: Policy, *, replicas: int) -> Files:
        found = files_of(instance, policy, replicas=replicas)
        return replace(found, data={**found.data, "new.map": "x\n"}, mark=f"{found.mark}-new")

    monkeypatch.setattr(limiting, "files_of", rendered)
    cluster.turn = Turn("Waiting", before=1)
    cluster.settle()
    assert cluster.condition("UpToDate") == ("False", "OperatorUpgradePending")
    assert "ConfigMap/acme-limiter" in cluster.message("UpToDate")
    assert "new.map" not in get_map(cluster.server.objects[FILES].manifest, "data")
    override(cluster)
    assert applied(cluster.step()) == {FILES}
    assert "new.map" in get_map(cluster.server.objects[FILES].manifest, "data")
    cluster.settle()
    assert cluster.condition("UpToDate")[0] == "True"


def test_a_first_pod_that_does_not_start_is_told() -> None:
    cluster = before_the_limiter()
    problem = "haproxy: ErrImagePull"
    cluster.pods.append(PodState("acme-limiter-0", "limiter", "z1-1", False, False, False, problem))
    cluster.settle()
    assert cluster.message("Ready") == "rolling out the limiter; pod acme-limiter-0: haproxy: ErrImagePull"


def test_a_limiter_that_rolls_is_told_and_ends_no_readiness_of_zones() -> None:
    cluster = stood()
    cluster.limiter_image = "haproxy:3.4"
    cluster.settle()
    cluster.server.set_status(
        cluster.server.objects[PODS],
        {**rolled_out(2, 3), "updatedReplicas": 1, "currentRevision": "r1"},
    )
    cluster.settle()
    assert cluster.condition("Ready") == ("False", "RollingOut")
    assert cluster.message("Ready") == "rolling out the limiter"
    cluster.rollout("acme-limiter")
    cluster.settle()
    assert cluster.condition("Ready") == ("True", "Ready")


@pytest.mark.parametrize("confine", ["Updates", "AllChanges"])
def test_an_instance_that_runs_gets_a_way_in_and_no_pod_of_it_is_rolled(confine: str) -> None:
    cluster = Cluster(body(), agent_image="operator:2")
    times = as_manifest(MONTHLY["maintenance"])
    cluster.edit_spec(plan="Advanced", maintenance={**times, "confine": confine})
    cluster.stand()
    before = {ref: thing.generation for ref, thing in cluster.server.objects.items() if "server" in ref.name}
    cluster.edit_spec(edge=SERVICE_EDGE)
    cluster.settle()
    cluster.rollout("acme-limiter")
    cluster.settle()
    closed = sources(cluster, TO_SERVER) == ["limiter", "login"]
    assert closed == (confine == "Updates"), "what is open waits for the slot where every change does"
    before[TO_SERVER] += closed
    after = {ref: cluster.server.objects[ref].generation for ref in before}
    assert after == before
    assert WAY_IN in cluster.server.objects
