"""Key material: the one place where the operator draws random numbers for something secret."""

import secrets
import string
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dedicated.parts.keys import MASTERKEY_BYTES

ALPHABET = string.ascii_letters + string.digits
PASSWORD_LENGTH = 24
RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An RSA key pair as PEM (system users sign with RS256, zitadel.md §9.3)."""

    private_pem: bytes
    public_pem: bytes


def new_masterkey() -> bytes:
    """32 ASCII letters and digits: 190 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(MASTERKEY_BYTES)).encode()


def new_salt() -> str:
    """A salt for fingerprints."""
    return secrets.token_hex(16)


def new_password() -> str:
    """A password that meets ZITADEL's default complexity policy."""
    middle = "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH - 4))
    return f"{secrets.choice(string.ascii_uppercase)}{middle}{secrets.choice(string.ascii_lowercase)}7-"


def new_key_pair() -> KeyPair:
    """A fresh RSA key pair; takes some 0.1 s of processor time, so call it in a thread."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return KeyPair(
        private_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        public_pem=key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )
