"""The certificate of the way in: a cert-manager Certificate, and what `tls.crt` says.

Of the Secret only `tls.crt` is looked at, and of that only names and dates; the key is never touched.
"""

from collections.abc import Mapping

from cryptography import x509
from cryptography.x509.extensions import ExtensionNotFound

from dedicated.api.json import Manifest
from dedicated.api.objects import CERTIFICATE, Ref
from dedicated.api.resource import Instance
from dedicated.contract.certificate import CertificateReading, Chain
from dedicated.parts.edge.entry import COMPONENT, Requirement, edge_of, tls_secret
from dedicated.parts.metadata import child

FIELD = "tls.crt"
LARGEST = 65_536
"""Bytes of a chain that is read; a Secret holds at most 1 MiB."""
REQUIREMENT = Requirement(
    kinds=(CERTIFICATE,),
    code="CertManagerMissing",
    install="install cert-manager, or name a Secret of your own in spec.edge.tls.secretName",
)


def is_asked_for(instance: Instance) -> bool:
    """Whether cert-manager is to keep the certificate."""
    edge = instance.spec.edge
    return edge is not None and edge.tls is not None and edge.tls.certificate is not None


def ref(instance: Instance) -> Ref:
    """The Certificate."""
    return Ref(CERTIFICATE.kind, f"{instance.name}-{COMPONENT}")


def render(instance: Instance) -> tuple[Manifest, ...]:
    """The Certificate where one is asked for. Its Secret belongs to cert-manager, and stays when it goes."""
    tls = edge_of(instance).tls
    if tls is None or tls.certificate is None:
        return ()
    issuer = tls.certificate.issuer_ref
    return (
        {
            **child(CERTIFICATE, instance, COMPONENT, COMPONENT),
            "spec": {
                "secretName": tls_secret(instance),
                "dnsNames": [instance.spec.domain],
                "issuerRef": {"name": issuer.name, "kind": issuer.kind, "group": issuer.group},
                "privateKey": {"rotationPolicy": "Always"},
                "usages": ["digital signature", "key encipherment", "server auth"],
            },
        },
    )


def reading_of(secret: str, data: Mapping[str, bytes] | None) -> CertificateReading:
    """What a Secret's data says; None: there is no such Secret."""
    if data is None:
        return CertificateReading(secret, problem="does not exist")
    if not data.get(FIELD):
        return CertificateReading(secret, problem=f"has no {FIELD}")
    if len(data[FIELD]) > LARGEST:
        return CertificateReading(secret, problem=f"has a {FIELD} of more than {LARGEST} bytes")
    try:
        return CertificateReading(secret, chain=chain_of(data[FIELD]))
    except ValueError:
        return CertificateReading(secret, problem=f"has a {FIELD} that is no certificate in PEM")


def chain_of(pem: bytes) -> Chain:
    """Names of the first certificate, and the dates of it and of those behind it. Raises ValueError.

    A self-signed one behind the first is not looked at: clients trust a root by their own store, and leave
    one that has run out aside.
    """
    first, *rest = x509.load_pem_x509_certificates(pem)
    behind = [item.not_valid_after_utc for item in rest if item.subject != item.issuer]
    return Chain(_names(first), first.not_valid_after_utc, min(behind, default=None))


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The names that browsers look at: a common name alone is none."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
