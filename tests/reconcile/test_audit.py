"""The full audit, purely: what is forged is seen, what the API server writes in its own way is not."""

from copy import deepcopy
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW, children, instance, named, wanted
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map
from dedicated.api.names import ANNOTATION_APPLIED, FIELD_MANAGER
from dedicated.api.objects import Key
from dedicated.reconcile.audit import confirmed, first_audit, next_audit, suspicion
from dedicated.reconcile.changes import FORGED, stamp
from dedicated.reconcile.drift import Path
from reconcile.api_server import Entry, Object, Server
from reconcile.edits import SERVER, Change, add_variable, container, drop, put, standing

HOURS = timedelta(hours=10)


def applied(manifest: Manifest) -> tuple[Server, Object]:
    """What a manifest makes on the API server."""
    server = Server()
    return server, server.apply(manifest, manager=FIELD_MANAGER)


ALL = [stamp(manifest) for manifest in children(wanted())]


@pytest.mark.parametrize("desired", ALL, ids=[f"{m['kind']}/{get_map(m, 'metadata')['name']}" for m in ALL])
def test_nothing_is_suspected_of_what_was_applied(desired: Manifest) -> None:
    _, thing = applied(desired)
    assert suspicion(desired, thing.full()) is None


DEPLOYMENT = stamp(named(children(wanted()), "Deployment", "acme-server"))
SERVICE = stamp(named(children(wanted()), "Service", "acme-server"))
POLICY = stamp(named(children(wanted()), "NetworkPolicy", "acme-default-deny"))

FORGERIES: list[tuple[str, Manifest, Change, str]] = [
    ("a value", SERVICE, put("spec", "type", value="NodePort"), "spec.type"),
    (
        "a value in a list",
        DEPLOYMENT,
        lambda m: container(m).update(image="evil:1"),
        "spec.template.spec.containers[name=server].image",
    ),
    (
        "an atomic list",
        DEPLOYMENT,
        lambda m: container(m).update(args=["start", "--evil"]),
        "spec.template.spec.containers[name=server].args",
    ),
    ("an atomic map", SERVICE, put("spec", "selector", value={"app": "evil"}), "spec.selector"),
    ("an addition", DEPLOYMENT, put("spec", "paused", value=True), "spec.paused"),
    (
        "an item",
        DEPLOYMENT,
        add_variable,
        "spec.template.spec.containers[name=server].env[name=EVIL]",
    ),
    ("a label more", SERVICE, put("metadata", "labels", "evil", value="1"), "metadata.labels.evil"),
    ("an annotation more", SERVICE, put("metadata", "annotations", "evil", value="1"), "evil"),
    ("a finalizer", SERVICE, put("metadata", "finalizers", value=["a.example/b"]), "metadata.finalizers"),
    ("an opened policy", POLICY, put("spec", "ingress", value=[{}]), "spec.ingress"),
]


@pytest.mark.parametrize(
    ("desired", "change", "told"), [item[1:] for item in FORGERIES], ids=[item[0] for item in FORGERIES]
)
@pytest.mark.parametrize("by_apply", [True, False])
def test_what_was_forged_under_our_name_is_seen(
    desired: Manifest, change: Change, told: str, by_apply: bool
) -> None:
    server, thing = applied(desired)
    evil = deepcopy(desired)
    change(evil)
    server.now += timedelta(minutes=5)
    if by_apply:
        server.apply(evil, manager=FIELD_MANAGER)
    else:
        server.update(thing, evil, manager=FIELD_MANAGER)
    drift = suspicion(desired, thing.full())
    assert drift is not None
    assert any(told in field for field in drift.fields()), drift.fields()
    assert drift.manager == FORGED
    assert drift.time == "2026-03-01T12:05:00Z"
    assert drift.operation == ("Apply" if by_apply else "Update")


def test_a_hash_forged_along_hides_nothing() -> None:
    server, thing = applied(SERVICE)
    evil = deepcopy(SERVICE)
    put("spec", "type", value="NodePort")(evil)
    annotations = get_map(evil, "metadata", "annotations")
    annotations["x"] = annotations[ANNOTATION_APPLIED]
    server.apply(evil, manager=FIELD_MANAGER)
    drift = suspicion(SERVICE, thing.full())
    assert drift is not None
    assert {"spec.type", "metadata.annotations.x"} <= set(drift.fields())


def test_what_waits_for_an_apply_of_its_own_is_not_audited() -> None:
    _, thing = applied(SERVICE)
    other = stamp(named(children(wanted(instance(server={"replicas": 5}))), "Service", "acme-server"))
    get_map(other, "metadata", "annotations")[ANNOTATION_APPLIED] = "another"
    put("spec", "type", value="NodePort")(thing.manifest)
    assert suspicion(other, thing.full()) is None


def resources(amount: str) -> Manifest:
    """A Deployment that wants this much, as stamped."""
    server: Manifest = {"resources": {"limits": {"memory": amount}, "requests": {"cpu": amount}}}
    return stamp(named(children(wanted(instance(server=server))), "Deployment", "acme-server"))


