"""The agent is told where to look, and nothing secret; its pod has the keys of exactly these stores."""

from pathlib import Path

import pytest

from builders import BUCKET, UID, body, clustered, instance, spec, valid
from dedicated.agents.recovery.stores import places_in
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.resource import Instance
from dedicated.parts.stores import HOME, document, mounts, volumes
from dedicated.probes.objects import Access
from dedicated.probes.store import Bucket

CIPHER: Manifest = {"clientSide": {"secretName": "passphrase"}}
VOLUME: Manifest = {"provider": "volume", "storage": {"size": "10Gi"}, "encryption": CIPHER}
KEYS: list[JsonValue] = [{"key": key, "path": key} for key in ("access-key-id", "secret-access-key")]


def backed_up(**backup: JsonValue) -> Instance:
    """An instance whose database an engine runs."""
    return valid({**body(), "spec": {**spec(), **clustered(), "backup": backup}})


def test_a_bucket_is_told_with_its_own_folder_and_its_keys_are_mounted() -> None:
    found = backed_up(repository=BUCKET)
    access = Access("s3.eu-central-2.amazonaws.com", "eu-central-2", Path(f"{HOME}/repository"))
    folder = f"backups/acme-ns/acme/{UID}"
    assert places_in(document(found)) == (Bucket("acme-backup", access, folder, "Repository"),)
    assert volumes(found) == [
        {"name": "store-repository", "secret": {"secretName": "repository", "items": KEYS}}
    ]
    assert mounts(found) == [
        {"name": "store-repository", "mountPath": f"{HOME}/repository", "readOnly": True}
    ]
    assert "passphrase" not in document(found)


def test_of_a_volume_and_its_copy_the_copy_is_looked_at() -> None:
    found = backed_up(repository=VOLUME, copies=[{**BUCKET, "secretName": "other"}])
    (place,) = places_in(document(found))
    assert (place.role, place.access.credentials) == ("Copy", Path(f"{HOME}/copy"))
    assert volumes(found) == [{"name": "store-copy", "secret": {"secretName": "other", "items": KEYS}}]
    assert mounts(found) == [{"name": "store-copy", "mountPath": f"{HOME}/copy", "readOnly": True}]


def test_without_backups_there_is_nothing_to_look_at() -> None:
    assert (places_in(document(instance())), volumes(instance()), mounts(instance())) == ((), [], [])


@pytest.mark.parametrize("text", ["", "{}", '[{"role": "Repository"}]', '[{"role": "Else", "bucket": "b"}]'])
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=": "):
        places_in(text)
