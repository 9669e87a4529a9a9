"""What holds up which step, who must act, and what goes on meanwhile."""

import base64
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from builders import CATALOGUE, DSN, MASTERKEY, OWN_KEY, body
from dedicated.api.catalogue import Catalogue, CatalogueVersion
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, JOB, SECRET, Ref
from dedicated.reconcile.actions import Apply, Delete, EstablishIdentity
from dedicated.reconcile.observed import Failure
from reconcile.simulation import Cluster

FIELDS = {"host": b"db.example.test", "database": b"zitadel", "username": b"u", "password": b"hunter2"}


def standing() -> Cluster:
    """An instance that is ready."""
    cluster = Cluster(body())
    cluster.stand()
    assert cluster.condition("Ready")[0] == "True"
    return cluster


def finding(cluster: Cluster, code: str) -> Manifest:
    """The one finding with that code."""
    (found,) = [
        item for item in get_list(cluster.body, "status", "findings") if get_str(item, "code") == code
    ]
    assert isinstance(found, dict)
    return found


def is_stalled(cluster: Cluster, code: str) -> None:
    """Nothing is done, and the status says that a person must act."""
    decided = cluster.step()
    assert decided.actions == ()
    assert cluster.condition("Stalled") == ("True", code)
    assert cluster.condition("Ready") == ("False", code)
    assert cluster.condition("Reconciling")[0] == "False"
    assert finding(cluster, code)["responsible"] in ("Provider", "Customer")
    assert get_str(finding(cluster, code), "action")


# The database.


def test_a_missing_database_secret_is_told_at_first_sight_and_nothing_uses_it() -> None:
    cluster = Cluster(body(), secrets={})
    cluster.settle()
    assert cluster.findings() == ["DatabaseSecretMissing"]
    assert cluster.condition("Ready") == ("False", "DatabaseSecretMissing")
    assert cluster.condition("Reconciling")[0] == "True"
    assert finding(cluster, "DatabaseSecretMissing")["responsible"] == "Customer"
    assert cluster.names(JOB.kind) == []


@pytest.mark.parametrize("data", [{"dsn": DSN}, FIELDS])
def test_the_database_secret_may_come_later_in_either_form(data: dict[str, bytes]) -> None:
    cluster = Cluster(body(), secrets={})
    cluster.settle()
    cluster.secrets["database"] = data
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    for name in cluster.names(JOB.kind):
        pod = get_map(cluster.manifest(JOB.kind, name), "spec", "template", "spec")
        variables = [get_str(item, "name") for item in get_list(get_list(pod, "containers")[0], "env")]
        assert ("ZITADEL_DATABASE_POSTGRES_DSN" in variables) == ("dsn" in data)


def test_a_wrong_database_secret_waits_for_its_owner() -> None:
    cluster = Cluster(body())
    cluster.secrets["database"] = {"dsn": b"mysql://u:hunter2@db/zitadel"}
    cluster.settle()
    is_stalled(cluster, "DatabaseSecretInvalid")
    assert cluster.names(JOB.kind) == []
    assert "hunter2" not in str(cluster.body)
    cluster.secrets["database"] = {"dsn": DSN}
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_a_database_secret_lost_later_leaves_what_runs_alone() -> None:
    cluster = standing()
    before = cluster.manifest(DEPLOYMENT.kind, "acme-server")
    del cluster.secrets["database"]
    cluster.settle()
    assert cluster.condition("Ready") == ("False", "DatabaseSecretMissing")
    assert cluster.manifest(DEPLOYMENT.kind, "acme-server") == before
    assert not [action for action in cluster.plan().actions if isinstance(action, Delete)]


def test_changed_credentials_are_rolled_out() -> None:
    cluster = standing()
    cluster.secrets["database"] = {"dsn": DSN.replace(b"hunter2", b"hunter3")}
    decided = cluster.step()
    assert [str(action.ref) for action in decided.actions if isinstance(action, Apply)] == [
        "Deployment/acme-server"
    ]


# Keys.


def test_a_lost_masterkey_is_never_made_anew() -> None:
    cluster = standing()
    cluster.delete(Ref(SECRET.kind, "acme-masterkey"))
    cluster.body["status"] = {}
    cluster.settled = {}
    is_stalled(cluster, "MasterkeyLost")


