"""Volume claims are read where a deletion comes to them, and watched nowhere."""

from dataclasses import replace

from dedicated.api.objects import VOLUME_CLAIM
from dedicated.api.resource import Instance
from dedicated.cluster.client import Client
from dedicated.reconcile.deletion import claims_wanted
from dedicated.reconcile.observed import Child, Observed, child_of


async def with_volumes(client: Client, instance: Instance, observed: Observed) -> Observed:
    """The same, with the claims of clusters that are taken away."""
    selectors = claims_wanted(instance, observed)
    if not selectors:
        return observed
    found: list[Child] = []
    for selector in selectors:
        listed, _ = await client.list(
            VOLUME_CLAIM, instance.namespace, selector=selector, metadata_only=True
        )
        found += [child_of({**claim, "kind": VOLUME_CLAIM.kind}) for claim in listed]
    return replace(observed, volumes=tuple(found))
