"""Two replicas and who of them leads: for tests of leader election."""

from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from cluster.instances import wait_for
from cluster.observing import change, is_applied
from cluster.standing import until
from dedicated.api.json import get_str
from faultproxy import FaultProxy
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator
from testbed.operator_process import OperatorProcess

LEASE_SECONDS = 6.0
EXTRA = (f"--lease-seconds={LEASE_SECONDS:g}",)
RETRY_SECONDS = 1.2 * 1.2
"""How often a standby looks at most."""
LEASES = "coordination.k8s.io/v1/leases"


def pair(
    run_operator: RunOperator, home: str, namespace: str, *proxies: FaultProxy
) -> tuple[OperatorProcess, OperatorProcess]:
    """A leader and a standby, behind proxies where there are some. A standby is ready: it misses nothing."""
    servers = [proxy.url for proxy in proxies] + ["", ""]
    leader, standby = (
        run_operator(home, watch=(namespace,), identity=f"operator-{number}", extra=EXTRA, server=server)
        for number, server in enumerate(servers[:2])
    )
    assert is_leader(leader)
    assert not is_leader(standby)
    return leader, standby


def is_leader(operator: OperatorProcess) -> bool:
    """Whether it says so."""
    return "dedicated_operator_leader 1.0" in operator.http("/metrics")[1]


def stands_by(operator: OperatorProcess) -> bool:
    """Whether nothing of a term is left in what it tells, and it is well."""
    text = operator.http("/metrics")[1]
    told = ("dedicated_operator_leader 1.0", "watch_heartbeat_age_seconds{", "dedicated_instance_info{")
    health, body = operator.http("/healthz")
    return (
        not any(word in text for word in told)
        and operator.http("/readyz")[0] == 200
        and health == 200
        and '"watches": {}' in body
    )


def works(operator: OperatorProcess) -> bool:
    """Whether a leader has its instances and watches, and says that it is well."""
    text = operator.http("/metrics")[1]
    told = ("dedicated_operator_leader 1.0", "watch_heartbeat_age_seconds{", "dedicated_instance_info{")
    return all(word in text for word in told) and operator.http("/healthz")[0] == 200


def holder(cluster: Cluster, namespace: str) -> str:
    """Who holds the lease, as the API server has it."""
    return get_str(cluster.api.get(LEASES, namespace, "dedicated-operator"), "spec", "holderIdentity")


def replicas(cluster: Cluster, namespace: str, number: int) -> None:
    """Change the spec, and wait until whoever leads has applied it."""
    change(cluster.api, namespace, {"login": {"replicas": number}})
    wait_for(cluster.api, namespace, is_applied, what=f"{number} replicas")


@dataclass(frozen=True, slots=True, order=True)
class Footprint:
    """What a process holds: threads, and connections to others."""

    threads: int
    connections: int


def footprint(operator: OperatorProcess) -> Footprint:
    """What it holds now."""
    process = psutil.Process(operator.process.pid)
    connections = [found for found in process.net_connections("tcp") if found.status == "ESTABLISHED"]
    port = int(operator.url.rpartition(":")[2])
    return Footprint(process.num_threads(), sum(found.laddr.port != port for found in connections))


@dataclass(slots=True)
class Election:
    """Looks at who leads. `seen` are the numbers of leaders found, each once."""

    replicas: tuple[OperatorProcess, ...]
    seen: set[int] = field(default_factory=set)

    def leaders(self) -> list[OperatorProcess]:
        """Who leads now."""
        found = [operator for operator in self.replicas if is_leader(operator)]
        self.seen.add(len(found))
        return found

    def settled(self, *, seconds: float) -> tuple[OperatorProcess, float]:
        """The one who leads, and the seconds until there was one."""
        took = until(lambda: len(self.leaders()) == 1, "one leader", seconds=seconds)
        (leader,) = self.leaders()
        return leader, took


def errors(operator: OperatorProcess) -> list[str]:
    """What it has logged as an error. Not what kopf takes for one: that the API server does not answer."""
    return [
        get_str(line, "message")
        for line in operator.logs()
        if get_str(line, "level") not in ("debug", "info", "warning")
        and not get_str(line, "logger").startswith("kopf")
    ]


def held_back(proxy: FaultProxy, holds: Callable[[str], bool]) -> list[str]:
    """The writes of a replica that match, with what the API server answered."""
    return [
        f"{exchange.asked} {exchange.forwarded}"
        for exchange in proxy.writes()
        if holds(str(exchange.asked))
    ]
