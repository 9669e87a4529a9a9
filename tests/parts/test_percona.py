"""The objects of the Percona operator: what is particular about them."""

import pytest

from builders import BUCKET
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.contract.recovery.repository import BackupKind
from dedicated.parts.database import receiver
from dedicated.parts.database.engine import CLIENTS_GONE, RunState
from dedicated.parts.database.percona import INIT_SQL, PERCONA, read_cluster, read_run, trigger
from parts.engine_examples import of, wanted
from parts.upstream import refused, schema_of

UID = "11111111-2222-3333-4444-555555555555"


def cluster(**changes: JsonValue) -> Manifest:
    return PERCONA.render(wanted("percona", **changes))[1]


def part(manifest: Manifest, *path: str) -> Manifest:
    return get_map(manifest, "spec", *path)


def test_what_strict_validation_refuses() -> None:
    schema: Manifest = {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "string", "enum": ["x"]},
            "c": {"type": "array", "items": {"type": "string", "pattern": "^y$"}},
            "d": {"type": "object", "additionalProperties": {"type": "string"}},
            "e": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    good: Manifest = {"a": 1, "b": "x", "c": ["y"], "d": {"any": "text"}, "e": {"any": 1}}
    assert list(refused(good, schema)) == []
    bad: Manifest = {"b": "z", "c": ["n"], "d": {"any": 1}, "f": 1}
    assert list(refused(bad, schema)) == [
        ".a: missing",
        ".b: 'z' is none of ['x']",
        ".c[0]: 'n' is not of form ^y$",
        ".d.any: not of type string",
        ".f: unknown field",
    ]
    assert list(refused({"a": True}, schema)) == [".a: not of type integer"]


def test_a_commit_is_acknowledged_by_another_zone_and_only_such_a_server_is_elected() -> None:
    made = cluster()
    patroni = part(made, "patroni")
    assert part(made, "patroni", "dynamicConfiguration")["synchronous_mode_strict"] is True
    assert (patroni["leaderLeaseDurationSeconds"], patroni["syncPeriodSeconds"]) == (20, 5)
    (servers,) = get_list(made, "spec", "instances")
    (apart,) = get_list(
        servers, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    assert get_str(apart, "topologyKey") == "topology.kubernetes.io/zone"


def test_backups_are_encrypted_small_and_on_the_contracts_times() -> None:
    options = part(cluster(), "backups", "pgbackrest", "global")
    assert options["repo1-path"] == f"/backups/acme-ns/acme/{UID}"
    assert options["repo1-cipher-type"] == "aes-256-cbc"
    assert (options["repo1-bundle"], options["repo1-block"]) == ("y", "y")
    assert "repo1-s3-uri-style" not in options
    (repository,) = get_list(cluster(), "spec", "backups", "pgbackrest", "repos")
    assert get_map(repository, "schedules") == {
        "full": "0 0 * * *",
        "differential": f"0 {','.join(map(str, range(1, 24)))} * * *",
    }
    parameters = part(cluster(), "patroni", "dynamicConfiguration", "postgresql", "parameters")
    silence = {"wal_sender_timeout": "10s", "wal_receiver_timeout": "10s"}
    assert parameters == {"archive_timeout": "60s", "max_connections": "120", **CLIENTS_GONE, **silence}


def test_the_stores_credentials_reach_pgbackrest_by_reference() -> None:
    wanted_names = {
        "PGBACKREST_REPO1_S3_KEY": ("repository", "access-key-id"),
        "PGBACKREST_REPO1_S3_KEY_SECRET": ("repository", "secret-access-key"),
        "PGBACKREST_REPO1_CIPHER_PASS": ("passphrase", "passphrase"),
    }
    (servers,) = get_list(cluster(), "spec", "instances")
    for entries in (get_list(servers, "env"), get_list(cluster(), "spec", "backups", "pgbackrest", "env")):
        found = {
            get_str(entry, "name"): (
                get_str(entry, "valueFrom", "secretKeyRef", "name"),
                get_str(entry, "valueFrom", "secretKeyRef", "key"),
            )
            for entry in entries
        }
        assert found == wanted_names


def test_a_copy_is_a_second_repository_and_a_store_of_ones_own_has_no_host_per_bucket() -> None:
    copy: Manifest = {
        "bucket": "second",
        "endpoint": "store.example.test:9000",
        "region": "eu-1",
        "secretName": "second",
        "encryption": {"serverSide": "AES256"},
    }
    made = cluster(backup={"copies": [copy]})
    options = part(made, "backups", "pgbackrest", "global")
    assert options["repo2-s3-uri-style"] == "path"
    assert "repo2-cipher-type" not in options
    assert [get_str(item, "name") for item in get_list(made, "spec", "backups", "pgbackrest", "repos")] == [
        "repo1",
        "repo2",
    ]


CIPHER: Manifest = {"clientSide": {"secretName": "passphrase"}}
VOLUME: Manifest = {
    "provider": "volume",
    "storage": {"size": "10Gi", "className": "fast"},
    "encryption": CIPHER,
}
COPIED: Manifest = {"repository": VOLUME, "copies": [BUCKET]}


def test_the_definitions_take_a_volume() -> None:
    made = cluster(backup=COPIED)
    assert list(refused(made, schema_of("percona-postgresql", "PerconaPGCluster"))) == []


def test_a_volume_is_the_engines_own_and_what_is_asked_for_goes_to_its_copy() -> None:
    found = get_map(cluster(backup=COPIED), "spec", "backups", "pgbackrest")
    first, second = (get_map(item) for item in get_list(found, "repos"))
    assert get_map(first, "volume", "volumeClaimSpec") == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
        "storageClassName": "fast",
    }
    assert (get_str(second, "s3", "bucket"), "s3" in first) == ("acme-backup", False)
    options = get_map(found, "global")
    assert ("repo1-path" in options, "repo2-path" in options) == (False, True)
    assert options["repo1-cipher-type"] == "aes-256-cbc"
    assert "repo1-s3-uri-style" not in options
    asked = trigger(of("percona", backup=COPIED), "differential", "x")
    assert get_str(asked, "spec", "repoName") == "repo2"
    assert get_str(trigger(of("percona"), "full", "x"), "spec", "repoName") == "repo1"


