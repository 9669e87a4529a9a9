"""What people try on the objects of an instance `acme`, as requests; all but connections are dry runs.

`{ns}` is the instance's namespace; `{pod}`, `{replicaset}`, `{job}`, `{config}`, `{slice}` are names in it.
Objects called `own` are the user's: in the namespace, and none of the instance's.
"""

from dataclasses import dataclass
from typing import Literal

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE

Guard = Literal["managed", "foreign", "scale", "namespace", "free"]
"""The policy that must refuse; `free`: none may."""

MARK: Manifest = {LABEL_INSTANCE: "acme"}
RESTRICTED: Manifest = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SELECTS: Manifest = {LABEL_INSTANCE: "acme", LABEL_COMPONENT: "server"}
UNMARK: Manifest = {"metadata": {"labels": {LABEL_INSTANCE: None}}}
GLOBEX: Manifest = {LABEL_INSTANCE: "globex"}
RENAME: Manifest = {"metadata": {"labels": GLOBEX}}
NOTE: Manifest = {"metadata": {"annotations": {"example.com/note": "x"}}}
GONE: Manifest = {"propagationPolicy": "Background", "dryRun": ["All"]}
"""Where options come as a body, those of the URL do not count."""

END = "namespace deleted"
"""The one attempt that no instruction lets through."""
CORE = "/api/v1/namespaces/{ns}"
APPS = "/apis/apps/v1/namespaces/{ns}"
BATCH = "/apis/batch/v1/namespaces/{ns}"
NET = "/apis/networking.k8s.io/v1/namespaces/{ns}"
POLICY = "/apis/policy/v1/namespaces/{ns}"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices"
GATEWAY = "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}"
OURS = "/apis/dedicated.zitadel.com/v1alpha1/namespaces/{ns}/dedicatedinstances"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request. `content` is the kind of patch; `loose`: what answers behind admission may fail.

    `instances` are those whose `modify` it takes.
    """

    name: str
    guard: Guard
    method: str
    path: str
    body: JsonValue = None
    content: str = ""
    loose: bool = False
    instances: tuple[str, ...] = ("acme",)


def _patch(name: str, guard: Guard, path: str, body: JsonValue, content: str = "merge") -> Attempt:
    return Attempt(name, guard, "PATCH", path, body, content)


def _delete(name: str, path: str, guard: Guard = "managed", **options: JsonValue) -> Attempt:
    return Attempt(name, guard, "DELETE", path, {**GONE, **options})


def _create(name: str, guard: Guard, path: str, labels: Manifest, **rest: JsonValue) -> Attempt:
    """The API server fills in apiVersion and kind from the path."""
    metadata: Manifest = {"name": "new", "labels": labels}
    return Attempt(name, guard, "POST", path, {"metadata": metadata, **rest})


def _route(kind: str) -> Manifest:
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "spec": {}}


def _connect(name: str, path: str, method: str = "GET") -> Attempt:
    return Attempt(name, "foreign", method, path, loose=True)


def pod(labels: Manifest) -> Manifest:
    """A pod template's content that Pod Security `restricted` accepts."""
    container: Manifest = {
        "name": "c",
        "image": "registry.test/c",
        "securityContext": RESTRICTED,
    }
    security: Manifest = {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "restartPolicy": "Always", "securityContext": security},
    }


def workload(labels: Manifest, **more: JsonValue) -> Manifest:
    """The spec of a Deployment, ReplicaSet, StatefulSet or DaemonSet."""
    return {"selector": {"matchLabels": labels}, "template": pod(labels), **more}


def _job(labels: Manifest) -> Manifest:
    template = pod(labels)
    spec = template["spec"]
    assert isinstance(spec, dict)
    return {"template": {**template, "spec": {**spec, "restartPolicy": "Never"}}}


def _of(*steps: str) -> str:
    return "/".join(steps)


