"""From an applied resource to a ready instance, and rest."""

from copy import deepcopy

import pytest

from builders import EXISTING, MASTERKEY, OWN_KEY, body
from dedicated.api.conditions import TYPES, parse_time
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import FINALIZER
from dedicated.api.objects import DEPLOYMENT, JOB, SECRET
from dedicated.reconcile.actions import (
    Apply,
    CreateAdmin,
    CreateKeyPair,
    EstablishIdentity,
    MarkNamespace,
    SetFinalizers,
)
from reconcile.simulation import Cluster


def new() -> Cluster:
    """A cluster in which somebody just applied an instance."""
    found = body()
    get_map(found, "metadata")["finalizers"] = []
    return Cluster(found)


def existing() -> Cluster:
    """An instance over a database that ZITADEL uses already."""
    cluster = Cluster(body(keys=OWN_KEY, database=EXISTING))
    cluster.secrets["own-key"] = {"masterkey": MASTERKEY}
    return cluster


def test_the_first_pass_builds_everything_in_order() -> None:
    cluster = new()
    assert cluster.step().stages == (
        (SetFinalizers((FINALIZER,)),),
        (EstablishIdentity(),),
        (MarkNamespace("acme"),),
    )
    (third,) = cluster.step().stages
    assert {action.suffix for action in third if isinstance(action, CreateKeyPair)} == {
        "operator-key",
        "login-key",
    }
    assert CreateAdmin() in third
    applied = [action.ref for action in third if isinstance(action, Apply)]
    assert {ref.kind for ref in applied} == {
        "ConfigMap",
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }
    assert [ref.name for ref in applied if ref.kind == JOB.kind] == ["acme-init"]


def test_schema_before_setup_before_deployments() -> None:
    cluster = new()
    cluster.settle()
    assert cluster.names(JOB.kind) == ["acme-init"]
    assert cluster.condition("Ready") == ("False", "Progressing")
    assert cluster.condition("Available") == ("Unknown", "NotInstalled")
    cluster.jobs_complete()
    cluster.settle()
    assert cluster.names(JOB.kind) == ["acme-init", cluster.setup()]
    assert cluster.names(DEPLOYMENT.kind) == []
    cluster.jobs_complete()
    cluster.settle()
    assert cluster.names(DEPLOYMENT.kind) == ["acme-login", "acme-server"]
    assert cluster.condition("Ready") == ("False", "RollingOut")
    assert cluster.condition("Available") == ("Unknown", "NotInstalled")
    cluster.rollout("acme-server")
    cluster.settle()
    assert cluster.condition("Available") == ("Unknown", "NotProbed")


def test_creation_ends_ready_and_at_rest() -> None:
    cluster = new()
    last = cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.condition("Reconciling") == ("False", "Applied")
    assert cluster.condition("HighlyAvailable") == ("True", "SurvivesAnyZone")
    assert cluster.findings() == []
    assert last.probe == "login.acme.example"
    slots = get_list(cluster.body, "status", "maintenance", "nextSlots")
    assert last.wake_at == parse_time(get_str(slots[0], "end"))


def test_at_rest_a_pass_does_nothing_and_says_the_same() -> None:
    cluster = new()
    cluster.stand()
    before = deepcopy(cluster.body)
    decided = cluster.step()
    assert (decided.actions, decided.events) == ((), ())
    assert cluster.body == before


def test_a_restart_at_rest_does_nothing() -> None:
    cluster = new()
    cluster.stand()
    settled = cluster.settled
    decided = cluster.after_restart()
    assert (decided.actions, decided.events) == ((), ())
    assert decided.settled == settled
    assert decided.status == cluster.body["status"]


def test_every_rebuildable_child_is_settled_at_rest() -> None:
    cluster = new()
    cluster.stand()
    owned = {ref for ref, child in cluster.observed().children.items() if child.owner_uid}
    assert cluster.settled.keys() == owned


def test_the_same_input_gives_the_same_plan() -> None:
    cluster = new()
    for _ in range(3):
        assert cluster.plan() == cluster.plan()
        cluster.settle()
        cluster.jobs_complete()
        cluster.rollout()


