"""The one interface of ways in, and what their controllers tell of them.

Whatever the way in is, its only backend is the limiter's Service, over h2c: so the limits are the same behind
every gateway. The certificate is the limiter's where nothing before it could hold it (load balancer), the
ingress's, or the Gateway's listener's; the operator then only watches the one that it is told of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from dedicated.api.conditions import parse_time
from dedicated.api.edge import Edge, EdgeKind
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str, shared
from dedicated.api.objects import Kind, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.contract.certificate import CertificateReading

COMPONENT = "edge"
"""Of every object that is made for the way in, the limiter apart."""

Answer = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """Kinds that the API server may not have, the finding about it, and what brings them."""

    kinds: tuple[Kind, ...]
    code: str
    install: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of way in. `render` is called for an instance whose `spec.edge` has it."""

    kind: EdgeKind
    render: Callable[[Instance], tuple[Manifest, ...]]
    requirement: Requirement | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a controller says of a route at one of its parents."""

    parent: str
    controller: str
    accepted: Answer = "Unknown"
    resolved: Answer = "Unknown"
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Issuance:
    """What cert-manager says of a Certificate."""

    ready: Answer = "Unknown"
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class EntryState:
    """An object of the way in, as its controller tells of it. What was said of an older generation, or by
    nobody yet, is not in it."""

    ref: Ref
    attachments: tuple[Attachment, ...] = ()
    issuance: Issuance | None = None
    address: str = ""
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class EdgeState:
    """What is seen of the way in.

    `missing` are kinds that the API server does not have; `objects` those of this instance; `certificate` is
    None where no Secret is named; `controllers` by the name of the IngressClass.
    """

    missing: frozenset[str] = frozenset()
    objects: Mapping[Ref, EntryState] = field(default_factory=dict)
    certificate: CertificateReading | None = None
    controllers: Mapping[str, str] = field(default_factory=dict)


def edge_of(instance: Instance) -> Edge:
    """The way in of an instance that has one."""
    edge = instance.spec.edge
    assert edge is not None
    return edge


def tls_secret(instance: Instance) -> str:
    """The Secret of the certificate: the user's own, or the one that cert-manager keeps; empty: none."""
    tls = instance.spec.edge.tls if instance.spec.edge else None
    if tls is None:
        return ""
    return tls.secret_name or f"{instance.name}-tls"


def state_of(manifest: Manifest) -> EntryState:
    """The reduced form of an object of the way in, whatever its kind."""
    status, generation = get_map(manifest, "status"), get_int(manifest, "metadata", "generation")
    ready = _said(get_list(status, "conditions"), "Ready", generation)
    return EntryState(
        ref=ref_of(manifest),
        attachments=tuple(_attachment(item, generation) for item in get_list(status, "parents")),
        issuance=Issuance(_answer(ready), get_str(ready, "reason"), get_str(ready, "message"))
        if ready
        else None,
        address=_address(get_list(status, "loadBalancer", "ingress")),
        made=parse_time(get_str(manifest, "metadata", "creationTimestamp")),
    )


def _attachment(item: JsonValue, generation: int) -> Attachment:
    """One of `status.parents`; of what is wrong, the first is told."""
    parent = get_map(item, "parentRef")
    names = (get_str(parent, "namespace"), get_str(parent, "name"), get_str(parent, "sectionName"))
    conditions = get_list(item, "conditions")
    accepted, resolved = (_said(conditions, kind, generation) for kind in ("Accepted", "ResolvedRefs"))
    wrong = next((said for said in (accepted, resolved) if _answer(said) == "False"), {})
    return Attachment(
        parent="/".join(name for name in names if name),
        controller=shared(item, "controllerName"),
        accepted=_answer(accepted),
        resolved=_answer(resolved),
        reason=get_str(wrong, "reason"),
        message=get_str(wrong, "message"),
    )


def _said(conditions: list[JsonValue], kind: str, generation: int) -> Manifest:
    """The condition of a type, unless it is about an older generation."""
    found = (get_map(item) for item in conditions if get_str(item, "type") == kind)
    return next((said for said in found if get_int(said, "observedGeneration") in (0, generation)), {})


def _answer(condition: Manifest) -> Answer:
    match get_str(condition, "status"):
        case "True":
            return "True"
        case "False":
            return "False"
    return "Unknown"


def _address(ingress: list[JsonValue]) -> str:
    """The first address or name of a load balancer."""
    return next((get_str(item, "ip") or get_str(item, "hostname") for item in ingress), "")
