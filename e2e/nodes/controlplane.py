"""Keys and command lines of the control plane for real nodes, as pure data but for the files written.

Other than the testbed's of simulated nodes it listens on an address that nodes reach, has a credential for
each kubelet (authorised as a node, checked by certificate in both directions) and calls webhooks on pod
addresses. Ports are fixed: the network namespace is the cluster's own.

Nodes report every 2 s and are given up after 10 s; pods that do not say otherwise are then evicted after 30
s instead of 300: the time that Kubernetes gives is no subject of tests.
"""

from collections.abc import Callable
from pathlib import Path

from nodes.place import COUNT, Place
from testbed.controlplane import MASTERS, Program
from testbed.pki import Authority, client_user, kubeconfig

GRACE_SECONDS = 10
"""From a node's last word until it is NotReady."""
EVICTION_SECONDS = 30
POLICY_USER, KUBELET_CLIENT = "nodes:policy", "nodes:kubelet-client"
_ETCD, _PEER = "http://127.0.0.1:2379", "http://127.0.0.1:2380"


def prepare(place: Place) -> None:
    """Make all keys and kubeconfigs."""
    authority = Authority(place.pki)
    authority.create()
    service = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    hosts = ("localhost", "127.0.0.1", place.gateway, place.first_service, *service)
    authority.issue_files("apiserver", "kube-apiserver", hosts=hosts)
    authority.issue_files("kubelet-client", KUBELET_CLIENT)
    users: dict[str, tuple[str, tuple[str, ...]]] = {
        "admin": ("admin", MASTERS),
        "machine": ("nodes:machine", MASTERS),
        "manager": ("system:kube-controller-manager", ()),
        "scheduler": ("system:kube-scheduler", ()),
        "proxy": ("system:kube-proxy", ()),
        "policy": (POLICY_USER, ()),
    }
    for index in range(1, COUNT + 1):
        node = place.node(index)
        users[node] = (f"system:node:{node}", ("system:nodes",))
        authority.issue_files(
            f"{node}-serving", f"system:node:{node}", hosts=(node, place.node_address(index))
        )
    for file, (user, groups) in users.items():
        kubeconfig(
            place.pki / f"{file}.kubeconfig",
            server=place.server,
            authority=authority,
            user=client_user(authority.issue(user, groups=groups)),
        )


def store_and_api(tool: Callable[[str], Path], place: Place) -> tuple[Program, ...]:
    """What starts first: etcd and the API server."""
    pki = place.pki
    return (
        Program(
            "etcd",
            (
                str(tool("etcd")),
                f"--data-dir={place.root / 'etcd'}",
                f"--listen-client-urls={_ETCD}",
                f"--advertise-client-urls={_ETCD}",
                f"--listen-peer-urls={_PEER}",
                f"--initial-advertise-peer-urls={_PEER}",
                f"--initial-cluster=default={_PEER}",
                "--unsafe-no-fsync",  # throw-away data
                "--log-level=warn",
            ),
        ),
        Program(
            "kube-apiserver",
            (
                str(tool("kube-apiserver")),
                f"--etcd-servers={_ETCD}",
                f"--bind-address={place.gateway}",
                f"--advertise-address={place.gateway}",
                "--secure-port=6443",
                f"--client-ca-file={pki / 'ca.crt'}",
                f"--tls-cert-file={pki / 'apiserver.crt'}",
                f"--tls-private-key-file={pki / 'apiserver.key'}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
                f"--service-cluster-ip-range={place.service_range}",
                "--allow-privileged=true",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={pki / 'sa.pub'}",
                f"--service-account-signing-key-file={pki / 'sa.key'}",
                f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
                f"--kubelet-client-key={pki / 'kubelet-client.key'}",
                f"--kubelet-certificate-authority={pki / 'ca.crt'}",
                "--kubelet-preferred-address-types=InternalIP",
                "--enable-aggregator-routing=true",  # webhooks on pod addresses: no kube-proxy is here
                f"--default-not-ready-toleration-seconds={EVICTION_SECONDS}",
                f"--default-unreachable-toleration-seconds={EVICTION_SECONDS}",
                "--profiling=false",
            ),
        ),
    )


def controllers(tool: Callable[[str], Path], place: Place) -> tuple[Program, ...]:
    """What starts once the API server is ready."""
    pki = place.pki
    return (
        Program(
            "kube-controller-manager",
            (
                str(tool("kube-controller-manager")),
                *_as_user(pki / "manager.kubeconfig"),
                "--use-service-account-credentials",
                f"--service-account-private-key-file={pki / 'sa.key'}",
                f"--root-ca-file={pki / 'ca.crt'}",
                f"--cluster-signing-cert-file={pki / 'ca.crt'}",
                f"--cluster-signing-key-file={pki / 'ca.key'}",
                "--node-monitor-period=2s",
                f"--node-monitor-grace-period={GRACE_SECONDS}s",
            ),
        ),
        Program("kube-scheduler", (str(tool("kube-scheduler")), *_as_user(pki / "scheduler.kubeconfig"))),
    )


def _as_user(config: Path) -> tuple[str, ...]:
    return (
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    )
