"""What the cluster holds of one kind, kept up to date by one list and one watch.

An informer keeps what `reduce` makes of each object, never the object, and reports each difference once.
A list is compared with what was known, so that objects deleted while no watch was open are reported as
deleted: no DELETED event ever comes for them. The loop ends only when cancelled; trouble is told in `problem`
and retried.

A kind with a `sought` may be unknown to the API server: then its informer has synced all the same and holds
nothing. As soon as somebody seeks it, it is looked for, and again once a minute until it comes, which costs
one small request and no right beyond the kind's own; until then it costs nothing.
Limits: there is no per-object history, and two changes between two looks are one. A kind that vanishes (404)
leaves the store as it was, because a starting API server denies kinds it has not loaded yet.
"""

import asyncio
import logging
import random
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import Key, Kind
from dedicated.cluster.errors import STALLED, ApiError

T = TypeVar("T")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0
ABSENT_PAUSE = 60.0
"""Seconds between two looks for a kind that the API server does not have."""

logger = logging.getLogger(__name__)


class Source(Protocol):
    """The part of `cluster.client.Client` that an informer needs."""

    def pages(
        self, kind: Kind, namespace: str | None = None, *, selector: str = "", metadata_only: bool = False
    ) -> AsyncGenerator[tuple[Iterable[Manifest], str], None]:
        """All objects page by page, and the version to watch from."""

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        selector: str = "",
        metadata_only: bool = False,
    ) -> AsyncGenerator[tuple[str, Manifest], None]:
        """Events since a version."""


@dataclass(slots=True)
class _Scope:
    """One list and watch: a namespace, or (None) all."""

    namespace: str | None
    heard: float
    version: str = ""
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    problem: str | None = None
    absent: bool = False
    """The API server does not have the kind."""
    silences: int = 0
    """Watches in a row that fell silent."""

    def covers(self, key: Key) -> bool:
        """Whether objects of this name are ours to report."""
        return self.namespace is None or self.namespace == key.namespace


