"""Encryption keys: random, stored under the masterkey, as ZITADEL keeps its own (internal/crypto/aes.go).

Its cipher, AES in CFB mode, knows no wrong key. So a masterkey is the wrong one where the private keys of the
instance, which an encryption key opens, are not readable.
"""

import base64
import os

from fakezitadel import events
from fakezitadel.database import Connection
from fakezitadel.runtime import FatalError, Json
from fakezitadel.settings import KNOWN, Settings

KEY_BYTES = 32
BLOCK = 16
WEB_KEY = "web_key.added"
PEM = b"-----BEGIN "


def check_length(masterkey: bytes) -> None:
    """FatalError unless the masterkey has 32 bytes."""
    if len(masterkey) != KEY_BYTES:
        raise FatalError(f"masterkey must be {KEY_BYTES} bytes, but is {len(masterkey)}")


def sealed(stored: dict[str, bytes], name: str, plain: bytes) -> dict[str, Json]:
    """A value as it stands in an event: encrypted with the encryption key of this name."""
    text = base64.b64encode(_encrypt(stored[name], plain)).decode()
    return {"CryptoType": 0, "Algorithm": "aes", "KeyID": name, "Crypted": text}


def opened(connection: Connection, masterkey: bytes) -> dict[str, bytes]:
    """All stored keys by id; FatalError if they were encrypted with another masterkey."""
    check_length(masterkey)
    rows = connection.execute("select id, key from system.encryption_keys").fetchall()
    found = {name: _decrypt(masterkey, base64.urlsafe_b64decode(text)) for name, text in rows}
    for event in events.of_type(connection, WEB_KEY):
        private = event.payload["privateKey"]
        plain = _decrypt(found[private["KeyID"]], base64.b64decode(private["Crypted"]))
        if not plain.startswith(PEM):
            raise FatalError("unable to decrypt key")
    return found


def ensure(connection: Connection, settings: Settings, masterkey: bytes) -> dict[str, bytes]:
    """All keys by id, those that `EncryptionKeys` names and that are missing made now."""
    present = opened(connection, masterkey)
    names = {settings.text(path) for path in KNOWN if path.startswith("encryptionkeys.")}
    for name in sorted(names - present.keys()):
        present[name] = os.urandom(KEY_BYTES)
        text = base64.urlsafe_b64encode(_encrypt(masterkey, present[name])).decode()
        connection.execute("insert into system.encryption_keys (id, key) values (%s, %s)", (name, text))
    return present


def _encrypt(key: bytes, plain: bytes) -> bytes:
    """The initialization vector, then the cipher."""
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    vector = os.urandom(BLOCK)
    encryptor = Cipher(AES(key), CFB(vector)).encryptor()
    return vector + encryptor.update(plain) + encryptor.finalize()


def _decrypt(key: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    decryptor = Cipher(AES(key), CFB(data[:BLOCK])).decryptor()
    return decryptor.update(data[BLOCK:]) + decryptor.finalize()
