"""Nothing is stored before a store was found good, and what is not known is never good (D-1, D-2)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.recovery_facts import AMAZON, good_store
from dedicated.api.backup import Backup
from dedicated.api.findings import Finding
from dedicated.api.instance import Infrastructure
from dedicated.api.json import Manifest
from dedicated.api.store import Store, Target
from dedicated.contract.places import Atlas, built_in
from dedicated.contract.recovery.store import (
    AHEAD,
    FRESH,
    backup_encrypted,
    check,
    holdings,
    kept,
    next_change,
)
from dedicated.contract.residency import STORING, findings, judge

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ZONE = "Europe/Zurich"
SWISS = frozenset({"CH"})
OWNED = Infrastructure.model_validate({"owner": "Customer"})
GOOD = good_store(NOW - timedelta(hours=1), "backups")
UNWRITABLE = "an object cannot be written and read again"
CLIENT: Manifest = {"clientSide": {"secretName": "passphrase"}}


def wanted(**repository: object) -> Backup:
    """A backup in one bucket at Amazon's."""
    place: dict[str, object] = {
        "bucket": "backups",
        "endpoint": AMAZON,
        "region": "eu-central-2",
        "secretName": "store",
        "encryption": {"serverSide": "AES256"},
    }
    return Backup.model_validate({"repository": {**place, **repository}})


def blocking(backup: Backup, *stores: Store, allowed: frozenset[str] | None = SWISS) -> tuple[Finding, ...]:
    return keeping_from_storing(backup, stores, allowed=allowed, atlas=built_in(), now=NOW)


def keeping_from_storing(
    backup: Backup, stores: Sequence[Store], *, allowed: frozenset[str] | None, atlas: Atlas, now: datetime
) -> tuple[Finding, ...]:
    """All that keeps the first byte of data from being stored."""
    owner = Infrastructure()
    found = check(backup, stores, infrastructure=owner, zone=ZONE, now=now)
    if allowed is not None:
        verdict = judge(holdings(backup, stores, now=now), allowed=allowed, atlas=atlas)
        found += findings(verdict, infrastructure=owner, allowed=allowed)
    return tuple(finding for finding in found if finding.blocks == STORING)


def codes(backup: Backup, *stores: Store) -> list[str]:
    return [f"{found.code}: {found.message}" for found in blocking(backup, *stores)]


def test_a_good_store_may_be_used() -> None:
    assert blocking(wanted(), GOOD) == ()
    assert check(wanted(), [GOOD], infrastructure=OWNED, zone=ZONE, now=NOW) == ()


def test_nothing_is_stored_before_it_was_looked_at() -> None:
    old = replace(GOOD, at=NOW - FRESH - timedelta(seconds=1))
    others = (replace(GOOD, role="Copy"), replace(GOOD, name="other"), replace(GOOD, endpoint="x"))
    ahead = replace(GOOD, at=NOW + AHEAD + timedelta(seconds=1))
    for other in (None, old, ahead, *others):
        found = blocking(wanted(), *([other] if other else []))
        assert [item.code for item in found] == ["StoreNotChecked"]
    assert blocking(wanted(), replace(GOOD, at=NOW - FRESH)) == ()
    assert next_change([old, GOOD], now=NOW) == GOOD.at + FRESH + timedelta(seconds=1)
    assert next_change([old], now=NOW) is None


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (
            replace(GOOD, region="us-east-1"),
            ["OutsideRegion: Bucket backups (aws:us-east-1) is outside CH (D-1)"],
        ),
        (replace(GOOD, region=""), ["OutsideRegion: Bucket backups (aws:us-east-1) is outside CH (D-1)"]),
        (
            replace(GOOD, region=None),
            ["PlaceUnknown: Bucket backups (not readable) is not known to be inside CH (D-1)"],
        ),
        (
            replace(GOOD, targets=(Target("virginia", ""), Target("shut"))),
            [
                "OutsideRegion: ReplicationTarget virginia (aws:us-east-1) is outside CH (D-1)",
                "PlaceUnknown: ReplicationTarget shut (not readable) is not known to be inside CH (D-1)",
            ],
        ),
        (
            replace(GOOD, targets=None),
            ["PlaceUnknown: ReplicationTarget of backups (not readable) is not known to be inside CH (D-1)"],
        ),
        (replace(GOOD, encryption=""), ["BackupNotEncrypted: bucket backups: no default encryption (D-2)"]),
        (
            replace(GOOD, encryption=None),
            ["BackupEncryptionUnknown: bucket backups: its default encryption could not be read (D-2)"],
        ),
        (replace(GOOD, public=True), ["StorePublic: bucket backups: everybody may read or list it"]),
        (
            replace(GOOD, public=None, unanswered=("Policy: AccessDenied",)),
            ["StoreNotReadable: bucket backups: not known: whether it is public (Policy: AccessDenied)"],
        ),
        (
            replace(GOOD, writable=False, unanswered=("Write: AccessDenied",)),
            [
                f"StoreNotWritable: bucket backups: {UNWRITABLE} (Write: AccessDenied)",
            ],
        ),
        (
            replace(GOOD, writable=None),
            ["StoreNotReadable: bucket backups: not known: whether it can be written"],
        ),
        (replace(GOOD, versioned=False), ["StoreNotVersioned: bucket backups: versioning is off"]),
        (replace(GOOD, versioned=None), ["StoreNotVersioned: bucket backups: versioning is not known"]),
        (replace(GOOD, lock_days=7), []),
    ],
)  # fmt: skip
def test_each_fault_is_named_before_the_first_byte(store: Store, said: list[str]) -> None:
    assert codes(wanted(), store) == said


