"""The way in, in one pass: what is made of it and when, and what is said of it.

Nobody is led to a limiter that does not stand: the routes come after it. The certificate comes before, since
a limiter that terminates TLS needs it to start. What is missing in the cluster (Gateway API, cert-manager) is
told and looked for; nothing that serves is held up by it.

The route for gRPC follows the one for HTTP, and goes where that one has to be made anew: of two routes of
one name a gateway may accept the older one alone, and the one for HTTP carries both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dedicated.api.conditions import rfc3339
from dedicated.api.findings import Finding
from dedicated.api.json import Manifest
from dedicated.api.objects import INGRESS, SERVICE, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.contract import certificate as certificates
from dedicated.contract.dates import earliest
from dedicated.contract.responsibilities import responsible
from dedicated.parts.edge import certificate, gateway, ingress
from dedicated.parts.edge.entries import manifests, requirements
from dedicated.parts.edge.entry import COMPONENT, Attachment, EntryState
from dedicated.reconcile.desired import Desired
from dedicated.reconcile.limiting import has_stood
from dedicated.reconcile.observed import Observed

NOT_ACCEPTED = "RouteNotAccepted"
PATIENCE = timedelta(minutes=1)
"""Until then a gateway may take its time with a new route."""
RETIRED = "IngressControllerRetired"


@dataclass(frozen=True, slots=True)
class Edge:
    """What is said of the way in: findings, `status.edge`, and when both change by themselves."""

    findings: tuple[Finding, ...] = ()
    status: Manifest | None = None
    wake_at: datetime | None = None


NO_EDGE = Edge()


def with_way(desired: Desired, instance: Instance, observed: Observed) -> Desired:
    """What should exist, with the objects of the way in. The limiter's Service tells that it stands."""
    if instance.spec.edge is None:
        return desired
    held, wanted = certificate.render(instance), manifests(instance)
    kept = [item for item in held if _is_known(item, observed)]
    ways = [item for item in wanted if _is_known(item, observed)]
    # A starting API server denies kinds for a moment: what is there of them stays.
    denied = {ref_of(item) for item in (*held, *wanted) if not _is_known(item, observed)}
    untouched, replaced = desired.untouched | denied, desired.replaced
    grpc, http = gateway.grpc_ref(instance), gateway.http_ref(instance)
    if not has_stood(instance, observed):
        untouched |= frozenset(map(ref_of, ways))
        ways = []
    elif http not in observed.children:
        replaced |= {grpc}
        ways = [item for item in ways if ref_of(item) != grpc]
    return replace(
        desired, manifests=(*desired.manifests, *kept, *ways), untouched=untouched, replaced=replaced
    )


def judge(instance: Instance, observed: Observed, *, zone: str, now: datetime) -> Edge:
    """Findings and status. `zone` is the contract's."""
    wanted, seen = instance.spec.edge, observed.edge
    if wanted is None:
        return NO_EDGE
    reading = seen.certificate
    findings = (
        *_missing(instance, observed),
        *_routes(instance, observed),
        *_untaken(instance, observed, now=now),
        *_retired(instance, observed),
        *_certificate(instance, observed, zone=zone, now=now),
    )
    served = observed.service.entry.certificate_until if observed.service else None
    until = reading.chain.not_after if reading and reading.chain else served
    status: Manifest = {"kind": wanted.kind}
    if address := _address(instance, observed):
        status["address"] = address
    if until is not None:
        status["certificateNotAfter"] = rfc3339(until)
    changes = (certificates.change(reading, now=now), _patient_until(instance, observed, now=now))
    return Edge(findings, status, earliest(*changes))


def _is_known(manifest: Manifest, observed: Observed) -> bool:
    return ref_of(manifest).kind not in observed.edge.missing


def _missing(instance: Instance, observed: Observed) -> Iterator[Finding]:
    for requirement in requirements(instance):
        absent = [kind.plural for kind in requirement.kinds if kind.kind in observed.edge.missing]
        if absent:
            yield Finding(
                code=requirement.code,
                responsible=responsible("Networking", instance.spec.infrastructure),
                message=f"the API server has no {', '.join(absent)} ({requirement.kinds[0].group}): none is "
                "made, and what there is goes on serving",
                action=f"{requirement.install}; it is looked for once a minute",
            )


