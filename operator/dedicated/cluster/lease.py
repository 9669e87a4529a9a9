"""One leader among the replicas, by a Lease.

Ours because `kubernetes.aio.leaderelection` bounds no attempt in time, asks twice per renewal and trusts the
wall clocks of others. Here a lease has expired when *we* have seen it unchanged for its whole duration, on
our own clock; and we hold it until `renew_deadline` after the moment the last successful renewal was *sent*.
Others wait the longer `duration` from when they saw that renewal, so what we send just before the deadline
has the difference to arrive.

From `acquire` to `release` is a term. Its `fence` is asked before each attempt of each write
(`Client.fenced`): a process that was frozen writes nothing when it wakes up, and what is left over from one
term writes nothing in the next. The clock is the one that also runs while the machine is suspended; a virtual
machine that is stopped as a whole sees no time pass. What slips through between the fence and the wire is
refused by resourceVersion or uid, see docs/architecture.md.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from dedicated.api.json import Manifest, get_int, get_map, get_str
from dedicated.api.objects import Kind
from dedicated.cluster.errors import ApiError

LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

logger = logging.getLogger(__name__)


class NotLeader(Exception):  # noqa: N818 - a state, told to the caller; nothing went wrong
    """A write was about to be sent without holding the lease."""


class LeaseClient(Protocol):
    """The part of `cluster.client.Client` that a lease needs: unfenced, one attempt per change."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """The Lease."""

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """A new Lease."""

    async def update(self, kind: Kind, manifest: Manifest) -> Manifest:
        """The Lease at a resourceVersion replaced."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. `duration` > `renew_deadline` > `renew_every`; standbys look every `retry_every`, by 20 % more
    or less, which is how long a lease that was released stays free.

    A single request has `request` seconds.
    """

    duration: float = 30.0
    renew_deadline: float = 20.0
    renew_every: float = 10.0
    retry_every: float = 1.2
    request: float = 5.0


DEFAULT_TIMES = LeaseTimes()
SHORTEST_LEASE = 3.0


def lease_times(duration: float) -> LeaseTimes:
    """The default times in proportion to another duration in seconds; a standby looks as often as ever.

    Raises `ValueError` below 3 s.
    """
    if duration < SHORTEST_LEASE:
        raise ValueError(f"a lease of {duration:g} s is too short: at least {SHORTEST_LEASE:g} s")
    part = duration / DEFAULT_TIMES.duration
    return LeaseTimes(
        duration=duration,
        renew_deadline=DEFAULT_TIMES.renew_deadline * part,
        renew_every=DEFAULT_TIMES.renew_every * part,
        request=DEFAULT_TIMES.request * part,
    )


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _elapsed() -> float:
    """Seconds, those of a suspended machine included, which `time.monotonic` leaves out on Linux."""
    return time.clock_gettime(_CLOCK)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LeaderLease:
    """The Lease `namespace/name`, wanted by `identity`, one per process: acquire, keep, release, and again.

    No two processes may have the same `identity`.
    """

    def __init__(
        self,
        *,
        client: LeaseClient,
        namespace: str,
        name: str,
        identity: str,
        times: LeaseTimes = DEFAULT_TIMES,
        monotonic: Callable[[], float] = _elapsed,
        wall: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.identity = identity
        self._client = client
        self._namespace = namespace
        self._name = name
        self._times = times
        self._monotonic = monotonic
        self._wall = wall
        self._lease: Manifest = {}
        self._seen_version = ""
        self._seen_at = 0.0
        self._valid_until: float | None = None
        self._term = 0
        self._heard_at = monotonic()

    @property
    def unheard(self) -> float:
        """Seconds since the API server last answered, whatever it said; whoever leads or waits asks often."""
        return self._monotonic() - self._heard_at

    @property
    def is_leader(self) -> bool:
        """Whether we hold the lease at this moment."""
        return self._valid_until is not None and self._monotonic() < self._valid_until

    @property
    def holder(self) -> str:
        """Who held the lease when we last looked; empty for nobody."""
        return get_str(self._lease, "spec", "holderIdentity")

    @property
    def loss(self) -> str:
        """Why a lease that was ours is not, in words."""
        if self.holder != self.identity:
            return f"{self.holder or 'nobody'} holds lease {self._namespace}/{self._name}"
        return f"lease {self._namespace}/{self._name} not renewed for {self._times.renew_deadline:g} s"

    def fence(self) -> Callable[[], None]:
        """The fence of the present term, to be called before each write.

        It raises `NotLeader` unless we hold the lease at that moment, and for ever once the term is over.
        """
        term = self._term

        def held() -> None:
            if term != self._term or not self.is_leader:
                raise NotLeader(f"{self.identity} does not hold lease {self._namespace}/{self._name}")

        return held

    async def acquire(self) -> None:
        """Wait until we are the leader: a term begins. Ends only so, or by cancellation."""
        while True:
            if await self._attempt(self._try_acquire):
                self._term += 1
                logger.info("%s leads", self.identity)
                return
            await asyncio.sleep(self._times.retry_every * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    async def keep(self) -> None:
        """Renew until the lease is lost, or until cancelled.

        A lease that lapsed and that nobody took may be renewed: nothing was written meanwhile.
        """
        while True:
            await asyncio.sleep(self._times.renew_every)
            while not await self._attempt(self._try_renew):
                if not self.is_leader:
                    return
                await asyncio.sleep(min(1.0, self._times.renew_every))

    async def release(self) -> None:
        """End the term and let the next one take over at once. Never raises `ApiError`."""
        was_leader, self._valid_until = self.is_leader, None
        self._term += 1
        if was_leader:
            try:
                self._lease = await self._timed(self._client.update(LEASE, self._wanted(holder="")))
            except (ApiError, TimeoutError) as error:
                logger.warning("lease not released, it expires in %.0f s: %s", self._times.duration, error)

    async def _attempt(self, attempt: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await attempt()
        except (ApiError, TimeoutError) as error:
            logger.warning("lease %s/%s: %s", self._namespace, self._name, error)
            return False

    async def _timed(self, request: Awaitable[Manifest]) -> Manifest:
        try:
            async with asyncio.timeout(self._times.request):
                answer = await request
        except TimeoutError as error:
            raise TimeoutError(f"no answer within {self._times.request:g} s") from error
        except ApiError as error:
            if error.status:
                self._heard_at = self._monotonic()
            raise
        self._heard_at = self._monotonic()
        return answer

    async def _look(self) -> None:
        lease = await self._timed(self._client.get(LEASE, self._namespace, self._name))
        version = get_str(lease, "metadata", "resourceVersion")
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, self._monotonic()
        self._lease = lease

    async def _try_acquire(self) -> bool:
        try:
            await self._look()
        except ApiError as error:
            if not error.not_found:
                raise
            self._lease = {}
            return await self._claim(self._client.create)
        return self._free() and await self._claim(self._client.update)

    async def _try_renew(self) -> bool:
        try:
            return await self._claim(self._client.update)
        except ApiError as error:
            if not (error.conflict or error.not_found):
                raise
        # The answer to our own renewal may have been lost, or someone annotated the Lease: look again.
        await self._look()
        if self.holder != self.identity:
            self._valid_until = None
            return False
        return await self._claim(self._client.update)

    def _free(self) -> bool:
        if self.holder in {"", self.identity}:
            return True
        promised = get_int(self._lease, "spec", "leaseDurationSeconds") or self._times.duration
        return self._monotonic() - self._seen_at >= promised

    async def _claim(self, send: Callable[[Kind, Manifest], Awaitable[Manifest]]) -> bool:
        sent = self._monotonic()
        self._lease = await self._timed(send(LEASE, self._wanted(holder=self.identity)))
        self._valid_until = sent + self._times.renew_deadline
        return True

    def _wanted(self, *, holder: str) -> Manifest:
        now = self._wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = get_map(self._lease, "spec")
        handover = holder not in {"", self.holder}
        named: Manifest = {"namespace": self._namespace, "name": self._name}
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": get_map(self._lease, "metadata") or named,
            "spec": {
                **spec,
                "holderIdentity": holder,
                "leaseDurationSeconds": round(self._times.duration),
                "renewTime": now,
                "acquireTime": now if handover else spec.get("acquireTime", now),
                "leaseTransitions": get_int(spec, "leaseTransitions") + handover,
            },
        }
