"""What the recovery agent tells the operator: the facts, and what they came to, as one value.

The agent lists the repository and samples the primary, and reckons what can be restored from both
(`points.recoverability`); the operator judges that against the clock and the objectives. So the samples stay
with the agent, and a report is small. Every value that ages has its time; nothing in a report is a secret.

Written as JSON and read again by the same definition; what does not fit it is no report.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from dedicated.api.store import Store
from dedicated.contract.recovery.points import Recoverability
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.sampling import Memory
from dedicated.contract.recovery.wal import Ancestor

What = Literal["Database", "Repository", "Store", "Clock"]


@dataclass(frozen=True, slots=True)
class Standby:
    """A server that `pg_stat_replication` shows on the primary.

    `name` is its application name, which the engines set to the pod's. `sync` is one of sync, quorum,
    potential, async; `flushed` the position that it has stored. `followed` is when it was last seen to stream
    and to store what came, None if never: one that was, and is shown no more, stays with state `GONE`.
    """

    name: str
    state: str
    sync: str
    flushed: int
    address: str = ""
    followed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """What a server of the cluster says of itself, by a connection of its own, at a time.

    `name` is the one that it follows a primary under, empty where it was never told one. `timeline` is the
    newest whose log it has, `position` the last that it received or replayed. `standby`: it replays;
    `following`: it receives from some primary. `since` is when it was first seen so.
    """

    at: datetime
    name: str
    address: str
    standby: bool
    following: bool
    timeline: int
    position: int
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replication:
    """Who follows the primary at a time; `position` is the end of its log.

    `primary` is the pod's name where the agent's connection string names pods, else the pod's address: a
    server does not know what its pod is called.

    `blocked` are commits that wait too long for a synchronous standby. `members` are the servers
    that answered for themselves, the primary among them by its `address`; `ancestors` where older timelines
    ended, as far as the archive tells. `away` is since when the primary does not answer, None while it does.
    """

    at: datetime
    primary: str
    timeline: int
    position: int
    standbys: tuple[Standby, ...] = ()
    blocked: int = 0
    address: str = ""
    members: tuple[Member, ...] = ()
    ancestors: tuple[Ancestor, ...] = ()
    away: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failover:
    """A change of the primary: the last heartbeat written before it, and the first one after it."""

    last_before: datetime
    first_after: datetime
    timeline: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the agent could not reach, since when, and the cause in a few words. `Clock`: clocks differ."""

    what: What
    since: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class Report:
    """The agent's word at a time.

    `incarnation` is the instance's uid: a report of an earlier one says nothing. `found` is as of `listing`;
    `memory` holds the latest sample only, and the last readings of the archiver. `backups` are those that the
    repository lists, newest first, not more than `KEPT`.
    """

    written: datetime
    incarnation: str
    found: Recoverability | None = None
    memory: Memory = field(default_factory=Memory)
    backups: tuple[BackupRun, ...] = ()
    replication: Replication | None = None
    failover: Failover | None = None
    stores: tuple[Store, ...] = ()
    troubles: tuple[Trouble, ...] = ()


MANAGER = "dedicated-recovery-agent"
"""Field manager of what the agent writes."""
REPORT, SAMPLES = "report", "samples"
"""Keys of its record: what the operator reads, and what the agent remembers over its restarts."""
GONE = "gone"
"""State of a standby that followed once, and that the primary does not show now."""
KEPT = 100
"""Backups in a report: a fortnight of fulls, two days of differentials, and what was asked for."""
_ADAPTER = TypeAdapter(Report)


def to_json(report: Report) -> str:
    """One line of JSON, the same for the same report."""
    return _ADAPTER.dump_json(report, exclude_defaults=True).decode()


def from_json(text: str) -> Report | None:
    """The report in a text; None where the text is none, such as one of another version."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
