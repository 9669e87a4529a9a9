"""Who may call: system users by a JWT that they sign themselves, users by a personal access token.

A system user lives in the configuration, not in the database, so a restored or moved instance knows it.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from fakezitadel.instance import Instance, digest
from fakezitadel.runtime import FatalError, Runtime
from fakezitadel.settings import Settings
from fakezitadel.web import ApiError

MAX_LIFETIME_SECONDS = 3600
CLOCK_SKEW_SECONDS = 5
UNAUTHENTICATED, PERMISSION_DENIED = 16, 7
SYSTEM_OWNER = "SYSTEM_OWNER"
JWT_PROFILE = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A user of `SystemAPIUsers`."""

    id: str
    key: RSAPublicKey
    roles: frozenset[str]


def system_users(settings: Settings, runtime: Runtime) -> dict[str, SystemUser]:
    """All system users by id; FatalError names the one whose entry or key is unusable."""
    found = {}
    for name, entry in settings.table("SystemAPIUsers").items():
        try:
            path = entry.get("path")
            pem = runtime.path(path).read_bytes() if path else base64.b64decode(entry["keydata"])
            memberships = entry.get("memberships") or []
            roles = frozenset(role for membership in memberships for role in membership.get("roles") or [])
            found[name] = SystemUser(name, _public_key(pem), roles or frozenset({SYSTEM_OWNER}))
        except (OSError, KeyError, AttributeError, ValueError, binascii.Error) as error:
            message = f"SystemAPIUsers.{name}: cannot read its RSA public key or memberships"
            raise FatalError(message) from error
    return found


def _public_key(pem: bytes) -> RSAPublicKey:
    certificate = x509.load_pem_x509_certificate(pem) if b"BEGIN CERTIFICATE" in pem else None
    key = certificate.public_key() if certificate else serialization.load_pem_public_key(pem)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


def roles(
    authorization: str,
    *,
    users: Mapping[str, SystemUser],
    audience: str,
    instance: Instance | None,
    now: datetime,
) -> frozenset[str]:
    """The caller's roles; ApiError 401 if the header's bearer token is not good."""
    scheme, _, token = authorization.partition(" ")
    granted = frozenset[str]()
    if scheme.lower() == "bearer":
        is_jwt = token.count(".") == 2
        granted = _system_roles(token, users, audience, now) if is_jwt else _user_roles(token, instance, now)
    if not granted:
        raise ApiError(UNAUTHENTICATED, "Errors.Token.Invalid")
    return granted


def require(granted: frozenset[str], *allowed: str) -> None:
    """ApiError 403 unless one of the roles is among those granted."""
    if granted.isdisjoint(allowed):
        raise ApiError(PERMISSION_DENIED, "No matching permissions found")


def _system_roles(
    token: str, users: Mapping[str, SystemUser], audience: str, now: datetime
) -> frozenset[str]:
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        user = users[claims["iss"]]
        claims = jwt.decode(
            token,
            user.key,
            algorithms=["RS256"],
            audience=audience,
            leeway=CLOCK_SKEW_SECONDS,
            options={"require": ["iss", "sub", "aud", "iat", "exp"]},
        )
        fresh = claims["exp"] - claims["iat"] <= MAX_LIFETIME_SECONDS
        issued = claims["iat"] <= now.timestamp() + CLOCK_SKEW_SECONDS
    except (jwt.PyJWTError, KeyError, TypeError):
        return frozenset()
    return user.roles if claims["sub"] == user.id and fresh and issued else frozenset()


def machine_user(assertion: str, instance: Instance, *, audience: str) -> str | None:
    """The machine user who signed an assertion for us with a key that it has; None if nobody did."""
    try:
        key_id = jwt.get_unverified_header(assertion).get("kid")
        key = next(key for key in instance.user_keys if key.id == key_id)
        claims: dict[str, Any] = jwt.decode(
            assertion,
            _public_key(key.public_pem.encode()),
            algorithms=["RS256"],
            audience=audience,
            leeway=CLOCK_SKEW_SECONDS,
            options={"require": ["iss", "sub", "aud", "iat", "exp"]},
        )
    except (jwt.PyJWTError, StopIteration, ValueError):
        return None
    return key.user if claims["iss"] == claims["sub"] == key.user else None


def _user_roles(token: str, instance: Instance | None, now: datetime) -> frozenset[str]:
    wanted = digest(token)
    known = [entry for entry in instance.tokens if entry.digest == wanted] if instance else []
    return frozenset(entry.role for entry in known if now < _instant(entry.expires))


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def system_token(*, user: str, private_key: bytes, audience: str, now: datetime) -> str:
    """A JWT as a system user signs it, good for an hour. `private_key` is PEM."""
    expires = now + timedelta(seconds=MAX_LIFETIME_SECONDS)
    claims = {"iss": user, "sub": user, "aud": audience, "iat": now, "exp": expires}
    return jwt.encode(claims, private_key.decode(), algorithm="RS256")
