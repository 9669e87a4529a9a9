"""The same conformance tests for every engine of the interface."""

import re
from dataclasses import replace

import pytest

from builders import NOW, body, clustered, instance, spec, valid
from dedicated.api.conditions import rfc3339
from dedicated.api.database import Engine
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import FIELD_MANAGER, LABEL_INSTANCE, LABEL_MANAGED_BY
from dedicated.api.objects import CONFIG_MAP, ENGINE_KINDS, ref_of
from dedicated.api.resource import Database
from dedicated.parts.database.engine import (
    Adapter,
    Origin,
    RestoreWanted,
    cluster_name,
    folder,
    instance_of_cluster,
    restored_name,
)
from dedicated.parts.database.engines import ADAPTERS, BY_BACKUP, BY_CLUSTER, adapter_of
from parts.engine_examples import of, rendered, wanted
from parts.upstream import refused, schema_of

PROJECTS = {
    "PerconaPGCluster": "percona-postgresql",
    "PerconaPGBackup": "percona-postgresql",
    "ObjectStore": "barman-cloud",
}
RUN_BY_ENGINE = [adapter for adapter in ADAPTERS.values() if adapter.cluster_kind is not None]


def named(adapter: Adapter) -> str:
    return adapter.engine


every = pytest.mark.parametrize("adapter", RUN_BY_ENGINE, ids=named)


def objects(adapter: Adapter) -> tuple[Manifest, ...]:
    return (
        *adapter.render(wanted(adapter.engine)),
        *(adapter.trigger(of(adapter.engine), kind, "1") for kind in ("full", "differential", "incremental")),
    )


def test_every_engine_of_the_spec_has_an_adapter() -> None:
    engines: tuple[Engine, ...] = ("external", "percona", "cloudnative-pg")
    assert tuple(ADAPTERS) == engines
    assert adapter_of(instance()).engine == "external"
    assert adapter_of(of("percona")).engine == "percona"


@every
def test_the_definitions_take_what_is_rendered(adapter: Adapter) -> None:
    bare: Manifest = {"cluster": {"storage": {"className": None}}}
    plain = adapter.render(wanted(adapter.engine, database=bare))
    for item in (*objects(adapter), *plain):
        kind = get_str(item, "kind")
        if kind != CONFIG_MAP.kind:
            assert list(refused(item, schema_of(PROJECTS.get(kind, "cloudnative-pg"), kind))) == []


@every
def test_everything_carries_our_labels_and_outlives_the_instance(adapter: Adapter) -> None:
    for item in objects(adapter):
        assert get_map(item, "metadata", "labels")[LABEL_MANAGED_BY] == FIELD_MANAGER
        assert get_map(item, "metadata", "labels")[LABEL_INSTANCE] == "acme"
        assert "ownerReferences" not in get_map(item, "metadata")


@every
def test_each_kind_rendered_is_required_and_watched(adapter: Adapter) -> None:
    required = {requirement.kind.kind for requirement in adapter.requirements}
    assert {get_str(item, "kind") for item in objects(adapter)} - {CONFIG_MAP.kind} == required
    assert required <= {kind.kind for kind in ENGINE_KINDS}
    assert all(requirement.install.startswith("install ") for requirement in adapter.requirements)


def test_every_kind_watched_is_some_engines() -> None:
    required = {requirement.kind for adapter in RUN_BY_ENGINE for requirement in adapter.requirements}
    assert required == set(ENGINE_KINDS)
    assert len(BY_CLUSTER) == len(BY_BACKUP) == len(RUN_BY_ENGINE)


@every
def test_the_cluster_is_found_by_its_name(adapter: Adapter) -> None:
    assert adapter.cluster_kind is not None
    (cluster,) = [item for item in objects(adapter) if item["kind"] == adapter.cluster_kind.kind]
    name = get_str(cluster, "metadata", "name")
    assert name == cluster_name(of(adapter.engine)) == "acme-database"
    assert instance_of_cluster(name) == "acme"
    assert instance_of_cluster("of-somebody-else") == ""
    longest = valid({**body(name="a" * 40), "spec": spec(**clustered(adapter.engine))})
    # CloudNativePG's limit of a cluster's name is 50.
    assert len(cluster_name(longest)) <= len(restored_name(longest, "1a2b3c")) <= 50


