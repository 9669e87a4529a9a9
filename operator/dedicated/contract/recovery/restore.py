"""The rules of a restore (B-4): which point it reaches, what forbids it, how long it takes, how far it is.

A restore never overwrites: a new database is made beside the old one, verified, and then switched to. A
target later than the newest recoverable point is clamped to it, since PostgreSQL ends in an error where it
looks for a later one; everything that was archived is replayed then, so that nothing is left behind. An
instant before a switch is one of the database that served then, whose backups are still there. How far
a restore is follows from what is there, so that a restart finds its place; an end that was told stays told.
Limit: an estimate is for the newest point; an earlier target takes less.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dedicated.api.conditions import rfc3339
from dedicated.api.duration import duration_text
from dedicated.api.instance_restore import Phase, Purpose
from dedicated.api.json import Manifest
from dedicated.api.resource import FIRST, Database
from dedicated.contract.dates import when
from dedicated.contract.facts import DatabaseRemoved, Drilled, Fact, Restored
from dedicated.contract.records import Statement
from dedicated.contract.recovery.points import Rates, Recoverability

BEGUN: frozenset[Phase] = frozenset({"Restoring", "Verifying", "Switching", "Ready"})
"""Phases in which the new database is there."""
OVER: frozenset[Phase] = frozenset({"Live", "Retained", "Ready", "Removing", "Removed", "Failed"})
"""Phases in which a restore keeps no other one waiting."""
ENDED: frozenset[Phase] = frozenset({"Removed", "Failed"})
"""Phases that are told once, and for good."""
PATIENCE = timedelta(hours=1)
"""A restore has this at least, and otherwise four times what was expected, before it counts as failed."""
SLOWER = 4
LEAST, MOST = 0.25, 8.0
"""What one measured restore may change an estimate by."""

Verdict = Literal["", "Passed", "Failed"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a restore reaches: the point, and with `exact` no later; else everything that was archived."""

    point: datetime
    exact: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a restore does not begin; with `waits` it begins by itself when that has changed."""

    reason: str
    message: str
    waits: bool = False


def target_of(found: Recoverability | None, wanted: datetime | None, *, zone: str) -> Target | Refusal:
    """What a restore to an instant (None: the newest point) reaches, as of what the repository holds."""
    if found is None:
        return Refusal("NotMeasured", "it begins when the repository was listed", waits=True)
    newest = found.newest
    if newest is None or found.backup is None:
        return Refusal("NothingRecoverable", "the repository holds no backup that can be restored")
    if wanted is not None and wanted < newest:
        return _earlier(found.earliest or newest, wanted, zone)
    return _newest(found, newest, wanted, zone)


def _earlier(earliest: datetime, wanted: datetime, zone: str) -> Target | Refusal:
    if wanted < earliest:
        text = (
            f"the target {when(wanted, zone)} is earlier than the earliest recoverable point, "
            f"{when(earliest, zone)}"
        )
        return Refusal("TargetTooEarly", text)
    return Target(wanted, exact=True)


def _newest(
    found: Recoverability, newest: datetime, wanted: datetime | None, zone: str
) -> Target | Refusal:
    if found.superseded:
        return Refusal("TimelineChanged", "it begins when the repository was listed anew", waits=True)
    if wanted is not None and wanted > newest and found.gaps:
        text = (
            f"segments of the log are missing: nothing behind {when(newest, zone)} can be reached. "
            "Restore to that point, or without a target"
        )
        return Refusal("LogHasGap", text)
    return Target(newest, exact=False)


def replaced_at(facts: Iterable[Fact], live: str, instant: datetime) -> Restored | None:
    """The switch away from the database that served at an instant; None where it is the one that serves now.

    Followed back from that one, so that records of an instance of the same name before it lead nowhere.
    """
    switches = {fact.cluster: fact for fact in facts if isinstance(fact, Restored)}
    cluster, found = live, None
    while (fact := switches.pop(cluster, None)) is not None and instant < fact.at:
        cluster, found = fact.source, fact
    return found


def past_target(left: Restored, wanted: datetime, *, zone: str) -> Target | Refusal:
    """What a restore to an instant before a switch reaches, as of what could be restored of the database
    left: nobody lists its part of the repository any more, and the verification judges."""
    if left.earliest is not None and wanted < left.earliest:
        return _earlier(left.earliest, wanted, zone)
    if left.newest is not None and wanted >= left.newest:
        return Target(left.newest, exact=False)
    return Target(wanted, exact=True)


def loss_refused(
    target: Target, *, accepted: datetime | None, answers: bool, zone: str
) -> Refusal | None:
    """Why what would be lost was not accepted: the word does not reach so far, or is missing although the old
    database answers, so that it holds more than will be restored."""
    if accepted is not None and accepted > target.point:
        text = (
            f"the point that can be restored is {when(target.point, zone)}, and the loss was accepted since "
            f"{when(accepted, zone)} only: state acceptLossSince {rfc3339(target.point)} or earlier"
        )
        return Refusal("LossNotAccepted", text)
    if answers and accepted is None:
        text = (
            f"the old database answers, and what was written since {when(target.point, zone)} would be lost: "
            f"state acceptLossSince {rfc3339(target.point)} or earlier"
        )
        return Refusal("OldDatabaseAnswers", text)
    return None


def expected(found: Recoverability | None, facts: Iterable[Fact]) -> timedelta | None:
    """How long a restore to the newest point takes, corrected by how long the last one took."""
    estimate = estimated(found)
    measured = (one for one in facts if isinstance(one, Restored | Drilled) and one.expected and one.took)
    last = max(measured, key=lambda one: (one.started, one.name), default=None)
    if estimate is None or last is None or last.expected is None or last.took is None:
        return estimate
    return estimate * min(MOST, max(LEAST, last.took / last.expected))


def estimated(found: Recoverability | None) -> timedelta | None:
    """How long a restore to the newest point takes at the rates that are assumed, whatever was measured."""
    return found.restore_time(Rates()) if found else None


def overdue_at(started: datetime, expectation: timedelta | None) -> datetime:
    """From when on a restore that is not verified counts as failed."""
    return started + max(PATIENCE, SLOWER * (expectation or timedelta()))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one restore. Each is a fact that is there to be looked at, but for `told`, the phase
    that was told last: it is asked only for an end, and for whether the new database has been there.

    `refused`: it must not begin, or not be switched. `made` and `ready` are of the new database's cluster,
    `prepared` and `unprepared` of the setup against it, `rolled` of what serves, `backed` of the new
    database's first backup. `recorded`: the removal of the database no longer needed; `gone`: it is done.
    `due`: what was kept may go.
    """

    purpose: Purpose
    told: Phase | None = None
    refused: bool = False
    made: bool = False
    ready: bool = False
    overdue: bool = False
    verdict: Verdict = ""
    unprepared: bool = False
    switched: bool = False
    rolled: bool = False
    backed: bool = False
    due: bool = False
    recorded: bool = False
    gone: bool = False


