"""Server and login: spread over zones, rolled without a gap, stopped without an error, probed by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import children, containers, instance, named, release, wanted
from dedicated.api.catalogue import ResolvedRelease
from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import ZONE_LABEL
from dedicated.parts.wanted import Wanted
from dedicated.parts.workload import GRACE_SECONDS, PRE_STOP_SECONDS

COMPONENTS = ("server", "login")
both = pytest.mark.parametrize("component", COMPONENTS)


def deployment(component: str, of: Wanted | None = None) -> Manifest:
    """The Deployment's spec."""
    return get_map(named(children(of or wanted()), "Deployment", f"acme-{component}"), "spec")


def container(component: str, of: Wanted | None = None) -> Manifest:
    """The one container."""
    (found,) = containers(get_map(deployment(component, of), "template"))
    return found


def spread(component: str, zones: int) -> Manifest:
    """The spread over zones."""
    of = instance(infrastructure={"zones": {"minimum": zones}}, agreements=[{"clause": "S-2", "record": "r"}])
    constraints = get_list(
        deployment(component, wanted(of, zones=zones)), "template", "spec", "topologySpreadConstraints"
    )
    (found,) = [as_manifest(item) for item in constraints if get_str(item, "topologyKey") == ZONE_LABEL]
    return found


@both
@pytest.mark.parametrize("zones", [1, 2, 3])
def test_pods_are_spread_over_the_zones_in_force(component: str, zones: int) -> None:
    found = spread(component, zones)
    assert found["whenUnsatisfiable"] == "DoNotSchedule"
    assert found["minDomains"] == zones
    assert found["maxSkew"] == 1
    assert found["matchLabelKeys"] == ["pod-template-hash"], "rollouts with surge end uneven without it"
    selector = get_map(deployment(component), "selector")
    assert get_map(found, "labelSelector") == selector


@both
def test_a_rollout_takes_no_pod_away_before_its_successor_is_ready(component: str) -> None:
    strategy = get_map(deployment(component), "strategy")
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@both
def test_a_pod_sleeps_before_it_stops_and_has_time_left(component: str) -> None:
    assert get_int(container(component), "lifecycle", "preStop", "sleep", "seconds") == PRE_STOP_SECONDS
    grace = get_int(deployment(component), "template", "spec", "terminationGracePeriodSeconds")
    assert grace == GRACE_SECONDS
    assert grace - PRE_STOP_SECONDS > 5, "ZITADEL's own stop takes up to 5 s"


@both
@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_carry_the_public_host(component: str, probe: str) -> None:
    request = get_map(container(component), probe, "httpGet")
    assert get_list(request, "httpHeaders") == [{"name": "Host", "value": "login.acme.example"}]
    assert request["port"] == "http"
    assert get_str(request, "path").startswith("/")


@both
def test_a_pod_that_only_starts_slowly_is_not_killed(component: str) -> None:
    probe = get_map(container(component), "startupProbe")
    assert get_int(probe, "periodSeconds") * get_int(probe, "failureThreshold") >= 300


@both
def test_the_liveness_probe_does_not_ask_for_the_database(component: str) -> None:
    live = get_str(container(component), "livenessProbe", "httpGet", "path")
    assert live != get_str(container(component), "readinessProbe", "httpGet", "path")


@both
def test_the_budget_lets_one_pod_go_at_a_time_and_never_blocks_on_broken_ones(component: str) -> None:
    budget = get_map(named(children(wanted()), "PodDisruptionBudget", f"acme-{component}"), "spec")
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert get_map(budget, "selector") == get_map(deployment(component), "selector")


@both
def test_the_service_selects_exactly_the_pods_and_their_port(component: str) -> None:
    service = get_map(named(children(wanted()), "Service", f"acme-{component}"), "spec")
    assert get_map(service, "selector") == get_map(deployment(component), "selector", "matchLabels")
    (port,) = get_list(service, "ports")
    (listening,) = get_list(container(component), "ports")
    assert get_str(port, "targetPort") == get_str(listening, "name")
    assert get_int(port, "port") == get_int(listening, "containerPort")
    labels = get_map(deployment(component), "template", "metadata", "labels")
    assert get_map(service, "selector").items() <= labels.items()


