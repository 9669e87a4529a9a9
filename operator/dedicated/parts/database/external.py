"""`engine: external`: the Secret with the connection, read for form and change, never used to connect.

The operator holds no database credentials: it checks that the Secret can work, and passes references
on to the pods. Whether the database answers is seen by the pods that use it.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from dedicated.api.findings import Finding
from dedicated.api.json import JsonValue, Manifest, canonical
from dedicated.api.resource import Instance
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.responsibilities import responsible
from dedicated.parts.database.engine import (
    Adapter,
    Capabilities,
    ClusterState,
    Connection,
    EngineRun,
    EngineWanted,
    RestoreWanted,
)
from dedicated.parts.wanted import DatabaseForm

DSN_KEY = "dsn"
FIELD_ENV = {
    "host": "HOST",
    "port": "PORT",
    "database": "DATABASE",
    "username": "USER_USERNAME",
    "password": "USER_PASSWORD",
    "sslmode": "USER_SSL_MODE",
}
"""Keys of the Secret's second form, and the rest of the variable each becomes (zitadel.md §2.1)."""
REQUIRED_FIELDS = ("host", "database", "username", "password")
DEFAULT_PORT = 5432
SCHEMES = ("postgresql://", "postgres://")
USER_INFO = re.compile(r"(?:[-A-Za-z0-9._:~!$&'()*+,;=@]|%[0-9A-Fa-f]{2})*")
"""What ZITADEL's URL parser (Go's net/url) takes as user and password; it fails on anything else."""


@dataclass(frozen=True, slots=True)
class DatabaseReading:
    """What was read of the database Secret: its form and a mark of its content, never the content.

    `problem` says why it cannot be used (empty: it can). `mark` changes when the content does.
    """

    found: bool
    problem: str = ""
    form: DatabaseForm = "Dsn"
    port: int = DEFAULT_PORT
    mark: str = ""

    @property
    def usable(self) -> bool:
        """Whether pods can be given this Secret."""
        return self.found and not self.problem


def read_secret(data: Mapping[str, bytes], *, mark_key: bytes) -> DatabaseReading:
    """Judge a database Secret's data.

    `mark_key` is the masterkey: a keyed mark cannot be guessed back into a password.
    """
    content: JsonValue = {key: value.hex() for key, value in data.items()}
    mark = hmac.new(mark_key, canonical(content), hashlib.sha256).hexdigest()[:16]
    if DSN_KEY in data:
        problem, port = _judge_dsn(_text(data, DSN_KEY))
        return DatabaseReading(found=True, problem=problem, form="Dsn", port=port, mark=mark)
    missing = [key for key in REQUIRED_FIELDS if not _text(data, key)]
    if missing:
        present = ", ".join(sorted(data)) or "none"
        problem = f"it has neither key dsn nor keys {', '.join(missing)} (keys present: {present})"
        return DatabaseReading(found=True, problem=problem, mark=mark)
    for key in FIELD_ENV:
        # A password may begin or end with a space, but a line end is an accident of `echo`.
        text, blank = _text(data, key), "\r\n" if key == "password" else None
        if text != text.strip(blank):
            problem = f"key {key} begins or ends with white space or a line end"
            return DatabaseReading(found=True, problem=problem, form="Fields", mark=mark)
    port_text = _text(data, "port") or str(DEFAULT_PORT)
    if not re.fullmatch("[0-9]{1,5}", port_text) or not 0 < int(port_text) < 65536:
        return DatabaseReading(found=True, problem="key port is not a port number", form="Fields", mark=mark)
    return DatabaseReading(found=True, form="Fields", port=int(port_text), mark=mark)


def connection(instance: Instance) -> Connection:
    """The Secret that the spec names; its keys are named as the fields are."""
    external = instance.spec.database.external
    assert external is not None  # a rule of the spec: the section comes with the engine
    return Connection(external.secret_ref.name, {field: field for field in FIELD_ENV})


def judge(instance: Instance, reading: DatabaseReading) -> Finding | None:
    """The finding about the database Secret, or None."""
    secret = connection(instance).secret
    where = f"Secret {instance.namespace}/{secret}"
    party = responsible("Database", instance.spec.infrastructure)
    if not reading.found:
        return Finding(
            code="DatabaseSecretMissing",
            responsible=party,
            message=f"{where}, named in spec.database.external.secretRef, does not exist",
            action="create it with key dsn (postgresql://user:password@host:5432/database?sslmode=verify-full)",
            blocks="Rollout",
        )
    if reading.problem:
        return Finding(
            code="DatabaseSecretInvalid",
            responsible=party,
            message=f"{where} cannot be used: {reading.problem}",
            action="correct it; it is read again as soon as it changes",
            blocks="Stalled",
        )
    return None


