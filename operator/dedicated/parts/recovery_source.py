"""What the recovery agent reads of an instance: the database as its monitoring role, and the repository.

Nothing here is a credential. libpq and pgBackRest take theirs from the agent's environment, which refers to
the engine's Secret and to the user's.
Limit: a repository of pgBackRest in a bucket is the only one that can be listed, so an instance with engine
cloudnative-pg, or with its repository on a volume, has no agent, and nothing is claimed of it.
"""

from dedicated.api.backup import Backup, Repository
from dedicated.api.json import JsonValue
from dedicated.api.resource import Instance
from dedicated.contract.places import is_amazon
from dedicated.parts.database import percona
from dedicated.parts.database.engine import USER, Connection, folder
from dedicated.parts.recovery_agent import Source

STANZA = "db"
"""What the engine calls its only stanza."""
DATABASE_PORT, STORE_PORT = 5432, 443
VARIABLES = {"host": "PGHOST", "port": "PGPORT", "username": "PGUSER", "password": "PGPASSWORD"}
"""Fields of a connection, as libpq reads them."""


def source_of(instance: Instance) -> Source | None:
    """What the agent reads; None where it cannot read it, or there is none."""
    backup = instance.spec.backup
    if backup is None or instance.spec.database.engine != "percona" or backup.repository.provider != "s3":
        return None
    alone = backup.model_copy(update={"copies": []})
    connection = percona.monitor(instance)
    return Source(
        dsn=f"dbname={USER} sslmode={connection.ssl_mode}",
        configuration=_configuration(instance, backup),
        stanza=STANZA,
        environment=(*_connecting(connection), *percona.credentials(alone)),
        ports=(DATABASE_PORT, *(_port(one) for one in (backup.repository, *backup.copies))),
    )


def _connecting(connection: Connection) -> list[JsonValue]:
    return [
        {
            "name": variable,
            "valueFrom": {"secretKeyRef": {"name": connection.secret, "key": connection.keys[field]}},
        }
        for field, variable in VARIABLES.items()
    ]


def _configuration(instance: Instance, backup: Backup) -> str:
    """The repository alone: an agent lists one, the copy is the engine's."""
    repository = backup.repository
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


def _port(repository: Repository) -> int:
    _, _, port = (repository.endpoint or "").partition(":")
    return int(port) if port else STORE_PORT
