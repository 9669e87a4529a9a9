"""The login program: its credentials in order, its readiness, its version, its stop."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from fakezitadel.__main__ import main
from fakezitadel.driver import AUDIENCE, DOMAIN, Fake, Reply, ended, request, until
from testbed.processes import free_port

pytestmark = pytest.mark.cluster

BASE = "/ui/v2/login"
HEADERS = f"Host:{DOMAIN},X-Zitadel-Public-Host:{DOMAIN}"
KEY_FILE = {"ZITADEL_LOGINCLIENT_KEYFILE": "/keys/tls.key", "AUDIENCE": AUDIENCE}


@contextmanager
def login(fake: Fake, **env: str) -> Iterator[int]:
    """A running login behind the Service's name; its port."""
    port = free_port()
    (fake.root / "resolve.json").write_text(json.dumps({"zitadel.acme.svc:8080": [f"127.0.0.1:{fake.port}"]}))
    settings = {
        "ZITADEL_API_URL": "http://zitadel.acme.svc:8080",
        "CUSTOM_REQUEST_HEADERS": HEADERS,
        "PORT": str(port),
    }
    process = fake.spawn_login(**{**settings, **env})
    with ended(process):
        until(lambda: request(port, f"{BASE}/healthy").status == 200, process)
        yield port
        process.terminate()
        assert process.wait(10) == 0


def security(port: int) -> Reply:
    return request(port, f"{BASE}/security")


def private_key(fake: Fake) -> str:
    return (fake.root / "keys/tls.key").read_text()


def test_key_file(served: Fake) -> None:
    with login(served, **KEY_FILE) as port:
        reply = security(port)
        assert (reply.status, reply.text) == (200, "ok")
        assert request(port, f"{BASE}/loginname").status == 200
        assert request(port, f"{BASE}/nonsense").status == 404
        assert request(port, "/healthy").status == 404


def test_who_signs_in_gets_a_session(served: Fake) -> None:
    form = {"loginName": "zitadel-admin", "password": "Password1!"}
    with login(served, **KEY_FILE) as port:
        page = f"{BASE}/loginname"
        assert 'name="password"' in request(port, page).text
        assert request(port, page, form={**form, "password": "other"}).status == 400
        posted = request(port, page, form=form)
        assert (posted.status, posted.headers["location"]) == (302, f"{BASE}/signedin")
        cookie = posted.headers["set-cookie"]
        assert {"Secure", "HttpOnly"} <= set(cookie.split("; "))
        signed_in = request(port, f"{BASE}/signedin", headers={"cookie": cookie.partition(";")[0]})
        assert (signed_in.status, "Signed in" in signed_in.text) == (200, True)
        for stranger in ({}, {"cookie": "session=1"}, {"cookie": "session=../settings"}):
            reply = request(port, f"{BASE}/signedin", headers=stranger)
            assert (reply.status, reply.headers["location"]) == (302, page)
        assert request(port, f"{BASE}/healthy", form=form).status == 404


@pytest.mark.parametrize(
    ("env", "status"),
    [
        # Each good credential stands behind a bad one of lower rank.
        ({"SYSTEM_USER_ID": "login-client", "SYSTEM_USER_PRIVATE_KEY_FILE": "/keys/tls.key"}, 200),
        ({"SYSTEM_USER_ID": "operator", "SYSTEM_USER_PRIVATE_KEY_FILE": "/keys/tls.key", **KEY_FILE}, 500),
        ({**KEY_FILE, "ZITADEL_SERVICE_USER_TOKEN": "bad"}, 200),
        ({"ZITADEL_SERVICE_USER_TOKEN": "bad"}, 500),
        ({**KEY_FILE, "AUDIENCE": f"http://{DOMAIN}"}, 500),
        ({**KEY_FILE, "CUSTOM_REQUEST_HEADERS": ""}, 500),
        ({**KEY_FILE, "CUSTOM_REQUEST_HEADERS": "Host:other.example"}, 500),
        ({**KEY_FILE, "ZITADEL_API_URL": "http://127.0.0.1:1"}, 500),
    ],
)
def test_readiness_wants_an_accepted_credential(served: Fake, env: Mapping[str, str], status: int) -> None:
    with login(served, **{"AUDIENCE": AUDIENCE, **env}) as port:
        assert security(port).status == status
        assert request(port, f"{BASE}/loginname").status == status
        assert request(port, f"{BASE}/healthy").status == 200


