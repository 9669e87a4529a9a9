"""What the charts render, without a cluster: lint, refusals, and the operator's own pods."""

import argparse
import json
import re

import pytest
import yaml

from builders import instance
from dedicated.api.catalogue import Catalogue, resolve
from dedicated.api.instance import Release
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.places import Places
from dedicated.cli.arguments import add_run_arguments, settings_of
from dedicated.parts import metadata, recovery_agent
from helm_charts import CHARTS, CRDS, OPERATOR, HelmError, helm, of_kind, render

pytestmark = pytest.mark.cluster  # Helm is built by the testbed.

IMAGE: Manifest = {"repository": "registry.example/dedicated-operator"}


def operator(**values: JsonValue) -> list[Manifest]:
    return render(OPERATOR, values={"image": IMAGE, **values})


def pod_of(manifests: list[Manifest]) -> Manifest:
    (deployment,) = of_kind(manifests, "Deployment")
    return get_map(deployment, "spec", "template", "spec")


def container_of(manifests: list[Manifest]) -> Manifest:
    (container,) = get_list(pod_of(manifests), "containers")
    assert isinstance(container, dict)
    return container


@pytest.mark.parametrize("chart", [OPERATOR, CRDS])
def test_lint_finds_nothing(chart: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHARTS / chart), values={})


def test_missing_repository_says_what_to_set() -> None:
    with pytest.raises(HelmError, match=r"image\.repository is missing: set it to .* --set image\."):
        render(OPERATOR, values={})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replica": 3}, "additional properties 'replica' not allowed"),
        ({"image": {"registry": "x"}}, "additional properties 'registry' not allowed"),
        ({"image": {"digest": "latest"}}, "'/image/digest': 'latest' does not match pattern"),
        ({"logLevel": "verbose"}, "'/logLevel': value must be one of 'debug', 'info', 'warning', 'error'"),
        ({"releases": {"versions": [{"version": "4.15"}]}}, "'/releases/versions/0/version'"),
        ({"releases": {"versions": []}}, "'/releases/versions': minItems"),
        ({"places": {"places": {"minio.example.com": ["Swiss"]}}}, "'/places/places/minio.example.com/0'"),
        (
            {"releases": {"versions": [{"version": "v4.15.2", "supportedUntil": "soon"}]}},
            "'/releases/versions/0/supportedUntil'",
        ),
        (
            {"releases": {"versions": [{"version": "v4.15.2", "downtime": "soon"}]}},
            "'/releases/versions/0/downtime'",
        ),
        ({"auditHours": 0}, "'/auditHours'"),
        ({"leaseSeconds": 2}, "'/leaseSeconds'"),
        ({"extraArgs": ["--test-clock=/steps"]}, "'/extraArgs/0': 'not' failed"),
        ({"extraArgs": ["--test", "/steps"]}, "'/extraArgs/0': 'not' failed"),
        ({"watchNamespaces": ["Acme"]}, "'/watchNamespaces/0'"),
        ({"probe": {"resolve": ["login.acme.example"]}}, "'/probe/resolve/0'"),
        ({"networkPolicy": {"probePorts": [70000]}}, "'/networkPolicy/probePorts/0': maximum"),
    ],
)
def test_schema_refuses(values: Manifest, said: str) -> None:
    with pytest.raises(HelmError, match=re.escape(said)):
        render(OPERATOR, values={"image": IMAGE, **values})


def test_two_authorities_are_refused() -> None:
    both: Manifest = {"caSecret": {"name": "a"}, "caConfigMap": {"name": "b"}}
    with pytest.raises(HelmError, match=r"probe\.caSecret\.name and probe\.caConfigMap\.name are both set"):
        operator(probe=both)


def test_schema_knows_exactly_the_values() -> None:
    def check(schema: Manifest, values: JsonValue, path: str) -> None:
        properties = get_map(schema, "properties")
        if not properties or not isinstance(values, dict):
            return
        assert schema.get("additionalProperties") is False, path
        assert set(values) == set(properties) - {"global"}, path
        for key, value in values.items():
            check(get_map(properties, key), value, f"{path}/{key}")

    for chart in (OPERATOR, CRDS):
        schema = json.loads((CHARTS / chart / "values.schema.json").read_text())
        check(schema, yaml.safe_load((CHARTS / chart / "values.yaml").read_text()), chart)


