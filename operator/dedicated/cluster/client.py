"""The verbs of the Kubernetes API on plain manifests.

Everything idempotent is retried for some seconds where the server is busy or away; a POST only if it
certainly was not carried out. After a lost answer the caller creates again, and takes 409 for "it exists".
Nothing here remembers objects, and no answer is interpreted beyond success or `ApiError`.
"""

import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Literal, TypeAlias, TypeVar

import aiohttp

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_map, get_str
from dedicated.api.names import FIELD_MANAGER
from dedicated.api.objects import Kind
from dedicated.cluster.errors import NO_ANSWER, STALLED, ApiError, error_from_status
from dedicated.cluster.pace import DEFAULT_POLICY, RetryPolicy, with_retries
from dedicated.cluster.page import split
from dedicated.cluster.transport import Credentials, Login, ObserveRequest, Request, Transport

T = TypeVar("T")
Manifests: TypeAlias = list[Manifest]
JsonPatch: TypeAlias = list[JsonValue]
Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]

ACCESS_REVIEW = Kind(
    "authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False
)
SELF_REVIEW = Kind(
    "authentication.k8s.io/v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False
)
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PATCH_TYPES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json"}
PAGE = 100
"""Objects of one answer to a list."""
WATCH_SECONDS = (480, 600)
"""The server ends a watch after a random time in between, so that not all watches reconnect at once."""


def _unobserved(_verb: str, _plural: str, _code: int, _seconds: float) -> None:
    return None


@asynccontextmanager
async def connect(
    login: Login,
    *,
    user_agent: str,
    manager: str = FIELD_MANAGER,
    observe_request: ObserveRequest = _unobserved,
) -> AsyncIterator["Client"]:
    """A client for the time of the block; makes no request yet. Raises `ValueError` without credentials."""
    transport = await Transport.connect(login=login, user_agent=user_agent, observe=observe_request)
    try:
        yield Client(transport, manager)
    finally:
        await transport.close()


@dataclass(frozen=True, slots=True)
class Server:
    """The API server: its version, such as v1.36.4, and what its clock said, in whole seconds."""

    version: str
    date: datetime | None


