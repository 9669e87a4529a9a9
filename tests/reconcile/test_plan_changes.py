"""What a changed wish does, in which order, and what goes away afterwards."""

import pytest

from builders import body
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.names import LABEL_APP_VERSION
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, JOB, Ref
from dedicated.parts.server import KEYS_MARK
from dedicated.reconcile.actions import Apply, Delete
from reconcile.simulation import Cluster

SERVER, LOGIN = Ref(DEPLOYMENT.kind, "acme-server"), Ref(DEPLOYMENT.kind, "acme-login")


def standing(version: str = "v4.15.2") -> Cluster:
    """An instance that is ready."""
    cluster = Cluster(body(release={"version": version}))
    cluster.stand()
    return cluster


def version_of(cluster: Cluster, ref: Ref) -> str:
    """The release in a Deployment's template."""
    return get_str(
        cluster.manifest(ref.kind, ref.name), "spec", "template", "metadata", "labels", LABEL_APP_VERSION
    )


def configs(cluster: Cluster) -> list[str]:
    """The configuration ConfigMaps that exist."""
    return [name for name in cluster.names(CONFIG_MAP.kind) if "-config-" in name]


def setups(cluster: Cluster) -> list[str]:
    """The setup Jobs that exist."""
    return [name for name in cluster.names(JOB.kind) if "-setup-" in name]


def test_more_replicas_change_one_deployment_and_nothing_else() -> None:
    cluster = standing()
    cluster.edit_spec(login={"replicas": 5})
    decided = cluster.step()
    assert [action.ref for action in decided.actions if isinstance(action, Apply)] == [LOGIN]
    assert cluster.condition("Ready") == ("False", "RollingOut")
    cluster.settle()
    cluster.rollout()
    cluster.settle()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert get_str(cluster.body, "status", "summary", "login") == "5/5"


def test_a_connection_pool_follows_the_replicas() -> None:
    cluster = standing()
    (before,) = configs(cluster)
    cluster.edit_spec(server={"replicas": 20})
    cluster.settle()
    assert [name for name in configs(cluster) if name != before]


def test_a_new_configuration_is_rolled_out_without_a_setup() -> None:
    cluster = standing()
    (old,) = configs(cluster)
    jobs = cluster.names(JOB.kind)
    cluster.edit_spec(server={"config": {"Log": {"Level": "debug"}}})
    decided = cluster.step()
    assert not [action for action in decided.actions if isinstance(action, Delete)]
    cluster.settle()
    assert old in configs(cluster), "pods of the old template still read it"
    assert cluster.names(JOB.kind) == jobs
    cluster.rollout()
    cluster.settle()
    assert len(configs(cluster)) == 1
    assert old not in configs(cluster)
    assert cluster.condition("Ready") == ("True", "Ready")


def test_a_configuration_of_the_event_store_needs_a_setup_first() -> None:
    cluster = standing()
    cluster.edit_spec(server={"config": {"Eventstore": {"PushTimeout": "20s"}}})
    cluster.settle()
    assert len(setups(cluster)) == 2
    assert len(configs(cluster)) == 2
    assert cluster.condition("Ready") == ("False", "Progressing")


def test_an_upgrade_goes_setup_server_login_and_leaves_old_pods_alone_until_then() -> None:
    cluster = standing("v4.15.2")
    before = cluster.manifest(*key(SERVER))
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.settle()
    assert len(setups(cluster)) == 2
    assert cluster.manifest(*key(SERVER)) == before
    assert cluster.condition("Ready") == ("False", "Progressing")
    assert get_str(cluster.body, "status", "summary", "version") == "v4.15.2 -> v4.16.0"
    cluster.jobs_complete()
    cluster.settle()
    assert (version_of(cluster, SERVER), version_of(cluster, LOGIN)) == ("v4.16.0", "v4.15.2")
    assert len(setups(cluster)) == 2
    assert len(configs(cluster)) == 1, "the configuration is the same in both releases"
    cluster.rollout()
    cluster.settle()
    assert version_of(cluster, LOGIN) == "v4.16.0"
    assert len(setups(cluster)) == 2
    cluster.rollout()
    cluster.settle()
    assert setups(cluster) == [cluster.setup()]
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.condition("UpToDate") == ("True", "UpToDate")