def test_readme_explains_every_value() -> None:
    def paths(values: JsonValue, path: tuple[str, ...] = ()) -> list[str]:
        if isinstance(values, dict) and values:
            return [found for key, value in values.items() for found in paths(value, (*path, key))]
        return [".".join(path)]

    readme = (CHARTS / OPERATOR / "README.md").read_text()
    values = yaml.safe_load((CHARTS / OPERATOR / "values.yaml").read_text())
    assert [path for path in paths(values) if f"| `{path}` |" not in readme] == []


def test_pods_meet_pod_security_restricted() -> None:
    pod, container = pod_of(operator()), container_of(operator())
    assert get_map(pod, "securityContext")["runAsNonRoot"] is True
    assert get_str(pod, "securityContext", "seccompProfile", "type") == "RuntimeDefault"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert all(get_map(mount)["readOnly"] is True for mount in get_list(container, "volumeMounts"))


def test_replicas_are_spread_and_guarded() -> None:
    manifests = operator()
    (deployment,) = of_kind(manifests, "Deployment")
    (budget,) = of_kind(manifests, "PodDisruptionBudget")
    assert get_map(deployment, "spec")["replicas"] == 2
    selector = get_map(deployment, "spec", "selector")
    assert get_map(budget, "spec", "selector") == selector
    assert [get_str(c, "topologyKey") for c in get_list(pod_of(manifests), "topologySpreadConstraints")] == [
        "topology.kubernetes.io/zone"
    ]
    assert "podAntiAffinity" in get_map(pod_of(manifests), "affinity")
    assert not of_kind(operator(replicas=1), "PodDisruptionBudget")


def test_arguments_follow_the_values() -> None:
    container = container_of(
        operator(
            watchNamespaces=["acme", "globex"],
            logLevel="debug",
            workers=4,
            auditHours=0.5,
            leaseSeconds=20,
            probe={"resolve": ["*:443=127.0.0.1:8443"], "caSecret": {"name": "ca"}},
            extraArgs=["--log-format", "text"],
        )
    )
    arguments = " ".join(map(str, get_list(container, "args")))
    assert arguments == (
        "run --namespace-of-lease $(POD_NAMESPACE) --releases /etc/dedicated/releases.yaml "
        f"--agent-image {container['image']} "
        "--limiter-image docker.io/library/haproxy:3.2.9-alpine --http :8080 "
        "--log-level debug --workers 4 --audit-hours 0.5 --lease-seconds 20 "
        "--watch-namespace acme --watch-namespace globex "
        "--resolve *:443=127.0.0.1:8443 --probe-ca-file /etc/dedicated-ca/ca.crt --log-format text"
    )
    assert [get_str(v, "name") for v in get_list(container, "env")] == ["POD_NAME", "POD_NAMESPACE"]
    parser = argparse.ArgumentParser()
    add_run_arguments(parser, environment={}, hostname="host")
    settings = settings_of(parser.parse_args(arguments.split()[1:]))
    assert (settings.http_address, settings.namespaces) == (("0.0.0.0", 8080), ("acme", "globex"))
    assert settings.lease_seconds == 20


def test_image_reference() -> None:
    digest = "sha256:" + "0" * 64
    pinned = container_of(render(OPERATOR, values={"image": {**IMAGE, "tag": "1.2.3", "digest": digest}}))
    assert pinned["image"] == f"registry.example/dedicated-operator:1.2.3@{digest}"
    chart = helm("show", "chart", str(CHARTS / OPERATOR))
    version = next(line for line in chart.splitlines() if line.startswith("appVersion")).split()[1]
    assert container_of(operator())["image"] == f"registry.example/dedicated-operator:{version}"


def test_catalogue_is_what_the_operator_reads() -> None:
    releases = next(m for m in of_kind(operator(), "ConfigMap"))
    catalogue = Catalogue.model_validate(yaml.safe_load(get_str(releases, "data", "releases.yaml")))
    stable, latest = (resolve(Release(channel=channel), catalogue) for channel in ("stable", "latest"))
    assert stable is not None
    assert stable.server_image == "ghcr.io/zitadel/zitadel:v4.15.2"
    assert latest is not None
    assert latest.login_image == "ghcr.io/zitadel/zitadel-login:v4.16.0"
    assert catalogue.versions[0].upgrade_from == "v3.4.1"


def test_days_and_downtime_of_the_catalogue_reach_the_operator() -> None:
    version: Manifest = {"version": "v4.15.2", "released": "2026-04-01", "supportedUntil": "2026-09-30",
                         "downtime": "5m"}  # fmt: skip
    releases = next(m for m in of_kind(operator(releases={"versions": [version]}), "ConfigMap"))
    catalogue = Catalogue.model_validate(yaml.safe_load(get_str(releases, "data", "releases.yaml")))
    assert str(catalogue.versions[0].supported_until) == "2026-09-30"
    assert catalogue.versions[0].downtime == "5m"


