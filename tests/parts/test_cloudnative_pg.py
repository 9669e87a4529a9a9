"""The objects of CloudNativePG: their content, and that its definitions take them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import NOW, body, instance, valid
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.contract.recovery.rendering import rendering
from dedicated.contract.recovery.schedule import parse_schedule
from dedicated.parts.database.cloudnative_pg import GAPS, CloudNativeWanted, backup, objects, server_name
from parts.upstream import refused, schema_of

WANTED = CloudNativeWanted(
    instance(),
    image="images.example.test/postgresql:18",
    storage="20Gi",
    storage_class="fast",
    bucket_path="s3://acme-backup/backups",
    endpoint="https://s3.eu-central-2.amazonaws.com",
    secret="acme-repository",
    full=rendering(parse_schedule("0 1 * * *"), "Europe/Zurich", now=NOW),
    archive_interval=timedelta(seconds=60),
    recovery_window=timedelta(days=14),
)
PROJECTS = {"ObjectStore": "barman-cloud"}


def made(wanted: CloudNativeWanted = WANTED) -> dict[str, Manifest]:
    return {get_str(item, "kind"): item for item in objects(wanted)}


@pytest.mark.parametrize("storage_class", ["fast", None])
def test_the_definitions_take_what_is_rendered(storage_class: str | None) -> None:
    for item in (*objects(replace(WANTED, storage_class=storage_class)), backup(instance(), mark="1")):
        kind = get_str(item, "kind")
        schema = schema_of(PROJECTS.get(kind, "cloudnative-pg"), kind)
        assert list(refused(item, schema)) == []


def test_each_incarnation_is_a_server_of_its_own_and_outlives_its_instance() -> None:
    other = valid(body(uid="another"))
    assert server_name(other) != server_name(WANTED.instance)
    (plugin,) = get_list(made()["Cluster"], "spec", "plugins")
    assert get_map(plugin, "parameters") == {
        "barmanObjectName": "acme-database",
        "serverName": server_name(WANTED.instance),
    }
    assert all("ownerReferences" not in get_map(item, "metadata") for item in objects(WANTED))


def test_a_commit_is_acknowledged_and_a_quorum_decides_the_failover() -> None:
    synchronous = get_map(made()["Cluster"], "spec", "postgresql", "synchronous")
    assert (synchronous["dataDurability"], synchronous["failoverQuorum"]) == ("required", True)
    assert "backup" not in get_map(made()["Cluster"], "spec")


def test_the_schedule_has_six_fields_and_backups_outlive_it() -> None:
    schedule = get_map(made()["ScheduledBackup"], "spec")
    assert schedule["schedule"] == "0 0 0 * * *"
    assert schedule["backupOwnerReference"] == "none"
    assert get_map(made()["ObjectStore"], "spec")["retentionPolicy"] == "14d"


def test_what_the_engine_cannot_do_is_declared() -> None:
    assert [code for code, _ in GAPS] == [
        "DifferentialUnsupported",
        "ServerSideEncryptionOnly",
        "SlowNodeLoss",
    ]
