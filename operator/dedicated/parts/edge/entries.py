"""The ways in that there are, and the objects of an instance's."""

from dedicated.api.edge import EdgeKind
from dedicated.api.json import Manifest
from dedicated.api.resource import Instance
from dedicated.parts.edge import certificate
from dedicated.parts.edge.entry import Entry, Requirement, edge_of
from dedicated.parts.edge.gateway import GATEWAY
from dedicated.parts.edge.ingress import INGRESS_ENTRY, SERVICE_ANNOTATIONS
from dedicated.parts.edge.load_balancer import LOAD_BALANCER

SERVICE_ENTRY = Entry(kind="Service", render=lambda instance: ())  # noqa: ARG005 - the limiter's is all there is
ENTRIES: dict[EdgeKind, Entry] = {
    entry.kind: entry for entry in (GATEWAY, INGRESS_ENTRY, LOAD_BALANCER, SERVICE_ENTRY)
}


def entry_of(instance: Instance) -> Entry:
    """The way in of an instance that has one."""
    return ENTRIES[edge_of(instance).kind]


def requirements(instance: Instance) -> tuple[Requirement, ...]:
    """What the API server has to have for it."""
    if instance.spec.edge is None:
        return ()
    asked = (certificate.REQUIREMENT,) if certificate.is_asked_for(instance) else ()
    own = entry_of(instance).requirement
    return (*((own,) if own else ()), *asked)


def service_annotations(instance: Instance) -> dict[str, str]:
    """What the limiter's Service has to carry, for the ways in that read it there."""
    edge = edge_of(instance)
    if edge.service is not None:
        return dict(edge.service.annotations)
    return dict(SERVICE_ANNOTATIONS) if edge.ingress is not None else {}


def manifests(instance: Instance) -> tuple[Manifest, ...]:
    """The objects of the way in, the certificate apart: the limiter may need it to start."""
    return entry_of(instance).render(instance)
