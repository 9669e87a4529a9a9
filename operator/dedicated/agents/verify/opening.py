"""Whether a masterkey opens what a database holds, by ZITADEL's own algorithm (internal/crypto/aes.go).

ZITADEL keeps its encryption keys under the masterkey with AES in CFB mode: the initialization vector, then
the cipher, in URL-safe base64. **That mode knows no wrong key**: any masterkey of 32 bytes opens each row, to
bytes that look as random as the right ones. So a key counts as the right one only by what it opens in turn:
the private keys that sign an instance's tokens, which are PEM or JSON when they are readable. Where an
instance has none yet, only the fingerprint of the masterkey tells.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from dedicated.api.json import JsonValue, Manifest, get_str

BLOCK = 16
KEY_SIZES = frozenset({16, 24, 32})
TYPES = ("web_key.added", "key_pair.added")
"""Events that hold private keys; of the newest of them `LIMIT` are looked at."""
LIMIT = 20


@dataclass(frozen=True, slots=True)
class Opened:
    """How many rows the masterkey opened of those there are, and of private keys how many became readable.

    `unlike` are the ids of rows that no masterkey opens: they have another form.
    """

    keys: int
    opened: int
    private_keys: int
    readable: int
    unlike: tuple[str, ...] = ()


def opened(stored: Sequence[tuple[str, str]], payloads: Sequence[JsonValue], *, masterkey: bytes) -> Opened:
    """Open each row with the masterkey, and the private keys in payloads of events with what that gave."""
    found: dict[str, bytes] = {}
    for name, text in stored:
        plain = _decrypted(_decoded(text, urlsafe=True), masterkey)
        if plain is not None and len(plain) in KEY_SIZES:
            found[name] = plain
    sealed = [value for payload in payloads for value in _sealed_in(payload)]
    readable = sum(_is_readable(value, found) for value in sealed)
    wrong = bool(sealed) and not readable
    return Opened(
        keys=len(stored),
        opened=0 if wrong else len(found),
        private_keys=len(sealed),
        readable=readable,
        unlike=tuple(name for name, _ in stored if name not in found),
    )


def _sealed_in(value: JsonValue) -> Iterator[Manifest]:
    """The private keys in a payload, as ZITADEL writes a value that it encrypts."""
    if not isinstance(value, dict):
        return
    sealed = value.get("privateKey")
    if isinstance(sealed, dict):
        inner = sealed.get("key", sealed)
        if isinstance(inner, dict) and get_str(inner, "Algorithm") == "aes":
            yield inner


def _is_readable(sealed: Manifest, keys: Mapping[str, bytes]) -> bool:
    key = keys.get(get_str(sealed, "KeyID"))
    plain = _decrypted(_decoded(get_str(sealed, "Crypted"), urlsafe=False), key) if key else None
    if plain is None:
        return False
    return plain.startswith(b"-----BEGIN ") or _is_web_key(plain)


def _is_web_key(plain: bytes) -> bool:
    try:
        found: JsonValue = json.loads(plain)
    except ValueError:
        return False
    return bool(get_str(found, "kty"))


def _decoded(text: str, *, urlsafe: bool) -> bytes:
    """Empty where the text is no base64."""
    try:
        return base64.b64decode(text, altchars=b"-_" if urlsafe else None, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _decrypted(data: bytes, key: bytes) -> bytes | None:
    if len(data) < BLOCK or len(key) not in KEY_SIZES:
        return None
    decryptor = Cipher(AES(key), CFB(data[:BLOCK])).decryptor()
    return decryptor.update(data[BLOCK:]) + decryptor.finalize()