def _routes(instance: Instance, observed: Observed) -> Iterator[Finding]:
    """Routes that a gateway refuses. One for gRPC is not missed where the one for HTTP carries it."""
    if (edge := instance.spec.edge) is None or edge.gateway is None:
        return
    http, grpc = (
        observed.edge.objects.get(ref) for ref in (gateway.http_ref(instance), gateway.grpc_ref(instance))
    )
    carried = {item.parent for item in http.attachments if _is_taken(item)} if http else set[str]()
    for route in (http, grpc):
        for item in route.attachments if route else ():
            spared = route is grpc and item.accepted == "False" and item.parent in carried
            if "False" in (item.accepted, item.resolved) and not spared:
                yield _refused(instance, route, item)


def _untaken(instance: Instance, observed: Observed, *, now: datetime) -> Iterator[Finding]:
    """A route that no gateway has taken up."""
    edge, http = instance.spec.edge, observed.edge.objects.get(gateway.http_ref(instance))
    if edge is None or edge.gateway is None or http is None or http.attachments:
        return
    if _patient_until(instance, observed, now=now) is None:
        parents = ", ".join(
            "/".join(part for part in (ref.namespace or instance.namespace, ref.name) if part)
            for ref in edge.gateway.parent_refs
        )
        yield Finding(
            code=NOT_ACCEPTED,
            responsible=responsible("Networking", instance.spec.infrastructure),
            message=f"no gateway has taken up {http.ref}: nobody answers for {parents}",
            action="create the Gateway, correct spec.edge.gateway.parentRefs, or look at its controller",
        )


def _patient_until(instance: Instance, observed: Observed, *, now: datetime) -> datetime | None:
    """Until when it is too early to miss a gateway's answer; None where it is not."""
    http = observed.edge.objects.get(gateway.http_ref(instance))
    if http is None or http.attachments or http.made is None or now >= http.made + PATIENCE:
        return None
    return http.made + PATIENCE


def _refused(instance: Instance, route: EntryState | None, item: Attachment) -> Finding:
    what = route.ref if route else ""
    why = f"{item.reason}: {item.message}" if item.message else item.reason or "no reason given"
    return Finding(
        code=NOT_ACCEPTED,
        responsible=responsible("Networking", instance.spec.infrastructure),
        message=f"Gateway {item.parent} does not accept {what}: {why}",
        action="let routes of this namespace attach (the listener's allowedRoutes, hostname and protocol), "
        "or correct spec.edge.gateway.parentRefs",
    )


def _is_taken(item: Attachment) -> bool:
    return item.accepted == "True" and item.resolved != "False"


def _retired(instance: Instance, observed: Observed) -> Iterator[Finding]:
    edge = instance.spec.edge
    if edge is None or edge.ingress is None:
        return
    name = edge.ingress.class_name
    if ingress.is_retired(name, observed.edge.controllers.get(name)):
        yield Finding(
            code=RETIRED,
            responsible=responsible("Networking", instance.spec.infrastructure),
            message=f"IngressClass {name} is of ingress-nginx, which is retired since 2026-03-24: its flaws "
            "are not mended any more",
            action="move to a controller that is maintained, or to the Gateway API (docs/edge.md)",
        )


def _certificate(
    instance: Instance, observed: Observed, *, zone: str, now: datetime
) -> Iterator[Finding]:
    if (reading := observed.edge.certificate) is None:
        return
    state = observed.edge.objects.get(certificate.ref(instance))
    issuance = state.issuance if state else None
    said = ""
    if issuance is not None and issuance.ready != "True":
        said = f"{issuance.reason}: {issuance.message}"
    yield from certificates.judge(
        reading,
        domain=instance.spec.domain,
        party=responsible("Domain", instance.spec.infrastructure),
        issuer=said,
        zone=zone,
        now=now,
    )


def _address(instance: Instance, observed: Observed) -> str:
    """Where the way in is reached, where its own object tells; a Gateway's address is the Gateway's."""
    for kind in (INGRESS, SERVICE):
        state = observed.edge.objects.get(Ref(kind.kind, f"{instance.name}-{COMPONENT}"))
        if state is not None and state.address:
            return state.address
    return ""
