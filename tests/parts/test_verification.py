"""The verification: what its Job may do and reach, what the copy may reach, and what is never in them."""

import argparse
from dataclasses import replace

from builders import UID, body, clustered, containers, named, spec, valid, walk
from contract.recovery_facts import second
from contract.test_recovery_proof import GOOD
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.cli.agent_arguments import add_verify_arguments, verify_settings_of
from dedicated.contract.recovery.proof import MANAGER, VERDICT, Goal, to_json
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.verification import (
    COMPONENT,
    SALT,
    Copy,
    is_verdict,
    isolation,
    verdict_name,
    verdict_of,
    verification,
)

RESTORE_UID = "99999999-2222-3333-4444-555555555555"
OWNER: Manifest = {"apiVersion": "v1", "kind": "InstanceRestore", "name": "drill", "uid": RESTORE_UID}


def copied() -> Copy:
    instance = valid({**body(), "spec": spec(**clustered("percona"))})
    adapter = adapter_of(instance)
    assert adapter.flows is not None
    return Copy(
        instance=instance,
        restore="drill",
        uid=RESTORE_UID,
        owner=OWNER,
        incarnation=UID,
        image="images.example.test/operator:1",
        connection=adapter.connection(instance),
        pods={"cluster": "acme-database-abc123"},
        flows=adapter.flows,
        store_ports=(443,),
        goal=Goal(second(0), newest=True),
    )


COPY = copied()
MADE = list(verification(COPY))


def test_what_it_is_made_of_and_that_it_goes_with_its_restore() -> None:
    assert [f"{item['kind']}/{get_str(item, 'metadata', 'name')}" for item in MADE] == [
        "ConfigMap/drill-verdict",
        "ServiceAccount/drill-verdict",
        "Role/drill-verdict",
        "RoleBinding/drill-verdict",
        "NetworkPolicy/drill-verdict",
        "Job/drill-verdict",
    ]
    for item in (*MADE, isolation(COPY)):
        assert get_list(item, "metadata", "ownerReferences") == [OWNER]


def test_it_may_read_and_write_its_record_and_nothing_else() -> None:
    assert named(MADE, "Role", "drill-verdict")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["drill-verdict"],
            "verbs": ["get", "patch"],
        }
    ]


def test_its_ways_lead_to_names_the_api_server_and_the_copy() -> None:
    policy = get_map(named(MADE, "NetworkPolicy", "drill-verdict"), "spec")
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    ports = [
        [get_map(port)["port"] for port in get_list(rule, "ports")] for rule in get_list(policy, "egress")
    ]
    assert ports == [[53, 53], [5432], [443, 6443]]
    assert get_map(get_list(policy, "egress")[1])["to"] == [{"podSelector": {"matchLabels": {**COPY.pods}}}]


def test_the_copy_is_reached_by_the_job_and_its_engine_and_goes_to_the_repository_alone() -> None:
    policy = get_map(isolation(COPY), "spec")
    assert get_map(policy, "podSelector", "matchLabels") == COPY.pods
    out = [[get_map(port)["port"] for port in get_list(rule, "ports")] for rule in get_list(policy, "egress")]
    assert out == [[53, 53], sorted(out[1], key=lambda port: port != 5432), [443, 6443]]
    (_, job, *_) = get_list(policy, "ingress")
    selected = get_map(get_map(get_list(job, "from")[0]), "podSelector", "matchLabels")
    assert selected["batch.kubernetes.io/job-name"] == "drill-verdict"
    assert all("from" in get_map(rule) for rule in get_list(policy, "ingress"))


def test_the_process_takes_the_arguments_that_its_pod_has() -> None:
    (container,) = containers(get_map(named(MADE, "Job", "drill-verdict"), "spec", "template"))
    (agent, role, *rest) = [str(item) for item in get_list(container, "args")]
    assert (agent, role) == ("agent", "verify")
    parser = argparse.ArgumentParser()
    add_verify_arguments(parser, environment={})
    settings = verify_settings_of(parser.parse_args(rest), environment={SALT: "5a17"})
    assert settings.goal == COPY.goal
    assert (settings.restore, settings.record) == (RESTORE_UID, "drill-verdict")
    assert (settings.incarnation, settings.salt) == (UID, "5a17")
    assert settings.timeout == COPY.timeout
    mounted = {get_str(one, "mountPath") for one in get_list(container, "volumeMounts")}
    assert {str(settings.samples_file.parent), str(settings.masterkey_file.parent)} < mounted


def test_no_credential_is_in_it_but_by_reference() -> None:
    job = named(MADE, "Job", "drill-verdict")
    (container,) = containers(get_map(job, "spec", "template"))
    plain = {get_str(one, "name") for one in get_list(container, "env") if "value" in get_map(one)}
    assert plain == {"PGSSLMODE"}
    secrets = {value for path, value in walk(job) if path[-1:] == ("secretName",)}
    assert secrets == {"acme-masterkey"}


def test_a_host_that_the_engine_s_secret_does_not_name_is_said() -> None:
    keys = {"username": "username", "password": "password"}
    copy = replace(COPY, host="acme-abc-rw", connection=replace(COPY.connection, keys=keys))
    (container,) = containers(
        get_map(named(list(verification(copy)), "Job", "drill-verdict"), "spec", "template")
    )
    told = {get_str(one, "name"): get_str(one, "value") for one in get_list(container, "env")}
    assert (told["PGHOST"], told["PGDATABASE"]) == ("acme-abc-rw", "zitadel")


def test_its_word_is_a_verdict_and_nothing_else() -> None:
    told: Manifest = {"f:data": {"f:verdict": {}}}
    assert is_verdict(COMPONENT, MANAGER, told)
    assert not is_verdict(COMPONENT, "kubectl", told)
    assert not is_verdict("server", MANAGER, told)
    assert not is_verdict(COMPONENT, MANAGER, {"f:data": {"f:other": {}}})
    assert not is_verdict(COMPONENT, MANAGER, {**told, "f:metadata": {}})


def test_the_verdict_is_read_from_its_record() -> None:
    record: Manifest = {"data": {VERDICT: to_json(GOOD)}}
    assert verdict_of(record, uid="u1") == GOOD
    assert verdict_of(record, uid="u2") is None
    assert verdict_name("drill") == "drill-verdict"
