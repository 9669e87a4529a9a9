"""The recovery agent's objects: what it may do, what it reads, and what is never in them."""

import argparse
from dataclasses import replace

import pytest

from builders import BUCKET, UID, body, clustered, containers, instance, named, spec, valid, walk
from contract.test_recovery_report import FULL
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.cli.agent_arguments import add_recovery_arguments, recovery_settings_of
from dedicated.contract.recovery.objectives import CONTRACT
from dedicated.contract.recovery.report import MANAGER, to_json
from dedicated.parts.recovery_agent import (
    COMPONENT,
    AgentWanted,
    is_report,
    kept_of,
    manifests,
    record,
    record_name,
)
from dedicated.parts.recovery_source import source_of


def managed(engine: str = "percona", **changes: JsonValue) -> AgentWanted:
    found = valid({**body(), "spec": spec(**clustered(engine, **changes))})
    source = source_of(found, connected=True)
    assert source is not None
    return AgentWanted(found, "images.example.test/operator:1", source, CONTRACT)


MADE = list(manifests(managed()))


def container() -> Manifest:
    template = get_map(named(MADE, "Deployment", "acme-recovery"), "spec", "template")
    (found,) = containers(template)
    return found


def test_what_it_is_made_of() -> None:
    assert [f"{item['kind']}/{get_str(item, 'metadata', 'name')}" for item in MADE] == [
        "ConfigMap/acme-recovery",
        "ConfigMap/acme-recovery-settings",
        "ServiceAccount/acme-recovery",
        "Role/acme-recovery",
        "RoleBinding/acme-recovery",
        "NetworkPolicy/acme-recovery",
        "Deployment/acme-recovery",
        "Service/acme-recovery-members",
    ]


def test_it_may_read_and_write_its_record_and_nothing_else() -> None:
    assert named(MADE, "Role", "acme-recovery")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["acme-recovery"],
            "verbs": ["get", "patch"],
        }
    ]
    binding = named(MADE, "RoleBinding", "acme-recovery")
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "acme-recovery", "namespace": "acme-ns"}
    ]


def test_the_record_is_made_empty() -> None:
    assert "data" not in record(instance())
    assert record_name("acme") == get_str(record(instance()), "metadata", "name")


def test_there_is_one_and_never_two_and_it_meets_pod_security_restricted() -> None:
    deployment = get_map(named(MADE, "Deployment", "acme-recovery"), "spec")
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    pod = get_map(deployment, "template", "spec")
    assert get_map(pod, "securityContext")["runAsNonRoot"] is True
    assert get_map(container(), "securityContext") == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert get_str(container(), "resources", "requests", "memory") == "80Mi"


def test_the_agent_understands_what_it_is_started_with() -> None:
    parser = argparse.ArgumentParser()
    environment = {"PGBACKREST_REPO1_S3_KEY": "k", "HOME": "/"}
    add_recovery_arguments(parser, environment=environment)
    words = [str(word) for word in get_list(container(), "args")]
    assert words[:2] == ["agent", "recovery"]
    found = recovery_settings_of(parser.parse_args(words[2:]), environment=environment)
    assert (found.instance, found.namespace, found.incarnation) == ("acme", "acme-ns", UID)
    assert found.record == record_name("acme")
    assert found.objectives == CONTRACT
    assert found.stanza == "db"
    assert found.environment == {"PGBACKREST_REPO1_S3_KEY": "k"}
    assert "'k'" not in repr(found)
    ports = get_list(container(), "ports")
    assert [get_map(port)["containerPort"] for port in ports] == [found.http_address[1]]


def test_credentials_come_by_reference_to_secrets_alone() -> None:
    entries = [as_manifest(entry) for entry in get_list(container(), "env")]
    assert all(set(entry) == {"name", "valueFrom"} for entry in entries)
    assert [get_str(entry, "name") for entry in entries] == [
        "PGHOST",
        "PGPORT",
        "PGUSER",
        "PGPASSWORD",
        "PGBACKREST_REPO1_S3_KEY",
        "PGBACKREST_REPO1_S3_KEY_SECRET",
        "PGBACKREST_REPO1_CIPHER_PASS",
    ]
    references = {get_str(entry, "valueFrom", "secretKeyRef", "name") for entry in entries}
    assert references == {"acme-database-pguser-dedicated-monitor", "repository", "passphrase"}


def test_the_repository_is_the_incarnations_own() -> None:
    text = get_str(named(MADE, "ConfigMap", "acme-recovery-settings"), "data", "pgbackrest.conf")
    assert text.splitlines() == [
        "[global]",
        "repo1-type=s3",
        f"repo1-path=/backups/acme-ns/acme/{UID}",
        "repo1-s3-bucket=acme-backup",
        "repo1-s3-endpoint=s3.eu-central-2.amazonaws.com",
        "repo1-s3-region=eu-central-2",
        "repo1-cipher-type=aes-256-cbc",
        "[db]",
    ]


