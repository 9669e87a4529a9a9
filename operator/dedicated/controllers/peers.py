"""Makes the Secret of the link between a limiter's replicas, once; it is read where the next one is made."""

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dedicated.api.json import Manifest
from dedicated.api.objects import SECRET, Kind
from dedicated.api.resource import Instance
from dedicated.cluster.errors import ApiError
from dedicated.controllers.secrets_reader import decoded
from dedicated.parts.limiter import peers
from dedicated.parts.limiter.names import limiter_name
from dedicated.parts.limiter.peers import GOOD_FOR_DAYS, Pair
from dedicated.reconcile.actions import CreatePeers

SKEW = timedelta(days=1)
"""By which a clock may be behind ours."""


class Getter(Protocol):
    """The part of `cluster.client.Client` that is needed here."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """The object."""


async def peers_secret(
    client: Getter, instance: Instance, action: CreatePeers, *, now: datetime
) -> Manifest:
    """The Secret to be made: with the pair that the one before it kept for it, where there is one."""
    before = await _data(client, instance.namespace, action.before) if action.before else {}
    one = await asyncio.to_thread(new_pair, instance.name, now)
    following = await asyncio.to_thread(new_pair, instance.name, now)
    own, trusted = peers.following_in(before) or one, peers.trusted_in(before)
    return peers.secret(instance, action.name, own=own, following=following, before=trusted)


async def _data(client: Getter, namespace: str, name: str) -> dict[str, bytes]:
    try:
        return decoded(await client.get(SECRET, namespace, name))
    except ApiError as error:
        if not error.not_found:
            raise
        return {}


def new_pair(instance: str, now: datetime) -> Pair:
    """A fresh key, and the certificate that it vouches for itself with, on both ends of the link."""
    key, serial = ec.generate_private_key(ec.SECP256R1()), x509.random_serial_number()
    # A name of its own: issuers are looked for by theirs.
    common = f"{limiter_name(instance)[:40]} {serial:x}"[:64]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=GOOD_FOR_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
