"""Command lines of etcd, the Kubernetes control plane and kwok, as pure data.

The choices that are not obvious:
- `--unsafe-no-fsync`: the data is throw-away, and fsync dominates a small machine's time.
- A /12 of Service addresses: a /24 runs out at 252 Services.
- Heartbeats every 2 s (kwok renews at a quarter of the lease's duration) and a grace period of 8 s:
  a lost zone is noticed in 7-10 s, and a busy machine does not lose nodes by itself.
- kwok manages nodes without the label `testbed/lost` only: it neither renews their leases nor plays
  any stage on them or their pods, and the node controller finds out by itself, as in the field.
- The audit log keeps what tests judge (the operator, users, ServiceAccounts outside kube-system) and
  leaves out the control plane's own requests.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from testbed.home import Home, write_atomically
from testbed.pki import Authority, client_user, kubeconfig
from testbed.processes import free_ports

SERVICE_RANGE = "10.96.0.0/12"
SIMULATED_PODS = "10.80.0.0/12"
NODE_ADDRESS = "10.63.0.1"
STAGES = Path(__file__).resolve().parents[1] / "stages"
LOST_LABEL = "testbed/lost"

RUNNER = "testbed:pod-runner"
KWOK = "testbed:kwok"
ADMIN = "testbed:admin"
"""The supervisor's own user; not audited. Tests' administrator is `admin`."""
MASTERS = ("system:masters",)
LEASE_SECONDS = 8
GRACE_SECONDS = 8


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on loopback."""

    etcd: int
    peer: int
    api: int
    manager: int
    scheduler: int
    kwok: int


def pick_ports() -> Ports:
    """Six different free ports."""
    return Ports(*free_ports(6))


@dataclass(frozen=True, slots=True)
class Program:
    """One process of the control plane."""

    name: str
    argv: tuple[str, ...]


def prepare(home: Home, ports: Ports) -> Authority:
    """Make keys, kubeconfigs, the audit policy and kwok's configuration."""
    authority = Authority(home.pki)
    authority.create()
    authority.issue_files("apiserver", "kube-apiserver", hosts=("localhost", "127.0.0.1", "10.96.0.1"))
    for file, user, groups in (
        ("admin", "admin", MASTERS),
        ("supervisor", ADMIN, MASTERS),
        ("runner", RUNNER, MASTERS),
        ("kwok", KWOK, MASTERS),
        ("manager", "system:kube-controller-manager", ()),
        ("scheduler", "system:kube-scheduler", ()),
    ):
        kubeconfig(
            home.pki / f"{file}.kubeconfig",
            server=f"https://127.0.0.1:{ports.api}",
            authority=authority,
            user=client_user(authority.issue(user, groups=groups)),
        )
    write_atomically(home.pki / "audit-policy.yaml", json.dumps(_audit_policy()))
    stages = [path.read_text() for path in sorted(STAGES.glob("*.yaml"))]
    write_atomically(home.pki / "stages.yaml", "\n---\n".join(stages))
    return authority


def _audit_policy() -> dict[str, object]:
    own = [KWOK, RUNNER, ADMIN, "system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": own},
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
            {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
            {"level": "Metadata"},
        ],
    }


def etcd(tool: Path, home: Home, ports: Ports) -> Program:
    """The store."""
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.peer}"
    return Program(
        "etcd",
        (
            str(tool),
            f"--data-dir={home.run / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
    )


def apiserver(tool: Path, home: Home, ports: Ports) -> Program:
    """The API server."""
    pki = home.pki
    return Program(
        "kube-apiserver",
        (
            str(tool),
            f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports.api}",
            f"--cert-dir={pki}",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            "--endpoint-reconciler-type=none",
            f"--audit-policy-file={pki / 'audit-policy.yaml'}",
            f"--audit-log-path={home.audit}",
            "--audit-log-maxsize=4096",
            "--profiling=false",
        ),
    )


def controller_manager(tool: Path, home: Home, ports: Ports) -> Program:
    """The controllers: Deployments, Jobs, garbage collection, endpoints, node lifecycle."""
    config = home.pki / "manager.kubeconfig"
    return Program(
        "kube-controller-manager",
        (
            str(tool),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={home.pki / 'sa.key'}",
            f"--root-ca-file={home.pki / 'ca.crt'}",
            f"--cluster-signing-cert-file={home.pki / 'ca.crt'}",
            f"--cluster-signing-key-file={home.pki / 'ca.key'}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports.manager}",
            "--node-monitor-period=1s",
            f"--node-monitor-grace-period={GRACE_SECONDS}s",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ),
    )


def scheduler(tool: Path, home: Home, ports: Ports) -> Program:
    """The scheduler."""
    config = home.pki / "scheduler.kubeconfig"
    return Program(
        "kube-scheduler",
        (
            str(tool),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports.scheduler}",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ),
    )


def kwok(tool: Path, home: Home, ports: Ports) -> Program:
    """The simulated kubelets."""
    return Program(
        "kwok",
        (
            str(tool),
            f"--kubeconfig={home.pki / 'kwok.kubeconfig'}",
            f"--config={home.pki / 'stages.yaml'}",
            f"--manage-nodes-with-label-selector=!{LOST_LABEL}",
            f"--node-lease-duration-seconds={LEASE_SECONDS}",
            f"--cidr={SIMULATED_PODS}",
            f"--node-ip={NODE_ADDRESS}",
            "--v=WARN",
            f"--server-address=127.0.0.1:{ports.kwok}",
        ),
    )


def programs(
    tool: Callable[[str], Path], home: Home, ports: Ports
) -> tuple[tuple[Program, ...], tuple[Program, ...]]:
    """What starts at once, and what starts when the API server is ready."""
    first = (
        etcd(tool("etcd"), home, ports),
        apiserver(tool("kube-apiserver"), home, ports),
    )
    then = (
        controller_manager(tool("kube-controller-manager"), home, ports),
        scheduler(tool("kube-scheduler"), home, ports),
        kwok(tool("kwok"), home, ports),
    )
    return first, then


def check_stages() -> None:
    """Fail early, with the file's name, if a stage file is not YAML."""
    for path in sorted(STAGES.glob("*.yaml")):
        try:
            list(yaml.safe_load_all(path.read_text()))
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: {error}") from error
