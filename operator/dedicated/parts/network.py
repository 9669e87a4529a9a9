"""Who may talk to whom: default-deny, and the flows needed (S-1).

A pod of one instance cannot reach a pod of another: ingress is open to pods that belong to no instance
(the cluster's gateways and monitoring) and to pods of the same instance.
Until a limiter stands, and where there is none, the way in leads to server and login directly. Once it stood,
it alone reaches the login, and it and the login the server: whoever asks the server, the operator too, asks
by the public name. Nobody reads the server's own metrics then. The server may go out anywhere: identity
providers, mail and webhooks are the customer's choice.

The pods of a database that an engine runs carry the engine's labels, not ours, and have a policy by these. It
outlives the instance, as they do. Limits: the engine's operator is known by its labels, in any namespace, so
it must not run in the host's network; of stores and API servers the ports are known, not the addresses.
"""

from collections.abc import Iterator

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import NETWORK_POLICY
from dedicated.api.resource import Instance
from dedicated.parts import login, process, recovery_agent, schema, server
from dedicated.parts.database import engine
from dedicated.parts.database.engine import Flows
from dedicated.parts.database.engines import ADAPTERS, adapter_of
from dedicated.parts.limiter import names as limiter
from dedicated.parts.limiter import objects_network
from dedicated.parts.metadata import child, named, selector
from dedicated.parts.recovery_source import store_ports
from dedicated.parts.wanted import PORT, Wanted

COMPONENT = "network"
CLIENTS = (server.COMPONENT, schema.COMPONENT, recovery_agent.COMPONENT)
"""Who of an instance connects to its database."""
DNS: JsonValue = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


def policies(wanted: Wanted) -> tuple[Manifest, ...]:
    """All NetworkPolicies of an instance."""
    everything: Manifest = {LABEL_INSTANCE: wanted.name}
    to_server: JsonValue = {
        "to": [{"podSelector": {"matchLabels": selector(wanted.instance, server.COMPONENT)}}],
        "ports": [_port(PORT)],
    }
    anywhere: JsonValue = {}
    found = (
        _policy(wanted, "default-deny", everything, ingress=[], egress=[DNS]),
        _policy(
            wanted,
            server.COMPONENT,
            selector(wanted.instance, server.COMPONENT),
            ingress=[_way_in(wanted, PORT, limiter.COMPONENT, login.COMPONENT)],
            egress=[anywhere],
        ),
        _policy(
            wanted,
            login.COMPONENT,
            selector(wanted.instance, login.COMPONENT),
            ingress=[_way_in(wanted, login.PORT, limiter.COMPONENT)],
            egress=[DNS, to_server],
        ),
        *of_database(wanted.instance),
        *((objects_network.policy(wanted.limiter),) if wanted.limiter else ()),
    )
    if wanted.database_port is None:  # the Jobs' way out is made, or left as it is, when the port is known
        return found
    jobs = selector(wanted.instance, schema.COMPONENT)
    to_database: JsonValue = {"ports": [_port(wanted.database_port)]}
    return (*found, _policy(wanted, schema.COMPONENT, jobs, ingress=[], egress=[DNS, to_database]))


def of_database(instance: Instance) -> Iterator[Manifest]:
    """Of the engine's servers, Jobs and hosts, wherever an engine is to run the database."""
    adapter, backup = adapter_of(instance), instance.spec.backup
    if adapter.pods is None or adapter.flows is None or backup is None:
        return
    members: Manifest = {"matchLabels": {adapter.pods.cluster: engine.cluster_name(instance)}}
    between = _ports(engine.PORT, *adapter.flows.members)
    outside = _ports(*sorted({*store_ports(backup), *process.API_PORTS}))
    yield {
        **named(NETWORK_POLICY, instance, engine.cluster_name(instance), COMPONENT),
        "spec": {
            "podSelector": members,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [{"podSelector": members}], "ports": between},
                {"from": [{"podSelector": _clients(instance)}], "ports": _ports(engine.PORT)},
                *_from_outside(adapter.flows),
            ],
            "egress": [DNS, {"to": [{"podSelector": members}], "ports": between}, {"ports": outside}],
        },
    }


def _clients(instance: Instance) -> Manifest:
    components: Manifest = {"key": LABEL_COMPONENT, "operator": "In", "values": [*CLIENTS]}
    return {"matchLabels": {LABEL_INSTANCE: instance.name}, "matchExpressions": [components]}


def _from_outside(flows: Flows) -> Iterator[JsonValue]:
    """The engine's operator, and the monitoring: pods of no instance, and of no database of one."""
    every = [pods.cluster for other in ADAPTERS.values() if (pods := other.pods) is not None]
    none: list[JsonValue] = [{"key": key, "operator": "DoesNotExist"} for key in (LABEL_INSTANCE, *every)]
    operator: Manifest = {**flows.operator}
    for chosen, ports in ((operator, flows.operator_ports), ({}, flows.metrics)):
        if ports:
            who: Manifest = {"matchLabels": chosen, "matchExpressions": none}
            yield {"from": [{"namespaceSelector": {}, "podSelector": who}], "ports": _ports(*ports)}


def _way_in(wanted: Wanted, port: int, *components: str) -> JsonValue:
    """These components alone, once the limiter stands and can be reached."""
    if wanted.limiter is None or not wanted.limiter.closes:
        return _from_gateways_and_own(wanted, port)
    sources: list[JsonValue] = [
        {"podSelector": {"matchLabels": selector(wanted.instance, component)}} for component in components
    ]
    return {"from": sources, "ports": [_port(port)]}


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


def _port(number: int) -> JsonValue:
    return {"port": number, "protocol": "TCP"}


def _ports(*numbers: int) -> list[JsonValue]:
    return [_port(number) for number in numbers]
