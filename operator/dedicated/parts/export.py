"""An export: its Job, the record that it reports in, its rights and its ways.

One pod of two containers: the export's process in the operator's image, and PostgreSQL's programs in the
engine's (`export_programs`), over one volume that goes with the pod. It holds what the operator must not: the
database owner's credentials, the masterkey and the store's keys, by reference. It reads the primary: on a
standby the replay of the log would cancel a snapshot that is held for as long as a dump takes.

A physical export has the first container alone, which reads the engine's repository (`export_repository`).

All of it is named after the instance, of which one export runs at a time, and owned by the order. The way to
the engine's servers is a policy of its own that goes with it, so that none of the instance's objects changes.
"""

from dataclasses import dataclass

from dedicated.api.instance_export import InstanceExportSpec
from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.names import API_VERSION, EXPORT_KIND, GROUP
from dedicated.api.objects import (
    CONFIG_MAP,
    INSTANCE,
    JOB,
    NETWORK_POLICY,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Kind,
    Ref,
)
from dedicated.api.resource import Instance
from dedicated.contract.export import REPORT
from dedicated.parts import keys
from dedicated.parts.database.engine import PORT, USER, cluster_name
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.database.external import DSN_KEY
from dedicated.parts.export_programs import SCRIPT
from dedicated.parts.export_repository import PASSPHRASE, ExportRepository, repository_of
from dedicated.parts.instruction import RBAC
from dedicated.parts.metadata import labels, restricted_container, restricted_pod, selector
from dedicated.parts.recovery_agent import API_PORTS
from dedicated.parts.recovery_source import STORE_PORT
from dedicated.parts.stores import KEYS as STORE_KEYS
from dedicated.parts.wanted import DatabaseForm

COMPONENT = "export"
DSN = "EXPORT_DSN"
"""Variable: the source as one URL, where its Secret has one."""
SCRATCH, STORE, KEYS = "/scratch", "/etc/dedicated/store", "/etc/dedicated/keys"
RETRIES = 3
ENGINE_UID, IMAGE_UID = 26, 999
"""User of PostgreSQL in the engines' images, and in Docker's own: its programs want one that has a name."""
VARIABLES = {
    "host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "username": "PGUSER",
    "password": "PGPASSWORD", "sslmode": "PGSSLMODE",
}  # fmt: skip
OPTIONAL = frozenset({"port", "sslmode"})


@dataclass(frozen=True, slots=True)
class ExportWanted:
    """Input of the manifests. `order` and `uid` are the InstanceExport's; `image` is the operator's own,
    `postgres` that of PostgreSQL; `zitadel` the version that serves; `port` the database's."""

    instance: Instance
    order: str
    uid: str
    spec: InstanceExportSpec
    image: str
    postgres: str
    zitadel: str
    config: str
    form: DatabaseForm
    port: int

    @property
    def name(self) -> str:
        """Of the record, and of all else."""
        return export_name(self.instance.name)

    @property
    def repository(self) -> ExportRepository | None:
        """What a physical export reads; None of a logical one."""
        if self.spec.format == "Logical":
            return None
        return repository_of(self.instance, valid_for=self.spec.valid_for)


def export_name(instance: str) -> str:
    """Name of the record of an instance's export."""
    return f"{instance}-{COMPONENT}"


def folder(instance: Instance, order: str, spec: InstanceExportSpec) -> str:
    """Where in the bucket an export is stored; of a drill nothing is."""
    assert spec.destination is not None
    parts = (spec.destination.prefix.strip("/"), instance.namespace, instance.name, order)
    return "/".join(part for part in parts if part)


def told_in(manifest: Manifest) -> str:
    """The report in a record, as it is written."""
    return get_str(manifest, "data", REPORT)


def postgres_image(instance: Instance, spec: InstanceExportSpec) -> str:
    """PostgreSQL's programs; empty where none are known."""
    cluster = instance.spec.database.cluster
    return spec.image or (cluster.image if cluster is not None else "")


def manifests(wanted: ExportWanted) -> tuple[Manifest, ...]:
    """All of it, in the order in which it is made: the Job last."""
    return (
        _head(wanted, CONFIG_MAP, wanted.name),
        *_rights(wanted),
        *_policies(wanted),
        _job(wanted),
    )


def refs(instance: Instance) -> tuple[Ref, ...]:
    """What is taken away after an export, the Job first."""
    name = export_name(instance.name)
    kinds = (JOB, NETWORK_POLICY, ROLE_BINDING, ROLE, SERVICE_ACCOUNT, CONFIG_MAP)
    return (*(Ref(kind.kind, name) for kind in kinds), Ref(NETWORK_POLICY.kind, f"{name}-source"))


