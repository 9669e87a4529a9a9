"""What others do to managed objects is seen, told, and repaired."""

import pytest

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import ANNOTATION_APPLIED, LABEL_NAME
from dedicated.api.objects import Ref
from dedicated.reconcile.actions import Apply
from dedicated.reconcile.drift import Path
from dedicated.reconcile.field_owners import PLATFORM_MANAGERS
from dedicated.reconcile.ownership import UNKNOWN
from reconcile.api_server import Entry
from reconcile.edits import (
    BUDGET,
    LOGIN,
    POLICY,
    SERVER,
    SERVICE,
    Change,
    add_container,
    add_port,
    add_variable,
    change_variable,
    container,
    drop,
    head,
    in_container,
    put,
    remove_variable,
    standing,
)
from reconcile.fieldsets import flatten

EDITS: list[tuple[str, Ref, Change, str]] = [
    ("a field", SERVER, put("spec", "revisionHistoryLimit", value=9), "spec.revisionHistoryLimit"),
    (
        "an image",
        SERVER,
        in_container("image", "other:1"),
        "spec.template.spec.containers[name=server].image",
    ),
    (
        "a variable's value",
        LOGIN,
        change_variable,
        "spec.template.spec.containers[name=login].env[name=ZITADEL_API_URL].value",
    ),
    (
        "a variable more",
        SERVER,
        add_variable,
        "spec.template.spec.containers[name=server].env[name=EVIL]",
    ),
    (
        "a variable less",
        LOGIN,
        remove_variable,
        "spec.template.spec.containers[name=login].env[name=ZITADEL_API_URL]",
    ),
    ("an atomic list", SERVER, in_container("args", ["start", "--tls"]), "[name=server].args"),
    ("a field that was not set", SERVER, put("spec", "paused", value=True), "spec.paused"),
    (
        "a default",
        SERVER,
        put("spec", "template", "spec", "dnsPolicy", value="Default"),
        "spec.template.spec.dnsPolicy",
    ),
    (
        "a map more",
        SERVER,
        put("spec", "template", "spec", "nodeSelector", value={"disk": "ssd"}),
        "spec.template.spec.nodeSelector",
    ),
    ("a container more", SERVER, add_container, "spec.template.spec.containers[name=spy]"),
    ("a port more", SERVICE, add_port, "spec.ports[port=9,protocol=TCP]"),
    ("a selector", SERVICE, put("spec", "selector", value={"app": "mine"}), "spec.selector"),
    ("an opened policy", POLICY, put("spec", "ingress", value=[{}]), "spec.ingress"),
    ("a looser budget", BUDGET, put("spec", "maxUnavailable", value="100%"), "spec.maxUnavailable"),
    ("a label of ours", SERVICE, put("metadata", "labels", LABEL_NAME, value="x"), "metadata.labels"),
    (
        "our hash",
        SERVICE,
        put("metadata", "annotations", ANNOTATION_APPLIED, value="0" * 16),
        "metadata.annotations",
    ),
    ("our hash gone", SERVICE, drop("metadata", "annotations"), "metadata.annotations"),
    ("the owner gone", SERVICE, drop("metadata", "ownerReferences"), "metadata.ownerReferences"),
]


@pytest.mark.parametrize(("ref", "change", "told"), [item[1:] for item in EDITS], ids=[e[0] for e in EDITS])
def test_an_edit_is_repaired_told_and_remembered(ref: Ref, change: Change, told: str) -> None:
    cluster = standing()
    before = cluster.server.objects[ref].manifest
    cluster.edit(ref, change)
    assert cluster.server.objects[ref].manifest != before
    decided = cluster.step()
    assert [action.ref for action in decided.actions if isinstance(action, Apply)] == [ref]
    (note,) = [note for note in decided.events if note.reason == "ModificationRepaired"]
    assert note.kind == "Warning"
    assert told in note.note
    cluster.settle()
    assert flatten(cluster.server.objects[ref].manifest) == flatten(before)
    assert cluster.condition("Unmodified") == ("False", "ModificationRepaired")
    assert get_str(get_list(cluster.body, "status", "modifications")[0], "object") == str(ref)
    cluster.body["status"] = {}
    assert cluster.after_restart().actions == ()
    cluster.settle()
    assert cluster.condition("Unmodified") == ("False", "ModificationRepaired")


def test_a_repair_is_attributed_to_who_did_it() -> None:
    cluster = standing()
    cluster.edit(SERVER, in_container("image", "other:1"), manager="kubectl-set")
    cluster.pass_time(minutes=1)
    cluster.settle()
    (fact,) = get_list(cluster.body, "status", "modifications")
    assert fact == {
        "object": "Deployment/acme-server",
        "manager": "kubectl-set",
        "operation": "Update",
        "at": "2026-03-01T12:05:00Z",
        "repairedAt": "2026-03-01T12:06:00Z",
        "fields": ["spec.template.spec.containers[name=server].image"],
    }


def test_scaling_is_attributed_though_the_api_server_tells_no_time() -> None:
    cluster = standing()
    cluster.edit(
        SERVER, put("spec", "replicas", value=9), manager="kubectl", subresource="scale", timed=False
    )
    cluster.step()
    cluster.rollout()
    cluster.settle()
    assert get_map(cluster.server.objects[SERVER].manifest, "spec")["replicas"] == 3
    (fact,) = get_list(cluster.body, "status", "modifications")
    assert (get_str(fact, "manager"), get_str(fact, "operation")) == ("kubectl", "Update (scale)")
    assert get_str(fact, "at") == "2026-03-01T12:05:00Z"


def test_who_removed_a_field_is_unknown() -> None:
    cluster = standing()
    cluster.edit(LOGIN, remove_variable)
    cluster.settle()
    (fact,) = get_list(cluster.body, "status", "modifications")
    assert get_str(fact, "manager") == UNKNOWN


