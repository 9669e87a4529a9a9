"""An instruction with real users, under the chart's protection: who is let through, what is kept, its end."""

from datetime import timedelta

import pytest

from cluster.records_stage import grant, instruction, verbs
from cluster.standing import SIMULATED, children, modifications, records, stand_simulated, until
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import SERVICE
from testbed import protection
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

LASTS = timedelta(seconds=40)
SERVICES: Manifest = {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "patch"]}
CHANGE: Manifest = {"spec": {"sessionAffinity": "ClientIP"}}
BINDING = "RoleBinding/acme-instruction"


def affinity(api: Api, namespace: str) -> str:
    return get_str(api.get(SERVICE, namespace, "acme-server"), "spec", "sessionAffinity")


def may_change(user: Api, namespace: str) -> bool:
    """Whether the protection would let a user change the Service."""
    path = f"/api/v1/namespaces/{namespace}/services/acme-server"
    try:
        user.request("PATCH", path, body=CHANGE, content="merge", query={"dryRun": "All"})
    except ApiError as error:
        if "you need the provider's instruction: the verb modify" not in error.message:
            raise
        return False
    return True


def test_the_instructed_may_for_as_long_and_nothing_remains(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    api, namespace = at.api, at.namespace
    jane = grant(cluster, namespace, "jane", SERVICES)
    provider = grant(cluster, namespace, "provider", verbs("act-as-provider"))
    policies = protection.policies(namespace, watch=(namespace,))
    protection.replace(cluster, namespace, old=(), new=policies)
    try:
        assert not may_change(jane, namespace)
        with pytest.raises(ApiError, match="fact Instruction needs the verb act-as-provider"):
            jane.create(instruction(namespace, LASTS, by="jane"))
        provider.create(instruction(namespace, LASTS))
        until(lambda: may_change(jane, namespace), "let through")
        jane.patch(SERVICE, namespace, "acme-server", CHANGE, manager="by-hand")
        at.rest()
        assert affinity(api, namespace) == "ClientIP"
        until(lambda: BINDING not in children(api, namespace), "the end", seconds=90)
        until(lambda: affinity(api, namespace) == "None", "undone")
        until(lambda: not may_change(jane, namespace), "refused again")
        at.rest()
        assert [get_str(body, "spec", "fact") for body in records(api, namespace)] == ["Instruction"]
        assert modifications(at.body()) == []
        assert not [name for name in children(api, namespace) if name.startswith("Role")]
    finally:
        protection.replace(cluster, namespace, old=policies, new=())
