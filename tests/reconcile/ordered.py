"""InstanceRestores of a simulated cluster, as its API server keeps them, and the verdicts on their copies."""

from dataclasses import dataclass, field
from datetime import datetime

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import INSTANCE_RESTORE, Ref
from dedicated.contract.recovery.proof import Verdict
from dedicated.reconcile.actions import Action, Ask, Delete, Tell
from dedicated.reconcile.asked import RestoreOrder, restore_of

KIND = INSTANCE_RESTORE.kind


@dataclass
class Restores:
    """Bodies by name, verdicts by uid."""

    bodies: dict[str, Manifest] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def carry_out(self, action: Action, *, now: datetime) -> bool:
        """Do what an action asks for; False where it is about something else."""
        match action:
            case Ask(manifest) if get_str(manifest, "kind") == KIND:
                name = get_str(manifest, "metadata", "name")
                made: Manifest = {"uid": f"uid-{name}", "creationTimestamp": rfc3339(now)}
                body: Manifest = {**manifest, "metadata": {**get_map(manifest, "metadata"), **made}}
                self.bodies.setdefault(name, body)
            case Tell(name, status, "InstanceRestore"):
                self.bodies[name] = {**self.bodies[name], "status": status}
            case Delete(Ref("InstanceRestore", name), uid):
                assert get_str(self.bodies.pop(name), "metadata", "uid") == uid
            case _:
                return False
        return True

    def orders(self) -> tuple[RestoreOrder, ...]:
        """As the plan is given them."""
        return tuple(order for one in self.bodies.values() if (order := restore_of(one)))
