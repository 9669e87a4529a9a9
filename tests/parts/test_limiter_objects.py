"""The limiter's objects: pods, ways, rights, and that none of it is there without a way in."""

from dataclasses import replace

import pytest

from builders import EXISTING, OWN_KEY, children, containers, instance, limited, named, pod_templates, wanted
from dedicated.api.json import JsonValue, Manifest, as_manifest, digest, get_int, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.resource import Instance
from dedicated.parts.limiter import names, objects, objects_pod
from dedicated.parts.limiter.site import Directories
from dedicated.parts.wanted import Wanted

LIMITED = limited()
CHILDREN = children(LIMITED)


def limiter(kind: str, name: str = "acme-limiter", of: Wanted = LIMITED) -> Manifest:
    return named(children(of), kind, name)


def pod() -> Manifest:
    return get_map(limiter("StatefulSet"), "spec", "template", "spec")


def container(name: str) -> Manifest:
    found = containers(get_map(limiter("StatefulSet"), "spec", "template"))
    return next(item for item in found if item["name"] == name)


def test_two_or_three_replicas_one_in_a_zone() -> None:
    spec = get_map(limiter("StatefulSet"), "spec")
    assert (spec["replicas"], spec["podManagementPolicy"]) == (3, "Parallel")
    zone, _ = get_list(pod(), "topologySpreadConstraints")
    assert get_map(zone)["minDomains"] == 3
    assert get_map(zone)["whenUnsatisfiable"] == "DoNotSchedule"


def test_only_the_agent_holds_a_token_and_haproxy_none() -> None:
    assert pod()["automountServiceAccountToken"] is False
    holding = {
        item["name"]
        for item in containers(get_map(limiter("StatefulSet"), "spec", "template"))
        if "token" in [get_str(mount, "name") for mount in get_list(item, "volumeMounts")]
    }
    assert holding == {"prepare", "agent"}


def test_what_is_configured_is_no_part_of_the_pods() -> None:
    one = limited(edge={"service": {}, "hsts": {"maxAge": 1}})
    two = limited(edge={"service": {}, "hsts": {"maxAge": 2}})
    files = [limiter("ConfigMap", of=of) for of in (one, two)]
    assert get_map(files[0], "data") != get_map(files[1], "data")
    assert get_map(files[0], "metadata", "annotations") != get_map(files[1], "metadata", "annotations")
    assert limiter("StatefulSet", of=one) == limiter("StatefulSet", of=two)


def test_pods_have_time_to_drain() -> None:
    grace, sleep = get_int(pod(), "terminationGracePeriodSeconds"), objects_pod.PRE_STOP_SECONDS
    files = get_map(limiter("ConfigMap"), "data")
    assert "hard-stop-after 60s" in get_str(files, "r0.haproxy.cfg")
    assert grace > sleep + 60


