"""A new operator asks for changes that no user did: told at once, taken in turn, and nothing else waits."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from builders import CATALOGUE, DSN, body
from dedicated.api.catalogue import CatalogueVersion
from dedicated.api.conditions import UPGRADE_PENDING, UPGRADE_RUNNING
from dedicated.api.json import Manifest, as_manifest, get_map, get_str
from dedicated.api.names import ANNOTATION_APPLIED, LABEL_APP_VERSION
from dedicated.api.objects import JOB, Ref
from dedicated.reconcile.actions import Action, Apply
from dedicated.reconcile.observed import ServiceReading
from dedicated.reconcile.turns import causes, is_urgent
from reconcile.edits import (
    BUDGET,
    LOGIN,
    POLICY,
    RUNNING,
    SERVER,
    SERVICE,
    WAITING,
    put,
    rendered_otherwise,
    standing,
)
from reconcile.simulation import Cluster

MOVED = CATALOGUE.model_copy(
    update={"versions": [*CATALOGUE.versions, CatalogueVersion(version="v4.17.0", channel="stable")]}
)


def with_moved_channel() -> Cluster:
    """An instance that follows a channel, and an operator whose catalogue has a newer release."""
    cluster = Cluster(body(release={"version": None, "channel": "stable"}))
    cluster.stand()
    cluster.pass_time(minutes=5)
    cluster.catalogue, cluster.settled, cluster.turn = MOVED, {}, WAITING
    return cluster


def applied(actions: tuple[Action, ...]) -> set[Ref]:
    """What is applied."""
    return {action.ref for action in actions if isinstance(action, Apply)}


def scale_to_nothing(manifest: Manifest) -> None:
    """What a tired administrator does."""
    get_map(manifest, "spec")["replicas"] = 0


# What waits.


def test_a_changed_template_is_told_and_not_applied() -> None:
    cluster = rendered_otherwise(standing(), SERVER, LOGIN, SERVICE)
    before = {kind: cluster.condition(kind) for kind in ("Ready", "Available", "Reconciling", "Stalled")}
    decided = cluster.step()
    assert decided.actions == ()
    assert set(decided.pending or ()) == {SERVER, LOGIN, SERVICE}
    assert cluster.condition("UpToDate") == ("False", UPGRADE_PENDING)
    assert "3 objects (Deployment/acme-login, Deployment/acme-server, Service/" in cluster.message("UpToDate")
    assert "4 were before it" in cluster.message("UpToDate")
    assert {kind: cluster.condition(kind) for kind in before} == before
    assert decided.events == ()
    told = cluster.body["status"]
    assert cluster.step().actions == ()
    assert cluster.body["status"] == told


def test_a_restart_while_it_waits_changes_nothing() -> None:
    cluster = rendered_otherwise(standing(), SERVER)
    cluster.step()
    decided = cluster.after_restart()
    assert decided.actions == ()
    assert decided.pending == (SERVER,)
    assert decided.status == cluster.body["status"]


def test_where_everything_is_equal_nothing_waits_and_nothing_is_said() -> None:
    cluster = standing()
    cluster.turn = WAITING
    decided = cluster.after_restart()
    assert (decided.actions, decided.pending, decided.status) == ((), (), cluster.body["status"])


def test_a_setup_for_a_moved_channel_waits_and_what_follows_is_listed() -> None:
    cluster = with_moved_channel()
    decided = cluster.step()
    assert decided.actions == ()
    assert decided.pending is not None
    assert {ref.kind for ref in decided.pending} == {"Deployment", JOB.kind}
    assert len(decided.pending) == 3
    assert cluster.condition("UpToDate") == ("False", UPGRADE_PENDING)
    assert cluster.message("UpToDate").startswith("v4.17.0 is wanted")
    assert cluster.condition("Ready")[0] == "True"
    assert get_str(cluster.body, "status", "summary", "version") == "v4.15.2 -> v4.17.0"


def test_a_release_that_runs_and_is_no_longer_in_the_catalogue_stays_as_it_is() -> None:
    cluster = with_moved_channel()
    cluster.catalogue = MOVED.model_copy(update={"versions": MOVED.versions[-1:]})
    decided = cluster.step()
    assert decided.actions == ()
    assert cluster.condition("UpToDate") == ("False", UPGRADE_PENDING)
    assert cluster.condition("Ready")[0] == "True"


def test_a_note_of_somebody_makes_an_instance_that_waits_look_no_different() -> None:
    """The controller takes a moment to look at it; that is no rollout."""
    cluster = rendered_otherwise(standing(), SERVICE)
    cluster.step()
    cluster.edit(SERVER, put("metadata", "annotations", "note", value="mine"))
    cluster.server.objects[SERVER].generation += 1
    cluster.step()
    assert cluster.condition("Ready")[0] == "True"


def test_a_new_policy_acts_by_being_there_and_waits() -> None:
    cluster = standing()
    del cluster.server.objects[POLICY]
    cluster.settled, cluster.turn = {}, WAITING
    decided = cluster.step()
    assert (decided.actions, decided.pending) == ((), (POLICY,))
    assert cluster.condition("Ready")[0] == "True"


# What does not.


def test_a_policy_that_somebody_deletes_before_our_eyes_comes_back_at_once() -> None:
    cluster = standing()
    cluster.turn = WAITING
    cluster.delete(POLICY)
    assert applied(cluster.step().actions) == {POLICY}


@pytest.mark.parametrize("ref", [SERVICE, BUDGET, LOGIN, SERVER])
def test_what_is_missing_is_made_at_once(ref: Ref) -> None:
    cluster = rendered_otherwise(standing(), SERVICE if ref != SERVICE else BUDGET)
    del cluster.server.objects[ref]
    assert ref in applied(cluster.step().actions)


def test_drift_of_what_does_not_change_is_repaired_meanwhile() -> None:
    cluster = rendered_otherwise(standing(), SERVER)
    cluster.edit(BUDGET, put("spec", "maxUnavailable", value=3))
    decided = cluster.step()
    assert applied(decided.actions) == {BUDGET}
    assert decided.pending == (SERVER,)
    cluster.step()  # the status is told by the record that the repair began with
    assert cluster.condition("Unmodified")[0] == "False"


def test_deployments_are_repaired_at_the_release_that_runs_while_a_setup_waits() -> None:
    cluster = with_moved_channel()
    cluster.edit(SERVER, scale_to_nothing)
    first = causes(cluster.observed())
    decided = cluster.step()
    assert applied(decided.actions) == {SERVER}
    template = ("spec", "template", "metadata", "labels")
    assert get_map(cluster.manifest("Deployment", "acme-server"), *template)[LABEL_APP_VERSION] == "v4.15.2"
    assert not is_urgent(first, causes(cluster.observed()), pending=decided.pending or ())


def test_a_deployment_that_drifted_while_no_operator_was_there_brings_no_turn_forward() -> None:
    cluster = rendered_otherwise(standing(), SERVICE)
    cluster.edit(SERVER, scale_to_nothing)
    first = causes(cluster.observed())
    decided = cluster.step()
    assert (applied(decided.actions), decided.pending) == ({SERVER}, (SERVICE,))
    assert causes(cluster.observed()) != first, "its own repair"
    assert not is_urgent(first, causes(cluster.observed()), pending=decided.pending or ())


def test_a_change_of_the_spec_runs_now_and_takes_along_what_waits() -> None:
    cluster = rendered_otherwise(standing(), SERVER, SERVICE)
    cluster.step()
    cluster.edit_spec(login={"replicas": 5})
    decided = cluster.step()
    assert applied(decided.actions) == {SERVER, SERVICE, LOGIN}
    assert decided.pending == ()
    assert cluster.condition("UpToDate") == ("False", "RollingOut")


def test_a_change_that_was_under_way_goes_on() -> None:
    cluster = standing()
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.settle()
    cluster.jobs_complete()
    rendered_otherwise(cluster, SERVICE)
    assert {SERVER, SERVICE} <= applied(cluster.step().actions)


def wiped(cluster: Cluster) -> None:
    cluster.body["status"] = {}


def of_another_generation(cluster: Cluster) -> None:
    get_map(cluster.body, "status")["observedGeneration"] = 0


def without_conditions(cluster: Cluster) -> None:
    get_map(cluster.body, "status")["conditions"] = []


@pytest.mark.parametrize("make", [wiped, of_another_generation, without_conditions])
def test_without_a_status_of_this_generation_nothing_waits(make: Callable[[Cluster], None]) -> None:
    cluster = rendered_otherwise(standing(), SERVER)
    make(cluster)
    assert applied(cluster.step().actions) == {SERVER}


def test_a_creation_never_waits() -> None:
    cluster = Cluster(body(), turn=WAITING)
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_a_creation_that_was_held_up_does_not_wait_either() -> None:
    cluster = Cluster(body(), secrets={})
    cluster.settle()
    cluster.turn = WAITING
    cluster.secrets["database"] = {"dsn": DSN}
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_a_hash_that_somebody_took_away_is_drift() -> None:
    cluster = standing()
    cluster.turn = WAITING
    cluster.edit(SERVICE, put("metadata", "annotations", ANNOTATION_APPLIED, value="forged"))
    assert applied(cluster.step().actions) == {SERVICE}


def test_an_instance_that_stalled_over_the_upgrade_waits_when_it_is_well_again() -> None:
    cluster = rendered_otherwise(standing(), SERVER)
    masterkey = cluster.secrets.pop("acme-masterkey")
    decided = cluster.step()
    assert decided.pending is None
    assert cluster.condition("Stalled")[0] == "True"
    cluster.secrets["acme-masterkey"] = masterkey
    assert cluster.step().pending == (SERVER,)
    assert cluster.condition("UpToDate") == ("False", UPGRADE_PENDING)


# Its turn.


def test_a_turn_is_told_before_anything_is_done_and_lasts_until_the_name_answers_anew() -> None:
    cluster = rendered_otherwise(standing(), SERVER, LOGIN)
    cluster.step()
    cluster.turn = RUNNING
    decided = cluster.step()
    assert decided.announced
    assert applied(decided.actions) == {SERVER, LOGIN}
    assert cluster.condition("UpToDate") == ("False", UPGRADE_RUNNING)
    assert cluster.condition("Ready") == ("False", "RollingOut")
    assert "since 2026-03-01T12:00:00Z" in cluster.message("UpToDate")
    decided = cluster.step()
    assert (decided.announced, decided.turn, decided.actions) == (False, "Rolling", ())
    cluster.rollout()
    assert cluster.step().turn == "Proving"
    assert cluster.condition("UpToDate") == ("False", UPGRADE_RUNNING)
    cluster.turn = replace(RUNNING, heard=True)
    cluster.service = ServiceReading(ok=False, detail="answered 502")
    assert cluster.step().turn == "Proving"
    assert cluster.condition("Ready") == ("False", "PublicNameFails")
    cluster.service = ServiceReading(ok=True, detail="ready")
    assert cluster.step().turn == "Over"
    assert cluster.condition("UpToDate") == ("True", "UpToDate")
    assert cluster.condition("Ready")[0] == "True"


def test_a_moved_channel_in_turn_goes_setup_server_login() -> None:
    cluster = with_moved_channel()
    cluster.step()
    cluster.turn = replace(RUNNING, heard=True)
    assert cluster.step().turn == "Rolling"
    cluster.settle()
    cluster.jobs_complete()
    for _ in range(2):
        assert cluster.settle().turn == "Rolling"
        cluster.rollout()
    assert cluster.settle().turn == "Over"
    assert cluster.message("UpToDate") == "v4.17.0 runs on every pod"


def test_a_change_without_pods_needs_no_rollout() -> None:
    cluster = rendered_otherwise(standing(), SERVICE)
    cluster.step()
    cluster.turn = replace(RUNNING, heard=True)
    assert cluster.step().turn == "Rolling"
    assert cluster.step().turn == "Over"


def test_a_turn_outlives_the_operator() -> None:
    """Rolled out, but not answering: the next operator has to know whose turn it was."""
    cluster = rendered_otherwise(standing(), SERVER)
    cluster.step()
    cluster.turn = RUNNING
    cluster.step()
    cluster.rollout()
    cluster.step()
    cluster.settled, cluster.turn = {}, WAITING
    decided = cluster.step()
    assert (decided.pending, decided.actions) == ((), ())
    assert cluster.condition("UpToDate") == ("False", UPGRADE_RUNNING)


def test_a_turn_that_stalls_is_still_one() -> None:
    cluster = rendered_otherwise(standing(), SERVER)
    cluster.step()
    cluster.turn = RUNNING
    cluster.secrets.pop("acme-masterkey")
    assert cluster.step().turn == ""
    assert cluster.condition("Stalled") == ("True", "MasterkeyLost")
    assert cluster.condition("UpToDate") == ("False", UPGRADE_RUNNING)


def test_the_message_stays_short_however_many_objects_change() -> None:
    cluster = standing()
    refs = [ref for ref in cluster.server.objects if ref.kind in ("Service", "NetworkPolicy", "Deployment")]
    cluster = rendered_otherwise(cluster, *refs)
    cluster.step()
    assert f" and {len(refs) - 5} more)" in cluster.message("UpToDate")
    assert as_manifest(cluster.body["status"])