@pytest.mark.parametrize(
    ("wanted_amount", "stored"),
    [("0.5", "500m"), ("1500m", "1.5"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("2000", "2k"), ("1", "1")],
)
def test_an_amount_has_many_forms(wanted_amount: str, stored: str) -> None:
    desired = resources(wanted_amount)
    _, thing = applied(desired)
    for kind in get_map(container(thing.manifest), "resources").values():
        as_manifest(kind).update(dict.fromkeys(as_manifest(kind), stored))
    assert suspicion(desired, thing.full()) is None


@pytest.mark.parametrize("stored", ["501m", "1", "much", "0.5x", "5e2m"])
def test_another_amount_is_another_value(stored: str) -> None:
    desired = resources("0.5")
    _, thing = applied(desired)
    get_map(container(thing.manifest), "resources")["limits"] = {"memory": stored}
    assert suspicion(desired, thing.full()) is not None


def test_a_label_that_looks_like_an_amount_is_compared_as_text() -> None:
    desired = deepcopy(SERVICE)
    put("metadata", "labels", "size", value="1")(desired)
    _, thing = applied(desired)
    put("metadata", "labels", "size", value="1000m")(thing.manifest)
    assert suspicion(desired, thing.full()) is not None


@pytest.mark.parametrize("empty", ["", {}, [], False])
def test_what_is_empty_is_not_stored(empty: JsonValue) -> None:
    desired = deepcopy(SERVICE)
    put("spec", "example", value=empty)(desired)
    _, thing = applied(desired)
    drop("spec", "example")(thing.manifest)
    assert suspicion(desired, thing.full()) is None


def test_a_default_beside_what_is_wanted_is_no_forgery() -> None:
    _, thing = applied(SERVICE)
    put("spec", "clusterIP", value="10.0.0.1")(thing.manifest)
    as_manifest(get_list(thing.manifest, "spec", "ports")[0])["nodePort"] = 30000
    assert suspicion(SERVICE, thing.full()) is None


def test_a_status_of_ours_is_not_audited() -> None:
    _, thing = applied(SERVICE)
    owned: set[Path] = {("f:spec", "f:x"), ("f:status", "f:y")}
    thing.entries.append(Entry(FIELD_MANAGER, "Update", "status", "2026-03-01T12:00:00Z", owned))
    assert suspicion(SERVICE, thing.full()) is None


def test_a_suspicion_stands_as_far_as_a_repair_would_change_anything() -> None:
    """What the API server, or a webhook, writes again on each apply is nobody's forgery."""
    server, thing = applied(DEPLOYMENT)
    evil = deepcopy(DEPLOYMENT)
    put("spec", "paused", value=True)(evil)
    container(evil)["image"] = "mirror.example/zitadel"
    server.update(thing, evil, manager=FIELD_MANAGER)
    live = thing.full()
    drift = suspicion(DEPLOYMENT, live)
    assert drift is not None
    assert confirmed(drift, live, applied=live, removed=live) is None
    without = deepcopy(live)
    drop("spec", "paused")(without)
    found = confirmed(drift, live, applied=live, removed=without)
    assert found is not None
    assert found.fields() == ("spec.paused",)
    found = confirmed(drift, live, applied=DEPLOYMENT, removed=live)
    assert found is not None
    assert set(found.fields()) == {"spec.paused", "spec.template.spec.containers[name=server].image"}


def test_a_forgery_is_repaired_and_recorded_even_of_a_child_that_was_settled() -> None:
    cluster = standing()
    thing = cluster.server.objects[SERVER]
    before = deepcopy(thing.manifest)
    desired = named(list(cluster.plan().standing), SERVER.kind, SERVER.name)
    evil = deepcopy(thing.manifest)
    add_variable(evil)
    cluster.server.update(thing, evil, manager=FIELD_MANAGER)
    assert cluster.plan().actions == (), "managedFields do not tell"
    drift = suspicion(desired, thing.full())
    assert drift is not None
    cluster.forged = {SERVER: drift}
    cluster.step()
    cluster.forged = {}
    cluster.settle()
    assert thing.manifest == before
    (record,) = cluster.records.values()
    assert record.modification.manager == FORGED
    assert cluster.told.count("ModificationRepaired") == 1


def test_only_what_is_at_rest_is_audited() -> None:
    cluster = standing()
    assert len(cluster.plan().standing) > 10
    cluster.edit_spec(server={"replicas": 4})
    assert cluster.plan().standing == ()


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=20), st.integers(0, 10**7), st.integers(1, 100))
def test_audits_come_once_in_an_interval_and_a_restart_does_not_move_them(
    name: str, seconds: int, hours: int
) -> None:
    key, every, now = Key("ns", name), timedelta(hours=hours), NOW + timedelta(seconds=seconds)
    due = next_audit(key, after=now, every=every)
    assert now < due <= now + every
    assert abs(next_audit(key, after=due, every=every) - due - every) < timedelta(milliseconds=1)
    begin = first_audit(key, now=now, every=every)
    assert now + every / 10 < begin <= now + every * 1.1 + timedelta(milliseconds=1)
    assert (begin - due) / every == pytest.approx(round((begin - due) / every), abs=1e-6)


def test_audits_of_many_instances_are_spread() -> None:
    dues = sorted(next_audit(Key(f"ns-{n}", "acme"), after=NOW, every=HOURS) for n in range(1000))
    tenths = [sum((due - NOW) // (HOURS / 10) == part for due in dues) for part in range(10)]
    assert min(tenths) > 50