def test_masterkey_and_identity_lost_together_are_lost_where_a_schema_exists() -> None:
    cluster = standing()
    cluster.delete(Ref(SECRET.kind, "acme-masterkey"))
    cluster.delete(Ref(CONFIG_MAP.kind, "acme-identity"))
    cluster.body["status"] = {}
    is_stalled(cluster, "MasterkeyLost")


def test_another_masterkey_stops_every_change_until_it_is_back() -> None:
    cluster = standing()
    right = cluster.secrets["acme-masterkey"]
    cluster.secrets["acme-masterkey"] = {"masterkey": MASTERKEY[::-1]}
    cluster.edit_spec(server={"replicas": 5})
    is_stalled(cluster, "MasterkeyChanged")
    cluster.secrets["acme-masterkey"] = right
    cluster.settle()
    cluster.rollout()
    cluster.settle()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_a_malformed_masterkey_stops_everything() -> None:
    cluster = standing()
    cluster.secrets["acme-masterkey"] = {"masterkey": MASTERKEY[:-1]}
    is_stalled(cluster, "MasterkeyInvalid")


def test_a_key_of_ones_own_that_is_not_there_yet_is_waited_for() -> None:
    cluster = Cluster(body(keys=OWN_KEY))
    cluster.settle()
    assert EstablishIdentity() not in cluster.done
    assert cluster.condition("Ready") == ("False", "MasterkeyMissing")
    assert finding(cluster, "MasterkeyMissing")["responsible"] == "Customer"
    assert cluster.names(JOB.kind) == []
    cluster.secrets["own-key"] = {"masterkey": MASTERKEY}
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert "acme-masterkey" not in cluster.names(SECRET.kind)


def test_a_malformed_key_of_ones_own_is_no_base_for_an_identity() -> None:
    cluster = Cluster(body(keys=OWN_KEY))
    cluster.secrets["own-key"] = {"masterkey": MASTERKEY + b"\n"}
    is_stalled(cluster, "MasterkeyInvalid")
    assert finding(cluster, "MasterkeyInvalid")["responsible"] == "Customer"


def test_a_restored_key_of_the_same_content_is_the_same_key() -> None:
    cluster = standing()
    cluster.delete(Ref(SECRET.kind, "acme-masterkey"))
    is_stalled(cluster, "MasterkeyLost")
    cluster.secrets["acme-masterkey"] = {"masterkey": MASTERKEY}
    cluster.deleted.clear()
    cluster.settle()
    assert cluster.condition("Ready") == ("True", "Ready")


# Releases.


def test_an_unknown_release_is_refused() -> None:
    cluster = Cluster(body(release={"version": "v9.9.9"}))
    is_stalled(cluster, "ReleaseUnknown")
    assert "v4.15.2" in get_str(finding(cluster, "ReleaseUnknown"), "message")


def test_an_unknown_release_leaves_what_runs_alone() -> None:
    cluster = standing()
    before = dict(cluster.server.objects)
    cluster.edit_spec(release={"version": "v9.9.9"})
    is_stalled(cluster, "ReleaseUnknown")
    assert cluster.server.objects == before


def test_there_is_no_way_back_to_an_older_release() -> None:
    cluster = standing()
    cluster.edit_spec(release={"version": "v4.14.0"})
    is_stalled(cluster, "DowngradeRefused")
    cluster.edit_spec(release={"version": "v4.15.2"})
    cluster.settle()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_a_jump_over_a_stop_is_refused_and_what_serves_goes_on() -> None:
    cluster = standing()
    before = dict(cluster.server.objects)
    beyond = CatalogueVersion(version="v5.0.0", channel="stable", upgrade_from="v4.16.0")
    cluster.catalogue = with_version(CATALOGUE, beyond)
    cluster.edit_spec(release={"version": "v5.0.0"})
    is_stalled(cluster, "JumpRefused")
    assert "v4.15.2 -> v4.16.0 -> v5.0.0" in get_str(finding(cluster, "JumpRefused"), "message")
    assert cluster.server.objects == before


def test_a_new_instance_does_not_begin_with_a_release_that_is_not_stable() -> None:
    cluster = Cluster(body(release={"version": "v4.16.0"}))
    cluster.settle()
    assert cluster.condition("Ready") == ("False", "ReleaseNotForNew")
    assert cluster.names(JOB.kind) == []
    cluster.edit_spec(release={"version": "v4.15.2"})
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    cluster.edit_spec(release={"version": "v4.16.0"})
    cluster.step()
    assert cluster.findings() == [], "what stands may follow any channel"


