"""The operator is replaced: by this version of it, and by one that renders or releases otherwise.

Never two instances change at once: that is looked for in the API server's own history.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.instances import condition, database_secret, instance, wait_for, wait_ready
from cluster.observing import SECONDS, History, change, is_applied
from cluster.standing import NOWHERE, SIMULATED, children, create_simulated, rest, until, writes
from dedicated.api.conditions import UPGRADE_PENDING, UPGRADE_RUNNING, UPGRADE_UNPROVEN
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import CHILD_KINDS, DEPLOYMENT, INSTANCE, JOB
from dedicated.parts.server import CONNECT_TIMEOUT
from dedicated.reconcile.rollouts import deployment_of
from testbed import previous
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator, remove_instances
from testbed.home import CHECKOUT
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

CHILDREN = frozenset(kind.plural for kind in CHILD_KINDS)
QUOTA = "v1/resourcequotas"


@pytest.fixture
def released(tmp_path: Path, cluster: Cluster, crds: None, alone: None) -> Iterator[Path]:
    """The previous release's checkout, its definitions in force; today's are back afterwards."""
    if not previous.is_at_hand():
        pytest.skip(previous.SKIP_REASON)
    folder = previous.laid_out(tmp_path / "previous")
    # It watches all namespaces, and knows nothing of what was made by this version.
    until(lambda: cleared(cluster), "the instances of tests before are gone", seconds=60)
    define(cluster, folder)
    yield folder
    define(cluster, CHECKOUT)


def cleared(cluster: Cluster) -> bool:
    """Whether the API server knows of no instance; those left by tests before are told to go.

    A kind that was just installed may not answer yet, and a policy that was just removed may still refuse:
    the caller tries again.
    """
    try:
        return not remove_instances(cluster)
    except ApiError:
        return False


def define(cluster: Cluster, checkout: Path) -> None:
    """Put a checkout's custom resource definitions in force."""
    folder = str(checkout / "crds")
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", folder)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=20s", "-f", folder)


def judgements(cluster: Cluster, names: Sequence[str]) -> dict[str, list[str]]:
    """What the conditions of every instance say, without their words and times."""
    bodies = (cluster.api.get(INSTANCE, name, "acme") for name in names)
    return {
        get_str(body, "metadata", "namespace"): [
            f"{get_str(item, 'type')} {get_str(item, 'status')} {get_str(item, 'reason')}"
            for item in get_list(body, "status", "conditions")
        ]
        for body in bodies
    }


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_this_version_takes_over_from_the_one_before_and_changes_what_it_says_alone(
    cluster: Cluster,
    released: Path,
    make_namespace: MakeNamespace,
    run_operator: RunOperator,
    number: int,
    record_property: Callable[[str, object], None],
) -> None:
    home = make_namespace()
    names = [make_namespace(labels=SIMULATED) for _ in range(number)]
    before = run_operator(home, watch=(), checkout=released)
    for name in names:
        create_simulated(cluster.api, name)
    for name in names:
        wait_for(cluster.api, name, is_applied, seconds=SECONDS * 5, what="rolled out")
    rest(cluster, before)
    judged = judgements(cluster, names)
    assert before.stop() == 0

    define(cluster, CHECKOUT)
    since = cluster.audit_position()
    after = run_operator(home, watch=())
    until(lambda: all(map(has_deadline, servers(cluster, names))), "every server's turn", seconds=SECONDS * 5)
    for name in names:
        wait_for(cluster.api, name, is_applied, seconds=SECONDS, what="its turn is over")
    rest(cluster, after)
    done = [write for write in writes(cluster, after, since) if write.split()[2].partition("/")[0] in names]
    changed = [write.split() for write in done if write.split()[1] in CHILDREN]
    assert {f"{plural}/{place.partition('/')[2]}" for _, plural, place, *_ in changed} == previous.CHANGED
    assert len(changed) == number * len(previous.CHANGED)
    told = [write for write in done if write.split()[1] == "dedicatedinstances/status"]
    record_property("status_writes", len(told))
    # Conditions that are new come after those that were there.
    now = judgements(cluster, names)
    assert {name: now[name][: len(judged[name])] for name in names} == judged
    objects = number * len(previous.CHANGED)
    assert (
        f"this operator changes {objects} objects of {number} instances, one instance after the other"
        in messages(after)
    )


def servers(cluster: Cluster, names: Sequence[str]) -> list[Manifest]:
    """The Deployments of the instances' servers."""
    return [cluster.api.get(DEPLOYMENT, name, "acme-server") for name in names]


def has_deadline(deployment: Manifest) -> bool:
    """Whether new connections to the database end in time, as this version renders it."""
    (container,) = get_list(deployment, "spec", "template", "spec", "containers")
    return CONNECT_TIMEOUT in get_list(container, "env")


