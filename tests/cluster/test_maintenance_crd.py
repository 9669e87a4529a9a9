"""Maintenance on the real API server: bounds, immutability, who may ask for which, and what kubectl shows."""

from collections.abc import Iterator

import pytest

from api.request_examples import EMERGENCY, IMMUTABLE, REGULAR, STATUS, cases, request
from cluster.records_stage import EVERYTHING, POLICIES, grant, refusal, verbs
from cluster.standing import SIMULATED, until
from cluster.validation import dry_run, fault, faults, placed
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import MAINTENANCE
from dedicated.api.schema import MAINTENANCE_DEFINITION
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace
from testbed.operator_process import Settings, render

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

MONTH = "regular-2026-02"
ASK: Manifest = {
    "apiGroups": [MAINTENANCE.group],
    "resources": [MAINTENANCE.plural],
    "verbs": ["create", "get", "delete"],
}


def test_every_constraint_of_the_spec_is_enforced(cluster: Cluster) -> None:
    assert dry_run(cluster.api, MAINTENANCE, request())[0] == 201
    assert dry_run(cluster.api, MAINTENANCE, request(REGULAR, name=MONTH))[0] == 201
    broken = [case for case in cases() if case.constraint.path[:1] != ("status",)]
    found = faults(fault(case, *dry_run(cluster.api, MAINTENANCE, case.body)) for case in broken)
    assert not found, "\n".join(found)


def test_what_is_asked_for_never_changes(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(placed(request(), namespace))
    with pytest.raises(ApiError, match=IMMUTABLE.rpartition("/")[2]):
        cluster.api.patch(MAINTENANCE, namespace, "patch-2", {"spec": {"duration": "2h"}})


def test_kubectl_shows_what_is_next(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(placed(request(REGULAR, name=MONTH), namespace))
    cluster.api.patch(MAINTENANCE, namespace, MONTH, {"status": STATUS}, subresource="status")
    header, row = cluster.kubectl("get", "mt", "-n", namespace).splitlines()
    short = [name.upper() for name, _, _, priority in MAINTENANCE_DEFINITION.columns if priority == 0]
    assert header.split() == ["NAME", *short]
    assert row.split()[:4] == [MONTH, "acme", "Regular", "Scheduled"]
    assert "2026-02-08 02:00 to 06:00 Europe/Zurich" in row
    assert row.rstrip().endswith(get_str(STATUS, "summary", "next")), "the sentence is the last"
    assert "maintenance" in cluster.kubectl("get", "dedicated", "-n", namespace, "-o", "name")


# Who may ask for which.


@pytest.fixture
def guarded(cluster: Cluster, make_namespace: MakeNamespace) -> Iterator[str]:
    """A namespace in which the policy of maintenances is in force."""
    namespace = make_namespace(labels=SIMULATED)
    policies = [
        manifest
        for manifest in render(Settings(namespace, (namespace,)))
        if get_str(manifest, "kind") in POLICIES
        and get_str(manifest, "metadata", "name").endswith(".maintenances")
    ]
    assert [get_str(manifest, "kind") for manifest in policies] == list(POLICIES)
    for manifest in policies:
        cluster.api.apply(manifest, manager="helm")
    until(lambda: refusal(cluster.api, placed(request(), namespace)) != "", "the policy in force")
    yield namespace
    for manifest in reversed(policies):
        kind, name = get_str(manifest, "kind"), get_str(manifest, "metadata", "name")
        cluster.api.delete(POLICIES[kind], "", name)


def test_each_side_asks_for_its_own_and_nobody_else_for_any(cluster: Cluster, guarded: str) -> None:
    operator = grant(cluster, guarded, "operator", ASK, verbs("act-as-operator"))
    provider = grant(cluster, guarded, "provider", ASK, verbs("act-as-provider"))
    elsewhere = verbs("act-as-operator", "act-as-provider", instance="other")
    others = {
        "customer": grant(cluster, guarded, "customer", ASK, verbs("act-as-customer")),
        "elsewhere": grant(cluster, guarded, "elsewhere", ASK, elsewhere),
        "wildcard": grant(cluster, guarded, "wildcard", EVERYTHING, verbs("act-as-provider")),
        "admin": cluster.api,
    }
    regular, emergency = placed(request(REGULAR, name=MONTH), guarded), placed(request(EMERGENCY), guarded)
    assert refusal(operator, regular) == refusal(provider, emergency) == ""
    for who, api in (*others.items(), ("provider", provider)):
        said = refusal(api, regular)
        assert "kind Regular needs the verb act-as-operator on dedicatedinstance acme" in said, who
    for who, api in (*others.items(), ("operator", operator)):
        said = refusal(api, emergency)
        assert "kind Security needs the verb act-as-provider on dedicatedinstance acme" in said, who
    both = grant(cluster, guarded, "both", ASK, verbs("act-as-provider", "act-as-customer"))
    assert "you hold verbs of both sides" in refusal(both, emergency)


def test_a_request_is_taken_back_by_a_record_and_not_by_deletion(cluster: Cluster, guarded: str) -> None:
    provider = grant(cluster, guarded, "provider", ASK, verbs("act-as-provider"))
    restorer = grant(cluster, guarded, "restorer", ASK, verbs("restore-records"))
    provider.create(placed(request(), guarded))
    for api in (provider, cluster.api):
        with pytest.raises(ApiError, match="take it back by a record Retracted") as refused:
            api.delete(MAINTENANCE, guarded, "patch-2")
        assert refused.value.status == 403
    restorer.delete(MAINTENANCE, guarded, "patch-2")
    restorer.create(placed(request(REGULAR, name=MONTH), guarded))
