"""What is seen of ways in: their objects by informers, and the certificate once per version of its Secret."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from api.edge_examples import INGRESS as INGRESS_EXAMPLE
from api.edge_examples import SERVICE as SERVICE_EXAMPLE
from builders import NOW, instance
from dedicated.api.json import Manifest
from dedicated.api.objects import HTTP_ROUTE, INGRESS, INGRESS_CLASS, SECRET, Key, Kind, Ref
from dedicated.api.resource import Instance
from dedicated.cluster.errors import ApiError
from dedicated.controllers.certificates import CertificateReader
from dedicated.controllers.edge import EdgeInformers
from dedicated.controllers.informers import OURS, Entry, entry_of
from dedicated.parts.edge.entry import COMPONENT
from dedicated.parts.edge.load_balancer import render
from dedicated.reconcile.observed import Child
from parts.chains import certificate, key_pem

KEY = Key("acme-ns", "acme")
UNTIL = (NOW + timedelta(days=90)).replace(microsecond=0)


@dataclass
class Secrets:
    """Secrets by name, and how often each was asked for."""

    held: dict[str, bytes] = field(default_factory=dict)
    version: str = "1"
    asked: list[str] = field(default_factory=list)
    answer: ApiError | None = None

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        assert (kind, namespace) == (SECRET, "acme-ns")
        self.asked.append(name)
        if self.answer is not None:
            raise self.answer
        data = {"tls.crt": self.held[name], "tls.key": key_pem()}
        return {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}}

    def find(self, key: Key, name: str) -> Child | None:
        assert key == KEY
        return Child(Ref("Secret", name), "uid", self.version) if name in self.held else None

    def reader(self, dated: timedelta = timedelta()) -> CertificateReader:
        return CertificateReader(client=self, find=self.find, dated=lambda at: at + dated)


BEHIND = instance(edge=INGRESS_EXAMPLE)


def named(secret: str) -> Instance:
    return instance(edge={**INGRESS_EXAMPLE, "tls": {"secretName": secret}})


async def test_a_certificate_is_read_once_per_version_of_its_secret() -> None:
    secrets = Secrets({"login-tls": certificate(UNTIL, "login.acme.example")})
    reader = secrets.reader()
    for _ in range(3):
        found = await reader.read(BEHIND)
        assert found is not None
        assert found.chain is not None
        assert found.chain.not_after == UNTIL
    assert secrets.asked == ["login-tls"]
    secrets.version = "2"
    await reader.read(BEHIND)
    assert secrets.asked == ["login-tls"] * 2


async def test_another_name_is_another_certificate() -> None:
    secrets = Secrets(dict.fromkeys(("login-tls", "other"), certificate(UNTIL, "x.example")))
    reader = secrets.reader()
    await reader.read(BEHIND)
    found = await reader.read(named("other"))
    assert found is not None
    assert (found.secret, secrets.asked) == ("other", ["login-tls", "other"])


async def test_nothing_of_the_key_is_kept() -> None:
    reader = Secrets({"login-tls": certificate(UNTIL, "x.example")}).reader()
    found = await reader.read(BEHIND)
    kept = f"{reader._known}{found}"
    assert "BEGIN" not in kept
    assert key_pem().decode().splitlines()[1] not in kept


async def test_without_a_secret_nothing_is_asked_for() -> None:
    secrets = Secrets()
    found = await secrets.reader().read(BEHIND)
    assert found is not None
    assert (found.problem, secrets.asked) == ("does not exist", [])
    assert await secrets.reader().read(instance(edge=SERVICE_EXAMPLE)) is None


@pytest.mark.parametrize(("status", "raised"), [(404, False), (403, True), (500, True)])
async def test_one_that_goes_meanwhile_is_missing_and_other_answers_are_errors(
    status: int, raised: bool
) -> None:
    secrets = Secrets({"login-tls": b""}, answer=ApiError(status=status, reason="x", message="x"))
    if raised:
        with pytest.raises(ApiError):
            await secrets.reader().read(BEHIND)
        return
    found = await secrets.reader().read(BEHIND)
    assert found is not None
    assert found.problem == "does not exist"


async def test_dates_are_in_the_contracts_time() -> None:
    chain = certificate(UNTIL, "x.example") + certificate(UNTIL, subject="intermediate")
    found = await Secrets({"login-tls": chain}).reader(timedelta(days=7)).read(BEHIND)
    assert found is not None
    assert found.chain is not None
    moved = UNTIL + timedelta(days=7)
    assert (found.chain.until, found.chain.behind_until) == (moved, moved)


class Objects:
    """An API server with some objects of a way in, and without the Gateway API."""

    def __init__(self, *items: Manifest) -> None:
        self.items = items

    async def pages(
        self, kind: Kind, namespace: str | None = None, *, selector: str = "", metadata_only: bool = False
    ) -> AsyncGenerator[tuple[Iterable[Manifest], str], None]:
        assert (namespace, metadata_only) == (None, False)
        assert selector == ("" if kind == INGRESS_CLASS else OURS)
        if kind.group == HTTP_ROUTE.group:
            raise ApiError(status=404, reason="NotFound", message="no such kind")
        yield [item for item in self.items if item["kind"] == kind.kind], "1"

    async def watch(self, *_: object, **__: object) -> AsyncGenerator[tuple[str, Manifest], None]:
        await asyncio.Event().wait()
        yield "", {}


def an_ingress(owner: str) -> Manifest:
    return {
        "kind": INGRESS.kind,
        "metadata": {
            "name": f"{owner}-edge",
            "namespace": "acme-ns",
            "labels": {"dedicated.zitadel.com/instance": owner},
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}},
    }


def a_class(name: str) -> Manifest:
    return {
        "kind": INGRESS_CLASS.kind,
        "metadata": {"name": name},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }


async def known(with_classes: bool, *items: Manifest) -> EdgeInformers:
    found = EdgeInformers(
        Objects(*items), None, lambda *_: None, wake_all=lambda: None, with_classes=with_classes,
        dated=lambda manifest: manifest,
    )
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = [group.create_task(informer.run()) for _, informer in found.informers()]
        for _, informer in found.informers():
            await informer.synced()
        for task in running:
            task.cancel()
    return found


async def test_an_instance_sees_its_own_objects_what_is_missing_and_all_classes() -> None:
    found = await known(True, an_ingress("acme"), an_ingress("other"), a_class("public"))
    children: dict[Ref, Child] = {}
    state = found.state(KEY, children, iter(()))
    assert list(children) == list(state.objects) == [Ref("Ingress", "acme-edge")]
    assert state.objects[Ref("Ingress", "acme-edge")].address == "203.0.113.7"
    assert state.missing == {"HTTPRoute", "GRPCRoute"}
    assert state.controllers == {"public": "k8s.io/ingress-nginx"}


async def test_classes_that_may_not_be_read_are_not_watched() -> None:
    found = await known(False, a_class("public"))
    assert found.state(KEY, {}, iter(())).controllers == {}
    assert INGRESS_CLASS.plural not in dict(found.informers())


def test_of_services_the_load_balancers_alone_is_looked_into() -> None:
    edge: Manifest = {"loadBalancer": {}, "tls": INGRESS_EXAMPLE["tls"]}
    (item,) = render(instance(edge=edge))
    entry: Entry = entry_of({**item, "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}})
    assert entry.way is not None
    assert (entry.child.component, entry.way.address) == (COMPONENT, "lb.example")
    other: Manifest = {**item, "metadata": {"name": "acme-server"}}
    assert entry_of(other).way is None

