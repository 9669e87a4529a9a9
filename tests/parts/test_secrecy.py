"""No secret value stands in any manifest but in the key Secrets."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import body, children, instance, wanted
from dedicated.api.json import canonical
from dedicated.parts import keys
from dedicated.parts.database.external import read_secret
from dedicated.parts.keys import Identity
from hidden import found_in

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!$&*+=~"
SECRETS = st.text(ALPHABET, min_size=10, max_size=40).map(lambda text: f"Zq7~{text}")
KEYS = st.text(ALPHABET, min_size=28, max_size=28).map(lambda text: f"Yk3~{text}")
"""The prefix keeps them from being a word that a manifest holds anyway."""


@settings(max_examples=60, deadline=None)
@given(password=SECRETS, masterkey=KEYS, fields=st.booleans())
def test_neither_password_nor_masterkey_is_in_a_manifest(password: str, masterkey: str, fields: bool) -> None:
    data = (
        {"host": b"db", "database": b"z", "username": b"u", "password": password.encode()}
        if fields
        else {"dsn": f"postgresql://u:{password}@db/z".encode()}
    )
    reading = read_secret(data, mark_key=masterkey.encode())
    assert reading.problem == ""
    of = replace(
        wanted(),
        database_form=reading.form,
        database_port=reading.port,
        database_mark=reading.mark,
    )
    taken = Identity(salt="s", masterkey=keys.fingerprint(masterkey.encode(), salt="s"))
    public = [*children(of), keys.identity_config_map(instance(), taken)]
    text = canonical([*public, body()]).decode()
    assert not found_in(text, password)
    assert not found_in(text, masterkey)


@settings(max_examples=30, deadline=None)
@given(KEYS)
def test_the_search_finds_what_is_there(masterkey: str) -> None:
    secret = keys.masterkey_secret(instance(), masterkey.encode())
    assert found_in(canonical(secret).decode(), masterkey)
    assert found_in(f"x{masterkey}x", masterkey)
