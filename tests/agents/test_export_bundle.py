"""What goes with an export of the keys: a key bundle of the one format, right or not at all."""

import asyncio
import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dedicated.agents.escrow.material import MaterialError
from dedicated.agents.export.bundle import packed
from dedicated.agents.export.settings import Settings
from dedicated.contract.recovery.bundle import unpack
from dedicated.parts.keys import fingerprint
from dedicated.parts.reopened import batches
from dedicated.probes.objects import Access
from lab.agent import INSTANCE, NAMESPACE, UID
from lab.export import CONFIG, EXPORT, IDENTITY, MASTERKEY_SECRET, RECORD, SALT, listed_instance, plant_keys
from lab.record_server import plant_credentials, record_server
from lab.sealed import MASTERKEY, OTHER_MASTERKEY

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    plant_keys(tmp_path)
    with record_server(namespace=NAMESPACE, name=RECORD) as record:
        record.lists = listed_instance()
        yield Settings(
            export=EXPORT,
            record=RECORD,
            instance=INSTANCE,
            namespace=NAMESPACE,
            uid=UID,
            zitadel="v4.7.1",
            recipient=str(IDENTITY.to_public()),
            bucket="exports",
            folder="out",
            access=Access("127.0.0.1:1", "eu-central-1", tmp_path),
            keys=tmp_path,
            masterkey=f"{MASTERKEY_SECRET}/masterkey",
            secrets=(MASTERKEY_SECRET,),
            scratch=tmp_path,
            api_server=record.url,
            credentials=plant_credentials(tmp_path / "pod"),
        )


def test_it_is_a_key_bundle_and_a_person_is_told_where_its_keys_are(settings: Settings) -> None:
    found = asyncio.run(packed(settings, at=AT))
    contents, members = unpack(gzip.decompress(found.data))
    assert found.fingerprint == contents.fingerprint == fingerprint(MASTERKEY, salt=SALT)
    assert members[found.paths.masterkey] == MASTERKEY
    assert found.paths.configuration == f"configmaps/{CONFIG}/zitadel.yaml"
    assert found.paths.configuration in members
    kinds = [one["kind"] for batch in batches(contents, members, {}) for one in batch.manifests]
    assert kinds == ["Secret", "ConfigMap", "DedicatedInstance"]
    assert asyncio.run(packed(settings, at=AT)) == found


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        (f"secrets/{MASTERKEY_SECRET}/masterkey", f"Secret {MASTERKEY_SECRET} is not there"),
        (f"configmaps/{CONFIG}/zitadel.yaml", "no ConfigMap has zitadel.yaml"),
        (f"configmaps/{INSTANCE}-identity/salt", "its fingerprint differs"),
    ],
)
def test_without_what_belongs_into_it_there_is_none(settings: Settings, path: str, cause: str) -> None:
    (settings.keys / path).unlink()
    with pytest.raises(MaterialError, match=cause):
        asyncio.run(packed(settings, at=AT))


def test_another_masterkey_is_never_packed_and_quoted_nowhere(settings: Settings) -> None:
    (settings.keys / "secrets" / MASTERKEY_SECRET / "masterkey").write_bytes(OTHER_MASTERKEY)
    with pytest.raises(MaterialError, match="its fingerprint differs") as raised:
        asyncio.run(packed(settings, at=AT))
    assert OTHER_MASTERKEY.decode() not in str(raised.value)


def test_of_another_incarnation_there_is_none(settings: Settings) -> None:
    with pytest.raises(MaterialError, match="gone, or another one"):
        asyncio.run(packed(replace(settings, uid="another"), at=AT))
