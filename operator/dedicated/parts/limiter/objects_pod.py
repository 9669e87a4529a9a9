"""The limiter's pods: HAProxy, its agent, and what prepares the files of the first start.

Replicas stand in different zones, each with a name that stays, since the counters of a replica are known to
the others by it. They start at once; a new template replaces one after the other, and what a replica counted
comes back from the others. HAProxy drains: endpoints forget the pod while it sleeps, then open streams have
their time. Only the agent's containers hold a token. What is configured is no part of the template.
"""

from collections.abc import Iterator

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import GROUP, ZONE_LABEL
from dedicated.api.objects import STATEFUL_SET
from dedicated.parts.limiter import names
from dedicated.parts.limiter.configuration import HEALTHY, READY
from dedicated.parts.limiter.names import COMPONENT
from dedicated.parts.limiter.objects import LimiterWanted
from dedicated.parts.limiter.peers import MOUNTED
from dedicated.parts.limiter.site import Directories
from dedicated.parts.metadata import (
    child,
    labels,
    only_zones,
    restricted_container,
    restricted_pod,
    selector,
)

PLACES = Directories()
PRE_STOP_SECONDS = 10
GRACE_SECONDS = PRE_STOP_SECONDS + 65
"""Longer than the sleep and HAProxy's `hard-stop-after`."""
KEYS_MARK = f"{GROUP}/keys"
TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where it is, not what it is
TOKEN_SECONDS = 3607


def stateful_set(wanted: LimiterWanted) -> Manifest:
    """The StatefulSet. The Secret of the link between the replicas is there: pods read it when they start."""
    chosen = selector(wanted.instance, COMPONENT)
    template: Manifest = {
        "metadata": {
            "labels": labels(wanted.instance, COMPONENT),
            "annotations": {KEYS_MARK: wanted.peers_mark},
        },
        "spec": _pod(wanted, chosen),
    }
    return {
        **child(STATEFUL_SET, wanted.instance, COMPONENT, COMPONENT),
        "spec": {
            "replicas": wanted.replicas,
            "revisionHistoryLimit": 3,
            "serviceName": names.limiter_name(wanted.instance.name),
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": chosen},
            "template": template,
        },
    }


def _pod(wanted: LimiterWanted, chosen: Manifest) -> Manifest:
    pod: Manifest = {
        "serviceAccountName": names.report_name(wanted.instance.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": restricted_pod(),
        "topologySpreadConstraints": _spread(wanted, chosen),
        "initContainers": [_agent(wanted, "prepare")],
        "containers": [_haproxy(wanted), _agent(wanted, "agent")],
        "volumes": _volumes(wanted),
    }
    zones = wanted.instance.spec.infrastructure.zones.names
    return {**pod, "affinity": only_zones(zones)} if zones is not None else pod


def _spread(wanted: LimiterWanted, chosen: Manifest) -> list[JsonValue]:
    """One zone each: there is no surge that could fill two, so the template's hash plays no part."""
    by_zone: Manifest = {
        "maxSkew": 1,
        "topologyKey": ZONE_LABEL,
        "whenUnsatisfiable": "DoNotSchedule",
        "minDomains": min(wanted.zones, wanted.replicas),
        "labelSelector": {"matchLabels": chosen},
    }
    by_node: Manifest = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": chosen},
    }
    return [by_zone, by_node]


def _haproxy(wanted: LimiterWanted) -> Manifest:
    ports = {"http": names.HTTP_PORT, "metrics": names.METRICS_PORT, "peers": names.PEERS_PORT}
    if wanted.tls_secret:
        ports["https"] = names.TLS_PORT
    memory = f"{-(-wanted.memory // 2**20)}Mi"
    return {
        "name": "haproxy",
        "image": wanted.image,
        "command": ["haproxy", "-W", "-db"],
        "args": [
            *("-S", f"{PLACES.run}/master.sock,mode,600"),
            *("-f", f"{PLACES.config}/haproxy.cfg"),
        ],
        "ports": [
            {"name": name, "containerPort": number, "protocol": "TCP"} for name, number in ports.items()
        ],
        # No processor limit: a burst is what it is there for.
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": memory}},
        "securityContext": restricted_container(),
        "volumeMounts": [
            *_shared(),
            *_secrets_mounted(wanted),
        ],
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "readinessProbe": _probe("metrics", READY, period=2, failures=2),
        "livenessProbe": _probe("metrics", HEALTHY, period=10, failures=6),
    }


def _agent(wanted: LimiterWanted, name: str) -> Manifest:
    """The agent beside HAProxy, or what it does before the first start: write the files, and end."""
    instance = wanted.instance
    told = ("--instance", instance.name, "--namespace", instance.namespace)
    container: Manifest = {
        "name": name,
        "image": wanted.agent_image,
        "args": ["agent", COMPONENT, *told, *(("--prepare",) if name == "prepare" else ())],
        "resources": {"requests": {"cpu": "10m", "memory": "80Mi"}, "limits": {"memory": "160Mi"}},
        "securityContext": restricted_container(),
        "volumeMounts": [
            *_shared(),
            {"name": "token", "mountPath": TOKEN_DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            *_secrets_mounted(wanted),
        ],
    }
    if name == "prepare":
        return container
    port: Manifest = {"name": "agent", "containerPort": names.AGENT_PORT, "protocol": "TCP"}
    return {**container, "ports": [port], "livenessProbe": _probe("agent", HEALTHY, period=10, failures=6)}


def _probe(port: str, path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _shared() -> list[JsonValue]:
    """Files and sockets, which both containers see."""
    return [
        {"name": "config", "mountPath": PLACES.config},
        {"name": "run", "mountPath": PLACES.run},
    ]


def _secrets_mounted(wanted: LimiterWanted) -> list[JsonValue]:
    """The agent looks at them too: HAProxy's own check of a configuration reads what it names."""
    found = {"peers": PLACES.peers, **({"tls": PLACES.tls} if wanted.tls_secret else {})}
    return [{"name": name, "mountPath": place, "readOnly": True} for name, place in found.items()]


def _volumes(wanted: LimiterWanted) -> list[JsonValue]:
    found: list[JsonValue] = [
        *_empty("config", "run", "tmp"),
        {"name": "token", "projected": {"sources": _token()}},
        {
            "name": "peers",
            "secret": {
                "secretName": wanted.peers,
                "items": [{"key": key, "path": key} for key in MOUNTED],
                "defaultMode": 0o440,
            },
        },
    ]
    if wanted.tls_secret:
        found.append({"name": "tls", "secret": {"secretName": wanted.tls_secret, "defaultMode": 0o440}})
    return found


def _empty(*volumes: str) -> Iterator[JsonValue]:
    for name in volumes:
        yield {"name": name, "emptyDir": {"sizeLimit": "64Mi"}}


def _token() -> list[JsonValue]:
    """What Kubernetes mounts by itself into every container, for the agent's alone."""
    field: Manifest = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
