"""From ContractRecords as the API server has them to the facts that rules are asked about.

What is kept of a record is small, since a fleet has tens of thousands: no manifest, texts that many have in
common once, and only what some rule asks for. A month that was rolled up reads as the records in it did,
with their names and times, so that no rule can tell the difference.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.duration import parse_duration
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.record import Fact as Stated
from dedicated.api.record import (
    Notice,
    RecordedAgreement,
    RecordedInstruction,
    RecordedModification,
    RecordedStretch,
    RecordSpec,
    RolledRecord,
)
from dedicated.api.recorded_database import RecordedBackup, RecordedDrill, RecordedRemoval, RecordedRestore
from dedicated.api.recorded_import import RecordedImport
from dedicated.api.recorded_limits import RecordedLoadTest, RecordedOverride
from dedicated.api.words import instant
from dedicated.contract.calendar import Slot
from dedicated.contract.ending import DeletionConfirmed, DeletionWithdrawn, FinalBackup
from dedicated.contract.facts import (
    Act,
    Agreed,
    Answer,
    DatabaseRemoved,
    Delivered,
    Drilled,
    Fact,
    Grantee,
    Instructed,
    KeysOpened,
    Notified,
    Restored,
    Retracted,
    Run,
    ServiceStarted,
    Stage,
    Stretch,
)
from dedicated.contract.modifications import Modification
from dedicated.contract.raising import LoadTest, Override, OverrideWithdrawn
from dedicated.contract.records import Record
from dedicated.contract.transfer.imported import Imported


@dataclass(frozen=True, slots=True)
class Reading:
    """What is kept of one record: the fact or the modification that it tells of, at its time.

    A MonthClosed tells of all that was rolled up into it.
    """

    name: str
    instance: str
    fact: Stated
    at: datetime
    facts: tuple[Fact, ...] = ()
    modifications: tuple[Record, ...] = ()


def read(manifest: Manifest) -> Reading | None:
    """A record as read; None where it is of a fact, or in a form, that this version does not know.

    Its time is the API server's own, and the time written into it where it was brought back.
    """
    spec = spec_of(manifest)
    made = parse_time(get_str(manifest, "metadata", "creationTimestamp"))
    if spec is None or made is None:
        return None
    name, at = get_str(manifest, "metadata", "name"), instant(spec.at) if spec.at else made
    told = _told(name, at, spec)
    if spec.closed is not None:
        rolled = (_told(item.name, instant(item.at), rolled_spec(item)) for item in spec.closed.records)
        told = [one for found in rolled for one in found]
    return Reading(
        name,
        _kept(spec.instance),
        spec.fact,
        at,
        facts=tuple(one for one in told if not isinstance(one, Record)),
        modifications=tuple(one for one in told if isinstance(one, Record)),
    )


def spec_of(manifest: Manifest) -> RecordSpec | None:
    """What a record says; None in a form that this version does not know."""
    try:
        return RecordSpec.model_validate(get_map(manifest, "spec"))
    except ValidationError:
        return None


def rolled_spec(item: RolledRecord) -> RecordSpec | None:
    """The same of a record that was rolled up."""
    try:
        return RecordSpec.model_validate(json.loads(item.spec))
    except ValueError:
        return None


def facts_in(readings: Iterable[Reading]) -> tuple[Fact, ...]:
    """The facts, each once: a record may still be there when it is rolled up already."""
    return tuple({fact.name: fact for reading in readings for fact in reading.facts}.values())


def modifications_in(readings: Iterable[Reading]) -> tuple[Record, ...]:
    """The modifications, each once."""
    return tuple({record.name: record for found in readings for record in found.modifications}.values())


def _told(name: str, at: datetime, spec: RecordSpec | None) -> list[Fact | Record]:
    """What a record tells of: one fact or modification, or nothing that this version knows."""
    if spec is None:
        return []
    if spec.modification is not None:
        return [Record(name, spec.instance, _modification(spec.modification, at))]
    fact = _of_request(name, at, spec) if spec.request else _of_contract(name, at, spec)
    return [] if fact is None else [fact]


def _of_request(name: str, at: datetime, spec: RecordSpec) -> Fact | None:
    """A fact about a maintenance."""
    by, request = _kept(spec.by), _kept(spec.request)
    fact: Fact | None = None
    match spec:
        case RecordSpec(notice=Notice() as notice):
            fact = _notified(name, at, spec, notice)
        case RecordSpec(fact="Delivered"):
            fact = Delivered(name, at, by, request)
        case RecordSpec(fact="Permitted" | "Refused" | "Withdrawn" | "Blocked" as word, slot=slot):
            permitted = Slot(instant(slot.start), instant(slot.end)) if slot else None
            fact = Answer(name, at, by, request, word, permitted, any_time=bool(slot and slot.any_time))
        case RecordSpec(fact="Started" | "Completed" | "Failed" as stage):
            fact = _run(name, at, spec, stage)
        case RecordSpec(fact="Retracted"):
            fact = Retracted(name, at, by, request)
    return fact


def _of_contract(name: str, at: datetime, spec: RecordSpec) -> Fact | None:
    """A fact about the contract as a whole."""
    by, reference = _kept(spec.by), _kept(spec.reference)
    fact: Fact | None = None
    match spec:
        case RecordSpec(fact="ServiceStarted"):
            fact = ServiceStarted(name, at, by)
        case RecordSpec(fact="KeysOpened"):
            fact = KeysOpened(name, at, by, reference)
        case RecordSpec(fact="Escalated" | "TerminationNotice" | "TerminationWithdrawn" | "Waiver" as step):
            fact = Act(name, at, by, _kept(spec.issue), step, reference)
        case RecordSpec(
            fact="NotMeasured" | "FailedOver" | "ForceMajeure" as word, stretch=RecordedStretch() as stretch
        ):
            fact = Stretch(name, at, by, word, instant(stretch.start), instant(stretch.end), reference)
        case RecordSpec(agreement=RecordedAgreement() as agreed):
            until = instant(agreed.valid_until) if agreed.valid_until else None
            since = instant(agreed.valid_from)
            fact = Agreed(name, at, by, agreed.clause, agreed.value, reference, since, until)
        case RecordSpec(instruction=RecordedInstruction() as given):
            fact = _instructed(name, at, spec, given)
        case RecordSpec(fact="Override" | "LoadTest" | "OverrideWithdrawn"):
            fact = _of_limits(name, at, spec)
        case _:
            fact = _of_database(name, at, spec)
    return fact


def _of_limits(name: str, at: datetime, spec: RecordSpec) -> Fact | None:
    """A fact about rate limits."""
    by, reference = _kept(spec.by), _kept(spec.reference)
    fact: Fact | None = None
    match spec:
        case RecordSpec(override=RecordedOverride() as raised):
            since = instant(raised.valid_from) if raised.valid_from else None
            until, reason = instant(raised.valid_until), spec.reason or ""
            fact = Override(name, at, by, raised.range, raised.factor, since, until, reference, reason)
        case RecordSpec(load_test=RecordedLoadTest() as test):
            ranges = tuple(map(_kept, test.ranges))
            fact = LoadTest(name, at, by, ranges, instant(test.from_), instant(test.until), reference)
        case RecordSpec(withdraws=str() as record):
            fact = OverrideWithdrawn(name, at, by, record)
    return fact


def _of_database(name: str, at: datetime, spec: RecordSpec) -> Fact | None:
    """A fact about the instance's data, or its end."""
    by, incarnation = _kept(spec.by), _kept(spec.incarnation)
    fact: Fact | None = None
    match spec:
        case RecordSpec(restored=RecordedRestore() as done):
            fact = replace(_restored(name, at, by, done), brought=spec.at is not None)
        case RecordSpec(removed=RecordedRemoval() as gone):
            fact = DatabaseRemoved(name, at, by, gone.cluster, gone.uid, gone.restore)
        case RecordSpec(drill=RecordedDrill() as drill):
            fact = _drilled(name, at, by, drill)
        case RecordSpec(fact="DeletionConfirmed"):
            fact = DeletionConfirmed(name, at, by, incarnation)
        case RecordSpec(imported=RecordedImport() as begun):
            fact = replace(_imported(name, at, by, incarnation, begun), brought=spec.at is not None)
        case RecordSpec(fact="DeletionWithdrawn"):
            fact = DeletionWithdrawn(name, at, by, incarnation)
        case RecordSpec(backup=RecordedBackup() as made):
            fact = FinalBackup(name, at, by, incarnation, made.object, made.label)
    return fact