def test_the_agents_role_gets_what_it_reads_and_no_more() -> None:
    assert 'GRANT pg_monitor, pg_checkpoint TO "dedicated-monitor"' in INIT_SQL
    own, monitor = get_list(cluster(), "spec", "users")
    assert get_map(own)["options"] == "CONNECTION LIMIT 100"
    assert monitor == {"name": "dedicated-monitor"}
    assert INIT_SQL.endswith(receiver.SCRIPT)


def test_the_engines_word_on_its_cluster() -> None:
    status: Manifest = {"state": "initializing", "postgres": {"size": 3, "ready": 1}}
    found = read_cluster({"status": status})
    assert (found.ready, found.servers, found.ready_servers) == (False, 3, 1)
    assert read_cluster({"status": {**status, "state": "ready"}}).ready
    assert read_cluster({"status": {"state": "paused"}}).paused


@pytest.mark.parametrize(
    ("state", "expected"),
    [("Starting", "Pending"), ("Running", "Running"), ("Succeeded", "Completed"), ("Failed", "Failed")],
)
def test_states_of_a_backup(state: str, expected: RunState) -> None:
    ended = expected in ("Completed", "Failed")
    made = trigger(of("percona"), "differential", "1")
    get_map(made, "metadata")["creationTimestamp"] = "2026-03-01T12:00:00Z"
    done: Manifest = {"completed": "2026-03-01T12:01:00Z", "size": 7, "backupName": "a"} if ended else {}
    found = read_run({**made, "status": {"state": state, "backupType": "diff", **done}})
    assert found is not None
    assert (found.state, found.kind, found.run.finished is not None) == (expected, "differential", ended)
    assert found.run.failed == (state == "Failed")


@pytest.mark.parametrize(("told", "kind"), [("full", "full"), ("differential", "differential")])
def test_the_engines_own_schedule_writes_the_kind_out(told: str, kind: BackupKind) -> None:
    made = trigger(of("percona"), "full", "1")
    get_map(made, "metadata")["creationTimestamp"] = "2026-03-01T12:00:00Z"
    part(made)["options"] = [f"--type={told}"]
    found = read_run(made)
    assert found is not None
    assert found.kind == kind


def test_what_has_no_kind_that_is_known_is_left_out() -> None:
    assert read_run({"metadata": {"creationTimestamp": "2026-03-01T12:00:00Z"}}) is None