def _head(wanted: ExportWanted, kind: Kind, name: str) -> Manifest:
    owner: Manifest = {
        "apiVersion": API_VERSION,
        "kind": EXPORT_KIND,
        "name": wanted.order,
        "uid": wanted.uid,
    }
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": wanted.instance.namespace,
            "labels": labels(wanted.instance, COMPONENT),
            "ownerReferences": [owner],
        },
    }


def _rights(wanted: ExportWanted) -> tuple[Manifest, Manifest, Manifest]:
    """Its ServiceAccount, and the right to read and write the record, and to read the instance."""
    rules: list[JsonValue] = [
        {
            "apiGroups": [""],
            "resources": [CONFIG_MAP.plural],
            "resourceNames": [wanted.name],
            "verbs": ["get", "patch"],
        },
        {
            "apiGroups": [GROUP],
            "resources": [INSTANCE.plural],
            "resourceNames": [wanted.instance.name],
            "verbs": ["list"],
        },
    ]
    account: Manifest = {
        **_head(wanted, SERVICE_ACCOUNT, wanted.name),
        "automountServiceAccountToken": False,
    }
    subject: Manifest = {
        "kind": SERVICE_ACCOUNT.kind,
        "name": wanted.name,
        "namespace": wanted.instance.namespace,
    }
    binding: Manifest = {
        **_head(wanted, ROLE_BINDING, wanted.name),
        "roleRef": {"apiGroup": RBAC, "kind": ROLE.kind, "name": wanted.name},
        "subjects": [subject],
    }
    return account, {**_head(wanted, ROLE, wanted.name), "rules": rules}, binding


def _policies(wanted: ExportWanted) -> tuple[Manifest, ...]:
    """Out to DNS, database or repository, API server and store, in from nowhere; and of a logical export the
    way in at the engine's servers."""
    pods, repository, store = selector(wanted.instance, COMPONENT), wanted.repository, wanted.spec.destination
    port = store.endpoint.partition(":")[2] if store is not None else ""
    stored = {int(port) if port else STORE_PORT} if store is not None else set()
    read = repository.ports if repository is not None else (wanted.port,)
    ports = sorted({*read, *stored, *API_PORTS})
    own: Manifest = {
        **_head(wanted, NETWORK_POLICY, wanted.name),
        "spec": {
            "podSelector": {"matchLabels": pods},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [
                {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
                {"ports": [{"port": number, "protocol": "TCP"} for number in ports]},
            ],
        },
    }
    servers = adapter_of(wanted.instance).pods
    if servers is None or repository is not None:
        return (own,)
    way_in: JsonValue = {
        "from": [{"podSelector": {"matchLabels": pods}}],
        "ports": [{"port": PORT, "protocol": "TCP"}],
    }
    source: Manifest = {
        **_head(wanted, NETWORK_POLICY, f"{wanted.name}-source"),
        "spec": {
            "podSelector": {"matchLabels": {servers.cluster: cluster_name(wanted.instance)}},
            "policyTypes": ["Ingress"],
            "ingress": [way_in],
        },
    }
    return own, source


def _job(wanted: ExportWanted) -> Manifest:
    pod: Manifest = {
        "restartPolicy": "OnFailure",  # in the same pod, where the dump is
        "serviceAccountName": wanted.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": restricted_pod(),
        "initContainers": [_programs(wanted)] if wanted.repository is None else [],
        "containers": [_process(wanted)],
        "volumes": _volumes(wanted),
    }
    return {
        **_head(wanted, JOB, wanted.name),
        "spec": {
            "backoffLimit": RETRIES,
            "parallelism": 1,
            "completions": 1,
            "podReplacementPolicy": "Failed",
            "template": {"metadata": {"labels": labels(wanted.instance, COMPONENT)}, "spec": pod},
        },
    }


def _programs(wanted: ExportWanted) -> Manifest:
    """PostgreSQL's programs, beside the process for as long as that runs. No token reaches them."""
    external = wanted.instance.spec.database.cluster is None
    return {
        "name": "postgres",
        "image": wanted.postgres,
        "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", SCRIPT, "programs", SCRATCH],
        "env": _source(wanted),
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            **restricted_container(),
            "runAsUser": IMAGE_UID if external else ENGINE_UID,
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


def _process(wanted: ExportWanted) -> Manifest:
    repository = wanted.repository
    return {
        "name": COMPONENT,
        "image": wanted.image,
        "args": [*_arguments(wanted)],
        "env": _source(wanted) if repository is None else [*repository.environment],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": restricted_container(),
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH},
            *(_HANDED_OVER if wanted.spec.destination is not None else ()),
            {"name": "token", "mountPath": TOKEN, "readOnly": True},
            *(repository.mounts if repository is not None else ()),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


_HANDED_OVER: tuple[Manifest, ...] = (
    {"name": "keys", "mountPath": KEYS, "readOnly": True},
    {"name": "store", "mountPath": STORE, "readOnly": True},
)
"""Mounts without which nothing can be handed over: a drill has neither keys nor a store."""
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path


def _source(wanted: ExportWanted) -> list[JsonValue]:
    """The source as libpq reads it: references to the Secret of the database's owner."""
    connection = adapter_of(wanted.instance).connection(wanted.instance)
    if wanted.instance.spec.database.external is not None and wanted.form == "Dsn":
        reference: Manifest = {"name": connection.secret, "key": DSN_KEY}
        return [{"name": DSN, "valueFrom": {"secretKeyRef": reference}}]
    found: list[JsonValue] = []
    for field, key in connection.keys.items():
        told: dict[str, JsonValue] = {"name": connection.secret, "key": key}
        if field in OPTIONAL:
            told["optional"] = True
        found.append({"name": VARIABLES[field], "valueFrom": {"secretKeyRef": told}})
    if connection.ssl_mode:
        found.append({"name": VARIABLES["sslmode"], "value": connection.ssl_mode})
    if "database" not in connection.keys:
        found.append({"name": VARIABLES["database"], "value": USER})
    return found


def _volumes(wanted: ExportWanted) -> list[JsonValue]:
    repository = wanted.repository
    token: list[JsonValue] = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    return [
        {"name": "scratch", **(_claim(wanted) if repository is None else {"emptyDir": {}})},
        *_handed_over(wanted),
        {"name": "token", "projected": {"sources": token}},
        *(repository.volumes if repository is not None else ()),
        {"name": "tmp", "emptyDir": {}},
    ]


def _handed_over(wanted: ExportWanted) -> list[JsonValue]:
    """Volumes of what is handed over with the data, and of the store; none of a drill."""
    store, repository = wanted.spec.destination, wanted.repository
    if store is None:
        return []
    masterkey, name = keys.masterkey_ref(wanted.instance), wanted.instance.name
    pair = ("private.pem", "public.pem")
    packed: list[JsonValue] = [
        _packed("secret", masterkey.name, (masterkey.key,)),
        _packed("secret", f"{name}-{keys.OPERATOR_KEY}", pair),
        _packed("secret", f"{name}-{keys.LOGIN_KEY}", pair),
        _packed("configMap", f"{name}-{keys.IDENTITY}", ("salt", "masterkey")),
        _packed("configMap", wanted.config, ("zitadel.yaml", "steps.yaml")),
    ]
    if repository is not None and repository.secret:
        packed.append(_packed("secret", repository.secret, (PASSPHRASE,)))
    items: list[JsonValue] = [{"key": key, "path": key} for key in STORE_KEYS]
    return [
        {"name": "keys", "projected": {"defaultMode": 0o440, "sources": packed}},
        {"name": "store", "secret": {"secretName": store.secret_name, "items": items}},
    ]


def _claim(wanted: ExportWanted) -> Manifest:
    """A volume for dump and trial import."""
    claim: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": wanted.spec.scratch.size}},
    }
    if wanted.spec.scratch.class_name is not None:
        claim["storageClassName"] = wanted.spec.scratch.class_name
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}


