"""What a restored copy proves: the word of the process that looked at it, and what is made of it.

A restore that ends well proves little: one over a gap in the log ends silently before the gap, a copy may
have been damaged on its way, and what it holds may be closed to the masterkey of today. So a process of its
own (`agents/verify`) looks at each copy and writes a `Verdict` into one record; here it is judged.

**The restored point is reckoned from positions, never from a tool's word**: the samples of the source tell
which position its log had at a time, the copy tells at which position its recovery ended. What lies between
is the shortfall. Where the copy no longer tells that position exactly, it is an upper bound and said to be
one.
Limit: without samples (a lost cluster) the shortfall is unknown, and only a recovery may go on then.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from dedicated.api.duration import duration_text
from dedicated.contract.dates import when
from dedicated.contract.recovery.conditions import STALLED_AFTER
from dedicated.contract.recovery.sampling import Sample

Result = Literal["Passed", "Failed", "Unknown"]
Name = Literal["Recovery", "Point", "Pages", "Structure", "Events", "Keys"]
"""Of a check: recovery ended; the point that was reached; each page read; indexes held against their tables;
the event store; the encryption keys opened with the masterkey."""
Reason = Literal[
    "Proven", "RecoveryNotEnded", "Shortfall", "EventsMissing", "Corrupted", "MasterkeyWrong", "TooOld",
    "TooNew", "NotVerified", "YieldedToRecovery",
]  # fmt: skip

MANAGER = "dedicated-verification"
"""Field manager of what the process writes."""
VERDICT = "verdict"
"""Key of its record."""
DAMAGE = re.compile(r"checksum|invalid page|corrupt|decompress", re.IGNORECASE)
"""In the words of a restore that failed: what it copied is not what was stored."""
TOLERANCE = timedelta(seconds=5)
"""By how much the clock of the source may be ahead of its sampler's."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What has to be in a copy: all that was committed by `at`.

    `newest`: the restore takes all of the log there is, and `at` is the least of it; else it stops at `at`.
    """

    at: datetime
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what came out, and the figures in a few words."""

    name: Name
    result: Result
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """Up to when a copy holds all that was committed, and what is missing to its goal.

    `restored_to` is None where nothing tells; `shortfall` is None where there is nothing to compare with.
    """

    restored_to: datetime | None
    shortfall: timedelta | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in a copy. `restore` is the uid of the restore that it belongs to.

    `position` is where recovery ended, in the log's bytes; `exact` is False where the copy has been started
    anew since then, which leaves an upper bound. `newest_event` is the time of the newest event by its own
    position. `keys_opened` of `keys` were opened. `fingerprint` is the masterkey's, salted as the
    instance's identity is. `waited`: until recovery ended; `took`: all that was looked at after it. `size`
    is the database's in bytes.
    """

    written: datetime
    restore: str
    goal: Goal
    recovered: bool
    restored_to: datetime | None = None
    shortfall: timedelta | None = None
    position: int | None = None
    exact: bool = False
    events: int | None = None
    newest_event: datetime | None = None
    keys: int = 0
    keys_opened: int = 0
    fingerprint: str = ""
    size: int = 0
    checks: tuple[Check, ...] = ()
    waited: timedelta = timedelta(0)
    took: timedelta = timedelta(0)

    def check(self, name: Name) -> Check:
        """One of the checks; one that was not made is unknown."""
        return next((one for one in self.checks if one.name == name), Check(name, "Unknown", "not looked at"))


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a copy proves that a restore works; else why not."""

    passed: bool
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a copy is judged by.

    `asked`: when the restore was; `goal`: what it asked for, for a copy that nobody could look at. `oldest`:
    a restore to the newest point must reach so far back at most (B-3). `earliest`: the earliest point that
    could be restored then. `fingerprint`: of the instance's masterkey, empty where none is known.
    `events_until`: the newest event known to have been at or before the restored point, such as of an
    earlier drill. `strict`: what is not known is not proven, as in a drill.
    """

    asked: datetime
    zone: str
    goal: Goal | None = None
    oldest: timedelta = timedelta(hours=1)
    earliest: datetime | None = None
    fingerprint: str = ""
    events_until: datetime | None = None
    strict: bool = True


_ADAPTER = TypeAdapter(Verdict)


def to_json(verdict: Verdict) -> str:
    """One line of JSON."""
    return _ADAPTER.dump_json(verdict, exclude_defaults=True).decode()


def read_verdict(data: Mapping[str, str], *, restore: str) -> Verdict | None:
    """The verdict in a record's data; None where there is none yet, or it is of another restore."""
    try:
        found = _ADAPTER.validate_json(data.get(VERDICT, ""))
    except ValidationError:
        return None
    return found if found.restore == restore else None


def due(asked: datetime, archive_interval: timedelta) -> datetime:
    """What was committed by then has to be archived when a drill to the newest point is asked for.

    Later than the published newest point where archiving is late, so that a gap that is known fails as well.
    """
    return asked - STALLED_AFTER * archive_interval