def test_the_same_value_owned_by_two_is_no_drift() -> None:
    cluster = standing()
    theirs = as_manifest({**head(SERVER), "spec": {"progressDeadlineSeconds": 600, "replicas": 3}})
    cluster.server.apply(theirs, manager="helm")
    assert cluster.after_restart().actions == ()


@pytest.mark.parametrize(
    "change",
    [
        put("metadata", "labels", "team", value="x"),
        put("metadata", "annotations", "note", value="x"),
        put("metadata", "finalizers", value=["a.example/x"]),
    ],
)
def test_labels_annotations_and_finalizers_of_others_are_theirs(change: Change) -> None:
    cluster = standing()
    cluster.edit(SERVICE, change)
    assert cluster.after_restart().actions == ()
    assert cluster.condition("Unmodified") == ("True", "NoModification")


@pytest.mark.parametrize("manager", sorted(PLATFORM_MANAGERS))
def test_what_the_platform_sets_is_no_drift(manager: str) -> None:
    cluster = standing()
    cluster.edit(SERVER, put("spec", "paused", value=True), manager=manager)
    assert cluster.after_restart().actions == ()


def test_a_status_written_by_anyone_is_no_drift() -> None:
    cluster = standing()
    owned: set[Path] = {("f:spec", "f:paused"), ("f:status", "f:replicas")}
    cluster.server.objects[SERVER].entries.append(
        Entry("somebody", "Update", "status", "2026-03-01T12:00:00Z", owned)
    )
    assert cluster.after_restart().actions == ()


def test_two_managers_of_one_addition_are_repaired_by_one_removal() -> None:
    cluster = standing()
    variable: JsonValue = {"name": "EVIL", "value": "1"}
    pod: JsonValue = {"containers": [{"name": "server", "env": [variable]}]}
    theirs: Manifest = {**head(SERVER), "spec": {"template": {"spec": pod}}}
    before = cluster.server.objects[SERVER].manifest
    cluster.server.apply(theirs, manager="helm")
    cluster.server.apply(theirs, manager="argocd")
    cluster.settle()
    (fact,) = get_list(cluster.body, "status", "modifications")
    assert get_list(fact, "fields") == ["spec.template.spec.containers[name=server].env[name=EVIL]"]
    assert flatten(cluster.server.objects[SERVER].manifest) == flatten(before)


def test_an_item_of_one_and_its_field_of_another_are_removed_together() -> None:
    cluster = standing()
    before = cluster.server.objects[SERVER].manifest
    cluster.edit(SERVER, add_variable, manager="one")

    def change_it(manifest: Manifest) -> None:
        as_manifest(get_list(container(manifest), "env")[-1])["value"] = "2"

    cluster.edit(SERVER, change_it, manager="two")
    cluster.settle()
    assert flatten(cluster.server.objects[SERVER].manifest) == flatten(before)


def test_a_default_that_somebody_owns_is_tried_once_more_and_then_left() -> None:
    """The API server fills it in again at once: without a limit this would go on for ever."""
    cluster = standing()
    theirs: Manifest = {**head(SERVER), "spec": {"template": {"spec": {"restartPolicy": "Always"}}}}
    cluster.server.apply(theirs, manager="helm")
    cluster.server.objects[SERVER].entries[-1].time = ""
    cluster.settle()
    version = cluster.server.objects[SERVER].version
    assert cluster.told.count("ModificationRepaired") == 1
    for _ in range(3):
        cluster.pass_time(minutes=1)
        assert cluster.step().actions == ()
    assert len(cluster.after_restart().actions) == 1
    cluster.settle()
    assert cluster.server.objects[SERVER].version == version
    assert cluster.told.count("ModificationRepaired") == 1


def test_the_same_hand_again_is_repaired_again() -> None:
    cluster = standing()
    for _ in range(3):
        cluster.pass_time(seconds=1)
        cluster.edit(SERVER, add_variable)
        cluster.settle()
        variables = get_list(container(cluster.server.objects[SERVER].manifest), "env")
        assert "EVIL" not in [get_str(item, "name") for item in variables]
    assert cluster.told.count("ModificationRepaired") == 3


def test_reset_ownership_hides_nothing() -> None:
    cluster = standing()
    before = cluster.server.objects[SERVER].manifest
    cluster.edit(SERVER, add_variable)
    cluster.edit(SERVER, put("spec", "revisionHistoryLimit", value=9))
    cluster.server.forget_ownership(cluster.server.objects[SERVER])
    cluster.settle()
    assert flatten(cluster.server.objects[SERVER].manifest) == flatten(before)
    version = cluster.server.objects[SERVER].version
    cluster.settled = {}
    cluster.settle()
    assert cluster.server.objects[SERVER].version == version


def test_drift_and_a_new_wish_at_once() -> None:
    cluster = standing()
    cluster.edit(SERVER, add_variable)
    cluster.edit_spec(server={"replicas": 4})
    cluster.settle()
    live = cluster.server.objects[SERVER].manifest
    assert get_map(live, "spec")["replicas"] == 4
    assert "EVIL" not in [get_str(item, "name") for item in get_list(container(live), "env")]
    assert cluster.condition("Unmodified") == ("False", "ModificationRepaired")


def test_a_repair_alone_does_not_flip_ready() -> None:
    cluster = standing()
    cluster.edit(SERVICE, add_port)
    cluster.step()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.condition("Reconciling")[0] == "False"


def test_what_is_held_up_is_not_repaired_either() -> None:
    cluster = standing()
    cluster.edit_spec(release={"version": "v9.9.9"})
    cluster.edit(SERVICE, add_port)
    assert cluster.settle().actions == ()
