"""The first administrator logs in with the password that is said to be theirs, and with no other."""

import base64
import json
from datetime import UTC, datetime

import pytest

from cluster.instances import database_secret, instance, wait_ready
from cluster.observing import SECONDS, secret, secret_data, visitor
from dedicated.api.json import JsonValue, as_manifest, get_str
from dedicated.api.objects import INSTANCE, SECRET
from fakezitadel.auth import system_token
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = pytest.mark.cluster

DEFAULT_OF_ZITADEL = "Password1!"


def text(cluster: Cluster, namespace: str, name: str, key: str) -> str:
    return base64.b64decode(str(secret_data(cluster.api, namespace, name)[key])).decode()


def log_in(cluster: Cluster, namespace: str, user: str, password: str) -> tuple[int, dict[str, JsonValue]]:
    """As the login application does it, through the public name: status and answer."""
    domain = f"{namespace}.example.test"
    token = system_token(
        user="login-client",
        private_key=text(cluster, namespace, "acme-login-key", "private.pem").encode(),
        audience=f"https://{domain}",
        now=datetime.now(UTC),
    )
    checks = {"user": {"loginName": user}, "password": {"password": password}}
    status, answer = visitor(cluster, domain).ask(
        "/v2/sessions",
        method="POST",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        body=json.dumps({"checks": checks}),
    )
    return status, as_manifest(json.loads(answer))


@pytest.mark.slow
def test_the_generated_password_works(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    operator = run_operator(namespace, watch=(namespace,))
    cluster.api.create(database_secret(namespace, database))
    cluster.api.create(instance(namespace))
    body = wait_ready(cluster.api, namespace, seconds=SECONDS)
    name = get_str(body, "status", "adminSecret")
    assert name == "acme-admin"
    user = text(cluster, namespace, name, "username")
    password = text(cluster, namespace, name, "password")
    status, session = log_in(cluster, namespace, user, password)
    assert (status, session["passwordChangeRequired"]) == (201, True)
    for name in (user, "zitadel-admin", f"zitadel-admin@zitadel.{namespace}.example.test"):
        assert log_in(cluster, namespace, name, DEFAULT_OF_ZITADEL)[0] == 400
    told = str(cluster.api.get(INSTANCE, namespace, "acme")) + operator.log.read_text()
    assert password not in told


def test_the_given_password_works(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    given = "Given-by-the-user-42"
    run_operator(namespace, watch=(namespace,))
    cluster.api.create(database_secret(namespace, database))
    cluster.api.create(secret(namespace, "first-password", word=given))
    administrator: JsonValue = {
        "userName": "root",
        "email": "root@acme.example",
        "passwordSecretRef": {"name": "first-password", "key": "word"},
    }
    cluster.api.create(instance(namespace, firstInstance={"organization": "Acme", "admin": administrator}))
    body = wait_ready(cluster.api, namespace, seconds=SECONDS)
    assert "adminSecret" not in as_manifest(body["status"])
    assert cluster.api.find(SECRET, namespace, "acme-admin") is None
    assert log_in(cluster, namespace, "root", given)[0] == 201
    assert log_in(cluster, namespace, "root", DEFAULT_OF_ZITADEL)[0] == 400
