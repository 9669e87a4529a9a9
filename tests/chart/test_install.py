"""The operator's chart on a real API server by the real Helm: install, upgrade, roll back, uninstall.

The pods are simulated; what is tested is the release, the admission of its objects and its rights. Other
tests use the definitions at the same time, so Helm is told to take them over, and never removes them.
"""

import json
import subprocess
import uuid
from collections.abc import Iterator

import pytest
import yaml

from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import GROUP, PLURAL
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, INSTANCE, POD
from helm_charts import CHARTS, OPERATOR, helm, of_kind, render
from packager import GENERATED, ROOT
from testbed.cluster import Cluster
from testbed.tools import binary

pytestmark = pytest.mark.cluster

WAIT = ("--wait", "--timeout", "90s")
RESTRICTED: Manifest = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture
def system(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one release, under Pod Security restricted."""
    request.getfixturevalue("_turn")  # another test, alone, deletes the definitions
    name = f"chart-{uuid.uuid4().hex[:8]}"
    labels = RESTRICTED | {"testbed/pods": "simulated"}
    cluster.api.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    )
    yield name
    # What is cluster-scoped would outlive the namespace where a test stops half-way.
    policies = "validatingadmissionpolicybindings,validatingadmissionpolicies"
    kinds = f"clusterroles,clusterrolebindings,{policies}"
    cluster.kubectl("delete", kinds, "-l", f"app.kubernetes.io/instance={name}", "--ignore-not-found")
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def values(system: str, **more: object) -> Manifest:
    return as_manifest(
        {
            "image": {"repository": "registry.example/dedicated-operator"},
            "watchNamespaces": [system],
            "fullnameOverride": OPERATOR,
            **more,
        }
    )


def on_cluster(cluster: Cluster, system: str, *arguments: str, values: Manifest | None = None) -> str:
    """Run Helm for the release, which has the name of its namespace."""
    command, *rest = arguments
    place = ("--kubeconfig", str(cluster.kubeconfig), "--namespace", system)
    return helm(command, system, *rest, *place, values=values)


def install(cluster: Cluster, system: str) -> None:
    adopt = ("--take-ownership", "--force-conflicts")
    chart = str(CHARTS / OPERATOR)
    on_cluster(cluster, system, "install", chart, *adopt, *WAIT, values=values(system))


def release_status(cluster: Cluster, system: str) -> tuple[str, int]:
    """Status and revision of the release."""
    found = as_manifest(json.loads(on_cluster(cluster, system, "status", "--output", "json")))
    return get_str(found, "info", "status"), get_int(found, "version")


def test_life_of_a_release(cluster: Cluster, system: str) -> None:
    install(cluster, system)
    assert release_status(cluster, system) == ("deployed", 1)
    pods = cluster.api.list(POD, system)
    zones = {get_str(pod, "spec", "nodeName").rsplit("-", 1)[0] for pod in pods}
    assert len(pods) == len(zones) == 2, "two replicas in two zones"

    chart = str(CHARTS / OPERATOR)
    newer = {"versions": [{"version": "v4.17.0", "channel": "stable"}]}
    on_cluster(cluster, system, "upgrade", chart, *WAIT, values=values(system, releases=newer, replicas=3))
    assert release_status(cluster, system) == ("deployed", 2)
    status = get_map(cluster.api.get(DEPLOYMENT, system, OPERATOR), "status")
    assert (status["readyReplicas"], status["updatedReplicas"]) == (3, 3)
    catalogue = cluster.api.get(CONFIG_MAP, system, f"{OPERATOR}-releases")
    assert "v4.17.0" in get_str(catalogue, "data", "releases.yaml")

    on_cluster(cluster, system, "rollback", "1", *WAIT)
    assert release_status(cluster, system) == ("deployed", 3)
    assert get_int(cluster.api.get(DEPLOYMENT, system, OPERATOR), "status", "readyReplicas") == 2

    instance = as_manifest(yaml.safe_load((ROOT / "examples/quickstart/3-instance.yaml").read_text()))
    get_map(instance, "metadata")["namespace"] = system
    cluster.api.create(instance)
    said = on_cluster(cluster, system, "uninstall", *WAIT)
    assert f"{PLURAL}.{GROUP}" in said, "Helm tells what it keeps"
    assert cluster.api.find(DEPLOYMENT, system, OPERATOR) is None
    assert cluster.kubectl("get", "clusterroles", "-l", f"app.kubernetes.io/instance={system}") == ""
    assert cluster.api.find(INSTANCE, system, get_str(instance, "metadata", "name"))


@pytest.mark.usefixtures("crds")
def test_the_rights_on_the_real_authorizer(cluster: Cluster, system: str) -> None:
    objects = render(OPERATOR, values=values(system), release=system, namespace=system)
    rights = of_kind(objects, "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    for manifest in rights:
        cluster.api.apply(manifest, manager="helm")
    account = f"--as=system:serviceaccount:{system}:{OPERATOR}"

    def may(verb: str, resource: str, namespace: str) -> bool:
        answer = cluster.kubectl("auth", "can-i", verb, resource, "-n", namespace, account, check=False)
        return answer.splitlines()[0] == "yes"

    assert may("list", "secrets", system)
    assert may("patch", f"{PLURAL}/status", system)
    assert may("update", "leases/dedicated-operator", system)
    assert may("watch", "nodes", system)
    assert not may("delete", "secrets", system)
    assert not may("update", "leases/another", system)
    assert not may("list", "secrets", "default")
    assert not may("list", PLURAL, "default")


def test_nothing_differs_at_rest(cluster: Cluster, system: str) -> None:
    """A tool that compares Git with the cluster finds nothing to do after an install."""
    install(cluster, system)
    wanted = render(OPERATOR, values=values(system), release=system, namespace=system)
    text = yaml.safe_dump_all(m for m in wanted if m["kind"] != "CustomResourceDefinition")
    compare = ("diff", "--server-side", "--field-manager=gitops", "-f", "-")
    done = subprocess.run(
        [binary("kubectl"), f"--kubeconfig={cluster.kubeconfig}", *compare],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "instance.yaml",
        "quickstart/2-database.yaml",
        "quickstart/3-instance.yaml",
        "gitops/instances/acme.yaml",
    ],
)
def test_examples_are_accepted(cluster: Cluster, system: str, name: str) -> None:
    for path in GENERATED.glob("*.yaml"):
        cluster.api.apply(as_manifest(yaml.safe_load(path.read_text())), manager="testbed")
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{PLURAL}.{GROUP}", "--timeout=30s")
    documents = [as_manifest(d) for d in yaml.safe_load_all((ROOT / "examples" / name).read_text())]
    namespaced = [d for d in documents if get_str(d, "metadata", "namespace")]
    assert namespaced
    for document in namespaced:
        get_map(document, "metadata")["namespace"] = system
        created = cluster.api.create(document, dry_run=True)
        assert get_str(created, "metadata", "namespace") == system


def test_pods_are_refused_nowhere(cluster: Cluster, system: str) -> None:
    """Pod Security would let the Deployment in and refuse its pods: so the pods themselves are asked."""
    (deployment,) = of_kind(render(OPERATOR, values=values(system), namespace=system), "Deployment")
    template = get_map(deployment, "spec", "template")
    account = get_str(template, "spec", "serviceAccountName")
    cluster.api.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": system}},
        manager="test",
    )
    metadata = get_map(template, "metadata") | {"name": "operator", "namespace": system}
    pod = cluster.api.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}, dry_run=True
    )
    assert get_list(pod, "spec", "containers")
