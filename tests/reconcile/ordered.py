"""InstanceRestores of a simulated cluster, as its API server keeps them, and the verdicts on their copies."""

from dataclasses import dataclass, field
from datetime import datetime

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE_EXPORT, INSTANCE_RESTORE, Ref
from dedicated.contract.recovery.proof import Verdict
from dedicated.reconcile.actions import Action, Ask, Delete, Tell
from dedicated.reconcile.asked import ExportOrder, RestoreOrder, export_of, restore_of

KIND = INSTANCE_RESTORE.kind


@dataclass
class Restores:
    """Bodies by name, verdicts by uid; exports by name, whose Jobs are nobody's here."""

    bodies: dict[str, Manifest] = field(default_factory=dict)
    exports: dict[str, Manifest] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def carry_out(self, action: Action, *, now: datetime) -> bool:
        """Do what an action asks for; False where it is about something else."""
        match action:
            case Ask(manifest) if get_str(manifest, "kind") in (KIND, INSTANCE_EXPORT.kind):
                name = get_str(manifest, "metadata", "name")
                restore = get_str(manifest, "kind") == KIND
                uid = f"uid-{name}" if restore else name[::-1]  # records are named by its begin
                made: Manifest = {"uid": uid, "creationTimestamp": rfc3339(now)}
                body: Manifest = {**manifest, "metadata": {**get_map(manifest, "metadata"), **made}}
                kept = self.bodies if restore else self.exports
                kept.setdefault(name, body)
            case Ask(manifest) if "InstanceExport" in str(get_list(manifest, "metadata", "ownerReferences")):
                pass
            case Tell(name, status, "InstanceExport"):
                self.exports[name] = {**self.exports[name], "status": status}
            case Tell(name, status, "InstanceRestore"):
                self.bodies[name] = {**self.bodies[name], "status": status}
            case Delete(Ref("InstanceRestore", name), uid):
                assert get_str(self.bodies.pop(name), "metadata", "uid") == uid
            case _:
                return False
        return True

    def exported(self) -> tuple[ExportOrder, ...]:
        """The exports, as the plan is given them."""
        return tuple(order for one in self.exports.values() if (order := export_of(one)))

    def orders(self) -> tuple[RestoreOrder, ...]:
        """As the plan is given them."""
        return tuple(order for one in self.bodies.values() if (order := restore_of(one)))
