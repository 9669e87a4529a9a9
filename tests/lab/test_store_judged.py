"""A store that is not as it must be is named before the first byte of data is stored there (D-1, D-2)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from contract.test_recovery_store import keeping_from_storing
from dedicated.api.backup import Backup
from dedicated.api.places import Places
from dedicated.contract.places import atlas_of
from dedicated.probes.store import Bucket, check
from lab.s3 import S3, Front, front_of, object_store

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ENCRYPTED = (
    "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256"
    "</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
)
LOCATION = "<LocationConstraint>{}</LocationConstraint>"
RULE = "<Rule><Status>Enabled</Status><Destination><Bucket>arn:aws:s3:::{}</Bucket></Destination></Rule>"
MAP = atlas_of(Places.model_validate({"places": {"localhost/zrh": ["CH"], "localhost/iad": ["US"],
                                                 "replica:copy-iad": ["US"]}}))  # fmt: skip


@pytest.fixture(autouse=True)
def lab_programs() -> None:
    """The store comes as a wheel: it is there wherever the tests are."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


def good(front: Front, bucket: str) -> None:
    """What the store itself does not answer: Swiss, encrypted by default."""
    front.answer(bucket, "location", 200, LOCATION.format("zrh"))
    front.answer(bucket, "encryption", 200, ENCRYPTED)


def forbidden(front: Front, bucket: str) -> None:
    front.answer(bucket, "location", 200, LOCATION.format("iad"))


def replicated(front: Front, bucket: str) -> None:
    rule = RULE.format("copy-iad")
    front.answer(bucket, "replication", 200, f"<ReplicationConfiguration>{rule}</ReplicationConfiguration>")


def unencrypted(front: Front, bucket: str) -> None:
    del front.answers[bucket, "encryption"]


def public(front: Front, bucket: str) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    front.answer(bucket, "policyStatus", 403, "<Error><Code>AccessDenied</Code></Error>")
    front.answer(bucket, "policy", 200, json.dumps({"Statement": [statement]}))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (None, None),
        (forbidden, "OutsideRegion: Bucket judged-forbidden (localhost/iad) is outside CH (D-1)"),
        (replicated, "OutsideRegion: ReplicationTarget copy-iad (replica:copy-iad) is outside CH (D-1)"),
        (unencrypted, "BackupNotEncrypted: bucket judged-unencrypted: no default encryption (D-2)"),
        (public, "StorePublic: bucket judged-public: everybody may read or list it"),
    ],
)
async def test_each_fault_of_a_real_store_keeps_the_engine_from_storing(
    store: S3, fault: object, said: str | None
) -> None:
    name = f"judged-{getattr(fault, '__name__', 'good')}"
    await store.make_bucket(name, lock=True)
    async with front_of(store) as front:
        good(front, name)
        if callable(fault):
            fault(front, name)
        stores = await check([Bucket(name, store.access(endpoint=front.endpoint), "acme")], now=lambda: NOW)
    backup = Backup.model_validate(
        {
            "repository": {
                "bucket": name,
                "endpoint": front.endpoint,
                "region": "zrh",
                "secretName": "store",
                "encryption": {"serverSide": "AES256"},
            }
        }
    )
    found = keeping_from_storing(backup, stores, allowed=frozenset({"CH"}), atlas=MAP, now=NOW)
    assert [f"{item.code}: {item.message}" for item in found] == ([said] if said else [])
    stored = [asked for asked in front.asked if asked.startswith("PUT")]
    assert len(stored) == 1, "only the write check"
    assert "acme/.dedicated-write-check" in stored[0]
