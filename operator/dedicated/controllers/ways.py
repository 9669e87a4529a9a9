"""What leads past the limiters: watches of the objects that can, and the connection that must fail.

Nothing is watched before the first instance has a limiter; then one list and one watch of each kind, and no
request at rest. Kinds of the Gateway API may be missing. These informers are no part of what the work waits
for: until they have listed all, an instance is told what its status says already.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from dedicated.api.objects import (
    GRPC_ROUTE,
    HTTP_ROUTE,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    TCP_ROUTE,
    TLS_ROUTE,
    Key,
)
from dedicated.api.resource import Instance, InvalidInstance
from dedicated.cluster.informer import Informer, Source
from dedicated.contract.limits_sight import Ways
from dedicated.controllers.dialer import Dialer, Targets
from dedicated.parts import server
from dedicated.parts.limiter.names import BACKENDS, COMPONENT, HTTP_PORT
from dedicated.parts.limiter.ways import Leads, instances_of, leads_of, ways_of
from dedicated.reconcile.observed import PodState

SEARCHED = (SERVICE, NETWORK_POLICY, INGRESS, HTTP_ROUTE, GRPC_ROUTE, TLS_ROUTE, TCP_ROUTE)
EARLY = 300.0
"""Seconds from the begin of the search in which an instance is told what its status says already."""


class WayFinder:
    """Looks for the ways past limiters from the first `of` one on. `wake(key)` is called when an instance's
    have changed. Without a `dialer` no connection is tried, as the operator was told."""

    def __init__(
        self,
        *,
        client: Source,
        namespaces: Sequence[str] | None,
        wake: Callable[[Key], None],
        dialer: Dialer | None,
        early: float = EARLY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wake = wake
        self._dialer = dialer
        self._early = early
        self._monotonic = monotonic
        self._begun: float | None = None
        self._sought = asyncio.Event()
        self._asked: set[Key] = set()
        self._afar: dict[Key, dict[tuple[str, Key], Leads]] = {}
        self._informers = {
            kind: Informer[Leads](
                client=client,
                kind=kind,
                namespaces=namespaces,
                reduce=leads_of,
                changed=self._changed,
                sought=self._sought,
            )
            for kind in SEARCHED
        }

    def informers(self) -> Iterator[tuple[str, Informer[Leads]]]:
        """Those at work, with the name of what they watch."""
        if self._sought.is_set():
            for kind, informer in self._informers.items():
                yield f"{kind.plural} (ways)", informer

    def of(
        self, instance: Instance | InvalidInstance, pods: Iterable[PodState], *, stands: bool
    ) -> Ways:
        """What is known of the ways past an instance's limiter; `pods` are the instance's. The first with a
        limiter begins the search; until it `stands`, nothing is closed, and no connection is tried. Of a spec
        that cannot be read, it goes on as it was."""
        key = instance.meta.key
        if isinstance(instance, Instance):
            if instance.spec.edge is None or instance.meta.deleting:
                self.forget(key)
                return Ways()
            self._ask(key, pods if stands else ())
        return self._known(key)

    def _known(self, key: Key) -> Ways:
        if self._begun is None:
            return Ways(early=True)
        looked = all(informer.has_synced for informer in self._informers.values())
        direct = self._dialer.of(key) if self._dialer else "NotTried"
        recent = self._monotonic() - self._begun < self._early
        return Ways(
            objects=ways_of(key, self._near(key)),
            direct=direct,
            looked=looked,
            early=recent and (not looked or direct == "Unknown"),
        )

    def _ask(self, key: Key, pods: Iterable[PodState]) -> None:
        if self._begun is None:
            self._begun = self._monotonic()
            self._sought.set()
        self._asked.add(key)
        if self._dialer is not None:
            ready = [pod for pod in pods if pod.ready and pod.address and not pod.deleting]
            self._dialer.ask(
                key,
                Targets(
                    closed=_at(ready, server.COMPONENT, BACKENDS[server.COMPONENT]),
                    open=_at(ready, COMPONENT, HTTP_PORT),
                ),
            )

    def forget(self, key: Key) -> None:
        """The instance is gone, or has no limiter."""
        self._asked.discard(key)
        if self._dialer is not None:
            self._dialer.forget(key)

    async def run(self) -> None:
        """Search until cancelled."""
        await self._sought.wait()
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())
            group.create_task(self._end_of_begin())
            await self._listed()
            self._wake_all()

    async def close(self) -> None:
        """End the tries."""
        if self._dialer is not None:
            await self._dialer.close()

    async def _listed(self) -> None:
        for informer in self._informers.values():
            await informer.synced()

    async def _end_of_begin(self) -> None:
        await asyncio.sleep(self._early)
        self._wake_all()

    def _near(self, key: Key) -> Iterator[Leads]:
        """What is in the instance's namespace, or names its Services from another one."""
        for informer in self._informers.values():
            yield from informer.in_namespace(key.namespace).values()
        yield from self._afar.get(key, {}).values()

    def _changed(self, key: Key, old: Leads | None, new: Leads | None) -> None:
        touched = {one for one in self._asked if one.namespace == key.namespace}
        for leads in (old, new):
            if leads is not None:
                touched |= self._reindexed(leads, there=leads is new)
        for one in touched & self._asked:
            self._wake(one)

    def _reindexed(self, leads: Leads, *, there: bool) -> set[Key]:
        """Note which instances an object of another namespace names, and give them."""
        named = {one for one in instances_of(leads) if one.namespace != leads.name.namespace}
        for one in named:
            known = self._afar.setdefault(one, {})
            if there:
                known[leads.kind, leads.name] = leads
            else:
                known.pop((leads.kind, leads.name), None)
            if not known:
                del self._afar[one]
        return named

    def _wake_all(self) -> None:
        for key in self._asked:
            self._wake(key)


def _at(pods: Iterable[PodState], component: str, port: int) -> tuple[tuple[str, int], ...]:
    """Two pods of a component, and the port."""
    found = sorted(pod.address for pod in pods if pod.component == component)
    return tuple((address, port) for address in found[:2])
