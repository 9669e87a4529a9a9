"""Applies: only over the state of a child that was judged, though its status may move meanwhile."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest

from builders import NOW, instance
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.names import FIELD_MANAGER, LABEL_INSTANCE
from dedicated.api.objects import DEPLOYMENT, RECORD, Kind
from dedicated.cluster.client import JsonPatch, Manifests
from dedicated.cluster.errors import ApiError
from dedicated.contract.modifications import Modification
from dedicated.contract.records import Record, record_for, service_started
from dedicated.controllers.execute import STATUS_MOVES, Executor
from dedicated.controllers.namespaces import Namespaces
from dedicated.controllers.secrets_reader import SecretsReader
from dedicated.controllers.world import World
from dedicated.reconcile.actions import Action, Apply, RecordFact
from dedicated.reconcile.observed import Child, Failure, child_of

CONFLICT = ApiError(status=409, reason="Conflict", message="the object has been modified")
TAKEN = ApiError(status=409, reason="Conflict", message="conflict with helm", causes=(".spec: helm",))
MANIFEST: Manifest = {
    "apiVersion": DEPLOYMENT.api_version,
    "kind": DEPLOYMENT.kind,
    "metadata": {"name": "acme-server", "namespace": "a", "labels": {LABEL_INSTANCE: "acme"}},
    "spec": {"replicas": 3},
}


def entry(manager: str, operation: str, subresource: str = "") -> Manifest:
    return {
        "manager": manager,
        "operation": operation,
        "subresource": subresource,
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }


@dataclass
class Api:
    """One Deployment, which `meddle(number of applies)` changes right before each apply arrives."""

    meddle: Callable[["Api", int], None] = lambda *_: None
    version: int = 1
    uid: str = "first"
    entries: list[Manifest] = field(default_factory=lambda: [entry(FIELD_MANAGER, "Apply")])
    gone: bool = False
    taken: bool = False
    applied: list[tuple[str, str, bool]] = field(default_factory=list)
    looks: int = 0
    refuses: ApiError | None = None
    recorded: list[tuple[str, int]] = field(default_factory=list)
    """By whom, and how many applies came before; `refuses` is the answer to all of them."""

    def live(self) -> Manifest:
        metadata: Manifest = {
            **get_map(MANIFEST, "metadata"),
            "uid": self.uid,
            "resourceVersion": str(self.version),
            "managedFields": list(self.entries),
        }
        return {**MANIFEST, "metadata": metadata}

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        self.looks += 1
        if kind == RECORD:
            return {"apiVersion": RECORD.api_version, "kind": RECORD.kind, "metadata": {"name": name}}
        if self.gone:
            raise ApiError(status=404, reason="NotFound", message=f"{kind.plural} {namespace}/{name}")
        return self.live()

    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool = True) -> Manifest:
        assert kind == DEPLOYMENT
        self.meddle(self, len(self.applied))
        version = get_str(manifest, "metadata", "resourceVersion")
        self.applied.append((get_str(manifest, "metadata", "uid"), version, force))
        if self.taken and not force:
            raise TAKEN
        if version and (self.gone or version != str(self.version)):
            raise CONFLICT
        self.version += 1
        return self.live()

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        assert kind == RECORD
        self.recorded.append((get_str(manifest, "spec", "by"), len(self.applied)))
        if self.refuses is not None:
            raise self.refuses
        return manifest

    async def list(
        self, kind: Kind, namespace: str | None = None, *, selector: str = ""
    ) -> tuple[Manifests, str]:
        raise NotImplementedError

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Manifest | JsonPatch,
        *,
        content: Literal["merge", "json"],
        subresource: str = "",
    ) -> Manifest:
        raise NotImplementedError

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str | None) -> None:
        raise NotImplementedError


class Nothing:
    """The cluster of a world that does not run."""

    def pages(
        self, kind: Kind, namespace: str | None = None, *, selector: str = "", metadata_only: bool = False
    ) -> AsyncGenerator[tuple[list[Manifest], str], None]:
        raise NotImplementedError

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        selector: str = "",
        metadata_only: bool = False,
    ) -> AsyncGenerator[tuple[str, Manifest], None]:
        raise NotImplementedError


async def run(
    api: Api, seen: Child | None, *, heard: Manifest | None = None, record: Record | None = None
) -> tuple[Failure, ...]:
    """Carry out an apply over what was seen."""
    return await do(api, Apply(MANIFEST, seen=seen, record=record), heard=heard)


async def do(api: Api, action: Action, *, heard: Manifest | None = None) -> tuple[Failure, ...]:
    """Carry out one action."""
    world = World(
        client=Nothing(),
        namespaces=("a",),
        with_nodes=False,
        with_marks=False,
        wake=lambda _: None,
        wake_all=lambda: None,
        roll=lambda *_: None,
        is_alive=lambda _: True,
    )
    if heard is not None:
        world.learn(heard)
    executor = Executor(
        client=api,
        world=world,
        namespaces=Namespaces(client=api, informer=None),
        secrets=SecretsReader(client=api, world=world),
        user="operator",
        now=lambda: NOW,
    )
    return await executor.run(instance(), ((action,),))


async def test_what_exists_is_applied_at_the_version_that_was_judged() -> None:
    api = Api()
    assert await run(api, child_of(api.live())) == ()
    assert api.applied == [("first", "1", True)]


async def test_a_status_that_moves_meanwhile_costs_a_look_and_no_pass() -> None:
    def move_twice(api: Api, number: int) -> None:
        api.version += number < 2
        api.entries = [api.entries[0], entry("kube-controller-manager", "Update", "status")]

    api = Api(move_twice)
    assert await run(api, child_of(api.live())) == ()
    assert [version for _, version, _ in api.applied] == ["1", "2", "3"]


async def test_a_status_that_was_heard_of_meanwhile_costs_no_look() -> None:
    api = Api()
    seen = child_of(api.live())
    api.version = 2
    assert await run(api, seen, heard=api.live()) == ()
    assert [version for _, version, _ in api.applied] == ["2"]
    assert api.looks == 0


async def test_a_status_that_never_rests_is_left_to_the_next_pass() -> None:
    def move(api: Api, _: int) -> None:
        api.version += 1

    api = Api(move)
    with pytest.raises(ApiError) as refused:
        await run(api, child_of(api.live()))
    assert refused.value.conflict
    assert len(api.applied) == 1 + STATUS_MOVES


def by_somebody(api: Api) -> None:
    api.version += 1
    api.entries = [entry("somebody", "Update")]


def by_another_leader(api: Api) -> None:
    api.version += 1
    api.entries = [{**entry(FIELD_MANAGER, "Apply"), "fieldsV1": {"f:spec": {"f:paused": {}}}}]


def deleted(api: Api) -> None:
    api.gone = True


def made_again(api: Api) -> None:
    api.version, api.uid = 7, "second"


@pytest.mark.parametrize("change", [by_somebody, by_another_leader, deleted, made_again])
async def test_what_was_changed_meanwhile_is_not_written_over(change: Callable[[Api], None]) -> None:
    api = Api()
    seen = child_of(api.live())
    change(api)
    with pytest.raises(ApiError) as refused:
        await run(api, seen)
    assert refused.value.conflict
    assert len(api.applied) == 1


async def test_what_is_new_is_applied_without_force_and_never_over_others() -> None:
    api = Api(taken=True, uid="theirs")
    (failure,) = await run(api, None)
    assert failure.reason == "NameTaken"
    assert api.applied == [("", "", False)]


def test_the_same_apply_to_a_newer_version_is_the_same_action() -> None:
    """Or a repair in vain would be tried again without pause."""
    seen = child_of(Api().live())
    assert Apply(MANIFEST, seen=seen) == Apply(MANIFEST, seen=replace(seen, resource_version="2"))


MADE = "2026-03-01T12:00:00Z"
FACT = Modification("Deployment/acme-server", "somebody", "Update", MADE, ("spec.replicas",))
FOUND = record_for("acme", FACT, uid="first", moment=MADE)


async def test_a_record_is_made_before_the_repair_in_our_own_name() -> None:
    api = Api()
    assert await run(api, child_of(api.live()), record=FOUND) == ()
    assert api.recorded == [("operator", 0)]
    assert len(api.applied) == 1


async def test_a_record_that_exists_is_as_good_as_made() -> None:
    api = Api(refuses=ApiError(status=409, reason="AlreadyExists", message="exists"))
    assert await run(api, child_of(api.live()), record=FOUND) == ()
    assert (len(api.applied), api.looks) == (1, 0)


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_a_record_that_is_refused_does_not_hold_up_the_repair(status: int) -> None:
    api = Api(refuses=ApiError(status=status, reason="No", message="exceeded quota"))
    (failure,) = await run(api, child_of(api.live()), record=FOUND)
    assert (failure.what, failure.reason) == ("Deployment/acme-server", "RecordRefused")
    assert "somebody (Update)" in failure.message
    assert len(api.applied) == 1


STARTED = RecordFact(service_started("acme"))


async def test_a_fact_is_recorded_in_our_own_name() -> None:
    api = Api()
    assert await do(api, STARTED) == ()
    assert api.recorded == [("operator", 0)]
    made = Api(refuses=ApiError(status=409, reason="AlreadyExists", message="exists"))
    assert await do(made, STARTED) == ()


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_a_fact_that_is_refused_is_told(status: int) -> None:
    (failure,) = await do(Api(refuses=ApiError(status=status, reason="No", message="exceeded")), STARTED)
    assert failure == Failure("fact ServiceStarted", "RecordRefused", "not recorded: exceeded")


async def test_a_repair_waits_while_the_record_cannot_be_made_now() -> None:
    api = Api(refuses=ApiError(status=503, reason="Busy", message="busy"))
    with pytest.raises(ApiError, match="busy"):
        await run(api, child_of(api.live()), record=FOUND)
    assert api.applied == []


async def test_a_deletion_is_recorded_where_the_child_is_really_gone() -> None:
    api = Api(gone=True)
    assert await run(api, None, record=FOUND) == ()
    assert api.recorded == [("operator", 0)]
    assert api.applied == [("", "", False)]
    taken = Api(uid="theirs")  # somebody made another one in its place
    await run(taken, None, record=FOUND)
    assert taken.recorded == [("operator", 0)]
