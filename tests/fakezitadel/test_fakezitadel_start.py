"""start: what must be right first, readiness through an upgrade, pool, stop, and its fault switches."""

import base64
import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from fakezitadel.calls import get
from fakezitadel.driver import DOMAIN, Fake, ended, h2_client, request, until
from fakezitadel.runtime import Json, from_environment
from testbed.processes import free_port

pytestmark = pytest.mark.cluster


def with_port(fake: Fake) -> Fake:
    """Another replica of the same instance."""
    return fake.with_config(Port=free_port())


# refused starts


def test_refused_before_init(empty: Fake) -> None:
    for part in ("user", "database", "grant"):
        assert empty.call("init", part).code == 0
    outcome = empty.call("start")
    assert (outcome.code, "does not exist" in outcome.text) == (1, True)


@pytest.mark.parametrize(
    ("masterkey", "says"),
    [("short", "masterkey must be 32 bytes, but is 5"), ("y" * 32, "unable to decrypt key")],
)
def test_refused_with_another_masterkey(ready: Fake, masterkey: str, says: str) -> None:
    outcome = replace(ready, masterkey=masterkey).call("start")
    assert (outcome.code, says in outcome.text) == (1, True)
    assert masterkey not in outcome.text


def test_a_downgrade_is_refused(ready: Fake) -> None:
    assert replace(ready, version="v4.16.0").call("setup").code == 0
    outcome = ready.call("start")
    assert (outcome.code, "downgrade refused" in outcome.text) == (1, True)


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"TLS": {}}, 1, "TLS is enabled, but TLS.CertPath or TLS.Cert holds nothing usable"),
        ({"TLS": {"CertPath": "/absent", "KeyPath": "/absent"}}, 1, "TLS is enabled"),
        ({"Machine": {}}, 2, "none of the enabled methods for identifying the machine"),
        ({"SystemAPIUsers": {"some": {"Path": "/absent"}}}, 1, "SystemAPIUsers.some: cannot read"),
        ({"SystemAPIUsers": {"some": {"KeyData": "bm9uZQ=="}}}, 1, "SystemAPIUsers.some: cannot read"),
    ],
)
def test_refused_configuration(ready: Fake, changes: dict[str, Json], code: int, says: str) -> None:
    outcome = ready.with_config(**changes).call("start")
    assert (outcome.code, says in outcome.text) == (code, True), outcome.text


def test_a_taken_port(ready: Fake) -> None:
    with ready.serving():
        outcome = ready.run("start")
    assert (outcome.code, "cannot listen on" in outcome.text) == (1, True)


# readiness


def test_not_ready_before_its_setup(fresh: Fake) -> None:
    with fresh.serving(ready=False):
        reply = request(fresh.port, "/debug/ready")
        assert (reply.status, reply.json) == (412, "setup of v4.15.0 is not completed")
        assert request(fresh.port, "/debug/validate").json == ["setup of v4.15.0 is not completed"]
        assert request(fresh.port, "/oauth/v2/keys").status == 404
        assert fresh.call("ready").code == 1
        assert fresh.call("setup").code == 0
        assert request(fresh.port, "/debug/ready").status == 200
        assert request(fresh.port, "/oauth/v2/keys").status == 200
        assert fresh.call("ready").code == 0
    assert fresh.call("ready").code == 1


def test_an_upgrade_with_the_old_version_serving(ready: Fake) -> None:
    old = replace(ready, version="v4.15.2")
    assert old.call("setup").code == 0
    new = with_port(replace(old, version="v4.16.0", faults={"setup.delay": {"name": "*", "seconds": 0.05}}))
    with old.serving() as process, new.serving(ready=False):
        assert request(new.port, "/debug/ready").status == 412
        setup = new.spawn("setup", "--init-projections")
        statuses = set()
        with ended(setup):
            while setup.poll() is None:
                statuses |= {request(old.port, path).status for path in ("/debug/ready", "/oauth/v2/keys")}
            assert setup.returncode == 0
        assert statuses == {200}
        assert request(new.port, "/debug/ready").status == 200
        assert request(old.port, "/debug/ready").status == 200
        process.terminate()
        assert process.wait(10) == 0


def test_a_lost_database_is_told(ready: Fake) -> None:
    with ready.serving():
        with ready.connection() as connection:
            lose = "select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user"
            connection.execute(lose + " and pid <> pg_backend_pid()")
        reply = request(ready.port, "/debug/ready")
        assert (reply.status, reply.json) == (412, "DB CONNECTION ERROR")
        until(lambda: request(ready.port, "/debug/ready").status == 200)


def test_the_pool_opens_what_it_may_and_no_more(ready: Fake) -> None:
    count = "select count(*) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()"
    with ready.serving(), ready.connection() as connection, ThreadPoolExecutor(12) as clients:
        watcher = ready.connection()

        def opened() -> int:
            row = watcher.execute(count).fetchone()
            assert row is not None
            # The other connection of this test is not the server's.
            return int(row[0]) - 1

        with watcher, connection.transaction():
            connection.execute("lock table projections.instances in access exclusive mode")
            replies = [clients.submit(request, ready.port, "/oauth/v2/keys") for _ in range(12)]
            until(lambda: opened() >= 3)
            assert opened() == 3
        assert {reply.result().status for reply in replies} == {200}


# TLS


