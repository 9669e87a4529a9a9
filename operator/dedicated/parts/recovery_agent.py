"""The recovery agent: one small pod beside the instance that says what could be restored, and its record.

The agent holds what the operator must not: the monitoring role's access to the database, and access to the
repository, as environment by reference to their Secrets. It tells what it found in one ConfigMap, the record:
the operator makes it empty, the agent writes its data and nothing else, which its Role, and the protection
of the instance, hold it to. What it writes there is nobody's modification; anything else that differs is.
One replica, and never two at once: two samplers would write over each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dedicated.api.json import JsonValue, Manifest, digest, get_str, strings
from dedicated.api.names import GROUP, LABEL_INSTANCE, ZONE_LABEL
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, SERVICE
from dedicated.api.resource import Instance
from dedicated.contract.recovery.objectives import RecoveryObjectives
from dedicated.contract.recovery.report import MANAGER, REPORT, SAMPLES, Report, from_json
from dedicated.contract.recovery.verdict import condensed
from dedicated.parts import stores
from dedicated.parts.database.engine import PORT as DATABASE_PORT
from dedicated.parts.database.engine import created_at
from dedicated.parts.metadata import child, labels, restricted_container, restricted_pod, selector
from dedicated.parts.process import is_word, rights, tcp, ways_out

COMPONENT = "recovery"
PORT = 8080
"""Of the agent's metrics and its health, by default."""
HOME = "/etc/dedicated/agent"
DSN, CONFIGURATION, STORES = "dsn", "pgbackrest.conf", "stores.json"
"""Files in it."""
ANNOTATION_SETTINGS = f"{GROUP}/settings"
AWAY_SECONDS = 10
"""How long it stays on a node that is away. Kubernetes' own is 300 s, without anybody to see to a standby."""


@dataclass(frozen=True, slots=True)
class Source:
    """What of an instance the agent reads, as its engine has it.

    `dsn` is a connection string and `configuration` that of pgBackRest, empty where another tool stores; both
    without a credential: these come as `environment`, by reference to Secrets. `repository` are the arguments
    that name it; the ports are the agent's ways out. `members` are the labels of the database's pods, and
    `primary` selects the one of them that the agent keeps away from.
    """

    dsn: str
    configuration: str
    repository: tuple[str, ...]
    environment: tuple[JsonValue, ...]
    ports: tuple[int, ...]
    members: Mapping[str, str] = field(default_factory=dict)
    primary: Manifest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentWanted:
    """Input of the agent's manifests: its image is the operator's own."""

    instance: Instance
    image: str
    source: Source
    objectives: RecoveryObjectives

    @property
    def name(self) -> str:
        """Name of the record, and of all else of the agent."""
        return record_name(self.instance.name)


@dataclass(frozen=True, slots=True)
class Kept:
    """The record as read: since when there is one, and the report; None where it holds none to be read."""

    made: datetime | None
    report: Report | None


def record_name(instance: str) -> str:
    """Name of an instance's record."""
    return f"{instance}-{COMPONENT}"


def kept_of(manifest: Manifest) -> Kept:
    """The record of a manifest, as far as a judgement asks for it."""
    found = from_json(get_str(manifest, "data", REPORT))
    return Kept(created_at(manifest), condensed(found) if found else None)


def is_report(component: str, manager: str, fields: Manifest) -> bool:
    """Whether what a manager owns of an object is the agent's word in the record."""
    return (component, manager) == (COMPONENT, MANAGER) and is_word(fields, REPORT, SAMPLES)


def record(instance: Instance) -> Manifest:
    """The record, empty: its data is the agent's."""
    return child(CONFIG_MAP, instance, COMPONENT, COMPONENT)


def manifests(wanted: AgentWanted) -> tuple[Manifest, ...]:
    """All that the agent is made of."""
    found = record(wanted.instance)
    every = found, _settings(wanted), *rights(found), _policy(wanted), _deployment(wanted)
    return (*every, _members(wanted)) if wanted.source.members else every


def members_name(instance: str) -> str:
    """Name of the Service whose addresses are those of the database's servers."""
    return f"{instance}-{COMPONENT}-members"


def _port(number: int) -> Manifest:
    return {"port": number, "targetPort": number, "protocol": "TCP"}


