"""CloudNativePG and its Barman plugin on a cluster: the projects' own manifests, read from their Go modules.

Two replicas each, in different zones: an engine whose only operator lies in the lost zone promotes nobody,
and it promotes nobody either while a plugin that a cluster names does not answer (Reconcile in
internal/controller/cluster_controller.go). The plugin's certificates are cert-manager's in its manifests;
here they are the caller's authority's.

Limits: the plugin's second replica stands by until the first one's lease has ended (15 s). The engine's
operator may use a whole processor (100m is too little for its first minute on a small machine), and images
are the provider's. Nothing else of the manifests is changed.
"""

import base64
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import yaml

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from service.provider import Image, Provider
from testbed.client import condition
from testbed.gobuild import environment, find_go
from testbed.pki import Authority, Pair
from testbed.tools import TOOLS, binary

NAMESPACE = "cnpg-system"
ENGINE, PLUGIN = "cnpg-controller-manager", "barman-cloud"
"""The two Deployments."""
IMAGES: tuple[Image, ...] = ("cloudnative-pg", "plugin-barman-cloud", "barman-sidecar", "postgresql")
REPLICAS = 2
ACCOUNTS = ("cnpg-manager", "plugin-barman-cloud")
"""Who makes what belongs to a cluster in the namespace of an instance, which has to be allowed to them."""
CLUSTERS = "postgresql.cnpg.io/v1/clusters"
_MODULE = "github.com/cloudnative-pg"
_SERVER, _CLIENT = "barman-cloud-server-tls", "barman-cloud-client-tls"


def install(provider: Provider, authority: Authority, *, seconds: float = 180) -> None:
    """Load the images, apply the manifests, and wait until both operators are ready.

    Raises ProviderError when that takes more than `seconds` for one of them, LookupError without the modules.
    """
    provider.load(IMAGES)
    objects = [*_engine(provider), *_plugin(provider, authority)]
    definitions = [item for item in objects if item["kind"] in {"CustomResourceDefinition", "Namespace"}]
    for part in (definitions, [item for item in objects if item not in definitions]):
        # The definitions are too large for the annotation of a client's apply.
        provider.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=_list(part))
    # Of the plugin's two only the one that leads listens, so that its Deployment is never all ready.
    for name, ready in ((ENGINE, REPLICAS), (PLUGIN, 1)):
        wait = (f"--for=jsonpath={{.status.readyReplicas}}={ready}", f"--timeout={seconds:.0f}s")
        provider.kubectl("-n", NAMESPACE, "wait", f"deployment/{name}", *wait, seconds=seconds + 5)


def uninstall(provider: Provider) -> None:
    """Remove the operators. What they run is left; their definitions too, as clusters would go with them."""
    for kind in ("validatingwebhookconfiguration", "mutatingwebhookconfiguration"):
        name = f"cnpg-{kind.removesuffix('webhookconfiguration')}-webhook-configuration"
        provider.kubectl("delete", kind, name, "--ignore-not-found")
    for name in (ENGINE, PLUGIN):
        provider.kubectl("-n", NAMESPACE, "delete", "deployment", name, "--ignore-not-found")


def switch_over(provider: Provider, namespace: str, cluster: str, *, away_from: str) -> None:
    """Ask for the first ready standby that is not on a node to be primary; does not wait for it.

    As the engine's own command line asks for it. LookupError where there is no such standby.
    """
    primary = get_str(provider.api.get(CLUSTERS, namespace, cluster), "status", "currentPrimary")
    for pod in provider.api.list("v1/pods", namespace, labels=f"cnpg.io/cluster={cluster}"):
        name, node = get_str(pod, "metadata", "name"), get_str(pod, "spec", "nodeName")
        if name != primary and node != away_from and condition(pod, "Ready") == "True":
            wanted: Manifest = {
                "targetPrimary": name,
                "targetPrimaryTimestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
                "phase": "Switchover in progress",
                "phaseReason": f"Switching over to {name}",
            }
            provider.api.patch(CLUSTERS, namespace, cluster, {"status": wanted}, subresource="status")
            return
    raise LookupError(f"{cluster}: no ready standby outside of {away_from}")


