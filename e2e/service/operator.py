"""The operator on the cluster: our chart, installed by Helm as a user would, with images of the provider.

Two replicas under Pod Security `restricted` with a read-only root, in their own image; the release catalogue
points at the fake's images. What is watched of it: how long its pods took to start, and which of them leads.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_list, get_str
from dedicated.api.names import REGION_LABEL
from images.recipes import RELEASES
from service import cloudnativepg, instance, pods, store
from service.provider import Provider, ProviderError
from testbed.home import CHECKOUT
from testbed.tools import binary

NAMESPACE = "dedicated-system"
RELEASE = "dedicated-operator"
CHART = CHECKOUT / "charts" / "dedicated-operator"
_SIDES = ("provider", "customer", "restorer")
PROVIDER_ROLE, CUSTOMER_ROLE, RESTORER_ROLE = (f"{NAMESPACE}:{RELEASE}:{side}" for side in _SIDES)
CA_SECRET = "public-authority"
"""Secret with the authority of the public names, which no system trusts."""
INSTALL_SECONDS = 180.0
_ENDPOINTS, _OF_THE_API = "discovery.k8s.io/v1/endpointslices", "kubernetes.io/service-name=kubernetes"


@dataclass(frozen=True, slots=True)
class Started:
    """A pod of the operator."""

    name: str
    node: str
    seconds: float
    """From its place on a node until it was ready."""


def values(provider: Provider) -> Manifest:
    """The chart's values."""
    repository, _, tag = provider.image("operator").rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "limiter": {"image": provider.image("haproxy")},
        "replicas": 2,
        "releases": {
            "images": {"server": provider.repository("zitadel"), "login": provider.repository("login")},
            "versions": [_version(number) for number in RELEASES],
        },
        "places": {
            "regions": {instance.REGION: [instance.COUNTRY]},
            "places": {
                **{region: [instance.COUNTRY] for region in _regions(provider)},
                store.REGION: [instance.COUNTRY],
                store.host(): [instance.COUNTRY],
            },
        },
        "protection": {"platformControllers": {"users": [*map(_account, cloudnativepg.ACCOUNTS)]}},
        "probe": {"caSecret": {"name": CA_SECRET}},
        "networkPolicy": {"apiServerPorts": [443, *_api_ports(provider)]},
    }


def _account(name: str) -> str:
    return f"system:serviceaccount:{cloudnativepg.NAMESPACE}:{name}"


def _regions(provider: Provider) -> set[str]:
    """Where the nodes say that they are."""
    labels = (get_str(node, "metadata", "labels", REGION_LABEL) for node in provider.api.list("v1/nodes"))
    return {label for label in labels if label}


def install(provider: Provider, ca: str, *, extra: Manifest | None = None) -> str:
    """Install or upgrade, and wait until both replicas are ready; what Helm printed. ProviderError if not so.

    `ca` is the authority of the public names, as PEM; `extra` are values over those of `values`.
    """
    authority: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": CA_SECRET, "namespace": NAMESPACE},
        "stringData": {"ca.crt": ca},
    }
    for manifest in (pods.namespace(NAMESPACE), authority):
        provider.api.apply(manifest)
    return _helm(
        provider,
        *("upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", "-"),
        *("--wait", "--timeout", f"{INSTALL_SECONDS:.0f}s"),
        stdin=json.dumps({**values(provider), **(extra or {})}),
    )


def uninstall(provider: Provider) -> None:
    """Take the release away; definitions and instances are left."""
    _helm(provider, "uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")


def started(provider: Provider) -> list[Started]:
    """The operator's pods that are ready, by name."""
    return sorted(_started(provider), key=lambda pod: pod.name)


def leader(provider: Provider) -> str:
    """Name of the pod that leads; empty while none does."""
    leases = provider.api.list("coordination.k8s.io/v1/leases", NAMESPACE)
    holders = [get_str(lease, "spec", "holderIdentity") for lease in leases]
    return next((holder for holder in holders if holder), "")


def _started(provider: Provider) -> Iterator[Started]:
    labels = f"app.kubernetes.io/name={RELEASE}"
    for pod in provider.api.list("v1/pods", NAMESPACE, labels=labels):
        at = {
            get_str(entry, "type"): parse_time(get_str(entry, "lastTransitionTime"))
            for entry in get_list(pod, "status", "conditions")
            if get_str(entry, "status") == "True"
        }
        if (begun := at.get("PodScheduled")) and (ready := at.get("Ready")):
            name, node = get_str(pod, "metadata", "name"), get_str(pod, "spec", "nodeName")
            yield Started(name, node, _seconds(begun, ready))


def _seconds(begun: datetime, ended: datetime) -> float:
    return (ended - begun).total_seconds()


def _version(number: str) -> Manifest:
    return {
        "version": number,
        "channel": "latest" if number == RELEASES[-1] else "stable",
        "upgradeFrom": "v3.4.1",
        "postgresql": {"minimum": 14, "maximum": 18},
    }


def _api_ports(provider: Provider) -> list[int]:
    """Ports of the API server behind its Service."""
    found = {
        port
        for endpoints in provider.api.list(_ENDPOINTS, "default", labels=_OF_THE_API)
        for entry in get_list(endpoints, "ports")
        if isinstance(entry, dict) and isinstance(port := entry.get("port"), int)
    }
    return sorted(found - {443})


def _helm(provider: Provider, *arguments: str, stdin: str = "") -> str:
    try:
        done = subprocess.run(
            [binary("helm"), *arguments],
            input=stdin,
            env={**os.environ, "KUBECONFIG": str(provider.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS + 60,
        )
    except subprocess.TimeoutExpired as error:
        raise ProviderError(f"helm {arguments[0]}: not within {error.timeout:g} s") from error
    if done.returncode:
        raise ProviderError(f"helm {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
