"""Every version of some kinds of objects, of all sites, from one watch per kind.

The API server remembers a hundred versions or so of a kind: where many runs go on at once, a history that is
looked up afterwards (`cluster.observing.History`) has holes. This one listens all the time.
"""

import contextlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import urllib3

from dedicated.api.json import Manifest, as_manifest, get_map, get_str
from dedicated.api.objects import (
    CONFIG_MAP,
    INSTANCE,
    JOB,
    PERCONA_BACKUP,
    PERCONA_CLUSTER,
    POD,
    SECRET,
    Kind,
)
from testbed.client import Api

KINDS = (INSTANCE, SECRET, CONFIG_MAP, JOB, POD)
OF_ENGINE = (PERCONA_CLUSTER, PERCONA_BACKUP)
"""Besides, where an engine's definitions are installed."""
BUSY = frozenset({429, 500, 503, 504})
"""Codes of refusals after which the same watch misses nothing."""
_WATCH_SECONDS = 3600


@dataclass(slots=True)
class Chronicle:
    """The versions so far, oldest first; a deleted object comes as it was last. Made by `chronicle`."""

    api: Api
    kinds: tuple[Kind, ...] = KINDS
    over: bool = False
    holes: list[str] = field(default_factory=list)
    """Why something may be missing: then nothing can be said about what never was."""
    _bodies: defaultdict[tuple[str, Kind], list[Manifest]] = field(default_factory=lambda: defaultdict(list))
    _open: "dict[Kind, urllib3.BaseHTTPResponse]" = field(default_factory=dict)

    def of(self, namespace: str) -> dict[Kind, Sequence[Manifest]]:
        """A namespace's versions."""
        assert not self.holes, self.holes
        return {kind: self._bodies[namespace, kind][:] for kind in self.kinds}

    def forget(self, namespace: str) -> None:
        """A site that is gone."""
        for kind in self.kinds:
            self._bodies.pop((namespace, kind), None)

    def listen(self, kind: Kind, started: threading.Event) -> None:
        """Follow one kind until `end`."""
        root = "/apis" if kind.group else "/api"
        path = f"{root}/{kind.api_version}/{kind.plural}"
        listed = self.api.request("GET", path, query={"limit": "1"})
        version = get_str(listed, "metadata", "resourceVersion")
        started.set()
        while not self.over:
            since = f"watch=1&timeoutSeconds={_WATCH_SECONDS}&resourceVersion={version}"
            answer = self.api.pool.request(
                "GET",
                f"{self.api.server}{path}?allowWatchBookmarks=true&{since}",
                headers=self.api.headers,
                preload_content=False,
                timeout=_WATCH_SECONDS,
            )
            self._open[kind] = answer
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
                for line in answer:
                    version = self.take(kind, line) or version

    def end(self) -> None:
        """Stop listening."""
        self.over = True
        for answer in self._open.values():
            with contextlib.suppress(RuntimeError):  # this one has ended by itself
                answer.shutdown()

    def take(self, kind: Kind, line: bytes) -> str:
        """One line of a watch; the version it tells, or empty."""
        event = as_manifest(json.loads(line))
        body = get_map(event, "object")
        if event.get("code") in BUSY:  # no event: the watch was refused, and is asked for again
            return ""
        if event.get("type", "ERROR") == "ERROR":
            self.holes.append(f"{kind.plural}: {event}")
            return ""
        if event["type"] != "BOOKMARK":
            self._bodies[get_str(body, "metadata", "namespace"), kind].append(body)
        return get_str(body, "metadata", "resourceVersion")


@contextlib.contextmanager
def chronicle(api: Api, *, engine: bool = False) -> Iterator[Chronicle]:
    """A chronicle for the time of the block; `engine`: of an engine's objects too."""
    kept = Chronicle(api, (*KINDS, *OF_ENGINE) if engine else KINDS)
    threads = []
    for kind in kept.kinds:
        started = threading.Event()
        thread = threading.Thread(target=partial(kept.listen, kind, started), daemon=True)
        thread.start()
        threads.append(thread)
        assert started.wait(10), kind
    try:
        yield kept
    finally:
        kept.end()
        for thread in threads:
            thread.join(10)
