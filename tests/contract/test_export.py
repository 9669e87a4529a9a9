"""What an export (X-1) is held against, what is said of one, and how far one is."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from contract.export_examples import AT, EVENTS, KEYS, MANIFEST, REPORT
from dedicated.contract.transfer.export import (
    REPORT as KEY,
)
from dedicated.contract.transfer.export import (
    Phase,
    Rates,
    Report,
    Step,
    Table,
    Took,
    expected_end,
    failed,
    manifest_json,
    phase_of,
    read_manifest,
    read_report,
    report_json,
    table_findings,
    version_findings,
)
from dedicated.contract.transfer.export_readme import KeyPaths, readme


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert read_manifest(manifest_json(MANIFEST)) == MANIFEST


OUTSIDE = ("../etc/passwd", "/etc/passwd", "dump/..", "dump//x", "", ".hidden", "a/../b")


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_manifest_that_names_what_lies_outside_is_none(name: str) -> None:
    data = json.loads(manifest_json(MANIFEST))
    data["files"][0]["name"] = name
    with pytest.raises(ValueError, match="no name of a file"):
        read_manifest(json.dumps(data).encode())


def test_a_manifest_of_another_version_is_none() -> None:
    with pytest.raises(ValueError, match="another version"):
        read_manifest(b"{}")
    other = manifest_json(replace(MANIFEST, format="dedicated.zitadel.com/export/v2"))
    with pytest.raises(ValueError, match="export/v2' is not known"):
        read_manifest(other)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((EVENTS, KEYS), []),
        ((KEYS, EVENTS), []),
        ((EVENTS,), ["TableMissing system.encryption_keys: it is not there; 3 rows are lost"]),
        (
            (replace(EVENTS, rows=999), KEYS),
            ["RowsDiffer eventstore.events2: 999 rows, 1000 were exported"],
        ),
        (
            (replace(EVENTS, checksum="78"), KEYS),
            ["ContentDiffers eventstore.events2: as many rows (1000), other content"],
        ),
        ((EVENTS, KEYS, Table("a", "b", 0, "0")), ["TableUnknown a.b: it is not in the export"]),
    ],
)
def test_what_an_import_has_otherwise_is_named(found: tuple[Table, ...], told: list[str]) -> None:
    assert [str(one) for one in table_findings(MANIFEST.database.tables, found)] == told


@pytest.mark.parametrize(
    ("major", "zitadel", "codes"),
    [
        (17, "v4.7.1", []),
        (18, "v4.7.1", []),
        (16, "v4.7.1", ["OtherMajor"]),
        (17, "v4.8.0", ["OtherZitadel"]),
    ],
)
def test_what_may_take_it_over(major: int, zitadel: str, codes: list[str]) -> None:
    found = version_findings(MANIFEST, major=major, zitadel=zitadel)
    assert [one.code for one in found] == codes


def test_a_report_is_read_as_it_was_written_and_of_its_own_order_alone() -> None:
    data = {KEY: report_json(REPORT)}
    assert read_report(data, export="order") == REPORT
    assert read_report(data, export="another") is None
    assert read_report({}, export="order") is None
    assert read_report({KEY: "{}"}, export="order") is None


@pytest.mark.parametrize("step", ["Dumping", "Verifying", "Storing", "Completed", "Failed", None])
@pytest.mark.parametrize("gave_up", ["", "its Job gave up"])
def test_every_state_has_a_phase(step: Step | None, gave_up: str) -> None:
    report: Report | None = None if step is None else replace(REPORT, step=step)
    phase, _ = phase_of(report, failed=gave_up)
    wanted: Phase = step or "Pending"
    assert phase == ("Failed" if gave_up and step != "Completed" else wanted)


def test_the_process_own_cause_comes_before_that_the_job_gave_up() -> None:
    report = failed(REPORT, "the store refuses: AccessDenied", at=AT)
    assert phase_of(report, failed="its Job gave up") == ("Failed", "the store refuses: AccessDenied")
    assert phase_of(None, failed="its Job gave up") == ("Failed", "its Job gave up")


def test_an_estimate_is_learned_from_what_the_last_one_took() -> None:
    size = 2_000_000_000
    assert Rates().estimate(size) == timedelta(seconds=30 + size / 132e6 + size / 47e6 + size / 100e6)
    learned = Rates().learned(size, Took(dump=200, verify=100, store=50))
    assert learned.estimate(size) == timedelta(seconds=30 + 350)
    assert Rates().learned(1_000_000, Took(dump=200, verify=100, store=50)) == Rates()
    assert Rates().learned(size, Took(dump=200)).verify == Rates().verify


def test_an_end_is_expected_once_the_size_is_known_and_never_in_the_past() -> None:
    assert expected_end(replace(REPORT, database_bytes=0), Rates(), now=AT) is None
    end = expected_end(REPORT, Rates(), now=AT)
    assert end == REPORT.started + Rates().estimate(REPORT.database_bytes)
    late = AT + timedelta(days=1)
    assert expected_end(REPORT, Rates(), now=late) == late


def test_the_readme_names_versions_recipient_and_every_step() -> None:
    paths = KeyPaths("s/m/k", "c/x/zitadel.yaml", "s/o.pem", "s/l.pem")
    text = readme(MANIFEST, database="zitadel", keys=paths)
    for said in ("keys/s/m/k", "keys/c/x/zitadel.yaml", "keys/s/o.pem", "keys/s/l.pem"):
        assert said in text
    for said in ("v4.7.1", "PostgreSQL | 17", MANIFEST.recipient, "age -d", "pg_restore", "--masterkeyFile"):
        assert said in text
    assert "{" not in text.replace("${f%.age}", "")
