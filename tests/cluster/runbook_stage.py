"""Where runbooks are followed: an instance on a played engine, its keys kept in a store that runs here."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cluster.engine_stage import REPOSITORY, SERVERS, install_engines
from cluster.escrow_stage import IMAGE, Stage, make_stage
from cluster.instances import condition, instance, wait_ready
from cluster.observing import SECONDS, secret
from cluster.standing import until
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import CONFIG_MAP, INSTANCE
from engines.recovery_agent import RecoveryAgents
from engines.simulator import Simulator, playing
from engines.verification import Verifications
from lab.s3 import REGION as STORE_REGION
from lab.s3 import S3, object_store
from runbooks.following import Reader, reader
from runbooks.machine import machine
from runbooks.reading import read_page
from testbed import operator_process
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.home import CHECKOUT, Home
from testbed.nodes import REGION as NODES_REGION
from testbed.operator_process import OperatorProcess
from testbed.session import down, used

PAGES = CHECKOUT / "docs" / "runbooks"
NAME = "acme"
OPERATOR_HOME = "dedicated-system"
PLACES: Manifest = {"places": {NODES_REGION: ["CH"], f"localhost/{STORE_REGION}": ["CH"]}}
"""Nodes and store are in Switzerland, where the instance's data has to be."""


@dataclass(slots=True)
class Scene:
    """The instance, and all that is played around it."""

    cluster: Cluster
    namespace: str
    keys: Stage
    engine: Simulator
    agents: RecoveryAgents

    @property
    def api(self) -> Api:
        """The administrator's API."""
        return self.cluster.api

    def body(self) -> Manifest:
        """The instance now."""
        return self.api.get(INSTANCE, self.namespace, NAME)

    def says(self, kind: str, status: str) -> bool:
        """Whether a condition of the instance is so."""
        return condition(self.body(), kind).get("status") == status

    @property
    def bucket(self) -> str:
        """The instance's part of the keys' bucket, as `aws` names it."""
        return f"s3://{self.keys.bucket}/kept/{self.namespace}/{NAME}"


def arguments(folder: Path) -> tuple[str, ...]:
    """The operator's."""
    file = folder / "places.json"
    file.write_text(json.dumps(PLACES))
    return "--places", str(file), "--agent-image", IMAGE


def kept_instance(namespace: str, keys: Stage, engine: str = "percona") -> Manifest:
    """On an engine, its keys kept."""
    backup: Manifest = {"repository": {**REPOSITORY, "bucket": f"backup-{namespace}"[:63]}}
    return instance(
        namespace,
        NAME,
        infrastructure={"dataLocation": {"region": "Switzerland"}},
        database={"engine": engine, "cluster": SERVERS},
        backup=backup,
        keyBundle=keys.key_bundle(),
    )


def stand_secrets(cluster: Cluster, namespace: str, keys: Stage) -> None:
    """What is a user's own, and in no bundle but for the passphrase."""
    cluster.api.create(secret(namespace, "passphrase", passphrase="of-the-backups"))
    cluster.api.create(keys.secret(namespace))


@contextlib.contextmanager
def played(
    cluster: Cluster, namespace: str, keys: Stage, dsn: str, agents: RecoveryAgents | None = None
) -> Iterator[Simulator]:
    """The engine and all Jobs of one namespace."""
    api, accounts = cluster.api, partial(cluster.as_account, namespace)
    engine = Simulator(api, namespace, dsn, shared=urlsplit(dsn).username or "")
    masterkey = partial(_fingerprint, api, namespace)
    verifications = Verifications(api, engine, fingerprint=masterkey)
    with playing(engine, agents or RecoveryAgents(api, namespace, accounts), verifications, keys.node):
        yield engine


@contextlib.contextmanager
def own_cluster(folder: Path) -> Iterator[Cluster]:
    """A control plane that is this test's alone, with the engines' definitions; gone with the context."""
    home = Home(folder)
    with used(home) as state:
        found = Cluster.of(home, state)
        install_engines(found)
        yield found
    down(home)


@contextlib.contextmanager
def deployed(cluster: Cluster, folder: Path) -> Iterator[OperatorProcess]:
    """The operator's pod: the process of the chart that is installed in its namespace, with its account."""
    extra = ("--agent-image", IMAGE)
    settings = operator_process.Settings(OPERATOR_HOME, (), extra=extra, values={"places": PLACES})
    running = operator_process.start(cluster, settings, folder)
    yield running
    if running.process.poll() is None:
        running.kill()


@contextlib.contextmanager
def scene(
    cluster: Cluster, namespace: str, dsn: str, folder: Path, *, engine: str = "percona"
) -> Iterator[Scene]:
    """A Ready instance whose keys and ledger are kept; an operator runs already."""
    install_engines(cluster)
    with contextlib.ExitStack() as open_until_the_end:
        store = open_until_the_end.enter_context(object_store(folder / "s3"))
        keys = make_stage(cluster, namespace, store, folder)
        stand_secrets(cluster, namespace, keys)
        cluster.api.create(kept_instance(namespace, keys, engine))
        agents = RecoveryAgents(cluster.api, namespace, partial(cluster.as_account, namespace))
        simulated = open_until_the_end.enter_context(played(cluster, namespace, keys, dsn, agents))
        wait_ready(cluster.api, namespace, seconds=SECONDS)
        found = Scene(cluster, namespace, keys, simulated, agents)
        until(lambda: found.says("KeysEscrowed", "True"), "the keys kept", seconds=SECONDS)
        yield found


@contextlib.contextmanager
def followed(
    page: str, cluster: Cluster, folder: Path, *, store: S3 | None = None, **variables: str
) -> Iterator[Reader]:
    """Who follows a page of docs/runbooks, as administrator of a cluster."""
    at = folder / page.removesuffix(".md")
    env = machine(at, cluster.kubeconfig, store=store)
    with reader(read_page(PAGES / page), at / "here", variables=variables, env=env) as found:
        yield found


def _fingerprint(api: Api, namespace: str) -> str:
    return get_str(api.get(CONFIG_MAP, namespace, f"{NAME}-identity"), "data", "masterkey")
