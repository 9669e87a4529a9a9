"""What the recovery agent reads of an instance: the database as its monitoring role, and the repository.

Nothing here is a credential. libpq and pgBackRest take theirs from the agent's environment, which refers to
the engine's Secret and to the user's. The agent is there before the database is: nothing is stored before it
found the store good. The engine's Secret comes later, and with it the agent starts anew.
Where backups go to a volume first, their copy in a bucket is what the agent reads, and what promises are of:
the volume is lost with its zone.
"""

from dedicated.api.backup import Backup, Repository
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.resource import Instance
from dedicated.contract.places import is_amazon
from dedicated.parts.database import cloudnative_pg, percona
from dedicated.parts.database.engine import PORT, USER, cluster_name, folder
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.recovery_agent import CONFIGURATION, HOME, Source
from dedicated.parts.stores import port_of

STANZA = "db"
"""What Percona's engine calls its only stanza."""
VARIABLES = {"host": "PGHOST", "port": "PGPORT", "username": "PGUSER", "password": "PGPASSWORD"}
"""Fields of a connection, as libpq reads them."""


def source_of(instance: Instance, *, connected: bool) -> Source | None:
    """What the agent reads; None where it cannot, or there is nothing. `connected`: there is a database."""
    backup, connection = instance.spec.backup, adapter_of(instance).monitor(instance)
    if backup is None or connection is None:
        return None
    of_percona = instance.spec.database.engine == "percona"
    _, repository = backup.buckets[0]
    alone = backup.model_copy(update={"repository": repository, "copies": []})
    return Source(
        dsn=f"dbname={USER} sslmode={connection.ssl_mode} connect_timeout=5 tcp_user_timeout=8000",
        configuration=_configuration(instance, repository) if of_percona else "",
        repository=(
            ("--repository-config", f"{HOME}/{CONFIGURATION}", "--stanza", STANZA)
            if of_percona
            else ("--barman-server", cloudnative_pg.server_name(instance))
        ),
        environment=(
            *(_connecting(instance) if connected else ()),
            *(percona.credentials(alone) if of_percona else ()),
        ),
        ports=(PORT, *store_ports(backup)),
        members=_members(instance),
        primary=_primary(instance),
    )


def _members(instance: Instance) -> dict[str, str]:
    """The labels that the engine gives to the pods of the instance's database."""
    pods = adapter_of(instance).pods
    if pods is None:
        return {}
    key, _, value = pods.selector.partition("=")
    return {key: value, pods.cluster: cluster_name(instance)}


def _primary(instance: Instance) -> Manifest:
    """What selects the pod of the primary."""
    pods, members = adapter_of(instance).pods, _members(instance)
    if pods is None:
        return {}
    role: Manifest = {"key": pods.role, "operator": "In", "values": [*sorted(pods.primaries)]}
    return {"matchLabels": {**members}, "matchExpressions": [role]}


def _connecting(instance: Instance) -> list[JsonValue]:
    """Where the primary is, and as whom to ask it: by the engine's Secret, as far as that says."""
    connection = adapter_of(instance).monitor(instance)
    assert connection is not None
    told: dict[str, JsonValue] = {
        VARIABLES[field]: {"secretKeyRef": {"name": connection.secret, "key": key}}
        for field, key in connection.keys.items()
        if field in VARIABLES
    }
    found: list[JsonValue] = [{"name": name, "valueFrom": value} for name, value in told.items()]
    if VARIABLES["host"] not in told:
        found.append({"name": VARIABLES["host"], "value": f"{cluster_name(instance)}-rw"})
    return found


def _configuration(instance: Instance, repository: Repository) -> str:
    """One repository alone: an agent lists one, any other is the engine's."""
    options = {"repo1-type": "s3", "repo1-path": folder(instance, repository)}
    options |= {
        f"repo1-s3-{name}": value
        for name, value in (
            ("bucket", repository.bucket),
            ("endpoint", repository.endpoint),
            ("region", repository.region),
        )
        if value is not None
    }
    if not is_amazon(repository.endpoint or ""):
        options["repo1-s3-uri-style"] = "path"
    if repository.encryption.client_side is not None:
        options["repo1-cipher-type"] = "aes-256-cbc"
    lines = "".join(f"{name}={value}\n" for name, value in options.items())
    return f"[global]\n{lines}[{STANZA}]\n"


def store_ports(backup: Backup) -> tuple[int, ...]:
    """Where the stores of the backups answer."""
    return tuple(port_of(bucket.endpoint or "") for _, bucket in backup.buckets)
