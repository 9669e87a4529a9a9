"""Where the recovery agent is to look: a file of places, and the Secrets with the keys of their stores."""

from dedicated.api.backup import Repository
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.resource import Instance
from dedicated.api.store import PLACES, BucketPlace, StoreRole
from dedicated.parts.database.engine import folder

HOME = "/etc/dedicated/stores"
"""The keys of a store are below this, in a folder named by the role of its place."""
KEYS = ("access-key-id", "secret-access-key")
PORT = 443


def port_of(endpoint: str) -> int:
    """Where a store answers."""
    port = endpoint.partition(":")[2]
    return int(port) if port else PORT


def keys_of(secret: str | None) -> Manifest:
    """The source of a volume with the keys of a store as files, and only them."""
    return {"secretName": secret, "items": [{"key": key, "path": key} for key in KEYS]}


def document(instance: Instance) -> str:
    """The file for an instance's backups: JSON, and nothing secret."""
    found = [
        BucketPlace(
            role=role,
            bucket=wanted.bucket or "",
            endpoint=wanted.endpoint or "",
            region=wanted.region or "",
            prefix=folder(instance, wanted).removeprefix("/"),
            credentials=f"{HOME}/{role.lower()}",
        )
        for role, wanted in _places(instance)
    ]
    return PLACES.dump_json(found, by_alias=True, exclude_none=True).decode()


def volumes(instance: Instance) -> list[JsonValue]:
    """The volumes of the agent's pod that bring the keys, and only them."""
    return [
        {"name": f"store-{role.lower()}", "secret": keys_of(wanted.secret_name)}
        for role, wanted in _places(instance)
    ]


def mounts(instance: Instance) -> list[JsonValue]:
    """Where its container has them."""
    return [
        {"name": f"store-{role.lower()}", "mountPath": f"{HOME}/{role.lower()}", "readOnly": True}
        for role, _ in _places(instance)
    ]


def _places(instance: Instance) -> tuple[tuple[StoreRole, Repository], ...]:
    backup = instance.spec.backup
    return backup.buckets if backup is not None else ()
