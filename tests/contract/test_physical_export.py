"""A physical export (X-1): what is addressed, what is missing, and what was not fetched."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from contract.export_examples import MANIFEST as LOGICAL
from contract.physical_examples import (
    FILES,
    LATER,
    LISTING,
    MANIFEST,
    PLACE,
    SIZES,
    SUM,
    segment,
)
from contract.recovery_facts import START, backup, listing
from dedicated.contract.recovery.repository import Listing
from dedicated.contract.transfer.export import manifest_json, read_manifest
from dedicated.contract.transfer.export_readme import KeyPaths
from dedicated.contract.transfer.physical_export import (
    Addressed,
    NothingToExportError,
    addressed,
    chosen,
    curl_config,
    fetched_flaws,
    physical_json,
    read_physical,
)
from dedicated.contract.transfer.physical_readme import physical_readme

NOW = START
SELECTED = chosen(LISTING, now=NOW)


def test_the_newest_full_backup_is_restored_to_the_end_of_the_newest_timeline() -> None:
    assert SELECTED.backup.label == "full-1-3"
    names = [name[:8] + name[-2:] for name in SELECTED.segments]
    assert names == [
        *(f"00000001{number:02X}" for number in range(3, 8)),
        *(f"00000002{number:02X}" for number in (8, 9, 10)),
    ]
    assert (SELECTED.reached.timeline, SELECTED.reached.position) == (2, "0/B000000")
    assert SELECTED.reached.committed == SELECTED.backup.started


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (listing({1: range(1, 9)}), "no full backup"),
        (listing({1: range(1, 9)}, LATER), "no full backup"),
        (
            listing({1: [3, 4, 6, 7]}, backup(3)),
            "1 segments are missing, from 000000010000000000000005 on",
        ),
    ],
)
def test_where_nothing_whole_is_there_it_is_said(found: Listing, said: str) -> None:
    with pytest.raises(NothingToExportError, match=said):
        chosen(found, now=NOW)


def test_what_a_restore_needs_is_addressed_and_no_more() -> None:
    found = {one.name: one for one in addressed(SELECTED, PLACE, SIZES, FILES)}
    assert list(found) == sorted(found)
    wanted = {
        *(segment(1, number) for number in range(3, 8)),
        *(segment(2, number) for number in (8, 9, 10)),
        f"{PLACE.archive}00000002.history",
        *(name for name in SIZES if name.startswith("backup/db/full-1-3/")),
    }
    assert set(found) == wanted
    assert found[segment(1, 4)] == Addressed(segment(1, 4), 104, SUM)
    assert found["backup/db/full-1-3/bundle/1"] == Addressed("backup/db/full-1-3/bundle/1", 5000)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (segment(1, 5), f"{PLACE.archive}000000010000000000000005"),
        (segment(2, 8), f"{PLACE.archive}000000020000000000000008"),
        ("backup/db/full-1-3/backup.manifest", "backup/db/full-1-3/backup.manifest"),
        ("backup/db/full-1-3/bundle/1", "backup/db/full-1-3/bundle/1"),
        ("backup/db/full-1-3/pg_data/base/5/16407.pgbi", "backup/db/full-1-3/pg_data/base/5/16407"),
        ("backup/db/full-1-3/pg_data/backup_label.zst", "backup/db/full-1-3/pg_data/backup_label"),
    ],
)
def test_a_missing_object_is_named(missing: str, said: str) -> None:
    sizes = {name: size for name, size in SIZES.items() if name != missing}
    with pytest.raises(NothingToExportError) as caught:
        addressed(SELECTED, PLACE, sizes, FILES)
    assert str(caught.value) == f"1 objects of the repository are missing, the first is {said}"


@pytest.mark.parametrize("name", ["../../etc/x", 'a"\nurl = "b', "a b", "x/../y"])
def test_an_object_whose_name_would_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(NothingToExportError, match="no name of a file"):
        addressed(SELECTED, PLACE, {**SIZES, f"backup/db/full-1-3/{name}": 1}, FILES)


def test_a_manifest_is_read_as_it_was_written_and_neither_format_is_taken_for_the_other() -> None:
    data = physical_json(MANIFEST)
    assert read_physical(data) == MANIFEST
    assert MANIFEST.object_bytes == 5209
    with pytest.raises(ValueError, match="another version"):
        read_manifest(data)
    assert read_physical(manifest_json(LOGICAL)) is None
    assert read_physical(physical_json(replace(MANIFEST, format="another"))) is None


def of_objects(data: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return data["objects"][0]


def of_files(data: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return data["files"][0]


@pytest.mark.parametrize("which", [of_objects, of_files])
@pytest.mark.parametrize("name", ["../../etc/x", "/etc/passwd", "a/../b", ""])
def test_a_manifest_that_names_what_lies_outside_is_none(
    which: Callable[[dict[str, list[dict[str, str]]]], dict[str, str]], name: str
) -> None:
    data = json.loads(physical_json(MANIFEST))
    which(data)["name"] = name
    with pytest.raises(ValueError, match="no name of a file"):
        read_physical(json.dumps(data).encode())


def test_what_was_not_fetched_is_named() -> None:
    first, second = MANIFEST.objects
    whole = {first.name: first.size, second.name: second.size}
    assert [*fetched_flaws(MANIFEST, whole)] == []
    flaws = [*fetched_flaws(MANIFEST, {first.name: first.size - 1})]
    assert [(flaw.code, flaw.name) for flaw in flaws] == [
        ("FileDamaged", f"repository/{first.name}"),
        ("FileMissing", f"repository/{second.name}"),
    ]


def test_curl_is_told_where_each_object_goes() -> None:
    text = curl_config({"a/b": "https://x/a/b?s=1", "c": "https://x/c?s=2"})
    assert text.splitlines() == [
        'url = "https://x/a/b?s=1"',
        'output = "repository/a/b"',
        'url = "https://x/c?s=2"',
        'output = "repository/c"',
    ]


@pytest.mark.parametrize("cipher", [True, False])
def test_the_readme_names_the_end_the_backup_and_every_step(*, cipher: bool) -> None:
    paths = KeyPaths("s/m/k", "c/x/zitadel.yaml", "s/o.pem", "s/l.pem")
    manifest = replace(MANIFEST, cipher=cipher)
    text = physical_readme(manifest, passphrase="p/passphrase", keys=paths, owner="zitadel")
    for said in (
        "2026-11-29T12:00:00",
        "--set=20261128-010000F",
        "PostgreSQL | 17",
        "[db]",
        "2.58",
        "0/B000000",
    ):
        assert said in text
    assert ("repo1-cipher-pass=$(cat keys/secrets/p/passphrase)" in text) == cipher
    assert "{" not in text.replace("${f%.age}", "")