def key(ref: Ref) -> tuple[str, str]:
    """A reference as two words."""
    return ref.kind, ref.name


def test_what_a_running_upgrade_keeps_waiting_is_not_pruned_nor_changed() -> None:
    cluster = standing("v4.15.2")
    cluster.edit_spec(release={"version": "v4.16.0"}, server={"replicas": 4})
    for _ in range(3):
        decided = cluster.step()
        assert not [action for action in decided.actions if isinstance(action, Delete)]
    assert get_map(cluster.manifest(*key(SERVER)), "spec")["replicas"] == 3


def test_a_failing_setup_is_told_and_old_pods_serve() -> None:
    cluster = standing("v4.15.2")
    before = cluster.manifest(*key(SERVER))
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.settle()
    cluster.job_fails(cluster.setup(), times=2)
    cluster.job_pod(problem="setup: exit code 1", finished=True)
    cluster.settle()
    assert cluster.condition("Ready") == ("False", "SchemaJobFailing")
    assert cluster.condition("Stalled")[0] == "False"
    assert cluster.condition("Available")[0] == "True"
    (found,) = get_list(cluster.body, "status", "findings")
    assert "failed 2 times (setup: exit code 1)" in get_str(found, "message")
    assert f"job/{cluster.setup()}" in get_str(found, "action")
    assert get_str(found, "responsible") == "Provider"
    assert cluster.manifest(*key(SERVER)) == before


def test_a_failing_setup_keeps_its_job_and_the_jobs_own_retries() -> None:
    cluster = standing("v4.15.2")
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.settle()
    cluster.job_fails(cluster.setup(), times=7)
    uid = cluster.server.objects[Ref(JOB.kind, cluster.setup())].uid
    cluster.settle()
    assert cluster.server.objects[Ref(JOB.kind, cluster.setup())].uid == uid


def test_a_setup_that_failed_for_good_gets_a_new_job() -> None:
    cluster = standing("v4.15.2")
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.settle()
    name = cluster.setup()
    uid = cluster.server.objects[Ref(JOB.kind, name)].uid
    cluster.job_fails(name, times=9, for_good=True)
    assert cluster.step().actions == (Delete(Ref(JOB.kind, name), uid),)
    cluster.settle()
    assert cluster.server.objects[Ref(JOB.kind, name)].uid != uid
    cluster.jobs_complete()
    cluster.settle()
    assert version_of(cluster, SERVER) == "v4.16.0"


def test_a_corrected_configuration_replaces_a_failing_job() -> None:
    cluster = Cluster(body())
    cluster.settle()
    cluster.job_fails("acme-init")
    assert cluster.settle().actions == ()
    uid = cluster.server.objects[Ref(JOB.kind, "acme-init")].uid
    cluster.edit_spec(server={"config": {"Log": {"Level": "debug"}}})
    cluster.settle()
    assert cluster.server.objects[Ref(JOB.kind, "acme-init")].uid != uid


def test_a_corrected_configuration_leaves_a_job_at_work_alone() -> None:
    cluster = Cluster(body())
    cluster.settle()
    cluster.job_pod()
    uid = cluster.server.objects[Ref(JOB.kind, "acme-init")].uid
    cluster.edit_spec(server={"config": {"Log": {"Level": "debug"}}})
    cluster.settle()
    assert cluster.server.objects[Ref(JOB.kind, "acme-init")].uid == uid


@pytest.mark.parametrize("problem", ["setup: ImagePullBackOff", "setup: CreateContainerConfigError"])
def test_a_job_whose_pod_cannot_start_is_replaced_once_corrected(problem: str) -> None:
    cluster = Cluster(body(release={"version": "v4.14.0"}))
    cluster.settle()
    assert cluster.names(JOB.kind) != []
    cluster.job_pod(problem=problem)
    cluster.settle()
    cluster.edit_spec(release={"version": "v4.15.2"})
    cluster.step()
    assert cluster.names(JOB.kind) == []
    cluster.pods.clear()
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert version_of(cluster, SERVER) == "v4.15.2"


