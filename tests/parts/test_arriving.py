"""A first database that is made from a backup of another instance, as each engine is asked for it."""

from dataclasses import replace

import pytest

from api.source_examples import BACKUP, KEYS
from builders import UID
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP
from dedicated.api.resource import Database, Instance
from dedicated.parts.database.cloudnative_pg import RESTORED_AT_ONCE
from dedicated.parts.database.engine import Adapter
from dedicated.parts.database.engines import ADAPTERS
from parts.engine_examples import of, rendered
from parts.test_engines import PROJECTS
from parts.upstream import refused, schema_of

every = pytest.mark.parametrize(
    "adapter", [ADAPTERS["percona"], ADAPTERS["cloudnative-pg"]], ids=lambda found: found.engine
)


def arriving(adapter: Adapter, **backup: JsonValue) -> Instance:
    """An instance that starts from a backup."""
    whole: Manifest = {**BACKUP, **backup}
    if adapter.engine != "percona":
        whole = {**whole, "passphraseSecretName": None, "server": "acme-a-uid"}
    more: Manifest = {**KEYS, "from": {"backup": whole}}
    return of(adapter.engine, **more)


def cluster_in(adapter: Adapter, instance: Instance) -> Manifest:
    assert adapter.cluster_kind is not None
    kind = adapter.cluster_kind.kind
    (found,) = [item for item in adapter.render(rendered(instance)) if get_str(item, "kind") == kind]
    return found


@every
def test_the_definitions_take_it(adapter: Adapter) -> None:
    for manifest in adapter.render(rendered(arriving(adapter))):
        kind = get_str(manifest, "kind")
        if kind != CONFIG_MAP.kind:
            assert list(refused(manifest, schema_of(PROJECTS.get(kind, "cloudnative-pg"), kind))) == []


@every
def test_it_is_read_from_the_source_and_archives_to_its_own_place(adapter: Adapter) -> None:
    made, plain = cluster_in(adapter, arriving(adapter)), cluster_in(adapter, of(adapter.engine))
    assert "2026-03-01" in str(made)
    assert get_map(made, "spec").get("plugins") == get_map(plain, "spec").get("plugins")
    assert get_map(made, "spec").get("backups") == get_map(plain, "spec").get("backups")
    assert adapter.read_cluster(made).begun_for == UID
    assert adapter.read_cluster(plain).begun_for == ""
    assert "2026-03-01" not in str(cluster_in(adapter, arriving(adapter, target=None)))


@every
def test_what_is_imported_or_was_restored_since_is_rendered_without_it(adapter: Adapter) -> None:
    plain = adapter.render(rendered(of(adapter.engine)))
    assert adapter.render(rendered(replace(arriving(adapter), imported=True))) == plain
    restored = Database("acme-db-1a2b3c", "acme-database")
    later = replace(arriving(adapter), database=restored)
    assert "acme-elsewhere" not in str(adapter.render(rendered(later)))


def test_pgbackrest_is_told_the_repository_and_gets_its_credentials_as_files() -> None:
    instance = arriving(ADAPTERS["percona"])
    source = get_map(cluster_in(ADAPTERS["percona"], instance), "spec", "dataSource", "pgbackrest")
    assert get_map(source, "global") == {
        "repo1-path": "/backups/acme/a-uid",
        "repo1-cipher-type": "aes-256-cbc",
    }
    secrets = [get_str(item, "secret", "name") for item in get_list(source, "configuration")]
    assert secrets == ["elsewhere", "passphrase-elsewhere"]
    assert get_str(source, "stanza") == "db"


def test_barman_is_told_the_server_and_keeps_no_retention_in_the_source() -> None:
    adapter = ADAPTERS["cloudnative-pg"]
    instance = arriving(adapter)
    store, *_ = adapter.render(rendered(instance))
    assert get_str(store, "metadata", "name") == "acme-source"
    assert get_str(get_list(store, "metadata", "ownerReferences")[0], "uid") == UID
    assert "retentionPolicy" not in get_map(store, "spec")
    assert get_map(store, "spec", "configuration", "wal") == {"maxParallel": RESTORED_AT_ONCE}
    (external,) = get_list(cluster_in(adapter, instance), "spec", "externalClusters")
    parameters = get_map(external, "plugin", "parameters")
    assert parameters == {"barmanObjectName": "acme-source", "serverName": "acme-a-uid"}
