"""A logical import (`spec.from.export`, `spec.from.database`): its Job, record, rights and ways.

Built as the Job of an export is (`parts.export`): the process in the operator's image, PostgreSQL's programs
in the engine's beside it, one volume between them that goes with the pod. It holds what the operator must
not, by reference: the masterkey, the owner of the instance's database, and what opens the source. All of it
is the instance's, is named after it, and is taken away when the import is on record.
"""

from dataclasses import dataclass

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import CONFIG_MAP, JOB, Ref
from dedicated.api.resource import Instance
from dedicated.api.source import DatabaseSource, ExportSource
from dedicated.contract.transfer.import_report import MANAGER, REPORT
from dedicated.parts import keys, programs
from dedicated.parts.database.external import DSN_KEY
from dedicated.parts.import_programs import SCRIPT, TARGET
from dedicated.parts.metadata import child
from dedicated.parts.process import is_word, rights
from dedicated.parts.programs import KEYS, SCRATCH, STORE, TOKEN
from dedicated.parts.stores import keys_of, port_of
from dedicated.parts.wanted import DatabaseForm

COMPONENT = "import"
SOURCE_DSN, TARGET_DSN = "IMPORT_DSN", f"{TARGET}DSN"
"""Variables: the source, and the instance's own database where its Secret has one URL."""
MASTERKEY, IDENTITY = "masterkey", "identity"
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
    return (component, manager) == (COMPONENT, MANAGER) and is_word(fields, REPORT)


def manifests(wanted: ImportWanted) -> tuple[Manifest, ...]:
    """All of it, in the order in which it is made: the Job last."""
    record = child(CONFIG_MAP, wanted.instance, COMPONENT, COMPONENT)
    return (record, *rights(record), *_policies(record, wanted), _job(record, wanted))


def _policies(record: Manifest, wanted: ImportWanted) -> tuple[Manifest, ...]:
    """Out to DNS, databases, API server and store, in from nowhere; and the way in at the servers."""
    instance, source = wanted.instance, wanted.source
    far = (port_of(source.endpoint),) if isinstance(source, ExportSource) else SOURCE_PORTS
    own = programs.way_out(record, instance, COMPONENT, ports={wanted.port, *far})
    return (own, *programs.ways_in(record, instance, COMPONENT, name=f"{wanted.name}-target"))


def _job(record: Manifest, wanted: ImportWanted) -> Manifest:
    databases = _databases(wanted)
    mounts: list[JsonValue] = [
        {"name": "scratch", "mountPath": SCRATCH},
        {"name": "keys", "mountPath": KEYS, "readOnly": True},
        {"name": "token", "mountPath": TOKEN, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    if isinstance(wanted.source, ExportSource):
        mounts.append({"name": "store", "mountPath": STORE, "readOnly": True})
    process = programs.container(
        COMPONENT,
        image=wanted.image,
        arguments=_arguments(wanted),
        environment=databases,
        mounts=mounts,
    )
    beside = programs.beside(wanted.instance, image=wanted.postgres, script=SCRIPT, environment=databases)
    return programs.job(record, beside, process, volumes=_volumes(wanted))


def _databases(wanted: ImportWanted) -> list[JsonValue]:
    """The instance's own database and the source, by reference; names of their own, so that nothing of the
    one is taken for the other's."""
    found: list[JsonValue] = []
    if isinstance(wanted.source, DatabaseSource):
        found.append(programs.variable(SOURCE_DSN, wanted.source.secret_name, DSN_KEY))
    own = programs.environment(wanted.instance, wanted.form, dsn=TARGET_DSN, prefix=TARGET)
    return [*found, *own]


def _volumes(wanted: ImportWanted) -> list[JsonValue]:
    masterkey, source = keys.masterkey_ref(wanted.instance), wanted.source
    files: list[JsonValue] = [_file(masterkey.name, masterkey.key, MASTERKEY)]
    stores: list[JsonValue] = []
    if isinstance(source, ExportSource):
        files.append(_file(source.identity_secret_name, "identity", IDENTITY))
        stores.append({"name": "store", "secret": keys_of(source.secret_name)})
    room = programs.claim(size=source.scratch.size, class_name=source.scratch.class_name)
    return [
        {"name": "scratch", **room},
        {"name": "keys", "projected": {"defaultMode": 0o440, "sources": files}},
        programs.token(),
        *stores,
        {"name": "tmp", "emptyDir": {}},
    ]


def _file(secret: str, key: str, path: str) -> Manifest:
    return {"secret": {"name": secret, "items": [{"key": key, "path": path}]}}


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
