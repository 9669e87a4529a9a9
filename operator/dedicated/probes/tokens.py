"""Tokens that the operator signs for itself: JWTs with RS256, as ZITADEL takes them."""

import base64
import json
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LIFETIME = timedelta(minutes=55)
"""ZITADEL allows an hour."""


def signed(*, subject: str, audience: str, private_pem: bytes, now: datetime, key_id: str = "") -> str:
    """A token of `subject`, good for `LIFETIME`; takes a millisecond or two. Raises `ValueError` for what is
    no RSA key."""
    # Made by us, once: its numbers need not be proven to be primes each time.
    key = serialization.load_pem_private_key(private_pem, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")
    issued = int(now.timestamp())
    until = issued + int(LIFETIME.total_seconds())
    claims = {"iss": subject, "sub": subject, "aud": audience, "iat": issued, "exp": until}
    head = {"alg": "RS256", "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    text = f"{_part(head)}.{_part(claims)}"
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{_encoded(signature)}"


def _part(value: object) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