def test_a_wish_is_told_and_a_requirement_blocks() -> None:
    bare = replace(GOOD, versioned=False, lock_days=None)
    strict = wanted(immutability={"versioning": "Preferred", "objectLock": "Required", "lockDays": 30})
    found = check(strict, [bare], infrastructure=OWNED, zone=ZONE, now=NOW)
    assert [(item.code, item.blocks, item.responsible) for item in found] == [
        ("StoreNotVersioned", "", "Customer"),
        ("StoreNotLocked", "Storing", "Customer"),
    ]
    assert "not known, wanted are 30 days" in found[1].message


def test_a_spec_that_names_a_place_outside_is_told_before_anything_is_read() -> None:
    frankfurt = wanted(endpoint="s3.eu-central-1.amazonaws.com", region="eu-central-1")
    assert "OutsideRegion: Bucket backups (aws:eu-central-1) is outside CH (D-1)" in codes(frankfurt)


def test_without_a_location_only_the_rest_is_judged() -> None:
    assert blocking(wanted(), replace(GOOD, region="us-east-1"), allowed=None) == ()


def test_elsewhere_the_operator_places_hosts_and_targets() -> None:
    endpoint = "minio.example.com:9000"
    backup = wanted(endpoint=endpoint, region="zrh")
    read = replace(GOOD, endpoint=endpoint, region="zrh", targets=(Target("backups", "zrh"),))
    found = {str(holding) for holding in holdings(backup, [read], now=NOW)}
    assert found == {
        "Bucket backups (minio.example.com/zrh)",
        "ReplicationTarget backups (replica:backups)",
    }
    places = {"minio.example.com/zrh": SWISS, "replica:backups": SWISS}
    atlas = built_in().extended(regions={}, places=places)
    assert keeping_from_storing(backup, [read], allowed=SWISS, atlas=atlas, now=NOW) == ()
    assert len(blocking(backup, read)) == 2


@pytest.mark.parametrize(
    ("encryption", "algorithm", "status", "reason"),
    [
        ({"serverSide": "AES256"}, "AES256", "True", "Encrypted"),
        ({"serverSide": "AES256"}, "aws:kms", "True", "Encrypted"),
        ({"serverSide": "aws:kms"}, "aws:kms:dsse", "True", "Encrypted"),
        ({"serverSide": "aws:kms"}, "AES256", "False", "WeakerThanAsked"),
        ({"serverSide": "AES256"}, "", "False", "NotEncrypted"),
        ({"serverSide": "AES256"}, None, "Unknown", "NotReadable"),
        (CLIENT, "", "True", "Encrypted"),
        (CLIENT, None, "True", "Encrypted"),
    ],
)
def test_encrypted_by_the_engine_or_by_the_bucket(
    encryption: Manifest, algorithm: str | None, status: str, reason: str
) -> None:
    store = replace(GOOD, encryption=algorithm)
    condition = backup_encrypted(wanted(encryption=encryption), [store], zone=ZONE, now=NOW)
    assert (condition.status, condition.reason) == (status, reason)


def test_encryption_that_was_not_read_is_not_known_and_the_worst_place_counts() -> None:
    def status(backup: Backup, *stores: Store) -> str:
        return backup_encrypted(backup, stores, zone=ZONE, now=NOW).status

    assert status(wanted()) == "Unknown"
    assert status(wanted(encryption=CLIENT)) == "True"
    copy = wanted().repository.model_copy(update={"bucket": "copies"})
    both = wanted().model_copy(update={"copies": [copy]})
    second = replace(GOOD, name="copies", role="Copy")
    assert status(both, GOOD, second) == "True"
    assert status(both, GOOD) == "Unknown"
    assert status(both, GOOD, replace(second, encryption="")) == "False"
    assert [f"{item}" for item in holdings(both, [], now=NOW)][1] == "Copy copies (aws:eu-central-2)"


def test_what_is_first_stored_on_a_volume_is_judged_by_its_copy() -> None:
    volume = {"provider": "volume", "storage": {"size": "10Gi"}, "encryption": CLIENT}
    copy = wanted().repository
    backup = Backup.model_validate({"repository": volume, "copies": [copy.model_dump(by_alias=True)]})
    second = replace(GOOD, role="Copy")
    assert blocking(backup, second) == ()
    assert [place.role for place in kept(backup, [second], now=NOW)] == ["Copy"]
    assert [found.code for found in blocking(backup)] == ["StoreNotChecked"]


FACTS = st.fixed_dictionaries(
    {
        "region": st.sampled_from([None, "", "eu-central-2", "us-east-1"]),
        "targets": st.sampled_from(
            [None, (), (Target("t", "eu-central-2"),), (Target("t"),), (Target("t", ""),)]
        ),
        "encryption": st.sampled_from([None, "", "AES256"]),
        "versioned": st.sampled_from([None, True, False]),
        "public": st.sampled_from([None, True, False]),
        "writable": st.sampled_from([None, True, False]),
        "lock_days": st.sampled_from([None, 0, 14]),
    }
)


@given(FACTS)
def test_only_what_is_known_to_be_good_may_store(facts: dict[str, object]) -> None:
    good = (
        facts["region"] == "eu-central-2"
        and facts["targets"] in ((), (Target("t", "eu-central-2"),))
        and facts["encryption"] == "AES256"
        and (facts["versioned"], facts["public"], facts["writable"]) == (True, False, True)
    )
    store = replace(GOOD, **facts)  # type: ignore[arg-type]
    assert (blocking(wanted(), store) == ()) is good
