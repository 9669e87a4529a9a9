"""What the server and the login have in common: an HA Deployment over zones with its Service and budget.

Spread: `DoNotSchedule` over zones with `minDomains`, and `matchLabelKeys: [pod-template-hash]`, without
which rollouts with surge end in two zones (measured: 6 of 8; with it 8 of 8 even).
Stop: a native preStop sleep lets endpoints forget the pod before it closes its listener
(zitadel#8772: ZITADEL itself stops at once).
"""

from dataclasses import dataclass

from dedicated.api.compute import Resources
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import LABEL_APP_VERSION, ZONE_LABEL
from dedicated.api.objects import DEPLOYMENT, DISRUPTION_BUDGET, SERVICE, SERVICE_ACCOUNT
from dedicated.parts.metadata import (
    child,
    labels,
    only_zones,
    restricted_container,
    restricted_pod,
    selector,
)
from dedicated.parts.wanted import Wanted

PRE_STOP_SECONDS = 10
GRACE_SECONDS = 30
"""Longer than the sleep and ZITADEL's own 5 s (zitadel.md §7.3)."""
REVISIONS = 3
TMP_VOLUME = "tmp"


@dataclass(frozen=True, slots=True)
class Workload:
    """A component that runs as pods over zones."""

    component: str
    replicas: int
    image: str
    args: tuple[str, ...]
    port: int
    app_protocol: str
    environment: list[JsonValue]
    mounts: list[JsonValue]
    volumes: list[JsonValue]
    resources: Manifest
    liveness: str
    readiness: str
    annotations: Manifest


def manifests(wanted: Wanted, workload: Workload) -> tuple[Manifest, Manifest, Manifest]:
    """ServiceAccount, Service and PodDisruptionBudget: what can stand before the pods."""
    component = workload.component
    account: Manifest = {
        **child(SERVICE_ACCOUNT, wanted.instance, component, component),
        "automountServiceAccountToken": False,
    }
    service: Manifest = {
        **child(SERVICE, wanted.instance, component, component),
        "spec": {
            "selector": selector(wanted.instance, component),
            "ports": [
                {
                    "name": "http",
                    "port": workload.port,
                    "targetPort": "http",
                    "protocol": "TCP",
                    "appProtocol": workload.app_protocol,
                }
            ],
        },
    }
    budget: Manifest = {
        **child(DISRUPTION_BUDGET, wanted.instance, component, component),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(wanted.instance, component)},
            # A pod that is not ready anyway must not hold up a node drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
    return account, service, budget


def deployment(wanted: Wanted, workload: Workload) -> Manifest:
    """The Deployment."""
    component = workload.component
    chosen = selector(wanted.instance, component)
    version: Manifest = {LABEL_APP_VERSION: wanted.release.version}
    pod: Manifest = {
        "serviceAccountName": f"{wanted.name}-{component}",
        "automountServiceAccountToken": False,
        # A Service called like a setting would inject it as a variable (zitadel.md §2.1).
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": restricted_pod(),
        "topologySpreadConstraints": _spread(wanted, chosen),
        "containers": [_container(wanted, workload)],
        "volumes": [*workload.volumes, {"name": TMP_VOLUME, "emptyDir": {}}],
    }
    if wanted.spec.infrastructure.zones.names is not None:
        pod["affinity"] = only_zones(wanted.spec.infrastructure.zones.names)
    template: Manifest = {
        "metadata": {
            "labels": {**labels(wanted.instance, component), **version},
            **({"annotations": workload.annotations} if workload.annotations else {}),
        },
        "spec": pod,
    }
    return {
        **child(DEPLOYMENT, wanted.instance, component, component),
        "spec": {
            "replicas": workload.replicas,
            "revisionHistoryLimit": REVISIONS,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": chosen},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": template,
        },
    }


def _container(wanted: Wanted, workload: Workload) -> Manifest:
    return {
        "name": workload.component,
        "image": workload.image,
        **({"args": list(workload.args)} if workload.args else {}),
        "ports": [{"name": "http", "containerPort": workload.port, "protocol": "TCP"}],
        "env": workload.environment,
        "resources": workload.resources,
        "securityContext": restricted_container(),
        "volumeMounts": [*workload.mounts, {"name": TMP_VOLUME, "mountPath": "/tmp"}],  # noqa: S108
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "startupProbe": _probe(wanted, workload.readiness, period=2, failures=150),
        "readinessProbe": _probe(wanted, workload.readiness, period=5, failures=2),
        "livenessProbe": _probe(wanted, workload.liveness, period=10, failures=3),
    }


def _probe(wanted: Wanted, path: str, *, period: int, failures: int) -> Manifest:
    """An HTTP probe with the public Host, by which ZITADEL finds its instance (zitadel.md §5)."""
    return {
        "httpGet": {
            "path": path,
            "port": "http",
            "httpHeaders": [{"name": "Host", "value": wanted.spec.domain}],
        },
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _spread(wanted: Wanted, chosen: Manifest) -> list[JsonValue]:
    by_zone: Manifest = {
        "maxSkew": 1,
        "topologyKey": ZONE_LABEL,
        "whenUnsatisfiable": "DoNotSchedule",
        "minDomains": wanted.zones,
        "labelSelector": {"matchLabels": chosen},
        "matchLabelKeys": ["pod-template-hash"],
    }
    by_node: Manifest = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": chosen},
        "matchLabelKeys": ["pod-template-hash"],
    }
    return [by_zone, by_node]


def resources(wanted: Resources, *, default: Manifest) -> Manifest:
    """The container's resources: what the spec says, else the component's default, per section."""
    found: Manifest = {}
    for section, compute in (("requests", wanted.requests), ("limits", wanted.limits)):
        value = default.get(section) if compute is None else compute.model_dump(exclude_none=True)
        if value:
            found[section] = value
    return found
