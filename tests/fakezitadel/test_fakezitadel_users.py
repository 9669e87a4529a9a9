"""Users, their keys and tokens, and what they write: what probes and clients need."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import psycopg
import pytest
from psycopg import sql

from fakezitadel.driver import AUDIENCE, DOMAIN, Fake, request, until

pytestmark = pytest.mark.cluster

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def claims(user: str, **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"iss": user, "sub": user, "aud": AUDIENCE, "iat": now, "exp": now + timedelta(hours=1), **changes}


def call(fake: Fake, path: str, body: dict[str, Any], *, token: str = "") -> Any:
    """The answer's JSON, or the status of a refusal; as the operator unless a token is given."""
    reply = request(fake.port, path, token=token or fake.token("operator"), body=body)
    return reply.json if reply.status < 300 else reply.status


def new_user(fake: Fake, name: str, **kind: Any) -> Any:
    (organization,) = call(fake, "/v2/organizations/_search", {})["result"]
    user = {"organizationId": organization["id"], "userId": name, "username": name, **kind}
    return call(fake, "/v2/users/new", user)


def new_key(fake: Fake, user: str) -> Any:
    public = base64.b64encode((fake.root / "keys/tls.pub").read_bytes()).decode()
    return call(fake, f"/v2/users/{user}/keys", {"publicKey": public})


def granted(fake: Fake, user: str, key: str, **changes: Any) -> Any:
    """The answer to a signed assertion, or its status."""
    private = (fake.root / "keys/tls.key").read_text()
    signed = jwt.encode(claims(user, **changes), private, algorithm="RS256", headers={"kid": key})
    reply = request(fake.port, "/oauth/v2/token", form={"grant_type": GRANT, "assertion": signed})
    return reply.json if reply.status == 200 else reply.status


@pytest.fixture
def owner(ready: Fake) -> Iterator[Fake]:
    """A served fake whose operator may do what an owner may."""
    users: Any = ready.config["SystemAPIUsers"]
    roles = [{"MemberType": "System", "Roles": ["SYSTEM_OWNER", "IAM_OWNER"]}]
    users["operator"]["Memberships"] = roles
    with ready.serving():
        yield ready


def test_a_session_without_checks_is_made_and_ended(owner: Fake) -> None:
    token = owner.token("operator")
    made = request(owner.port, "/v2/sessions", token=token, body={"lifetime": "60s"})
    assert made.status == 201
    path = f"/v2/sessions/{made.json['sessionId']}"
    assert request(owner.port, path, token=token, method="DELETE").status == 200
    assert request(owner.port, path, method="DELETE").status == 401
    assert owner.rows("select event_type from eventstore.events2 where aggregate_type = 'session'") == [
        ("session.added",),
        ("session.terminated",),
    ]


def test_a_machine_user_gets_tokens_by_its_key(owner: Fake) -> None:
    (organization,) = call(owner, "/v2/organizations/_search", {})["result"]
    user = {"organizationId": organization["id"], "userId": "probe", "username": "probe", "machine": {}}
    assert call(owner, "/v2/users/new", user, token=owner.token()) == 403
    assert call(owner, "/v2/users/new", {**user, "organizationId": "other"}) == 400
    assert call(owner, "/v2/users/new", user)["id"] == "probe"
    assert call(owner, "/v2/users/new", user) == 409
    assert call(owner, "/v2/users/nobody/keys", {}) == 404
    key = new_key(owner, "probe")["keyId"]
    search = {"filters": [{"userIdFilter": {"id": "probe"}}]}
    assert [found["id"] for found in call(owner, "/v2/users/keys/search", search)["result"]] == [key]
    assert granted(owner, "probe", key)["token_type"] == "Bearer"
    assert granted(owner, "probe", key, iss="other") == 400
    assert granted(owner, "probe", key, aud="https://other.example") == 400


def test_a_human_may_sign_in(owner: Fake) -> None:
    human = {"email": {"email": f"a@{DOMAIN}"}, "password": {"password": "Password2!"}}
    assert new_user(owner, "ann", human={"email": human["email"]}) == 400
    assert new_user(owner, "ann", human=human)["id"] == "ann"
    checks = {"user": {"loginName": "ann"}, "password": {"password": "Password2!"}}
    session = call(owner, "/v2/sessions", {"checks": checks})["sessionId"]
    path = f"/v2/sessions/{session}"
    token = owner.token("operator")
    assert request(owner.port, path, token=token).json == {"session": {"id": session}}
    assert request(owner.port, path).status == 401
    assert request(owner.port, path, token=token, method="DELETE").status == 200
    assert request(owner.port, path, token=token).status == 404


def test_a_write_is_an_event_of_its_user(owner: Fake) -> None:
    for name in ("bob", "eve"):
        new_user(owner, name, machine={})
    token = granted(owner, "bob", new_key(owner, "bob")["keyId"])["access_token"]
    body = {"metadata": [{"key": "unique", "value": "MQ=="}]}
    assert "setDate" in call(owner, "/v2/users/bob/metadata", body, token=token)
    written = (
        "select aggregate_id, creator, payload from eventstore.events2"
        " where event_type = 'user.metadata.set'"
    )
    assert owner.rows(written) == [("bob", "bob", {"key": "unique", "value": "MQ=="})]
    assert call(owner, "/v2/users/eve/metadata", body, token=token) == 403
    assert call(owner, "/v2/users/bob/metadata", body, token=token[:-1]) == 401
    assert call(owner, "/v2/users/bob/metadata", body, token="at:1:2") == 401
    assert call(owner, "/v2/users/bob/metadata", {"metadata": []}, token=token) == 400
    assert call(owner, "/v2/users/nobody/metadata", body) == 404
    assert len(owner.rows(written)) == 1


def test_users_made_at_once_are_all_kept(owner: Fake) -> None:
    names = [f"user{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as at_once:
        made = list(at_once.map(lambda name: new_user(owner, name, machine={}), names))
    assert [one["id"] for one in made] == names
    assert set(names) <= {user["id"] for user in owner.instance()["users"]}


def test_a_connection_that_cannot_write_is_not_kept(owner: Fake) -> None:
    role = sql.Identifier(owner.postgres["User"]["Username"])
    change = sql.SQL("alter role {} ")
    end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s"
    with psycopg.connect(
        host="127.0.0.1",
        port=owner.postgres["Port"],
        dbname="postgres",
        user="postgres",
        password=owner.postgres["Admin"]["Password"],
        autocommit=True,
    ) as admin:
        admin.execute(change.format(role) + sql.SQL("set default_transaction_read_only = on"))
        admin.execute(end, (owner.postgres["User"]["Username"],))
        until(lambda: request(owner.port, "/debug/ready").status == 200)
        assert new_user(owner, "late", machine={}) == 500
        assert new_user(owner, "late", machine={}) == 500
        admin.execute(change.format(role) + sql.SQL("reset default_transaction_read_only"))
        assert new_user(owner, "late", machine={})["id"] == "late"
