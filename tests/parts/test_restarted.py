"""An instance of a lost cluster that begins from its backups: where they are, and what no longer is."""

import base64

import pytest

from builders import NOW, body, clustered, spec
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.resource import FIRST, Instance, parse_instance
from dedicated.contract.facts import Fact
from dedicated.contract.reading import facts_in, read
from dedicated.contract.recovery.bundle import FORMAT, BundleError, Contents, Previous
from dedicated.contract.recovery.restore import database_in
from dedicated.contract.transfer.importing import is_imported
from dedicated.parts.reopened import Batch, begun_from_backup
from dedicated.parts.restarted import Restarted

UID = "11111111-2222-3333-4444-555555555555"
MEMBERS = {"secrets/passphrase/passphrase": b"of the backups"}
TIME, LATER = "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"
RESTORED: Manifest = {
    "restore": "lost", "cluster": "acme-db-1a2b3c", "source": "acme-database", "point": TIME, "exact": True,
    "started": TIME, "verified": LATER, "retain": "72h",
}  # fmt: skip
IMPORTED: Manifest = {
    "source": "Backup", "origin": "s3://elsewhere", "cluster": "acme-database", "found": "7 events",
    "started": TIME, "ended": LATER,
}  # fmt: skip


def contents(**versions: str) -> Contents:
    return Contents(
        format=FORMAT, what="Bundle", instance="acme", namespace="acme-ns", incarnation=UID, number=1, at=NOW,
        mark="m", fingerprint="f", masterkey="acme-masterkey/masterkey", versions=versions, openers=(),
        previous=Previous(), sums={},
    )  # fmt: skip


def record(name: str, fact: str, **fields: JsonValue) -> Manifest:
    told: Manifest = {"instance": "acme", "fact": fact, "by": "operator", "at": LATER, **fields}
    return {"kind": "ContractRecord", "metadata": {"name": name}, "spec": told}


def begun(engine: str, *records: Manifest) -> tuple[Restarted, tuple[Manifest, ...], tuple[Fact, ...]]:
    """What it begins with, the Secrets made, and what the ledger then tells."""
    instance: Manifest = {**body(), "spec": spec(**clustered(engine))}
    made = (Batch("1-secrets", ()), Batch("4-records", records), Batch("6-instance", (instance,)))
    batches, found = begun_from_backup(made, contents(zitadel="v4.15.2"), MEMBERS, now=NOW)
    by_name = {batch.name: batch.manifests for batch in batches}
    dated = [
        {**one, "metadata": {**get_map(one, "metadata"), "creationTimestamp": rfc3339(NOW)}}
        for one in by_name["4-records"]
    ]
    facts = facts_in(one for one in map(read, dated) if one is not None)
    assert by_name["6-instance"] == (found.instance,)
    return found, by_name["1-secrets"], facts


def source_of(found: Restarted) -> Manifest:
    return get_map(found.instance, "spec", "from", "backup")


@pytest.mark.parametrize("engine", ["percona", "cloudnative-pg"])
def test_it_begins_from_the_part_of_the_database_that_served_last(engine: str) -> None:
    first, _, _ = begun(engine)
    later, _, _ = begun(engine, record("r", "Restored", restored=RESTORED))
    assert get_str(source_of(first), "folder").endswith(f"/{UID}")
    assert get_str(source_of(later), "folder").endswith(f"/{UID}-1a2b3c")
    parsed = parse_instance(later.instance)
    assert isinstance(parsed, Instance), parsed.problems
    assert parsed.spec.from_ is not None
    keys = get_map(later.instance, "spec", "keys", "masterkey", "secretRef")
    assert keys == {"name": "acme-masterkey", "key": "masterkey"}
    assert get_str(source_of(later), "zitadelVersion") == "v4.15.2"


def test_what_was_restored_or_imported_before_is_of_a_database_that_is_gone() -> None:
    records = (
        record("r", "Restored", restored=RESTORED),
        record("i", "Imported", imported=IMPORTED, incarnation="of-before"),
    )
    _, _, facts = begun("percona", *records)
    assert database_in(facts) == FIRST
    assert not is_imported(facts, incarnation="new", cluster="acme-database")
    # Without the records of the day the new cluster would wait for one, and begin empty by the other.
    alone = facts_in(
        one
        for body in records
        if (one := read({**body, "metadata": {"name": "x", "creationTimestamp": LATER}})) is not None
    )
    assert is_imported(alone, incarnation="new", cluster="acme-database") or database_in(alone) != FIRST


def test_percona_reads_passphrase_and_store_from_files_of_its_own() -> None:
    found, secrets, _ = begun("percona")
    (passphrase,) = secrets
    text = base64.b64decode(get_str(passphrase, "data", "pgbackrest.conf")).decode()
    assert text == "[global]\nrepo1-cipher-pass=of the backups\n"
    assert get_str(passphrase, "metadata", "name") == get_str(source_of(found), "passphraseSecretName")
    assert get_str(source_of(found), "secretName") == "acme-source"
    assert "repo1-s3-key" in found.needed["acme-source"]
    found, secrets, _ = begun("cloudnative-pg")
    assert secrets == ()
    assert set(found.needed) == {get_str(source_of(found), "secretName")}


def test_without_backups_or_a_release_it_says_what_is_missing() -> None:
    external = (Batch("1-secrets", ()), Batch("6-instance", (body(),)))
    with pytest.raises(BundleError, match="bring it back first"):
        begun_from_backup(external, contents(zitadel="v4.15.2"), MEMBERS, now=NOW)
    instance: Manifest = {**body(), "spec": spec(**clustered("percona"))}
    made = (Batch("1-secrets", ()), Batch("6-instance", (instance,)))
    with pytest.raises(BundleError, match="without it no backup can be read"):
        begun_from_backup(made, contents(zitadel="v4.15.2"), {}, now=NOW)
