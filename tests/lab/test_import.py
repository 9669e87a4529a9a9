"""An import into a real, empty database: from an export and from a running one; damaged, killed, refused."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dedicated.contract.transfer.export import Table, table_findings
from dedicated.probes.objects import open_objects
from lab.contents import DATABASE, connected, fill, tables_of
from lab.export import BUCKET, FOLDER, Exporting
from lab.importing import OWNER, Importing, importing, of_export
from lab.laboratory import Lab
from lab.s3 import S3
from lab.sealed import KEYS
from lab.server import until

TARGET = "arrived"


def tables(lab: Lab) -> tuple[Table, ...]:
    return tables_of(lab.primary.port, TARGET)


@pytest.fixture
def arrival(export: Exporting, store: S3, tmp_path: Path) -> Iterator[Importing]:
    """An export that is made, and the import of it."""
    fill(export.lab, rows=5_000, asset_mb=5)
    export.start()
    assert export.end() == 0, export.log
    report = export.report
    assert report is not None
    with importing(export.lab, tmp_path, database=TARGET) as made:
        made.options = of_export(store, tmp_path, report.manifest_sha256)
        yield made


def failed(arrival: Importing) -> tuple[str, str]:
    arrival.start()
    assert arrival.end() == 1, arrival.log
    report = arrival.report
    assert report is not None
    assert report.step == "Failed"
    return report.code or "", report.cause


def test_an_export_arrives_whole_and_only_once(arrival: Importing) -> None:
    source = tables_of(arrival.lab.primary.port)
    with connected(arrival.lab, database=TARGET) as connection:  # some engines make one for their user
        connection.execute(f"create schema system authorization {OWNER}")
    arrival.start()
    assert arrival.end() == 0, arrival.log
    assert [*table_findings(source, tables(arrival.lab))] == []
    report = arrival.report
    assert report is not None
    assert (report.step, report.keys, report.keys_opened) == ("Completed", len(KEYS), len(KEYS))
    assert report.rows == sum(table.rows for table in source)
    # It is found done, and what was written since stays.
    with connected(arrival.lab, database=TARGET) as connection:
        connection.execute("delete from system.assets")
    arrival.start()
    assert arrival.end() == 0, arrival.log
    with connected(arrival.lab, database=TARGET) as connection:
        assert connection.execute("select count(*) from system.assets").fetchone() == (0,)


def test_a_flipped_byte_and_a_wrong_masterkey_are_named_and_mended(arrival: Importing, store: S3) -> None:
    whole = arrival.options["manifest-sha256"]
    arrival.options["manifest-sha256"] = "0" * 64
    assert failed(arrival) == ("FileDamaged", "manifest.json is not the one named: its SHA-256 differs")
    arrival.options["manifest-sha256"] = whole
    flipped, data = asyncio.run(flip(store))
    code, cause = failed(arrival)
    assert (code, flipped in cause) == ("FileDamaged", True)
    asyncio.run(put(store, flipped, data))
    masterkey = (arrival.folder / "masterkey").read_bytes()
    (arrival.folder / "masterkey").write_bytes(masterkey[::-1])
    assert failed(arrival)[0] == "WrongMasterkey"
    (arrival.folder / "masterkey").write_bytes(masterkey)
    arrival.start()
    assert arrival.end() == 0, arrival.log


def test_an_older_release_and_a_database_in_use_are_refused(arrival: Importing) -> None:
    arrival.options["zitadel"] = "v4.6.0"
    assert failed(arrival)[0] == "VersionTooOld"
    del arrival.options["zitadel"]
    with connected(arrival.lab, database=TARGET) as connection:
        connection.execute("create table public.theirs (id int)")
    assert failed(arrival)[0] == "TargetNotEmpty"
    assert [table.full_name for table in tables(arrival.lab)] == ["public.theirs"]


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "step", [pytest.param("Reading", marks=SLOW), "Importing", pytest.param("Verifying", marks=SLOW)]
)
def test_one_that_is_killed_begins_anew_on_an_emptied_database(arrival: Importing, step: str) -> None:
    moments = {
        "Reading": (arrival.scratch / "sealed").exists,
        "Importing": (arrival.scratch / "load.ask").exists,
        "Verifying": (arrival.scratch / "load.done").exists,
    }
    arrival.start()
    until(moments[step], step, seconds=120)
    arrival.kill()
    if step != "Reading":  # the programs may still be at it: the pod's other container lives on
        until((arrival.scratch / "load.done").exists, "the programs", seconds=120)
    arrival.start()
    assert arrival.end() == 0, arrival.log
    assert [*table_findings(tables_of(arrival.lab.primary.port), tables(arrival.lab))] == []


def test_a_running_database_is_read_while_it_is_written(lab: Lab, tmp_path: Path) -> None:
    fill(lab, rows=5_000, asset_mb=5)
    over = threading.Event()

    def write() -> None:
        with connected(lab) as connection:
            number = 10**9
            while not over.is_set():
                number += 1
                connection.execute(
                    "insert into eventstore.events2 values ('i', 'user', %s, 'a', 1, now(), '{}', %s)",
                    (str(number), number),
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with importing(lab, tmp_path, database=TARGET, source=DATABASE) as arrival:
            arrival.start()
            assert arrival.end() == 0, arrival.log
            report = arrival.report
    finally:
        over.set()
        writer.join()
    assert report is not None
    found = tables(lab)
    assert report.rows == sum(table.rows for table in found)
    source = {table.full_name: table.rows for table in tables_of(lab.primary.port)}
    assert source["eventstore.events2"] > next(t.rows for t in found if t.name == "events2") >= 5_001


async def flip(store: S3) -> tuple[str, bytes]:
    """Change a bit of a stored table; the object's name in the export, and what it was."""
    async with open_objects(BUCKET, store.access()) as bucket:
        names = [name async for name, _ in bucket.sizes(f"{FOLDER}/dump/") if name.endswith(".gz.age")]
        data = await bucket.read(names[0])
    name = names[0].removeprefix(f"{FOLDER}/")
    await put(store, name, data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    return name, data


async def put(store: S3, name: str, data: bytes) -> None:
    async with open_objects(BUCKET, store.access()) as bucket:
        assert (await bucket.ask(method="PUT", key=f"{FOLDER}/{name}", body=data)).status < 300
