"""The objects of the Percona operator: their content, and that its definitions take them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import NOW, UID, body, instance, valid
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.contract.recovery.rendering import rendering
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.recovery.schedule import parse_schedule
from dedicated.parts.database.percona import Bucket, PerconaWanted, backup, cluster, repository_path
from parts.upstream import refused, schema_of

ZONE = "Europe/Zurich"
INSTANCE = instance()
WANTED = PerconaWanted(
    INSTANCE,
    postgres_version=18,
    engine_version="3.0.0",
    image="images.example.test/postgres:18",
    backup_image="images.example.test/pgbackrest:2.58.0",
    storage="20Gi",
    storage_class="fast",
    bucket=Bucket("acme-backup", "s3.eu-central-2.amazonaws.com", "eu-central-2", "/backups/"),
    secret="acme-repository",
    full=rendering(parse_schedule("0 1 * * *"), ZONE, now=NOW),
    differential=rendering(parse_schedule("0 0,2-23 * * *"), ZONE, now=NOW),
    archive_interval=timedelta(seconds=60),
)


def part(manifest: Manifest, *path: str) -> Manifest:
    return get_map(manifest, "spec", *path)


def test_the_cluster_is_as_the_engines_definition_wants_it() -> None:
    assert list(refused(cluster(WANTED), schema_of("percona-postgresql", "PerconaPGCluster"))) == []
    bare = replace(WANTED, storage_class=None)
    assert list(refused(cluster(bare), schema_of("percona-postgresql", "PerconaPGCluster"))) == []


@pytest.mark.parametrize("kind", ["full", "differential", "incremental"])
def test_so_is_a_backup(kind: BackupKind) -> None:
    made = backup(INSTANCE, kind, mark="1")
    assert list(refused(made, schema_of("percona-postgresql", "PerconaPGBackup"))) == []


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


def test_it_outlives_the_instance_and_has_a_path_of_its_own() -> None:
    made = cluster(WANTED)
    assert "ownerReferences" not in get_map(made, "metadata")
    assert repository_path(WANTED) == f"/backups/acme-ns/acme/{UID}"
    again = replace(WANTED, instance=valid(body(uid="another")))
    assert repository_path(again) != repository_path(WANTED)
    assert part(made, "backups", "pgbackrest", "global")["repo1-path"] == repository_path(WANTED)


def test_a_commit_is_acknowledged_by_another_zone_and_only_such_a_server_is_elected() -> None:
    made = cluster(WANTED)
    patroni = part(made, "patroni")
    assert part(made, "patroni", "dynamicConfiguration")["synchronous_mode_strict"] is True
    worst = patroni["leaderLeaseDurationSeconds"], patroni["syncPeriodSeconds"]
    assert worst == (20, 5)
    (servers,) = get_list(made, "spec", "instances")
    (apart,) = get_list(
        servers, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    assert get_str(apart, "topologyKey") == "topology.kubernetes.io/zone"


def test_backups_are_encrypted_small_and_on_the_contracts_times() -> None:
    made = cluster(WANTED)
    options = part(made, "backups", "pgbackrest", "global")
    assert options["repo1-cipher-type"] == "aes-256-cbc"
    assert (options["repo1-bundle"], options["repo1-block"]) == ("y", "y")
    (repository,) = get_list(made, "spec", "backups", "pgbackrest", "repos")
    assert get_map(repository, "schedules") == {
        "full": "0 0 * * *",
        "differential": f"0 {','.join(map(str, range(1, 24)))} * * *",
    }
    parameters = part(made, "patroni", "dynamicConfiguration", "postgresql", "parameters")
    assert parameters == {"archive_timeout": "60s"}


def test_asking_twice_asks_for_one_backup() -> None:
    one, again = (backup(INSTANCE, "differential", mark="1") for _ in range(2))
    assert one == again
    assert get_map(one, "spec") == {
        "pgCluster": "acme-database",
        "repoName": "repo1",
        "options": ["--type=diff"],
    }
    assert get_map(backup(INSTANCE, "full", mark="1"), "metadata")["name"] == "acme-full-1"
