"""A logical import (`spec.from.export`, `spec.from.database`): its Job, record, rights and ways.

Built as the Job of an export is (`parts.export`): the process in the operator's image, PostgreSQL's programs
in the engine's beside it, one volume between them that goes with the pod. It holds what the operator must
not, by reference: the masterkey, the owner of the instance's database, and what opens the source. All of it
is the instance's, is named after it, and is taken away when the import is on record.
"""

from dataclasses import dataclass

from dedicated.api.compute import Storage
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.api.objects import (
    CONFIG_MAP,
    JOB,
    NETWORK_POLICY,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Ref,
)
from dedicated.api.resource import Instance
from dedicated.api.source import DatabaseSource, ExportSource
from dedicated.contract.import_report import MANAGER, REPORT
from dedicated.parts import keys
from dedicated.parts.database.engine import PORT, USER, cluster_name
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.database.external import DSN_KEY
from dedicated.parts.export import ENGINE_UID, IMAGE_UID, OPTIONAL, TOKEN, VARIABLES
from dedicated.parts.import_programs import SCRIPT, TARGET
from dedicated.parts.instruction import RBAC
from dedicated.parts.metadata import child, labels, restricted_container, restricted_pod, selector
from dedicated.parts.recovery_agent import API_PORTS
from dedicated.parts.recovery_source import STORE_PORT
from dedicated.parts.stores import KEYS as STORE_KEYS
from dedicated.parts.wanted import DatabaseForm

COMPONENT = "import"
SOURCE_DSN, TARGET_DSN = "IMPORT_DSN", f"{TARGET}DSN"
"""Variables: the source, and the instance's own database where its Secret has one URL."""
SCRATCH, STORE, KEYS = "/scratch", "/etc/dedicated/store", "/etc/dedicated/keys"
MASTERKEY, IDENTITY = "masterkey", "identity"
RETRIES = 3
SOURCE_PORTS = (5432, 5433, 6432)
"""Where a source is reached whose URL the operator does not read: usual ports of PostgreSQL and poolers."""


@dataclass(frozen=True, slots=True)
class ImportWanted:
    """Input of the manifests. `image` is the operator's own, `zitadel` the release that will run; `port` the
    database's."""

    instance: Instance
    source: ExportSource | DatabaseSource
    image: str
    zitadel: str
    form: DatabaseForm
    port: int

    @property
    def name(self) -> str:
        """Of the record, and of all else."""
        return import_name(self.instance.name)

    @property
    def postgres(self) -> str:
        """The image with PostgreSQL's programs."""
        cluster = self.instance.spec.database.cluster
        return self.source.image or (cluster.image if cluster is not None else "")


def import_name(instance: str) -> str:
    """Name of the record of an instance's import."""
    return f"{instance}-{COMPONENT}"


def job_ref(instance: Instance) -> Ref:
    """Its Job."""
    return Ref(JOB.kind, import_name(instance.name))


def is_report(component: str, manager: str, fields: Manifest) -> bool:
    """Whether what a manager owns of an object is the import's word in its record."""
    told = set(get_map(fields, "f:data")) - {"."}
    ours = component == COMPONENT and manager == MANAGER
    return ours and set(fields) == {"f:data"} and told <= {f"f:{REPORT}"}


def manifests(wanted: ImportWanted) -> tuple[Manifest, ...]:
    """All of it, in the order in which it is made: the Job last."""
    record = child(CONFIG_MAP, wanted.instance, COMPONENT, COMPONENT)
    return (record, *_rights(wanted), *_policies(wanted), _job(wanted))


def _rights(wanted: ImportWanted) -> tuple[Manifest, Manifest, Manifest]:
    """Its ServiceAccount, and the right to read and write the record alone."""
    instance = wanted.instance
    rule: Manifest = {
        "apiGroups": [""],
        "resources": [CONFIG_MAP.plural],
        "resourceNames": [wanted.name],
        "verbs": ["get", "patch"],
    }
    account = child(SERVICE_ACCOUNT, instance, COMPONENT, COMPONENT)
    subject: Manifest = {
        "kind": SERVICE_ACCOUNT.kind, "name": wanted.name, "namespace": instance.namespace,
    }  # fmt: skip
    binding: Manifest = {
        **child(ROLE_BINDING, instance, COMPONENT, COMPONENT),
        "roleRef": {"apiGroup": RBAC, "kind": ROLE.kind, "name": wanted.name},
        "subjects": [subject],
    }
    role: Manifest = {**child(ROLE, instance, COMPONENT, COMPONENT), "rules": [rule]}
    account["automountServiceAccountToken"] = False
    return account, role, binding


