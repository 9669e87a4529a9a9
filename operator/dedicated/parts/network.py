"""Who may talk to whom: default-deny, and the flows needed (S-1).

A pod of one instance cannot reach a pod of another: ingress is open to pods that belong to no instance
(the cluster's gateways and monitoring) and to pods of the same instance.
Limit: until the limiter stands, the way in from gateways leads to server and login directly. The server may
go out anywhere: identity providers, mail and webhooks are the customer's choice.
"""

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import NETWORK_POLICY
from dedicated.parts import login, schema, server
from dedicated.parts.metadata import child, selector
from dedicated.parts.wanted import PORT, Wanted

COMPONENT = "network"


def policies(wanted: Wanted) -> tuple[Manifest, ...]:
    """All NetworkPolicies of an instance."""
    everything: Manifest = {LABEL_INSTANCE: wanted.name}
    dns: JsonValue = {"ports": [_port(53, "UDP"), _port(53, "TCP")]}
    to_server: JsonValue = {
        "to": [{"podSelector": {"matchLabels": selector(wanted.instance, server.COMPONENT)}}],
        "ports": [_port(PORT)],
    }
    anywhere: JsonValue = {}
    found = (
        _policy(wanted, "default-deny", everything, ingress=[], egress=[dns]),
        _policy(
            wanted,
            server.COMPONENT,
            selector(wanted.instance, server.COMPONENT),
            ingress=[_from_gateways_and_own(wanted, PORT)],
            egress=[anywhere],
        ),
        _policy(
            wanted,
            login.COMPONENT,
            selector(wanted.instance, login.COMPONENT),
            ingress=[_from_gateways_and_own(wanted, login.PORT)],
            egress=[dns, to_server],
        ),
    )
    if wanted.database_port is None:  # the Jobs' way out is made, or left as it is, when the port is known
        return found
    jobs = selector(wanted.instance, schema.COMPONENT)
    to_database: JsonValue = {"ports": [_port(wanted.database_port)]}
    return (*found, _policy(wanted, schema.COMPONENT, jobs, ingress=[], egress=[dns, to_database]))


def _from_gateways_and_own(wanted: Wanted, port: int) -> JsonValue:
    no_instance: Manifest = {"matchExpressions": [{"key": LABEL_INSTANCE, "operator": "DoesNotExist"}]}
    own: Manifest = {"matchLabels": {LABEL_INSTANCE: wanted.name}}
    return {
        "from": [{"namespaceSelector": {}, "podSelector": no_instance}, {"podSelector": own}],
        "ports": [_port(port)],
    }


def _policy(
    wanted: Wanted, suffix: str, pods: Manifest, *, ingress: list[JsonValue], egress: list[JsonValue]
) -> Manifest:
    spec: Manifest = {
        "podSelector": {"matchLabels": pods},
        "policyTypes": ["Ingress", "Egress"],
        "egress": egress,
    }
    if ingress:
        spec["ingress"] = ingress
    return {**child(NETWORK_POLICY, wanted.instance, suffix, COMPONENT), "spec": spec}


def _port(number: int, protocol: str = "TCP") -> JsonValue:
    return {"port": number, "protocol": protocol}
