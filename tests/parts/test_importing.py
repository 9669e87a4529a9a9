"""The Job of an import: who it is, what it may, and that nothing of one database is taken for the other's."""

from dataclasses import replace

import pytest

from api.source_examples import SOURCES
from builders import UID, clustered, containers, instance, named
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, JOB, NETWORK_POLICY, ROLE
from dedicated.api.resource import Instance
from dedicated.contract.transfer.import_report import MANAGER
from dedicated.parts.import_programs import SCRIPT
from dedicated.parts.importing import COMPONENT, ImportWanted, is_report, manifests

NAME = "acme-import"


def wanted(kind: str = "database", of: Instance | None = None) -> ImportWanted:
    more: Manifest = {**SOURCES[kind]}
    found = of or instance("acme", **more)
    assert found.spec.from_ is not None
    source = found.spec.from_.export or found.spec.from_.database
    assert source is not None
    return ImportWanted(found, source, "images.example.test/operator:1", "v4.15.2", "Dsn", 5433)


def job(of: ImportWanted) -> Manifest:
    return named([*manifests(of)], JOB.kind, NAME)


def variables(of: ImportWanted) -> dict[str, Manifest]:
    (found, *others) = [
        {get_str(item, "name"): get_map(item) for item in get_list(one, "env")}
        for one in containers(get_map(job(of), "spec", "template"))
    ]
    assert all(other == found for other in others)
    return found


@pytest.mark.parametrize("kind", ["export", "database"])
def test_all_of_it_is_the_instances_and_the_job_comes_last(kind: str) -> None:
    made = manifests(wanted(kind))
    assert get_str(made[-1], "kind") == JOB.kind
    for manifest in made:
        (owner,) = get_list(manifest, "metadata", "ownerReferences")
        assert get_str(owner, "uid") == UID
        assert get_str(manifest, "metadata", "name").startswith(NAME)
    (rule,) = get_list(named([*made], ROLE.kind, NAME), "rules")
    assert (get_list(rule, "resourceNames"), get_list(rule, "verbs")) == ([NAME], ["get", "patch"])
    assert named([*made], CONFIG_MAP.kind, NAME).get("data") is None


def test_each_database_has_names_of_its_own() -> None:
    assert set(variables(wanted())) == {"IMPORT_DSN", "TARGET_DSN"}
    more: Manifest = {**clustered("percona"), **SOURCES["database"]}
    fields = variables(wanted(of=instance("acme", **more)))
    assert set(fields) == {"IMPORT_DSN"} | {
        f"TARGET_PG{name}" for name in ("HOST", "PORT", "DATABASE", "USER", "PASSWORD", "SSLMODE")
    }
    assert get_str(fields["TARGET_PGSSLMODE"], "value") == "require"
    # What libpq reads by itself is set by the script alone, for one program at a time.
    assert "unset PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE" in SCRIPT


def test_it_comes_to_the_engines_servers_and_to_nothing_that_comes_in() -> None:
    more: Manifest = {**clustered("percona"), **SOURCES["export"]}
    made = [*manifests(wanted("export", instance("acme", **more)))]
    own = get_map(named(made, NETWORK_POLICY.kind, NAME), "spec")
    assert "ingress" not in own
    assert get_list(own, "policyTypes") == ["Ingress", "Egress"]
    way_in = get_map(named(made, NETWORK_POLICY.kind, f"{NAME}-target"), "spec", "podSelector", "matchLabels")
    assert set(way_in.values()) == {"acme-database"}
    external = [get_str(item, "metadata", "name") for item in manifests(wanted())]
    assert f"{NAME}-target" not in external


def test_only_the_programs_user_differs_between_the_engines_images_and_others() -> None:
    (programs,) = get_list(job(wanted()), "spec", "template", "spec", "initContainers")
    assert get_map(programs, "securityContext")["runAsUser"] == 999
    more: Manifest = {**clustered("percona"), **SOURCES["database"]}
    engine = replace(wanted(of=instance("acme", **more)))
    (programs,) = get_list(job(engine), "spec", "template", "spec", "initContainers")
    assert get_map(programs, "securityContext")["runAsUser"] == 26


def test_only_its_own_word_in_its_record_is_no_modification() -> None:
    word: Manifest = {"f:data": {".": {}, "f:report": {}}}
    assert is_report(COMPONENT, MANAGER, word)
    assert not is_report(COMPONENT, "kubectl", word)
    assert not is_report("server", MANAGER, word)
    assert not is_report(COMPONENT, MANAGER, {"f:data": {"f:other": {}}})
    assert not is_report(COMPONENT, MANAGER, {**word, "f:metadata": {}})
