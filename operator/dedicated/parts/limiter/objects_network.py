"""The limiter's ways: the Services by which replicas, server and login are found, and who may talk to it.

Clients come in from anywhere. The link between the replicas is open to replicas alone; what monitoring reads
of HAProxy and of the agent, to pods of no instance. Peers are reached by a Service each: HAProxy looks up
the name of a peer never again, and the address of a Service stays while pods come and go.
"""

from collections.abc import Iterator

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import NETWORK_POLICY, SERVICE
from dedicated.parts.limiter import names
from dedicated.parts.limiter.names import BACKENDS, COMPONENT
from dedicated.parts.limiter.objects import LimiterWanted
from dedicated.parts.metadata import child, selector
from dedicated.parts.process import tcp, ways_out

POD_NAME = "statefulset.kubernetes.io/pod-name"


def services(wanted: LimiterWanted) -> Iterator[Manifest]:
    """One for each replica, and the headless ones of server and login."""
    instance = wanted.instance
    for ordinal in range(wanted.replicas):
        chosen: Manifest = {
            **selector(instance, COMPONENT),
            POD_NAME: names.replica_name(instance.name, ordinal),
        }
        yield {
            **child(SERVICE, instance, f"{COMPONENT}-{ordinal}", COMPONENT),
            "spec": {
                "selector": chosen,
                # A replica learns what the others counted before it takes traffic.
                "publishNotReadyAddresses": True,
                "ports": [_port("peers", names.PEERS_PORT)],
            },
        }
    for component, number in BACKENDS.items():
        yield {
            **child(SERVICE, instance, f"{component}-pods", component),
            "spec": {
                "clusterIP": "None",
                "selector": selector(instance, component),
                "ports": [_port("http", number)],
            },
        }


def policy(wanted: LimiterWanted) -> Manifest:
    """Who may talk to the limiter, and to whom it talks."""
    instance = wanted.instance
    entrances = (names.HTTP_PORT, *((names.TLS_PORT,) if wanted.tls_secret else ()))
    outside: Manifest = {"matchExpressions": [{"key": LABEL_INSTANCE, "operator": "DoesNotExist"}]}
    monitoring: Manifest = {"namespaceSelector": {}, "podSelector": outside}
    itself = peer(wanted, COMPONENT)
    inside: list[JsonValue] = [
        {"to": [peer(wanted, name)], "ports": tcp(number)} for name, number in BACKENDS.items()
    ]
    spec: Manifest = {
        "podSelector": {"matchLabels": selector(instance, COMPONENT)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"ports": tcp(*entrances)},
            {"from": [itself], "ports": tcp(names.PEERS_PORT)},
            {"from": [monitoring], "ports": tcp(names.METRICS_PORT, names.AGENT_PORT)},
        ],
        "egress": [
            *ways_out(),
            *inside,
            {"to": [itself], "ports": tcp(names.PEERS_PORT)},
        ],
    }
    return {**child(NETWORK_POLICY, instance, COMPONENT, COMPONENT), "spec": spec}


def peer(wanted: LimiterWanted, component: str) -> JsonValue:
    """The pods of one of the instance's components, as a policy names them."""
    return {"podSelector": {"matchLabels": selector(wanted.instance, component)}}


def _port(name: str, number: int) -> JsonValue:
    return {"name": name, "port": number, "targetPort": number, "protocol": "TCP"}