SERVER = _of(APPS, "deployments/acme-server")
SERVICE = _of(CORE, "services/acme-server")
PORT: JsonValue = [{"name": "http", "port": 80, "protocol": "TCP"}]
OWN: Manifest = {"app": "own"}
CONTAINERS: JsonValue = [{"name": "server", "image": "registry.test/evil"}]
RESIZED: JsonValue = [{"name": "server", "resources": {"requests": {"cpu": "10m"}}}]
DEBUG: JsonValue = [{"name": "debug", "image": "registry.test/debug", "securityContext": RESTRICTED}]
UNOWN: JsonValue = [{"op": "remove", "path": "/metadata/ownerReferences"}]
BACKEND: JsonValue = {"service": {"name": "acme-server", "port": {"name": "http"}}}
TARGET: JsonValue = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "acme-server"}
ENDPOINT: JsonValue = [{"addresses": ["10.1.2.3"]}]
APPLIED: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "acme-server"},
    "spec": {"replicas": 1},
}

CHANGES = (
    _patch(
        "another image",
        "managed",
        SERVER,
        {"spec": {"template": {"spec": {"containers": CONTAINERS}}}},
        "strategic",
    ),
    _patch("other replicas", "managed", SERVER, {"spec": {"replicas": 0}}),
    _patch("restart", "managed", SERVER, {"spec": {"template": NOTE}}),
    _patch("pause", "managed", SERVER, {"spec": {"paused": True}}),
    _patch("annotation", "managed", SERVER, NOTE),
    _patch("finalizer", "managed", SERVER, {"metadata": {"finalizers": ["example.com/hold"]}}),
    _patch("ownership taken off", "managed", SERVER, UNOWN, "json"),
    _patch("label removed", "managed", SERVER, UNMARK),
    Attempt(
        "label of another instance", "managed", "PATCH", SERVER, RENAME, "merge", instances=("acme", "globex")
    ),
    _patch("server-side apply", "managed", SERVER + "?fieldManager=helm&force=true", APPLIED, "apply"),
    _patch("service's selector", "managed", SERVICE, {"spec": {"selector": {"app": "evil"}}}),
    _patch("service's label", "managed", SERVICE, UNMARK),
    _patch("service's type", "managed", SERVICE, {"spec": {"type": "NodePort"}}),
    _patch(
        "budget", "managed", _of(POLICY, "poddisruptionbudgets/acme-server"), {"spec": {"maxUnavailable": 3}}
    ),
    _patch(
        "network policy",
        "managed",
        _of(NET, "networkpolicies/acme-server"),
        {"spec": {"policyTypes": ["Egress"]}},
    ),
    _patch("network policy's label", "managed", _of(NET, "networkpolicies/acme-default-deny"), UNMARK),
    _patch("configuration's label", "managed", _of(CORE, "configmaps/{config}"), UNMARK),
    _patch("masterkey's label", "managed", _of(CORE, "secrets/acme-masterkey"), UNMARK),
    _patch(
        "pull secret of the account",
        "managed",
        _of(CORE, "serviceaccounts/acme-server"),
        {"imagePullSecrets": [{"name": "x"}]},
    ),
    _patch("replica set", "managed", _of(APPS, "replicasets/{replicaset}"), {"spec": {"replicas": 9}}),
    _patch("pod's annotation", "managed", _of(CORE, "pods/{pod}"), NOTE),
    _patch("pod out of its service", "managed", _of(CORE, "pods/{pod}"), UNMARK),
    _patch(
        "debug container",
        "managed",
        _of(CORE, "pods/{pod}/ephemeralcontainers"),
        {"spec": {"ephemeralContainers": DEBUG}},
        "strategic",
    ),
    _patch(
        "resize in place",
        "managed",
        _of(CORE, "pods/{pod}/resize"),
        {"spec": {"containers": RESIZED}},
        "strategic",
    ),
    _patch("job", "managed", _of(BATCH, "jobs/{job}"), {"spec": {"activeDeadlineSeconds": 1}}),
    _patch("endpoint slice", "managed", _of(SLICES, "{slice}"), {"endpoints": ENDPOINT}),
    _patch(
        "own object made the instance's",
        "managed",
        _of(CORE, "configmaps/own"),
        {"metadata": {"labels": MARK}},
    ),
)