def reached(samples: Sequence[Sample], position: int | None, goal: Goal) -> Point:
    """What a copy whose recovery ended at a position holds.

    A restore to a time stops before the first later commit, and the sample at or just before that time was
    written a moment after it: so the last one before the goal says nothing against it. Samples of a primary
    that was cut off are not counted: its successor's log went on before them.
    """
    kept = _followed(samples)
    if position is None or not kept:
        return Point(None, None)
    held = [one for one in kept if one.position <= position]
    missing = [one for one in kept if one.position > position and one.at <= goal.at]
    if not goal.newest and len(missing) == 1:
        missing = []
    if not goal.newest and not missing:
        return Point(goal.at, timedelta(0))
    if not held:  # before all that is remembered
        return Point(None, missing[-1].at - kept[0].at if missing else None)
    point = held[-1].at
    return Point(point, missing[-1].at - point if missing else timedelta(0))


def _followed(samples: Sequence[Sample]) -> list[Sample]:
    """Those that each later one comes after in the log."""
    kept: list[Sample] = []
    for sample in reversed(samples):
        if not kept or sample.position <= kept[-1].position:
            kept.append(sample)
    return kept[::-1]


def judge(verdict: Verdict | None, terms: Terms, *, failure: str = "") -> Judgement:
    """What a copy proves. `failure`: why the process could not look, in the words of the Job or the engine.

    The first cause is told: what was not recovered holds nothing, and what is damaged proves nothing else.
    """
    if verdict is None or not verdict.recovered:
        return _not_recovered(verdict, terms, failure)
    for reason, text in _faults(verdict, terms):
        return Judgement(False, reason, text)
    if terms.strict:
        unknown = [one for one in verdict.checks if one.result == "Unknown" and _matters(one, verdict, terms)]
        if unknown:
            text = "; ".join(f"{one.name}: {one.text}" for one in unknown)
            return Judgement(False, "NotVerified", text)
    return Judgement(True, "Proven", figures(verdict, terms.zone))


def _not_recovered(verdict: Verdict | None, terms: Terms, failure: str) -> Judgement:
    """Of a copy that did not come to life: nobody restores what the repository does not hold."""
    goal = verdict.goal if verdict else terms.goal
    if goal is not None and terms.earliest is not None and goal.at < terms.earliest:
        zone = terms.zone
        text = f"{when(goal.at, zone)} is before the earliest point, {when(terms.earliest, zone)}"
        return Judgement(False, "TooOld", text)
    if DAMAGE.search(failure):
        return Judgement(False, "Corrupted", failure)
    if verdict is None:
        return Judgement(False, "NotVerified", failure or "nobody has looked at the copy yet")
    return Judgement(False, "RecoveryNotEnded", failure or verdict.check("Recovery").text)


def _matters(check: Check, verdict: Verdict, terms: Terms) -> bool:
    """Whether what is not known of a copy leaves it unproven. Indexes can be built anew from their tables;
    and where no value shows that the keys opened are the right ones, the masterkey's fingerprint does."""
    if check.name == "Keys":
        return not terms.fingerprint or verdict.fingerprint != terms.fingerprint
    return check.name != "Structure"


def _faults(verdict: Verdict, terms: Terms) -> list[tuple[Reason, str]]:
    """What is wrong with a copy that was recovered, the first cause first."""
    found: list[tuple[Reason, str]] = []
    for name in ("Pages", "Structure"):
        check = verdict.check(name)
        if check.result == "Failed":
            found.append(("Corrupted", check.text))
    point = verdict.check("Point")
    if point.result == "Failed":
        found.append(("TooNew" if verdict.shortfall == timedelta(0) else "Shortfall", point.text))
    found += _events(verdict, terms)
    if (too_old := _age(verdict, terms)) is not None:
        found.append(("TooOld", too_old))
    keys = verdict.check("Keys")
    if keys.result == "Failed":
        found.append(("MasterkeyWrong", keys.text))
    elif terms.fingerprint and verdict.fingerprint and verdict.fingerprint != terms.fingerprint:
        found.append(("MasterkeyWrong", "the masterkey has another fingerprint than the instance's identity"))
    return found


def _events(verdict: Verdict, terms: Terms) -> list[tuple[Reason, str]]:
    check = verdict.check("Events")
    if check.result == "Failed":
        return [("EventsMissing", check.text)]
    least, newest = terms.events_until, verdict.newest_event
    if least is not None and newest is not None and newest < least:
        text = f"newest event {when(newest, terms.zone)}, known is one of {when(least, terms.zone)}"
        return [("EventsMissing", text)]
    return []


def _age(verdict: Verdict, terms: Terms) -> str | None:
    """Why the point is too old; None where it is not, or another one was asked for."""
    if not verdict.goal.newest or verdict.restored_to is None:
        return None
    age = terms.asked - verdict.restored_to
    if age <= terms.oldest:
        return None
    return (
        f"the newest point, {when(verdict.restored_to, terms.zone)}, is {duration_text(age)} old; "
        f"objective {duration_text(terms.oldest)} (B-3)"
    )


def figures(verdict: Verdict, zone: str) -> str:
    """The figures of a copy in one line."""
    at = verdict.restored_to
    point = f"restored to {when(at, zone)}" if at else "restored"
    events = "" if verdict.events is None else f", {verdict.events} events"
    return f"{point}{events}, {verdict.keys_opened} of {verdict.keys} encryption keys opened"
