"""What a serving fake answers: protocols, hosts, probes, discovery, credentials."""

import json
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from fakezitadel.driver import AUDIENCE, DOMAIN, Fake, h2_client, request

pytestmark = pytest.mark.cluster


# one port, three protocols


def test_http2_with_prior_knowledge(served: Fake) -> None:
    with h2_client(served.port) as exchange:
        headers, body = exchange("/oauth/v2/keys")
        assert (headers[":status"], len(json.loads(body)["keys"])) == ("200", 1)
    with h2_client(served.port) as exchange:
        headers, _ = exchange("/oauth/v2/keys", host="other.example")
        assert headers[":status"] == "404"


def test_http1_may_be_upgraded_to_http2(served: Fake) -> None:
    with closing(socket.create_connection(("127.0.0.1", served.port), timeout=10)) as channel:
        lines = ["GET /debug/healthz HTTP/1.1", f"Host: {DOMAIN}", "Connection: Upgrade, HTTP2-Settings"]
        lines += ["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "", ""]
        channel.sendall("\r\n".join(lines).encode())
        assert channel.recv(65536).startswith(b"HTTP/1.1 101")


def test_grpc_health(served: Fake) -> None:
    sent = {"content-type": "application/grpc", "te": "trailers"}
    with h2_client(served.port) as exchange:
        path, message = "/grpc.health.v1.Health/Check", b"\x00\x00\x00\x00\x00"
        headers, body = exchange(path, host="anything", headers=sent, body=message)
    assert (headers[":status"], headers["grpc-status"]) == ("200", "0")
    # An uncompressed message of two bytes: field 1 = SERVING.
    assert body == b"\x00\x00\x00\x00\x02\x08\x01"


# probes


def test_debug_paths_take_any_host(served: Fake) -> None:
    answers = {
        path: request(served.port, f"/debug/{path}", host="10.0.0.7:8080")
        for path in ("healthz", "ready", "validate", "metrics", "pprof")
    }
    statuses = {path: reply.status for path, reply in answers.items()}
    assert statuses == {"healthz": 200, "ready": 200, "validate": 200, "metrics": 200, "pprof": 404}
    assert answers["healthz"].text == "ok"
    assert answers["ready"].json == answers["validate"].json == "ok"
    for name in ("projection_events_processed_total", "projection_state_latency", "go_goroutines"):
        assert name in answers["metrics"].text


# hosts


def test_an_unknown_host(served: Fake) -> None:
    page = request(served.port, "/ui/console/", host="other.example")
    says = f"unable to set instance using origin https://other.example (ExternalDomain is {DOMAIN}): "
    assert page.status == 404
    assert page.text.startswith(says + "Instance not found")
    api = request(served.port, "/v2/settings", host="other.example")
    assert (api.status, api.json["code"], api.json["message"]) == (404, 5, page.text)
    assert request(served.port, "/system/v1/healthz", host="other.example").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (DOMAIN, 200),
        (DOMAIN.upper(), 200),
        (f"{DOMAIN}:443", 200),
        (f"{DOMAIN}:8080", 404),
        (f"x.{DOMAIN}", 404),
    ],
)
def test_ports_and_case(served: Fake, host: str, status: int) -> None:
    assert request(served.port, "/oauth/v2/keys", host=host).status == status


