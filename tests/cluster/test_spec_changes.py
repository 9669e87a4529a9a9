"""A changed spec: what it touches, what it leaves alone, and that the service goes on meanwhile."""

import pytest

from cluster.instances import condition, database_secret, instance, wait_for, wait_ready
from cluster.observing import (
    DISCOVERY,
    LOGIN,
    LOGIN_PAGE,
    SECONDS,
    SERVER,
    History,
    change,
    finding,
    kstatus_of,
    never_current_before_ready,
    pods_by_zone,
    uids,
    versions,
    visited,
    wait_applied,
    wait_stalled,
    wait_until,
    work,
)
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import LABEL_APP_VERSION
from dedicated.api.objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INSTANCE,
    JOB,
    NETWORK_POLICY,
    SERVICE,
    SERVICE_ACCOUNT,
)
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

SIMULATED = {"testbed/pods": "simulated"}
EVEN = {"zone-a": 1, "zone-b": 1, "zone-c": 1}
STANDING = (DISRUPTION_BUDGET, NETWORK_POLICY, SERVICE, SERVICE_ACCOUNT)


def unavailable(deployments: list[Manifest]) -> list[str]:
    """Moments at which a Deployment had fewer pods available than it wants."""
    return [
        f"{get_str(body, 'metadata', 'name')}: {body['status']}"
        for body in deployments
        if get_int(body, "status", "availableReplicas") < get_int(body, "spec", "replicas")
    ]


def release_of(body: Manifest) -> str:
    return get_str(body, "spec", "template", "metadata", "labels", LABEL_APP_VERSION)


def is_rolled_out(body: Manifest) -> bool:
    status = get_map(body, "status")
    seen = status.get("observedGeneration") == get_map(body, "metadata").get("generation")
    return seen and status.get("updatedReplicas") == status.get("replicas") == status.get("availableReplicas")