def messages(operator: OperatorProcess) -> list[str]:
    """What its log says."""
    return [get_str(line, "message") for line in operator.logs()]


# Changes that only the operator asks for.


def catalogue(*, stable: str = "v4.15.2", login: str = "") -> Manifest:
    """Chart values: which release is stable, and the digest of the login's image."""
    versions: list[JsonValue] = [
        {"version": version, "channel": "stable" if version <= stable else "latest", "loginDigest": login}
        for version in ("v4.15.2", "v4.16.0")
    ]
    images: Manifest = {"server": "registry.test/zitadel", "login": "registry.test/zitadel-login"}
    return {"releases": {"images": images, "versions": versions}}


DIGEST = f"sha256:{'a' * 64}"
OTHER_LOGIN = catalogue(login=DIGEST)


@dataclass
class Fleet:
    """Instances that follow the stable channel, rolled out by an operator that ended."""

    cluster: Cluster
    home: str
    names: list[str]
    run: RunOperator
    deployments: History
    jobs: History

    def start(self, values: Manifest) -> OperatorProcess:
        """An operator with these chart values."""
        return self.run(self.home, watch=tuple(self.names), values=values)

    def reason(self, name: str) -> str:
        """Why an instance is up to date or not."""
        return get_str(condition(self.cluster.api.get(INSTANCE, name, "acme"), "UpToDate"), "reason")

    def wait(self, *names: str, login: str) -> None:
        """Until these instances are rolled out with this image of the login (its end)."""

        def there(body: Manifest | None) -> bool:
            name = get_str(body, "metadata", "namespace")
            return is_applied(body) and self.login(name).endswith(login)

        for name in names:
            wait_for(self.cluster.api, name, there, seconds=SECONDS, what=f"rolled out with {login}")

    def login(self, name: str) -> str:
        """The image of an instance's login."""
        found = self.cluster.api.get(DEPLOYMENT, name, "acme-login")
        return get_str(get_list(found, "spec", "template", "spec", "containers")[0], "image")

    def changing(self) -> list[set[str]]:
        """At each moment of the history: the namespaces with a rollout or a setup under way."""
        self.deployments.look()
        self.jobs.look()
        versions = [*self.deployments.bodies, *self.jobs.bodies]
        versions.sort(key=lambda body: int(get_str(body, "metadata", "resourceVersion")))
        busy: dict[str, bool] = {}
        moments = []
        for body in versions:
            namespace = get_str(body, "metadata", "namespace")
            if namespace in self.names:
                busy[f"{namespace}/{get_str(body, 'metadata', 'uid')}"] = is_busy(body)
                moments.append({key.partition("/")[0] for key, at_work in busy.items() if at_work})
        return moments

    def order(self) -> list[str]:
        """Namespaces in the order in which they began to change."""
        return list(dict.fromkeys(name for moment in self.changing() for name in sorted(moment)))


def is_busy(body: Manifest) -> bool:
    """Whether a Deployment is in the middle of a rollout, or a Job at work."""
    if "template" not in get_map(body, "spec"):
        return False
    if "parallelism" in get_map(body, "spec"):
        done = [get_str(item, "type") for item in get_list(body, "status", "conditions")]
        return "Complete" not in done
    return not deployment_of(body).rolled_out


