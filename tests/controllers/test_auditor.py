"""The auditor against an API server that answers as told: what it asks, and what becomes of a suspicion."""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import pytest

from builders import NOW, children, instance, named, wanted
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.api.names import FIELD_MANAGER, LABEL_INSTANCE
from dedicated.api.objects import Key, Kind, Ref
from dedicated.cluster.client import JsonPatch
from dedicated.cluster.errors import ApiError
from dedicated.controllers.auditor import Auditor
from dedicated.reconcile.changes import stamp
from reconcile.api_server import Object, Server, apply_operation
from reconcile.edits import put

SERVICE = stamp(named(children(wanted()), "Service", "acme-server"))
REF = Ref("Service", "acme-server")
KEY = Key("acme-ns", "acme")
EVERY = timedelta(hours=10)


@dataclass
class Reader:
    """One live Service; `error` is the answer to every dry run."""

    live: Object
    error: ApiError | None = None
    asked: list[str] = field(default_factory=list)

    async def list(
        self, kind: Kind, namespace: str | None = None, *, selector: str = ""
    ) -> tuple[list[Manifest], str]:
        self.asked.append(f"list {kind.plural} {namespace} {selector}")
        return [self.live.full()], "1"

    async def apply(
        self, kind: Kind, manifest: Manifest, *, force: bool = True, dry_run: bool = False
    ) -> Manifest:
        assert force
        assert dry_run
        self.asked.append(f"apply {kind.plural}")
        if self.error is not None:
            raise self.error
        copy = Server(objects={REF: deepcopy(self.live)})
        return copy.apply(manifest, manager=FIELD_MANAGER).full()

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
        assert (content, subresource, dry_run) == ("json", "", True)
        assert isinstance(body, list)
        self.asked.append(f"patch {kind.plural} {namespace}/{name}")
        live = self.live.full()
        for operation in body:
            apply_operation(live, get_map(operation))
        return live


def forged(**spec: JsonValue) -> Reader:
    """What we applied, and then somebody under our name by an update."""
    server = Server()
    thing = server.apply(SERVICE, manager=FIELD_MANAGER)
    evil = deepcopy(SERVICE)
    for key, value in spec.items():
        put("spec", key, value=value)(evil)
    server.update(thing, evil, manager=FIELD_MANAGER)
    return Reader(thing)


def auditor(reader: Reader, *, now: datetime = NOW) -> Auditor:
    return Auditor(client=reader, every=EVERY, now=lambda: now)


async def test_without_a_suspicion_a_list_is_all() -> None:
    reader = forged()
    assert await auditor(reader).audit(instance(), (SERVICE,)) == {}
    assert reader.asked == [f"list services acme-ns {LABEL_INSTANCE}=acme"]


async def test_what_is_forged_is_tried_and_then_told() -> None:
    reader = forged(type="NodePort", extra="x")
    found = await auditor(reader).audit(instance(), (SERVICE,))
    assert set(found[REF].fields()) == {"spec.type", "spec.extra"}
    assert reader.asked[1:] == ["apply services", "patch services acme-ns/acme-server"]


@pytest.mark.parametrize("status", [403, 422])
async def test_a_repair_that_would_be_refused_clears_nobody(status: int) -> None:
    reader = forged(type="NodePort")
    reader.error = ApiError(status=status, reason="No", message="no")
    assert REF in await auditor(reader).audit(instance(), (SERVICE,))


async def test_an_audit_that_failed_is_still_due() -> None:
    reader, late = forged(type="NodePort"), NOW
    reader.error = ApiError(status=503, reason="Busy", message="busy")
    subject = Auditor(client=reader, every=EVERY, now=lambda: late)
    due = subject.due(KEY)
    late = due
    with pytest.raises(ApiError, match="busy"):
        await subject.audit(instance(), (SERVICE,))
    assert subject.due(KEY) == due
    reader.error = None
    await subject.audit(instance(), (SERVICE,))
    assert abs(subject.due(KEY) - due - EVERY) < timedelta(seconds=1)
    subject.forget(KEY)
    assert subject.due(KEY) > due + EVERY / 10
