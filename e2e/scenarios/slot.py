"""A release that waits for its slot: told to the customer, permitted, and run from the slot's start on.

An emergency (M-6), since a month's request comes on the 1st only; its slot may begin at once where the
customer permits it. Both sides speak for themselves: each record is made by an identity that holds its
side's verb.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, as_manifest, get_list, get_str
from dedicated.api.names import API_VERSION
from scenarios.stage import Stage
from service import instance
from service.steps import as_user

REQUEST = "advisory-of-a-scenario"
MAINTENANCES = f"{API_VERSION}/maintenances"
CONFINED: Manifest = {"maintenance": {"confine": "AllChanges", "approval": "Required"}}
FREE: Manifest = {"maintenance": None}
LEAD, LENGTH = timedelta(seconds=20), timedelta(hours=1)
"""From the customer's word to the slot's start, and how long the slot is."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One release on its way through a slot."""

    stage: Stage
    release: str

    def ask(self) -> None:
        """Ask for the release, and announce it: it waits."""
        self.stage.change({**CONFINED, "release": {"version": self.release, "channel": None}})
        notice: Manifest = {"kind": "Security", "duration": "30m", "changes": [f"ZITADEL {self.release}"]}
        spec: Manifest = {"instance": self.stage.instance, "reference": "SCENARIO-1", **notice}
        provider = as_user(self.stage.provider.api, instance.PROVIDER)
        provider.create(instance.made("Maintenance", REQUEST, spec))
        self._record(instance.PROVIDER, "Notified", reference="SCENARIO-1", notice=notice)

    def waits(self) -> bool:
        """Whether the operator says that the release waits."""
        return any(self.release in what for what in pending(self.stage))

    def permit(self) -> None:
        """The customer's word: a slot that begins in a moment."""
        start = datetime.now(UTC) + LEAD + timedelta(seconds=1)  # written in whole seconds: never sooner
        slot: Manifest = {"start": rfc3339(start), "end": rfc3339(start + LENGTH)}
        self._record(instance.CUSTOMER, "Permitted", slot=slot)

    def completed(self) -> bool:
        """Whether the run is recorded as completed."""
        found = self.stage.provider.api.get(MAINTENANCES, self.stage.namespace, REQUEST)
        return get_str(found, "status", "phase") == "Completed"

    def free(self) -> None:
        """Changes are applied at once again, as the other scenarios want it."""
        self.stage.change(FREE)

    def _record(self, user: str, fact: str, **said: Manifest | str) -> None:
        of: Manifest = {"instance": self.stage.instance, "fact": fact, "by": user}
        spec: Manifest = {**of, "request": REQUEST, **said}
        name = f"{self.stage.instance}-{fact.lower()}-{REQUEST}"
        as_user(self.stage.provider.api, user).create(instance.made("ContractRecord", name, spec))


def pending(stage: Stage) -> Sequence[str]:
    """What waits for a slot, in the operator's words."""
    found = stage.provider.api.get(instance.RESOURCE, stage.namespace, stage.instance)
    return [get_str(as_manifest(one), "what") for one in get_list(found, "status", "pendingActions")]

