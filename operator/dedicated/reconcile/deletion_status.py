"""What is told of a deletion: who confirmed it beforehand, and how far it is while the instance goes."""

from dataclasses import dataclass
from datetime import datetime

from dedicated.api.conditions import READY, Condition, condition_list, rfc3339, shorten
from dedicated.api.findings import Finding, finding_list
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.resource import Instance, Meta
from dedicated.contract.deletion import VALID, confirmation
from dedicated.reconcile.actions import Action
from dedicated.reconcile.observed import Observed

UNJUDGED = "the instance is being deleted: nothing is measured or judged any more"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a deletion: what it does now, and who must act where it is held (`finding`).

    `by` is who confirmed, of the step that asks for that. One that does not `apply` is done.
    """

    name: str
    done: bool = False
    text: str = ""
    actions: tuple[Action, ...] = ()
    finding: Finding | None = None
    wake_at: datetime | None = None
    by: str = ""
    applies: bool = True

    def manifest(self) -> Manifest:
        """The step as an item of the status."""
        state = "Held" if self.finding else "Running"
        if self.done:
            state = "Done" if self.applies else "NotApplicable"
        message = self.finding.message if self.finding else self.text
        return {"name": self.name, "state": state, "message": shorten(message, 1024)}


def confirmation_status(
    instance: Instance, observed: Observed, *, now: datetime
) -> tuple[Manifest | None, datetime | None]:
    """The confirmation that is good now, for the policy on DELETE to see, and when it is good no more."""
    fact = confirmation(observed.facts, instance.meta.uid, at=now)
    if fact is None:
        return None, None
    until = fact.at + VALID
    return {"confirmedBy": fact.by, "until": rfc3339(until)}, until


def deletion_status(
    meta: Meta,
    steps: tuple[Step, ...],
    findings: tuple[Finding, ...],
    *,
    remove_after: datetime | None,
    now: datetime,
) -> Manifest:
    """The status as it stood, but for what is told of the deletion: nothing else is judged any more, and each
    condition says so."""
    last = steps[-1]
    told = last.finding.message if last.finding else last.text
    ready = Condition(READY, "False", f"Deleting{last.name}", f"the instance is being deleted: {told}")
    kinds = (get_str(item, "type") for item in get_list(meta.status, "conditions"))
    unjudged = (Condition(kind, "Unknown", "BeingDeleted", UNJUDGED) for kind in kinds if kind != READY)
    judged = condition_list((ready, *unjudged), previous=meta.status, generation=meta.generation, now=now)
    by = next((step.by for step in steps if step.by), "")
    listed: list[JsonValue] = [step.manifest() for step in steps]
    deletion: Manifest = {"phase": last.name, "steps": listed}
    deletion |= {"confirmedBy": by} if by else {}
    deletion |= {"removeAfter": rfc3339(remove_after)} if remove_after else {}
    status: Manifest = {
        **meta.status,
        "observedGeneration": meta.generation,
        "conditions": judged,
        "findings": finding_list(findings),
        "deletion": deletion,
    }
    summary = get_map(meta.status, "summary")
    if summary:
        text = f"{findings[0].responsible}: {findings[0].code}" if findings else ""
        status["summary"] = {**summary, "findings": text}
    return status