def environment(connection: Connection, form: DatabaseForm) -> list[JsonValue]:
    """The connection as environment of a ZITADEL container: references only."""
    if form == "Dsn":
        return [_from_secret("ZITADEL_DATABASE_POSTGRES_DSN", connection.secret, DSN_KEY, optional=False)]
    found = [
        _from_secret(
            f"ZITADEL_DATABASE_POSTGRES_{suffix}",
            connection.secret,
            connection.keys[field],
            optional=field not in REQUIRED_FIELDS,
        )
        for field, suffix in FIELD_ENV.items()
        if field in connection.keys
    ]
    if connection.ssl_mode:
        variable = f"ZITADEL_DATABASE_POSTGRES_{FIELD_ENV['sslmode']}"
        found.append({"name": variable, "value": connection.ssl_mode})
    return found


def _from_secret(variable: str, secret: str, key: str, *, optional: bool) -> JsonValue:
    reference: dict[str, JsonValue] = {"name": secret, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _judge_dsn(dsn: str) -> tuple[str, int]:
    """(what is wrong, port). The text itself never appears in the answer."""
    parts, port = _split_dsn(dsn)
    named = (("host", parts.hostname), ("user", parts.username), ("database", parts.path[1:]))
    missing = [what for what, value in named if not unquote(value or "").strip()]
    problem = ""
    if dsn != dsn.strip():
        problem = "key dsn begins or ends with white space or a line end"
    elif not dsn.isprintable() or " " in dsn:
        problem = "key dsn has white space or a control character in it"
    elif not dsn.startswith(SCHEMES):
        problem = "key dsn does not begin with postgresql:// (postgresql://user:password@host:5432/database)"
    elif port == 0:
        problem = "key dsn is not a URL: its hosts, or the one port they share, cannot be read"
    elif missing:
        problem = f"key dsn names no {missing[0]}"
    elif not USER_INFO.fullmatch(parts.netloc.rpartition("@")[0]):
        problem = "key dsn has a character in user or password that must be percent-encoded"
    return problem, port or DEFAULT_PORT


def _split_dsn(dsn: str) -> tuple[SplitResult, int]:
    """The URL's parts, with the first of its hosts (PostgreSQL takes several), and the port they share; 0
    where it cannot be read."""
    try:
        whole = urlsplit(dsn)
        user, at, hosts = whole.netloc.rpartition("@")
        each = [urlsplit(f"//{host}") for host in hosts.split(",")]
        ports = {DEFAULT_PORT if host.port is None else host.port for host in each}
        parts = whole._replace(netloc=f"{user}{at}{each[0].netloc}")
    except ValueError:
        return urlsplit(""), 0
    return parts, ports.pop() if len(ports) == 1 and all(host.hostname for host in each) else 0


def _text(data: Mapping[str, bytes], key: str) -> str:
    return data.get(key, b"").decode("utf-8", errors="replace")


def _nothing(wanted: EngineWanted) -> tuple[Manifest, ...]:
    del wanted
    return ()


def _no_cluster(manifest: Manifest) -> ClusterState:
    del manifest
    return ClusterState()


def _no_run(manifest: Manifest) -> EngineRun | None:
    del manifest
    return None


def _no_backup(instance: Instance, kind: BackupKind, mark: str) -> Manifest:
    raise LookupError(f"{instance.name}: whoever runs the database makes its backups, not {kind}-{mark}")


def _no_restore(wanted: RestoreWanted) -> tuple[Manifest, ...]:
    del wanted
    return ()


EXTERNAL = Adapter(
    engine="external",
    capabilities=Capabilities(verified=True),
    requirements=(),
    cluster_kind=None,
    backup_kind=None,
    pods=None,
    flows=None,
    connection=connection,
    monitor=lambda instance: None,  # noqa: ARG005 - the owner has given no such role
    made_by_us=lambda instance: "",  # noqa: ARG005 - there is none
    render=_nothing,
    read_cluster=_no_cluster,
    read_run=_no_run,
    trigger=_no_backup,
    restore=_no_restore,
)