def test_a_wiped_status_comes_back_the_same_but_for_its_times() -> None:
    cluster = new()
    cluster.stand()
    before = deepcopy(get_map(cluster.body, "status"))
    cluster.body["status"] = {}
    cluster.pass_time(hours=3)
    decided = cluster.after_restart()
    assert decided.actions == ()
    assert decided.events == ()
    assert decided.status is not None
    assert without_times(decided.status) == without_times(before)
    assert all(
        get_str(item, "lastTransitionTime") == "2026-03-01T15:00:00Z"
        for item in get_list(decided.status, "conditions")
    )


def without_times(status: Manifest) -> Manifest:
    """A status without the one thing that it cannot know again."""
    kept: list[JsonValue] = [
        {key: value for key, value in as_manifest(item).items() if key != "lastTransitionTime"}
        for item in get_list(status, "conditions")
    ]
    return {**status, "conditions": kept}


def test_every_condition_is_there_from_the_first_sight() -> None:
    decided = new().plan()
    assert tuple(get_str(item, "type") for item in get_list(decided.status, "conditions")) == TYPES


@pytest.mark.parametrize("interrupted_after", range(20))
def test_a_pass_may_be_cut_off_between_any_two_actions(interrupted_after: int) -> None:
    whole, cut = new(), new()
    whole.stand()
    cut.step()
    cut.carry_out(cut.plan().actions[:interrupted_after])
    cut.settled = {}
    cut.stand()
    assert cut.condition("Ready") == ("True", "Ready")
    assert set(cut.server.objects) == set(whole.server.objects)


def test_existing_data_needs_no_init_and_no_administrator() -> None:
    cluster = existing()
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert not [name for name in cluster.names(JOB.kind) if "init" in name]
    assert cluster.names(SECRET.kind) == ["acme-login-key", "acme-operator-key"]
    assert "adminSecret" not in get_map(cluster.body, "status")


def test_the_status_tells_where_the_first_password_is() -> None:
    cluster = new()
    cluster.stand()
    assert get_str(cluster.body, "status", "adminSecret") == "acme-admin"
    assert "acme-admin" in cluster.names(SECRET.kind)


def test_the_facts_of_a_running_instance() -> None:
    cluster = new()
    cluster.stand()
    status = get_map(cluster.body, "status")
    assert status["summary"] == {
        "version": "v4.15.2",
        "zones": "3/3",
        "server": "3/3",
        "login": "3/3",
        "findings": "",
    }
    assert status["versions"] == {
        "wanted": "v4.15.2",
        "schema": "v4.15.2",
        "server": "v4.15.2",
        "login": "v4.15.2",
    }
    assert status["zones"] == [{"name": f"z{number}", "server": 1, "login": 1} for number in (1, 2, 3)]
    assert status["url"] == "https://login.acme.example"


def test_an_instance_re_created_takes_up_its_keys_again() -> None:
    cluster = new()
    cluster.stand()
    keys_before = {ref: thing.uid for ref, thing in cluster.server.objects.items() if ref.kind == SECRET.kind}
    identity = cluster.manifest("ConfigMap", "acme-identity")
    for ref in [ref for ref, child in cluster.observed().children.items() if child.owner_uid]:
        del cluster.server.objects[ref]  # the garbage collector's work
    cluster.body = body(uid="another-uid")
    cluster.settled, cluster.pods, cluster.service = {}, [], None
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.manifest("ConfigMap", "acme-identity") == identity
    assert keys_before == {
        ref: thing.uid for ref, thing in cluster.server.objects.items() if ref.kind == SECRET.kind
    }


def test_setup_waits_for_a_pod_of_another_attempt() -> None:
    cluster = new()
    cluster.settle()
    cluster.jobs_complete()
    cluster.job_pod()
    cluster.settle()
    assert cluster.names(JOB.kind) == ["acme-init"]
    cluster.pods.clear()
    cluster.settle()
    assert len(cluster.names(JOB.kind)) == 2


