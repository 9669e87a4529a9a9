"""Instances with a limiter whose pods are simulated, the agents in them played."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from cluster.instances import condition, database_secret, instance, wait_for
from cluster.observing import SECONDS, wait_applied
from cluster.standing import NOWHERE
from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.objects import CONFIG_MAP, RECORD
from dedicated.parts.limiter.names import HASH_KEY, limiter_name
from engines.simulator import playing
from limiters.agents import LimiterAgents
from testbed.client import Api
from testbed.cluster import Cluster

LIMITER = ("--agent-image", "registry.test/dedicated-operator:test", "--trust-network")
"""The operator's arguments: the limiter's agents are of its image, and simulated pods take no connection."""
EDGE: Manifest = {"service": {}, "clientAddress": {"from": "XForwardedFor", "trusted": ["10.0.0.0/8"]}}


@dataclass(frozen=True, slots=True)
class Limited:
    """An instance with a way in, and those who play its limiter's agents."""

    api: Api
    namespace: str
    agents: LimiterAgents

    def wait(self, kind: str, status: str, *reasons: str) -> Manifest:
        """The instance once a condition is so."""

        def holds(body: Manifest | None) -> bool:
            found = condition(body, kind)
            return found.get("status") == status and (not reasons or found.get("reason") in reasons)

        what = f"{kind}={status} {' or '.join(reasons)}"
        return wait_for(self.api, self.namespace, holds, seconds=SECONDS, what=what)

    def hash(self) -> str:
        """Of the policy that the replicas are to enforce."""
        found = self.api.find(CONFIG_MAP, self.namespace, limiter_name("acme"))
        return get_str(found, "data", HASH_KEY)


def override(namespace: str, name: str, **said: JsonValue) -> Manifest:
    """A record that raises the limits of a range."""
    return {
        "apiVersion": RECORD.api_version,
        "kind": RECORD.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "instance": "acme",
            "fact": "Override",
            "by": "admin",
            "reference": "TICKET-12",
            "reason": "offices of Acme",
            "override": said,
        },
    }


@contextmanager
def limited(cluster: Cluster, namespace: str, **spec: JsonValue) -> Iterator[Limited]:
    """An instance that stands behind its limiter; an operator with `LIMITER` is there already."""
    agents = LimiterAgents(cluster.api, namespace, partial(cluster.as_account, namespace))
    cluster.api.create(database_secret(namespace, NOWHERE))
    cluster.api.create(instance(namespace, "acme", edge=EDGE, **spec))
    with playing(agents):
        wait_applied(cluster.api, namespace)
        yield Limited(cluster.api, namespace, agents)