@every
def test_a_restored_cluster_is_another_one_with_its_own_place_in_the_repository(adapter: Adapter) -> None:
    asked = copied(adapter)
    name = cluster_name(asked.engine.instance)
    made = adapter.restore(asked)
    assert adapter.cluster_kind is not None
    (cluster,) = [item for item in made if item["kind"] == adapter.cluster_kind.kind]
    assert get_str(cluster, "metadata", "name") == name == "acme-db-1a2b3c"
    assert instance_of_cluster(name) == "acme"
    assert name in adapter.connection(asked.engine.instance).secret
    assert adapter.connection(of(adapter.engine)).secret != adapter.connection(asked.engine.instance).secret
    state = adapter.read_cluster(cluster)
    assert state.origin == Origin("lost", NOW, exact=True)
    assert adapter.read_cluster(adapter.render(asked.engine)[1]).origin is None
    # As the instance's database it is the same cluster; what it was restored by is a record then.
    (later,) = [item for item in adapter.render(asked.engine) if get_str(item, "metadata", "name") == name
                and item["kind"] == cluster["kind"]]
    assert later["spec"] == cluster["spec"]
    before = objects(adapter)
    assert {get_str(item, "metadata", "name") for item in made}.isdisjoint(
        {get_str(item, "metadata", "name") for item in before}
    )
    # All that is its own, and nothing else, goes with a database.
    known = {ref_of(item) for item in before}
    own = {ref_of(cluster), *adapter.belongings(asked.engine.instance)}
    assert {ref_of(item) for item in adapter.render(asked.engine)} - known == own
    assert {*adapter.belongings(of(adapter.engine))} <= known
    repository = of(adapter.engine).spec.backup
    assert repository is not None
    old, new = (folder(one, repository.repository) for one in (of(adapter.engine), asked.engine.instance))
    assert not new.startswith(f"{old}/")
    assert new != old


@every
def test_it_ends_at_the_time_asked_for_or_takes_all_there_is(adapter: Adapter) -> None:
    told = str(adapter.restore(copied(adapter)))
    assert NOW.strftime("%H:%M:%S") in told.replace(rfc3339(NOW) + "'", "", 1)
    whole = adapter.restore(copied(adapter, exact=False))
    assert "--type=time" not in str(whole)
    assert "recoveryTarget" not in str(whole)
    (origin,) = [adapter.read_cluster(item).origin for item in whole if adapter.read_cluster(item).origin]
    assert origin == Origin("lost", NOW, exact=False)


@every
def test_a_copy_is_one_server_that_archives_nowhere(adapter: Adapter) -> None:
    made = adapter.restore(copied(adapter, lives=False))
    assert adapter.cluster_kind is not None
    (cluster,) = [item for item in made if item["kind"] == adapter.cluster_kind.kind]
    text = str(cluster)
    assert "isWALArchiver" not in text
    assert "repo1-path" not in text
    assert get_map(cluster, "spec", "postgresql").get("synchronous") is None
    assert "synchronous_mode" not in text
    sets = [get_int(item, "replicas") for item in get_list(cluster, "spec", "instances")]
    assert sets == [1] or get_int(cluster, "spec", "instances") == 1
    held = get_list(cluster, "metadata", "finalizers")
    assert held == ([adapter.with_volumes] if adapter.with_volumes else [])


def copied(adapter: Adapter, *, exact: bool = True, lives: bool = True) -> RestoreWanted:
    """A restore of the first database."""
    instance = replace(
        of(adapter.engine), database=Database("acme-db-1a2b3c", "acme-database", NOW, exact)
    )
    return RestoreWanted(rendered(instance), "lost", lives)


