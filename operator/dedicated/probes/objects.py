"""Objects of an S3 store: a signed request, its answer, names below a prefix.

The requests are few and small, so they go over aiohttp, which is there anyway; what is not trivial, the
signature, is made by AWS's own library (`awscrt`). Keys are read from the files of a mounted Secret for each
request, so that a rotated one is used at once; they are in no error text, and neither is what a store
answers, but for its code.

Limits: always TLS, and the bucket is always in the path (no store that we know refuses that, but for
Alibaba's); bodies end at `BODY_LIMIT`; redirects are not followed.
"""

import asyncio
import base64
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest
from yarl import URL

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes. A page of a listing has up to 1,000 names of at most 1,024 bytes each, and their dates."""
ANSWER_SECONDS = 15.0
KEY_ID, KEY, TOKEN = "access-key-id", "secret-access-key", "session-token"
CODE = re.compile(r"[A-Za-z]{1,64}")


@dataclass(frozen=True, slots=True)
class Access:
    """A store's door: `endpoint` is a host, with a port where it is not 443; `region` the one that requests
    are signed for; `credentials` the folder of a mounted Secret. `ca_file` is trusted besides the system's
    authorities."""

    endpoint: str
    region: str
    credentials: Path
    ca_file: Path | None = None


class NoObjectsError(Exception):
    """The store did not answer, or refused; the text is a code, and never holds what was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers of an answer; `code` is the store's own word of an error, or empty."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """Such as `AccessDenied`; `HTTP 502` where the answer is not a store's."""
        if self.status < 300:
            return ""
        text = next(texts(self.body, "Code"), "") if self.body else ""
        return text if CODE.fullmatch(text) else f"HTTP {self.status}"


class Objects:
    """One bucket, over an open session. Each question may raise `NoObjectsError`, within its seconds."""

    def __init__(self, bucket: str, *, access: Access, session: aiohttp.ClientSession) -> None:
        self.bucket = bucket
        self._access = access
        self._session = session

    async def ask(
        self,
        query: str = "",
        *,
        method: Literal["GET", "PUT", "POST", "DELETE"] = "GET",
        key: str = "",
        bucket: str = "",
        body: bytes = b"",
        span: tuple[int, int] | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """One request. `query` is encoded already, `key` is not; another bucket of the store may be named.

        `span`: the first byte wanted of an object, and the one after the last. `seconds`: `ANSWER_SECONDS`.
        """
        path = f"/{bucket or self.bucket}" + (f"/{quote(key)}" if key else "")
        path += f"?{query}" if query else ""
        headers = await _signed(method, path, body, access=self._access)
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        address = f"https://{self._access.endpoint}{path}"
        return await self._got(method, address, headers=headers, body=body, seconds=seconds)

    async def _got(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        seconds: float | None = None,
    ) -> Answer:
        try:
            async with asyncio.timeout(ANSWER_SECONDS if seconds is None else seconds):
                async with self._session.request(
                    method,
                    URL(address, encoded=True),
                    headers=headers,
                    data=body or None,
                    allow_redirects=False,
                ) as response:
                    got = await response.content.read(BODY_LIMIT + 1)
                    while len(got) <= BODY_LIMIT and (more := await response.content.read(BODY_LIMIT)):
                        got += more
                    if len(got) > BODY_LIMIT:
                        raise NoObjectsError("TooLong")
                    return Answer(response.status, got, response.headers)
        except TimeoutError:
            raise NoObjectsError("Timeout") from None
        except aiohttp.ClientConnectorCertificateError:
            raise NoObjectsError("CertificateNotTrusted") from None
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise NoObjectsError(type(error).__name__) from None

    async def address(self, key: str, *, at: datetime, valid_for: timedelta) -> str:
        """An address by which anybody may read an object, of `at` and for so long: a week at most.

        Raises `NoObjectsError`.
        """
        path = f"/{self.bucket}/{quote(key)}"
        request = HttpRequest("GET", path, HttpHeaders([("host", self._access.endpoint)]))
        config = _signing(
            self._access,
            date=at,
            signature_type=AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
            signed_body_value="UNSIGNED-PAYLOAD",
            expiration_in_seconds=int(valid_for.total_seconds()),
        )
        signed = await asyncio.wrap_future(aws_sign_request(request, config))
        return f"https://{self._access.endpoint}{signed.path}"

    async def reached(self, address: str) -> int:
        """Bytes of what an address leads to, as an answer to its first byte tells; no key is sent. Raises
        `NoObjectsError`, also where it is refused."""
        answer = await self._got("GET", address, headers={"Range": "bytes=0-0"})
        size = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if answer.status not in (206, 416) or not size.isdecimal():
            raise NoObjectsError(answer.code or "NoRange")
        return int(size)

    async def sizes(self, prefix: str) -> AsyncIterator[tuple[str, int]]:
        """Names of all objects below a prefix, in order, and their bytes. Raises `NoObjectsError` where one
        page fails."""
        more = ""
        while True:
            query = f"{more}list-type=2&prefix={quote(prefix, safe='')}"
            answer = await self.ask(query)
            if answer.status != 200:
                raise NoObjectsError(answer.code)
            for item in elements(answer.body, "Contents"):
                size = item.findtext("{*}Size") or ""
                yield item.findtext("{*}Key") or "", int(size) if size.isdecimal() else 0
            token = next(texts(answer.body, "NextContinuationToken"), "")
            if not token:
                return
            more = f"continuation-token={quote(token, safe='')}&"

    async def read(self, key: str) -> bytes:
        """An object's content, up to `BODY_LIMIT`. Raises `NoObjectsError`, also where there is none."""
        answer = await self.ask(key=key)
        if answer.status != 200:
            raise NoObjectsError(answer.code)
        return answer.body


