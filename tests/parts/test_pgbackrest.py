"""pgBackRest's answers as facts: the recorded forms, and that what is not understood promises nothing."""

from copy import deepcopy
from datetime import UTC, datetime

import pytest

from dedicated.api.json import JsonValue, Manifest
from dedicated.contract.recovery.repository import Backup, Damage
from dedicated.contract.recovery.wal import Segment, Stretch
from dedicated.parts.database.pgbackrest import archive_of, backups_in, damage_in, files_in, unreadable_by

SHA = "0123456789abcdef0123456789abcdef01234567"
FULL: Manifest = {
    "archive": {"start": "000000010000000000000003", "stop": "000000010000000000000003"},
    "backrest": {"format": 5, "version": "2.59.1"},
    "database": {"id": 1, "repo-key": 1},
    "error": False,
    "info": {"delta": 22_900_000, "repository": {"delta": 2_900_000}, "size": 22_900_000},
    "label": "20260301-010000F",
    "lsn": {"start": "0/3000028", "stop": "0/3000138"},
    "prior": None,
    "reference": None,
    "timestamp": {"start": 1772326800, "stop": 1772326803},
    "type": "full",
}
DIFF: Manifest = {
    **FULL,
    "archive": {"start": "00000002000000000000000A", "stop": "00000002000000000000000B"},
    "label": "20260301-010000F_20260301-020000D",
    "lsn": {"start": "0/A000028", "stop": "0/B000138"},
    "prior": "20260301-010000F",
    "reference": ["20260301-010000F"],
    "type": "diff",
}


def info(*backups: Manifest) -> JsonValue:
    return [{"backup": list(backups), "name": "zitadel", "status": {"code": 0, "message": "ok"}}]


def test_backups_are_read() -> None:
    full, diff = backups_in(info(FULL, DIFF), "15-1")
    assert full == Backup(
        "20260301-010000F",
        "full",
        datetime(2026, 3, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 1, 0, 3, tzinfo=UTC),
        Segment(1, 3),
        Segment(1, 3),
        0x3000028,
        0x3000138,
        (),
        failed=False,
        stored=2_900_000,
        database=22_900_000,
    )
    assert (diff.kind, diff.first, diff.last, diff.needs) == (
        "differential",
        Segment(2, 10),
        Segment(2, 11),
        ("20260301-010000F",),
    )


def test_an_error_or_none_told_is_a_failure() -> None:
    assert backups_in(info({**FULL, "error": True}), "15-1")[0].failed
    assert backups_in(info({**FULL, "error": None}), "15-1")[0].failed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("label", ""),
        ("type", "copy"),
        ("archive", {"start": None, "stop": "000000010000000000000003"}),
        ("archive", {"start": "000000010000000000000003"}),
        ("lsn", {"start": "0/3000028", "stop": None}),
        ("timestamp", {"start": 0, "stop": 1772326803}),
        ("timestamp", {"start": 1772326804, "stop": 1772326803}),
        ("database", {"id": 2}),
    ],
)
def test_what_is_not_understood_or_of_another_system_is_left_out(path: str, value: JsonValue) -> None:
    changed = deepcopy(FULL)
    changed[path] = value
    assert backups_in(info(changed), "15-1") == ()


@pytest.mark.parametrize("answer", [None, [], {}, [None], [{"backup": [None, "x"]}]])
def test_an_answer_of_another_form_has_no_backups(answer: JsonValue) -> None:
    assert backups_in(answer, "15-1") == ()