@every
def test_a_database_that_served_before_is_restored_from_its_own_place_though_its_cluster_is_gone(
    adapter: Adapter,
) -> None:
    past = replace(of(adapter.engine), database=Database("acme-db-1a2b3c", "acme-database", NOW))
    made = replace(
        past, database=Database("acme-db-4d5e6f", "acme-database", NOW, replaces="acme-db-1a2b3c")
    )
    whole = adapter.restore(RestoreWanted(rendered(made), "again", lives=True))
    repository = of(adapter.engine).spec.backup
    assert repository is not None
    place = folder(of(adapter.engine), repository.repository)
    between = folder(past, repository.repository)
    assert place in str(whole)
    assert between not in str(whole)
    named = {get_str(item, "metadata", "name") for item in whole}
    # What it is made from is its own, or of the database in use; nothing names the object that is gone.
    assert re.findall(r"'(?:clusterName|barmanObjectName)': '([^']+)'", str(whole)) != []
    for name in re.findall(r"'(?:clusterName|barmanObjectName)': '([^']+)'", str(whole)):
        assert name in named | {"acme-db-1a2b3c"}


@every
def test_each_incarnation_stores_somewhere_else(adapter: Adapter) -> None:
    again = valid({**body(uid="another"), "spec": spec(**clustered(adapter.engine))})
    assert adapter.render(rendered(again)) != adapter.render(wanted(adapter.engine))


@every
def test_rendering_twice_is_the_same_and_asking_twice_asks_once(adapter: Adapter) -> None:
    assert objects(adapter) == objects(adapter)
    one, other = (adapter.trigger(of(adapter.engine), "full", mark) for mark in ("1", "2"))
    assert get_str(one, "metadata", "name") != get_str(other, "metadata", "name")


@every
def test_no_credential_is_in_what_is_rendered(adapter: Adapter) -> None:
    """References alone: neither keys nor passphrase are known to us."""
    for item in objects(adapter):
        assert item["kind"] != "Secret"
        for entry in get_list(item, "spec", "backups", "pgbackrest", "env"):
            assert "value" not in get_map(entry)


@every
def test_what_is_new_is_not_ready_and_a_triggered_backup_is_read_back(adapter: Adapter) -> None:
    found = adapter.read_cluster({})
    assert (found.ready, found.ready_servers, found.paused) == (False, 0, False)
    assert found.message == "not taken up by its operator yet"
    asked = adapter.trigger(of(adapter.engine), "full", "1")
    get_map(asked, "metadata")["creationTimestamp"] = "2026-03-01T12:00:00Z"
    run = adapter.read_run(asked)
    assert run is not None
    assert (run.cluster, run.kind, run.state) == ("acme-database", "full", "Pending")
    assert run.run.finished is None
    assert adapter.read_run({}) is None


@every
def test_the_users_secrets_are_the_engines_or_made_for_it(adapter: Adapter) -> None:
    connection, monitor = adapter.connection(of(adapter.engine)), adapter.monitor(of(adapter.engine))
    assert monitor is not None
    assert connection.secret != monitor.secret
    assert set(connection.keys) == {"host", "port", "database", "username", "password"}
    assert {"username", "password"} <= set(monitor.keys)
    assert connection.ssl_mode == monitor.ssl_mode == "require"


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=named)
def test_what_an_engine_lacks_is_declared(adapter: Adapter) -> None:
    offered, codes = adapter.capabilities, {gap.code for gap in adapter.capabilities.gaps}
    if adapter.engine == "external":
        assert offered.verified
        assert adapter.render(wanted("percona")) == ()
        return
    assert offered.verified == (adapter.engine == "cloudnative-pg"), "what has run is in docs/engines.md"
    assert offered.differential == ("DifferentialUnsupported" not in codes)
    assert offered.client_side_encryption == ("ServerSideEncryptionOnly" not in codes)
    assert all(gap.text and gap.clause for gap in offered.gaps)
