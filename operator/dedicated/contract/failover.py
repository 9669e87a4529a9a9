"""Failover (B-5): would the loss of the primary, its node or its zone cost a commit, or a minute?

A standby counts only while the primary shows it streaming, which it does on the primary's own timeline, and
while the primary waits for it. That a pod is ready proves nothing: one that had left the primary's history
was ready all the time, was promoted next, and every write since the failover before it was gone.
So a ready pod that the primary does not know is told by name, also where another standby is good: it could
be the next primary.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.conditions import FAILOVER_READY, Condition
from dedicated.api.findings import Finding
from dedicated.contract.dates import when
from dedicated.contract.recovery.report import Failover, Replication, Standby
from dedicated.contract.recovery.sampling import FRESH

SYNCHRONOUS = frozenset({"sync", "quorum"})
STREAMING = "streaming"
RECONNECTS = timedelta(seconds=30)
"""From when a pod is ready until the primary must show it: a standby that starts needs a moment."""
SHOWN = timedelta(days=1)
"""How long a failover that took too long is a finding."""
_KIND = FAILOVER_READY


@dataclass(frozen=True, slots=True)
class DatabasePod:
    """A pod of the database; an empty zone is not known, `ready_since` is None where it is not ready.

    A primary does not know what its pod is called: it may be told by the pod's `address`.
    """

    name: str
    zone: str
    ready_since: datetime | None
    address: str = ""

    def is_called(self, name: str) -> bool:
        """Whether this is the pod of a server."""
        return name in (self.name, self.address)


def failover_ready(
    known: Replication | None, pods: Sequence[DatabasePod], *, zone: str, now: datetime
) -> Condition:
    """Whether the loss of the primary would be survived now. `zone` is the contract zone."""
    if known is None or now - known.at > FRESH:
        text = f"last seen {when(known.at, zone)}" if known else "the primary has not been seen yet"
        return Condition(_KIND, "Unknown", "NotMeasured", text)
    seen = f"seen {when(known.at, zone)}"
    if known.blocked:
        text = f"{known.blocked} commits wait for a synchronous standby; {seen}. Provider must act"
        return Condition(_KIND, "False", "WritesBlocked", text)
    if apart := diverged(known, pods):
        text = f"{', '.join(apart)} ready, but not on the timeline of primary {known.primary}"
        text = f"{text}, and could be promoted; {seen}. Provider must act"
        return Condition(_KIND, "False", "Diverged", text)
    good = synchronous(known)
    if not good:
        text = (
            f"none of {len(known.standbys)} standbys is streaming and synchronous; {seen}. Provider must act"
        )
        return Condition(_KIND, "False", "NoSyncStandby", text)
    return _over_zones(known, good, pods, seen)


def _over_zones(
    known: Replication, good: Sequence[Standby], pods: Sequence[DatabasePod], seen: str
) -> Condition:
    """Whether one of the good standbys is in another zone than the primary."""
    here = zone_of(known.primary, pods)
    there = [(one.name, zone_of(one.name, pods)) for one in good]
    apart = sorted(f"{name} ({where})" for name, where in there if here and where and where != here)
    if apart:
        text = f"primary {known.primary} ({here}), synchronous {', '.join(apart)}; {seen}"
        return Condition(_KIND, "True", "InAnotherZone", text)
    if not here or not all(where for _, where in there):
        text = f"the zones of {known.primary} and its standbys are not known; {seen}"
        return Condition(_KIND, "Unknown", "NotMeasured", text)
    names = ", ".join(sorted(name for name, _ in there))
    text = f"primary {known.primary} and synchronous {names} are all in {here}; {seen}. Provider must act"
    return Condition(_KIND, "False", "ZonesNotSpread", text)


def synchronous(known: Replication) -> tuple[Standby, ...]:
    """The standbys that hold each commit before it is acknowledged."""
    return tuple(one for one in known.standbys if one.state == STREAMING and one.sync in SYNCHRONOUS)


def diverged(known: Replication, pods: Iterable[DatabasePod]) -> tuple[str, ...]:
    """Pods that have been ready for long enough, and of which the primary knows nothing.

    Nobody, as long as it is not known which pod is the primary itself.
    """
    pods, names = tuple(pods), (known.primary, *(one.name for one in known.standbys))
    if not any(pod.is_called(known.primary) for pod in pods):
        return ()
    return tuple(
        sorted(
            pod.name
            for pod in pods
            if not any(pod.is_called(name) for name in names)
            and pod.ready_since is not None
            and known.at - pod.ready_since > RECONNECTS
        )
    )


def zone_of(name: str, pods: Iterable[DatabasePod]) -> str:
    """The zone of a pod; empty where it is not known."""
    return next((pod.zone for pod in pods if pod.is_called(name)), "")


def next_change(known: Replication | None, last: Failover | None, *, now: datetime) -> datetime | None:
    """When what is said here changes although nothing happens; None if it does not."""
    just_after = timedelta(seconds=1)
    changes = [known.at + FRESH + just_after] if known else []
    changes += [last.first_after + SHOWN] if last else []
    return min((at for at in changes if at > now), default=None)


def outage(last: Failover) -> timedelta:
    """How long no commit was possible, at most: between the last heartbeat before and the first after."""
    return max(timedelta(0), last.first_after - last.last_before)


def findings(last: Failover | None, *, objective: timedelta, zone: str, now: datetime) -> tuple[Finding, ...]:
    """A failover that took longer than the objective, told for a day."""
    if last is None or outage(last) <= objective or now >= last.first_after + SHOWN:
        return ()
    return (
        Finding(
            code="FailoverTooSlow",
            responsible="Provider",
            message=f"the failover of {when(last.first_after, zone)} took {_seconds(outage(last))}, "
            f"the objective is {_seconds(objective)} (B-5)",
            action="find out what held it up: lease, election, or clients that did not reconnect",
        ),
    )


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():.0f} s"
