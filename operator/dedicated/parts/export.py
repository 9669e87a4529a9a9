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
from dedicated.api.names import API_VERSION, EXPORT_KIND
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
from dedicated.contract.transfer.export import REPORT
from dedicated.parts import keys, programs
from dedicated.parts.export_programs import SCRIPT
from dedicated.parts.export_repository import PASSPHRASE, ExportRepository, repository_of
from dedicated.parts.metadata import owned
from dedicated.parts.process import reading, rights
from dedicated.parts.programs import KEYS, SCRATCH, STORE, TOKEN
from dedicated.parts.stores import keys_of, port_of
from dedicated.parts.wanted import DatabaseForm

COMPONENT = "export"
DSN = "EXPORT_DSN"
"""Variable: the source as one URL, where its Secret has one."""


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
    record = _record(wanted)
    return (
        record,
        *rights(record, reading(wanted.instance)),
        *_policies(record, wanted),
        _job(record, wanted),
    )


def refs(instance: Instance) -> tuple[Ref, ...]:
    """What is taken away after an export, the Job first."""
    name = export_name(instance.name)
    kinds = (JOB, NETWORK_POLICY, ROLE_BINDING, ROLE, SERVICE_ACCOUNT, CONFIG_MAP)
    return (*(Ref(kind.kind, name) for kind in kinds), Ref(NETWORK_POLICY.kind, f"{name}-source"))


def _record(wanted: ExportWanted) -> Manifest:
    owner: Manifest = {
        "apiVersion": API_VERSION,
        "kind": EXPORT_KIND,
        "name": wanted.order,
        "uid": wanted.uid,
    }
    return owned(CONFIG_MAP, wanted.instance, wanted.name, COMPONENT, owner=owner)


def _policies(record: Manifest, wanted: ExportWanted) -> tuple[Manifest, ...]:
    """Out to DNS, database or repository, API server and store, in from nowhere; and of a logical export the
    way in at the engine's servers."""
    instance, repository, store = wanted.instance, wanted.repository, wanted.spec.destination
    stored = {port_of(store.endpoint)} if store is not None else set()
    read = repository.ports if repository is not None else (wanted.port,)
    own = programs.way_out(record, instance, COMPONENT, ports={*read, *stored})
    if repository is not None:
        return (own,)
    return (own, *programs.ways_in(record, instance, COMPONENT, name=f"{wanted.name}-source"))


def _job(record: Manifest, wanted: ExportWanted) -> Manifest:
    instance, repository = wanted.instance, wanted.repository
    if repository is None:
        read = programs.environment(instance, wanted.form, dsn=DSN)
        beside = programs.beside(instance, image=wanted.postgres, script=SCRIPT, environment=read)
    else:
        read, beside = [*repository.environment], None
    process = programs.container(
        COMPONENT,
        image=wanted.image,
        arguments=_arguments(wanted),
        environment=read,
        mounts=[
            {"name": "scratch", "mountPath": SCRATCH},
            *(_HANDED_OVER if wanted.spec.destination is not None else ()),
            {"name": "token", "mountPath": TOKEN, "readOnly": True},
            *(repository.mounts if repository is not None else ()),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    )
    return programs.job(record, beside, process, volumes=_volumes(wanted))


_HANDED_OVER: tuple[Manifest, ...] = (
    {"name": "keys", "mountPath": KEYS, "readOnly": True},
    {"name": "store", "mountPath": STORE, "readOnly": True},
)
"""Mounts without which nothing can be handed over: a drill has neither keys nor a store."""


def _volumes(wanted: ExportWanted) -> list[JsonValue]:
    repository, scratch = wanted.repository, wanted.spec.scratch
    room = programs.claim(size=scratch.size, class_name=scratch.class_name)
    return [
        {"name": "scratch", **(room if repository is None else {"emptyDir": {}})},
        *_handed_over(wanted),
        programs.token(),
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
    return [
        {"name": "keys", "projected": {"defaultMode": 0o440, "sources": packed}},
        {"name": "store", "secret": keys_of(store.secret_name)},
    ]


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
