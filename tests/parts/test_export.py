"""The export's manifests: one pod of two containers, references only, nothing of the instance's changed."""

import argparse
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from api.export_examples import DRILL, FULL, PHYSICAL
from builders import instance
from dedicated.api.instance_export import InstanceExportSpec
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.cli.export_arguments import add_export_arguments, export_settings_of
from dedicated.contract.recovery.objectives import RecoveryObjectives
from dedicated.parts.database.engine import folder as folder_in
from dedicated.parts.database.engine import on_cluster
from dedicated.parts.export import ExportWanted, manifests, postgres_image, refs
from dedicated.parts.recovery_agent import AgentWanted
from dedicated.parts.recovery_agent import manifests as agent_manifests
from dedicated.parts.recovery_source import source_of
from parts.engine_examples import of


def wanted(found: Instance | None = None, **changes: str) -> ExportWanted:
    acme = found or of("percona")
    spec = InstanceExportSpec.model_validate(FULL)
    made = ExportWanted(
        instance=acme,
        order="out",
        uid="order-uid",
        spec=spec,
        image="operator:1",
        postgres=postgres_image(acme, spec),
        zitadel="v4.7.1",
        config="acme-config-1",
        form="Dsn",
        port=5432,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def pod(made: ExportWanted) -> Manifest:
    return get_map(manifests(made)[-1], "spec", "template", "spec")


@pytest.mark.parametrize("engine", ["percona", "cloudnative-pg", "external"])
def test_all_that_is_made_is_owned_by_the_order_and_taken_away_after_it(engine: str) -> None:
    acme = instance() if engine == "external" else of(engine)
    made = manifests(wanted(acme))
    assert {ref_of(manifest) for manifest in made} <= set(refs(acme))
    owners = [get_list(manifest, "metadata", "ownerReferences") for manifest in made]
    assert {(len(found), get_str(found[0], "uid")) for found in owners} == {(1, "order-uid")}
    assert (engine == "external") == (len(made) == 6)


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (of("percona"), {"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE"}),
        (of("cloudnative-pg"), {"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE"}),
        (instance(), {"EXPORT_DSN"}),
    ],
)
def test_both_containers_are_told_where_the_source_is_by_reference(found: Instance, names: set[str]) -> None:
    spec = pod(wanted(found))
    programs, process = get_list(spec, "initContainers")[0], get_list(spec, "containers")[0]
    for container in (programs, process):
        env = get_list(container, "env")
        assert {get_str(item, "name") for item in env} == names
        plain = {get_str(item, "name") for item in env if get_str(item, "value")}
        assert plain <= {"PGSSLMODE"}
    assert (get_str(programs, "restartPolicy"), get_str(spec, "restartPolicy")) == ("Always", "OnFailure")
    assert get_str(programs, "image") == FULL["image"]


def test_the_programs_reach_neither_the_keys_nor_the_store_nor_the_api_server() -> None:
    spec = pod(wanted())
    programs = get_list(spec, "initContainers")[0]
    assert {get_str(mount, "name") for mount in get_list(programs, "volumeMounts")} == {"scratch", "tmp"}
    assert spec["automountServiceAccountToken"] is False


def test_the_source_lets_the_export_in_and_nobody_else() -> None:
    (way_in,) = [made for made in manifests(wanted()) if ref_of(made).name.endswith("-source")]
    (rule,) = get_list(way_in, "spec", "ingress")
    (who,) = get_list(rule, "from")
    labels = get_map(who, "podSelector", "matchLabels")
    pods = get_map(manifests(wanted())[-1], "spec", "template", "metadata", "labels")
    assert labels.items() <= pods.items()
    assert get_str(labels, "app.kubernetes.io/component") == "export"
    assert [get_int(port, "port") for port in get_list(rule, "ports")] == [5432]


def test_the_image_is_the_engines_unless_another_is_named() -> None:
    spec = InstanceExportSpec.model_validate({name: v for name, v in FULL.items() if name != "image"})
    acme = of("percona")
    assert acme.spec.database.cluster is not None
    assert postgres_image(acme, spec) == acme.spec.database.cluster.image
    assert postgres_image(instance(), spec) == ""


def test_its_arguments_are_those_that_the_process_takes() -> None:
    parser = argparse.ArgumentParser()
    add_export_arguments(parser, environment={})
    arguments = [str(item) for item in get_list(get_list(pod(wanted()), "containers")[0], "args")]
    assert arguments[:2] == ["agent", "export"]
    settings = export_settings_of(parser.parse_args(arguments[2:]), environment={"EXPORT_DSN": "a"})
    assert (settings.export, settings.record, settings.zitadel) == ("order-uid", "acme-export", "v4.7.1")
    assert settings.folder == f"out/{of('percona').namespace}/acme/out"
    assert settings.connection == "a"
    assert settings.masterkey == "acme-masterkey/masterkey"
    assert settings.secrets == ("acme-masterkey", "acme-operator-key", "acme-login-key")


def test_what_is_packed_lies_as_the_key_bundle_has_it() -> None:
    (volume,) = [one for one in get_list(pod(wanted()), "volumes") if get_str(one, "name") == "keys"]
    sources = [get_map(one) for one in get_list(volume, "projected", "sources")]
    found = {
        get_str(item, "path")
        for source in sources
        for kind in source
        for item in get_list(source, kind, "items")
    }
    assert found == {
        "secrets/acme-masterkey/masterkey",
        *(f"secrets/acme-operator-key/{half}.pem" for half in ("private", "public")),
        *(f"secrets/acme-login-key/{half}.pem" for half in ("private", "public")),
        *(f"configmaps/acme-identity/{key}" for key in ("salt", "masterkey")),
        *(f"configmaps/acme-config-1/{name}.yaml" for name in ("zitadel", "steps")),
    }