@dataclass(frozen=True, slots=True)
class Client:
    """The API server as seen by one user. All methods raise `ApiError`.

    `before_send` is called right before each attempt of each changing request and may raise to forbid it
    (the fence of leader election). `manager` is the field manager of what is written.
    """

    transport: Transport
    manager: str = FIELD_MANAGER
    before_send: Callable[[], None] | None = None
    policy: RetryPolicy = DEFAULT_POLICY

    def fenced(self, before_send: Callable[[], None]) -> "Client":
        """The same client over the same connections, whose changing requests `before_send` may forbid."""
        return replace(self, before_send=before_send)

    async def credentials(self, *, fresh: bool = False) -> Credentials:
        """For another HTTP client that must act as the same user; `fresh` after an answer of 401."""
        return await self.transport.credentials(fresh=fresh)

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """One object. `namespace` is ignored for cluster-scoped kinds."""
        return await self._read(Request("get", kind.plural, "GET", path_of(kind, namespace, name)))

    async def pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        selector: str = "",
        metadata_only: bool = False,
        page: int = PAGE,
    ) -> AsyncGenerator[tuple[Iterable[Manifest], str], None]:
        """All objects of a kind, in one namespace or all, page by page, so that they need not be kept all.

        With each page comes the resourceVersion to watch from. Its items are to be read once, before the next
        page: each is decoded only then. They carry their `apiVersion` and `kind`, which the API server leaves
        out of lists. Raises `ApiError`, `gone` where the list took minutes and its snapshot went meanwhile.
        Use with `aclosing`.
        """
        query = {"limit": str(page)} | ({"labelSelector": selector} if selector else {})
        accept = METADATA_LIST if metadata_only else "application/json"
        while True:
            path = path_of(kind, namespace)
            request = Request("list", kind.plural, "GET", path, query=query, accept=accept)
            head, items = await self._repeat(partial(self._page, request), repeatable=True)
            yield _each(items, kind, request), get_str(head, "metadata", "resourceVersion")
            token = get_str(head, "metadata", "continue")
            if not token:
                return
            query = query | {"continue": token}

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        selector: str = "",
        metadata_only: bool = False,
        page: int = PAGE,
    ) -> tuple[Manifests, str]:
        """All `pages` at once, and the resourceVersion to watch from."""
        found: Manifests = []
        version = ""
        pages = self.pages(kind, namespace, selector=selector, metadata_only=metadata_only, page=page)
        async with aclosing(pages) as each:
            async for items, at in each:
                found.extend(items)
                version = at
        return found, version

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        selector: str = "",
        metadata_only: bool = False,
        idle_timeout: float = 70.0,
    ) -> AsyncGenerator[tuple[str, Manifest], None]:
        """Events since a resourceVersion as (type, object), bookmarks included; use with `aclosing`.

        Ends when the server ends the watch or the connection breaks; the last, half event is dropped then.
        Raises `ApiError`: `gone` where the version is too old, `STALLED` after `idle_timeout` silent seconds.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),  # noqa: S311 - no secret
        }
        request = Request(
            "watch",
            kind.plural,
            "GET",
            path_of(kind, namespace),
            query=query | ({"labelSelector": selector} if selector else {}),
            accept=METADATA_ONE if metadata_only else "application/json",
        )
        async with (
            self.transport.stream(request, idle_timeout=idle_timeout) as content,
            aclosing(_lines(content, request)) as lines,
        ):
            async for line in lines:
                event = _decoded(line, request)
                found = get_map(event, "object")
                if get_str(event, "type") == "ERROR":
                    raise error_from_status(found)
                yield get_str(event, "type"), _named(found, kind)

    async def apply(
        self, kind: Kind, manifest: Manifest, *, force: bool = True, dry_run: bool = False
    ) -> Manifest:
        """Server-side apply under our field manager; the object as it is now, or (`dry_run`) would be."""
        request = Request(
            "apply",
            kind.plural,
            "PATCH",
            _path_of_manifest(kind, manifest),
            query={"fieldManager": self.manager, "force": str(force).lower()} | _dry(dry_run),
            body=manifest,
            content_type="application/apply-patch+yaml",
        )
        return await self._change(request, repeatable=True)

    async def create(self, kind: Kind, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create. `conflict`: the name is taken, maybe by an earlier attempt whose answer was lost."""
        path = path_of(kind, get_str(manifest, "metadata", "namespace"))
        query = {"fieldManager": self.manager} | _dry(dry_run)
        request = Request("create", kind.plural, "POST", path, query=query, body=manifest)
        return await self._change(request, repeatable=False)

    async def update(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Replace, at the resourceVersion in the manifest. One attempt: leases keep their own time."""
        request = Request(
            "update",
            kind.plural,
            "PUT",
            _path_of_manifest(kind, manifest),
            query={"fieldManager": self.manager},
            body=manifest,
        )
        return await self._send(request, changing=True)

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Manifest | JsonPatch,
        *,
        content: Literal["merge", "json"],
        subresource: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Merge patch, or JSON patch; the object as it is now, or (`dry_run`) would be.

        A merge patch is repeated on trouble (put a resourceVersion into it where it must not overwrite the
        changes of others); a JSON patch only if it begins with a `test`, so that it cannot add twice.
        """
        path = path_of(kind, namespace, name) + (f"/{subresource}" if subresource else "")
        request = Request(
            "patch",
            kind.plural,
            "PATCH",
            path,
            query={"fieldManager": self.manager} | _dry(dry_run),
            body=body,
            content_type=PATCH_TYPES[content],
        )
        repeatable = isinstance(body, dict) or get_str(body[0] if body else None, "op") == "test"
        return await self._change(request, repeatable=repeatable)

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None,
        propagation: Propagation = "Background",
    ) -> None:
        """Delete; with `uid` only that very object (`conflict` if another has its name now)."""
        body: Manifest = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        request = Request("delete", kind.plural, "DELETE", path_of(kind, namespace, name), body=body)
        await self._change(request, repeatable=uid is not None)

    async def can_i(
        self, kind: Kind, verb: str, namespace: str | None = None, *, subresource: str = ""
    ) -> bool:
        """Whether RBAC allows us a verb on a kind, in one namespace or (None) everywhere."""
        attributes: Manifest = {"group": kind.group, "resource": kind.plural, "verb": verb}
        attributes |= {"namespace": namespace} if namespace else {}
        attributes |= {"subresource": subresource} if subresource else {}
        body: Manifest = {
            "apiVersion": ACCESS_REVIEW.api_version,
            "kind": ACCESS_REVIEW.kind,
            "spec": {"resourceAttributes": attributes},
        }
        answer = await self._read(
            Request("create", ACCESS_REVIEW.plural, "POST", path_of(ACCESS_REVIEW), body=body)
        )
        return get_map(answer, "status").get("allowed") is True

    async def user_name(self) -> str:
        """Who we are to the API server."""
        body: Manifest = {"apiVersion": SELF_REVIEW.api_version, "kind": SELF_REVIEW.kind}
        request = Request("create", SELF_REVIEW.plural, "POST", path_of(SELF_REVIEW), body=body)
        return get_str(await self._read(request), "status", "userInfo", "username")

    async def server(self) -> Server:
        """Who the API server is. It tells everybody who has proven who they are."""
        request = Request("get", "version", "GET", "/version")
        answer = await self._repeat(lambda: self.transport.send(request), repeatable=True)
        try:
            date = parsedate_to_datetime(answer.headers.get("Date", ""))
        except ValueError:
            date = None
        return Server(get_str(_decoded(answer.body, request), "gitVersion"), date)

    async def _read(self, request: Request) -> Manifest:
        return await self._repeat(lambda: self._send(request, changing=False), repeatable=True)

    async def _change(self, request: Request, *, repeatable: bool) -> Manifest:
        return await self._repeat(lambda: self._send(request, changing=True), repeatable=repeatable)

    async def _repeat(self, attempt: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        return await with_retries(
            attempt, repeatable=repeatable, policy=self.policy, monotonic=time.monotonic
        )

    async def _page(self, request: Request) -> tuple[Manifest, Iterator[JsonValue]]:
        answer = await self.transport.send(request)
        try:
            return split(answer.body)
        except ValueError as error:
            raise _undecodable(request) from error

    async def _send(self, request: Request, *, changing: bool) -> Manifest:
        answer = await self.transport.send(request, before_send=self.before_send if changing else None)
        return _decoded(answer.body, request)


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def path_of(kind: Kind, namespace: str | None = None, name: str = "") -> str:
    """The URL path of a collection, or of one object. An empty or absent namespace means all of them."""
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
    scope = f"/namespaces/{namespace}" if namespace and kind.namespaced else ""
    return f"{root}{scope}/{kind.plural}" + (f"/{name}" if name else "")


def _path_of_manifest(kind: Kind, manifest: Manifest) -> str:
    return path_of(kind, get_str(manifest, "metadata", "namespace"), get_str(manifest, "metadata", "name"))


def _named(item: JsonValue, kind: Kind) -> Manifest:
    return {**as_manifest(item), "apiVersion": kind.api_version, "kind": kind.kind}


def _each(items: Iterator[JsonValue], kind: Kind, request: Request) -> Iterator[Manifest]:
    try:
        for item in items:
            yield _named(item, kind)
    except (ValueError, TypeError) as error:
        raise _undecodable(request) from error


def _decoded(body: bytes, request: Request) -> Manifest:
    try:
        return as_manifest(json.loads(body))
    except (ValueError, TypeError) as error:
        raise _undecodable(request) from error


def _undecodable(request: Request) -> ApiError:
    message = f"{request.method} {request.path}: the answer is not a JSON object"
    return ApiError(status=0, reason=NO_ANSWER, message=message)


async def _lines(content: aiohttp.StreamReader, request: Request) -> AsyncGenerator[bytes, None]:
    """Complete lines of a stream. `StreamReader.readline` would refuse objects larger than its buffer."""
    rest = b""
    try:
        async for chunk in content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(None, lines):
                yield line
    except TimeoutError as error:
        message = f"{request.path}: neither event nor bookmark in time"
        raise ApiError(status=0, reason=STALLED, message=message) from error
    except (aiohttp.ClientError, OSError):
        # A broken connection is how watches commonly end: the next one goes on from the last version.
        return
