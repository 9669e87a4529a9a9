"""What the adapter renders, run by the real CloudNativePG and its real Barman plugin on real nodes.

No operator of ours runs here: its objects are applied as it would, and what the engine makes of them is read
by the adapter. So this says whether the engine takes them, whether the policy lets it work, and whether a
backup restores.
"""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from builders import NOW, body, clustered, spec, valid
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import CNPG_BACKUP, CNPG_CLUSTER
from dedicated.api.resource import Database, Instance
from dedicated.parts import network
from dedicated.parts.database.cloudnative_pg import CLOUDNATIVE_PG as ADAPTER
from dedicated.parts.database.engine import EngineRun, EngineWanted, RestoreWanted, cluster_name
from images.trust import authority
from nodes.provider import NodesProvider
from parts.engine_examples import at
from service import certificates, cloudnativepg, pods, store, waiting

pytestmark = pytest.mark.nodes
MINUTES_OF_A_CLUSTER = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """A cluster that the engine runs from the adapter's objects."""

    provider: NodesProvider
    namespace: str
    wanted: EngineWanted

    def apply(self, *items: Manifest) -> None:
        for item in items:
            metadata = {**get_map(item, "metadata"), "namespace": self.namespace}
            self.provider.api.apply({**item, "metadata": metadata})

    def ready(self, name: str) -> None:
        def met() -> bool:
            found = self.provider.api.find(CNPG_CLUSTER, self.namespace, name)
            return found is not None and ADAPTER.read_cluster(found).ready

        def why() -> str:
            found = self.provider.api.find(CNPG_CLUSTER, self.namespace, name) or {}
            objects = self.kubectl("get", "pods,jobs,pvc", "-o", "wide")
            return f"{ADAPTER.read_cluster(found).message}\n{objects}"

        waiting.until(met, name, seconds=MINUTES_OF_A_CLUSTER * 60, why=why)

    def kubectl(self, *arguments: str) -> str:
        return self.provider.kubectl("-n", self.namespace, *arguments)

    def primary(self, name: str) -> str:
        return ADAPTER.read_cluster(self.provider.api.get(CNPG_CLUSTER, self.namespace, name)).primary

    def query(self, name: str, text: str) -> str:
        psql = ("psql", "-tA", "-d", "zitadel", "-c", text)
        return self.kubectl("exec", self.primary(name), "-c", "postgres", "--", *psql).strip()


@pytest.fixture(scope="module")
def standing(nodes_cluster: NodesProvider) -> Iterator[Standing]:
    provider, namespace = nodes_cluster, f"engine-{secrets.token_hex(3)}"
    cloudnativepg.install(provider, authority())
    provider.api.apply(pods.namespace(namespace))
    start_store(provider, namespace)
    found = Standing(provider, namespace, wanted(provider, namespace))
    instance = found.wanted.instance
    found.apply(monitor_secret(instance), *network.of_database(instance), *ADAPTER.render(found.wanted))
    found.ready(cluster_name(instance))
    yield found
    provider.kubectl("delete", "namespace", namespace, store.NAMESPACE, "--wait=false")
    cloudnativepg.uninstall(provider)


def start_store(provider: NodesProvider, namespace: str) -> None:
    provider.load(["s3"])
    api = provider.api
    api.apply(pods.namespace(store.NAMESPACE))
    hosts = certificates.service_hosts(store.NAME, store.NAMESPACE)
    api.apply(certificates.tls_secret(store.NAMESPACE, store.TLS_SECRET, hosts, by=authority()))
    passwords = {bucket: secrets.token_urlsafe(24) for bucket in (store.BACKUPS, store.KEYS)}
    api.apply(store.identities(passwords))
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "repository", "namespace": namespace},
            "stringData": {"access-key-id": store.BACKUPS, "secret-access-key": passwords[store.BACKUPS]},
        }
    )
    for item in store.manifests(provider.image("s3"), provider.storage_class):
        api.apply(item)
    waiting.rollout(provider, store.NAMESPACE, f"statefulset/{store.NAME}")
    shell = ("exec", "-i", f"{store.NAME}-0", "--", "weed", "shell")
    provider.kubectl("-n", store.NAMESPACE, *shell, stdin=f"s3.bucket.create -name {store.BACKUPS}\n")


