"""An instance with a limiter on the control plane: its pods are simulated, and ready after a moment."""

from datetime import UTC, datetime, timedelta

from api.record_examples import record
from cluster.instances import database_secret, instance
from cluster.observing import wait_applied
from cluster.standing import NOWHERE, Standing
from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import CONFIG_MAP, NETWORK_POLICY, RECORD
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

AGENT = ("--agent-image", "registry.test/dedicated-operator:test")
"""The operator's arguments without which no limiter is made."""
EDGE: Manifest = {"service": {}}


def create_with_edge(api: Api, namespace: str, **more: JsonValue) -> None:
    """An instance that the user brings the way in of."""
    api.create(database_secret(namespace, NOWHERE))
    api.create(instance(namespace, "acme", edge=EDGE, **more))


def stand_with_limiter(
    cluster: Cluster, namespace: str, run_operator: RunOperator, **more: JsonValue
) -> Standing:
    """An instance whose limiter stands, and its operator at rest."""
    operator = run_operator(namespace, watch=(namespace,), extra=AGENT)
    create_with_edge(cluster.api, namespace, **more)
    wait_applied(cluster.api, namespace)
    standing = Standing(cluster, namespace, operator)
    standing.rest()
    return standing


def let_in(policy: Manifest) -> list[str]:
    """The components that a policy's first rule lets in; empty text: others too."""
    (rule,) = get_list(policy, "spec", "ingress")
    return [get_str(item, "podSelector", "matchLabels", LABEL_COMPONENT) for item in get_list(rule, "from")]


def policy(api: Api, namespace: str, component: str) -> Manifest:
    """A component's NetworkPolicy."""
    return api.get(NETWORK_POLICY, namespace, f"acme-{component}")


def files(api: Api, namespace: str) -> Manifest:
    """The ConfigMap that the agents read."""
    return api.get(CONFIG_MAP, namespace, "acme-limiter")


def raised(api: Api, namespace: str, range_: str, *, factor: int = 3) -> None:
    """The provider raises the limits of a range, from now on."""
    until = datetime.now(UTC) + timedelta(days=30)
    told: Manifest = {
        "instance": "acme",
        "fact": "Override",
        "by": "provider",
        "override": {"range": range_, "factor": factor, "validUntil": f"{until:%Y-%m-%dT%H:%M:%SZ}"},
        "reference": "T-1",
        "reason": "an office behind one address",
    }
    made = record(told, name="acme-raised")
    made["metadata"] = {"name": "acme-raised", "namespace": namespace}
    assert made["kind"] == RECORD.kind
    api.create(made)
