"""The providers by name, and starting their clusters. What a provider needs is imported with it alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from service.provider import Provider, ProviderError

ProviderName = Literal["nodes", "kind"]
NAMES: tuple[ProviderName, ...] = ("nodes", "kind")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster of one provider, running or not."""

    up: Callable[[], Provider]
    """Start it unless it runs. ProviderError says why it does not come up."""
    running: Callable[[], Provider | None]
    """The running one."""
    down: Callable[[], bool]
    """End it with all that is in it; whether there was one."""


def cluster(name: ProviderName) -> Cluster:
    """The cluster of a provider."""
    match name:
        case "nodes":
            return _nodes()
        case "kind":
            from kind.provider import KindProvider, command

            return Cluster(
                up=lambda: KindProvider.up(command),
                running=lambda: KindProvider.running(command),
                down=lambda: KindProvider.down(command),
            )


def _nodes() -> Cluster:
    from nodes import session
    from nodes.place import default_place
    from nodes.provider import NodesProvider

    place = default_place()

    def up() -> Provider:
        try:
            session.up(place)
        except session.StartError as error:
            raise ProviderError(str(error)) from error
        return NodesProvider.of(place)

    return Cluster(
        up=up,
        running=lambda: NodesProvider.of(place) if session.is_up(place) else None,
        down=lambda: session.down(place),
    )
