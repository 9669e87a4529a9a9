"""A physical export of a real repository: fetched without a key, restored elsewhere; expired, and not
whole."""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from dedicated.contract.transfer.export import Table
from dedicated.contract.transfer.physical_export import PhysicalManifest, read_physical
from dedicated.probes.exported import exported
from dedicated.probes.objects import NoObjectsError, Objects, open_objects
from lab.export import BUCKET, FOLDER, IDENTITY, Exporting, download, exporting
from lab.laboratory import Lab, laboratory
from lab.repository import CIPHER_PASS, STANZA
from lab.s3 import REGION, S3, object_store
from lab.server import Server, until
from lab.trial import note
from testbed.processes import free_port

BACKUPS, ROOT, CIPHER = "backups", "acme/uid", "acme-cipher"
AGE = """#!{python}
import sys, pyrage
identity = pyrage.x25519.Identity.from_str(open(sys.argv[3]).read().strip())
pyrage.decrypt_file(sys.argv[6], sys.argv[5], [identity])
"""
"""As much of age as the README uses: `age -d -i IDENTITY -o OUT IN`."""


@pytest.fixture(scope="module")
def store() -> Iterator[S3]:
    """Where the database's user may read the certificate of its authority."""
    with tempfile.TemporaryDirectory(prefix="s3-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with object_store(Path(folder)) as running:
            asyncio.run(running.make_bucket(BACKUPS))
            asyncio.run(running.make_bucket(BUCKET))
            yield running


@pytest.fixture(scope="module")
def repository(store: S3) -> Iterator[Lab]:
    """A full backup in the store, another after it, rows before, between and after, all of it archived."""
    with laboratory(archive_timeout=5, repository=store.pgbackrest(BACKUPS, f"/{ROOT}")) as lab:
        fill(lab, 20_000)
        lab.repository.backup("full")
        fill(lab, 5_000)
        lab.repository.backup("diff")
        fill(lab, 1_000)
        archived(lab)
        yield lab


@pytest.fixture
def export(repository: Lab, store: S3, tmp_path: Path) -> Iterator[Exporting]:
    """A physical export that is not started yet, with the keys that its pod has mounted."""
    with exporting(repository, store, tmp_path) as made:
        secret = tmp_path / "keys" / "secrets" / CIPHER / "passphrase"
        secret.parent.mkdir(parents=True)
        secret.write_text(CIPHER_PASS)
        made.folder_of_store = f"{FOLDER}/{tmp_path.name}"
        made.more = {
            "repository-config": str(repository.repository.config),
            "stanza": STANZA,
            "pgbackrest": str(repository.repository.program),
            "repository-bucket": BACKUPS,
            "repository-folder": ROOT,
            "repository-endpoint": store.endpoint,
            "repository-region": REGION,
            "repository-credentials": str(store.folder / "owner"),
            "passphrase": f"{CIPHER}/passphrase",
            "valid-for": "1h",
        }
        yield made
    shutil.rmtree(made.scratch)


def fill(lab: Lab, rows: int) -> None:
    query = """
        insert into eventstore.events2 (aggregate_id, "sequence", payload)
        select gen_random_uuid()::text, g, jsonb_build_object('n', g, 'text', md5(random()::text))
          from generate_series(1, %s) g"""
    with lab.primary.connection() as connection:
        connection.execute(query, (rows,))


def archived(lab: Lab) -> None:
    """Wait until all that was committed is in the repository."""
    ((segment,),) = lab.primary.ask("select pg_walfile_name(pg_switch_wal())")
    done = "select coalesce(last_archived_wal, '') >= %s from pg_stat_archiver"
    until(lambda: lab.primary.ask(done, segment) == [(True,)], f"{segment} is archived", seconds=120)


def tables_of(port: int, host: str = "127.0.0.1") -> tuple[Table, ...]:
    async def ask() -> tuple[Table, ...]:
        async with exported(f"host={host} port={port} user=postgres dbname=postgres") as session:
            return tuple(
                [
                    Table(schema, name, *(await session.rows(schema, name)))
                    for schema, name, _ in await session.tables()
                ]
            )

    return asyncio.run(ask())


def fetched(export: Exporting, into: Path) -> PhysicalManifest:
    """What the customer finds in their bucket."""

    async def ask() -> None:
        async with open_objects(BUCKET, export.store.access()) as bucket:
            await download(bucket, into, folder=export.folder_of_store)

    asyncio.run(ask())
    manifest = read_physical((into / "manifest.json").read_bytes())
    assert manifest is not None
    return manifest


def commands(folder: Path) -> list[str]:
    """The README's commands up to a running server, block by block."""
    blocks = re.findall(r"(?:^ {7}.*\n)+", (folder / "README.md").read_text(), re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks if "zitadel setup" not in block]


def follow(export: Exporting, folder: Path, blocks: list[str], *, port: int, user: int | None = None) -> None:
    """Run commands of the README, word by word, with no credential of any store."""
    lab, tools = export.lab, folder.parent / "tools"
    environment = {
        "PATH": f"{tools}:{lab.programs.postgres}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "CURL_CA_BUNDLE": str(export.store.ca_file),
        "PGPORT": str(port),
    }
    for block in blocks:
        done = subprocess.run(
            ["/bin/sh", "-c", f"set -e\n{block}"],
            cwd=folder, env=environment, capture_output=True, text=True, check=False, user=user, group=user,
            extra_groups=[] if user is not None else None,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


def place(export: Exporting) -> Path:
    """A folder of the customer's, with the age of the README."""
    folder = export.lab.folder / "pg" / "at-customers"
    tools = folder.parent / "tools"
    tools.mkdir()
    (tools / "age").write_text(AGE.format(python=sys.executable))
    (tools / "age").chmod(0o755)
    return folder


def test_another_server_has_the_same_rows_after_the_readme_was_followed_without_a_key(
    export: Exporting, tmp_path: Path
) -> None:
    before = tables_of(export.lab.primary.port)
    export.start()
    assert export.end() == 0, export.log
    report = export.report
    assert report is not None
    folder = place(export)
    manifest = fetched(export, folder)
    assert (report.step, report.objects, report.expires) == (
        "Completed", len(manifest.objects), manifest.expires
    )  # fmt: skip
    assert manifest.expires == manifest.written + timedelta(hours=1)
    assert (manifest.major, manifest.stanza, manifest.cipher) == (
        int(export.lab.programs.postgres.parts[-2]), STANZA, True
    )  # fmt: skip
    assert re.fullmatch(r"[-0-9]+F", manifest.backup)
    assert "X-Amz" not in (folder / "manifest.json").read_text() + (folder / "README.md").read_text()
    (folder / "identity.txt").write_text(str(IDENTITY))
    port, user, blocks = free_port(), export.lab.programs.user, commands(folder)
    assert len(blocks) == 6
    # The stand-in for age is this interpreter's, which the database's user may not enter.
    follow(export, folder, blocks[:4], port=port)
    if user is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, user)
    server = Server("at-customers", port, folder / "data", folder, export.lab.programs)
    try:
        follow(export, folder, blocks[4:], port=port, user=user)
        assert tables_of(port, str(folder)) == before
    finally:
        server.kill()
    note("physical export", objects=report.objects, bytes=report.object_bytes, memory=export.memory)


async def bucket_of(export: Exporting) -> list[str]:
    async with open_objects(BACKUPS, export.store.access()) as bucket:
        return [name async for name, _ in bucket.sizes(export.more["repository-folder"] + "/")]


async def taken(export: Exporting, name: str) -> bytes:
    """Take an object away; what it was."""
    async with open_objects(BACKUPS, export.store.access()) as bucket:
        data = await bucket.read(name)
        await bucket.ask(method="DELETE", key=name)
        return data


async def put(export: Exporting, name: str, data: bytes) -> None:
    async with open_objects(BACKUPS, export.store.access()) as bucket:
        assert (await bucket.ask(method="PUT", key=name, body=data)).status == 200


def test_what_is_missing_in_the_repository_is_named_and_nothing_is_stored(export: Exporting) -> None:
    names = asyncio.run(bucket_of(export))
    newest = max(found[1] for name in names if (found := re.search(r"/([-0-9]+F)/backup.manifest$", name)))
    bundle = next(name for name in names if f"/{newest}/bundle/" in name)
    segments = [name for name in names if re.search(r"/[0-9A-F]{24}-[0-9a-f]{40}", name)]
    for missing, said in (
        (bundle, f"backup/{STANZA}/{newest}/bundle/"),
        (segments[-2], re.search(r"[0-9A-F]{24}", segments[-2].rpartition("/")[2])[0]),  # type: ignore[index]
    ):
        data = asyncio.run(taken(export, missing))
        export.start()
        assert export.end() == 1, export.log
        report = export.report
        assert report is not None
        assert report.step == "Failed"
        assert said in report.cause
        asyncio.run(put(export, missing, data))

    async def stored() -> list[str]:
        async with open_objects(BUCKET, export.store.access()) as bucket:
            return [name async for name, _ in bucket.sizes(export.folder_of_store)]

    assert asyncio.run(stored()) == []


async def refused(bucket: Objects, address: str) -> str:
    try:
        await bucket.reached(address)
    except NoObjectsError as error:
        return str(error)
    return ""


async def test_an_address_reads_one_object_writes_none_and_ends(store: S3) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    async with open_objects(BACKUPS, store.access()) as bucket:
        for name in ("one.zst", "two"):
            assert (await bucket.ask(method="PUT", key=name, body=b"x" * 1000)).status == 200
        good = await bucket.address("one.zst", at=now, valid_for=hour)
        assert await bucket.reached(good) == 1000
        assert await refused(bucket, await bucket.address("one.zst", at=now - 2 * hour, valid_for=hour))
        assert await refused(bucket, good.replace("/one.zst?", "/two?"))
        assert await refused(bucket, await bucket.address("three", at=now, valid_for=hour)) == "NoSuchKey"
        writing = aiohttp.request(
            "PUT", good, data=b"y", ssl=ssl.create_default_context(cafile=store.ca_file)
        )
        async with writing as answer:
            assert answer.status == 403
