"""Database engines on the real API server: what is rendered is taken, what the engine makes is waited for."""

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from builders import NOW
from builders import wanted as an_instance
from cluster.engine_stage import arguments, clustered, found_good, install_engines, ordered
from cluster.instances import condition, wait_for
from cluster.observing import SECONDS, wait_applied
from cluster.standing import NOWHERE, SIMULATED, until
from cluster.validation import placed
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import (
    BARMAN_STORE,
    CNPG_BACKUP,
    CNPG_CLUSTER,
    CNPG_SCHEDULE,
    CONFIG_MAP,
    INSTANCE,
    INSTANCE_BACKUP,
    NETWORK_POLICY,
    PERCONA_BACKUP,
    PERCONA_CLUSTER,
    Kind,
)
from dedicated.api.resource import Database
from dedicated.parts import network
from dedicated.parts.database.engine import EngineWanted, RestoreWanted
from dedicated.parts.database.engines import ADAPTERS
from engines.simulator import Simulator, playing
from parts.engine_examples import of, wanted
from testbed.client import Api, ApiError, Resource
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


def plural_of(item: Manifest) -> Resource:
    required = (r.kind for a in ADAPTERS.values() for r in a.requirements)
    kinds = {kind.kind: kind for kind in (*required, NETWORK_POLICY)}
    return kinds.get(get_str(item, "kind"), CONFIG_MAP)


@pytest.mark.parametrize("engine", ["percona", "cloudnative-pg"])
def test_strict_validation_takes_what_is_rendered(cluster: Cluster, namespace: str, engine: str) -> None:
    install_engines(cluster)
    adapter = next(found for name, found in ADAPTERS.items() if name == engine)
    copy: Manifest = {"copies": []}
    asked = wanted(engine, backup=copy)
    objects = (
        *adapter.render(asked),
        adapter.trigger(of(engine), "differential", "1"),
        *network.policies(replace(an_instance(), instance=asked.instance)),
        *adapter.restore(restored(asked, lives=True)),
        *adapter.restore(restored(asked, lives=False)),
    )
    for item in objects:
        body = placed(item, namespace)
        kind = plural_of(item)
        assert not isinstance(kind, str)
        group = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
        path = f"{group}/namespaces/{namespace}/{kind.plural}"
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        cluster.api.request("POST", path, body=body, query=query)
        broken = {**body, "spec": {**get_map(body, "spec"), "noSuchField": True}}
        if kind != CONFIG_MAP:
            with pytest.raises(ApiError, match="noSuchField"):
                cluster.api.request("POST", path, body=broken, query=query)


def restored(asked: EngineWanted, *, lives: bool) -> RestoreWanted:
    """A restore to a time."""
    database = Database("acme-db-1a2b3c", "acme-database", NOW, exact=True)
    return RestoreWanted(
        replace(asked, instance=replace(asked.instance, database=database)), "lost", lives
    )


def status_of(api: Api, namespace: str, name: str) -> Manifest:
    return get_map(api.get(INSTANCE_BACKUP, namespace, name), "status")