def test_the_server_speaks_http2_without_tls() -> None:
    service = named(children(wanted()), "Service", "acme-server")
    assert get_str(get_list(service, "spec", "ports")[0], "appProtocol") == "kubernetes.io/h2c"


@settings(max_examples=60, deadline=None)
@given(replicas=st.integers(1, 50), zones=st.integers(1, 9))
def test_there_is_a_pod_for_every_zone(replicas: int, zones: int) -> None:
    of = instance(server={"replicas": max(replicas, 3)}, login={"replicas": max(replicas, 3)})
    for component in COMPONENTS:
        found = get_int(deployment(component, wanted(of, zones=zones)), "replicas")
        assert found == max(replicas, 3, zones)


def test_named_zones_are_the_only_ones() -> None:
    of = wanted(instance(infrastructure={"zones": {"names": ["a", "b", "c"]}}))
    for component in COMPONENTS:
        affinity = get_map(deployment(component, of), "template", "spec", "affinity", "nodeAffinity")
        (term,) = get_list(
            affinity, "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"
        )
        assert get_list(term, "matchExpressions") == [
            {"key": ZONE_LABEL, "operator": "In", "values": ["a", "b", "c"]}
        ]


def test_images_are_those_of_the_release_by_digest_where_there_is_one() -> None:
    for component, image in (
        ("server", "images.example.test/zitadel:v4.15.2@sha256:" + "a" * 64),
        ("login", "images.example.test/login:v4.15.2"),
    ):
        assert container(component)["image"] == image


def test_the_server_takes_the_masterkey_from_the_environment_and_never_from_a_file() -> None:
    assert "--masterkeyFromEnv" in get_list(container("server"), "args")
    (variable,) = [
        item for item in get_list(container("server"), "env") if get_str(item, "name") == "ZITADEL_MASTERKEY"
    ]
    assert get_map(variable, "valueFrom", "secretKeyRef") == {"name": "acme-masterkey", "key": "masterkey"}


def test_the_login_finds_the_server_and_signs_with_its_key_file() -> None:
    variables = {
        get_str(item, "name"): get_str(item, "value") for item in get_list(container("login"), "env")
    }
    assert variables["ZITADEL_API_URL"] == "http://acme-server.acme-ns.svc:8080"
    assert variables["CUSTOM_REQUEST_HEADERS"] == (
        "Host:login.acme.example,X-Zitadel-Public-Host:login.acme.example"
    )
    assert variables["AUDIENCE"] == "https://login.acme.example"
    folder, _, file = variables["ZITADEL_LOGINCLIENT_KEYFILE"].rpartition("/")
    mounts = [get_str(item, "mountPath") for item in get_list(container("login"), "volumeMounts")]
    assert folder in mounts
    assert file == "private.pem"
    volumes = get_list(deployment("login"), "template", "spec", "volumes")
    (secret,) = [get_map(item, "secret") for item in volumes if "secret" in get_map(item)]
    assert secret == {"secretName": "acme-login-key", "items": [{"key": file, "path": file}]}
    assert not [name for name in variables if "TOKEN" in name], "a token would expire"


def test_resources_of_the_spec_stand_for_their_section_and_defaults_for_the_rest() -> None:
    of = wanted(instance(server={"resources": {"limits": {"memory": "4Gi", "cpu": "2"}}}))
    resources = get_map(container("server", of), "resources")
    assert resources["limits"] == {"memory": "4Gi", "cpu": "2"}
    assert resources["requests"] == {"cpu": "500m", "memory": "512Mi"}


def test_another_release_changes_image_and_version_label_only() -> None:
    before, after = deployment("server"), deployment("server", wanted(version="v4.16.0"))
    new: ResolvedRelease = release("v4.16.0")
    pod = get_map(after, "template")
    (found,) = containers(pod)
    assert found["image"] == new.server_image
    assert get_str(pod, "metadata", "labels", "app.kubernetes.io/version") == "v4.16.0"
    assert get_map(after, "selector") == get_map(before, "selector"), "selectors cannot change"
