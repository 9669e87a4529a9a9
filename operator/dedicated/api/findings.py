"""Findings: what is wrong, who must act, and how to mend it (design.md §2, principle 6)."""

from dataclasses import dataclass
from datetime import datetime

from dedicated.api.conditions import rfc3339, shorten
from dedicated.api.instance import Contacts, Party
from dedicated.api.json import JsonValue, Manifest

LIMIT = 20
"""Findings shown in a status."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that needs somebody.

    `blocks` names what waits for it: nothing (""), the first installation ("Creation"), that anything is
    stored in a repository ("Storing"), any change ("Rollout"), or everything until a person has solved it
    ("Stalled").
    """

    code: str
    responsible: Party
    message: str
    action: str
    blocks: str = ""
    deadline: datetime | None = None

    def manifest(self, contact: str | None = None) -> Manifest:
        """The finding as an item of `status.findings`; `contact` is whom to reach of who must act."""
        found: Manifest = {
            "code": self.code,
            "responsible": self.responsible,
            "message": shorten(self.message, 512),
            "action": shorten(self.action, 512),
        }
        if contact is not None:
            found["contact"] = contact
        if self.deadline is not None:
            found["deadline"] = rfc3339(self.deadline)
        return found


def finding_list(findings: tuple[Finding, ...], contacts: Contacts | None = None) -> list[JsonValue]:
    """`status.findings`: those with a deadline first, then by code. Of too many, those that block stay."""
    shown = sorted(findings, key=lambda finding: not finding.blocks)[:LIMIT]
    known = contacts or Contacts()
    return [finding.manifest(known.of(finding.responsible)) for finding in sorted(shown, key=_order)]


def first_of(findings: tuple[Finding, ...]) -> Finding | None:
    """The one to be solved first: what blocks before what does not, then in the order of the list."""
    return min(findings, key=lambda finding: (not finding.blocks, _order(finding)), default=None)


def _order(finding: Finding) -> tuple[bool, float, str, str]:
    deadline = finding.deadline
    return (deadline is None, deadline.timestamp() if deadline else 0.0, finding.code, finding.message)
