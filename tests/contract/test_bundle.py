"""What was packed is opened as it was, or the member that differs is named."""

import io
import tarfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedicated.contract.recovery.bundle import (
    FORMAT,
    MANIFEST,
    BundleError,
    Contents,
    Previous,
    object_name,
    pack,
    sums_of,
    unpack,
)
from dedicated.contract.recovery.escrow import Opener

NAMES = st.from_regex(r"(secrets|configmaps)/[a-z][-a-z0-9]{0,20}/[-._a-zA-Z0-9]{1,20}", fullmatch=True)
MEMBERS = st.dictionaries(NAMES, st.binary(max_size=200), min_size=1, max_size=6)


def contents(members: dict[str, bytes]) -> Contents:
    return Contents(
        format=FORMAT,
        what="Bundle",
        instance="acme",
        namespace="acme-ns",
        incarnation="uid",
        number=7,
        at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
        mark="m",
        fingerprint="f" * 32,
        masterkey="acme-masterkey/masterkey",
        versions={"zitadel": "v4.15.2"},
        openers=(Opener("Provider", "0" * 16),),
        previous=Previous("before", "1" * 64),
        sums=sums_of(members),
    )


def repacked(packed: bytes, changed: dict[str, bytes | None]) -> bytes:
    """The same tar with members exchanged, added or (None) left out; the manifest stays."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for head in archive:
            file = archive.extractfile(head)
            assert file is not None
            found[head.name] = file.read()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in {**found, **changed}.items():
            if data is not None:
                head = tarfile.TarInfo(name)
                head.size = len(data)
                archive.addfile(head, io.BytesIO(data))
    return out.getvalue()


@given(MEMBERS)
def test_what_was_packed_comes_out(members: dict[str, bytes]) -> None:
    packed = pack(contents(members), members)
    assert unpack(packed) == (contents(members), members)
    assert pack(contents(members), dict(reversed(members.items()))) == packed


@given(MEMBERS, st.data())
def test_a_flipped_byte_and_a_missing_or_foreign_member_are_named(
    members: dict[str, bytes], data: st.DataObject
) -> None:
    packed = pack(contents(members), members)
    name = data.draw(st.sampled_from(sorted(members)))
    with pytest.raises(BundleError, match="is missing") as missing:
        unpack(repacked(packed, {name: None}))
    assert name in str(missing.value)
    with pytest.raises(BundleError, match="SHA-256 differs") as flipped:
        unpack(repacked(packed, {name: members[name] + b"x"}))
    assert name in str(flipped.value)
    with pytest.raises(BundleError, match=r"records/foreign\.json is not in manifest\.json"):
        unpack(repacked(packed, {"records/foreign.json": b"{}"}))


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "secrets/a/../../b", "secrets/a/b/c"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    members = {"secrets/a/b": b"1"}
    with pytest.raises(BundleError, match="is no file of a bundle"):
        unpack(repacked(pack(contents(members), members), {name: b"x"}))


def test_a_link_is_refused() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        head = tarfile.TarInfo("secrets/a/b")
        head.type, head.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(head)
    with pytest.raises(BundleError, match="is no file of a bundle"):
        unpack(out.getvalue())


def test_what_is_none_or_of_another_version_is_refused() -> None:
    members = {"secrets/a/b": b"1"}
    packed = pack(contents(members), members)
    for data in (b"", b"no tar", packed[:700]):
        with pytest.raises(BundleError):
            unpack(data)
    with pytest.raises(BundleError, match="has no manifest"):
        unpack(repacked(packed, {MANIFEST: None}))
    with pytest.raises(BundleError, match="another version, or none"):
        unpack(repacked(packed, {MANIFEST: b"{}"}))
    later = pack(replace(contents(members), format="dedicated.zitadel.com/escrow/v9"), members)
    with pytest.raises(BundleError, match="v9 is not known"):
        unpack(later)


def test_names_sort_by_number_and_differ_by_content() -> None:
    made = contents({})
    one, other = (object_name("/kept/", made, sealed) for sealed in (b"1", b"2"))
    assert one.startswith("kept/acme-ns/acme/uid/bundle-000007-20260301T120000Z-")
    assert one != other
