"""Where the recovery agent is to look: a file of places, and the Secrets with the keys of their stores."""

from collections.abc import Iterator

from dedicated.api.backup import Repository
from dedicated.api.json import JsonValue
from dedicated.api.resource import Instance
from dedicated.api.store import PLACES, BucketPlace, StoreRole, VolumePlace
from dedicated.parts.database.engine import folder

HOME = "/etc/dedicated/stores"
"""The keys of a store are below this, in a folder named by the role of its place."""
KEYS = ("access-key-id", "secret-access-key")
REPOSITORY_FOLDER = "/repository"
"""Where a volume is mounted that is a repository."""


def document(instance: Instance) -> str:
    """The file for an instance's backups: JSON, and nothing secret."""
    found: list[BucketPlace | VolumePlace] = []
    for role, wanted in _places(instance):
        path = folder(instance, wanted)
        if wanted.bucket is None:
            found.append(VolumePlace(role=role, folder=f"{REPOSITORY_FOLDER}{path}"))
            continue
        place = BucketPlace(
            role=role,
            bucket=wanted.bucket,
            endpoint=wanted.endpoint or "",
            region=wanted.region or "",
            prefix=path.removeprefix("/"),
            credentials=f"{HOME}/{role.lower()}",
        )
        found.append(place)
    return PLACES.dump_json(found, by_alias=True, exclude_none=True).decode()


def volumes(instance: Instance) -> list[JsonValue]:
    """The volumes of the agent's pod that bring the keys, and only them, and a repository that is one."""
    found: list[JsonValue] = []
    for role, wanted in _places(instance):
        name = f"store-{role.lower()}"
        if wanted.secret_name is not None:
            items: list[JsonValue] = [{"key": key, "path": key} for key in KEYS]
            source: JsonValue = {"secretName": wanted.secret_name, "items": items}
            found.append({"name": name, "secret": source})
        elif wanted.claim_name is not None:
            found.append({"name": name, "persistentVolumeClaim": {"claimName": wanted.claim_name}})
    return found


def mounts(instance: Instance) -> list[JsonValue]:
    """Where its container has them. A repository is written to by the check alone."""
    return [
        {"name": f"store-{role.lower()}", "mountPath": f"{HOME}/{role.lower()}", "readOnly": True}
        if wanted.secret_name is not None
        else {"name": f"store-{role.lower()}", "mountPath": REPOSITORY_FOLDER}
        for role, wanted in _places(instance)
    ]


def _places(instance: Instance) -> Iterator[tuple[StoreRole, Repository]]:
    backup = instance.spec.backup
    if backup is None:
        return
    yield "Repository", backup.repository
    for copy in backup.copies:
        yield "Copy", copy
