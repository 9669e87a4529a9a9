"""Keys and identity: what must never be lost, and never be made twice.

Key Secrets are created once and immutable, carry no owner reference, and are never applied over: they
outlive a deleted or restored instance (design.md §2, principle 5). `<name>-identity` keeps a salted
fingerprint of the masterkey, so that a lost or exchanged key is told from a first start even after the
status was wiped. The masterkey is created first and the identity right after it: a crash in between
leaves a key that no database has seen, and the identity is then made from it; the other order would
leave a fingerprint of a key that never existed.
Nothing that uses a key is rendered before the identity stands and agrees.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from dedicated.api.findings import Finding
from dedicated.api.instance import FirstInstance, MasterkeyRef, Party
from dedicated.api.json import Manifest
from dedicated.api.objects import CONFIG_MAP, SECRET
from dedicated.api.resource import Instance
from dedicated.parts.metadata import lasting

MASTERKEY_BYTES = 32
MASTERKEY_FIELD = "masterkey"
FINGERPRINT_BYTES = 16

IDENTITY = "identity"
MASTERKEY = "masterkey"
OPERATOR_KEY = "operator-key"
LOGIN_KEY = "login-key"
ADMIN = "admin"

COMPONENT = "keys"


@dataclass(frozen=True, slots=True)
class Identity:
    """Content of `<name>-identity`."""

    salt: str
    masterkey: str


@dataclass(frozen=True, slots=True)
class MasterkeyReading:
    """What was read of the masterkey's Secret: never the key itself.

    `problem` says why it cannot be used (empty: it can); `fingerprint` is empty without an identity.
    """

    found: bool
    problem: str = ""
    fingerprint: str = ""


def masterkey_ref(instance: Instance) -> MasterkeyRef:
    """The Secret that holds the masterkey: the user's own, or the created one."""
    keys = instance.spec.keys
    if keys is not None:
        return keys.masterkey.secret_ref
    return MasterkeyRef(name=f"{instance.name}-{MASTERKEY}", key=MASTERKEY_FIELD)


def fingerprint(material: bytes, *, salt: str) -> str:
    """A salted fingerprint of key material, 32 hexadecimal digits."""
    return hmac.new(salt.encode(), material, hashlib.sha256).hexdigest()[: FINGERPRINT_BYTES * 2]


def read_masterkey(data: dict[str, bytes], *, key: str, identity: Identity | None) -> MasterkeyReading:
    """Judge the form of a masterkey Secret's data and take its fingerprint."""
    material = data.get(key)
    if material is None:
        present = ", ".join(sorted(data)) or "none"
        return MasterkeyReading(found=True, problem=f"it has no key {key} (keys present: {present})")
    if len(material) != MASTERKEY_BYTES:
        hint = "; the last byte is a line end" if material.endswith(b"\n") else ""
        problem = f"key {key} has {len(material)} bytes, exactly {MASTERKEY_BYTES} are needed{hint}"
        return MasterkeyReading(found=True, problem=problem)
    if not material.isascii():
        return MasterkeyReading(found=True, problem=f"key {key} is not ASCII")
    taken = fingerprint(material, salt=identity.salt) if identity else ""
    return MasterkeyReading(found=True, fingerprint=taken)


def judge(
    instance: Instance, *, identity: Identity | None, masterkey: MasterkeyReading, used: bool
) -> Finding | None:
    """Why nothing may roll, or None.

    `used` is evidence that a database was set up with a key already: then a missing key is a lost one,
    whatever else is missing.
    """
    ref = masterkey_ref(instance)
    own = instance.spec.keys is not None
    party: Party = "Customer" if own else "Provider"
    where = f"Secret {instance.namespace}/{ref.name}"
    if not masterkey.found:
        if identity is not None or used:
            return Finding(
                code="MasterkeyLost",
                responsible=party,
                message=f"{where} is gone; the data of this instance can only be read with it, "
                "so no other is created and nothing is changed",
                action=f"restore {where} from the key bundle or a backup; running pods go on meanwhile",
                blocks="Stalled",
            )
        if own:
            return Finding(
                code="MasterkeyMissing",
                responsible="Customer",
                message=f"{where}, named in spec.keys.masterkey.secretRef, does not exist",
                action=f"create it with key {ref.key}: exactly {MASTERKEY_BYTES} ASCII bytes",
                blocks="Rollout",
            )
        return None
    if masterkey.problem:
        return Finding(
            code="MasterkeyInvalid",
            responsible=party,
            message=f"{where} cannot be used: {masterkey.problem}",
            action=f"put exactly {MASTERKEY_BYTES} ASCII bytes without a line end into it",
            blocks="Stalled",
        )
    if identity is not None and not hmac.compare_digest(masterkey.fingerprint, identity.masterkey):
        return Finding(
            code="MasterkeyChanged",
            responsible=party,
            message=f"{where} is not the key that this instance was set up with: its fingerprint differs "
            f"from ConfigMap {instance.name}-{IDENTITY}; nothing is changed",
            action=f"restore the former {where}; running pods go on meanwhile",
            blocks="Stalled",
        )
    return None


def identity_config_map(instance: Instance, identity: Identity) -> Manifest:
    """`<name>-identity`."""
    return {
        **lasting(CONFIG_MAP, instance, IDENTITY, COMPONENT),
        "immutable": True,
        "data": {"salt": identity.salt, "masterkey": identity.masterkey},
    }


def masterkey_secret(instance: Instance, material: bytes) -> Manifest:
    """`<name>-masterkey`."""
    return _secret(instance, MASTERKEY, {MASTERKEY_FIELD: material})


def key_pair_secret(instance: Instance, suffix: str, *, private_pem: bytes, public_pem: bytes) -> Manifest:
    """`<name>-operator-key` or `<name>-login-key`: a system user's key pair (zitadel.md §9.3)."""
    return _secret(instance, suffix, {"private.pem": private_pem, "public.pem": public_pem})


def admin_secret(instance: Instance, password: str) -> Manifest:
    """`<name>-admin`: the first administrator's user name and first password."""
    first = instance.spec.first_instance or FirstInstance()
    return _secret(
        instance, ADMIN, {"username": first.admin.user_name.encode(), "password": password.encode()}
    )


def needs_admin_secret(instance: Instance) -> bool:
    """Whether a first password has to be made: not for existing data, nor where one is brought along."""
    first = instance.spec.first_instance or FirstInstance()
    return not instance.spec.brings_data and first.admin.password_secret_ref is None


def _secret(instance: Instance, suffix: str, data: dict[str, bytes]) -> Manifest:
    return {
        **lasting(SECRET, instance, suffix, COMPONENT),
        "type": "Opaque",
        "immutable": True,
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
