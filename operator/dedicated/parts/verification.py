"""The verification of a restored copy: a Job in the operator's own image, its record, the copy's isolation.

The copy is a database beside the instance's. Until it is verified nobody but the Job connects to it, and its
pods go out to DNS, the API server and the repository alone: a drill sends no mail and runs no webhook, since
no ZITADEL is ever started on it. The Job holds what the operator must not: the copy's credentials and the
masterkey, both by reference. It tells what it found in one ConfigMap, the record, which its Role, and the
protection of the instance, hold it to.

All of these are named after the record, and the restore owns them: they go with it.
"""

from dataclasses import dataclass
from datetime import timedelta

from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import CONFIG_MAP, NETWORK_POLICY
from dedicated.api.resource import Instance
from dedicated.contract.recovery.proof import MANAGER, VERDICT, Goal, Verdict, read_verdict
from dedicated.contract.recovery.report import SAMPLES
from dedicated.parts import keys, process
from dedicated.parts.database.engine import PORT, USER, Connection, Flows
from dedicated.parts.metadata import owned, restricted_container
from dedicated.parts.process import head, is_word, rights, tcp, ways_out
from dedicated.parts.recovery_agent import record_name

COMPONENT = "verification"
HOME = "/etc/dedicated/verification"
MASTERKEY, RECORD = "masterkey", "record"
"""Folders in it: the masterkey's file, and the samples of the source."""
TIMEOUT = timedelta(hours=2)
"""By default for the end of recovery, and as much again for looking at all of it."""
RETRIES = 3
"""Attempts that could not look: the API server or the Job's node was away."""
VARIABLES = {
    "host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "username": "PGUSER",
    "password": "PGPASSWORD",
}  # fmt: skip
"""Fields of a connection, as libpq reads them."""
SALT = "MASTERKEY_SALT"
"""The variable with the salt of the masterkey's fingerprint."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A restored database, and what it is held against.

    `restore` and `uid` name the restore, `owner` is the owner reference to it. `incarnation` is the source's,
    whose samples the copy is held against. `connection` is of the copy;
    `host` is said where its Secret has no host. `pods` are the labels of the copy's pods, `flows` and
    `store_ports` those of its engine and of the repository.
    """

    instance: Instance
    restore: str
    uid: str
    owner: Manifest
    incarnation: str
    image: str
    connection: Connection
    pods: Manifest
    flows: Flows
    store_ports: tuple[int, ...]
    goal: Goal
    host: str = ""
    timeout: timedelta = TIMEOUT

    @property
    def name(self) -> str:
        """Name of the record, and of all else of the verification."""
        return verdict_name(self.restore)


def verdict_name(restore: str) -> str:
    """Name of the record of a restore's verification."""
    return f"{restore}-{VERDICT}"


def verdict_of(manifest: Manifest, *, uid: str) -> Verdict | None:
    """The verdict in a record, if it is of the restore with this uid."""
    return read_verdict({VERDICT: get_str(manifest, "data", VERDICT)}, restore=uid)


def is_verdict(component: str, manager: str, fields: Manifest) -> bool:
    """Whether what a manager owns of an object is the verification's word in its record."""
    return (component, manager) == (COMPONENT, MANAGER) and is_word(fields, VERDICT)


def isolation(copy: Copy) -> Manifest:
    """The policy of the copy's pods: made before the copy is. Only the Job and the engine come in."""
    members: Manifest = {"podSelector": {"matchLabels": copy.pods}}
    job: Manifest = {"podSelector": {"matchLabels": _selector(copy)}}
    operator: Manifest = {
        "namespaceSelector": {},
        "podSelector": {
            "matchLabels": {**copy.flows.operator},
            "matchExpressions": [{"key": LABEL_INSTANCE, "operator": "DoesNotExist"}],
        },
    }
    between = tcp(PORT, *copy.flows.members)
    ingress: list[JsonValue] = [
        {"from": [members], "ports": between},
        {"from": [job], "ports": tcp(PORT)},
    ]
    if copy.flows.operator_ports:
        ingress.append({"from": [operator], "ports": tcp(*copy.flows.operator_ports)})
    to_names, outside = ways_out(*copy.store_ports)
    return {
        **head(NETWORK_POLICY, _record(copy), name=f"{copy.restore}-isolated"),
        "spec": {
            "podSelector": {"matchLabels": copy.pods},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": [to_names, {"to": [members], "ports": between}, outside],
        },
    }