DELETIONS = (
    _delete("deployment", SERVER),
    _delete("deployment, pods orphaned", SERVER, propagationPolicy="Orphan"),
    _delete("all deployments", _of(APPS, "deployments")),
    _delete("service", SERVICE),
    _delete("budget", _of(POLICY, "poddisruptionbudgets/acme-server")),
    _delete("network policy", _of(NET, "networkpolicies/acme-default-deny")),
    _delete("configuration", _of(CORE, "configmaps/{config}")),
    _delete("identity", _of(CORE, "configmaps/acme-identity")),
    _delete("masterkey", _of(CORE, "secrets/acme-masterkey")),
    _delete("all keys", _of(CORE, f"secrets?labelSelector={LABEL_INSTANCE}")),
    _delete("account", _of(CORE, "serviceaccounts/acme-server")),
    _delete("replica set", _of(APPS, "replicasets/{replicaset}")),
    _delete("pod", _of(CORE, "pods/{pod}")),
    _delete("pod by force", _of(CORE, "pods/{pod}"), gracePeriodSeconds=0),
    _delete("all pods", _of(CORE, "pods")),
    _delete("job", _of(BATCH, "jobs/{job}")),
    _delete("endpoint slice", _of(SLICES, "{slice}")),
)

SCALES = (
    _patch("scale a deployment", "scale", _of(SERVER, "scale"), {"spec": {"replicas": 1}}),
    Attempt(
        "scale a deployment by replacing",
        "scale",
        "PUT",
        _of(SERVER, "scale"),
        {"metadata": {"name": "acme-server", "namespace": "{ns}"}, "spec": {"replicas": 1}},
    ),
    _patch(
        "scale a replica set", "scale", _of(APPS, "replicasets/{replicaset}/scale"), {"spec": {"replicas": 1}}
    ),
)

INTRUDERS = (
    _create("pod with the labels", "managed", _of(CORE, "pods"), SELECTS, spec=pod(SELECTS)["spec"]),
    _create("service with the labels", "managed", _of(CORE, "services"), MARK, spec={"ports": PORT}),
    _create("config map with the label", "managed", _of(CORE, "configmaps"), MARK),
    _create("secret with the label", "managed", _of(CORE, "secrets"), MARK),
    Attempt(
        "secret of another instance",
        "managed",
        "POST",
        _of(CORE, "secrets"),
        {"metadata": {"name": "new", "labels": GLOBEX}},
        instances=("globex",),
    ),
    _create("pod", "foreign", _of(CORE, "pods"), OWN, spec=pod(OWN)["spec"]),
    _create(
        "service on the server's pods",
        "foreign",
        _of(CORE, "services"),
        OWN,
        spec={"selector": SELECTS, "ports": PORT},
    ),
    _create(
        "service by a common label",
        "foreign",
        _of(CORE, "services"),
        OWN,
        spec={"selector": {"app.kubernetes.io/name": "zitadel"}, "ports": PORT},
    ),
    _create("ingress", "foreign", _of(NET, "ingresses"), OWN, spec={"defaultBackend": BACKEND}),
    _create("HTTP route", "foreign", _of(GATEWAY, "httproutes"), OWN, **_route("HTTPRoute")),
    _create("gRPC route", "foreign", _of(GATEWAY, "grpcroutes"), OWN, **_route("GRPCRoute")),
    _create(
        "network policy that opens",
        "foreign",
        _of(NET, "networkpolicies"),
        OWN,
        spec={"podSelector": {}, "ingress": [{}]},
    ),
    _create(
        "deployment that joins the service", "foreign", _of(APPS, "deployments"), OWN, spec=workload(SELECTS)
    ),
    _create("replica set", "foreign", _of(APPS, "replicasets"), OWN, spec=workload(SELECTS)),
    _create(
        "stateful set", "foreign", _of(APPS, "statefulsets"), OWN, spec=workload(SELECTS, serviceName="x")
    ),
    _create("daemon set", "foreign", _of(APPS, "daemonsets"), OWN, spec=workload(SELECTS)),
    _create("job", "foreign", _of(BATCH, "jobs"), OWN, spec=_job(SELECTS)),
    _create(
        "cron job",
        "foreign",
        _of(BATCH, "cronjobs"),
        OWN,
        spec={"schedule": "0 0 * * *", "jobTemplate": {"spec": _job(SELECTS)}},
    ),
    _create(
        "endpoint slice of the service",
        "foreign",
        SLICES,
        {"kubernetes.io/service-name": "acme-server"},
        addressType="IPv4",
        endpoints=ENDPOINT,
    ),
    _create(
        "endpoints",
        "foreign",
        _of(CORE, "endpoints"),
        OWN,
        subsets=[{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}],
    ),
    _create(
        "autoscaler",
        "foreign",
        "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
        OWN,
        spec={"scaleTargetRef": TARGET, "maxReplicas": 9},
    ),
    _create(
        "second budget",
        "foreign",
        _of(POLICY, "poddisruptionbudgets"),
        OWN,
        spec={"selector": {"matchLabels": SELECTS}, "maxUnavailable": 0},
    ),
    _patch(
        "own service turned on the server's pods",
        "foreign",
        _of(CORE, "services/own"),
        {"spec": {"selector": SELECTS}},
    ),
    _patch(
        "own deployment turned into a server",
        "foreign",
        _of(APPS, "deployments/own"),
        {"spec": {"template": {"metadata": {"labels": SELECTS}}}},
    ),
)

