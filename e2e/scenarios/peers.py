"""Cutting what limiters tell each other, and nothing else: a packet filter on every node, for one port.

NetworkPolicies cannot: they add up, and the operator's own lets the port through.
"""

from contextlib import suppress

from dedicated.parts.limiter.site import PEER_PORT
from service.provider import Provider, ProviderError

RULE = ("FORWARD", "-p", "tcp", "--dport", str(PEER_PORT), "-j", "DROP")


def cut(provider: Provider) -> None:
    """Drop what goes to the port from one node to another. ProviderError where a node refuses."""
    for node in provider.nodes():
        provider.in_node(node.name, "iptables", "-w", "5", "-I", *RULE)


def join(provider: Provider) -> None:
    """Undo it; harmless where nothing is cut."""
    for node in provider.nodes():
        with suppress(ProviderError):
            provider.in_node(node.name, "iptables", "-w", "5", "-D", *RULE)