def test_configuration_then_release_without_unavailability(
    cluster: Cluster, crds: None, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    run_operator(namespace, watch=(namespace,))
    api.create(database_secret(namespace, database))
    api.create(instance(namespace))
    wait_ready(api, namespace, seconds=SECONDS)
    seen = History.of(api, DEPLOYMENT, namespace)
    told = History.of(api, INSTANCE, namespace)
    with visited(cluster, f"{namespace}.example.test") as guest:
        _change_configuration(cluster, namespace)
        assert unavailable(seen.look()) == []
        rollout = len(seen.bodies)
        _start_release_change(cluster, namespace)
        assert guest.failures() == []  # nor while the schema of the new release is made
        _finish_release_change(cluster, namespace)
        servers = [body for body in seen.look() if get_str(body, "metadata", "name") == "acme-server"]
        assert unavailable(servers) == []
    # The login refuses to serve beside a server of another release, so it cannot be without a gap here.
    assert guest.failures(DISCOVERY) == []
    assert {path for path, status, _ in guest.answers if status == 200} == {DISCOVERY, LOGIN_PAGE}
    _server_goes_first(seen.bodies[rollout:])
    assert never_current_before_ready(told.look())["InProgress"] > 0
    _refuse_downgrade(cluster, namespace)


def _change_configuration(cluster: Cluster, namespace: str) -> None:
    api = cluster.api
    jobs, maps = uids(api, namespace, JOB), uids(api, namespace, CONFIG_MAP)
    change(api, namespace, {"server": {"config": {"AuditLogRetention": "720h"}}})
    assert kstatus_of(wait_ready(api, namespace, seconds=SECONDS)) == "Current"
    assert uids(api, namespace, JOB) == jobs  # no setup for what setup does not look at
    api.wait_for(
        CONFIG_MAP,
        namespace,
        next(name for name in maps if "-config-" in name).rpartition("/")[2],
        lambda found: found is None,
        what="the old configuration is pruned",
    )
    assert len(uids(api, namespace, CONFIG_MAP)) == len(maps)


def _start_release_change(cluster: Cluster, namespace: str) -> None:
    """The schema first, while the old release serves."""
    api = cluster.api
    old = uids(api, namespace, JOB)
    cluster.set_faults(namespace, {"setup.hangAtStep": "46_fake_2"})
    change(api, namespace, {"release": {"version": "v4.16.0"}})

    def migrating(body: Manifest | None) -> bool:
        reason = get_str(condition(body, "Reconciling"), "reason")
        version = get_str(body, "status", "summary", "version")
        return (version, reason) == ("v4.15.2 -> v4.16.0", "Progressing")

    body = wait_for(api, namespace, migrating, what="the release change is told")
    assert kstatus_of(body) == "InProgress"
    assert get_str(body, "status", "versions", "schema") == "v4.15.2"
    # The status of a new generation is written before its children.
    wait_until(api, namespace, lambda: uids(api, namespace, JOB).keys() > old.keys(), what="its setup")
    (setup,) = (name.rpartition("/")[2] for name in uids(api, namespace, JOB) if name not in old)
    api.wait_for(
        JOB, namespace, setup, lambda job: get_int(job, "status", "active") == 1, what="setup is at work"
    )
    assert {release_of(item) for item in api.list(DEPLOYMENT, namespace)} == {"v4.15.2"}


def _finish_release_change(cluster: Cluster, namespace: str) -> None:
    """Setup goes on; server and login follow, and what belonged to the old release is pruned."""
    api = cluster.api
    cluster.set_faults(namespace, {})
    body = wait_ready(api, namespace, seconds=SECONDS)
    assert get_map(body, "status", "versions") == dict.fromkeys(
        ("wanted", "schema", "server", "login"), "v4.16.0"
    )
    assert get_str(body, "status", "summary", "version") == "v4.16.0"
    assert condition(body, "UpToDate")["status"] == "True"
    setups = {name: release for name, release in _releases_of_jobs(cluster, namespace) if "-setup-" in name}
    old = next(name for name, release in setups.items() if release == "v4.15.2") if len(setups) > 1 else ""
    api.wait_for(JOB, namespace, old or "none", lambda job: job is None, what="the old setup Job is pruned")
    assert "v4.16.0" in setups.values()


def _releases_of_jobs(cluster: Cluster, namespace: str) -> list[tuple[str, str]]:
    return [
        (get_str(job, "metadata", "name"), get_str(job, "metadata", "labels", LABEL_APP_VERSION))
        for job in cluster.api.list(JOB, namespace)
    ]


def _server_goes_first(deployments: list[Manifest]) -> None:
    """No login of the new release before the last server pod has it."""
    server_done = False
    changed = set()
    for body in deployments:
        name = get_str(body, "metadata", "name")
        if release_of(body) == "v4.16.0":
            changed.add(name)
            server_done = server_done or (name == "acme-server" and is_rolled_out(body))
            assert server_done or name == "acme-server"
    assert changed == {"acme-server", "acme-login"}


def _refuse_downgrade(cluster: Cluster, namespace: str) -> None:
    api = cluster.api
    before = work(api, namespace)
    change(api, namespace, {"release": {"version": "v4.15.2"}})
    body = wait_stalled(api, namespace, "DowngradeRefused")
    found = finding(body, "DowngradeRefused")
    assert "v4.15.2" in get_str(found, "message")
    assert "v4.16.0" in get_str(found, "message")
    assert found["responsible"] == "Provider"
    assert work(api, namespace) == before
    assert condition(body, "Available")["status"] == "True"
    change(api, namespace, {"release": {"version": "v4.16.0"}})
    wait_ready(api, namespace)
    assert work(api, namespace) == before


def test_replicas_and_an_unknown_release(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    api = cluster.api
    run_operator(namespace, watch=(namespace,))
    api.create(database_secret(namespace, "postgresql://u:p@db.example.test/d"))
    api.create(instance(namespace))
    wait_applied(api, namespace)
    standing, jobs = uids(api, namespace, *STANDING), uids(api, namespace, JOB)
    maps = uids(api, namespace, CONFIG_MAP)

    change(api, namespace, {"login": {"replicas": 4}})
    wait_for(api, namespace, lambda body: get_str(body, "status", "summary", "login") == "4/4", what="4/4")
    assert uids(api, namespace, CONFIG_MAP) == maps
    change(api, namespace, {"server": {"replicas": 6}})
    wait_for(api, namespace, lambda body: get_str(body, "status", "summary", "server") == "6/6", what="6/6")
    wait_applied(api, namespace)
    assert pods_by_zone(api, namespace, SERVER) == dict.fromkeys(EVEN, 2)
    assert sum(pods_by_zone(api, namespace, LOGIN).values()) == 4
    assert uids(api, namespace, *STANDING) == standing
    assert uids(api, namespace, JOB) == jobs

    before = work(api, namespace), versions(api, namespace, *STANDING)
    change(api, namespace, {"release": {"version": "v9.9.9"}})
    body = wait_stalled(api, namespace, "ReleaseUnknown")
    assert "v9.9.9" in get_str(finding(body, "ReleaseUnknown"), "message")
    assert "v4.15.2, v4.16.0" in get_str(finding(body, "ReleaseUnknown"), "message")
    assert (work(api, namespace), versions(api, namespace, *STANDING)) == before
    change(api, namespace, {"release": {"version": "v4.15.2"}})
    wait_applied(api, namespace)
    assert (work(api, namespace), versions(api, namespace, *STANDING)) == before


@pytest.mark.parametrize("rollouts", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_rollouts_in_a_row_each_end_even_over_the_zones(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator, rollouts: int
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    api = cluster.api
    run_operator(namespace, watch=(namespace,))
    api.create(database_secret(namespace, "postgresql://u:p@db.example.test/d"))
    api.create(instance(namespace))
    wait_applied(api, namespace)
    ended = []
    for number in range(rollouts):
        change(api, namespace, {"server": {"config": {"AuditLogRetention": f"{number}h"}}})
        body = wait_applied(api, namespace)
        ended.append(pods_by_zone(api, namespace, SERVER))
        zones = {get_str(item, "name"): get_int(item, "server") for item in get_list(body, "status", "zones")}
        assert zones == EVEN, number
    assert ended == [EVEN] * rollouts
