"""The Secret of an external database: judged by form, never quoted, its changes seen."""

import string
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builders import DSN, instance
from dedicated.api.json import get_map, get_str
from dedicated.parts.database.external import DatabaseReading, connection, environment, judge, read_secret

KEY = b"mark key"
FIELDS = {"host": b"db.example.test", "database": b"zitadel", "username": b"ada", "password": b"hunter2"}
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)


def read(**data: bytes) -> DatabaseReading:
    """A reading of a Secret's data."""
    return read_secret(data, mark_key=KEY)


@settings(max_examples=100, deadline=None)
@given(PASSWORDS, st.integers(1, 65535))
def test_every_password_is_fine_once_encoded(password: str, port: int) -> None:
    dsn = f"postgresql://ada:{quote(password, safe='')}@db.example.test:{port}/zitadel?sslmode=require"
    reading = read(dsn=dsn.encode())
    assert reading.problem == ""
    assert (reading.form, reading.port) == ("Dsn", port)


MALFORMED = {
    "empty": "",
    "no URL": "host=db user=ada password=hunter2 dbname=zitadel",
    "another database": "mysql://ada:hunter2@db/zitadel",
    "scheme in capitals": "POSTGRESQL://ada:hunter2@db/zitadel",
    "no host": "postgresql://ada:hunter2@/zitadel",
    "no user": "postgresql://db/zitadel",
    "no database": "postgresql://ada:hunter2@db",
    "blank database": "postgresql://ada:hunter2@db/%20",
    "port is a word": "postgresql://ada:hunter2@db:port/zitadel",
    "port too large": "postgresql://ada:hunter2@db:65536/zitadel",
    "port zero": "postgresql://ada:hunter2@db:0/zitadel",
    "broken address": "postgresql://ada:hunter2@[::1/zitadel",
    "line end": "postgresql://ada:hunter2@db/zitadel\n",
    "line end inside": "postgresql://ada:hunter2\n@db/zitadel",
    "tab inside": "postgresql://ada:hun\tter2@db/zitadel",
    "blank inside": "postgresql://ada:hunter 2@db/zitadel",
    "null": "postgresql://ada:hunter2\x00@db/zitadel",
    "hash in password": "postgresql://ada:hunter2#x@db/zitadel",
    "slash in password": "postgresql://ada:hunter2/x@db/zitadel",
    "question mark in password": "postgresql://ada:hunter2?x@db/zitadel",
    "caret in password": "postgresql://ada:hunter2^x@db/zitadel",
    "umlaut in password": "postgresql://ada:hunter2ü@db/zitadel",
    "percent in password": "postgresql://ada:hunter2%zz@db/zitadel",
}


@pytest.mark.parametrize("dsn", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_dsn_is_a_problem_that_does_not_quote_it(dsn: str) -> None:
    problem = read(dsn=dsn.encode()).problem
    assert problem.startswith("key dsn ")
    assert "hunter" not in problem


SECRET = "Zq7XvJ"
ANYTHING = st.text(string.printable, max_size=30)


@settings(max_examples=100, deadline=None)
@given(ANYTHING, ANYTHING, st.sampled_from(["dsn", *FIELDS, "port", "sslmode"]))
def test_whatever_is_in_a_secret_is_never_told(before: str, after: str, key: str) -> None:
    data = {**({} if key == "dsn" else FIELDS), key: f"{before}{SECRET}{after}".encode()}
    reading = read_secret(data, mark_key=KEY)
    finding = judge(instance(), reading)
    assert SECRET not in str(reading)
    assert SECRET not in str(finding)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["dsn", *FIELDS, "port", "x"]), st.binary(max_size=20)))
def test_any_bytes_are_judged_without_a_traceback(data: dict[str, bytes]) -> None:
    reading = read_secret(data, mark_key=KEY)
    assert reading.found
    assert 0 < reading.port < 65536
    usable = "dsn" in data or all(data.get(key) for key in FIELDS)
    assert usable or reading.problem


@pytest.mark.parametrize("missing", FIELDS)
def test_every_field_is_needed_where_there_is_no_dsn(missing: str) -> None:
    problem = read(**{key: value for key, value in FIELDS.items() if key != missing}).problem
    assert f"keys {missing} " in problem


@pytest.mark.parametrize("key", [*FIELDS, "port", "sslmode"])
def test_a_line_end_in_a_field_is_told(key: str) -> None:
    problem = read(**{**FIELDS, key: FIELDS.get(key, b"1") + b"\n"}).problem
    assert problem.startswith(f"key {key} ")


def test_a_blank_may_be_part_of_a_password_but_not_of_a_host() -> None:
    assert read(**{**FIELDS, "password": b" hunter2 "}).problem == ""
    assert read(**{**FIELDS, "host": b" db"}).problem.startswith("key host ")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "1.0", "x", "²", "٣", "9" * 5000])
def test_a_port_is_a_port_number(port: str) -> None:
    assert read(**FIELDS, port=port.encode()).problem == "key port is not a port number"


def test_the_port_is_known_for_the_network_policy() -> None:
    assert read(**FIELDS, port=b"6432").port == 6432
    assert read(**FIELDS).port == 5432
    assert read(dsn=DSN).port == 5433


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=30), st.binary(max_size=30))
def test_the_mark_changes_with_the_content_and_needs_the_key(one: bytes, other: bytes) -> None:
    assume(one != other)
    assert read(dsn=one).mark != read(dsn=other).mark
    assert read(dsn=one).mark == read(dsn=one).mark
    assert read(dsn=one).mark != read_secret({"dsn": one}, mark_key=b"another").mark
    assert read(dsn=one).mark != read(nsd=one).mark


def test_only_references_reach_the_pods() -> None:
    database = connection(instance())
    (dsn,) = environment(database, "Dsn")
    assert get_str(dsn, "name") == "ZITADEL_DATABASE_POSTGRES_DSN"
    assert get_map(dsn, "valueFrom", "secretKeyRef") == {"name": "database", "key": "dsn"}
    references = [get_map(item, "valueFrom", "secretKeyRef") for item in environment(database, "Fields")]
    optional = {get_str(item, "key") for item in references if item.get("optional")}
    assert optional == {"port", "sslmode"}
    assert {get_str(item, "key") for item in references} == {*FIELDS, *optional}


def test_the_owner_of_the_database_must_act() -> None:
    for reading, blocks in (
        (DatabaseReading(found=False), "Rollout"),  # it may come from elsewhere by itself
        (DatabaseReading(found=True, problem="it is bad"), "Stalled"),
    ):
        finding = judge(instance(), reading)
        assert finding is not None
        assert (finding.responsible, finding.blocks) == ("Customer", blocks)
        assert "acme-ns/database" in finding.message
    assert judge(instance(), DatabaseReading(found=True)) is None


def test_several_hosts_with_one_port_are_one_database() -> None:
    reading = read_secret({"dsn": b"postgresql://u:p@a.example:6432,b.example:6432/db"}, mark_key=b"k")
    assert (reading.usable, reading.port) == (True, 6432)
    apart = read_secret({"dsn": b"postgresql://u:p@a.example:6432,b.example/db"}, mark_key=b"k")
    assert "one port they share" in apart.problem
