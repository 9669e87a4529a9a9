"""An Ingress to the limiter, for controllers that still live.

ingress-nginx is retired since 24 March 2026 and gets no more fixes (kubernetes.io): it is told, not refused.
An Ingress cannot say which protocol its backend speaks. Traefik reads that from an annotation of the Service,
which does nothing elsewhere; what other controllers need is the user's to annotate (docs/edge.md).
"""

from dedicated.api.json import Manifest
from dedicated.api.objects import INGRESS
from dedicated.api.resource import Instance
from dedicated.parts.edge.entry import COMPONENT, Entry, edge_of, tls_secret
from dedicated.parts.limiter.names import limiter_name
from dedicated.parts.metadata import annotated, child

RETIRED = frozenset({"k8s.io/ingress-nginx"})
"""Controllers, as IngressClasses name them, that are not maintained any more."""
RETIRED_CLASSES = frozenset({"nginx", "ingress-nginx"})
"""Names that their classes have as a rule, where classes may not be read."""
SERVICE_ANNOTATIONS = {"traefik.ingress.kubernetes.io/service.serversscheme": "h2c"}
"""Of the limiter's Service: without it gRPC does not pass."""


def render(instance: Instance) -> tuple[Manifest, ...]:
    """The Ingress."""
    ingress = edge_of(instance).ingress
    assert ingress is not None
    backend: Manifest = {"service": {"name": limiter_name(instance.name), "port": {"name": "http"}}}
    path: Manifest = {"path": "/", "pathType": "Prefix", "backend": backend}
    return (
        {
            **annotated(child(INGRESS, instance, COMPONENT, COMPONENT), ingress.annotations),
            "spec": {
                "ingressClassName": ingress.class_name,
                "tls": [{"hosts": [instance.spec.domain], "secretName": tls_secret(instance)}],
                "rules": [{"host": instance.spec.domain, "http": {"paths": [path]}}],
            },
        },
    )


def is_retired(name: str, controller: str | None) -> bool:
    """Whether a class is of a controller that nobody maintains; `controller` None: it is not known."""
    return name in RETIRED_CLASSES if controller is None else controller in RETIRED


INGRESS_ENTRY = Entry(kind="Ingress", render=render)