def _restored(name: str, at: datetime, by: str, done: RecordedRestore) -> Restored:
    return Restored(
        name,
        at,
        by,
        done.restore,
        done.cluster,
        done.source,
        instant(done.point),
        done.exact,
        instant(done.started),
        instant(done.verified),
        retain=parse_duration(done.retain),
        expected=_seconds(done.expected_seconds),
        part=done.part or "",
        earliest=instant(done.earliest) if done.earliest else None,
        newest=instant(done.newest) if done.newest else None,
    )


def _drilled(name: str, at: datetime, by: str, drill: RecordedDrill) -> Drilled:
    return Drilled(
        name,
        at,
        by,
        drill.restore,
        drill.passed,
        drill.reason,
        drill.found,
        instant(drill.started),
        instant(drill.ended),
        restored_to=parse_time(drill.restored_to or ""),
        shortfall=_seconds(drill.shortfall_seconds),
        events=drill.events,
        newest_event=parse_time(drill.newest_event or ""),
        keys=drill.keys,
        keys_opened=drill.keys_opened,
        size=drill.size,
        took=_seconds(drill.restore_seconds),
        expected=_seconds(drill.expected_seconds),
        logical=drill.kind == "Logical",
    )


def _imported(name: str, at: datetime, by: str, incarnation: str, begun: RecordedImport) -> Imported:
    return Imported(
        name,
        at,
        by,
        incarnation,
        begun.source,
        begun.origin,
        begun.found,
        instant(begun.started),
        instant(begun.ended),
        place=begun.place or "",
        cluster=begun.cluster or "",
        point=parse_time(begun.point or ""),
        manifest_sha256=begun.manifest_sha256 or "",
        size=begun.size,
        expected=_seconds(begun.expected_seconds),
    )


