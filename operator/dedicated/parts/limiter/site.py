"""What a limiter's configuration is made from, beside the policy: where it stands, and between whom."""

from dataclasses import dataclass, field

from dedicated.api.edge import ClientAddress, Hsts

HTTP_PORT = 8080
HTTPS_PORT = 8443
PROBE_PORT = 8406
METRICS_PORT = 8407
PEER_PORT = 7000
ADDRESSES = 131_072
CONNECTIONS, OF_CLIENTS, REDIRECTED = 8000, 7400, 400
"""At once: of the process; of clients; of those at the port that only redirects. By the rest the kubelet and
the agent come in, when clients take all of theirs."""
CLUSTER_DOMAIN = "@CLUSTER_DOMAIN@"
"""The agent writes the cluster's domain here (`cluster.local`): HAProxy asks for full names only."""
NEAR = "@NEAR@"
"""A line of `near.lst`: the agent writes the ranges here that no client comes from, such as its pod's."""


def peer_address(replica: int) -> str:
    """The agent writes the address of the replica's Service here: peers do not ask for names again."""
    return f"@PEER_{replica}@"


@dataclass(frozen=True, slots=True)
class Backend:
    """Pods behind a headless Service; an IPv4 address as `host` is one server. `slots`: the most pods."""

    host: str
    port: int
    slots: int = 16


@dataclass(frozen=True, slots=True)
class Directories:
    """Where the files are: the agent's, the sockets, and the mounted Secrets (tls.crt, tls.key, ca.crt)."""

    config: str = "/etc/limiter"
    run: str = "/run/limiter"
    peers: str = "/etc/limiter-peers"
    tls: str = "/etc/limiter-tls"


@dataclass(frozen=True, slots=True)
class Site:
    """A limiter of an instance.

    `tls`: it terminates TLS itself. `addresses`: those tracked per class and replica. `address`: that it
    listens at; empty: every IPv4 address. `peer_addresses`: of its replicas; empty: the agent knows them.
    """

    name: str
    domain: str
    server: Backend
    login: Backend
    replicas: int = 2
    client_address: ClientAddress = field(default_factory=ClientAddress)
    hsts: Hsts = field(default_factory=Hsts)
    tls: bool = False
    peers_tls: bool = True
    addresses: int = ADDRESSES
    threads: int = 2
    directories: Directories = field(default_factory=Directories)
    address: str = ""
    peer_addresses: tuple[str, ...] = ()


def replica_name(site: Site, replica: int) -> str:
    """The replica's pod, its Service and the peer it is to the others."""
    return f"{site.name}-limiter-{replica}"