def _packed(kind: str, name: str, files: tuple[str, ...]) -> Manifest:
    """A source of the key bundle. What is missing the Job tells in words, where a pod would only wait."""
    items: list[JsonValue] = [{"key": key, "path": f"{kind.lower()}s/{name}/{key}"} for key in files]
    return {kind: {"name": name, "items": items, "optional": True}}


def _arguments(wanted: ExportWanted) -> list[str]:
    instance, repository = wanted.instance, wanted.repository
    given = {
        "export": wanted.uid,
        "record": wanted.name,
        "instance": instance.name,
        "namespace": instance.namespace,
        "uid": instance.meta.uid,
        "zitadel": wanted.zitadel,
        "scratch": SCRATCH,
        **_to_hand_over(wanted),
        **(repository.arguments if repository is not None else {}),
    }
    arguments = ["agent", COMPONENT, *(f"--{name}={value}" for name, value in given.items())]
    if wanted.spec.destination is None:
        return arguments
    pairs = (f"{instance.name}-{pair}" for pair in (keys.OPERATOR_KEY, keys.LOGIN_KEY))
    needed = [keys.masterkey_ref(instance).name, *pairs]
    if repository is not None and repository.secret:
        needed.append(repository.secret)
    return [*arguments, *(f"--secret={name}" for name in needed)]


def _to_hand_over(wanted: ExportWanted) -> dict[str, str]:
    """Where it is stored and to whom it is sealed; nothing of a drill."""
    destination, masterkey = wanted.spec.destination, keys.masterkey_ref(wanted.instance)
    if destination is None:
        return {}
    return {
        "recipient": wanted.spec.recipient or "",
        "bucket": destination.bucket,
        "folder": folder(wanted.instance, wanted.order, wanted.spec),
        "endpoint": destination.endpoint,
        "region": destination.region,
        "store-credentials": STORE,
        "keys": KEYS,
        "masterkey": f"{masterkey.name}/{masterkey.key}",
    }
