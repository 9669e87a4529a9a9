"""docs/runbooks/lost-cluster.md, word by word: a control plane is wiped, and another takes its place."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from cluster.escrow_stage import IMAGE, SECRET_NAME, Stage, make_stage
from cluster.instances import condition, wait_ready
from cluster.observing import DISCOVERY, SECONDS, visitor
from cluster.runbook_stage import (
    NAME,
    OPERATOR_HOME,
    PLACES,
    deployed,
    followed,
    kept_instance,
    own_cluster,
    played,
    stand_secrets,
)
from cluster.standing import records, until
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.names import API_VERSION
from dedicated.api.objects import CONFIG_MAP, INSTANCE, JOB, RECORD, SECRET
from lab.s3 import IDENTITIES, S3, object_store
from lab.trial import note
from testbed.cluster import Cluster
from testbed.home import CHECKOUT
from testbed.postgres import find_binaries

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1500)]

KEYS = ("acme-masterkey", "acme-operator-key", "acme-login-key", "acme-admin", "passphrase")
DATABASE = "zitadel"
EVENTS = "select instance_id, aggregate_id, event_type, created_at from eventstore.events2 order by position"


@dataclass(frozen=True, slots=True)
class Life:
    """What has to be the same in another cluster."""

    keys: Mapping[str, JsonValue]
    identity: JsonValue
    ledger: Mapping[str, Manifest]
    domain: str
    events: list[tuple[object, ...]]


def create_namespace(cluster: Cluster, name: str) -> None:
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def life_in(cluster: Cluster, namespace: str, dsn: str) -> Life:
    api = cluster.api
    return Life(
        {name: get_map(api.get(SECRET, namespace, name), "data") for name in KEYS},
        get_map(api.get(CONFIG_MAP, namespace, "acme-identity"), "data"),
        ledger_in(cluster, namespace),
        get_str(api.get(INSTANCE, namespace, NAME), "spec", "domain"),
        events_in(dsn),
    )


def ledger_in(cluster: Cluster, namespace: str) -> dict[str, Manifest]:
    """Each record: what it says, and as of when."""
    found: dict[str, Manifest] = {}
    for body in records(cluster.api, namespace):
        spec = get_map(body, "spec")
        at = get_str(spec, "at") or get_str(body, "metadata", "creationTimestamp")
        found[get_str(body, "metadata", "name")] = {**spec, "at": at}
    return found


def events_in(dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(EVENTS).fetchall()


def stated(namespace: str) -> Manifest:
    """A record that somebody stated."""
    spec: Manifest = {"instance": NAME, "fact": "Refused", "by": "alice", "request": "acme-2026-01"}
    head: Manifest = {"name": "acme-refused", "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": RECORD.kind, "metadata": head, "spec": spec}


def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs."""
    subprocess.run([str(find_binaries() / program), *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lost-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def first_life(store: S3, keys_of: dict[str, Stage], namespace: str, folder: Path) -> Life:
    """An instance lives in a control plane of its own, which is wiped then. What its repository would hold is
    in `folder`."""
    with own_cluster(folder / "one") as cluster:
        create_namespace(cluster, OPERATOR_HOME)
        create_namespace(cluster, namespace)
        cluster.kubectl("apply", "--server-side", "-f", str(CHECKOUT / "crds"))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CHECKOUT / "crds"))
        keys = keys_of[namespace] = make_stage(cluster, namespace, store, folder)
        stand_secrets(cluster, namespace, keys)
        dsn = cluster.postgres.create_database(DATABASE)
        cluster.api.create(kept_instance(namespace, keys))
        cluster.api.create(stated(namespace))
        with deployed(cluster, folder / "operator-1"), played(cluster, namespace, keys, dsn):
            wait_ready(cluster.api, namespace, seconds=SECONDS)
            until(lambda: is_kept(cluster, namespace), "keys and ledger kept", seconds=2 * SECONDS)
            found = life_in(cluster, namespace, dsn)
        run("pg_dump", "-Fc", "-f", str(folder / "repository"), "-d", dsn)
    return found


def is_kept(cluster: Cluster, namespace: str) -> bool:
    """Whether the bundle is there, and a ledger after the last record."""
    body = cluster.api.get(INSTANCE, namespace, NAME)
    last = max(get_str(one, "metadata", "creationTimestamp") for one in records(cluster.api, namespace))
    kept = condition(body, "KeysEscrowed").get("status") == "True"
    return kept and last < get_str(body, "status", "keyBundle", "ledger", "writtenAt")


def test_a_lost_cluster_is_the_same_instance_in_another_one(tmp_path: Path) -> None:
    namespace, keys_of = "acme", dict[str, Stage]()
    values = tmp_path / "values.json"
    repository, _, tag = IMAGE.rpartition(":")
    values.write_text(json.dumps({"image": {"repository": repository, "tag": tag}, "places": PLACES}))
    with object_store(tmp_path / "s3") as store, short_folder() as folder:
        lost = first_life(store, keys_of, namespace, folder)
        keys = keys_of[namespace]
        with own_cluster(folder / "two") as cluster, contextlib.ExitStack() as running:
            keys.node.cluster = cluster
            dsn = cluster.postgres.create_database(DATABASE)
            run("pg_restore", "--no-owner", "-d", dsn, str(folder / "repository"))
            person = running.enter_context(
                followed(
                    "lost-cluster.md", cluster, tmp_path, store=store, NS=namespace, NAME=NAME,
                    KEYS=f"s3://{keys.bucket}/kept/{namespace}/{NAME}", IDENTITY=str(keys.customer.file),
                    CHART=str(CHECKOUT / "charts" / "dedicated-operator"), VALUES=str(values),
                    BACKUP_KEY_ID="backup", BACKUP_KEY="unused", BACKUP_SECRET="repository",
                    ESCROW_KEY_ID=IDENTITIES["writer"][0], ESCROW_KEY=IDENTITIES["writer"][1],
                    ESCROW_SECRET=SECRET_NAME,
                )
            )  # fmt: skip
            person.follow("Install the operator")
            running.enter_context(deployed(cluster, folder / "operator-2"))
            person.follow("Fetch keys and ledger")
            person.follow("Make the Secrets of the stores")
            running.enter_context(played(cluster, namespace, keys, dsn))
            person.follow("Bring the instance back")
            person.follow("Wait for it")
            served = person.seconds
            person.follow("It is over")

            again = life_in(cluster, namespace, dsn)
            assert (again.keys, again.identity, again.domain) == (lost.keys, lost.identity, lost.domain)
            assert {name: again.ledger[name] for name in lost.ledger} == lost.ledger
            assert again.events[: len(lost.events)] == lost.events
            assert cluster.api.find(JOB, namespace, "acme-init") is None, "nothing is initialised anew"
            assert visitor(cluster, lost.domain).ask(DISCOVERY)[0] == 200
            note("lost-cluster.md", until_ready=served, seconds=person.seconds)
