"""The objects of CloudNativePG: what is particular about them."""

from dataclasses import replace
from pathlib import Path

import pytest

from builders import NOW
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.resource import Database
from dedicated.parts.database import receiver
from dedicated.parts.database.cloudnative_pg import (
    CLOUDNATIVE_PG,
    HEALTHY,
    RESTORED_AT_ONCE,
    read_cluster,
    read_run,
    server_name,
    trigger,
)
from dedicated.parts.database.engine import SPARE_CONNECTIONS, RestoreWanted, RunState
from parts.engine_examples import of, rendered, wanted


def made() -> dict[str, Manifest]:
    return {get_str(item, "kind"): item for item in CLOUDNATIVE_PG.render(wanted("cloudnative-pg"))}


def test_each_incarnation_is_a_server_of_its_own() -> None:
    (plugin,) = get_list(made()["Cluster"], "spec", "plugins")
    assert get_map(plugin, "parameters") == {
        "barmanObjectName": "acme-database",
        "serverName": server_name(of("cloudnative-pg")),
    }
    assert of("cloudnative-pg").meta.uid in server_name(of("cloudnative-pg"))


def test_a_commit_is_acknowledged_and_a_quorum_decides_the_failover() -> None:
    synchronous = get_map(made()["Cluster"], "spec", "postgresql", "synchronous")
    assert (synchronous["dataDurability"], synchronous["failoverQuorum"]) == ("required", True)
    assert "backup" not in get_map(made()["Cluster"], "spec")


def test_a_new_cluster_can_end_a_receiver_that_connects_in_vain_and_no_export_carries_that() -> None:
    begun = get_map(made()["Cluster"], "spec", "bootstrap", "initdb")
    assert begun["postInitSQL"] == [*receiver.STATEMENTS]
    assert not any("$$" in one or "$(" in one for one in receiver.STATEMENTS)
    assert not begun.keys() & {"postInitApplicationSQL", "postInitTemplateSQL"}
    told = (Path(__file__).parents[2] / "docs" / "engines.md").read_text()
    assert f"```sql\n{receiver.SCRIPT}```" in told, "who has an older cluster is told the same"


def test_commits_that_wait_leave_the_spare_connections_to_who_brings_a_standby_back() -> None:
    _, role = get_list(made()["Cluster"], "spec", "managed", "roles")
    parameters = get_map(made()["Cluster"], "spec", "postgresql", "parameters")
    assert role == {"name": "zitadel", "ensure": "present", "login": True, "connectionLimit": 100}
    assert parameters["max_connections"] == str(100 + SPARE_CONNECTIONS)


def test_a_server_that_stops_does_not_wait_for_sessions_that_never_end() -> None:
    assert get_map(made()["Cluster"], "spec")["smartShutdownTimeout"] == 10


def test_the_schedule_has_six_fields_and_backups_outlive_it() -> None:
    schedule = get_map(made()["ScheduledBackup"], "spec")
    assert schedule["schedule"] == "0 0 0 * * *"
    assert schedule["backupOwnerReference"] == "none"


def test_the_store_is_encrypted_kept_and_told_its_region() -> None:
    store = get_map(made()["ObjectStore"], "spec")
    assert store["retentionPolicy"] == "14d"
    assert get_map(store, "configuration", "wal")["encryption"] == "AES256"
    assert get_list(store, "instanceSidecarConfiguration", "env") == [
        {"name": "AWS_DEFAULT_REGION", "value": "eu-central-2"}
    ]


def test_a_standby_asks_its_archive_for_one_file_at_a_time() -> None:
    store = get_map(made()["ObjectStore"], "spec", "configuration", "wal")
    assert store["maxParallel"] == 1, "more of them, not there yet, hold a failover up"


def test_a_restore_fetches_several_files_at_a_time() -> None:
    database = Database("acme-db-1a2b3c", "acme-database", NOW)
    engine = rendered(replace(of("cloudnative-pg"), database=database))
    *_, source = CLOUDNATIVE_PG.restore(RestoreWanted(engine, "lost", lives=False))
    assert get_map(source, "spec", "configuration", "wal")["maxParallel"] == RESTORED_AT_ONCE > 1


def test_the_agents_role_has_a_password_of_ours() -> None:
    role, _ = get_list(made()["Cluster"], "spec", "managed", "roles")
    assert get_list(role, "inRoles") == ["pg_monitor", "pg_checkpoint"]
    assert get_str(role, "passwordSecret", "name") == "acme-database-monitor"


def test_the_engines_word_on_its_cluster() -> None:
    status: Manifest = {
        "phase": "Failing over",
        "phaseReason": "b",
        "readyInstances": 2,
        "currentPrimary": "acme-database-2",
    }
    found = read_cluster({"spec": {"instances": 3}, "status": status})
    assert (found.ready, found.servers, found.ready_servers) == (False, 3, 2)
    assert (found.primary, found.message) == ("acme-database-2", "Failing over: b")
    assert read_cluster({"status": {"phase": HEALTHY}}).ready
    assert read_cluster({"metadata": {"annotations": {"cnpg.io/hibernation": "on"}}}).paused


@pytest.mark.parametrize(
    ("phase", "state"),
    [("pending", "Pending"), ("finalizing", "Running"), ("completed", "Completed"), ("failed", "Failed")],
)
def test_phases_of_a_backup(phase: str, state: RunState) -> None:
    asked = trigger(of("cloudnative-pg"), "differential", "1")
    get_map(asked, "metadata")["creationTimestamp"] = "2026-03-01T12:00:00Z"
    found = read_run({**asked, "status": {"phase": phase}})
    assert found is not None
    assert (found.state, found.kind) == (state, "full")


def test_a_volume_snapshot_is_no_backup_in_the_store() -> None:
    asked = trigger(of("cloudnative-pg"), "full", "1")
    get_map(asked, "metadata")["creationTimestamp"] = "2026-03-01T12:00:00Z"
    get_map(asked, "spec")["method"] = "volumeSnapshot"
    assert read_run(asked) is None
