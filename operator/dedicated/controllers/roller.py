"""Rolls up the closed months of an instance (see `contract.rollup`): one list, the roll-ups, the deletions.

It holds up nothing: what is refused is told as a finding, and the records stay.
"""

from collections.abc import Sequence
from typing import Protocol

from dedicated.api.json import Manifest
from dedicated.api.objects import RECORD, Kind
from dedicated.api.resource import Instance
from dedicated.cluster.client import Manifests
from dedicated.cluster.errors import ApiError
from dedicated.contract import rollup
from dedicated.contract.dates import Month
from dedicated.contract.records import manifest_of
from dedicated.controllers.world import World
from dedicated.reconcile.actions import RollUp
from dedicated.reconcile.observed import Failure


class Ledger(Protocol):
    """The part of `cluster.client.Client` that a roll-up needs."""

    async def list(
        self, kind: Kind, namespace: str | None = None, *, selector: str = ""
    ) -> tuple[Manifests, str]:
        """All objects, and their resourceVersion."""

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create, or `ApiError.conflict`."""

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str | None) -> None:
        """Delete exactly this object."""


async def roll_up(
    client: Ledger, world: World, instance: Instance, action: RollUp, *, user: str
) -> Failure | None:
    """Carry out the action, in the user's name. Raises `ApiError` where a retry may help."""
    what = f"roll-up of {', '.join(map(str, action.months))}"
    try:
        left = await _roll_up(client, world, instance, action, user=user)
    except ApiError as error:
        if error.forbidden or error.invalid or error.status == 413:
            return Failure(what, "RecordRefused", f"the records stay as they are: {error.message}")
        raise
    if left:
        text = f"{len(left)} records cannot be rolled up and stay, the first is {left[0]}"
        return Failure(what, "RecordRefused", text)
    return None


async def _roll_up(
    client: Ledger, world: World, instance: Instance, action: RollUp, *, user: str
) -> Sequence[str]:
    listed, _ = await client.list(RECORD, instance.namespace)
    found = [world.dated(manifest) for manifest in listed]
    for statement in _tasks(found, instance, action.months, action.zone).create:
        wanted = manifest_of(statement, namespace=instance.namespace, by=user)
        made = await client.create(RECORD, wanted)
        world.learn(made)
        found.append(made)
    tasks = _tasks(found, instance, action.months, action.zone)
    for name, uid in tasks.delete:
        try:
            await client.delete(RECORD, instance.namespace, name, uid=uid)
        except ApiError as error:
            if not (error.not_found or error.conflict):
                raise
    return tasks.left


def _tasks(found: Manifests, instance: Instance, months: Sequence[Month], zone: str) -> rollup.Tasks:
    return rollup.tasks(found, instance=instance.name, months=months, zone=zone)