def test_a_key_in_the_environment(served: Fake) -> None:
    env = {"SYSTEM_USER_ID": "login-client", "SYSTEM_USER_PRIVATE_KEY": private_key(served)}
    with login(served, AUDIENCE=AUDIENCE, **env) as port:
        assert security(port).status == 200


def test_a_token_in_a_file_until_it_expires(fresh: Fake) -> None:
    def token_of(expires: str) -> str:
        client = {"Machine": {"Username": "login"}, "Pat": {"ExpirationDate": expires}}
        return json.dumps({"LoginClientPatPath": "/pat", "Org": {"LoginClient": client}})

    steps = json.loads(token_of("2099-01-01T00:00:00Z"))
    assert replace(fresh, steps=steps).call("setup").code == 0
    with fresh.serving(), login(fresh, ZITADEL_SERVICE_USER_TOKEN_FILE="/pat") as port:
        assert security(port).status == 200
        with fresh.connection() as connection:
            past = "jsonb_set(data, '{tokens,0,expires}', '\"2020-01-01\"')"
            connection.execute("update projections.instances set data = " + past)
        assert security(port).status == 500


def test_an_older_server_is_not_served(served: Fake) -> None:
    newer = replace(served, version="v4.16.0")
    with login(newer, **KEY_FILE) as port:
        reply = security(port)
        assert (reply.status, reply.text) == (500, "ZITADEL has version v4.15.0, the login v4.16.0")
        assert request(port, f"{BASE}/loginname").status == 500


def test_a_newer_server_is_served(served: Fake) -> None:
    older = replace(served, version="v4.14.9")
    with login(older, **KEY_FILE) as port:
        assert security(port).status == 200


def test_addresses_are_followed(served: Fake) -> None:
    resolve = served.root / "resolve.json"
    with login(served, **KEY_FILE) as port:
        good = resolve.read_text()
        resolve.write_text(json.dumps({"zitadel.acme.svc:8080": []}))
        assert security(port).status == 500
        resolve.write_text(json.dumps({"zitadel.acme.svc:8080": ["127.0.0.1:1", f"127.0.0.1:{served.port}"]}))
        assert security(port).status == 200
        resolve.write_text(good)


def test_switches(served: Fake) -> None:
    failing = replace(served, faults={"http.fail": {"paths": [f"{BASE}/security"], "status": 502}})
    with login(failing, **KEY_FILE) as port:
        assert security(port).status == 502


URL = {"ZITADEL_API_URL": "http://x"}


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "ZITADEL_API_URL is not set"),
        (URL, "no credential"),
        ({**URL, "ZITADEL_LOGINCLIENT_KEYFILE": "/keys/tls.key"}, "AUDIENCE is not set"),
        ({**URL, **KEY_FILE, "ZITADEL_LOGINCLIENT_KEYFILE": "/no"}, "cannot be used"),
        ({**URL, **KEY_FILE, "ZITADEL_LOGINCLIENT_KEYFILE": "/keys/tls.pub"}, "cannot be used"),
        ({**URL, "ZITADEL_SERVICE_USER_TOKEN_FILE": "/no"}, "cannot read the file"),
        ({**URL, "ZITADEL_SERVICE_USER_TOKEN": "t", "PORT": "http"}, "PORT is not a number"),
    ],
)
def test_refused(served: Fake, env: Mapping[str, str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["login"], {**served.environment(), **env}) == 1
    assert says in capsys.readouterr().err
