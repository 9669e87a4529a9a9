"""Orders for an instance that does not exist: each is told so, since no pass of an instance will."""

from dedicated.api.json import get_str
from dedicated.api.objects import INSTANCE_BACKUP, INSTANCE_EXPORT, INSTANCE_RESTORE, Key
from dedicated.contract.recovery.restore import ENDED as RESTORES_ENDED
from dedicated.controllers.execute import Executor
from dedicated.controllers.world import World
from dedicated.reconcile import exports, instance_backups, restore_steps
from dedicated.reconcile.actions import Tell


async def refuse_orders(key: Key, *, world: World, executor: Executor) -> None:
    """Refuse the backups, restores and exports that were asked for of it."""
    tells = [
        *(
            Tell(one.name, restore_steps.UNKNOWN_INSTANCE, kind=INSTANCE_RESTORE.kind)
            for one in world.restores(key)
            if one.told not in RESTORES_ENDED
        ),
        *(
            Tell(one.name, instance_backups.UNKNOWN_INSTANCE, kind=INSTANCE_BACKUP.kind)
            for one in world.orders(key)
            if get_str(one.status, "state") not in instance_backups.ENDED
        ),
        *(
            Tell(one.name, exports.UNKNOWN_INSTANCE, kind=INSTANCE_EXPORT.kind)
            for one in world.exports(key)
            if get_str(one.status, "phase") not in exports.ENDED
        ),
    ]
    for tell in tells:
        await executor.tell(key.namespace, tell)
