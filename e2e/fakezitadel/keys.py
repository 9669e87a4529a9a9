"""Encryption keys: random, stored encrypted with the masterkey, as the real thing keeps its own."""

import base64
import os

from fakezitadel.database import Connection
from fakezitadel.runtime import FatalError
from fakezitadel.settings import KNOWN, Settings

KEY_BYTES = 32
NONCE_BYTES = 12


def check_length(masterkey: bytes) -> None:
    """FatalError unless the masterkey has 32 bytes."""
    if len(masterkey) != KEY_BYTES:
        raise FatalError(f"masterkey must be {KEY_BYTES} bytes, but is {len(masterkey)}")


def encrypt(key: bytes, plain: bytes, *, label: str) -> str:
    """AES-GCM under a 32-byte key, bound to a label; base64."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, label.encode())).decode()


def decrypt(key: bytes, text: str, *, label: str) -> bytes:
    """The plain bytes; FatalError if the key is another one."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    data = base64.b64decode(text)
    try:
        return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], label.encode())
    except InvalidTag as error:
        raise FatalError("unable to decrypt key") from error


def stored(connection: Connection, masterkey: bytes) -> dict[str, bytes]:
    """All stored keys by id; FatalError if one was encrypted with another masterkey."""
    check_length(masterkey)
    rows = connection.execute("select id, key from system.encryption_keys").fetchall()
    return {name: decrypt(masterkey, text, label=name) for name, text in rows}


def ensure(connection: Connection, settings: Settings, masterkey: bytes) -> dict[str, bytes]:
    """All keys by id, those that `EncryptionKeys` names and that are missing made now."""
    present = stored(connection, masterkey)
    names = {settings.text(path) for path in KNOWN if path.startswith("encryptionkeys.")}
    for name in sorted(names - present.keys()):
        present[name] = os.urandom(KEY_BYTES)
        connection.execute(
            "insert into system.encryption_keys (id, key) values (%s, %s)",
            (name, encrypt(masterkey, present[name], label=name)),
        )
    return present