def test_the_end_of_support_is_told_ahead_and_wakes_the_pass() -> None:
    cluster = standing()
    last = cluster.server.now.date() + timedelta(days=60)
    entry = CATALOGUE.entry("v4.15.2")
    assert entry is not None
    cluster.catalogue = with_version(CATALOGUE, entry.model_copy(update={"supported_until": last}))
    seen: dict[tuple[str, ...], datetime] = {}
    for _ in range(20):  # windows and months wake it too
        decided = cluster.step()
        about = {"SupportEnds", "VersionUnsupported"}.intersection(cluster.findings())
        told = (*cluster.condition("VersionSupported"), *sorted(about))
        seen.setdefault(told, cluster.server.now.astimezone(ZoneInfo("Europe/Zurich")))
        cluster.server.now = decided.wake_at or cluster.server.now
    assert list(seen) == [
        ("True", "Supported"),
        ("True", "Supported", "SupportEnds"),
        ("False", "SupportEnded", "VersionUnsupported"),
    ]
    moments = [f"{when:%Y-%m-%d %H:%M}" for when in seen.values()]
    assert moments[1:] == ["2026-04-01 00:00", "2026-05-01 00:00"]
    assert [reason for reason in cluster.told if "Support" in reason] == ["VersionNotSupported"]
    assert cluster.condition("Ready")[0] == "True"


def with_version(catalogue: Catalogue, entry: CatalogueVersion) -> Catalogue:
    """The catalogue with one release more, or one said otherwise."""
    kept = [other for other in catalogue.versions if other.version != entry.version]
    return catalogue.model_copy(update={"versions": [*kept, entry]})


# The resource itself.


def test_a_second_instance_in_a_namespace_waits_for_a_person() -> None:
    cluster = Cluster(body(), senior="elder")
    is_stalled(cluster, "NamespaceShared")


def test_an_invalid_spec_is_told_with_path_and_nothing_is_touched() -> None:
    cluster = standing()
    before = dict(cluster.server.objects)
    url = get_str(cluster.body, "status", "url")
    get_map(cluster.body, "spec", "release")["version"] = "latest"
    is_stalled(cluster, "InvalidSpec")
    assert "spec.release.version" in get_str(finding(cluster, "InvalidSpec"), "message")
    assert cluster.server.objects == before
    assert get_str(cluster.body, "status", "url") == url
    get_map(cluster.body, "spec", "release")["version"] = "v4.15.2"
    cluster.settle()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_a_spec_that_was_never_valid_builds_nothing() -> None:
    cluster = Cluster(body(domain="NOT A DOMAIN"))
    is_stalled(cluster, "InvalidSpec")
    assert cluster.server.objects == {}


def test_what_the_api_server_refuses_is_told() -> None:
    cluster = standing()
    cluster.failures = (Failure("Apply Deployment/acme-server", "ApplyRefused", "exceeded quota"),)
    cluster.step()
    assert cluster.condition("Ready") == ("False", "ApplyRefused")
    assert "exceeded quota" in get_str(finding(cluster, "ApplyRefused"), "message")
    cluster.failures = ()
    cluster.step()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_too_small_a_connection_budget_is_told_and_stops_nothing() -> None:
    cluster = Cluster(body(database={"external": {"maxConnections": 20}}))
    cluster.stand()
    assert cluster.findings() == ["ConnectionBudget"]
    assert cluster.condition("Ready") == ("True", "Ready")


def test_zones_below_the_contract_stay_at_the_contracts_without_a_record() -> None:
    cluster = Cluster(
        body(
            infrastructure={"zones": {"minimum": 2}},
            agreements=[{"clause": "S-2", "record": "r1"}],
            server={"replicas": 2},
            login={"replicas": 2},
        )
    )
    cluster.stand()
    assert cluster.findings() == ["AgreementNotValid"]
    spec = get_map(cluster.manifest(DEPLOYMENT.kind, "acme-server"), "spec")
    assert spec["replicas"] == 3
    spread = get_list(spec, "template", "spec", "topologySpreadConstraints")
    assert get_map(spread[0])["minDomains"] == 3


def test_no_key_material_leaves_the_key_secrets() -> None:
    cluster = standing()
    told = str([cluster.body, cluster.plan().events])
    for secret in (MASTERKEY, DSN, b"hunter2secret"):
        for ref, thing in cluster.server.objects.items():
            kept = str(thing.full())
            assert secret.decode() not in kept
            assert ref.kind == SECRET.kind or base64.b64encode(secret).decode() not in kept
        assert secret.decode() not in told