class Informer(Generic[T]):
    """All objects of `kind` in `namespaces` (None: everywhere) that match the label `selector`.

    `reduce` takes out what matters, or None where the object does not matter. `changed(key, old, new)` is
    called for each difference by `==`; None stands for absent. Both must be quick. The namespace of a
    cluster-scoped object is "". `sought` is None for a kind that must be there; `appeared` is called when one
    that was unknown comes.
    """

    def __init__(
        self,
        *,
        client: Source,
        kind: Kind,
        reduce: Callable[[Manifest], T | None],
        changed: Callable[[Key, T | None, T | None], None],
        namespaces: Sequence[str] | None = None,
        selector: str = "",
        metadata_only: bool = False,
        sought: asyncio.Event | None = None,
        appeared: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self._sought = sought
        self._appeared = appeared
        self._client = client
        self._reduce = reduce
        self._changed = changed
        self._selector = selector
        self._metadata_only = metadata_only
        self._monotonic = monotonic
        self._spaces: dict[str, dict[str, T]] = {}
        self._ahead: dict[Key, int] = {}
        names: Iterable[str | None] = (None,) if namespaces is None or not kind.namespaced else namespaces
        self._scopes = tuple(_Scope(namespace=name, heard=monotonic()) for name in names)

    def keys(self) -> Iterator[Key]:
        """The names of all that is known, for a look that may stop early."""
        return (Key(namespace, name) for namespace, space in self._spaces.items() for name in space)

    @property
    def store(self) -> Mapping[Key, T]:
        """All that is known at this moment; made anew each time."""
        return {
            Key(namespace, name): value
            for namespace, space in self._spaces.items()
            for name, value in space.items()
        }

    def in_namespace(self, namespace: str) -> Mapping[str, T]:
        """A live view of what is known in one namespace, by name."""
        return MappingProxyType(self._spaces.get(namespace, {}))

    @property
    def has_synced(self) -> bool:
        """Whether everything has been listed at least once."""
        return all(scope.listed.is_set() for scope in self._scopes)

    @property
    def is_absent(self) -> bool:
        """Whether the API server does not have this kind, as far as the last look tells."""
        return any(scope.absent for scope in self._scopes)

    @property
    def problem(self) -> str | None:
        """What keeps the informer from hearing news, or None. It is being retried."""
        return next((scope.problem for scope in self._scopes if scope.problem), None)

    def heartbeat_age(self, now: float) -> float:
        """Seconds since the last list, event or bookmark of the watch that has been silent longest.

        What is not there has no watch.
        """
        return max((now - scope.heard for scope in self._scopes if not scope.absent), default=0.0)

    async def synced(self) -> None:
        """Wait until everything has been listed at least once."""
        for scope in self._scopes:
            await scope.listed.wait()

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes:
                group.create_task(self._keep(scope), name=f"informer {self.kind.plural} {scope.namespace}")

    def put(self, manifest: Manifest) -> None:
        """Take over the answer to one of our own writes, before the watch brings it; `changed` is not called.

        An answer that the watch has overtaken is ignored, so that a deleted object does not come back.
        """
        key = _key(manifest)
        version = _number(get_str(manifest, "metadata", "resourceVersion"))
        scope = next((scope for scope in self._scopes if scope.covers(key)), None)
        if scope is None or version <= max(_number(scope.version), self._ahead.get(key, 0)):
            return
        self._ahead[key] = version
        self._replace(key, self._reduced(key, manifest))

    async def _keep(self, scope: _Scope) -> None:
        pause = FIRST_PAUSE
        while True:
            started = self._monotonic()
            try:
                if not scope.version:
                    await self._list(scope)
                await self._watch(scope)
            except ApiError as error:
                if self._sought is not None and error.not_found:
                    await self._miss(scope, self._sought)
                    continue
                self._note(scope, error)
                healthy = error.gone or error.reason == STALLED
            else:
                healthy = True
            # A server that ends each watch at once is as unwell as one that refuses it.
            if healthy and self._monotonic() - started >= FIRST_PAUSE:
                pause = FIRST_PAUSE
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _miss(self, scope: _Scope, sought: asyncio.Event) -> None:
        """The kind is unknown, which is an answer too. Returns when it is to be looked for again."""
        scope.version, scope.absent = "", True
        self._heard(scope)
        scope.listed.set()
        if sought.is_set():
            await asyncio.sleep(ABSENT_PAUSE)
        else:
            await sought.wait()

    def _note(self, scope: _Scope, error: ApiError) -> None:
        # Only a new list helps where the version is too old, or newer than a restored etcd: such a watch
        # stays open and silent (tried on 1.36), or is refused with 504. Silent once is nothing yet: a busy
        # API server is late with its bookmarks, and lists of a fleet would make it busier.
        scope.silences += error.reason == STALLED
        if not error.retriable or error.status == 504 or scope.silences > 1:
            scope.version = ""
        problem = None if error.gone else f"{self.kind.plural}: {error}"
        if problem and problem != scope.problem:
            logger.warning("watch interrupted, retrying: %s", problem)
        scope.problem = problem

    async def _list(self, scope: _Scope) -> None:
        self._ahead = {key: at for key, at in self._ahead.items() if not scope.covers(key)}
        listing = self._client.pages(
            self.kind, scope.namespace, selector=self._selector, metadata_only=self._metadata_only
        )
        fresh: dict[Key, T | None] = {}
        version = ""
        async with aclosing(listing) as pages:
            async for items, listed_at in pages:
                version = listed_at
                fresh |= {(key := _key(item)): self._reduced(key, item) for item in items}
                self._heard(scope)
        scope.version = version
        gone = [key for key in self.keys() if scope.covers(key) and key not in fresh]
        for key in (*gone, *fresh):
            # What we wrote during the list is newer than the list; the watch tells how it went on.
            if self._ahead.get(key, 0) <= _number(version):
                self._take(key, fresh.get(key))
        scope.listed.set()
        if scope.absent:
            scope.absent = False
            self._appeared()

    async def _watch(self, scope: _Scope) -> None:
        stream = self._client.watch(
            self.kind,
            scope.namespace,
            resource_version=scope.version,
            selector=self._selector,
            metadata_only=self._metadata_only,
        )
        async with aclosing(stream) as events:
            async for event, manifest in events:
                self._heard(scope)
                scope.version = get_str(manifest, "metadata", "resourceVersion") or scope.version
                if event == "BOOKMARK":
                    continue
                key = _key(manifest)
                if _number(scope.version) < self._ahead.get(key, 0):
                    continue
                self._ahead.pop(key, None)
                self._take(key, None if event == "DELETED" else self._reduced(key, manifest))

    def _heard(self, scope: _Scope) -> None:
        scope.heard = self._monotonic()
        scope.problem = None
        scope.silences = 0

    def _reduced(self, key: Key, manifest: Manifest) -> T | None:
        try:
            return self._reduce(manifest)
        except Exception:
            # One odd object must not make us blind for all others: what was known of it stays.
            logger.exception("cannot read %s %s", self.kind.kind, key)
            return self._known(key)

    def _take(self, key: Key, new: T | None) -> None:
        old = self._known(key)
        if old == new:
            return
        self._replace(key, new)
        try:
            self._changed(key, old, new)
        except Exception:
            logger.exception("cannot report the change of %s %s", self.kind.kind, key)

    def _known(self, key: Key) -> T | None:
        return self._spaces.get(key.namespace, {}).get(key.name)

    def _replace(self, key: Key, new: T | None) -> None:
        space = self._spaces.setdefault(key.namespace, {})
        if new is None:
            space.pop(key.name, None)
            if not space:
                del self._spaces[key.namespace]
        else:
            space[key.name] = new


def _key(manifest: Manifest) -> Key:
    # Shared by all objects of a namespace: 1,000 instances are 30,000 keys.
    namespace = sys.intern(get_str(manifest, "metadata", "namespace"))
    return Key(namespace, get_str(manifest, "metadata", "name"))


def _number(version: str) -> int:
    # Since Kubernetes 1.35 resourceVersions of one kind are decimal numbers that grow (KEP-5504).
    return int(version) if version.isdecimal() else 0