def test_after_a_restore_the_source_is_the_database_in_use() -> None:
    acme = on_cluster(of("percona"), "acme-db-r-abc123")
    made = manifests(wanted(acme))
    (way_in,) = [one for one in made if ref_of(one).name.endswith("-source")]
    assert "acme-db-r-abc123" in get_map(way_in, "spec", "podSelector", "matchLabels").values()
    env = get_list(get_list(pod(wanted(acme)), "containers")[0], "env")
    secrets = {get_str(one, "valueFrom", "secretKeyRef", "name") for one in env}
    assert "acme-db-r-abc123-pguser-zitadel" in secrets


def physical(found: Instance | None = None) -> ExportWanted:
    return replace(wanted(found or of("percona")), spec=InstanceExportSpec.model_validate(PHYSICAL))


def test_a_physical_export_asks_no_database_and_needs_no_volume() -> None:
    made = physical()
    spec, agent = pod(made), source_of(made.instance, connected=False)
    assert agent is not None
    assert get_list(spec, "initContainers") == []
    (process,) = get_list(spec, "containers")
    assert get_list(process, "env") == [*agent.environment]
    assert not [manifest for manifest in manifests(made) if ref_of(manifest).name.endswith("-source")]
    (scratch,) = [one for one in get_list(spec, "volumes") if get_str(one, "name") == "scratch"]
    assert scratch == {"name": "scratch", "emptyDir": {}}


def test_a_physical_export_reads_the_repository_as_the_recovery_agent_does() -> None:
    made = physical()
    spec, backup = pod(made), made.instance.spec.backup
    (process,) = get_list(spec, "containers")
    parser = argparse.ArgumentParser()
    add_export_arguments(parser, environment={})
    options = parser.parse_args([str(item) for item in get_list(process, "args")[2:]])
    found = export_settings_of(options, environment={"PGBACKREST_REPO1_S3_KEY": "k", "HOME": "/"})
    assert found.repository is not None
    assert backup is not None
    place, access = backup.repository, found.repository.access
    assert (found.repository.bucket, access.endpoint, access.region) == (
        place.bucket, place.endpoint, place.region
    )  # fmt: skip
    assert f"/{found.repository.folder}" == folder_in(made.instance, place)
    assert (found.repository.stanza, found.repository.valid_for) == ("db", timedelta(hours=24))
    assert found.repository.environment == {"PGBACKREST_REPO1_S3_KEY": "k"}
    mounted = get_list(process, "volumeMounts")
    mounts = {get_str(mount, "name"): get_str(mount, "mountPath") for mount in mounted}
    volumes = {get_str(volume, "name"): get_map(volume) for volume in get_list(spec, "volumes")}
    assert mounts["repository"] == str(access.credentials)
    assert get_str(volumes["repository"], "secret", "secretName") == place.secret_name
    assert str(found.repository.configuration) == f"{mounts['settings']}/pgbackrest.conf"


def test_its_configuration_is_the_one_of_the_recovery_agent() -> None:
    made = physical()
    agent = source_of(made.instance, connected=False)
    assert agent is not None
    (name,) = [
        get_str(volume, "configMap", "name")
        for volume in get_list(pod(made), "volumes")
        if get_str(volume, "name") == "settings"
    ]
    every = agent_manifests(AgentWanted(made.instance, "operator:1", agent, RecoveryObjectives()))
    (settings,) = [manifest for manifest in every if ref_of(manifest) == Ref("ConfigMap", name)]
    assert "[db]" in get_str(settings, "data", "pgbackrest.conf")


def test_the_passphrase_of_the_repository_goes_with_a_physical_export_alone() -> None:
    acme = of("percona")
    assert acme.spec.backup is not None
    cipher = acme.spec.backup.repository.encryption.client_side
    assert cipher is not None
    packed = f"secrets/{cipher.secret_name}/passphrase"
    assert packed in json.dumps(pod(physical()))
    assert f"--secret={cipher.secret_name}" in json.dumps(pod(physical()))
    assert packed not in json.dumps(pod(wanted()))


def test_a_drill_has_neither_keys_nor_a_store_and_ends_with_the_proof() -> None:
    made = replace(wanted(), spec=InstanceExportSpec.model_validate(DRILL))
    spec = pod(made)
    (process,) = get_list(spec, "containers")
    few = {"scratch", "token", "tmp"}
    assert {get_str(volume, "name") for volume in get_list(spec, "volumes")} == few
    assert {get_str(mount, "name") for mount in get_list(process, "volumeMounts")} == few
    assert "masterkey" not in json.dumps(spec)
    parser = argparse.ArgumentParser()
    add_export_arguments(parser, environment={})
    options = parser.parse_args([str(item) for item in get_list(process, "args")[2:]])
    settings = export_settings_of(options, environment={})
    assert (settings.bucket, settings.recipient, settings.secrets) == ("", "", ())
    (own,) = [one for one in manifests(made) if get_list(one, "spec", "egress")]
    rules = get_list(own, "spec", "egress")
    assert {get_int(port, "port") for rule in rules for port in get_list(rule, "ports")} == {
        53,
        443,
        5432,
        6443,
    }


def test_nothing_in_the_manifests_is_secret() -> None:
    text = json.dumps([*manifests(wanted()), *manifests(wanted(instance())), *manifests(physical())])
    assert "stringData" not in text
    assert "postgresql://" not in text
