"""Until when the operator has measured, and what it has not.

A Lease of its own says until when: written once a minute, for all instances at once, and never beyond what
is measured but not yet written. A new term finds there when the last one ended; the time from then until
every instance was heard again was not measured, and becomes a line in the gaps of its month. One object a
month, not one for each gap, so that an operator that ends again and again fills nothing.

Less than a minute is no gap: service is counted in whole ones (A-2). A process that stood still, or a clock
that jumped, is found when the next minute is written too late. Limit: instances first heard more than
`PATIENCE` after the start are told one by one.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, Kind
from dedicated.cluster.errors import ApiError
from dedicated.cluster.lease import LEASE, NotLeader
from dedicated.contract.dates import month_of
from dedicated.contract.downtime import MINUTE, Span
from dedicated.parts import measured

PATIENCE = timedelta(minutes=5)
LOOK_SECONDS = 1.0
"""Between two looks whether all instances were heard."""
SELECTOR = f"app.kubernetes.io/component={measured.GAPS_COMPONENT}"
ZONE = "UTC"
"""Gaps are kept by months of UTC: they are of no instance, so of no contract zone."""

logger = logging.getLogger(__name__)


class Store(Protocol):
    """The part of `cluster.client.Client` that is needed here."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """The object."""

    async def list(
        self, kind: Kind, namespace: str | None = None, *, selector: str = ""
    ) -> tuple[list[Manifest], str]:
        """All objects."""

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """A new object."""

    async def update(self, kind: Kind, manifest: Manifest) -> Manifest:
        """The object at a resourceVersion replaced."""

    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool = True) -> Manifest:
        """Server-side apply."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the Lease and the gaps are. `name` is the Lease's."""

    namespace: str
    name: str
    identity: str


class Continuity:
    """`heard_all` says whether every instance was heard in this term; `held` since when something measured
    is not written; `covered` is told once up to when what was not measured is told for all; `gap_found` is
    called after each gap, `told` with each word."""

    def __init__(
        self,
        *,
        store: Store,
        place: Place,
        every: float,
        now: Callable[[], datetime],
        heard_all: Callable[[], bool],
        held: Callable[[datetime], datetime | None],
        covered: Callable[[datetime], None],
        gap_found: Callable[[], None],
        told: Callable[[datetime], None],
    ) -> None:
        self._store = store
        self._place = place
        self._every = every
        self._now = now
        self._heard_all = heard_all
        self._held = held
        self._covered = covered
        self._gap_found = gap_found
        self._told = told
        self._lease: Manifest = {}
        self._last: datetime | None = None
        self._first = True
        self.gaps: tuple[Span, ...] = ()

    async def begin(self) -> None:
        """Learn what earlier terms left. Raises `ApiError`."""
        items, _ = await self._store.list(CONFIG_MAP, self._place.namespace, selector=SELECTOR)
        months = [kept for item in items if (kept := measured.month_of_manifest(item)) is not None]
        self.gaps = tuple(span for kept in months for span in kept.record.unmeasured)
        self._lease = await self._look()
        self._last = parse_time(get_str(self._lease, "spec", "renewTime"))

    async def run(self) -> None:
        """Say until when, until cancelled."""
        started, speaks = self._now(), False
        while True:
            speaks = speaks or self._heard_all() or self._now() - started >= PATIENCE
            if speaks:
                await self.beat()
            await asyncio.sleep(self._every if speaks else LOOK_SECONDS)

    async def beat(self) -> None:
        """Say that it was measured up to now; where the last word is too old, that it was not. What fails is
        done with the next one."""
        now = self._now().replace(microsecond=0)
        late = MINUTE if self._first else MINUTE + timedelta(seconds=self._every)
        try:
            if self._last is not None and now - self._last >= late:
                await self._keep(Span(self._last, now))
                self._gap_found()
            if self._first:
                self._covered(now)
            self._first, self._last = False, now
            await self._write(min(now, self._held(now) or now))
        except (ApiError, NotLeader) as error:
            logger.warning("cannot say until when it was measured: %s", error)

    async def end(self) -> None:
        """The last word of a term that ends in order; nothing where it never began to speak."""
        if not self._first:
            await self.beat()

    async def _keep(self, gap: Span) -> None:
        month = month_of(gap.since, ZONE)
        gaps = (*self.gaps, gap)
        manifest = measured.gaps_config_map(
            namespace=self._place.namespace,
            name=f"{self._place.name}-not-{month}",
            month=month,
            gaps=tuple(span for span in gaps if month_of(span.since, ZONE) == month),
        )
        await self._store.apply(CONFIG_MAP, manifest)
        self.gaps = gaps
        logger.warning("nothing was measured from %s to %s", gap.since, gap.until)

    async def _write(self, until: datetime) -> None:
        text = until.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        named: Manifest = {"namespace": self._place.namespace, "name": self._place.name}
        lease: Manifest = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": get_map(self._lease, "metadata") or named,
            "spec": {"holderIdentity": self._place.identity, "renewTime": text},
        }
        send = self._store.update if self._lease else self._store.create
        try:
            self._lease = await send(LEASE, lease)
            self._told(until)
        except ApiError as error:
            if not (error.conflict or error.not_found):
                raise
            # Somebody else touched it, or took it away: what it says now is looked at with the next one.
            self._lease = await self._look()

    async def _look(self) -> Manifest:
        try:
            return await self._store.get(LEASE, self._place.namespace, self._place.name)
        except ApiError as error:
            if not error.not_found:
                raise
            return {}
