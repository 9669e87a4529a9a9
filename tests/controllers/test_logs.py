"""Log lines are machine-readable, and secrets do not pass."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dedicated.controllers.logs import configure, redact


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    "secret",
    [
        "cannot connect to postgres://zitadel:hunter2@db.example.com:5432/zitadel?sslmode=verify-full",
        "postgresql://u:hun@ter2@db/x is wrong",
        "postgresql://:hunter2@db/x",
        "host=db user=zitadel password=hunter2 dbname=x",
        "password='hunter2 and more' host=db",
        'env: {"password": "hunter2"}',
        "Authorization: Bearer hunter2",
        '{"authorization": "Basic aHVudGVyMg=="}',
        "headers={'Authorization': 'Bearer hunter2.abc'}",
        "sent bearer aHVudGVyMg.hunter2_with-more",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\nhunter2\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2 and the end is missing",
        "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJl",
        "masterkey=hunter2",
    ],
)
def test_secrets_are_masked(secret: str) -> None:
    masked = redact(secret)
    assert "***" in masked
    for part in ("hunter2", "hun@ter2", "ter2", "aHVudGVyMg", "eyJ"):
        assert part not in masked


@pytest.mark.parametrize(
    "text",
    [
        "https://login.acme.example:8443/debug/ready answered 200",
        "secrets acme-masterkey: not found",
        "basic authentication is not offered",
        "GET https://login.acme.example/oauth/v2/keys: no answer within 5 s; admin@acme.example",
        "bearer of bad news",
        "postgres://db.example.com:5432/zitadel",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


def test_what_names_the_database_stays_readable() -> None:
    assert redact("no route to postgres://zitadel:hunter2@db:5432/zitadel") == (
        "no route to postgres://zitadel:***@db:5432/zitadel"
    )


def test_a_json_line_has_the_fields_and_no_line_breaks() -> None:
    stream = io.StringIO()
    configure(level="info", form="json", stream=stream)
    try:
        raise ValueError("postgres://u:hunter2@db/x")
    except ValueError:
        extra = {"key": "a/acme", "count": 3}
        logging.getLogger("dedicated.test").exception("pass %s", "failed", extra=extra)
    logging.getLogger("dedicated.test").debug("not told")
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record["timestamp"].endswith("+00:00")
    assert (record["level"], record["logger"]) == ("error", "dedicated.test")
    assert record["message"] == "pass failed"
    assert (record["key"], record["count"]) == ("a/acme", 3)
    assert "ValueError" in record["exception"]
    assert "hunter2" not in line


def test_objects_of_other_libraries_are_not_printed() -> None:
    stream = io.StringIO()
    configure(level="info", form="json", stream=stream)
    logging.getLogger("elsewhere").error("x", extra={"settings": object(), "k8s_ref": {"uid": "u"}})
    assert set(json.loads(stream.getvalue())) == {"timestamp", "level", "logger", "message"}


def test_the_text_form_is_for_people() -> None:
    stream = io.StringIO()
    configure(level="debug", form="text", stream=stream)
    logging.getLogger("dedicated.test").warning("password=hunter2")
    assert stream.getvalue().endswith("WARNING dedicated.test: password=***\n")
