"""docs/runbooks/moving-out.md, word by word: to another PostgreSQL and a ZITADEL of one's own."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from cluster.engine_stage import install_engines
from cluster.runbook_stage import NAME, PAGES, arguments, scene
from dedicated.api.objects import PERCONA_CLUSTER, SECRET
from engines.exports import ExportNode
from engines.simulator import playing
from lab.programs import Programs, find
from lab.s3 import IDENTITIES, REGION
from lab.server import Server
from lab.trial import note
from runbooks.following import reader
from runbooks.machine import machine
from runbooks.reading import read_page
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator
from testbed.processes import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]

EVENTS = "select instance_id, aggregate_id, event_type, created_at from eventstore.events2 order by position"
KEYS = "select id, key from system.encryption_keys order by id"
BUCKET = "moving-out"


@contextlib.contextmanager
def elsewhere(programs: Programs) -> Iterator[Server]:
    """An empty PostgreSQL of the customer's."""
    with tempfile.TemporaryDirectory(prefix="elsewhere-") as name:
        folder = Path(name)
        if programs.user is not None:
            os.chown(folder, programs.user, programs.user)
        server = Server("elsewhere", free_port(), folder / "data", folder, programs)
        server.make({"archive_mode": "off"})
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


@contextlib.contextmanager
def ended(pid: Path) -> Iterator[None]:
    """The ZITADEL that the page started ends with the test."""
    try:
        yield
    finally:
        if pid.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)


def test_all_of_it_moves_out_and_the_instance_ends_by_its_steps(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator, tmp_path: Path
) -> None:
    programs = find()
    install_engines(cluster)
    run_operator(namespace, watch=(namespace,), extra=arguments(tmp_path))
    with scene(cluster, namespace, database, tmp_path) as at, elsewhere(programs) as server:
        store = at.keys.store
        asyncio.run(store.make_bucket(BUCKET))
        node = ExportNode(cluster, namespace, tmp_path / "exports", store.ca_file, programs)
        home = tmp_path / "person"
        owner = urlsplit(database).username or ""
        env = machine(home, cluster.kubeconfig, store=store) | {
            "FAKEZ_VERSION": "v4.15.2",
            "FAKEZ_ROOT": str(home / "root"),
            "FAKEZ_BIND": f"127.0.{os.getpid() % 250 + 1}.{server.port % 250 + 1}",
        }
        variables = {
            "NS": namespace, "NAME": NAME, "RECIPIENT": at.keys.customer.key, "BUCKET": BUCKET,
            "ENDPOINT": store.endpoint, "REGION": REGION, "OUT_KEY_ID": IDENTITIES["owner"][0],
            "OUT_KEY": IDENTITIES["owner"][1], "IDENTITY": str(at.keys.customer.file), "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port), "PGUSER": "postgres", "OWNER": owner, "PASSWORD": "another",
            "ZITADEL_KEYS": str(home / "root" / "etc" / "zitadel-keys"),
        }  # fmt: skip
        page = read_page(PAGES / "moving-out.md")
        with (
            playing(node),
            reader(page, home / "here", variables=variables, env=env) as person,
            ended(home / "here" / "opened" / "zitadel.pid"),
        ):
            before = rows(database, EVENTS), rows(database, KEYS)
            for title in ("Export it", "Fetch it and look at it", "Import it"):
                person.follow(title)
            there = f"host=127.0.0.1 port={server.port} user=postgres dbname=zitadel"
            assert rows(there, KEYS) == before[1]
            assert rows(there, EVENTS)[: len(before[0])] == before[0]
            person.follow("Start a ZITADEL of one's own")
            assert rows(there, KEYS) == before[1], "opened by the same masterkey, not made anew"
            person.follow("End the instance here")
            person.follow("The database shall stay where it is")
            assert at.api.find(PERCONA_CLUSTER, namespace, f"{NAME}-database") is not None
            assert at.api.find(SECRET, namespace, f"{NAME}-masterkey") is not None
            note("moving-out.md", seconds=person.seconds)
