"""Failover (B-5): would the loss of the primary, its node or its zone cost a commit, or a minute?

A standby counts only while the primary shows it streaming, which it does on the primary's own timeline, while
it stores what comes, and while the primary waits for it. That a pod is ready, or that the engine calls its
cluster healthy, proves nothing: one that had left the primary's history was ready all the time, was promoted
next, and every write since the failover before it was gone. So each server that is not on the primary's
timeline is told by name, also where another standby is good: it could be the next primary.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from dedicated.api.conditions import FAILOVER_READY, Condition
from dedicated.api.findings import Finding
from dedicated.contract.dates import when
from dedicated.contract.recovery.following import STALLED, STREAMING, is_primary
from dedicated.contract.recovery.report import GONE, Failover, Member, Replication, Standby
from dedicated.contract.recovery.sampling import FRESH
from dedicated.contract.recovery.wal import position_text

SYNCHRONOUS = frozenset({"sync", "quorum"})
RECONNECTS = timedelta(seconds=30)
"""For so long a standby that starts, or changes over to a new primary, may be on an older timeline."""
HEARD = timedelta(minutes=1)
"""A member's own word that is older, as of the primary's reading, says nothing."""
SHOWN = timedelta(days=1)
"""How long a failover that took too long is a finding."""
NAMED = 3
"""Servers that are told by name in one condition."""
State = Literal["Streaming", "CatchingUp", "Stalled", "Missing", "Diverged"]
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
        return bool(name) and name in (self.name, self.address)


@dataclass(frozen=True, slots=True)
class Standing:
    """A server beside the primary, as it stands. `since` is from when on it does not follow, None where it
    does or nobody knows; `text` says why it counts for nothing. `timeline` is 0 where it is not known."""

    name: str
    zone: str
    state: State
    sync: str = ""
    timeline: int = 0
    since: datetime | None = None
    text: str = ""


def failover_ready(
    known: Replication | None, pods: Sequence[DatabasePod], *, wanted: int = 0, zone: str, now: datetime
) -> Condition:
    """Whether the loss of the primary would be survived now. `wanted` standbys are to stream, by the spec;
    `zone` is the contract zone."""
    if known is None or now - known.at > FRESH or known.away is not None:
        text = f"last seen {when(known.at, zone)}" if known else "the primary has not been seen yet"
        if known and known.away is not None:
            text = f"the primary does not answer since {when(known.away, zone)}, {text}"
        return Condition(_KIND, "Unknown", "NotMeasured", text)
    seen = f"seen {when(known.at, zone)}"
    known = by_pod(known, pods)
    every = standings(known, pods)
    if known.blocked:
        text = f"{known.blocked} commits wait for a synchronous standby for 2 s and longer"
        return _false("WritesBlocked", text, seen)
    if apart := [one for one in every if one.state == "Diverged"]:
        told = _told(apart, zone)
        text = f"{told}: could be promoted, and all since would be lost; clone it anew before the next fault"
        return _false("StandbyDiverged", text, seen)
    good = [one for one in every if one.state == "Streaming" and one.sync in SYNCHRONOUS]
    if not good:
        text = f"none of {len(known.standbys)} standbys is streaming and synchronous"
        return _false("NoSyncStandby", f"{text}{_more(every, zone)}", seen)
    streaming = [one for one in every if one.state == "Streaming"]
    if len(streaming) < wanted:
        text = f"{len(streaming)} of {wanted} standbys stream{_more(every, zone)}"
        text = f"{text}; after a failover commits could wait for a standby"
        return _false("StandbyMissing", text, seen)
    return _over_zones(known, good, pods, seen)


def _false(reason: str, text: str, seen: str) -> Condition:
    return Condition(_KIND, "False", reason, f"{text}; {seen}. Provider must act")


def _more(every: Sequence[Standing], zone: str) -> str:
    bad = [one for one in every if one.state != "Streaming"]
    return f" ({_told(bad, zone)})" if bad else ""


def _told(bad: Sequence[Standing], zone: str) -> str:
    """The servers with their figures."""
    dated = [(one, f", since {when(one.since, zone)}" if one.since else "") for one in bad[:NAMED]]
    named = "; ".join(f"{one.name} {one.text}{since}" for one, since in dated)
    return f"{named}; and {len(bad) - NAMED} more" if len(bad) > NAMED else named


def _over_zones(
    known: Replication, good: Sequence[Standing], pods: Sequence[DatabasePod], seen: str
) -> Condition:
    """Whether one of the good standbys is in another zone than the primary."""
    here = zone_of(known.primary, pods)
    apart = sorted(f"{one.name} ({one.zone})" for one in good if here and one.zone and one.zone != here)
    if apart:
        text = f"primary {known.primary} ({here}), synchronous {', '.join(apart)}; {seen}"
        return Condition(_KIND, "True", "InAnotherZone", text)
    if not here or not all(one.zone for one in good):
        text = f"the zones of {known.primary} and its standbys are not known; {seen}"
        return Condition(_KIND, "Unknown", "NotMeasured", text)
    names = ", ".join(sorted(one.name for one in good))
    text = f"primary {known.primary} and synchronous {names} are all in {here}"
    return _false("ZonesNotSpread", text, seen)


def synchronous(known: Replication) -> tuple[Standby, ...]:
    """The standbys that hold each commit before it is acknowledged."""
    return tuple(one for one in known.standbys if _streams(one, known) and one.sync in SYNCHRONOUS)


def standings(known: Replication, pods: Iterable[DatabasePod]) -> tuple[Standing, ...]:
    """Every server beside the primary: those that the primary shows or showed, the pods that are ready, those
    that answer for themselves. One whose pod is not known has no zone."""
    pods = tuple(pods)
    return tuple(sorted(_standings(known, pods), key=lambda one: one.name))


def _standings(known: Replication, pods: tuple[DatabasePod, ...]) -> Iterator[Standing]:
    members = [one for one in known.members if not is_primary(one, known) and known.at - one.at <= HEARD]
    primary_known = any(pod.is_called(known.primary) for pod in pods)
    left = [pod for pod in pods if not pod.is_called(known.primary)]
    for standby in known.standbys:
        called = [one for one in left if one.is_called(standby.name) or one.is_called(standby.address)]
        pod = called[0] if called else None
        left = [one for one in left if one is not pod]
        member = _member_of(members, standby.name, standby.address, pod.address if pod else "")
        members = [one for one in members if one is not member]
        yield _judged(known, pod, standby, member)
    for pod in left:
        member = _member_of(members, pod.name, pod.address)
        members = [one for one in members if one is not member]
        ready = pod.ready_since is not None and known.at - pod.ready_since > RECONNECTS
        if member is not None or (ready and primary_known):
            yield _judged(known, pod, None, member)
    for one in members:
        yield _judged(known, None, None, one)


def _member_of(members: Iterable[Member], *names: str) -> Member | None:
    wanted = {name for name in names if name}
    return next((one for one in members if {one.name, one.address} & wanted), None)


def _streams(standby: Standby, known: Replication) -> bool:
    """Whether a standby streams, and stores what comes. What has no time yet is of a first reading."""
    fresh = standby.followed is None or known.at - standby.followed <= STALLED
    return standby.state == STREAMING and fresh


def _judged(
    known: Replication, pod: DatabasePod | None, standby: Standby | None, member: Member | None
) -> Standing:
    of_member = (member.name or member.address) if member else ""
    name = pod.name if pod else standby.name if standby else of_member
    zone, timeline = pod.zone if pod else "", member.timeline if member else 0
    if standby is not None and _streams(standby, known):
        return Standing(name, zone, "Streaming", standby.sync, known.timeline)
    since = _since(pod, standby, member)
    late = since is None or known.at - since > RECONNECTS
    if member is not None and late and (apart := _apart(member, known)):
        return Standing(name, zone, "Diverged", "", timeline, since, apart)
    state, text = _not_following(known, standby, member)
    return Standing(name, zone, state, "", timeline, since, text)


def _not_following(
    known: Replication, standby: Standby | None, member: Member | None
) -> tuple[State, str]:
    """State and words of one that does not stream, and of which nothing says that it never will."""
    if standby is None and member is None:
        text = f"is ready, and primary {known.primary} does not know it, nor does it tell its timeline"
        return "Diverged", text
    if standby is not None and standby.state == STREAMING:
        return "Stalled", f"stores nothing, {known.position - standby.flushed} bytes behind"
    if standby is not None and standby.state != GONE:
        return "CatchingUp", f"is in state {standby.state or 'unknown'}"
    return "Missing", "does not follow"


def _since(pod: DatabasePod | None, standby: Standby | None, member: Member | None) -> datetime | None:
    """From when on a server does not follow, as far as it is known."""
    if standby is not None and standby.followed is not None:
        return standby.followed
    if member is not None:
        return member.since or member.at
    return pod.ready_since if pod else None


def _apart(member: Member, known: Replication) -> str:
    """Why a server that does not stream from the primary cannot follow it any more; empty where it still can.

    One on an older timeline still can as long as it has nothing of it from behind the end of that timeline.
    An end that is not known cannot clear it.
    """
    if member.timeline > known.timeline and member.at > known.at:
        return ""  # the reading of the primary is of before a failover
    here = f"timeline {member.timeline} at {position_text(member.position)}"
    there = f"primary {known.primary} is on timeline {known.timeline} at {position_text(known.position)}"
    side = "behind" if member.position <= known.position else "ahead"
    distance = f"{abs(known.position - member.position)} bytes {side}"
    figure = f"on {here}, {there}, {distance}"
    if not member.standby:
        return f"is a primary of its own {figure}"
    if member.timeline == known.timeline:
        return f"is {figure}" if member.position > known.position and member.at <= known.at else ""
    end = next((one.end for one in known.ancestors if one.timeline == member.timeline), None)
    if end is not None and member.position <= end:
        return ""
    past = f", {member.position - end} bytes past the end of its timeline" if end is not None else ""
    return f"is {figure}{past}"


def by_pod(known: Replication, pods: Iterable[DatabasePod]) -> Replication:
    """The same with the primary called as its pod is, where its pod is known: people look for that."""
    called = (pod.name for pod in pods if pod.is_called(known.primary))
    return replace(known, primary=next(called, known.primary))


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