def _seconds(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(seconds=count)


def _modification(found: RecordedModification, at: datetime) -> Modification:
    return Modification(
        object=found.object,
        manager=found.manager,
        operation=found.operation,
        at=found.at,
        fields=tuple(found.fields),
        repaired_at=rfc3339(at),
    )


def _notified(name: str, at: datetime, spec: RecordSpec, notice: Notice) -> Notified:
    return Notified(
        name,
        at,
        _kept(spec.by),
        _kept(spec.request),
        notice.kind,
        parse_duration(notice.duration),
        reference=_kept(spec.reference),
        changes=tuple(map(_kept, notice.changes)),
        downtime=parse_duration(notice.downtime),
        supersedes=_kept(notice.supersedes),
    )


def _run(name: str, at: datetime, spec: RecordSpec, stage: Stage) -> Run:
    return Run(
        name,
        at,
        _kept(spec.by),
        _kept(spec.request),
        stage,
        version=_kept(spec.run.version) if spec.run else "",
        gates=tuple(spec.run.gates) if spec.run else (),
        reason=(spec.reason or "") if stage == "Failed" else "",
    )


def _instructed(name: str, at: datetime, spec: RecordSpec, given: RecordedInstruction) -> Instructed:
    who = given.grantee
    return Instructed(
        name,
        at,
        _kept(spec.by),
        Grantee(who.kind, who.name, who.namespace or ""),
        tuple(given.scope),
        instant(given.valid_from),
        instant(given.valid_until),
        reason=spec.reason or "",
    )


def _kept(text: str | None) -> str:
    """A text that many records have in common: equal ones are one in memory."""
    return sys.intern(text or "")
