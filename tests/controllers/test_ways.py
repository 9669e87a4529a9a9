"""The search for ways past limiters: nothing before there is one, and whom a change wakes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from builders import body, instance, valid
from dedicated.api.json import Manifest, as_manifest
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import HTTP_ROUTE, SERVICE, TCP_ROUTE, Key, Kind
from dedicated.cluster.errors import ApiError
from dedicated.controllers.dialer import Dialer
from dedicated.controllers.ways import SEARCHED, WayFinder
from dedicated.reconcile.observed import PodState

KEY = Key("acme-ns", "acme")
EDGED = instance(edge={"service": {}})


class Objects:
    """An API server that has objects of some kinds, and does not know `TCPRoute`."""

    def __init__(self, *found: Manifest) -> None:
        self.found = list(found)
        self.events: dict[Kind, asyncio.Queue[tuple[str, Manifest]]] = {}
        self.asked: list[str] = []

    async def pages(
        self, kind: Kind, namespace: str | None = None, *, selector: str = "", metadata_only: bool = False
    ) -> AsyncGenerator[tuple[Iterable[Manifest], str], None]:
        self.asked.append(f"list {kind.plural}")
        assert (namespace, selector, metadata_only) == (None, "", False)
        if kind == TCP_ROUTE:
            raise ApiError(status=404, reason="NotFound", message="no such kind")
        yield [item for item in self.found if item["kind"] == kind.kind], "1"

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        selector: str = "",
        metadata_only: bool = False,
    ) -> AsyncGenerator[tuple[str, Manifest], None]:
        self.asked.append(f"watch {kind.plural}")
        assert (namespace, resource_version, selector, metadata_only) == (None, "1", "", False)
        events = self.events.setdefault(kind, asyncio.Queue())
        while True:
            yield await events.get()


def made(kind: Kind, name: str, spec: Manifest, namespace: str = "acme-ns", version: str = "2") -> Manifest:
    metadata: Manifest = {"name": name, "namespace": namespace, "resourceVersion": version}
    return {"kind": kind.kind, "metadata": metadata, "spec": spec}


BACK_DOOR = made(
    SERVICE,
    "back-door",
    {"type": "NodePort", "selector": {LABEL_INSTANCE: "acme", LABEL_COMPONENT: "server"}},
)


@asynccontextmanager
async def searching(
    api: Objects, woken: list[Key], early: float = 300.0
) -> AsyncIterator[WayFinder]:
    finder = WayFinder(client=api, namespaces=None, wake=woken.append, dialer=None, early=early)
    task = asyncio.create_task(finder.run())
    try:
        yield finder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await finder.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - several states, each with its own end
            await asyncio.sleep(0.001)


async def test_nothing_is_asked_for_before_there_is_a_limiter() -> None:
    api, woken = Objects(BACK_DOOR), list[Key]()
    async with searching(api, woken) as finder:
        finder.of(instance(), (), stands=True)
        await asyncio.sleep(0.02)
        assert api.asked == []
        assert list(finder.informers()) == []
        assert finder.of(EDGED, (), stands=True).early
        await until(lambda: finder.of(EDGED, (), stands=True).looked)
        assert sorted(api.asked) == sorted(
            [f"list {kind.plural}" for kind in SEARCHED]
            + [f"watch {kind.plural}" for kind in SEARCHED if kind != TCP_ROUTE]
        )
        assert woken[-1] == KEY
        assert len(list(finder.informers())) == len(SEARCHED)


async def test_what_is_there_and_what_comes() -> None:
    api, woken = Objects(BACK_DOOR), list[Key]()
    async with searching(api, woken) as finder:
        finder.of(EDGED, (), stands=True)
        await until(lambda: finder.of(EDGED, (), stands=True).looked)
        assert [way.name for way in finder.of(EDGED, (), stands=True).objects] == ["back-door"]
        assert finder.of(EDGED, (), stands=True).direct == "NotTried"
        woken.clear()
        await until(lambda: HTTP_ROUTE in api.events)
        spec: Manifest = {"rules": [{"backendRefs": [{"name": "acme-server", "namespace": "acme-ns"}]}]}
        afar = made(HTTP_ROUTE, "afar", spec, namespace="gateways", version="3")
        api.events[HTTP_ROUTE].put_nowait(("ADDED", afar))
        await until(lambda: bool(woken))
        found = [way.name for way in finder.of(EDGED, (), stands=True).objects]
        assert found == ["gateways/afar", "back-door"]
        woken.clear()
        api.events[HTTP_ROUTE].put_nowait(("DELETED", afar))
        await until(lambda: bool(woken))
        assert [way.name for way in finder.of(EDGED, (), stands=True).objects] == ["back-door"]


async def test_the_end_of_the_begin_is_told() -> None:
    api, woken = Objects(), list[Key]()
    async with searching(api, woken, early=0.01) as finder:
        finder.of(EDGED, (), stands=True)
        await until(lambda: woken.count(KEY) >= 2)
        assert not finder.of(EDGED, (), stands=True).early


async def test_an_instance_without_a_way_in_has_none_past_it() -> None:
    api, woken = Objects(BACK_DOOR), list[Key]()
    async with searching(api, woken) as finder:
        finder.of(EDGED, (), stands=True)
        await until(lambda: finder.of(EDGED, (), stands=True).looked)
        assert finder.of(instance(), (), stands=True).objects == ()
        deleted = body(edge={"service": {}})
        metadata = as_manifest(deleted["metadata"])
        deleted["metadata"] = {**metadata, "deletionTimestamp": "2026-01-01T00:00:00Z"}
        assert finder.of(valid(deleted), (), stands=True).objects == ()


async def test_no_connection_is_tried_before_the_limiter_stands() -> None:
    tried: list[str] = []

    async def reach(address: str, port: int) -> bool:
        tried.append(f"{address}:{port}")
        return True

    pods = [
        PodState(f"acme-{name}-0", name, "z1-1", True, False, False, "", address=address)
        for name, address in (("server", "10.0.0.1"), ("limiter", "10.0.1.1"))
    ]
    dialer = Dialer(lambda _: None, reach=reach, again=0.0)
    finder = WayFinder(client=Objects(), namespaces=None, wake=lambda _: None, dialer=dialer)
    finder.of(EDGED, pods, stands=False)
    await asyncio.sleep(0.01)
    assert tried == []
    finder.of(EDGED, pods, stands=True)
    await until(lambda: dialer.of(KEY) == "Open")
    assert tried[0] == "10.0.0.1:8080"
    await finder.close()
