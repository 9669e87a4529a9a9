"""What the Job of a physical export reads: the engine's repository, as the recovery agent does.

Configuration, credentials and folder are those of the agent, so that the addresses are of the very objects
that the promises are reckoned from. Nothing is granted at the store: an address has the right of the key that
signed it. Only pgBackRest's layout (Percona): how barman-cloud's is restored by hand was not tried.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.resource import Instance
from dedicated.parts import recovery_source
from dedicated.parts.database.engine import folder
from dedicated.parts.recovery_agent import CONFIGURATION, HOME, record_name
from dedicated.parts.recovery_source import STANZA
from dedicated.parts.stores import keys_of

CREDENTIALS = "/etc/dedicated/repository"
PASSPHRASE = "passphrase"  # noqa: S105 - a key's name


@dataclass(frozen=True, slots=True)
class ExportRepository:
    """Arguments by name, environment, volumes and mounts of the process, its ways out, and the Secret with
    the repository's passphrase, empty where it is not encrypted on the client's side."""

    arguments: Mapping[str, str]
    environment: tuple[JsonValue, ...]
    volumes: tuple[Manifest, ...]
    mounts: tuple[Manifest, ...]
    ports: tuple[int, ...]
    secret: str


def is_offered(instance: Instance) -> bool:
    """Whether a physical export of an instance can be restored by its README."""
    return instance.spec.database.engine == "percona" and instance.spec.backup is not None


def repository_of(instance: Instance, *, valid_for: str) -> ExportRepository:
    """What is read of an instance that it is offered for."""
    assert instance.spec.backup is not None
    _, place = instance.spec.backup.buckets[0]
    source = recovery_source.source_of(instance, connected=False)
    assert source is not None
    cipher = place.encryption.client_side
    arguments = {
        "repository-config": f"{HOME}/{CONFIGURATION}",
        "stanza": STANZA,
        "repository-bucket": place.bucket or "",
        "repository-folder": folder(instance, place),
        "repository-endpoint": place.endpoint or "",
        "repository-region": place.region or "",
        "repository-credentials": CREDENTIALS,
        "valid-for": valid_for,
    }
    if cipher is not None:
        arguments["passphrase"] = f"{cipher.secret_name}/{PASSPHRASE}"
    settings: Manifest = {"name": f"{record_name(instance.name)}-settings"}
    return ExportRepository(
        arguments=arguments,
        environment=source.environment,
        volumes=(
            {"name": "settings", "configMap": settings},
            {"name": "repository", "secret": keys_of(place.secret_name)},
        ),
        mounts=(
            {"name": "settings", "mountPath": HOME, "readOnly": True},
            {"name": "repository", "mountPath": CREDENTIALS, "readOnly": True},
        ),
        ports=recovery_source.store_ports(instance.spec.backup),
        secret=cipher.secret_name if cipher is not None else "",
    )