CONNECTIONS = (
    Attempt(
        "pod bound to a node by hand",
        "foreign",
        "POST",
        _of(CORE, "pods/{pod}/binding"),
        {"metadata": {"name": "{pod}"}, "target": {"kind": "Node", "name": "nowhere"}},
        loose=True,
    ),
    _connect("exec", _of(CORE, "pods/{pod}/exec?command=id&stdout=true")),
    _connect("exec by POST", _of(CORE, "pods/{pod}/exec?command=id&stdout=true"), "POST"),
    _connect("attach", _of(CORE, "pods/{pod}/attach?stdout=true"), "POST"),
    _connect("port-forward", _of(CORE, "pods/{pod}/portforward"), "POST"),
    _connect("pod proxy", _of(CORE, "pods/{pod}/proxy/")),
    _connect("service proxy", _of(CORE, "services/acme-server:http/proxy/")),
)

NAMESPACES = (
    Attempt(END, "namespace", "DELETE", CORE, GONE),
    _patch("namespace's label removed", "namespace", CORE, UNMARK),
    Attempt(
        "namespace's label changed", "namespace", "PATCH", CORE, RENAME, "merge", instances=("acme", "globex")
    ),
    Attempt("namespace replaced without its label", "namespace", "PUT", CORE, {"metadata": {"name": "{ns}"}}),
)

FREE = (
    Attempt(
        "eviction",
        "free",
        "POST",
        _of(CORE, "pods/{pod}/eviction"),
        {"metadata": {"name": "{pod}", "namespace": "{ns}"}},
    ),
    _patch("pod's status", "free", _of(CORE, "pods/{pod}/status"), NOTE),
    _patch("deployment's status", "free", _of(SERVER, "status"), NOTE),
    _patch("budget's status", "free", _of(POLICY, "poddisruptionbudgets/acme-server/status"), NOTE),
    Attempt(
        "token of an account",
        "free",
        "POST",
        _of(CORE, "serviceaccounts/acme-server/token"),
        {"spec": {"audiences": ["x"]}},
    ),
    _create("own secret", "free", _of(CORE, "secrets"), OWN, stringData={"dsn": "x"}),
    _create("own config map", "free", _of(CORE, "configmaps"), OWN, data={"a": "b"}),
    _create(
        "own claim",
        "free",
        _of(CORE, "persistentvolumeclaims"),
        OWN,
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    ),
    _patch("database's secret", "free", _of(CORE, "secrets/database"), NOTE),
    _delete("own config map deleted", _of(CORE, "configmaps/own"), "free"),
    _patch("own deployment", "free", _of(APPS, "deployments/own"), {"spec": {"replicas": 2}}),
    _patch("own deployment scaled", "free", _of(APPS, "deployments/own/scale"), {"spec": {"replicas": 2}}),
    _delete("own service deleted", _of(CORE, "services/own"), "free"),
    _patch("instance", "free", _of(OURS, "acme"), {"spec": {"login": {"replicas": 4}}}),
    _patch("instance's label", "free", _of(OURS, "acme"), {"metadata": {"labels": MARK}}),
    _patch("another label of the namespace", "free", CORE, {"metadata": {"labels": {"team": "x"}}}),
)

FORBIDDEN = (*CHANGES, *DELETIONS, *SCALES, *INTRUDERS, *CONNECTIONS, *NAMESPACES)
ATTEMPTS = (*FORBIDDEN, *FREE)