def wanted(provider: NodesProvider, namespace: str) -> EngineWanted:
    servers: JsonValue = {
        "instances": 3,
        "postgresVersion": 15,
        "image": provider.image("postgresql"),
        "storage": {"size": "1Gi", "className": provider.storage_class},
        "resources": {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "768Mi"}},
    }
    repository: JsonValue = {
        "bucket": store.BACKUPS,
        "endpoint": store.endpoint(),
        "region": store.REGION,
        "secretName": "repository",
        "encryption": {"serverSide": "AES256"},
    }
    found = clustered("cloudnative-pg")
    get_map(found, "database")["cluster"] = servers
    get_map(found, "backup")["repository"] = repository
    made = body()
    get_map(made, "metadata")["namespace"] = namespace
    instance = valid({**made, "spec": spec(**found)})
    return EngineWanted(instance, at("0 1 * * *"), at("0 0,2-23 * * *"), timedelta(seconds=60))


def monitor_secret(instance: Instance) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ADAPTER.made_by_us(instance)},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": "dedicated-monitor", "password": secrets.token_urlsafe(16)},
    }


def run_of(standing: Standing, name: str) -> EngineRun | None:
    return ADAPTER.read_run(standing.provider.api.get(CNPG_BACKUP, standing.namespace, name))


def test_three_servers_in_three_zones_and_one_other_confirms_each_commit(standing: Standing) -> None:
    instance = standing.wanted.instance
    name = cluster_name(instance)
    found = ADAPTER.read_cluster(standing.provider.api.get(CNPG_CLUSTER, standing.namespace, name))
    assert (found.servers, found.ready_servers) == (3, 3)
    assert ADAPTER.pods is not None
    servers = json.loads(standing.kubectl("get", "pods", "-l", ADAPTER.pods.selector, "-o", "json"))
    assert len({get_str(pod, "spec", "nodeName") for pod in get_list(servers, "items")}) == 3
    (primary,) = [
        get_str(pod, "metadata", "name")
        for pod in get_list(servers, "items")
        if get_str(pod, "metadata", "labels", ADAPTER.pods.role) in ADAPTER.pods.primaries
    ]
    assert primary == found.primary
    assert standing.query(name, "SHOW synchronous_standby_names").startswith("ANY 1 (")
    confirming = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
    assert standing.query(name, confirming) == "2"


def test_the_users_are_there_with_the_keys_that_the_adapter_reads(standing: Standing) -> None:
    instance = standing.wanted.instance
    connection = ADAPTER.connection(instance)
    found = standing.provider.api.get("v1/secrets", standing.namespace, connection.secret)
    assert set(connection.keys.values()) <= set(get_map(found, "data"))
    granted = (
        "SELECT string_agg(roleid::regrole::text, ',' ORDER BY 1) FROM pg_auth_members "
        "WHERE member = '\"dedicated-monitor\"'::regrole"
    )
    assert standing.query(cluster_name(instance), granted) == "pg_checkpoint,pg_monitor"
    ends = "SELECT has_function_privilege('pg_monitor', 'public.dedicated_end_hung_receiver()', 'execute')"
    assert standing.query(cluster_name(instance), ends) == "t"


def test_a_backup_is_made_by_the_plugin_and_restores_what_was_written(standing: Standing) -> None:
    instance = standing.wanted.instance
    name, token = cluster_name(instance), secrets.token_hex(8)
    standing.query(name, f"CREATE TABLE proof AS SELECT '{token}' AS token")
    order = ADAPTER.trigger(instance, "full", "1")
    standing.apply(order)
    ordered = get_str(order, "metadata", "name")

    def over() -> bool:
        found = run_of(standing, ordered)
        return found is not None and found.state in {"Completed", "Failed"}

    waiting.until(over, "the backup", seconds=240, why=lambda: str(run_of(standing, ordered)))
    run = run_of(standing, ordered)
    assert run is not None
    assert (run.state, run.error) == ("Completed", "")
    assert run.label
    assert run.started is not None
    assert run.finished is not None
    standing.query(name, "SELECT pg_switch_wal()")

    copy = replace(instance, database=Database(f"{instance.name}-db-1a2b3c", name, NOW, exact=False))
    made = RestoreWanted(replace(standing.wanted, instance=copy), "lost", lives=False)
    standing.apply(*network.of_database(copy), *ADAPTER.restore(made))
    standing.ready(cluster_name(copy))
    assert standing.query(cluster_name(copy), "SELECT token FROM proof") == token