@asynccontextmanager
async def open_objects(bucket: str, access: Access) -> AsyncIterator[Objects]:
    """A bucket for some questions. Raises `NoObjectsError` where the authorities' file is no use."""
    context = ssl.create_default_context()
    if access.ca_file is not None:
        try:
            context.load_verify_locations(cafile=access.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise NoObjectsError(f"{access.ca_file.name}: {type(error).__name__}") from None
    connector = aiohttp.TCPConnector(limit=2, ssl=context)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        yield Objects(bucket, access=access, session=session)


def elements(body: bytes, path: str) -> list[ElementTree.Element]:
    """Elements of an answer at a path of names, whatever namespace they have; none where it is no XML.

    An empty path is the whole answer.
    """
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat bounds expansion, the body is bounded
    except ElementTree.ParseError:
        return []
    return root.findall("/".join(f"{{*}}{name}" for name in path.split("/"))) if path else [root]


def texts(body: bytes, path: str) -> Iterator[str]:
    """The texts at a path of names in an answer."""
    return (element.text or "" for element in elements(body, path))


async def _signed(method: str, path: str, body: bytes, *, access: Access) -> dict[str, str]:
    """The headers of a request. Raises `NoObjectsError` where there is no key."""
    digest = hashlib.sha256(body).hexdigest()
    # Amazon's store wants a checksum of whatever is put into a bucket with a lock.
    checksum = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    sent = [("host", access.endpoint), *([("content-md5", checksum)] if body else [])]
    request = HttpRequest(method, path, HttpHeaders(sent))
    config = _signing(
        access,
        signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
        signed_body_value=digest,
        signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
    )
    signed = await asyncio.wrap_future(aws_sign_request(request, config))
    return {str(name): str(value) for name, value in signed.headers}


def _signing(access: Access, **how: object) -> AwsSigningConfig:
    """How a request is signed. Raises `NoObjectsError` where there is no key."""
    try:
        key_id, key = ((access.credentials / name).read_text().strip() for name in (KEY_ID, KEY))
        token = access.credentials / TOKEN
        session = token.read_text().strip() if token.exists() else None
    except (OSError, ValueError) as error:
        raise NoObjectsError(f"{KEY_ID}, {KEY}: {type(error).__name__}") from None
    if not (key_id and key):
        raise NoObjectsError(f"{KEY_ID}, {KEY}: empty")
    return AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4,
        credentials_provider=AwsCredentialsProvider.new_static(key_id, key, session),
        region=access.region,
        service="s3",
        use_double_uri_encode=False,
        should_normalize_uri_path=False,
        **how,
    )