def test_a_new_catalogue_rolls_the_pods() -> None:
    def checksum(manifests: list[Manifest]) -> str:
        (deployment,) = of_kind(manifests, "Deployment")
        return get_str(deployment, "spec", "template", "metadata", "annotations", "checksum/releases")

    other: Manifest = {"versions": [{"version": "v4.17.0", "channel": "stable"}]}
    assert checksum(operator()) != checksum(operator(releases=other))


def test_the_map_of_places_reaches_the_operator_where_there_is_one() -> None:
    assert "--places" not in get_list(container_of(operator()), "args")
    manifests = operator(places={"regions": {"Alps": ["CH", "AT"]}, "places": {"minio.example.com": ["CH"]}})
    assert "--places" in get_list(container_of(manifests), "args")
    data = next(m for m in of_kind(manifests, "ConfigMap"))
    places = Places.model_validate(yaml.safe_load(get_str(data, "data", "places.yaml")))
    assert places.regions == {"Alps": ["CH", "AT"]}
    assert places.places == {"minio.example.com": ["CH"]}


def test_selectors_never_change_with_the_version() -> None:
    for manifest in operator():
        for path in (("spec", "selector", "matchLabels"), ("spec", "podSelector", "matchLabels")):
            assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(get_map(manifest, *path))
    (deployment,) = of_kind(operator(), "Deployment")
    assert get_map(deployment, "spec", "selector", "matchLabels") == {
        "app.kubernetes.io/name": "dedicated-operator",
        "app.kubernetes.io/instance": "dedicated-operator",
        "app.kubernetes.io/component": "operator",
    }


def test_network_policy_names_every_port() -> None:
    (policy,) = of_kind(operator(networkPolicy={"probePorts": [443, 9443]}), "NetworkPolicy")
    assert get_map(policy, "spec")["policyTypes"] == ["Ingress", "Egress"]
    rules = get_list(policy, "spec", "egress")
    ports = {get_map(port)["port"] for rule in rules for port in get_list(rule, "ports")}
    assert ports == {53, 443, 6443, 8080, 8443, 9443}
    (closed,) = of_kind(operator(networkPolicy={"tryWays": False}), "NetworkPolicy")
    rules = get_list(closed, "spec", "egress")
    assert {get_map(port)["port"] for rule in rules for port in get_list(rule, "ports")} == {53, 443, 6443}
    assert not of_kind(operator(networkPolicy={"enabled": False}), "NetworkPolicy")


def test_releases_in_two_namespaces_share_no_cluster_scoped_name() -> None:
    def names(namespace: str) -> set[str]:
        manifests = render(
            OPERATOR, values={"image": IMAGE, "crds": {"enabled": False}}, release="op", namespace=namespace
        )
        return {get_str(m, "metadata", "name") for m in manifests if not get_str(m, "metadata", "namespace")}

    assert names("one")
    assert not names("one") & names("two")


def test_service_monitor_is_optional() -> None:
    assert not of_kind(operator(), "ServiceMonitor")
    (monitor,) = of_kind(
        operator(metrics={"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}),
        "ServiceMonitor",
    )
    assert get_str(monitor, "metadata", "labels", "release") == "prometheus"


def test_the_agents_are_scraped_with_the_operator_where_it_looks() -> None:
    assert not of_kind(operator(), "PodMonitor")
    scraped: Manifest = {"serviceMonitor": {"enabled": True}}
    (monitor,) = of_kind(operator(metrics=scraped), "PodMonitor")
    assert get_map(monitor, "spec", "namespaceSelector") == {"any": True}
    labels = metadata.labels(instance(), recovery_agent.COMPONENT)
    assert get_map(monitor, "spec", "selector", "matchLabels").items() <= labels.items()
    (few,) = of_kind(operator(metrics=scraped, watchNamespaces=["acme"]), "PodMonitor")
    assert get_map(few, "spec", "namespaceSelector") == {"matchNames": ["acme"]}


def test_the_agents_image_is_the_operators_own() -> None:
    container = container_of(operator())
    args = get_list(container, "args")
    assert args[args.index("--agent-image") + 1] == container["image"]


def test_rendering_is_repeatable() -> None:
    assert operator() == operator()
