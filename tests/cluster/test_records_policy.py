"""Who may write which record: the chart's policy on the real API server, whether the operator runs or not."""

from collections.abc import Iterator

import pytest

from api.record_examples import FULL, record
from cluster.standing import SIMULATED, records, stand_simulated, until
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.objects import INSTANCE, RECORD, SERVICE
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import Settings, render

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

POLICIES = {
    "ValidatingAdmissionPolicy": "admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}


@pytest.fixture
def guarded(cluster: Cluster, make_namespace: MakeNamespace) -> Iterator[str]:
    """A namespace in which the policy of records is in force."""
    namespace = make_namespace(labels=SIMULATED)
    policies = [
        manifest
        for manifest in render(Settings(namespace, (namespace,)))
        if get_str(manifest, "kind") in POLICIES
        and get_str(manifest, "metadata", "name").endswith(".records")
    ]
    assert [get_str(manifest, "kind") for manifest in policies] == list(POLICIES)
    for manifest in policies:
        cluster.api.apply(manifest, manager="helm")
    until(lambda: refusal(cluster.api, stated(namespace, by="nobody")) != "", "the policy in force")
    yield namespace
    for manifest in reversed(policies):
        kind, name = get_str(manifest, "kind"), get_str(manifest, "metadata", "name")
        cluster.api.delete(POLICIES[kind], "", name)


def stated(namespace: str, *, by: str, name: str = "acme-1") -> Manifest:
    """A record by a user."""
    body = record({**FULL, "by": by}, name=name)
    return {**body, "metadata": {**get_map(body, "metadata"), "namespace": namespace}}


def refusal(api: Api, body: Manifest) -> str:
    """Why a creation is refused; empty where it would be accepted. Nothing is stored."""
    try:
        api.create(body, dry_run=True)
    except ApiError as error:
        if error.status != 403:
            raise
        return error.message
    return ""


def grant(cluster: Cluster, namespace: str, user: str, *rules: Manifest) -> Api:
    """A user with rights on records and, by further rules, on instances."""
    own: list[JsonValue] = [
        {"apiGroups": [RECORD.group], "resources": [RECORD.plural], "verbs": ["create", "get", "delete"]},
        *rules,
    ]
    role = f"{user.replace(':', '-')}"
    metadata: Manifest = {"name": role, "namespace": namespace}
    version = "rbac.authorization.k8s.io/v1"
    cluster.api.create({"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": own})
    cluster.api.create(
        {
            "apiVersion": version,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        }
    )
    return cluster.as_user(user)


def verb(name: str, instance: str = "acme") -> Manifest:
    """A custom verb on one instance."""
    return {
        "apiGroups": [INSTANCE.group],
        "resources": [INSTANCE.plural],
        "resourceNames": [instance],
        "verbs": [name],
    }


EVERYTHING: Manifest = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def test_a_repair_is_stated_by_whom_it_was_granted_to(cluster: Cluster, guarded: str) -> None:
    operators = {
        "operator": grant(cluster, guarded, "operator", verb("act-as-operator")),
        "elsewhere": grant(cluster, guarded, "elsewhere", verb("act-as-operator", "other")),
        "editor": grant(cluster, guarded, "editor", verb("modify")),
        "wildcard": grant(cluster, guarded, "wildcard", EVERYTHING),
        "both": grant(cluster, guarded, "both", EVERYTHING, verb("act-as-operator")),
        "admin": cluster.api,
        "groups": cluster.as_user("root", groups=("system:masters",)),
    }
    names = {"admin": "admin", "groups": "root"}
    said = {
        who: refusal(api, stated(guarded, by=names.get(who, who))) for who, api in operators.items()
    }
    assert said.pop("operator") == ""
    for who, text in said.items():
        assert "needs the verb act-as-operator on dedicatedinstance acme" in text, who


def test_nobody_states_a_fact_for_another(cluster: Cluster, guarded: str) -> None:
    operator = grant(cluster, guarded, "operator", verb("act-as-operator"))
    text = refusal(operator, stated(guarded, by="customer"))
    assert "spec.by must be operator: a record is stated by who creates it" in text


def test_a_record_is_deleted_by_who_restores_records_only(cluster: Cluster, guarded: str) -> None:
    operator = grant(cluster, guarded, "operator", verb("act-as-operator"))
    restorer = grant(cluster, guarded, "restorer", verb("restore-records"))
    operator.create(stated(guarded, by="operator"))
    wildcard = grant(cluster, guarded, "wildcard", EVERYTHING)
    for api in (operator, wildcard, cluster.api):
        with pytest.raises(ApiError, match="records are not deleted") as refused:
            api.delete(RECORD, guarded, "acme-1")
        assert refused.value.status == 403
    assert len(records(cluster.api, guarded)) == 1
    restorer.delete(RECORD, guarded, "acme-1")
    assert records(cluster.api, guarded) == []


def test_a_namespace_with_records_ends(cluster: Cluster, guarded: str) -> None:
    operator = grant(cluster, guarded, "operator", verb("act-as-operator"))
    operator.create(stated(guarded, by="operator"))
    cluster.api.delete("v1/namespaces", "", guarded)
    cluster.api.wait_for("v1/namespaces", "", guarded, lambda body: body is None, what="gone")


def test_other_namespaces_are_not_concerned(cluster: Cluster, guarded: str, namespace: str) -> None:
    assert refusal(cluster.api, stated(namespace, by="whoever")) == ""
    assert refusal(cluster.api, stated(guarded, by="whoever")) != ""


def test_the_operator_writes_its_facts_with_the_rights_of_the_chart(
    cluster: Cluster, guarded: str, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, guarded, run_operator)
    body: Manifest = {"spec": {"sessionAffinity": "ClientIP"}}
    at.api.patch(SERVICE, guarded, "acme-server", body, manager="somebody")
    until(lambda: len(records(at.api, guarded)) == 1, "recorded")
    (found,) = records(at.api, guarded)
    assert get_str(found, "spec", "by") == at.operator.account
    with pytest.raises(ApiError, match="contractrecords"):
        at.operator.api.delete(RECORD, guarded, get_str(found, "metadata", "name"))