def test_haproxy_takes_traffic_once_it_found_a_server_and_lives_without_one() -> None:
    text = get_str(limiter("ConfigMap"), "data", "r0.haproxy.cfg")
    asked = {
        probe: get_str(container("haproxy"), probe, "httpGet", "path")
        for probe in ("readinessProbe", "livenessProbe")
    }
    assert asked == {"readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    assert "return status 503 if { path /readyz } { nbsrv(api) lt 1 }" in text
    assert "monitor-uri /healthz" in text


def test_the_files_of_every_replica_and_what_they_share() -> None:
    data = get_map(limiter("ConfigMap"), "data")
    own = {key for key in data if key.startswith("r")}
    assert own == {"r0.haproxy.cfg", "r1.haproxy.cfg", "r2.haproxy.cfg"}
    assert {"ui_limit.map", "api_ban.map", "exempt.lst", "policy.json", "hash"} <= data.keys()
    for ordinal in range(3):
        assert f"localpeer acme-limiter-{ordinal}\n" in get_str(data, f"r{ordinal}.haproxy.cfg")
    # HAProxy completes no name from the resolver's search list.
    assert "acme-server-pods.acme-ns.svc.@CLUSTER_DOMAIN@:8080" in get_str(data, "r0.haproxy.cfg")
    assert len(str(data)) < 900_000, "a ConfigMap holds a mebibyte"


def test_secrets_and_sockets_are_where_the_configuration_looks_for_them() -> None:
    places, text = Directories(), get_str(limiter("ConfigMap"), "data", "r0.haproxy.cfg")
    mounted = {get_str(mount, "mountPath") for mount in get_list(container("haproxy"), "volumeMounts")}
    assert mounted == {places.config, places.run, places.peers}
    volumes = {get_str(item, "name"): get_map(item) for item in get_list(pod(), "volumes")}
    keys = {get_str(item, "path") for item in get_list(volumes["peers"], "secret", "items")}
    for key in ("tls.crt", "ca.crt"):
        assert f"{places.peers}/{key}" in text
    assert keys == {"tls.crt", "tls.key", "ca.crt"}, "and never the next key"
    assert f"{places.config}/haproxy.cfg" in get_list(container("haproxy"), "args")


def test_the_certificate_is_mounted_where_haproxy_terminates_tls_alone() -> None:
    balanced = limited(edge={"loadBalancer": {}, "tls": {"secretName": "login-tls"}})
    template = get_map(limiter("StatefulSet", of=balanced), "spec", "template", "spec")
    secrets = [get_str(volume, "secret", "secretName") for volume in get_list(template, "volumes")]
    assert "login-tls" in secrets
    ports = [get_int(port, "port") for port in get_list(limiter("Service", of=balanced), "spec", "ports")]
    assert ports == [8080, 8443]
    (entrance, *_) = get_list(limiter("NetworkPolicy", of=balanced), "spec", "ingress")
    assert [get_int(port, "port") for port in get_list(entrance, "ports")] == [8080, 8443]
    assert "login-tls" not in str(CHILDREN)


def test_who_may_talk_to_it_and_to_whom_it_talks() -> None:
    spec = get_map(limiter("NetworkPolicy"), "spec")
    clients, link, monitoring = get_list(spec, "ingress")
    assert "from" not in get_map(clients)
    assert get_list(link, "ports") == [{"port": 7000, "protocol": "TCP"}]
    (peer,) = get_list(link, "from")
    assert get_str(peer, "podSelector", "matchLabels", LABEL_COMPONENT) == "limiter"
    assert [get_int(port, "port") for port in get_list(monitoring, "ports")] == [8407, 8408]
    reached = {
        (get_str(to, "podSelector", "matchLabels", LABEL_COMPONENT), get_int(port, "port"))
        for rule in get_list(spec, "egress")
        for to in get_list(rule, "to")
        for port in get_list(rule, "ports")
    }
    assert reached == {("server", 8080), ("login", 3000), ("limiter", 7000)}


def test_once_it_stands_it_alone_reaches_the_login_and_it_and_the_login_the_server() -> None:
    def sources(of: Wanted, component: str) -> list[str]:
        (rule,) = get_list(limiter("NetworkPolicy", f"acme-{component}", of=of), "spec", "ingress")
        return [get_str(one, "podSelector", "matchLabels", LABEL_COMPONENT) for one in get_list(rule, "from")]

    before = replace(LIMITED, limiter=replace(wanted_limiter(), closes=False))
    assert [sources(before, one) for one in ("server", "login")] == [["", ""], ["", ""]]
    assert [sources(LIMITED, one) for one in ("server", "login")] == [["limiter", "login"], ["limiter"]]


def wanted_limiter() -> objects.LimiterWanted:
    assert LIMITED.limiter is not None
    return LIMITED.limiter


def test_replicas_find_each_other_before_they_are_ready_and_by_an_address_that_stays() -> None:
    for ordinal in range(3):
        spec = get_map(limiter("Service", names.replica_name("acme", ordinal)), "spec")
        assert spec["publishNotReadyAddresses"] is True
        assert "clusterIP" not in spec
        assert get_str(spec, "selector", "statefulset.kubernetes.io/pod-name") == f"acme-limiter-{ordinal}"
    for component in ("server", "login"):
        assert get_str(limiter("Service", f"acme-{component}-pods"), "spec", "clusterIP") == "None"


def test_the_agents_may_read_the_files_and_write_their_report() -> None:
    rules = [as_manifest(rule) for rule in get_list(limiter("Role", "acme-limiter-report"), "rules")]
    rights = {
        (get_list(rule, "resourceNames")[0], verb) for rule in rules for verb in get_list(rule, "verbs")
    }
    assert rights == {
        ("acme-limiter", "get"),
        ("acme-limiter", "list"),
        ("acme-limiter", "watch"),
        ("acme-limiter-report", "get"),
        ("acme-limiter-report", "patch"),
    }
    assert "data" not in limiter("ConfigMap", "acme-limiter-report")
    assert pod()["serviceAccountName"] == "acme-limiter-report"


@pytest.mark.parametrize(
    ("component", "manager", "fields", "is_theirs"),
    [
        ("limiter", "dedicated-limiter", {"f:data": {".": {}, "f:r0": {}, "f:r2": {}}}, True),
        ("limiter", "dedicated-limiter", {"f:data": {"f:r3": {}}}, False),
        ("limiter", "dedicated-limiter", {"f:data": {"f:r0": {}}, "f:metadata": {}}, False),
        ("limiter", "kubectl", {"f:data": {"f:r0": {}}}, False),
        ("server", "dedicated-limiter", {"f:data": {"f:r0": {}}}, False),
    ],
)
def test_what_is_the_agents_word(
    component: str, manager: str, fields: Manifest, is_theirs: bool
) -> None:
    assert objects.is_report(component, manager, fields) is is_theirs


def test_the_way_in_carries_what_its_kind_reads_there() -> None:
    annotated: JsonValue = {"service": {"annotations": {"example.com/a": "b"}}}
    service = limiter("Service", of=limited(edge=annotated))
    assert get_map(service, "metadata", "annotations") == {"example.com/a": "b"}
    (port,) = get_list(service, "spec", "ports")
    assert get_str(port, "appProtocol") == "kubernetes.io/h2c"


def test_without_a_way_in_nothing_is_rendered_but_what_always_was() -> None:
    plain, more = children(wanted()), children(limited())
    assert [item for item in more if item in plain] == [
        item for item in plain if item["kind"] != "NetworkPolicy" or item in more
    ]
    changed = [get_str(item, "metadata", "name") for item in plain if item not in more]
    assert changed == ["acme-server", "acme-login"], "their policies"
    assert "limiter" not in str(plain)


def test_every_pod_of_it_is_among_those_that_are_judged() -> None:
    components = {
        get_str(template, "metadata", "labels", LABEL_COMPONENT) for template in pod_templates(CHILDREN)
    }
    assert "limiter" in components
    assert instance().spec.edge is None


@pytest.mark.parametrize(
    ("of", "mark"),
    [
        (instance(), "8982d987ca6a33a3"),
        (instance(keys=OWN_KEY, database=EXISTING), "405f07ca7e0808aa"),
    ],
    ids=["new", "existing"],
)
def test_an_instance_without_a_way_in_is_rendered_as_before_there_were_limiters(
    of: Instance, mark: str
) -> None:
    """What changes here rolls a fleet. Where that is meant, take the new digest."""
    found = sorted(children(wanted(of)), key=lambda item: (item["kind"], get_str(item, "metadata", "name")))
    assert digest([*found]) == mark
