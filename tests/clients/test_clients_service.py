"""Clients of a real service whose primary hangs and fails over to another address: nothing is lost."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from clients import analysis
from clients.acknowledged import kept
from clients.enrol import Owner, RefusedError, enrol
from clients.process import ClientsError, bursting, running
from clients.rows import Kind, Row
from clients.target import SECONDS, Identity, Plan
from fakezitadel.driver import DOMAIN, request, until
from served_instance import Place

pytestmark = pytest.mark.lab

PLAN = Plan(login=2, token=1, write=0.2)


def good(rows: list[Row], kind: Kind, *, since: float = 0) -> int:
    return sum(row.kind == kind and row.outcome == "ok" and row.at > since for row in rows)


def test_a_primary_that_hangs_and_a_failover(place: Place, tmp_path: Path) -> None:
    identity = asyncio.run(enrol(place.target, owner=place.owner))
    port = place.fake.port
    with running(place.target, identity, log=tmp_path / "clients.jsonl", plan=PLAN) as clients:
        until(lambda: all(good(clients.rows(), kind) >= 3 for kind in PLAN.kinds))
        hung_at = time.time()
        place.lab.primary.pause()
        until(lambda: request(port, "/debug/ready").status == 412)
        assert request(port, "/debug/healthz").status == 200
        until(lambda: sum(row.outcome == "failed" for row in clients.rows()) >= 3)
        place.lab.fail_over()
        place.point()
        promoted_at = time.time()
        until(lambda: all(good(clients.rows(), kind, since=promoted_at) >= 3 for kind in PLAN.kinds))
        assert request(port, "/debug/ready").status == 200
    assert clients.process.returncode == 0
    rows = clients.rows()
    assert max(row.seconds for row in rows) < SECONDS + 3
    assert good([row for row in rows if row.end < promoted_at], "write", since=hung_at + 0.2) == 0
    found = analysis.summary(rows, "write", interval=PLAN.write)
    assert found.refused == 0
    assert promoted_at - hung_at - 1 < found.outage < promoted_at - hung_at + SECONDS + 2
    assert len(set(found.acknowledged)) == len(found.acknowledged) > 20
    assert analysis.lost(found.acknowledged, kept(place.dsn)) == []


def test_what_clients_tell_of_what_is_wrong(place: Place, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="answered 401"):
        asyncio.run(enrol(place.target, owner=Owner(token="nonsense")))
    stranger = Identity("nobody", "Wrong1!", "nobody", "1", place.owner.private_pem.decode())
    expected = {
        ("login", "failed", 400, "the login form answered 400"),
        ("token", "failed", 400, "the token endpoint answered 400"),
        ("write", "failed", 400, "the token endpoint answered 400"),
    }
    with running(place.target, stranger, log=tmp_path / "stranger.jsonl", plan=PLAN) as clients:
        until(lambda: {(row.kind, row.outcome, row.status, row.detail) for row in clients.rows()} >= expected)
    assert not any(row.outcome == "ok" for row in clients.rows())
    with bursting(place.target, "call", each_second=20, log=tmp_path / "burst.jsonl") as burst:
        until(lambda: len(burst.rows()) >= 30)
        burst.process.send_signal(signal.SIGKILL)
        burst.process.wait(10)
        with pytest.raises(ClientsError):
            burst.rows()
    assert request(place.fake.port, "/oauth/v2/keys", host=DOMAIN).status == 200