@pytest.fixture
def fleet(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> Fleet:
    """Three instances, whose public names nobody answers."""
    home = make_namespace()
    names = sorted(make_namespace(labels=SIMULATED) for _ in range(3))
    operator = run_operator(home, watch=tuple(names), values=catalogue())
    for name in names:
        cluster.api.create(database_secret(name, NOWHERE))
        cluster.api.create(instance(name, release={"channel": "stable"}))
    for name in names:
        wait_for(cluster.api, name, is_applied, seconds=SECONDS, what="rolled out")
    rest(cluster, operator)
    assert operator.stop() == 0
    histories = [History.of(cluster.api, kind, "") for kind in (DEPLOYMENT, JOB)]
    return Fleet(cluster, home, names, run_operator, *histories)


@pytest.mark.slow
def test_a_changed_template_is_told_first_and_rolled_out_one_instance_after_the_other(fleet: Fleet) -> None:
    statuses = History.of(fleet.cluster.api, INSTANCE, "")
    operator = fleet.start(OTHER_LOGIN)
    fleet.wait(*fleet.names, login=DIGEST)
    assert max(map(len, fleet.changing())) == 1
    assert fleet.order() == fleet.names
    told = "this operator changes 3 objects of 3 instances, one instance after the other"
    assert told in messages(operator)
    for name in fleet.names:
        seen = [
            condition(body, "UpToDate") | {"ready": condition(body, "Ready")["status"]}
            for body in statuses.look()
            if get_str(body, "metadata", "namespace") == name
        ]
        reasons = list(dict.fromkeys(get_str(item, "reason") for item in seen))
        assert reasons == [UPGRADE_PENDING, UPGRADE_UNPROVEN, "UpToDate"], name
        pending = next(item for item in seen if item["reason"] == UPGRADE_PENDING)
        assert "1 object (Deployment/acme-login)" in get_str(pending, "message")
        assert len(seen) < 15


def test_a_moved_channel_sets_up_and_rolls_out_one_instance_after_the_other(fleet: Fleet) -> None:
    fleet.start(catalogue(stable="v4.16.0"))
    fleet.wait(*fleet.names, login="v4.16.0")
    assert max(map(len, fleet.changing())) == 1
    for name in fleet.names:
        body = fleet.cluster.api.get(INSTANCE, name, "acme")
        assert get_str(body, "status", "summary", "version") == "v4.16.0"


def test_one_that_does_not_come_back_holds_the_others_and_nothing_else(fleet: Fleet) -> None:
    api = fleet.cluster.api
    canary, second, third = fleet.names
    quota: Manifest = {"metadata": {"name": "none", "namespace": canary}, "spec": {"hard": {"pods": "0"}}}
    api.create({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    operator = fleet.start(OTHER_LOGIN)
    until(lambda: fleet.reason(canary) == UPGRADE_UNPROVEN, "its turn")
    rest(fleet.cluster, operator)
    held = f'dedicated_operator_upgrade_turn_seconds{{name="acme",namespace="{canary}"}}'
    assert held in operator.http("/metrics")[1]
    assert "dedicated_operator_upgrade_waiting_instances 2.0" in operator.http("/metrics")[1]
    assert [fleet.reason(name) for name in (second, third)] == [UPGRADE_PENDING] * 2
    assert fleet.order() == [canary]

    # Drift is repaired, and a user's change runs and takes along what waits.
    api.delete("v1/services", second, "acme-login")
    until(lambda: "Service/acme-login" in children(api, second), "the Service again")
    assert fleet.reason(second) == UPGRADE_PENDING
    change(api, third, {"login": {"replicas": 4}})
    fleet.wait(third, login=DIGEST)
    assert fleet.reason(canary) == UPGRADE_UNPROVEN

    # A crash of the operator makes no second canary.
    operator.kill()
    again = fleet.start(OTHER_LOGIN)
    rest(fleet.cluster, again)
    assert [fleet.reason(name) for name in (canary, second)] == [UPGRADE_UNPROVEN, UPGRADE_PENDING]
    assert not fleet.login(second).endswith(DIGEST)

    api.delete(QUOTA, canary, "none")
    fleet.wait(canary, second, login=DIGEST)
    assert fleet.order() == [canary, third, second]


def test_the_way_back_to_the_operator_before_undoes_one_and_leaves_the_others(fleet: Fleet) -> None:
    api = fleet.cluster.api
    canary = fleet.names[0]
    quota: Manifest = {"metadata": {"name": "none", "namespace": canary}, "spec": {"hard": {"pods": "0"}}}
    api.create({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    operator = fleet.start(OTHER_LOGIN)
    until(lambda: fleet.reason(canary) == UPGRADE_UNPROVEN, "its turn")
    rest(fleet.cluster, operator)
    assert operator.stop() == 0
    fleet.start(catalogue())
    fleet.wait(*fleet.names, login="v4.15.2")
    assert fleet.order() == [canary]


@pytest.mark.slow
def test_a_turn_is_over_when_the_public_name_was_read_well_after_the_rollout(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    operator = run_operator(namespace, values=catalogue())
    cluster.api.create(database_secret(namespace, database))
    cluster.api.create(instance(namespace))
    wait_ready(cluster.api, namespace, seconds=SECONDS)
    rest(cluster, operator)
    assert operator.stop() == 0
    again = run_operator(namespace, values=OTHER_LOGIN)
    wait_for(cluster.api, namespace, has_reason(UPGRADE_RUNNING), what="its turn")
    cluster.set_faults(namespace, {"http.fail": {"paths": ["/oauth/v2/keys"], "rate": 1, "status": 503}})

    def fails(body: Manifest | None) -> bool:
        return condition(body, "Ready").get("reason") == "PublicNameFails"

    body = wait_for(cluster.api, namespace, fails, seconds=SECONDS, what="rolled out, and not answering")
    assert has_reason(UPGRADE_RUNNING)(body)
    assert not any("its turn is over" in line for line in messages(again))
    cluster.set_faults(namespace, {})
    wait_for(cluster.api, namespace, has_reason("UpToDate"), what="its turn is over")
    assert any("its turn is over" in line for line in messages(again))


def has_reason(reason: str) -> Callable[[Manifest | None], bool]:
    """Whether `UpToDate` has it."""
    return lambda body: condition(body, "UpToDate").get("reason") == reason