def test_percona_is_waited_for_and_makes_the_backups(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    install_engines(cluster)
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    run_operator(namespace, watch=(namespace,), extra=arguments(tmp_path))
    api.create(clustered(namespace, "percona"))
    found_good(cluster, namespace)
    wait_for(
        api,
        namespace,
        lambda body: "database cluster" in str(condition(body, "Reconciling").get("message")),
        what="the database to be waited for",
    )
    assert not api.list("batch/v1/jobs", namespace)
    with playing(Simulator(api, namespace, NOWHERE)) as engine:
        body = wait_applied(api, namespace)
        assert condition(body, "EngineVerified")["status"] == "False"
        assert condition(body, "BackupPolicySatisfied")["status"] == "True"
        until(lambda: "database ready in 3 zones" in highly_available(api, namespace), "zones told")
        # The first full backup is owed, and asked for once.
        until(lambda: states(api, namespace) == ["Succeeded"], "the first backup", seconds=SECONDS)
        engine.schedule("acme-database", "differential")
        until(lambda: states(api, namespace) == ["Succeeded"] * 2, "the engine's own", seconds=SECONDS)

        api.create(ordered(namespace, "before-change", "Differential"))
        until(lambda: status_of(api, namespace, "before-change").get("state") == "Completed", "an order")
        done = status_of(api, namespace, "before-change")
        assert done["sizeBytes"] == 19_000_000
        assert done["newestPoint"] == done["startedAt"]
        assert str(done["label"]).endswith("D")

        engine.failing = "no space left in the repository"
        api.create(ordered(namespace, "fails", "Full"))
        until(lambda: status_of(api, namespace, "fails").get("state") == "Failed", "a failed order")
        assert status_of(api, namespace, "fails")["reason"] == "BackupFailed"
        assert status_of(api, namespace, "fails")["message"] == "no space left in the repository"

        api.create(ordered(namespace, "of-nobody", "Full", of="nobody"))
        until(lambda: status_of(api, namespace, "of-nobody").get("reason") == "UnknownInstance", "a refusal")
        engine.fail_over("acme-database")
        until(lambda: primary(api, namespace) == ["acme-database-db-0001-0"], "another primary")
    assert api.find(PERCONA_CLUSTER, namespace, "acme-database") is not None


def test_what_others_change_in_the_cluster_is_undone_and_it_outlives_the_instance(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    install_engines(cluster)
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    run_operator(namespace, watch=(namespace,), extra=arguments(tmp_path))
    api.create(clustered(namespace, "cloudnative-pg"))
    found_good(cluster, namespace)
    with playing(Simulator(api, namespace, NOWHERE)):
        body = wait_applied(api, namespace)
        assert condition(body, "BackupPolicySatisfied")["reason"] == "DifferentialUnsupported"
        until(lambda: bool(api.list(CNPG_BACKUP, namespace)), "the first backup")
        change: Manifest = {"spec": {"postgresql": {"synchronous": {"dataDurability": "preferred"}}}}
        api.patch(CNPG_CLUSTER, namespace, "acme-database", change, manager="somebody")
        until(lambda: durability(api, namespace) == "required", "the repair")
        api.create(ordered(namespace, "differential", "Differential"))
        until(
            lambda: status_of(api, namespace, "differential").get("reason") == "DifferentialUnsupported",
            "a refusal",
        )
        api.patch(INSTANCE, namespace, "acme", {"spec": {"deletion": {"policy": "Orphan"}}})
        api.delete(INSTANCE, namespace, "acme")
        until(
            lambda: api.find(INSTANCE, namespace, "acme") is None,
            "the end of the instance",
        )
    assert api.find(CNPG_CLUSTER, namespace, "acme-database") is not None
    assert api.find(CNPG_SCHEDULE, namespace, "acme-full") is not None
    assert api.find("v1/secrets", namespace, "acme-database-monitor") is not None


def test_what_others_delete_is_made_again_and_what_is_over_goes(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    install_engines(cluster)
    clock = tmp_path / "clock.json"
    clock.write_text('{"steps": []}')
    names = {"percona": make_namespace(labels=SIMULATED), "cloudnative-pg": make_namespace(labels=SIMULATED)}
    api, spaces = cluster.api, tuple(names.values())
    run_operator(spaces[0], watch=spaces, extra=(*arguments(tmp_path), f"--test-clock={clock}"))
    for engine, namespace in names.items():
        api.create(clustered(namespace, engine))
        found_good(cluster, namespace)
        api.create(ordered(namespace, "once", "Full"))
    with contextlib.ExitStack() as stack:
        for namespace in spaces:
            stack.enter_context(playing(Simulator(api, namespace, NOWHERE)))
        for engine, namespace in names.items():
            wait_applied(api, namespace)
            until(partial(has_ended, api, namespace), "the order done")
            for kind, name in LASTING[engine]:
                before = get_str(api.get(kind, namespace, name), "metadata", "uid")
                api.delete(kind, namespace, name)
                until(partial(is_another, api, kind, namespace, name, before), f"{kind.kind} made again")
        # An order may go in any pass after the step of the clock.
        made = {name: str(status_of(api, space, "once")["object"]) for name, space in names.items()}
        later = datetime.now(UTC) + timedelta(days=15)
        step: Manifest = {"since": rfc3339(datetime.now(UTC)), "becomes": later.isoformat()}
        clock.write_text(json.dumps({"steps": [step]}))
        for engine, namespace in names.items():
            backup = PERCONA_BACKUP if engine == "percona" else CNPG_BACKUP
            api.patch(INSTANCE, namespace, "acme", {"metadata": {"annotations": {"tests/turned": "true"}}})
            until(partial(is_gone, api, INSTANCE_BACKUP, namespace, "once"), "the order gone")
            assert is_gone(api, backup, namespace, made[engine])


LASTING: dict[str, tuple[tuple[Kind, str], ...]] = {
    "percona": ((PERCONA_CLUSTER, "acme-database"),),
    "cloudnative-pg": (
        (CNPG_CLUSTER, "acme-database"),
        (CNPG_SCHEDULE, "acme-full"),
        (BARMAN_STORE, "acme-database"),
    ),
}


def has_ended(api: Api, namespace: str) -> bool:
    return status_of(api, namespace, "once").get("state") == "Completed"


def is_gone(api: Api, kind: Kind, namespace: str, name: str) -> bool:
    return api.find(kind, namespace, name) is None


def is_another(api: Api, kind: Kind, namespace: str, name: str, before: str) -> bool:
    found = api.find(kind, namespace, name)
    return found is not None and get_str(found, "metadata", "uid") != before


def durability(api: Api, namespace: str) -> str:
    return get_str(
        api.get(CNPG_CLUSTER, namespace, "acme-database"),
        "spec",
        "postgresql",
        "synchronous",
        "dataDurability",
    )


def highly_available(api: Api, namespace: str) -> str:
    body = api.get(INSTANCE, namespace, "acme")
    found = condition(body, "HighlyAvailable")
    return get_str(found, "message")


def states(api: Api, namespace: str) -> list[str]:
    return [get_str(item, "status", "state") for item in api.list(PERCONA_BACKUP, namespace)]


def primary(api: Api, namespace: str) -> list[str]:
    role = "postgres-operator.crunchydata.com/role=primary"
    return [get_str(pod, "metadata", "name") for pod in api.list("v1/pods", namespace, labels=role)]

