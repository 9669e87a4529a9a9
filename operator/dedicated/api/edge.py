"""`spec.edge`: how the world comes in, and with it whether a limiter stands in the way (RL-1, L-4).

Exactly one kind of way in. Whatever it is, its only backend is the instance's limiter, and server and login
are reached by nobody else. Without `spec.edge` nothing of this exists: the way in is then the user's own, and
no rate limit is enforced here.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.addresses import Cidr
from dedicated.api.backup import SecretName
from dedicated.api.rules import ApiModel, Rule, list_map, list_set

EdgeKind = Literal["Gateway", "Ingress", "LoadBalancer", "Service"]
AddressSource = Literal["XForwardedFor", "ProxyProtocol", "Connection"]
Label = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
MaybeName = Annotated[str, Field(max_length=253, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=30)]
LONGEST_HSTS = 63_072_000
"""Seconds: two years, the most that browsers' lists ask for."""


class ParentRef(ApiModel):
    """A Gateway, or one listener of it."""

    name: SecretName
    namespace: MaybeName = Field("", description="Empty: the instance's namespace.")
    section_name: MaybeName = Field("", description="Name of a listener. Empty: every listener that fits.")


class GatewayEdge(ApiModel):
    """Routes of the Gateway API, attached to Gateways of the user's own, which hold the certificate."""

    parent_refs: Annotated[
        list[ParentRef],
        Field(min_length=1, max_length=8, json_schema_extra=list_map("namespace", "name", "sectionName")),
    ]


class IngressEdge(ApiModel):
    """An Ingress."""

    class_name: SecretName = Field(description="Name of the IngressClass.")
    annotations: Annotations = Field({}, description="Annotations of the Ingress.")


class LoadBalancerEdge(ApiModel):
    """A Service of type LoadBalancer right before the limiter, which terminates TLS itself."""

    class_: SecretName | None = Field(
        None, alias="class", description="loadBalancerClass of the Service. Absent: the cluster's default."
    )
    annotations: Annotations = Field({}, description="Annotations of the Service.")
    source_ranges: Annotated[list[Cidr], Field(max_length=100, json_schema_extra=list_set())] = Field(
        [], description="Ranges that are let in. Empty: everybody."
    )


class ServiceEdge(ApiModel):
    """The limiter's Service alone: what stands before it is the user's own, and holds the certificate."""

    annotations: Annotations = Field({}, description="Annotations of the limiter's Service.")


class IssuerRef(ApiModel):
    """An issuer of cert-manager."""

    name: SecretName
    kind: Literal["Issuer", "ClusterIssuer"] = "Issuer"
    group: SecretName = "cert-manager.io"


class CertificateRequest(ApiModel):
    """A certificate that cert-manager keeps."""

    issuer_ref: IssuerRef


class EdgeTls(ApiModel):
    """The certificate of the instance's domain."""

    rules: ClassVar = (
        Rule(
            cel="has(self.secretName) != has(self.certificate)",
            message="set exactly one of secretName and certificate",
            field="secretName",
            holds=lambda self: (self.secret_name is None) != (self.certificate is None),
        ),
    )
    secret_name: SecretName | None = Field(
        None, description="Secret of type kubernetes.io/tls in the instance's namespace, of your own."
    )
    certificate: CertificateRequest | None = Field(
        None, description="Ask cert-manager for it; its Secret is <name>-tls."
    )


class Hsts(ApiModel):
    """Strict-Transport-Security, sent with every answer."""

    max_age: int = Field(
        31_536_000, ge=1, le=LONGEST_HSTS, description="Seconds; 0 would take it back (L-4)."
    )
    include_sub_domains: bool = False


class ClientAddress(ApiModel):
    """Whence the limiter knows a client's address: limits are per address (RL-1)."""

    rules: ClassVar = (
        Rule(
            cel="(self.from == 'Connection') == (size(self.trusted) == 0)",
            message="trusted stands with from XForwardedFor and ProxyProtocol, and with no other: name the "
            "ranges of the proxies there, remove it elsewhere",
            field="trusted",
            holds=lambda self: (self.from_ == "Connection") == (not self.trusted),
        ),
        Rule(
            cel="self.trusted.all(range, !range.endsWith('/0'))",
            message="trusted must not hold every address: any client could then choose its own",
            field="trusted",
            holds=lambda self: not any(trusted.endswith("/0") for trusted in self.trusted),
        ),
        Rule(
            cel="self.from == 'XForwardedFor' || self.hops == 1",
            message="hops has no effect but with from XForwardedFor",
            field="hops",
            holds=lambda self: self.from_ == "XForwardedFor" or self.hops == 1,
        ),
    )
    from_: AddressSource = Field(
        "Connection",
        alias="from",
        description="Connection: the peer of the connection is the client. XForwardedFor, ProxyProtocol: "
        "what a trusted proxy says.",
    )
    trusted: Annotated[list[Cidr], Field(max_length=100, json_schema_extra=list_set())] = Field(
        [], description="Ranges of the proxies that are believed; from others it is ignored."
    )
    hops: int = Field(
        1, ge=1, le=8, description="Proxies that add to X-Forwarded-For: the client is the last but so many."
    )


class Edge(ApiModel):
    """How the world comes in: exactly one of gateway, ingress, loadBalancer and service."""

    rules: ClassVar = (
        Rule(
            cel="[has(self.gateway), has(self.ingress), has(self.loadBalancer), has(self.service)]"
            ".filter(x, x).size() == 1",
            message="set exactly one of gateway, ingress, loadBalancer and service",
            field="gateway",
            holds=lambda self: (
                [self.gateway, self.ingress, self.load_balancer, self.service].count(None) == 3
            ),
        ),
        Rule(
            cel="!(has(self.ingress) || has(self.loadBalancer)) || has(self.tls)",
            message="tls is required with ingress and loadBalancer: name the certificate of the domain",
            field="tls",
            holds=lambda self: (self.ingress is None and self.load_balancer is None) or self.tls is not None,
        ),
        Rule(
            cel="!has(self.service) || !has(self.tls)",
            message="tls has no effect with service: what stands before it holds the certificate",
            field="tls",
            holds=lambda self: self.service is None or self.tls is None,
        ),
        Rule(
            cel="!(has(self.gateway) || has(self.ingress)) || self.clientAddress.from != 'Connection'",
            message="clientAddress is required with gateway and ingress: every connection comes from the "
            "proxy, and all clients would share one budget",
            field="clientAddress.from",
            holds=lambda self: (
                (self.gateway is None and self.ingress is None) or self.client_address.from_ != "Connection"
            ),
        ),
    )
    gateway: GatewayEdge | None = None
    ingress: IngressEdge | None = None
    load_balancer: LoadBalancerEdge | None = None
    service: ServiceEdge | None = None
    tls: EdgeTls | None = Field(
        None,
        description="Certificate of the domain. With gateway the listener holds it, and it is only watched.",
    )
    hsts: Hsts = Hsts()
    client_address: ClientAddress = ClientAddress()

    @property
    def kind(self) -> EdgeKind:
        """Which one it is."""
        if self.gateway is not None:
            return "Gateway"
        if self.ingress is not None:
            return "Ingress"
        return "LoadBalancer" if self.load_balancer is not None else "Service"

    @property
    def terminates_tls(self) -> bool:
        """Whether the limiter does: nothing before it could."""
        return self.load_balancer is not None
