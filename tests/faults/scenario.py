"""What a scenario is, and what several of them have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from cluster.observing import is_applied
from dedicated.api.json import Manifest, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import CHILD_KINDS, INSTANCE, POD, RECORD
from faults.site import NAME, Site
from testbed.cluster import Cluster

KEPT = frozenset(
    {
        "ConfigMap/acme-identity",
        "Secret/acme-admin",
        "Secret/acme-login-key",
        "Secret/acme-masterkey",
        "Secret/acme-operator-key",
    }
)
"""What outlives an instance."""
KEPT_WITH_ENGINE = KEPT | {"ConfigMap/acme-database-init", "NetworkPolicy/acme-database"}
"""With its database's cluster."""
REST_SECONDS = 120.0
OURS = f"{LABEL_INSTANCE}={NAME}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`prepare` is not disturbed and ends at rest; `act` is what then happens, `is_over` its end.

    `happens` is for what happens to the whole cluster, once for all sites, with no other test around; `undo`
    makes it undone. `contract`: the public name answers, and the contract's time is turned. `engine`: one is
    played, and its definitions have to be at hand. `jobs`: those of key bundle and exports are played.
    `limiters`: so are the agents of its limiter.
    """

    name: str
    is_over: Callable[[Site], bool]
    act: Callable[[Site], None] = lambda _: None
    prepare: Callable[[Site], None] = lambda _: None
    happens: Callable[[Cluster], None] | None = None
    undo: Callable[[Cluster], None] | None = None
    contract: bool = False
    engine: bool = False
    jobs: bool = False
    limiters: bool = False


def is_whole(site: Site) -> bool:
    """This generation is rolled out, on three zones."""
    body = site.body()
    return is_applied(body) and get_str(body, "status", "summary", "zones") == "3/3" and _ready(body)


def _ready(body: Manifest | None) -> bool:
    summary = (get_str(body, "status", "summary", part).partition("/") for part in ("server", "login"))
    return all(ready and ready == wanted for ready, _, wanted in summary)


def stand(site: Site) -> None:
    """A rolled out instance, at rest."""
    site.create()
    site.rest(is_whole, seconds=REST_SECONDS)


def is_gone(site: Site) -> bool:
    """The instance, and all that does not outlive it."""
    if site.body() is not None or site.api.list(POD, site.namespace, labels=OURS):
        return False
    left = {
        f"{kind.kind}/{get_str(item, 'metadata', 'name')}"
        for kind in CHILD_KINDS
        for item in site.api.list(kind, site.namespace, labels=OURS)
    }
    return left <= KEPT_WITH_ENGINE


def delete(site: Site) -> None:
    """A user deletes it."""
    site.api.delete(INSTANCE, site.namespace, NAME)


def recorded(site: Site, fact: str) -> int:
    """How often a fact is recorded."""
    return sum(get_str(item, "spec", "fact") == fact for item in site.api.list(RECORD, site.namespace))
