"""Who may delete an instance, and its namespace: the chart's policies on the real API server."""

from dataclasses import dataclass

import pytest

from cluster.instances import instance
from cluster.records_stage import EVERYTHING, grant, verbs
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import INSTANCE, NAMESPACE
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, Protect

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

DELETES: Manifest = {
    "apiGroups": [INSTANCE.group],
    "resources": [INSTANCE.plural],
    "verbs": ["get", "delete", "deletecollection"],
}
SYSTEM = "system:serviceaccount:kube-system"
PLATFORM = (f"{SYSTEM}:namespace-controller", f"{SYSTEM}:generic-garbage-collector")
UNTIL = "2026-12-05T09:00:00Z"


@dataclass(frozen=True, slots=True)
class Stage:
    """An instance, and people who may delete it as far as RBAC goes."""

    cluster: Cluster
    namespace: str

    def told(self, by: str | None, **spec: JsonValue) -> None:
        """What the operator would tell of the confirmation."""
        api = self.cluster.api
        confirmed: Manifest | None = {"confirmedBy": by, "until": UNTIL} if by else None
        api.patch(INSTANCE, self.namespace, "acme", {"spec": spec})
        status: Manifest = {"status": {"deletion": confirmed}}
        api.patch(INSTANCE, self.namespace, "acme", status, subresource="status")

    def refusal(self, api: Api, name: str = "acme") -> str:
        """Why a deletion is refused; empty where it would go through. Nothing is deleted."""
        path = f"/apis/{INSTANCE.api_version}/namespaces/{self.namespace}/{INSTANCE.plural}"
        try:
            api.request("DELETE", f"{path}/{name}" if name else path, query={"dryRun": "All"})
        except ApiError as error:
            if error.status != 403:
                raise
            return error.message
        return ""


@pytest.fixture
def stage(cluster: Cluster, make_namespace: MakeNamespace, protect: Protect) -> Stage:
    """The policies in force around an instance of plan Standard."""
    namespace = make_namespace()
    cluster.api.create(instance(namespace))
    protect(namespace)
    return Stage(cluster, namespace)


def users(stage: Stage) -> dict[str, Api]:
    """Everybody who tries, the administrators of the whole cluster among them."""
    found = {
        who: grant(stage.cluster, stage.namespace, who, DELETES, *rules)
        for who, rules in {
            "provider": (verbs("act-as-provider"),),
            "customer": (verbs("act-as-customer"),),
            "instructed": (verbs("modify"),),
            "argocd": (),
            "wildcard": (EVERYTHING,),
        }.items()
    }
    root = stage.cluster.as_user("root", groups=("system:masters",))
    return {**found, "admin": stage.cluster.api, "root": root}


def test_nobody_deletes_an_instance_that_is_not_confirmed(stage: Stage) -> None:
    for who, api in users(stage).items():
        told = stage.refusal(api)
        need = f"dedicated delete acme -n {stage.namespace} --confirm"
        assert f"DedicatedInstance acme in namespace {stage.namespace} is not deleted" in told, who
        assert need in told, who
        assert stage.refusal(api, name="") != "", f"{who}: all at once"
    stage.told("carla")
    assert {who for who, api in users_again(stage).items() if stage.refusal(api)} == set()
    stage.told(None)
    assert stage.refusal(stage.cluster.api) != ""


def users_again(stage: Stage) -> dict[str, Api]:
    """The same, whose rights are there."""
    names = ("provider", "customer", "instructed", "argocd", "wildcard")
    return {**{who: stage.cluster.as_user(who) for who in names}, "admin": stage.cluster.api}


@pytest.mark.parametrize(
    ("spec", "two"),
    [
        ({"plan": "Standard"}, False),
        ({"plan": "Advanced"}, True),
        ({"plan": "Standard", "deletion": {"confirmation": "TwoPeople"}}, True),
        ({"plan": "Advanced", "deletion": {"confirmation": "OnePerson"}}, False),
    ],
)
def test_where_two_people_are_wanted_who_confirmed_does_not_delete(
    stage: Stage, spec: Manifest, two: bool
) -> None:
    found = users(stage)
    stage.told("provider", **spec)
    told = stage.refusal(found["provider"])
    assert ("wants two people, and provider confirmed its deletion" in told) == two
    assert stage.refusal(found["customer"]) == ""
    stage.told("customer")
    assert stage.refusal(found["provider"]) == ""
    assert bool(stage.refusal(found["customer"])) == two


def test_kubernetes_itself_is_let_through_and_a_deletion_goes_on(stage: Stage) -> None:
    for who in PLATFORM:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{SYSTEM.rpartition(':')[2]}")
        assert stage.refusal(stage.cluster.as_user(who, groups=("system:masters", *groups))) == "", who
    api = stage.cluster.api
    api.patch(INSTANCE, stage.namespace, "acme", {"metadata": {"finalizers": ["example.com/hold"]}})
    stage.told("carla")
    api.delete(INSTANCE, stage.namespace, "acme")
    stage.told(None)
    assert get_map(api.get(INSTANCE, stage.namespace, "acme"), "metadata")["deletionTimestamp"]
    assert stage.refusal(api) == ""
    api.patch(INSTANCE, stage.namespace, "acme", {"metadata": {"finalizers": None}})


def test_its_namespace_is_deleted_by_nobody_while_it_exists_confirmed_or_not(
    cluster: Cluster, make_namespace: MakeNamespace, protect: Protect
) -> None:
    namespace = make_namespace(labels={LABEL_INSTANCE: "acme"})
    cluster.api.create(instance(namespace))
    protect(namespace, platformControllers={"users": []})
    ines = grant(cluster, namespace, "ines", verbs("modify"), named(namespace))
    for by in (None, "carla"):
        Stage(cluster, namespace).told(by)
        for who, api in {"ines": ines, "admin": cluster.api}.items():
            with pytest.raises(ApiError) as error:
                api.delete(NAMESPACE, "", namespace)
            assert "Delete the instance first: kubectl delete" in error.value.message, who
            assert get_str(cluster.api.get(NAMESPACE, "", namespace), "status", "phase") == "Active"


def named(namespace: str) -> Manifest:
    """The right to delete the namespace: it is an object of its own."""
    return {
        "apiGroups": [""], "resources": ["namespaces"], "resourceNames": [namespace],
        "verbs": ["get", "delete"],
    }  # fmt: skip
