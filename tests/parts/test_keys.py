"""Keys and identity: the form of a masterkey, and what its loss or exchange means."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import EXISTING, IDENTITY, KEY_FOUND, MASTERKEY, OWN_KEY, instance
from dedicated.api.json import get_map, get_str
from dedicated.parts import keys
from dedicated.parts.keys import Identity, MasterkeyReading

MISSING = MasterkeyReading(found=False)


def read(material: bytes) -> MasterkeyReading:
    """A reading of a Secret with that masterkey."""
    return keys.read_masterkey({"masterkey": material}, key="masterkey", identity=IDENTITY)


FORMS = {
    "31 bytes": (MASTERKEY[:-1], "has 31 bytes, exactly 32 are needed"),
    "33 bytes": (MASTERKEY + b"x", "has 33 bytes, exactly 32 are needed"),
    "a line end": (MASTERKEY + b"\n", "has 33 bytes, exactly 32 are needed; the last byte is a line end"),
    "empty": (b"", "has 0 bytes, exactly 32 are needed"),
    "32 characters of several bytes": ("ä".encode() * 32, "has 64 bytes"),
    "32 bytes of several-byte characters": ("ä".encode() * 16, "is not ASCII"),
    "base64 twice": (base64.b64encode(MASTERKEY), "has 44 bytes"),
}


@pytest.mark.parametrize(("material", "problem"), FORMS.values(), ids=FORMS)
def test_a_wrong_form_is_told_with_the_figure(material: bytes, problem: str) -> None:
    reading = read(material)
    assert problem in reading.problem
    assert reading.fingerprint == ""


def test_a_missing_key_names_those_that_are_there() -> None:
    reading = keys.read_masterkey({"b": b"", "a": b""}, key="masterkey", identity=None)
    assert reading.problem == "it has no key masterkey (keys present: a, b)"
    assert "none" in keys.read_masterkey({}, key="masterkey", identity=None).problem


def test_the_right_key_is_known_by_its_fingerprint() -> None:
    assert read(MASTERKEY) == KEY_FOUND
    assert keys.read_masterkey({"masterkey": MASTERKEY}, key="masterkey", identity=None).fingerprint == ""


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.text(min_size=1, max_size=8))
def test_a_fingerprint_depends_on_key_and_salt_and_tells_neither(material: bytes, salt: str) -> None:
    taken = keys.fingerprint(material, salt=salt)
    assert len(taken) == 32
    assert taken != keys.fingerprint(material, salt=salt + "x")
    assert taken != keys.fingerprint(material[::-1] + b"x", salt=salt)
    assert material.hex() not in taken


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=6, max_size=60).filter(lambda value: value[:6] != MASTERKEY[:6]))
def test_a_reading_never_holds_the_key(material: bytes) -> None:
    text = str(read(material))
    assert material.decode("latin-1") not in text
    assert material.hex() not in text


ABSENT_IDENTITY: Identity | None = None
CASES = [
    # own key?, identity, reading, used, code, party
    (False, None, MISSING, False, "", ""),
    (False, IDENTITY, MISSING, False, "MasterkeyLost", "Provider"),
    (False, None, MISSING, True, "MasterkeyLost", "Provider"),
    (True, IDENTITY, MISSING, False, "MasterkeyLost", "Customer"),
    (True, None, MISSING, True, "MasterkeyLost", "Customer"),
    (True, None, MISSING, False, "MasterkeyMissing", "Customer"),
    (False, IDENTITY, KEY_FOUND, True, "", ""),
    (False, None, KEY_FOUND, False, "", ""),
    (False, IDENTITY, MasterkeyReading(True, "", "other"), True, "MasterkeyChanged", "Provider"),
    (True, IDENTITY, MasterkeyReading(True, "", "other"), False, "MasterkeyChanged", "Customer"),
    (False, IDENTITY, MasterkeyReading(True, "it is short"), True, "MasterkeyInvalid", "Provider"),
    (True, None, MasterkeyReading(True, "it is short"), False, "MasterkeyInvalid", "Customer"),
]


@pytest.mark.parametrize(("own", "identity", "reading", "used", "code", "party"), CASES)
def test_what_a_state_of_the_key_means(
    own: bool, identity: Identity | None, reading: MasterkeyReading, used: bool, code: str, party: str
) -> None:
    of = instance(keys=OWN_KEY) if own else instance()
    finding = keys.judge(of, identity=identity, masterkey=reading, used=used)
    assert (finding.code if finding else "") == code
    assert (finding.responsible if finding else "") == party
    if finding is not None:
        assert finding.blocks == ("Rollout" if code == "MasterkeyMissing" else "Stalled")
        assert ("own-key" if own else "acme-masterkey") in finding.message


def test_a_first_password_is_made_only_where_it_is_used() -> None:
    assert keys.needs_admin_secret(instance())
    assert not keys.needs_admin_secret(instance(keys=OWN_KEY, database=EXISTING))
    own = instance(firstInstance={"admin": {"passwordSecretRef": {"name": "mine", "key": "first"}}})
    assert not keys.needs_admin_secret(own)


def test_the_first_password_stands_beside_its_user_name() -> None:
    secret = keys.admin_secret(instance(firstInstance={"admin": {"userName": "ada"}}), "first")
    data = {key: base64.b64decode(str(value)) for key, value in get_map(secret, "data").items()}
    assert data == {"username": b"ada", "password": b"first"}


def test_a_key_survives_its_way_through_base64() -> None:
    secret = keys.masterkey_secret(instance(), MASTERKEY)
    assert base64.b64decode(get_str(secret, "data", "masterkey")) == MASTERKEY


def test_the_identity_holds_fingerprints_only() -> None:
    assert MASTERKEY.decode() not in str(keys.identity_config_map(instance(), IDENTITY))
