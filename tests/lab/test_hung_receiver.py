"""A primary hangs, another is promoted, and the first one comes back: who confirms its commits?

Real servers. A standby waits for the primary that hangs, by an address that leads to whoever is the primary.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from dedicated.parts.database.receiver import SCRIPT
from lab.address import Address, address
from lab.server import Server, until
from lab.trial import Trial, trial

CONNECTING = "select coalesce(max(pid), 0) from pg_stat_activity where wait_event = 'LibPQWalReceiverConnect'"
STREAMING = "select count(*) from pg_stat_replication where application_name = 's2' and state = 'streaming'"
WAITING = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"


def led_by(standby: Server, primary: Address) -> None:
    """The standby follows an address, and gives up what is silent as soon as an engine's does."""
    source = f"host=127.0.0.1 port={primary.port} user=postgres application_name={standby.name}"
    standby.configure({"primary_conninfo": source, "wal_receiver_timeout": "2s"})
    standby.ask("select pg_reload_conf()")


def fail_over(made: Trial, primary: Address) -> tuple[Server, Server, Server]:
    """Let p1 hang until s2 connects to it in vain, and promote s1."""
    p1, s1, s2 = (made.lab.servers[name] for name in ("p1", "s1", "s2"))
    led_by(s2, primary)
    p1.until(STREAMING, 1)
    p1.pause()
    until(lambda: s2.one(CONNECTING) != 0, "s2 connects to a primary that hangs")
    s1.configure({"synchronous_standby_names": "ANY 1 (s2)"})
    s1.promote()
    return p1, s1, s2


@contextmanager
def writing(server: Server) -> Iterator[threading.Event]:
    """A client that has found the server of before writes there; set once that is acknowledged."""
    acknowledged = threading.Event()

    def write() -> None:
        with suppress(psycopg.Error), psycopg.connect(server.dsn, autocommit=True) as client:
            client.execute("create table written ()")
            acknowledged.set()

    client = threading.Thread(target=write)
    client.start()
    try:
        yield acknowledged
    finally:
        server.kill(lose_data=False)
        client.join(timeout=10)


@pytest.mark.timeout(240)
def test_a_standby_confirms_nothing_of_a_primary_of_before(tmp_path: Path) -> None:
    with trial(tmp_path, standbys=2) as made, address(made.lab.primary.port) as primary:
        made.lab.primary.ask(SCRIPT)
        p1, s1, s2 = fail_over(made, primary)
        first = s2.one(CONNECTING)
        primary.to = s1.port
        until(lambda: s2.one(CONNECTING) != first, "the agent ends the receiver")
        s1.until(STREAMING, 1)
        p1.resume()
        with writing(p1) as acknowledged:
            p1.until(WAITING, 1)
            s1.ask("create table confirmed ()")
            s2.until("select count(*) from pg_class where relname = 'confirmed'", 1)
            assert p1.one(WAITING) == 1
            assert not acknowledged.is_set()


@pytest.mark.timeout(240)
def test_without_the_function_it_confirms_and_the_write_is_lost(tmp_path: Path) -> None:
    """The fault itself, so that the test above cannot pass where there is none."""
    with trial(tmp_path, standbys=2) as made, address(made.lab.primary.port) as primary:
        p1, s1, _ = fail_over(made, primary)
        primary.to = s1.port
        p1.resume()
        with writing(p1) as acknowledged:
            assert acknowledged.wait(timeout=30)
        assert s1.one("select count(*) from pg_class where relname = 'written'") == 0


def test_who_may_end_a_receiver_may_end_nothing_else(tmp_path: Path) -> None:
    with trial(tmp_path) as made:
        primary = made.lab.primary
        primary.ask(SCRIPT)
        primary.ask(SCRIPT)
        primary.ask("create role anybody login")
        asked = "select has_function_privilege('{}', 'public.dedicated_end_hung_receiver()', 'execute')"
        may = [primary.one(asked.format(role)) for role in ("recovery_agent", "anybody")]
        assert may == [True, False]
        assert primary.one("select public.dedicated_end_hung_receiver()") is False