def _members(wanted: AgentWanted) -> Manifest:
    """Each server of the database by its own address, ready or not: the agent asks all for their timeline,
    and the engines' own Services lead to some of them."""
    spec: Manifest = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": strings(wanted.source.members),
        "ports": [{"name": "postgresql", **_port(DATABASE_PORT)}],
    }
    return {**child(SERVICE, wanted.instance, f"{COMPONENT}-members", COMPONENT), "spec": spec}


def _settings(wanted: AgentWanted) -> Manifest:
    """What it reads when it starts."""
    head = child(CONFIG_MAP, wanted.instance, f"{COMPONENT}-settings", COMPONENT)
    files: Manifest = {DSN: wanted.source.dsn, STORES: stores.document(wanted.instance)}
    if wanted.source.configuration:
        files[CONFIGURATION] = wanted.source.configuration
    return {**head, "data": files}


def _policy(wanted: AgentWanted) -> Manifest:
    """Out to database, API server and store; in from pods of no instance, such as the monitoring's."""
    outside: Manifest = {"matchExpressions": [{"key": LABEL_INSTANCE, "operator": "DoesNotExist"}]}
    spec: Manifest = {
        "podSelector": {"matchLabels": selector(wanted.instance, COMPONENT)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [{"namespaceSelector": {}, "podSelector": outside}],
                "ports": tcp(PORT),
            }
        ],
        "egress": ways_out(*wanted.source.ports),
    }
    return {**child(NETWORK_POLICY, wanted.instance, COMPONENT, COMPONENT), "spec": spec}


def _deployment(wanted: AgentWanted) -> Manifest:
    chosen = selector(wanted.instance, COMPONENT)
    pod: Manifest = {
        "serviceAccountName": wanted.name,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": restricted_pod(),
        "containers": [_container(wanted)],
        "volumes": [
            {"name": "settings", "configMap": {"name": f"{wanted.name}-settings"}},
            *stores.volumes(wanted.instance),
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if wanted.source.primary:
        pod["affinity"] = _away_from(wanted.source.primary)
        pod["tolerations"] = [_tolerated(state) for state in ("not-ready", "unreachable")]
    # A change of the settings is a change of the template: the agent reads them when it starts.
    mark: Manifest = {ANNOTATION_SETTINGS: digest(_settings(wanted)["data"])}
    return {
        **child(DEPLOYMENT, wanted.instance, COMPONENT, COMPONENT),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": chosen},
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": labels(wanted.instance, COMPONENT), "annotations": mark},
                "spec": pod,
            },
        },
    }


def _away_from(primary: Manifest) -> Manifest:
    """In another zone where one has room: what is lost with the primary sees to no standby."""
    term: Manifest = {"labelSelector": primary, "topologyKey": ZONE_LABEL}
    preferred: Manifest = {"weight": 100, "podAffinityTerm": term}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}


def _tolerated(state: str) -> Manifest:
    key = f"node.kubernetes.io/{state}"
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": AWAY_SECONDS}


def _container(wanted: AgentWanted) -> Manifest:
    return {
        "name": COMPONENT,
        "image": wanted.image,
        "args": [*_arguments(wanted)],
        "env": [*wanted.source.environment],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "80Mi"}, "limits": {"memory": "160Mi"}},
        "securityContext": restricted_container(),
        "volumeMounts": [
            {"name": "settings", "mountPath": HOME, "readOnly": True},
            *stores.mounts(wanted.instance),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }


def _arguments(wanted: AgentWanted) -> tuple[str, ...]:
    instance, objectives = wanted.instance, wanted.objectives
    return (
        *("agent", COMPONENT),
        *("--instance", instance.name),
        *("--namespace", instance.namespace),
        *("--uid", instance.incarnation),
        *("--dsn-file", f"{HOME}/{DSN}"),
        *(("--members", members_name(instance.name)) if wanted.source.members else ()),
        *wanted.source.repository,
        *("--stores", f"{HOME}/{STORES}"),
        *("--disaster-rpo", _seconds(objectives.disaster_rpo)),
        *("--archive-interval", _seconds(objectives.archive_interval)),
    )


def _seconds(length: timedelta) -> str:
    return str(int(length.total_seconds()))
