"""One instance, its operator's passes and an API server, without time: whoever is woken has the next pass.

The server is the simulation's of the pure tests, behind the operator's real client. No watch tells anything:
what the operator knows it learned from the answers to its own writes, so that no echo hides a lost wake-up.
But for what can be known in no other way: what became of a request without an answer, and the end.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from aiohttp import ClientSession

from builders import CATALOGUE, DSN, NOW, PLATFORM, body
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import FIELD_MANAGER, LABEL_INSTANCE
from dedicated.api.objects import CHILD_KINDS, DEPLOYMENT, INSTANCE, JOB, NAMESPACE, RECORD, Key, Ref
from dedicated.cluster.client import Client
from dedicated.cluster.errors import ApiError
from dedicated.cluster.events import EventRecorder
from dedicated.cluster.pace import RetryPolicy
from dedicated.cluster.transport import Answered, Request, Transport
from dedicated.contract.downtime import Record
from dedicated.contract.places import built_in
from dedicated.controllers.answers import Answers
from dedicated.controllers.contract_time import ContractTime
from dedicated.controllers.instances import Instances
from dedicated.controllers.measurer import Measurer
from dedicated.controllers.metrics import make_metrics
from dedicated.controllers.queue import WorkQueue
from dedicated.controllers.reconciler import Reconciler
from dedicated.controllers.ways import WayFinder
from dedicated.controllers.world import World
from dedicated.controllers.writes import Writes
from dedicated.probes.service import Check, Reading, Target
from reconcile.api_server import Server
from reconcile.rolling import rolled_out

KEY = Key("acme-ns", "acme")
SOON = 60.0
"""A wake-up within so many seconds is honoured at once."""
MOST_PASSES = 60
KINDS = {kind.plural: kind.kind for kind in (*CHILD_KINDS, RECORD)}

Answer = Callable[[Callable[[], Manifest]], Manifest]
"""What comes of a changing request: carries it out, or raises."""


def _merged(below: JsonValue, over: JsonValue) -> JsonValue:
    """A JSON merge patch, applied."""
    if not isinstance(over, dict):
        return over
    old = below if isinstance(below, dict) else {}
    merged = {key: _merged(old.get(key), value) for key, value in over.items() if value is not None}
    return {key: value for key, value in {**old, **merged}.items() if over.get(key, value) is not None}


def carry_out(do: Callable[[], Manifest]) -> Manifest:
    """The answer in peace."""
    return do()


@dataclass
class Wakes:
    """The part of the work queue that a pass speaks to. `due` is monotonic."""

    due: list[float] = field(default_factory=list)

    def add(self, _: Key) -> None:
        self.due.append(time.monotonic())

    def add_at(self, _: Key, due: float) -> None:
        self.due.append(due)

    def failed(self, key: Key) -> float:
        self.add(key)
        return 0.0

    @property
    def soon(self) -> bool:
        return min(self.due, default=float("inf")) < time.monotonic() + SOON


@dataclass
class Api:
    """The transport: `answers` are for changing requests, by their number from 1.

    `mark` is in the namespace's label.
    """

    server: Server = field(default_factory=Server)
    body: Manifest = field(default_factory=body)
    mark: str = ""
    answers: dict[int, Answer] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)

    async def send(self, request: Request, *, before_send: None = None) -> Answered:
        """As `Transport.send`, for a client without a fence."""
        assert before_send is None
        if request.method == "GET":
            return Answered({}, json.dumps(self._read(request)).encode())
        self.changes.append(f"{request.verb} {request.plural} {request.path.rpartition('/')[2]}")
        answer = self.answers.get(len(self.changes), carry_out)
        return Answered({}, json.dumps(answer(lambda: self._change(request))).encode())

    @property
    def gone(self) -> bool:
        """Whether nothing holds the deleted instance any more."""
        metadata = get_map(self.body, "metadata")
        return "deletionTimestamp" in metadata and not metadata["finalizers"]

    def touch(self) -> Manifest:
        """The instance, newer than before."""
        self.server.counter += 1
        get_map(self.body, "metadata")["resourceVersion"] = str(self.server.counter)
        return self.body

    def _read(self, request: Request) -> Manifest:
        if request.plural == NAMESPACE.plural:
            return self._namespace()
        if request.verb == "list":
            self.listed.append(request.plural)
            kind = KINDS[request.plural]
            items: list[JsonValue] = [
                thing.full() for ref, thing in self.server.objects.items() if ref.kind == kind
            ]
            return {"metadata": {"resourceVersion": str(self.server.counter)}, "items": items}
        thing = self.server.objects.get(self._ref(request))
        if thing is None:
            raise ApiError(status=404, reason="NotFound", message=request.path)
        return thing.full()

    def _change(self, request: Request) -> Manifest:
        if request.plural == NAMESPACE.plural:
            self.mark = KEY.name if request.verb == "apply" else ""
            return self._namespace()
        sent = as_manifest(request.body) if isinstance(request.body, dict) else {}
        if request.plural == INSTANCE.plural:
            if get_str(sent, "metadata", "resourceVersion") != get_str(
                self.body, "metadata", "resourceVersion"
            ):
                raise CONFLICT
            self.body = as_manifest(_merged(self.body, sent))
            return self.touch()
        ref = self._ref(request) if request.verb != "create" else Ref(KINDS[request.plural], _name(sent))
        known = self.server.objects.get(ref)
        if request.verb == "create":
            if known is not None:
                raise CONFLICT
            made: Manifest = {**get_map(sent, "metadata"), "creationTimestamp": rfc3339(NOW)}
            return self.server.create({**sent, "metadata": made}, manager=FIELD_MANAGER).full()
        assert request.verb == "apply", request
        metadata = {**get_map(sent, "metadata")}
        metadata.pop("uid", None)
        version = metadata.pop("resourceVersion", None)
        if version is not None and (known is None or version != str(known.version)):
            raise CONFLICT
        return self.server.apply({**sent, "metadata": metadata}, manager=FIELD_MANAGER).full()

    def _ref(self, request: Request) -> Ref:
        return Ref(KINDS[request.plural], request.path.rpartition("/")[2])

    def _namespace(self) -> Manifest:
        labels: Manifest = {LABEL_INSTANCE: self.mark} if self.mark else {}
        return {"kind": "Namespace", "metadata": {"name": KEY.namespace, "labels": labels}}


def _name(manifest: Manifest) -> str:
    return get_str(manifest, "metadata", "name")


CONFLICT = ApiError(status=409, reason="Conflict", message="by order of a test")


@dataclass
class Sleeper:
    """The instance's operator."""

    api: Api
    wakes: Wakes
    world: World
    instances: Instances
    reconciler: Reconciler
    clock: list[datetime]

    async def passes(self) -> None:
        """Until the instance sleeps: nothing wakes it soon."""
        for _ in range(MOST_PASSES):
            if not self.wakes.soon:
                return
            self.wakes.due.clear()
            try:
                await self.reconciler.handle(KEY)
            except Exception as error:  # noqa: BLE001 - as the queue does
                self.wakes.failed(KEY)
                if isinstance(error, ApiError) and error.unavailable:  # done or not: only a watch tells
                    self.hear()
            if self.api.gone and self.instances.body(KEY) is not None:
                self.instances.deliver("DELETED", self.api.body)
            for _ in range(5):  # a reading may come in
                await asyncio.sleep(0)
        raise AssertionError(f"no rest: {self.api.changes[-20:]}")

    async def wake(self) -> None:
        """Something was seen: passes until it sleeps."""
        self.wakes.add(KEY)
        await self.passes()

    async def sleeps_well(self) -> None:
        """Nothing was left to do when it went to sleep, and one day it wakes by itself."""
        assert self.wakes.due
        done = len(self.api.changes)
        await self.wake()
        assert self.api.changes[done:] == []

    def hear(self) -> None:
        """Everything as it is now."""
        self.instances.deliver("MODIFIED", self.api.body)
        for thing in self.api.server.objects.values():
            self.world.learn(thing.full())

    def move_on(self) -> None:
        """Jobs end well, Deployments are rolled out; it is seen, but wakes nobody."""
        for ref, thing in self.api.server.objects.items():
            if ref.kind == JOB.kind:
                self.api.server.set_status(thing, {"conditions": [{"type": "Complete", "status": "True"}]})
            elif ref.kind == DEPLOYMENT.kind:
                replicas = cast(int, get_map(thing.manifest, "spec")["replicas"])
                self.api.server.set_status(thing, rolled_out(thing.generation, replicas))
            else:
                continue
            self.world.learn(thing.full())

    async def stand(self) -> None:
        """Created, to its end; each time it sleeps, it does so well."""
        for _ in range(6):
            await self.wake()
            await self.sleeps_well()
            self.move_on()
        await self.wake()
        await self.sleeps_well()

    def reasons(self) -> dict[str, str]:
        """Reasons of the conditions as written, by their types."""
        conditions = get_list(self.api.body, "status", "conditions")
        return {get_str(item, "type"): get_str(item, "reason") for item in conditions}


