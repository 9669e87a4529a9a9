"""Events (events.k8s.io/v1) that say something happened once, however often the code says it.

Recording never waits and never fails: events are the first thing to give up when the API server is busy.
The same (object, type, reason, note) is told once in ten minutes, and its name is a hash of them, so that a
repetition (after a restart too) finds its event and counts it up as a series. A token bucket per object keeps
one sick instance from flooding the namespace. Whatever is not told is counted in `dropped`.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from dedicated.api.json import Manifest, get_str
from dedicated.api.names import GROUP
from dedicated.api.objects import Kind
from dedicated.cluster.errors import ApiError
from dedicated.cluster.lease import NotLeader

EVENT = Kind("events.k8s.io/v1", "Event", "events")
CONTROLLER = f"{GROUP}/operator"

QUIET_SECONDS = 600.0
QUEUE_LENGTH = 1000
BURST = 25
REFILL_SECONDS = 300.0
"""As client-go's spam filter: 25 events per object at once, then one in five minutes."""
NOTE_LIMIT = 1024
MEMORY = 4096

logger = logging.getLogger(__name__)


class EventClient(Protocol):
    """The part of `cluster.client.Client` that the recorder needs."""

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """A new event; `conflict` where it exists."""

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Manifest, *, content: Literal["merge"]
    ) -> Manifest:
        """An existing event counted up."""


@dataclass(slots=True)
class _Told:
    """What is remembered of an event: when it was last told (monotonic) and how often it occurred."""

    at: float
    count: int = 1


@dataclass(slots=True)
class _Allowance:
    tokens: float
    at: float


def _utc_now() -> datetime:
    return datetime.now(UTC)


class EventRecorder:
    """Tells events about objects. `record` from anywhere, with `run` as a task."""

    def __init__(
        self,
        *,
        client: EventClient,
        instance: str,
        on_drop: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.dropped = 0
        self._client = client
        self._instance = instance[:128]
        self._on_drop = on_drop
        self._monotonic = monotonic
        self._wall = wall
        self._told: dict[str, _Told] = {}
        self._allowances: dict[str, _Allowance] = {}
        self._queue: asyncio.Queue[tuple[Manifest, int]] = asyncio.Queue(QUEUE_LENGTH)

    def record(
        self, regarding: Manifest, *, kind: Literal["Normal", "Warning"], reason: str, action: str, note: str
    ) -> None:
        """Tell that something happened to an object; of its manifest, type, name and uid are used.

        `reason` and `action` are CamelCase words; `note` is cut at 1,024 bytes. Nothing secret may be in it.
        """
        uid = get_str(regarding, "metadata", "uid")
        identity = "\n".join((uid, kind, reason, note))
        digest = hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
        now = self._monotonic()
        told = self._told.get(digest)
        if told is not None:
            told.count += 1
            if now - told.at < QUIET_SECONDS:
                return
        if self._queue.full() or not self._allowed(uid, now):
            self.dropped += 1
            self._on_drop()
            return
        self._remember(digest, now, told)
        event = self._event(regarding, digest=digest, kind=kind, reason=reason, action=action, note=note)
        self._queue.put_nowait((event, self._told[digest].count))

    async def run(self) -> None:
        """Send what was recorded, until cancelled."""
        while True:
            event, count = await self._queue.get()
            try:
                await self._send(event, count)
            except (ApiError, NotLeader) as error:
                self.dropped += 1
                self._on_drop()
                logger.info("event %s not told: %s", get_str(event, "reason"), error)
            except Exception:
                logger.exception("event %s not told", get_str(event, "reason"))
            finally:
                self._queue.task_done()

    async def flush(self) -> None:
        """Wait until all that was recorded has been sent. For a clean stop, inside a time limit."""
        await self._queue.join()

    async def _send(self, event: Manifest, count: int) -> None:
        try:
            await self._client.create(EVENT, event)
        except ApiError as error:
            if not error.conflict:
                raise
        else:
            return
        series: Manifest = {"count": max(count, 2), "lastObservedTime": event["eventTime"]}
        namespace, name = get_str(event, "metadata", "namespace"), get_str(event, "metadata", "name")
        await self._client.patch(EVENT, namespace, name, {"series": series}, content="merge")

    def _remember(self, digest: str, now: float, told: _Told | None) -> None:
        if told is not None:
            told.at = now
            return
        if len(self._told) >= MEMORY:
            self._told = {key: old for key, old in self._told.items() if now - old.at < QUIET_SECONDS}
            while len(self._told) >= MEMORY:
                del self._told[next(iter(self._told))]
        self._told[digest] = _Told(at=now)

    def _allowed(self, uid: str, now: float) -> bool:
        if len(self._allowances) >= MEMORY:
            full = REFILL_SECONDS * BURST
            self._allowances = {key: old for key, old in self._allowances.items() if now - old.at < full}
        allowance = self._allowances.setdefault(uid, _Allowance(tokens=BURST, at=now))
        allowance.tokens = min(BURST, allowance.tokens + (now - allowance.at) / REFILL_SECONDS)
        allowance.at = now
        if allowance.tokens < 1:
            return False
        allowance.tokens -= 1
        return True

    def _event(
        self, regarding: Manifest, *, digest: str, kind: str, reason: str, action: str, note: str
    ) -> Manifest:
        name, namespace = get_str(regarding, "metadata", "name"), get_str(regarding, "metadata", "namespace")
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            # Events about cluster-scoped objects live in `default`, as the API server demands.
            "metadata": {"name": f"{name[:230]}.{digest}", "namespace": namespace or "default"},
            "eventTime": self._wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": get_str(regarding, "apiVersion"),
                "kind": get_str(regarding, "kind"),
                "name": name,
                "namespace": namespace,
                "uid": get_str(regarding, "metadata", "uid"),
            },
            "type": kind,
            "reason": reason[:128],
            "action": action[:128],
            "note": note.encode()[:NOTE_LIMIT].decode(errors="ignore"),
        }