@pytest.mark.parametrize("inline", [True, False])
def test_tls(ready: Fake, inline: bool) -> None:
    key = serialization.load_pem_private_key((ready.root / "keys/tls.key").read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))  # type: ignore[arg-type]
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
        .public_bytes(serialization.Encoding.PEM)
    )
    (ready.root / "keys/tls.crt").write_bytes(certificate)
    files = {"Cert": ready.root / "keys/tls.crt", "Key": ready.root / "keys/tls.key"}
    paths: dict[str, Json] = {f"{kind}Path": f"/keys/{file.name}" for kind, file in files.items()}
    contents = {kind: base64.b64encode(file.read_bytes()) for kind, file in files.items()}
    texts: dict[str, Json] = {kind: content.decode() for kind, content in contents.items()}
    fake = ready.with_config(TLS=texts if inline else paths)
    runtime = from_environment(fake.environment())
    process = fake.spawn("start")
    url = f"https://127.0.0.1:{fake.port}/oauth/v2/keys"
    with ended(process):
        until(lambda: get(runtime, url, headers={"Host": DOMAIN}, verify=False).status == 200, process)


# stop


def begin(fake: Fake, path: str) -> http.client.HTTPConnection:
    """A request under way: the server has answered one that came after it."""
    connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=20)
    connection.request("GET", path, headers={"Host": DOMAIN})
    assert request(fake.port, "/debug/healthz").status == 200
    return connection


def test_a_stop_closes_the_listener_and_finishes_requests(ready: Fake) -> None:
    slow = replace(ready, faults={"http.latency": {"paths": ["/ui/*"], "ms": 3500}})
    with slow.serving() as process, closing(begin(slow, "/debug/ready")) as idle:
        assert idle.getresponse().read() == b'"ok"'
        with h2_client(slow.port) as idle_h2, closing(begin(slow, "/ui/console/")) as under_way:
            assert idle_h2("/debug/ready")[1] == b'"ok"'
            process.terminate()
            until(lambda: refused(slow))
            assert process.poll() is None
            assert under_way.getresponse().status == 200
            assert process.wait(10) == 0


def refused(fake: Fake) -> bool:
    """Whether nobody listens. Nothing is asked: what came too late would wait for the very end."""
    try:
        socket.create_connection(("127.0.0.1", fake.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def cut_off(connection: http.client.HTTPConnection) -> bool:
    try:
        return connection.getresponse().status == 500
    except (OSError, http.client.HTTPException):
        return True


def test_requests_longer_than_the_grace_are_cut_off(ready: Fake) -> None:
    hung = replace(ready, faults={"http.noAnswer": {"paths": ["/ui/*"]}})
    late = with_port(replace(ready, faults={"start.stopDelay": 6}))
    soon = with_port(replace(ready, faults={"start.stopDelay": 0.1}))
    with hung.serving() as first, late.serving() as second, soon.serving() as third:
        hanging = begin(hung, "/ui/console/")
        for process in (first, second, third):
            process.terminate()
        began = time.monotonic()
        assert (third.wait(3), first.wait(8), second.wait(8)) == (0, 1, 1)
        assert 4.5 < time.monotonic() - began < 7.5
        with closing(hanging):
            assert cut_off(hanging)


def test_a_server_that_ignores_sigterm(ready: Fake) -> None:
    stubborn = replace(ready, faults={"start.ignoreTerm": True})
    with stubborn.serving() as process:
        process.terminate()
        assert request(stubborn.port, "/debug/ready").status == 200
        process.kill()
        assert process.wait(5) == -9


# fault switches


def test_a_crash_and_a_late_start(ready: Fake) -> None:
    crashing = replace(ready, faults={"start.crashAfter": 0.8, "start.notReadyFor": 60})
    with crashing.serving(ready=False) as process:
        assert request(crashing.port, "/debug/ready").status == 412
        assert process.wait(5) == 1


def test_readiness_flaps(ready: Fake) -> None:
    flapping = replace(ready, faults={"start.readyFlap": 0.3})
    seen: list[int] = []

    def changed_twice() -> bool:
        seen.append(request(flapping.port, "/debug/ready").status)
        changes = sum(before != after for before, after in pairwise(seen))
        return changes >= 2

    with flapping.serving(ready=False):
        until(changed_twice)
    assert set(seen) == {200, 412}


def test_switches_are_followed_while_it_serves(ready: Fake) -> None:
    file = ready.root / "faults.json"
    fake = replace(ready, env={"FAKEZ_FAULTS_FILE": str(file)})
    token = fake.token()

    def statuses() -> tuple[int, ...]:
        return (
            request(fake.port, "/debug/ready", host="any").status,
            request(fake.port, "/oauth/v2/keys").status,
            request(fake.port, "/v2/settings", token=token).status,
        )

    with fake.serving():
        cases: list[tuple[dict[str, Json], tuple[int, ...]]] = [
            ({"db.lost": True}, (412, 500, 500)),
            ({"auth.rejectAll": True}, (200, 200, 401)),
            ({"debugHostStrict": True}, (404, 200, 200)),
            ({"http.fail": {"paths": ["/oauth/*"], "status": 503}}, (200, 503, 200)),
        ]
        for switches, expected in cases:
            file.write_text(json.dumps(switches))
            until(lambda expected=expected: statuses() == expected)  # type: ignore[misc]
        file.unlink()
        until(lambda: statuses() == (200, 200, 200))


def test_nothing_secret_is_printed(ready: Fake) -> None:
    with ready.serving() as process:
        request(ready.port, "/v2/settings", token=ready.token())
        process.terminate()
        text = process.communicate(timeout=10)[0]
    admin = str(ready.postgres["Admin"]["Password"])
    assert "shutdown completed" in text
    for secret in ("service-secret", admin, ready.masterkey, ready.token()[:20]):
        assert secret not in text