@pytest.mark.parametrize("stuck", [True, False])
def test_two_setups_never_run_at_once(stuck: bool) -> None:
    """An unfinished setup of another release is ended if it gets nowhere, and waited for if it works."""
    cluster = standing("v4.14.0")
    cluster.edit_spec(release={"version": "v4.15.2"})
    cluster.settle()
    first = cluster.setup()
    if stuck:
        cluster.job_fails(first, times=1)
    else:
        cluster.job_pod()
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.step()
    second = cluster.setup()
    assert second not in setups(cluster)
    assert (first in setups(cluster)) == (not stuck)
    cluster.jobs_complete()
    cluster.settle()
    assert second in setups(cluster)


def test_a_way_back_from_a_failing_upgrade_ends_its_setup() -> None:
    cluster = standing("v4.15.2")
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.settle()
    cluster.job_fails(cluster.setup(), times=3)
    cluster.edit_spec(release={"version": "v4.15.2"})
    cluster.settle()
    assert setups(cluster) == [cluster.setup()]
    assert cluster.condition("Ready") == ("True", "Ready")


def test_only_what_this_very_instance_owns_is_pruned() -> None:
    cluster = standing()
    foreign = cluster.manifest(CONFIG_MAP.kind, configs(cluster)[0])
    owner = get_map(get_list(foreign, "metadata", "ownerReferences")[0])
    for name, uid in (("acme-config-theirs", "another-uid"), ("acme-config-nobodys", "")):
        owners: list[JsonValue] = [{**owner, "uid": uid}] if uid else []
        metadata: Manifest = {
            **get_map(foreign, "metadata"),
            "name": name,
            "ownerReferences": owners,
        }
        cluster.server.create({**foreign, "metadata": metadata}, manager="restore")
    cluster.edit_spec(server={"config": {"Log": {"Level": "debug"}}})
    cluster.settle()
    cluster.rollout()
    cluster.settle()
    assert {"acme-config-theirs", "acme-config-nobodys"} <= set(configs(cluster))


def test_keys_and_identity_are_never_pruned_nor_applied_over() -> None:
    cluster = standing("v4.14.0")
    for version in ("v4.15.2", "v4.16.0"):
        cluster.edit_spec(release={"version": version})
        for _ in range(3):
            cluster.settle()
            cluster.jobs_complete()
            cluster.rollout()
    cluster.settle()
    lasting = {"acme-masterkey", "acme-operator-key", "acme-login-key", "acme-admin", "acme-identity"}
    assert lasting <= {ref.name for ref in cluster.server.objects}
    touched = {action.ref.name for action in cluster.done if isinstance(action, Apply | Delete)}
    assert not lasting & touched


def test_a_deployment_deleted_by_somebody_comes_back_and_that_is_remembered() -> None:
    cluster = standing()
    cluster.delete(LOGIN)
    decided = cluster.step()
    assert [action.ref for action in decided.actions if isinstance(action, Apply)] == [LOGIN]
    assert "ModificationRepaired" in cluster.told
    cluster.settle()
    (found,) = get_list(cluster.body, "status", "modifications")
    assert get_map(found) == {
        "object": "Deployment/acme-login",
        "manager": "unknown",
        "operation": "Delete",
        "at": "2026-03-01T12:00:00Z",
        "repairedAt": "2026-03-01T12:00:00Z",
        "fields": ["(whole object)"],
    }
    cluster.rollout()
    cluster.body["status"] = {}
    cluster.settled = {}
    assert cluster.settle().actions == ()
    assert cluster.condition("Unmodified") == ("False", "ModificationRepaired")


def test_a_child_on_its_way_out_is_waited_for() -> None:
    cluster = standing()
    cluster.server.objects[LOGIN].deleting = True
    assert cluster.settle().actions == ()


def test_a_key_pair_made_anew_is_rolled_out() -> None:
    cluster = standing()
    before = cluster.manifest("Deployment", "acme-login")
    cluster.delete(Ref("Secret", "acme-login-key"))
    cluster.settle()
    after = cluster.manifest("Deployment", "acme-login")
    assert keys_mark(before) != keys_mark(after)
    assert keys_mark(after) == keys_mark(cluster.manifest("Deployment", "acme-server"))


def keys_mark(deployment: Manifest) -> str:
    return get_str(deployment, "spec", "template", "metadata", "annotations", KEYS_MARK)
