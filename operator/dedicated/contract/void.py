"""When service level and liability are void (M-11): from a failure to permit, not from the escalation.

A void begins at the failure's instant and ends at the earlier of: what is owed was done; the first slot that
the customer permitted afterwards is over, since delay is the provider's from then on. Several are united. A
void changes nothing that the operator does.
Choices where the contract is silent: a void also ends when the provider takes the emergency back, for nothing
is owed any more; neither a waiver nor a termination withdrawn ends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dedicated.contract.escalation import Issue


@dataclass(frozen=True, slots=True)
class Void:
    """A stretch without obligation; the end is no longer in it.

    No end: nothing recorded so far ends it. An end in the future is that of a slot not yet over.
    """

    start: datetime
    end: datetime | None

    def covers(self, instant: datetime) -> bool:
        """Whether the instant is void."""
        return self.start <= instant and (self.end is None or instant < self.end)


def voids(issues: Sequence[Issue]) -> tuple[Void, ...]:
    """The void intervals of all issues, united, in order."""
    united: list[Void] = []
    for issue in sorted(issues, key=lambda issue: issue.failed):
        found = Void(issue.failed, issue.released)
        last = united[-1] if united else None
        if last is None or (last.end is not None and last.end < found.start):
            united.append(found)
        elif last.end is not None:
            end = None if found.end is None else max(last.end, found.end)
            united[-1] = Void(last.start, end)
    return tuple(united)