def test_host_headers(served: Fake) -> None:
    def status(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(served.port, "/oauth/v2/keys", host="pod:8080", headers=named).status

    assert status(x_zitadel_instance_host=DOMAIN) == 200
    assert status(x_zitadel_instance_host="other.example") == 404
    assert status(x_zitadel_public_host=DOMAIN) == 404
    assert status(x_zitadel_instance_host=DOMAIN, x_zitadel_public_host="evil.example") == 404
    assert status(x_zitadel_instance_host=DOMAIN, forwarded='for=1.2.3.4;host="evil.example"') == 404
    assert status(x_zitadel_instance_host=DOMAIN, forwarded=f"for=1.2.3.4; host={DOMAIN}") == 200


# pages and discovery


def test_discovery_and_keys(served: Fake) -> None:
    document = request(served.port, "/.well-known/openid-configuration").json
    assert document["issuer"] == AUDIENCE
    assert document["jwks_uri"] == f"{AUDIENCE}/oauth/v2/keys"
    (key,) = request(served.port, "/oauth/v2/keys").json["keys"]
    assert jwt.PyJWK(key).key.curve.name == "secp256r1"
    assert key["alg"] in document["id_token_signing_alg_values_supported"]


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/", 302, "/ui/login"),
        ("/oauth/v2/authorize", 302, "/ui/v2/login/login?authRequest=V2_"),
        ("/ui/login/login", 200, ""),
        ("/ui/console/", 200, ""),
        ("/saml/v2/metadata", 200, ""),
        ("/saml/v2/certificate", 200, ""),
        ("/ui/v2/login/", 404, ""),
        ("/nonsense", 404, ""),
    ],
)
def test_pages(served: Fake, path: str, status: int, location: str) -> None:
    reply = request(served.port, path)
    assert reply.status == status
    assert reply.headers.get("location", "").startswith(location)
    assert reply.headers["x-fakez-version"] == served.version


# credentials


def claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    good = {"iss": "login-client", "sub": "login-client", "aud": AUDIENCE, "iat": now}
    return {**good, "exp": now + timedelta(hours=1), **changes}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"aud": [AUDIENCE, "other"]}, 200),
        ({"aud": f"http://{DOMAIN}"}, 401),
        ({"aud": f"{AUDIENCE}/"}, 401),
        ({"iss": "nobody"}, 401),
        ({"iss": "Login-Client", "sub": "Login-Client"}, 401),
        ({"sub": "operator"}, 401),
        ({"iss": "operator", "sub": "operator"}, 403),
        ({"exp": datetime(2020, 1, 1, tzinfo=UTC)}, 401),
        ({"exp": datetime(2099, 1, 1, tzinfo=UTC)}, 401),
        ({"iat": datetime(2099, 1, 1, tzinfo=UTC)}, 401),
    ],
)
def test_system_users(served: Fake, changes: dict[str, Any], status: int) -> None:
    key = (served.root / "keys/tls.key").read_text()
    token = jwt.encode(claims(**changes), key, algorithm="RS256")
    assert request(served.port, "/v2/settings", token=token).status == status


def test_other_signatures_are_refused(served: Fake) -> None:
    key = (served.root / "keys/tls.key").read_text()
    unsigned = jwt.encode(claims(), "", algorithm="none")
    other_method = jwt.encode(claims(), key, algorithm="RS512")
    good_token = served.token()
    for token in ("", "nonsense", unsigned, other_method, good_token[:-8] + "AAAAAAAA"):
        reply = request(served.port, "/v2/settings", token=token)
        assert (reply.status, reply.json["message"]) == (401, "Errors.Token.Invalid"), token


def sign_in(fake: Fake, name: str, password: str, *, token: str) -> int:
    body = {"checks": {"user": {"loginName": name}, "password": {"password": password}}}
    return request(fake.port, "/v2/sessions", token=token, body=body).status  # type: ignore[arg-type]


def test_a_password_is_verified(served: Fake) -> None:
    token = served.token()
    before = served.events()
    assert sign_in(served, "zitadel-admin", "Password1!", token=token) == 201
    assert served.events() == before + 2
    (owner,) = served.rows(
        "select distinct instance_id from eventstore.events2 where aggregate_type = 'session'"
    )
    assert owner == (served.instance()["id"],)
    assert sign_in(served, f"zitadel-admin@zitadel.{DOMAIN}", "Password1!", token=token) == 201
    assert sign_in(served, "zitadel-admin", "password1!", token=token) == 400
    assert sign_in(served, "nobody", "Password1!", token=token) == 400
    assert sign_in(served, "zitadel-admin", "Password1!", token="") == 401
    assert sign_in(served, "zitadel-admin", "Password1!", token=served.token("operator")) == 403
    assert request(served.port, "/v2/sessions", token=token, body={"checks": []}).status == 400
