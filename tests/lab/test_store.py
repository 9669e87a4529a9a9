"""A bucket is read as it is; what a store does not tell is not known, and never 'no'."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dedicated.api.store import Store, Target
from dedicated.probes.objects import Access, NoObjectsError, elements, open_objects
from dedicated.probes.store import Bucket, away, check
from lab.s3 import S3, VERSIONED, front_of, object_store, put, write_credentials

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
OBJECTS = "arn:aws:s3:::open-by-policy/*"
EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS}
BLOCK = """<PublicAccessBlockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>
<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>
</PublicAccessBlockConfiguration>"""
LOCATION = '<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{}</LocationConstraint>'
RULE = "<Rule><ID>{0}</ID><Status>{1}</Status><Destination><Bucket>{2}</Bucket></Destination></Rule>"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(autouse=True)
def lab_programs() -> None:
    """The store comes as a wheel: it is there wherever the tests are."""


async def look(place: Bucket) -> Store:
    (found,) = await check([place], now=lambda: NOW)
    return found


async def test_a_plain_bucket_has_nothing_configured_and_can_be_written(store: S3) -> None:
    await store.make_bucket("plain")
    found = await look(Bucket("plain", store.access(), "acme/uid"))
    assert found == Store(
        NOW,
        "plain",
        endpoint=store.endpoint,
        region="",
        targets=(),
        encryption="",
        versioned=False,
        lock_days=0,
        public=False,
        writable=True,
    )
    async with open_objects("plain", store.access()) as objects:
        assert [name async for name in objects.sizes("")] == []


async def test_versions_lock_and_encryption_are_read(store: S3) -> None:
    await store.make_bucket("guarded", lock=True)
    async with open_objects("guarded", store.access()) as bucket:
        await put(
            bucket,
            "encryption",
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>"
            "AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        )
    found = await look(Bucket("guarded", store.access()))
    assert (found.versioned, found.lock_days, found.encryption) == (True, 14, "AES256")


async def test_a_version_under_a_lock_stays_hidden_and_suspended_versioning_is_none(store: S3) -> None:
    await store.make_bucket("locked", lock=True)
    async with front_of(store) as front:
        access = store.access(endpoint=front.endpoint)
        found = await look(Bucket("locked", access))
        assert (found.versioned, found.writable, found.unanswered) == (True, True, ())
        assert [asked.partition("?")[2][:9] for asked in front.asked if asked.startswith("DELETE")] == [
            "versionId",
            "",
        ]
        async with open_objects("locked", access) as bucket:
            assert [name async for name in bucket.sizes("")] == []
            assert b"dedicated-write-check" in (await bucket.ask("versions")).body
        suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
        front.answer("locked", "versioning", 200, suspended)
        assert (await look(Bucket("locked", access))).versioned is False


async def test_a_version_of_the_write_check_is_not_left_behind(store: S3) -> None:
    await store.make_bucket("versioned")
    async with open_objects("versioned", store.access()) as bucket:
        await put(bucket, "versioning", VERSIONED)
        assert (await look(Bucket("versioned", store.access()))).writable
        versions = await bucket.ask("versions")
    assert b"dedicated-write-check" not in versions.body


@pytest.mark.parametrize("way", ["policy", "acl"])
async def test_whoever_lets_everybody_in_is_public(store: S3, way: str) -> None:
    name = f"open-by-{way}"
    await store.make_bucket(name)
    async with open_objects(name, store.access()) as bucket:
        if way == "policy":
            await put(bucket, "policy", json.dumps({"Version": "2012-10-17", "Statement": [EVERYBODY]}))
        else:
            await put(bucket, "acl", ACCESS_LIST)
    assert (await look(Bucket(name, store.access()))).public is True
    async with front_of(store) as front:
        place = Bucket(name, store.access(endpoint=front.endpoint))
        front.answer(name, "publicAccessBlock", 200, BLOCK)
        assert (await look(place)).public is False
        front.answer(name, "publicAccessBlock", 200, BLOCK.replace("true</R", "false</R"))
        assert (await look(place)).public is True


ACCESS_LIST = """<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>owner</ID></Owner>
<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">
<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>
</AccessControlList></AccessControlPolicy>"""


async def test_a_policy_is_read_where_the_store_does_not_judge_it(store: S3) -> None:
    await store.make_bucket("judged")
    async with front_of(store) as front:
        place = Bucket("judged", store.access(endpoint=front.endpoint))
        front.answer("judged", "policyStatus", 501, "<Error><Code>NotImplemented</Code></Error>")
        for statement, public in (
            (EVERYBODY, True),
            ({**EVERYBODY, "Principal": {"AWS": ["arn:aws:iam::1:root", "*"]}}, True),
            ({**EVERYBODY, "Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
            ({**EVERYBODY, "Effect": "Deny"}, False),
            ({"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::1:root"}, "Action": "*"}, True),
        ):
            front.answer("judged", "policy", 200, json.dumps({"Statement": statement}))
            assert (await look(place)).public is public, statement
        front.answer("judged", "policy", 200, "not a policy")
        assert (await look(place)).public is True
        front.answer("judged", "policy", 403, "<Error><Code>AccessDenied</Code></Error>")
        assert (await look(place)).public is None


async def test_targets_of_replication_are_named_with_their_region(store: S3) -> None:
    await store.make_bucket("source")
    async with front_of(store) as front:
        front.answer("source", "location", 200, LOCATION.format("eu-central-1"))
        rules = [
            RULE.format("a", "Enabled", "arn:aws:s3:::virginia"),
            RULE.format("b", "Enabled", "arn:aws:s3:::shut"),
            RULE.format("c", "Enabled", "arn:aws:s3:::elsewhere"),
            RULE.format("d", "Disabled", "arn:aws:s3:::former"),
            RULE.format("e", "Enabled", ""),
        ]
        text = f'<ReplicationConfiguration xmlns="x">{"".join(rules)}</ReplicationConfiguration>'
        front.answer("source", "replication", 200, text)
        front.answer("virginia", "location", 200, LOCATION.format(""))
        front.answer("shut", "location", 403, "<Error><Code>AccessDenied</Code></Error>")
        front.answer("elsewhere", "location", 301, "", x_amz_bucket_region="us-west-2")
        found = await look(Bucket("source", store.access(endpoint=front.endpoint)))
    assert found.region == "eu-central-1"
    assert found.targets == (
        *(Target("", None), Target("elsewhere", "us-west-2")),
        *(Target("shut", None), Target("virginia", "")),
    )
    assert found.unanswered == ("Location of shut: AccessDenied",)


async def test_denied_is_not_known_and_a_denied_write_is_a_no(store: S3) -> None:
    await store.make_bucket("withheld")
    found = await look(Bucket("withheld", store.access("reader")))
    facts = (found.region, found.targets, found.encryption, found.versioned, found.lock_days, found.public)
    assert facts == (None,) * 6
    assert found.writable is False
    assert {said.partition(": ")[2] for said in found.unanswered} == {"AccessDenied"}


async def test_a_bucket_that_is_not_there_is_not_made_by_looking(store: S3) -> None:
    found = await look(Bucket("nowhere", store.access()))
    assert found == Store(NOW, "nowhere", endpoint=store.endpoint, unanswered=("Location: NoSuchBucket",))


async def test_a_store_that_fails_is_not_known(store: S3, tmp_path: Path) -> None:
    await store.make_bucket("failing")
    stranger = write_credentials(tmp_path / "stranger", "planted-id-4711", "planted-key-4711")
    empty = write_credentials(tmp_path / "empty", "", " ")
    binary = write_credentials(tmp_path / "binary", "planted-id-4711", "")
    (binary / "secret-access-key").write_bytes(b"\xff4711")
    distrusted = Access(store.endpoint, "eu-central-1", store.folder / "owner")
    for access, said in (
        (store.access(endpoint="localhost:1"), "Unreached: ClientConnectorError"),
        (
            Access(store.endpoint, "eu-central-1", empty, store.ca_file),
            "Unreached: access-key-id, secret-access-key: empty",
        ),
        (
            Access(store.endpoint, "eu-central-1", binary, store.ca_file),
            "Unreached: access-key-id, secret-access-key: UnicodeDecodeError",
        ),
        (distrusted, "Unreached: CertificateNotTrusted"),
        (
            Access(store.endpoint, "eu-central-1", tmp_path / "none", store.ca_file),
            "Unreached: access-key-id, secret-access-key: FileNotFoundError",
        ),
        (Access(store.endpoint, "eu-central-1", stranger, store.ca_file), "Location: InvalidAccessKeyId"),
    ):
        found = await look(Bucket("failing", access))
        assert (found.region, found.public, found.writable or None) == (None, None, None)
        assert found.unanswered[0] == said
        assert "4711" not in repr(found)


async def test_names_come_in_pages_and_an_object_can_be_read(store: S3) -> None:
    await store.make_bucket("paged")
    async with front_of(store) as front:
        access = store.access(endpoint=front.endpoint)
        async with open_objects("paged", access) as bucket:
            wanted = [f"a b/ü+{number}" for number in range(5)]
            for key in [*wanted, "other"]:
                assert (await bucket.ask(method="PUT", key=key, body=key.encode())).status == 200
            listed = [found async for found in bucket.sizes("a b/")]
            assert listed == [(name, len(name.encode())) for name in wanted]
            assert await bucket.read(wanted[2]) == wanted[2].encode()
            with pytest.raises(NoObjectsError, match="NoSuchKey"):
                await bucket.read("none")
            item = "<Contents><Key>{0}</Key><Size>7</Size></Contents>"
            page = f"<ListBucketResult>{item}{{1}}</ListBucketResult>"
            token = "<NextContinuationToken>a+b</NextContinuationToken>"
            first, second = "list-type=2&prefix=", "continuation-token=a%2Bb&list-type=2&prefix="
            front.answer("paged", first, 200, page.format("one", token))
            front.answer("paged", second, 200, page.format("two", ""))
            assert [name async for name in bucket.sizes("")] == [("one", 7), ("two", 7)]


@asynccontextmanager
async def answering(store: S3, answer: bytes, *, forever: bool) -> AsyncIterator[Access]:
    """A server that answers each request so, again and again if `forever`, and never ends its answer."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while forever:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
            await reader.read()
            writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(store.folder / "s3.crt", store.folder / "s3.key")
    server = await asyncio.start_server(handle, "localhost", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield store.access(endpoint=f"localhost:{port}")
    finally:
        server.close()


async def test_a_store_that_hangs_or_never_ends_is_not_waited_for(
    store: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dedicated.probes.objects.ANSWER_SECONDS", 1.0)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for answer, forever, said in (
        (b"", False, "Timeout"),
        (head, False, "Timeout"),
        (head, True, "TooLong"),
        (b"SSH-2.0\r\n\r\n", False, "ClientResponseError"),
    ):
        async with answering(store, answer, forever=forever) as access:
            found = await look(Bucket("any", access))
        assert found.unanswered == (f"Unreached: {said}",)
    async with answering(store, head, forever=False) as access:
        monkeypatch.setattr("dedicated.probes.store.CHECK_SECONDS", 0.3)
        assert (await look(Bucket("any", access))).unanswered == ("Unreached: Timeout",)


async def test_a_place_is_away_that_answers_nothing_or_a_servers_error(
    store: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dedicated.probes.store.AWAY_SECONDS", 0.3)
    await store.make_bucket("reached")
    async with front_of(store) as front, answering(store, b"", forever=False) as silent:
        place = Bucket("reached", store.access(endpoint=front.endpoint))
        assert await away([place]) == ()
        front.answer("reached", "location", 403, "<Error><Code>AccessDenied</Code></Error>")
        assert await away([place]) == ()
        front.answer("reached", "location", 503, "<Error><Code>ServiceUnavailable</Code></Error>")
        assert await away([place, Bucket("other", silent), Bucket("reached", store.access())]) == (
            "reached: Unreached: ServiceUnavailable",
            "other: Unreached: Timeout",
        )


def test_an_answer_that_grows_when_it_is_read_is_none() -> None:
    names = [f"e{number}" for number in range(9)]
    entities = "".join(
        f'<!ENTITY {name} "{f"&{names[number - 1]};" * 20 if number else "x" * 20}">'
        for number, name in enumerate(names)
    )
    bomb = f"<!DOCTYPE a [{entities}]><a><Code>&{names[-1]};</Code></a>"
    assert elements(bomb.encode(), "Code") == []
