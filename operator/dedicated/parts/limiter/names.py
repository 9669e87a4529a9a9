"""Names, ports and labels of the limiter's objects: shared by configuration, agent and edge."""

from datetime import datetime

from dedicated.api.objects import CONFIG_MAP, NETWORK_POLICY, SECRET, SERVICE, STATEFUL_SET, Ref
from dedicated.parts.limiter import site

COMPONENT = "limiter"
"""Label of all objects of the limiter, and the suffix of their names."""
HTTP_PORT, TLS_PORT, METRICS_PORT, PEERS_PORT = (
    site.HTTP_PORT, site.HTTPS_PORT, site.METRICS_PORT, site.PEER_PORT,
)  # fmt: skip
AGENT_PORT = 8408
MOST_REPLICAS = 3
BACKENDS = {"server": 8080, "login": 3000}
"""Who is behind the limiter, and at which port."""

POLICY_FILE = "policy.json"
"""Key of the ConfigMap: the canonical policy; `HASH_KEY` is its hash."""
HASH_KEY = "hash"


def limiter_name(instance: str) -> str:
    """Of the StatefulSet, the Service that all traffic enters by, the ConfigMap of its files, its account."""
    return f"{instance}-{COMPONENT}"


def replica_name(instance: str, ordinal: int) -> str:
    """Of one pod, and of the Service by which the others reach it."""
    return f"{limiter_name(instance)}-{ordinal}"


def report_name(instance: str) -> str:
    """Of the ConfigMap whose data is the agents'."""
    return f"{limiter_name(instance)}-report"


def pods_service(instance: str, component: str) -> str:
    """Of the headless Service of server or login: its addresses are the pods'."""
    return f"{instance}-{component}-pods"


def peers_prefix(instance: str) -> str:
    """What the names of all Secrets of the link begin with; the year and the month follow."""
    return f"{limiter_name(instance)}-peers-"


def peers_name(instance: str, now: datetime) -> str:
    """Of the Secret of the link that is made now."""
    return f"{peers_prefix(instance)}{now:%Y%m}"


def file_key(replica: int, file: str) -> str:
    """Key of one replica's file in the ConfigMap; maps and lists are the same for all, under their names."""
    return f"r{replica}.{file}"


def stateful_set_ref(instance: str) -> Ref:
    """The StatefulSet."""
    return Ref(STATEFUL_SET.kind, limiter_name(instance))


def service_ref(instance: str) -> Ref:
    """The Service that all traffic enters by. It is made once the limiter stands, and tells that it did."""
    return Ref(SERVICE.kind, limiter_name(instance))


def files_ref(instance: str) -> Ref:
    """The ConfigMap of its files."""
    return Ref(CONFIG_MAP.kind, limiter_name(instance))


def report_ref(instance: str) -> Ref:
    """The ConfigMap of the agents' words."""
    return Ref(CONFIG_MAP.kind, report_name(instance))


def policy_ref(instance: str, component: str) -> Ref:
    """The NetworkPolicy of a component."""
    return Ref(NETWORK_POLICY.kind, f"{instance}-{component}")


def secret_ref(name: str) -> Ref:
    """A Secret."""
    return Ref(SECRET.kind, name)