def phase_of(known: Known) -> Phase:
    """How far a restore is."""
    if known.switched and known.told != "Removed":
        return _after_switch(known)
    if known.told in ENDED:
        return known.told
    if known.recorded:
        return "Removed" if known.gone else "Removing"
    return _before_switch(known) if known.made else _without_database(known)


def _without_database(known: Known) -> Phase:
    return "Failed" if known.refused or known.told in BEGUN else "Waiting"


def _before_switch(known: Known) -> Phase:
    if known.refused or known.unprepared or known.verdict == "Failed":
        return "Failed"
    if known.verdict == "Passed":
        return _when_verified(known)
    if known.overdue:
        return "Failed"
    return "Verifying" if known.ready else "Restoring"


def _after_switch(known: Known) -> Phase:
    """The new database is the instance's: whatever happens, that is no failed restore any more."""
    if known.recorded and known.gone:
        return "Removed"
    if not known.rolled:
        return "Switching"
    return "Retained" if known.backed else "Live"


def _when_verified(known: Known) -> Phase:
    if known.purpose == "Recovery":
        return "Switching"
    if known.purpose == "Clone" and not known.due:
        return "Ready"
    return "Removing"


def may_remove(known: Known) -> bool:
    """Whether the database that is no longer needed may be recorded as such: the old one after a Recovery,
    once the new one has a backup of its own, else the copy."""
    phase = phase_of(known)
    if known.switched:
        return phase == "Retained" and known.due
    if phase == "Failed":
        return known.made and (known.due or known.purpose == "Drill")
    return phase == "Removing"


def database_in(facts: Iterable[Fact]) -> Database:
    """Which cluster is the instance's database: that of the newest `Restored`, else the first.

    An instance made again under its name has its first one too: the other went with the instance, on record.
    """
    known = tuple(facts)
    newest = max((one for one in known if isinstance(one, Restored)), key=_order, default=None)
    if newest is None or _went_with_instance(known, newest.cluster):
        return FIRST
    replaces = newest.source if newest.part else ""
    return Database(newest.cluster, newest.part or newest.source, newest.point, newest.exact, replaces)


def switched_by(facts: Iterable[Fact], restore: str, cluster: str) -> Restored | None:
    """The record that a restore became the instance's database."""
    return next(
        (
            one
            for one in facts
            if isinstance(one, Restored) and one.restore == restore and one.cluster == cluster
        ),
        None,
    )


def _went_with_instance(facts: Iterable[Fact], cluster: str) -> bool:
    """Whether a deletion has removed a database; no restore ever removes the instance's."""
    removals = (one for one in facts if isinstance(one, DatabaseRemoved) and one.restore is None)
    return any(one.cluster == cluster for one in removals)


def restored(instance: str, fact: Restored) -> Statement:
    """The statement that a restored database is the instance's from now on."""
    told: Manifest = {
        "restore": fact.restore,
        "cluster": fact.cluster,
        "source": fact.source,
        "point": rfc3339(fact.point),
        "exact": fact.exact,
        "started": rfc3339(fact.started),
        "verified": rfc3339(fact.verified),
        "retain": duration_text(fact.retain),
    }
    if fact.expected is not None:
        told["expectedSeconds"] = int(fact.expected.total_seconds())
    told |= {"part": fact.part} if fact.part else {}
    told |= {"earliest": rfc3339(fact.earliest)} if fact.earliest else {}
    told |= {"newest": rfc3339(fact.newest)} if fact.newest else {}
    return Statement(f"{fact.cluster}-restored", instance, "Restored", {"restored": told})


def _order(fact: Restored) -> tuple[datetime, str]:
    return fact.at, fact.name
