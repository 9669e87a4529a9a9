"""A Service of type LoadBalancer before the limiter, which terminates TLS itself.

`externalTrafficPolicy: Local` keeps the client's address, by which limits are counted; with PROXY protocol it
arrives in the header, and every node may take part.
"""

from dedicated.api.json import JsonValue, Manifest, array
from dedicated.api.objects import SERVICE
from dedicated.api.resource import Instance
from dedicated.parts.edge.entry import COMPONENT, Entry, edge_of
from dedicated.parts.limiter import names
from dedicated.parts.metadata import annotated, child, selector


def render(instance: Instance) -> tuple[Manifest, ...]:
    """The Service."""
    edge = edge_of(instance)
    wanted = edge.load_balancer
    assert wanted is not None
    chosen: Manifest = {"loadBalancerClass": wanted.class_} if wanted.class_ else {}
    ranges: Manifest = (
        {"loadBalancerSourceRanges": array(wanted.source_ranges)} if wanted.source_ranges else {}
    )
    kept = edge.client_address.from_ == "Connection"
    return (
        {
            **annotated(child(SERVICE, instance, COMPONENT, COMPONENT), wanted.annotations),
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local" if kept else "Cluster",
                "selector": selector(instance, names.COMPONENT),
                "ports": [_port("https", 443, names.TLS_PORT), _port("http", 80, names.HTTP_PORT)],
                **chosen,
                **ranges,
            },
        },
    )


def _port(name: str, port: int, target: int) -> JsonValue:
    return {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}


LOAD_BALANCER = Entry(kind="LoadBalancer", render=render)
