"""What waits for a slot, by `spec.maintenance.confine`, and what runs now."""

from datetime import datetime

from builders import body
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import Ref
from reconcile.maintaining import (
    LOGIN,
    MARCH,
    NEWER,
    REQUEST,
    SERVER,
    SLOT,
    STABLE,
    START,
    announced,
    at,
    facts,
    finish,
    phase,
    policy,
    standing,
    version,
)
from reconcile.simulation import Cluster


def test_edits_run_now_and_do_not_take_a_release_along() -> None:
    cluster = standing()
    cluster.catalogue = NEWER
    cluster.settle()
    cluster.edit_spec(login={"replicas": 5})
    cluster.settle()
    assert get_map(cluster.server.objects[LOGIN].manifest, "spec")["replicas"] == 5
    assert version(cluster, LOGIN) == "v4.15.2"
    cluster.rollout()
    cluster.settle()
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")


def test_a_pin_in_the_spec_runs_now_under_updates() -> None:
    cluster = standing(release={"version": "v4.15.2"})
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.settle()
    finish(cluster)
    assert (version(cluster, SERVER), version(cluster, LOGIN)) == ("v4.16.0", "v4.16.0")
    assert cluster.condition("UpToDate") == ("True", "UpToDate")


def test_all_changes_wait_where_all_are_confined() -> None:
    cluster = standing(maintenance=policy(confine="AllChanges"))
    before = dict(cluster.server.objects)
    cluster.edit_spec(login={"replicas": 5}, release={"version": "v4.16.0", "channel": None})
    cluster.settle()
    assert cluster.server.objects == before
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")
    at(cluster, MARCH)
    at(cluster, SLOT)
    finish(cluster)
    assert version(cluster, LOGIN) == "v4.16.0"
    assert get_map(cluster.server.objects[LOGIN].manifest, "spec")["replicas"] == 5
    assert facts(cluster)[-1] == f"completed-{REQUEST}"


def test_a_rotated_credential_waits_for_a_slot() -> None:
    cluster = standing()
    cluster.secrets["database"] = {"dsn": b"postgresql://zitadel:other@db.example.test:5433/zitadel"}
    before = dict(cluster.server.objects)
    cluster.settle()
    assert cluster.server.objects == before
    (item,) = get_list(cluster.body, "status", "pendingActions")
    assert "Deployment/acme-server" in get_str(item, "what")
    at(cluster, MARCH)
    at(cluster, SLOT)
    cluster.rollout()
    cluster.settle()
    assert facts(cluster)[-1] == f"completed-{REQUEST}"
    assert get_list(cluster.body, "status", "pendingActions") == []


def test_repair_of_drift_never_waits() -> None:
    cluster = announced()
    service = Ref("Service", "acme-server")
    get_map(cluster.server.objects[service].manifest, "spec")
    cluster.server.patch(
        cluster.server.objects[service],
        [{"op": "add", "path": "/spec/sessionAffinity", "value": "ClientIP"}],
        manager="somebody",
    )
    cluster.settle()
    assert "sessionAffinity" not in get_map(cluster.server.objects[service].manifest, "spec")
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")


def test_without_spec_maintenance_all_runs_at_once_and_the_month_is_done_in_the_provider_s_window() -> None:
    cluster = Cluster(body(release=STABLE))
    cluster.server.now = START
    cluster.stand()
    cluster.settle()
    cluster.catalogue = NEWER
    cluster.settle()
    finish(cluster)
    assert version(cluster, LOGIN) == "v4.17.0"
    at(cluster, MARCH)
    assert phase(cluster) == "Scheduled"
    slot = get_str(cluster.asked[REQUEST], "status", "slot", "start")
    at(cluster, datetime.fromisoformat(slot))
    assert facts(cluster)[-2:] == [f"started-{REQUEST}-1", f"completed-{REQUEST}"]


def test_who_runs_instances_for_themselves_asks_nobody() -> None:
    own: Manifest = {"class": "SelfHosted", "owner": "Customer"}
    cluster = Cluster(body(plan="Advanced", release=STABLE, maintenance=policy(), infrastructure=own))
    cluster.server.now = START
    cluster.stand()
    cluster.settle()
    cluster.catalogue = NEWER
    at(cluster, MARCH)
    assert cluster.asked == {}
    assert version(cluster, SERVER) == "v4.15.2"
    at(cluster, SLOT)
    finish(cluster)
    assert version(cluster, LOGIN) == "v4.17.0"
