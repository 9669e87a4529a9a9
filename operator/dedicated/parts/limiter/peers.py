"""The Secrets of the link between the replicas of a limiter: who they are, and whom they trust.

Counters are addresses of clients, so the link is encrypted, and both ends show a certificate. All replicas
share one, made by the operator itself; nobody else has to be asked. A Secret is made once, never changed, and
renewed each year under a new name, which a rollout brings to the pods. Each holds the key that the next
Secret will use as well: a pod with the new Secret meets pods that trust it already, and no link breaks.
Limit: where a Secret was deleted, the new one has nothing in common with it, and counters are not shared
until all pods have it.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dedicated.api.json import Manifest
from dedicated.api.objects import SECRET
from dedicated.api.resource import Instance
from dedicated.parts.limiter.names import COMPONENT, peers_name, peers_prefix
from dedicated.parts.metadata import child

CERTIFICATE, KEY, TRUSTED = MOUNTED = ("tls.crt", "tls.key", "ca.crt")
"""What pods see of it."""
NEXT_CERTIFICATE, NEXT_KEY = "next.crt", "next.key"
MONTHS = 12
"""A Secret is in use for so long; the certificates are good for longer (`GOOD_FOR_DAYS`)."""
GOOD_FOR_DAYS = 4 * 366


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate that vouches for itself, and its key, as PEM."""

    certificate: bytes
    key: bytes


def newest(instance: str, secrets: Iterable[str]) -> str:
    """The Secret in force among all names of Secrets; empty: there is none."""
    prefix = peers_prefix(instance)
    found = [
        name for name in secrets if name.startswith(prefix) and _is_month(name.removeprefix(prefix))
    ]
    return max(found, default="")


def due(instance: str, current: str, now: datetime) -> str:
    """Name of the Secret to be made now; empty: the one in force goes on."""
    if not current or now >= renewed_at(instance, current, now):
        return peers_name(instance, now)
    return ""


def renewed_at(instance: str, current: str, now: datetime) -> datetime:
    """When the Secret in force is renewed: at the begin of its month, a year later."""
    month = current.removeprefix(peers_prefix(instance))
    count = int(month[:4]) * 12 + int(month[4:]) - 1 + MONTHS
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=now.tzinfo)


def secret(instance: Instance, name: str, *, own: Pair, following: Pair, before: bytes) -> Manifest:
    """The Secret. `before` are the certificates that the one before it trusts: pods show them for a while."""
    trusted = before if own.certificate in before else before + own.certificate
    data = {
        CERTIFICATE: own.certificate,
        KEY: own.key,
        TRUSTED: trusted + following.certificate,
        NEXT_CERTIFICATE: following.certificate,
        NEXT_KEY: following.key,
    }
    suffix = name.removeprefix(f"{instance.name}-")
    return {
        **child(SECRET, instance, suffix, COMPONENT),
        "type": "Opaque",
        "immutable": True,
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def following_in(data: Mapping[str, bytes]) -> Pair | None:
    """The pair that a Secret keeps for the one after it; None where it keeps none."""
    certificate, key = data.get(NEXT_CERTIFICATE), data.get(NEXT_KEY)
    return Pair(certificate, key) if certificate and key else None


def trusted_in(data: Mapping[str, bytes]) -> bytes:
    """The two newest certificates that a Secret trusts: its own and the next one's."""
    end = b"-----END CERTIFICATE-----\n"
    return b"".join(part + end for part in data.get(TRUSTED, b"").split(end)[:-1][-2:])


def _is_month(text: str) -> bool:
    return len(text) == 6 and text.isdecimal() and 1 <= int(text[4:]) <= 12
