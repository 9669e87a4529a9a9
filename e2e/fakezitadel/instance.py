"""The instance: one JSON row that all replicas read, so that a restored database brings it back."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fakezitadel import events, keys
from fakezitadel.database import Connection
from fakezitadel.events import Aggregate
from fakezitadel.runtime import Json

DOMAIN_CONSTRAINT = "instance_domain"
USER_CONSTRAINT = "user_id"
ID_DIGITS = 18
SALT_BYTES = 16
SCRYPT = {"n": 2**12, "r": 8, "p": 1}


@dataclass(frozen=True, slots=True)
class User:
    """A human (with a password's hash) or a machine."""

    id: str
    username: str
    name: str
    email: str = ""
    password_hash: str = ""
    password_change_required: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A personal access token: only its digest is kept. `expires` is ISO 8601, empty = never."""

    digest: str
    user: str
    role: str
    expires: str


@dataclass(frozen=True, slots=True)
class UserKey:
    """A public key by which a machine user gets tokens, PEM."""

    id: str
    user: str
    public_pem: str


@dataclass(frozen=True, slots=True)
class Instance:
    """The first of `domains` is the external domain; trusted domains do not route."""

    id: str
    name: str
    organization_id: str
    organization: str
    domains: tuple[str, ...]
    trusted_domains: tuple[str, ...]
    users: tuple[User, ...]
    tokens: tuple[Token, ...]
    login_v2: bool
    login_base_uri: str
    signing_jwk: Mapping[str, str]
    user_keys: tuple[UserKey, ...] = ()
    mail: bool = False

    @property
    def aggregate(self) -> Aggregate:
        """What this instance's own events are about."""
        return Aggregate(self.id, "instance", self.id, self.id)

    def user(self, login_name: str) -> User | None:
        """The user of a login name, with or without the organization's domain."""
        organization = "-".join(self.organization.lower().split())
        suffixes = {f"@{organization}.{domain}" for domain in self.domains}
        bare = {login_name.removesuffix(suffix) for suffix in suffixes} | {login_name}
        return next((user for user in self.users if user.username in bare), None)


def new_id() -> str:
    """A fresh id of 18 digits."""
    return str(int.from_bytes(os.urandom(8)) % 10**ID_DIGITS).zfill(ID_DIGITS)


def hash_password(password: str) -> str:
    """Salt and digest, base64."""
    salt = os.urandom(SALT_BYTES)
    return base64.b64encode(salt + hashlib.scrypt(password.encode(), salt=salt, **SCRYPT)).decode()


def verify_password(user: User, password: str) -> bool:
    """Whether this is the user's password."""
    stored = base64.b64decode(user.password_hash)
    digest = hashlib.scrypt(password.encode(), salt=stored[:SALT_BYTES], **SCRYPT)
    return hmac.compare_digest(digest, stored[SALT_BYTES:])


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def store_new(connection: Connection, instance: Instance, *, signing_key: dict[str, Json]) -> None:
    """Write a new instance with its events and its sealed signing key; events.ConflictError if its domain is
    taken."""
    events.take(connection, DOMAIN_CONSTRAINT, instance.domains[0])
    events.push(connection, instance.aggregate, "instance.added", {"name": instance.name})
    events.push(connection, instance.aggregate, "instance.domain.added", {"domain": instance.domains[0]})
    organization = Aggregate(instance.id, "org", instance.organization_id, instance.organization_id)
    events.push(connection, organization, "org.added", {"name": instance.organization})
    for user in instance.users:
        kind = "user.human.added" if user.password_hash else "user.machine.added"
        about = Aggregate(instance.id, "user", user.id, instance.organization_id)
        events.push(connection, about, kind, {"userName": user.username})
    about = Aggregate(instance.id, "web_key", instance.signing_jwk["kid"], instance.id)
    events.push(connection, about, keys.WEB_KEY, {"privateKey": signing_key})
    _write(connection, instance)


def move(connection: Connection, instance: Instance, domain: str) -> Instance:
    """Change the external domain; events.ConflictError if the new one is taken."""
    if instance.domains[0] == domain:
        return instance
    if domain not in instance.domains:
        events.take(connection, DOMAIN_CONSTRAINT, domain)
    events.free(connection, DOMAIN_CONSTRAINT, instance.domains[0])
    others = tuple(other for other in instance.domains[1:] if other != domain)
    moved = replace(instance, domains=(domain, *others))
    payload: dict[str, Json] = {"domain": domain}
    events.push(connection, instance.aggregate, "instance.domain.primary.set", payload)
    _write(connection, moved)
    return moved


def add_user(connection: Connection, instance: Instance, user: User) -> None:
    """A new user; events.ConflictError if its id is taken."""
    events.take(connection, USER_CONSTRAINT, user.id)
    kind = "user.human.added" if user.password_hash else "user.machine.added"
    about = Aggregate(instance.id, "user", user.id, instance.organization_id)
    events.push(connection, about, kind, {"userName": user.username})
    current = _locked(connection, instance)
    _write(connection, replace(current, users=(*current.users, user)))


def add_key(connection: Connection, instance: Instance, key: UserKey) -> None:
    """A machine user's public key."""
    about = Aggregate(instance.id, "user", key.user, instance.organization_id)
    events.push(connection, about, "user.machine.key.added", {"keyId": key.id})
    current = _locked(connection, instance)
    _write(connection, replace(current, user_keys=(*current.user_keys, key)))


def _locked(connection: Connection, instance: Instance) -> Instance:
    """The instance as it is now, kept from other writers until the transaction ends."""
    select = "select data from projections.instances where id = %s for update"
    row = connection.execute(select, (instance.id,)).fetchone()
    return _read(row[0]) if row else instance


def find(connection: Connection, *, domain: str = "") -> Instance | None:
    """The instance with this custom domain, or any if none is asked for."""
    row = connection.execute(
        "select data from projections.instances where %s::text = '' or data->'domains' @> to_jsonb(%s::text)",
        (domain, domain),
    ).fetchone()
    return _read(row[0]) if row else None


def _write(connection: Connection, instance: Instance) -> None:
    connection.execute(
        "insert into projections.instances (id, data) values (%s, %s)"
        " on conflict (id) do update set data = excluded.data",
        (instance.id, json.dumps(asdict(instance))),
    )


def _read(data: dict[str, Any]) -> Instance:
    return Instance(
        **data
        | {
            "domains": tuple(data["domains"]),
            "trusted_domains": tuple(data["trusted_domains"]),
            "users": tuple(User(**user) for user in data["users"]),
            "tokens": tuple(Token(**token) for token in data["tokens"]),
            "user_keys": tuple(UserKey(**key) for key in data.get("user_keys", ())),
        }
    )