def test_the_archive_is_read() -> None:
    file: Manifest = {"type": "file", "size": 70_000, "time": 1772326800}
    folder = "0000000100000000"
    listing: Manifest = {
        ".": {"type": "path"},
        folder: {"type": "path"},
        f"{folder}/{folder}00000003-{SHA}.zst": file,
        f"{folder}/{folder}00000004-{SHA}.zst": file,
        f"{folder}/{folder}00000005-{SHA}.zst": {**file, "size": 0},
        f"{folder}/{folder}00000006.partial-{SHA}.zst": file,
        f"{folder}/{folder}00000003.00000028.backup": file,
        f"elsewhere/{folder}00000007-{SHA}.zst": file,
        f"{folder}/{folder}00000008-{SHA}.zst": {**file, "type": "link"},
        "00000002.history": file,
    }
    archive = archive_of(listing)
    assert archive.segments == {1: (Stretch(3, 4),)}
    assert archive.histories == {2}


VERIFIED = """\
2026-11-28 10:31:28.000 P00   INFO: verify command begin 2.45: --config=x
2026-11-28 10:31:28.000 P00   INFO: invalid checksum '20261128-103128F/pg_data/base/4/2653.zst'
2026-11-28 10:31:28.000 P00   INFO: invalid result 15-1/0000000100000000/000000010000000000000007-df95820c\
b92b5d7dc5a4f0eb18de016f46a0271d.zst: [29] raised from local-1 protocol: zst error
stanza: zitadel
status: error
  archiveId: 15-1, total WAL checked: 8, total valid WAL: 7
    missing: 0, checksum invalid: 0, size invalid: 0, other: 1
  backup: 20261128-103000F, status: valid, total files checked: 968, total valid files: 968
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261128-103128F, status: invalid, total files checked: 968, total valid files: 967
    missing: 0, checksum invalid: 1, size invalid: 0, other: 0
"""
"""As measured of pgBackRest 2.45 (database-backup.md 1.4), which ended with status 0."""


def test_what_a_verification_found_is_named() -> None:
    damage = damage_in(VERIFIED)
    assert damage is not None
    assert damage.backups == {"20261128-103128F"}
    assert damage.segments == {Segment(1, 7)}


@pytest.mark.parametrize(
    ("program", "newer"),
    [
        ("pgBackRest 2.45", "2.59.1"),
        ("pgBackRest 2.59", "2.59.1"),
        ("pgBackRest 2.59.1", ""),
        ("pgBackRest 2.100", ""),
    ],
)
def test_backups_of_a_newer_program_are_not_for_an_older_one_to_judge(program: str, newer: str) -> None:
    old: Manifest = {**FULL, "backrest": {"format": 5, "version": "2.45"}}
    assert unreadable_by([{"backup": [old, FULL]}], program) == newer
    assert unreadable_by([{"backup": [old]}], program) == ""
    assert unreadable_by([], program) == ""


def test_a_verification_that_says_nothing_is_none() -> None:
    assert damage_in("") is None
    assert damage_in("ERROR: [055]: unable to open") is None
    assert damage_in("stanza: zitadel\nstatus: ok\n") == Damage()


MANIFEST = """[backup]
backup-label="20261128-170413F_20261128-170416D"

[target:file]
pg_data/PG_VERSION={"bni":1,"bno":2655688,"checksum":"58","reference":"20261128-170413F","size":3}
pg_data/backup_label={"checksum":"57","rck":"74","repo-size":208,"size":258,"timestamp":1795885458}
pg_data/base/5/16407={"bi":1,"bim":120,"checksum":"0a","repo-size":5071203,"size":13000000}
pg_data/base/5/a=b={"bni":2,"size":8192}
pg_data/base/5/2650={"size":0,"timestamp":1795885449}

[target:file:default]
mode="0600"
"""


def test_a_manifest_tells_in_which_backup_each_file_is_stored() -> None:
    label = "20261128-170413F_20261128-170416D"
    assert files_in(MANIFEST, label) == {
        "20261128-170413F/bundle/1",
        f"{label}/pg_data/backup_label",
        f"{label}/pg_data/base/5/16407",
        f"{label}/bundle/2",
    }


@pytest.mark.parametrize("text", ["", "[backup]\n", "[backup]\n\n[target:file]\npg_data/x={nothing\n"])
def test_a_manifest_that_cannot_be_read_tells_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="the manifest of L"):
        files_in(text, "L")
