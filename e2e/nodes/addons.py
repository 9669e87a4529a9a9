"""What every cluster has beside the control plane: DNS, a class of volumes, rights of the node's programs.

CoreDNS runs on every node. Names outside of the cluster (the public names of instances) come from a hosts
file that the provider writes into a folder which nodes mount: a name is there within a second, with no
object in between.
"""

from dedicated.api.json import JsonValue, Manifest, get_int
from images import reference
from nodes.controlplane import KUBELET_CLIENT, POLICY_USER
from nodes.place import Place
from testbed.client import Api

STORAGE_CLASS = "local"
PROVISIONER = "nodes.dedicated/local"
SYSTEM = "kube-system"
HOSTS = "hosts"
"""Name of the hosts file in the names' folder."""
UNPRIVILEGED: Manifest = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
_DNS = "coredns"
_COREFILE = """\
.:53 {
  errors
  health :8080
  ready :8181
  cache 2
  hosts /names/hosts {
    ttl 1
    reload 2s
    fallthrough
  }
  kubernetes cluster.local in-addr.arpa {
    ttl 5
  }
}
"""


def install(api: Api, place: Place) -> None:
    """Apply everything; needs the API server only."""
    place.names.mkdir(exist_ok=True)
    (place.names / HOSTS).touch()
    for manifest in manifests(place):
        api.apply(manifest)


def ready(api: Api) -> bool:
    """Whether DNS answers on every node."""
    status = api.get("apps/v1/daemonsets", SYSTEM, _DNS)
    wanted = get_int(status, "status", "desiredNumberScheduled")
    return wanted > 0 and get_int(status, "status", "numberReady") == wanted


def manifests(place: Place) -> list[Manifest]:
    """All objects, in order."""
    dns_rules: list[JsonValue] = [
        _rule("", "services", "pods", "namespaces"),
        _rule("discovery.k8s.io", "endpointslices"),
    ]
    policy_rules: list[JsonValue] = [
        _rule("", "pods", "namespaces", "nodes"),
        _rule("networking.k8s.io", "networkpolicies"),
    ]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _DNS, "namespace": SYSTEM}},
        _role(_DNS, dns_rules),
        _binding(_DNS, _DNS, {"kind": "ServiceAccount", "name": _DNS, "namespace": SYSTEM}),
        _role(POLICY_USER, policy_rules),
        _binding(POLICY_USER, POLICY_USER, _user(POLICY_USER)),
        _binding(KUBELET_CLIENT, "system:kubelet-api-admin", _user(KUBELET_CLIENT)),
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": PROVISIONER,
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
            "allowVolumeExpansion": True,
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _DNS, "namespace": SYSTEM},
            "data": {"Corefile": _COREFILE},
        },
        _dns_service(place),
        _dns_pods(),
    ]


def _dns_service(place: Place) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": SYSTEM, "labels": {"k8s-app": "kube-dns"}},
        "spec": {
            "clusterIP": place.dns,
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "targetPort": 53, "protocol": "TCP"},
            ],
        },
    }


def _dns_pods() -> Manifest:
    container: Manifest = {
        "name": _DNS,
        "image": reference("coredns"),
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/coredns"},
            {"name": "names", "mountPath": "/names", "readOnly": True},
        ],
    }
    labels: Manifest = {"k8s-app": "kube-dns"}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": _DNS, "namespace": SYSTEM},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": _DNS,
                    "priorityClassName": "system-node-critical",
                    # Its pods listen at 53 as users' do, for policies are judged behind the Service.
                    "securityContext": {"sysctls": [UNPRIVILEGED]},
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [container],
                    "volumes": [
                        {"name": "config", "configMap": {"name": _DNS}},
                        {"name": "names", "hostPath": {"path": "/names", "type": "Directory"}},
                    ],
                },
            },
        },
    }


def _rule(group: str, *resources: str) -> Manifest:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["get", "list", "watch"]}


def _role(name: str, rules: list[JsonValue]) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }


def _user(name: str) -> Manifest:
    return {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}


def _binding(name: str, role: str, subject: Manifest) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
