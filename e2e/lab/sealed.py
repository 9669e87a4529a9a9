"""Encryption keys and a private key as ZITADEL stores them (internal/crypto/aes.go): AES in CFB mode.

Written apart from what opens them, so that the two are held against each other.
"""

import base64
import json
import os

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from lab.server import Server

MASTERKEY = b"planted-masterkey-of-32-bytes-00"
OTHER_MASTERKEY = b"another-masterkey-of-32-bytes-00"
KEYS = ("oidcKey", "smtpKey", "userKey")
WEB_KEY = {
    "use": "sig",
    "kty": "EC",
    "kid": "1",
    "crv": "P-256",
    "alg": "ES256",
    "x": "x",
    "y": "y",
    "d": "d",
}
INSERT = "insert into system.encryption_keys (id, key) values (%s, %s)"
EVENT = """
insert into eventstore.events2 (aggregate_type, aggregate_id, event_type, "sequence", payload)
values ('web_key', %s, 'web_key.added', 1, %s::jsonb)"""


def encrypt(plain: bytes, key: bytes) -> bytes:
    """The initialization vector, then the cipher."""
    vector = os.urandom(16)
    encryptor = Cipher(AES(key), CFB(vector)).encryptor()
    return vector + encryptor.update(plain) + encryptor.finalize()


def web_key(key: bytes, *, key_id: str) -> dict[str, object]:
    """The payload of an event of type web_key.added."""
    crypted = base64.b64encode(encrypt(json.dumps(WEB_KEY).encode(), key)).decode()
    return {"privateKey": {"CryptoType": 0, "Algorithm": "aes", "KeyID": key_id, "Crypted": crypted}}


def plant(server: Server) -> None:
    """Encryption keys under the masterkey, and an instance's signing key under one of them."""
    made = {name: os.urandom(32) for name in KEYS}
    for name, key in made.items():
        server.ask(INSERT, name, base64.urlsafe_b64encode(encrypt(key, MASTERKEY)).decode())
    server.ask(EVENT, "1", json.dumps(web_key(made["oidcKey"], key_id="oidcKey")))
