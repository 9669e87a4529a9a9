"""`dedicated keys`: what is whole is opened, what is not is named, and no key is printed."""

import gzip
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest
import yaml

from builders import IDENTITY, MASTERKEY
from cli.running import NOW, run
from dedicated.contract.recovery.bundle import FORMAT, Contents, Previous, What, pack, sha256, sums_of
from dedicated.contract.recovery.escrow import Opener

KEYS: dict[str, bytes] = {
    "README.md": b"read me",
    "instance.json": b'{"kind": "DedicatedInstance", "metadata": {"name": "acme", "namespace": "acme-ns"}}',
    "secrets/acme-masterkey/masterkey": MASTERKEY,
    "secrets/database/dsn": b"postgresql://planted",
    "configmaps/acme-identity/salt": IDENTITY.salt.encode(),
    "configmaps/acme-config-1/zitadel.yaml": b"{}",
}
RECORD = (
    b'{"kind": "ContractRecord", "metadata": {"name": "r", "creationTimestamp": "2026-03-01T12:00:00Z"},'
    b' "spec": {"fact": "Refused"}}'
)


class Sealing:
    """Seals to one identity, which is in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identity = pyrage.x25519.Identity.generate()
        self.file = folder / "identity.txt"
        self.file.write_text(f"# made by a test\n{self.identity}\n")

    def sealed(self, name: str, members: Mapping[str, bytes], **changes: object) -> str:
        """A file with what an attempt would have put; its path."""
        contents = Contents(
            format=FORMAT,
            what="Bundle",
            instance="acme",
            namespace="acme-ns",
            incarnation="uid",
            number=1,
            at=NOW,
            mark="m",
            fingerprint=IDENTITY.masterkey,
            masterkey="acme-masterkey/masterkey",
            versions={"zitadel": "v4.15.2"},
            openers=(Opener("Customer", "0" * 16),),
            previous=Previous(),
            sums=sums_of(members),
        )
        packed = pack(replace(contents, **changes), members)  # type: ignore[arg-type]
        path = self.folder / name
        path.write_bytes(pyrage.encrypt(gzip.compress(packed), [self.identity.to_public()]))
        return str(path)

    def ledger(self, name: str, number: int, previous: str = "", *, incarnation: str = "uid") -> str:
        """A ledger of one record."""
        members = {"instance.json": KEYS["instance.json"], f"records/r-{number}.json": RECORD}
        what: What = "Ledger"
        return self.sealed(name, members, what=what, number=number, incarnation=incarnation,
                           previous=Previous("before", previous))  # fmt: skip


@pytest.fixture
def sealing(tmp_path: Path) -> Sealing:
    return Sealing(tmp_path)


def test_show_tells_what_it_is_and_prints_no_key(sealing: Sealing) -> None:
    ran = run("keys", "show", sealing.sealed("b.age", KEYS), "-i", str(sealing.file))
    assert ran.code == 0, ran.err
    assert IDENTITY.masterkey in ran.out
    assert "6 members are as they were packed" in ran.out
    assert MASTERKEY.decode() not in ran.out
    assert "AGE-SECRET-KEY" not in ran.out


def test_restore_writes_files_in_the_order_of_making_for_their_owner_alone(sealing: Sealing) -> None:
    folder = sealing.folder / "made"
    bundle, ledger = sealing.sealed("b.age", KEYS), sealing.ledger("l.age", 3)
    ran = run("keys", "restore", bundle, "-i", str(sealing.file), "--ledger", ledger, "-o", str(folder))
    assert ran.code == 0, ran.err
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [
        "1-secrets.yaml", "2-identity.yaml", "4-records.yaml", "6-instance.yaml",
    ]  # fmt: skip
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    masterkey, database = yaml.safe_load_all(files[0].read_text())
    assert masterkey["immutable"] is True
    assert masterkey["metadata"]["labels"]["app.kubernetes.io/component"] == "keys"
    assert "immutable" not in database
    assert "labels" not in database["metadata"], "the user's own"
    (record,) = yaml.safe_load_all(files[2].read_text())
    assert record["spec"]["at"] == "2026-03-01T12:00:00Z"
    assert "creationTimestamp" not in record["metadata"]
    assert MASTERKEY.decode() not in ran.out
    again = run("keys", "restore", bundle, "-i", str(sealing.file), "-o", str(folder))
    assert again.code == 2
    assert "name a new folder" in again.err


def test_another_identity_a_flipped_byte_and_a_file_that_is_none_are_told(sealing: Sealing) -> None:
    path, other = sealing.sealed("b.age", KEYS), sealing.folder / "other.txt"
    other.write_text(str(pyrage.x25519.Identity.generate()))
    ran = run("keys", "show", path, "-i", str(other))
    assert (ran.code, "not sealed to this identity" in ran.err) == (1, True)
    data = bytearray(Path(path).read_bytes())
    data[-20] ^= 1
    Path(path).write_bytes(data)
    ran = run("keys", "show", path, "-i", str(sealing.file))
    assert (ran.code, "damaged: a byte differs" in ran.err) == (1, True)
    Path(path).write_bytes(b"no age file")
    ran = run("keys", "show", path, "-i", str(sealing.file))
    assert (ran.code, "damaged" in ran.err) == (1, True)
    ran = run("keys", "show", path, "-i", path)
    assert (ran.code, "no age identity" in ran.err) == (2, True)


def test_a_member_that_differs_or_is_missing_is_named(sealing: Sealing) -> None:
    sums = sums_of(KEYS)
    fewer = {name: data for name, data in KEYS.items() if name != "secrets/database/dsn"}
    ran = run("keys", "show", sealing.sealed("b.age", fewer, sums=sums), "-i", str(sealing.file))
    assert (ran.code, "member secrets/database/dsn is missing" in ran.err) == (1, True)
    changed = {**KEYS, "secrets/database/dsn": b"another"}
    ran = run("keys", "show", sealing.sealed("b.age", changed, sums=sums), "-i", str(sealing.file))
    assert (ran.code, "member secrets/database/dsn is not as it was packed" in ran.err) == (1, True)


def test_of_a_folder_the_newest_bundle_and_ledger_of_the_newest_incarnation_are_taken(
    sealing: Sealing,
) -> None:
    fetched = sealing.folder / "kept"
    for incarnation in ("a", "uid"):
        (fetched / incarnation).mkdir(parents=True)
    # Of the incarnation before: a higher number. Of this one: a clock that went back between the two.
    sealing.sealed("kept/a/bundle-000009-20260101T000000Z-0.age", KEYS, number=9)
    sealing.sealed("kept/uid/bundle-000001-20260302T000000Z-0.age", KEYS)
    newest = "kept/uid/bundle-000002-20260301T000000Z-0.age"
    sealing.sealed(newest, KEYS, number=2)
    identity = ("-i", str(sealing.file))
    shown = run("keys", "show", str(fetched), *identity)
    assert (shown.code, newest in shown.err) == (0, True), shown.err
    first = sealing.ledger("kept/uid/ledger-000001-20260302T000000Z-0.age", 1)
    sealing.ledger("kept/uid/ledger-000002-20260303T000000Z-0.age", 2, sha256(Path(first).read_bytes()))
    made = run("keys", "restore", str(fetched), *identity, "-o", str(sealing.folder / "made"))
    assert made.code == 0, made.err
    assert "bundle 2 of" in made.out
    assert "ledger 2 of" in made.out
    keys = run("keys", "restore", str(fetched), *identity, "--keys-only", "-o", str(sealing.folder / "keys"))
    assert (keys.code, "ledger" in keys.out) == (0, False), keys.err
    assert sorted(file.stem for file in (sealing.folder / "keys").iterdir()) == ["1-secrets", "2-identity"]
    sealing.ledger("kept/uid/ledger-000003-20260304T000000Z-0.age", 3, "0" * 64)
    broken = run("keys", "restore", str(fetched), *identity, "-o", str(sealing.folder / "again"))
    assert "ledger 3 does not follow the ledger before it" in broken.err

    (fetched.with_name("empty")).mkdir()
    assert "no bundle-*.age in it" in run("keys", "show", str(fetched.with_name("empty")), *identity).err
    (fetched.with_name("other") / "b").mkdir(parents=True)
    sealing.sealed("other/b/bundle-000001-20260301T000000Z-0.age", KEYS)
    several = run("keys", "show", str(sealing.folder), *identity)
    assert (several.code, "bundles of several instances" in several.err) == (2, True)


def test_the_newest_ledger_counts_and_one_of_another_chain_is_told(sealing: Sealing) -> None:
    bundle = sealing.sealed("b.age", KEYS)
    first = sealing.ledger("1.age", 1)
    second = sealing.ledger("2.age", 2, sha256(Path(first).read_bytes()))
    exchanged, foreign = sealing.ledger("x.age", 2, "0" * 64), sealing.ledger("y.age", 2, incarnation="b")

    def restored(name: str, *ledgers: str) -> tuple[int, str]:
        given = [part for ledger in ledgers for part in ("--ledger", ledger)]
        folder = str(sealing.folder / name)
        ran = run("keys", "restore", bundle, "-i", str(sealing.file), *given, "-o", folder)
        return ran.code, ran.out + ran.err

    assert "ledger 2 of" in restored("a", second, first)[1]
    assert restored("b", second)[0] == 0, "one alone is enough"
    code, told = restored("c", first, exchanged)
    assert (code, "does not follow the ledger before it" in told) == (1, True)
    code, told = restored("d", foreign)
    assert (code, "of incarnation b" in told) == (1, True)
    code, told = restored("e", bundle)
    assert (code, "it is a bundle, not a ledger" in told) == (2, True)
    assert "no record is brought back" in restored("f")[1]


def test_one_way_out_has_to_be_named(sealing: Sealing) -> None:
    bundle = sealing.sealed("b.age", KEYS)
    for given in ((), ("-o", "x", "--apply")):
        ran = run("keys", "restore", bundle, "-i", str(sealing.file), *given)
        assert (ran.code, "name one of -o DIR and --apply" in ran.err) == (2, True)