def verification(copy: Copy) -> tuple[Manifest, ...]:
    """The record, empty, the Job's rights and its ways, and the Job: in the order in which they are made."""
    record = _record(copy)
    return (record, *rights(record), _policy(copy), _job(copy))


def _selector(copy: Copy) -> Manifest:
    """The Job's pods: those of the instance's default-deny, told apart by their own Job."""
    return {
        LABEL_INSTANCE: copy.instance.name,
        LABEL_COMPONENT: COMPONENT,
        "batch.kubernetes.io/job-name": copy.name,
    }


def _record(copy: Copy) -> Manifest:
    return owned(CONFIG_MAP, copy.instance, copy.name, COMPONENT, owner=copy.owner)


def _policy(copy: Copy) -> Manifest:
    """Out to DNS, the API server and the copy; in from nowhere."""
    to_copy: Manifest = {"to": [{"podSelector": {"matchLabels": copy.pods}}], "ports": tcp(PORT)}
    to_names, to_server = ways_out()
    return {
        **head(NETWORK_POLICY, _record(copy)),
        "spec": {
            "podSelector": {"matchLabels": _selector(copy)},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [to_names, to_copy, to_server],
        },
    }


def _job(copy: Copy) -> Manifest:
    masterkey = keys.masterkey_ref(copy.instance)
    pod: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": True,
        "containers": [_container(copy)],
        "volumes": [
            {
                "name": MASTERKEY,
                "secret": {
                    "secretName": masterkey.name,
                    "defaultMode": 0o440,
                    "items": [{"key": masterkey.key, "path": MASTERKEY}],
                },
            },
            {
                "name": RECORD,
                "configMap": {
                    "name": record_name(copy.instance.name),
                    "optional": True,
                    "items": [{"key": SAMPLES, "path": SAMPLES}],
                },
            },
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    return process.job(_record(copy), pod, retries=RETRIES, within=2 * copy.timeout)


def _container(copy: Copy) -> Manifest:
    return {
        "name": COMPONENT,
        "image": copy.image,
        "args": [*_arguments(copy)],
        "env": _environment(copy),
        "resources": {"requests": {"cpu": "50m", "memory": "80Mi"}, "limits": {"memory": "160Mi"}},
        "securityContext": restricted_container(),
        "volumeMounts": [
            {"name": MASTERKEY, "mountPath": f"{HOME}/{MASTERKEY}", "readOnly": True},
            {"name": RECORD, "mountPath": f"{HOME}/{RECORD}", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


def _environment(copy: Copy) -> list[JsonValue]:
    """Where the copy is and as whom to ask it, by its engine's Secret, and the salt of the fingerprint."""
    told: dict[str, JsonValue] = {
        VARIABLES[field]: {"secretKeyRef": {"name": copy.connection.secret, "key": key}}
        for field, key in copy.connection.keys.items()
        if field in VARIABLES
    }
    found: list[JsonValue] = [{"name": name, "valueFrom": value} for name, value in told.items()]
    plain = {"PGSSLMODE": copy.connection.ssl_mode, "PGHOST": copy.host, "PGDATABASE": USER}
    found += [{"name": name, "value": value} for name, value in plain.items() if value and name not in told]
    salt: Manifest = {"name": f"{copy.instance.name}-{keys.IDENTITY}", "key": "salt", "optional": True}
    return [*found, {"name": SALT, "valueFrom": {"configMapKeyRef": salt}}]


def _arguments(copy: Copy) -> tuple[str, ...]:
    return (
        *("agent", "verify"),
        *("--restore", copy.uid),
        *("--record", copy.name),
        *("--namespace", copy.instance.namespace),
        *("--uid", copy.incarnation),
        *("--until", copy.goal.at.isoformat()),
        *(("--newest",) if copy.goal.newest else ()),
        *("--samples", f"{HOME}/{RECORD}/{SAMPLES}"),
        *("--masterkey", f"{HOME}/{MASTERKEY}/{MASTERKEY}"),
        *("--timeout", str(int(copy.timeout.total_seconds()))),
    )