def created(answers: dict[int, Answer] | None = None) -> Api:
    """An instance that was just created, and its database's Secret."""
    api = Api(answers=answers or {})
    get_map(api.body, "metadata")["finalizers"] = []
    secret: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "database", "namespace": KEY.namespace},
        "data": {"dsn": base64.b64encode(DSN).decode()},
    }
    api.server.create(secret, manager="kubectl")
    return api


@asynccontextmanager
async def sleeper(api: Api, *, answers_well: bool = True, now: datetime = NOW) -> AsyncIterator[Sleeper]:
    """An operator that was just started; `answers_well`: the public name does."""

    async def read(_: Target) -> Reading:
        return Reading(NOW, () if answers_well else (Check("ready", False, 0.0, "no such host"),))

    wakes, clock = Wakes(), [now]
    client = Client(cast(Transport, api), policy=RetryPolicy(budget=0.0))
    instances = Instances(changed=wakes.add)
    world = World(
        client=client,
        namespaces=(KEY.namespace,),
        with_nodes=False,
        with_marks=False,
        wake=wakes.add,
        wake_all=lambda: wakes.add(KEY),
        roll=instances.present,
        is_alive=instances.is_alive,
    )
    measurer = Measurer(stored=lambda _: Record(), wake=wakes.add, count=lambda *_: None)
    probes = Answers(read=read, wake=wakes.add, measure=measurer.heard, interval=3600.0)
    nobody = cast(ClientSession, None)  # nothing is measured, so nobody is asked
    writes = Writes(
        client=client,
        session=nobody,
        measure=measurer.heard,
        wake=wakes.add,
        now=lambda: now,
        wall=lambda: now,
        reading_interval=3600.0,
    )
    reconciler = Reconciler(
        client=client,
        world=world,
        instances=instances,
        queue=cast(WorkQueue[Key], wakes),
        answers=probes,
        measurer=measurer,
        writes=writes,
        ways=WayFinder(client=client, namespaces=None, wake=wakes.add, dialer=None),
        gaps=lambda: (),
        platform=lambda: PLATFORM,
        recorder=EventRecorder(client=client, instance="test"),
        metrics=make_metrics(),
        catalogue=CATALOGUE,
        atlas=built_in(),
        agent_image="",
        limiter_image="",
        user="operator",
        audit_every=timedelta(hours=10),
        clock=ContractTime(wall=lambda: clock[0]),
    )
    made = Sleeper(api, wakes, world, instances, reconciler, clock)
    made.hear()
    try:
        yield made
    finally:
        await probes.close()
