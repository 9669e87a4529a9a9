"""What a masterkey opens: ZITADEL's cipher knows no wrong key, so only what the keys open in turn tells."""

import base64
import json
import os

from dedicated.agents.verify.opening import opened
from dedicated.api.json import JsonValue
from lab.sealed import MASTERKEY, OTHER_MASTERKEY, encrypt, web_key

KEY = bytes(range(32))


def stored(key: bytes = KEY, *, under: bytes = MASTERKEY) -> list[tuple[str, str]]:
    return [("oidcKey", base64.urlsafe_b64encode(encrypt(key, under)).decode())]


def payload(key: bytes = KEY, *, key_id: str = "oidcKey") -> JsonValue:
    read: JsonValue = json.loads(json.dumps(web_key(key, key_id=key_id)))
    return read


def pem(key: bytes = KEY) -> JsonValue:
    text = b"-----BEGIN RSA PRIVATE KEY-----\nAAAA"
    crypted = base64.b64encode(encrypt(text, key)).decode()
    sealed: JsonValue = {"CryptoType": 0, "Algorithm": "aes", "KeyID": "oidcKey", "Crypted": crypted}
    return {"usage": 0, "privateKey": {"key": sealed, "expiry": "2026-03-01T00:00:00Z"}}


def test_keys_and_what_they_open_are_counted() -> None:
    found = opened(stored(), [payload(), pem()], masterkey=MASTERKEY)
    assert (found.keys, found.opened, found.private_keys, found.readable) == (1, 1, 2, 2)


def test_another_masterkey_opens_the_row_and_nothing_behind_it() -> None:
    found = opened(stored(), [payload(), pem()], masterkey=OTHER_MASTERKEY)
    assert (found.keys, found.opened, found.readable) == (1, 0, 0)


def test_without_a_private_key_nothing_tells_them_apart() -> None:
    for masterkey in (MASTERKEY, OTHER_MASTERKEY):
        found = opened(stored(), [{"name": "other"}], masterkey=masterkey)
        assert (found.opened, found.private_keys) == (1, 0)


def test_one_private_key_of_a_lost_key_does_not_condemn_the_masterkey() -> None:
    found = opened(stored(), [payload(os.urandom(32), key_id="former"), payload()], masterkey=MASTERKEY)
    assert (found.opened, found.private_keys, found.readable) == (1, 2, 1)


def test_rows_of_another_form_are_not_opened() -> None:
    rows = [("short", base64.urlsafe_b64encode(b"x" * 20).decode()), ("none", "%%%"), ("empty", "")]
    found = opened([*stored(), *rows], [payload()], masterkey=MASTERKEY)
    assert (found.keys, found.opened, found.unlike) == (4, 1, ("short", "none", "empty"))
