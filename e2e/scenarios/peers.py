"""Cutting what limiters tell each other, and nothing else: a packet filter on every node, for one port.

NetworkPolicies cannot: they add up, and the operator's own lets the port through. So it takes a provider
whose nodes can be entered; of the two there are, that is `nodes`.
"""

from dedicated.parts.limiter.site import PEER_PORT
from nodes.engine import EngineError, in_node
from nodes.provider import NodesProvider
from scenarios.stage import StageError
from service.provider import Provider

RULE = ("FORWARD", "-p", "tcp", "--dport", str(PEER_PORT), "-j", "DROP")


def can(provider: Provider) -> bool:
    """Whether this provider's nodes can be entered."""
    return isinstance(provider, NodesProvider)


def cut(provider: Provider) -> None:
    """Drop what goes to the port from one node to another. StageError where a node refuses."""
    _each(provider, "-I", strict=True)


def join(provider: Provider) -> None:
    """Undo it; harmless where nothing is cut."""
    _each(provider, "-D", strict=False)


def _each(provider: Provider, how: str, *, strict: bool) -> None:
    if not isinstance(provider, NodesProvider):
        raise StageError(f"nodes of {provider.name} cannot be entered")
    for node in provider.nodes():
        try:
            in_node(provider.place, node.name, "iptables", "-w", "5", how, *RULE)
        except EngineError as error:
            if strict:
                raise StageError(f"{node.name}: {error}") from error