def _engine(provider: Provider) -> Iterator[Manifest]:
    image = provider.image("cloudnative-pg")
    for item in _rendered("cloudnativepg", "cloudnative-pg", "config/default"):
        if item["kind"] == "Deployment":
            _spread(item, image)
            container = _container(item)
            # It puts its own image into the pods of its clusters, to bring its program there.
            for entry in get_list(container, "env"):
                if get_str(entry, "name") == "OPERATOR_IMAGE_NAME":
                    get_map(entry)["value"] = image
            get_map(container, "resources", "limits")["cpu"] = "1"
        yield item


def _plugin(provider: Provider, authority: Authority) -> Iterator[Manifest]:
    for item in _rendered("barmancloud", "plugin-barman-cloud", "kubernetes"):
        if get_str(item, "apiVersion").startswith("cert-manager.io/"):
            continue
        if item["kind"] == "Deployment":
            _spread(item, provider.image("plugin-barman-cloud"))
        if item["kind"] == "Secret":
            item["data"] = {"SIDECAR_IMAGE": _base64(provider.image("barman-sidecar").encode())}
        yield item
    yield _tls(_SERVER, authority.issue(PLUGIN, hosts=(PLUGIN,)), authority)
    yield _tls(_CLIENT, authority.issue("barman-cloud-client"), authority)


def _spread(deployment: Manifest, image: str) -> None:
    """Two replicas, one per zone at most, with an image that is on the nodes already."""
    spec = get_map(deployment, "spec")
    spec["replicas"] = REPLICAS
    labels = get_map(spec, "selector")
    apart: Manifest = {"labelSelector": labels, "topologyKey": "topology.kubernetes.io/zone"}
    rule: list[JsonValue] = [apart]
    pod = get_map(spec, "template", "spec")
    pod["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": rule}}
    _container(deployment).update(image=image, imagePullPolicy="IfNotPresent")


def _container(deployment: Manifest) -> Manifest:
    return get_map(get_list(deployment, "spec", "template", "spec", "containers")[0])


def _tls(name: str, pair: Pair, authority: Authority) -> Manifest:
    # The engine trusts what stands in the server's own tls.crt: the authority stands there too.
    chain = pair.certificate + authority.certificate.read_bytes()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": _base64(chain), "tls.key": _base64(pair.key)},
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _rendered(family: str, module: str, folder: str) -> list[Manifest]:
    """The objects of a folder of a project's module, as kustomize makes them."""
    kustomize: list[str | Path] = [binary("kubectl"), "kustomize", _module(family, module) / folder]
    told = subprocess.run(kustomize, capture_output=True, text=True, check=False, timeout=60)
    if told.returncode != 0:
        raise LookupError(f"{module}/{folder}: {told.stderr.strip()}")
    return [as_manifest(item) for item in yaml.safe_load_all(told.stdout)]


def _module(family: str, module: str) -> Path:
    """Folder of a module's source, of the version that the tool is built from; downloaded if need be."""
    command: list[str | Path] = [find_go(), "mod", "download", "-json", f"{_MODULE}/{module}"]
    where = TOOLS / family
    told = subprocess.run(
        command, cwd=where, env=environment(), capture_output=True, text=True, check=False, timeout=300
    )
    if told.returncode != 0:
        raise LookupError(f"{module}: {told.stdout.strip() or told.stderr.strip()}")
    return Path(get_str(as_manifest(json.loads(told.stdout)), "Dir"))


def _list(items: list[Manifest]) -> str:
    whole: Manifest = {"apiVersion": "v1", "kind": "List", "items": [*items]}
    return json.dumps(whole)