def _policies(wanted: ImportWanted) -> tuple[Manifest, ...]:
    """Out to DNS, databases, API server and store, in from nowhere; and the way in at the servers."""
    pods = selector(wanted.instance, COMPONENT)
    source = wanted.source
    far = (_port(source.endpoint),) if isinstance(source, ExportSource) else SOURCE_PORTS
    ports = sorted({wanted.port, *far, *API_PORTS})
    own: Manifest = {
        **child(NETWORK_POLICY, wanted.instance, COMPONENT, COMPONENT),
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
    if servers is None:
        return (own,)
    way_in: JsonValue = {
        "from": [{"podSelector": {"matchLabels": pods}}],
        "ports": [{"port": PORT, "protocol": "TCP"}],
    }
    target: Manifest = {
        **child(NETWORK_POLICY, wanted.instance, f"{COMPONENT}-target", COMPONENT),
        "spec": {
            "podSelector": {"matchLabels": {servers.cluster: cluster_name(wanted.instance)}},
            "policyTypes": ["Ingress"],
            "ingress": [way_in],
        },
    }
    return own, target


def _port(endpoint: str) -> int:
    port = endpoint.partition(":")[2]
    return int(port) if port else STORE_PORT


def _job(wanted: ImportWanted) -> Manifest:
    pod: Manifest = {
        "restartPolicy": "OnFailure",  # in the same pod, where the dump is
        "serviceAccountName": wanted.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": restricted_pod(),
        "initContainers": [_programs(wanted)],
        "containers": [_process(wanted)],
        "volumes": _volumes(wanted),
    }
    return {
        **child(JOB, wanted.instance, COMPONENT, COMPONENT),
        "spec": {
            "backoffLimit": RETRIES,
            "parallelism": 1,
            "completions": 1,
            "podReplacementPolicy": "Failed",
            "template": {"metadata": {"labels": labels(wanted.instance, COMPONENT)}, "spec": pod},
        },
    }


def _programs(wanted: ImportWanted) -> Manifest:
    """PostgreSQL's programs, beside the process for as long as that runs. No token reaches them."""
    external = wanted.instance.spec.database.cluster is None
    return {
        "name": "postgres",
        "image": wanted.postgres,
        "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", SCRIPT, "programs", SCRATCH],
        "env": _databases(wanted),
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


def _process(wanted: ImportWanted) -> Manifest:
    mounts: list[JsonValue] = [
        {"name": "scratch", "mountPath": SCRATCH},
        {"name": "keys", "mountPath": KEYS, "readOnly": True},
        {"name": "token", "mountPath": TOKEN, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    if isinstance(wanted.source, ExportSource):
        mounts.append({"name": "store", "mountPath": STORE, "readOnly": True})
    return {
        "name": COMPONENT,
        "image": wanted.image,
        "args": [*_arguments(wanted)],
        "env": _databases(wanted),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": restricted_container(),
        "volumeMounts": mounts,
    }


def _databases(wanted: ImportWanted) -> list[JsonValue]:
    """The instance's own database and the source, by reference; names of their own, so that nothing of the
    one is taken for the other's."""
    connection = adapter_of(wanted.instance).connection(wanted.instance)
    found: list[JsonValue] = []
    if isinstance(wanted.source, DatabaseSource):
        found.append(_from(SOURCE_DSN, wanted.source.secret_name, DSN_KEY))
    if wanted.instance.spec.database.external is not None and wanted.form == "Dsn":
        return [*found, _from(TARGET_DSN, connection.secret, DSN_KEY)]
    found += [
        _from(f"{TARGET}{VARIABLES[field]}", connection.secret, key, optional=field in OPTIONAL)
        for field, key in connection.keys.items()
    ]
    plain = {"sslmode": connection.ssl_mode, "database": "" if "database" in connection.keys else USER}
    found += [{"name": f"{TARGET}{VARIABLES[field]}", "value": text} for field, text in plain.items() if text]
    return found


def _from(variable: str, secret: str, key: str, *, optional: bool = False) -> Manifest:
    reference: Manifest = {"name": secret, "key": key, **({"optional": True} if optional else {})}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _volumes(wanted: ImportWanted) -> list[JsonValue]:
    masterkey, source = keys.masterkey_ref(wanted.instance), wanted.source
    files: list[JsonValue] = [_file(masterkey.name, masterkey.key, MASTERKEY)]
    stores: list[JsonValue] = []
    if isinstance(source, ExportSource):
        files.append(_file(source.identity_secret_name, "identity", IDENTITY))
        items: list[JsonValue] = [{"key": key, "path": key} for key in STORE_KEYS]
        stores.append({"name": "store", "secret": {"secretName": source.secret_name, "items": items}})
    token: list[JsonValue] = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    return [
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": _claim(source.scratch)}}},
        {"name": "keys", "projected": {"defaultMode": 0o440, "sources": files}},
        {"name": "token", "projected": {"sources": token}},
        *stores,
        {"name": "tmp", "emptyDir": {}},
    ]


def _file(secret: str, key: str, path: str) -> Manifest:
    return {"secret": {"name": secret, "items": [{"key": key, "path": path}]}}


def _claim(scratch: Storage) -> Manifest:
    claim: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": scratch.size}},
    }
    return claim if scratch.class_name is None else {**claim, "storageClassName": scratch.class_name}


def _arguments(wanted: ImportWanted) -> list[str]:
    instance, source = wanted.instance, wanted.source
    given = {
        "uid": instance.meta.uid,
        "record": wanted.name,
        "namespace": instance.namespace,
        "zitadel": wanted.zitadel,
        "masterkey": f"{KEYS}/{MASTERKEY}",
        "scratch": SCRATCH,
    }
    if isinstance(source, ExportSource):
        given |= {
            "bucket": source.bucket,
            "folder": source.folder,
            "endpoint": source.endpoint,
            "region": source.region,
            "store-credentials": STORE,
            "manifest-sha256": source.manifest_sha256,
            "identity": f"{KEYS}/{IDENTITY}",
        }
    return ["agent", COMPONENT, *(f"--{name}={value}" for name, value in given.items())]
