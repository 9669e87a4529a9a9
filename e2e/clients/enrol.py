"""The users that the clients are, made through the public API by one who may."""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clients.session import Session, sessions
from clients.target import Identity, Target

KEY_BITS = 2048
TOKEN_SECONDS = 600


class RefusedError(Exception):
    """The instance does not let us, or does not know us; the text says what was asked."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may make users: a system user with IAM_OWNER (as the operator's own) and its PEM, or a token."""

    user: str = ""
    private_pem: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)

    def bearer(self, audience: str) -> str:
        """What is sent. ValueError for a key that is none."""
        now = int(time.time())
        claims = {"iss": self.user, "sub": self.user, "aud": audience, "iat": now, "exp": now + TOKEN_SECONDS}
        return self.token or jwt.encode(claims, self.private_pem.decode(), "RS256")


async def enrol(target: Target, *, owner: Owner, name: str = "client") -> Identity:
    """A human and a machine user, new ones each time, their names beginning so.

    Raises `NoAnswerError`, or `RefusedError`.
    """
    unique = f"{name}-{secrets.token_hex(4)}"
    password = f"Aa1!{secrets.token_urlsafe(18)}"
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    async with sessions(target) as opened:
        call = _Call(opened[0], owner.bearer(target.origin))
        organization = await call.organization()
        email = {"email": f"{unique}@{target.name}", "isVerified": True}
        human = {
            "profile": {"givenName": "Client", "familyName": unique},
            "email": email,
            "password": {"password": password, "changeRequired": False},
        }
        users = "/v2/users/new"
        await call.post(users, {"organizationId": organization, "username": unique, "human": human})
        name = f"{unique}-machine"
        machine = {"organizationId": organization, "username": name, "machine": {"name": name}}
        user = str((await call.post(users, machine)).get("id", ""))
        public = {"publicKey": base64.b64encode(_public_pem(key)).decode()}
        key_id = str((await call.post(f"/v2/users/{user}/keys", public)).get("keyId", ""))
    return Identity(unique, password, user, key_id, _private_pem(key).decode())


@dataclass(frozen=True, slots=True)
class _Call:
    session: Session
    bearer: str = field(repr=False)

    async def post(self, path: str, body: Mapping[str, object]) -> Mapping[str, object]:
        headers = {"Authorization": f"Bearer {self.bearer}", "Content-Type": "application/json"}
        answer = await self.session.ask("POST", path, headers=headers, body=json.dumps(body))
        if answer.status >= 300:
            raise RefusedError(f"POST {path} answered {answer.status}")
        try:
            return cast(dict[str, object], json.loads(answer.body))
        except ValueError as error:
            raise RefusedError(f"POST {path} answered with something else than JSON") from error

    async def organization(self) -> str:
        found = (await self.post("/v2/organizations/_search", {})).get("result")
        match found:
            case [{"id": str(organization)}, *_]:
                return organization
        raise RefusedError("there is no organization")


def _public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