def test_another_store_is_spoken_to_by_path_and_by_its_port() -> None:
    wanted = managed(backup={"repository": {"endpoint": "store.example.test:9000"}})
    made = list(manifests(wanted))
    text = get_str(named(made, "ConfigMap", "acme-recovery-settings"), "data", "pgbackrest.conf")
    assert "repo1-s3-uri-style=path\n" in text
    egress = get_list(named(made, "NetworkPolicy", "acme-recovery"), "spec", "egress")
    ports = [get_map(port)["port"] for rule in egress for port in get_list(rule, "ports")]
    assert ports == [53, 53, 443, 5432, 6443, 9000]


def test_settings_that_change_start_it_anew() -> None:
    def template(wanted: AgentWanted) -> Manifest:
        return get_map(named(list(manifests(wanted)), "Deployment", "acme-recovery"), "spec", "template")

    wanted = managed()
    other = replace(wanted, source=replace(wanted.source, configuration="other"))
    assert template(wanted) == template(managed())
    assert template(wanted) != template(other)


@pytest.mark.parametrize(
    ("engine", "role", "primaries"),
    [
        ("cloudnative-pg", "cnpg.io/instanceRole", ["primary"]),
        ("percona", "postgres-operator.crunchydata.com/role", ["master", "primary"]),
    ],
)
def test_it_keeps_away_from_the_primary(engine: str, role: str, primaries: list[JsonValue]) -> None:
    wanted = managed(engine)
    found = named(list(manifests(wanted)), "Deployment", "acme-recovery")
    pod = get_map(found, "spec", "template", "spec")
    left = {get_str(one, "key"): get_map(one)["tolerationSeconds"] for one in get_list(pod, "tolerations")}
    assert left == {"node.kubernetes.io/not-ready": 10, "node.kubernetes.io/unreachable": 10}
    away = get_map(pod, "affinity", "podAntiAffinity")
    (one,) = get_list(away, "preferredDuringSchedulingIgnoredDuringExecution")
    term = get_map(one, "podAffinityTerm")
    assert term["topologyKey"] == "topology.kubernetes.io/zone"
    assert term["labelSelector"] == {
        "matchLabels": {**wanted.source.members},
        "matchExpressions": [{"key": role, "operator": "In", "values": primaries}],
    }


def test_without_an_engine_there_is_nothing_to_read() -> None:
    assert source_of(instance(), connected=True) is None


def test_where_backups_go_to_a_volume_first_their_copy_is_read() -> None:
    cipher: Manifest = {"clientSide": {"secretName": "passphrase"}}
    volume: Manifest = {"provider": "volume", "storage": {"size": "10Gi"}, "encryption": cipher}
    copy: Manifest = {**BUCKET, "bucket": "acme-copy", "secretName": "other"}
    copies: list[JsonValue] = [copy]
    of: Manifest = spec(**clustered(backup={"repository": volume, "copies": copies}))
    source = source_of(valid({**body(), "spec": of}), connected=False)
    assert source is not None
    assert "repo1-s3-bucket=acme-copy\n" in source.configuration
    assert f"repo1-path=/backups/acme-ns/acme/{UID}\n" in source.configuration
    named = {get_str(get_map(item), "name"): get_map(item, "valueFrom") for item in source.environment}
    assert get_str(named["PGBACKREST_REPO1_S3_KEY"], "secretKeyRef", "name") == "other"


def test_barmans_repository_is_named_by_its_server_and_the_primary_by_its_service() -> None:
    made = list(manifests(managed("cloudnative-pg")))
    (found,) = containers(get_map(named(made, "Deployment", "acme-recovery"), "spec", "template"))
    words = [str(word) for word in get_list(found, "args")]
    assert words[words.index("--barman-server") + 1] == f"acme-{UID}"
    assert "--stanza" not in words
    assert {"name": "PGHOST", "value": "acme-database-rw"} in get_list(found, "env")
    files = get_map(named(made, "ConfigMap", "acme-recovery-settings"), "data")
    assert set(files) == {"dsn", "stores.json"}


def test_the_record_is_read_as_it_was_written() -> None:
    made: Manifest = {
        "metadata": {"creationTimestamp": "2026-03-01T12:00:00Z"},
        "data": {"report": to_json(FULL), "samples": "[]"},
    }
    assert kept_of(made).report == FULL
    assert kept_of({**made, "data": {"report": "{"}}).report is None
    assert kept_of({}).made is None


REPORTED: Manifest = {"f:data": {".": {}, "f:report": {}, "f:samples": {}}}


@pytest.mark.parametrize(
    ("component", "manager", "fields", "expected"),
    [
        (COMPONENT, MANAGER, REPORTED, True),
        ("config", MANAGER, REPORTED, False),
        (COMPONENT, "kubectl-edit", REPORTED, False),
        (COMPONENT, MANAGER, {"f:data": {"f:other": {}}}, False),
        (COMPONENT, MANAGER, {**REPORTED, "f:metadata": {"f:labels": {}}}, False),
    ],
)
def test_only_its_own_word_in_the_record_is_no_modification(
    component: str, manager: str, fields: Manifest, expected: bool
) -> None:
    assert is_report(component, manager, fields) is expected


def test_nothing_is_named_after_an_empty_value() -> None:
    assert not [path for item in MADE for path, value in walk(item) if value is None]
