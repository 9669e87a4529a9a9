"""Step `03_default_instance`: encryption keys, then the instance with its first users, then their files.

The order matters: when a file cannot be written the step fails although the instance exists, and the
next run ends with `Errors.Instance.Domain.AlreadyExists`, as it does with ZITADEL.
"""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fakezitadel import instance as instances
from fakezitadel import keys
from fakezitadel.database import Connection
from fakezitadel.events import ConflictError
from fakezitadel.instance import Instance, Token, User
from fakezitadel.runtime import FatalError, Runtime
from fakezitadel.settings import Settings

ORG = "FirstInstance.Org"
TOKEN_BYTES = 48
FILE_MODE = 0o644
# ZITADEL's default complexity policy.
COMPLEXITY: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("MinLength", lambda password: len(password) >= 8),
    ("HasLower", lambda password: any(letter.islower() for letter in password)),
    ("HasUpper", lambda password: any(letter.isupper() for letter in password)),
    ("HasNumber", lambda password: any(letter.isdigit() for letter in password)),
    ("HasSymbol", lambda password: any(not letter.isalnum() for letter in password)),
)


@dataclass(frozen=True, slots=True)
class Credential:
    """Something that leaves the process once: a file's content, or stdout where no path is set."""

    path: str
    content: str


def identify_machine(settings: Settings) -> bool:
    """Whether a usable method is on. Nothing answers the webhook's metadata service here."""
    methods = ("Hostname", "PrivateIp")
    return any(settings.flag(f"Machine.Identification.{method}.Enabled") for method in methods)


def create(
    connection: Connection,
    settings: Settings,
    runtime: Runtime,
    masterkey: bytes,
    *,
    lose_files: Callable[[], None],
) -> None:
    """Run the step. `lose_files` is called between the instance and the files (fault switch)."""
    with connection.transaction():
        stored = keys.ensure(connection, settings, masterkey)
    jwk, private = _signing_key()
    sealed = keys.sealed(stored, settings.text("EncryptionKeys.OIDC.EncryptionKeyID"), private)
    made, credentials = _build(settings, jwk)
    try:
        with connection.transaction():
            instances.store_new(connection, made, signing_key=sealed)
    except ConflictError as error:
        raise FatalError("Errors.Instance.Domain.AlreadyExists") from error
    lose_files()
    for credential in credentials:
        _hand_out(credential, runtime)


def _build(settings: Settings, jwk: dict[str, str]) -> tuple[Instance, list[Credential]]:
    users, tokens, credentials = [], [], []
    if settings.text(f"{ORG}.Machine.Machine.Username"):
        path = settings.text("FirstInstance.PatPath")
        machine, access, files = _machine(settings, f"{ORG}.Machine", "IAM_OWNER", path)
        users.append(machine)
        tokens += access
        credentials += [*_machine_key(settings, machine), *files]
    else:
        users.append(_human(settings))
    if settings.text(f"{ORG}.LoginClient.Machine.Username"):
        path = settings.text("FirstInstance.LoginClientPatPath")
        client, access, files = _machine(settings, f"{ORG}.LoginClient", "IAM_LOGIN_CLIENT", path)
        users.append(client)
        tokens += access
        credentials += files
    return Instance(
        id=instances.new_id(),
        name=settings.text("FirstInstance.InstanceName"),
        organization_id=instances.new_id(),
        organization=settings.text(f"{ORG}.Name"),
        domains=(settings.text("ExternalDomain"),),
        trusted_domains=(),
        users=tuple(users),
        tokens=tuple(tokens),
        login_v2=settings.flag("DefaultInstance.Features.LoginV2.Required"),
        login_base_uri=settings.text("DefaultInstance.Features.LoginV2.BaseURI"),
        signing_jwk=jwk,
    ), credentials


def _human(settings: Settings) -> User:
    base = f"{ORG}.Human"
    password = settings.text(f"{base}.Password")
    for rule, holds in COMPLEXITY:
        if not holds(password):
            raise FatalError(f"Errors.User.PasswordComplexityPolicy.{rule}")
    username = settings.text(f"{base}.UserName")
    names = (settings.text(f"{base}.FirstName"), settings.text(f"{base}.LastName"))
    fallback = username if "@" in username else f"{username}@{settings.text('ExternalDomain')}"
    return User(
        id=instances.new_id(),
        username=username,
        name=settings.text(f"{base}.DisplayName") or " ".join(names),
        email=settings.text(f"{base}.Email.Address") or fallback,
        password_hash=instances.hash_password(password),
        password_change_required=settings.flag(f"{base}.PasswordChangeRequired"),
    )


def _machine(
    settings: Settings, base: str, role: str, path: str
) -> tuple[User, list[Token], list[Credential]]:
    user = User(
        id=instances.new_id(),
        username=settings.text(f"{base}.Machine.Username"),
        name=settings.text(f"{base}.Machine.Name"),
    )
    expires = settings.text(f"{base}.Pat.ExpirationDate")
    if not expires:
        return user, [], []
    secret = base64.urlsafe_b64encode(os.urandom(TOKEN_BYTES)).decode()
    token = Token(digest=instances.digest(secret), user=user.id, role=role, expires=expires)
    return user, [token], [Credential(path, secret)]


def _machine_key(settings: Settings, user: User) -> list[Credential]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    expires = settings.text(f"{ORG}.Machine.MachineKey.ExpirationDate")
    if not settings.number(f"{ORG}.Machine.MachineKey.Type"):
        return []
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    content = {
        "type": "serviceaccount",
        "keyId": instances.new_id(),
        "key": pem.decode(),
        "expirationDate": expires,
        "userId": user.id,
    }
    return [Credential(settings.text("FirstInstance.MachineKeyPath"), json.dumps(content))]


def _signing_key() -> tuple[dict[str, str], bytes]:
    """Public JWK and private PEM. An elliptic curve, because RSA keys take long to make."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(n.to_bytes(32)).rstrip(b"=").decode() for n in (numbers.x, numbers.y))
    kid = instances.new_id()
    jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y}
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return jwk, pem


def _hand_out(credential: Credential, runtime: Runtime) -> None:
    if not credential.path:
        print(credential.content, flush=True)
        return
    target: Path = runtime.path(credential.path)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    with os.fdopen(descriptor, "w") as file:
        file.write(credential.content + "\n")
