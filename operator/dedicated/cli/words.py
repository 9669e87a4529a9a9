"""Facts and records in a line of words, for people."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from dedicated.api.conditions import rfc3339
from dedicated.api.record import RecordSpec
from dedicated.cli.facts import Record
from dedicated.contract.dates import local
from dedicated.contract.ending import DeletionConfirmed, DeletionWithdrawn, FinalBackup
from dedicated.contract.facts import (
    Act,
    Agreed,
    Answer,
    DatabaseRemoved,
    Delivered,
    Drilled,
    Fact,
    Instructed,
    KeysOpened,
    Notified,
    Restored,
    Retracted,
    Run,
    ServiceStarted,
    Stretch,
)
from dedicated.contract.raising import LoadTest, Override, OverrideWithdrawn
from dedicated.contract.transfer.imported import Imported


def utc(instant: datetime) -> str:
    """An instant to the minute."""
    return rfc3339(instant).replace(":00Z", "Z")


def wall(instant: datetime, zone: str) -> str:
    """What a clock on the wall shows."""
    return f"{local(instant, zone):%a %Y-%m-%d %H:%M}"


def span(start: datetime, end: datetime, zone: str) -> str:
    """A stretch by the clock on the wall."""
    first, last = local(start, zone), local(end, zone)
    ends = f"{last:%H:%M}" if last.date() == first.date() else wall(end, zone)
    return f"{wall(start, zone)} to {ends}"


def length(amount: timedelta) -> str:
    """An amount of time as `2h`, `1h30m` or `45m`; one of less than a minute as `8s`."""
    minutes, seconds = divmod(int(amount.total_seconds()), 60)
    if minutes == 0 and seconds:
        return f"{seconds}s"
    hours, rest = divmod(minutes, 60)
    return "".join([f"{hours}h" if hours else "", f"{rest}m" if rest or not hours else ""])


PLAIN: Mapping[type[Fact], str] = {
    ServiceStarted: "the contract's months begin",
    KeysOpened: "a recipient opened a key bundle and found it whole",
}
"""Facts without anything of their own to tell."""


def fact_told(fact: Fact, zone: str) -> str:
    """What a fact of the contract says."""
    match fact:
        case Notified():
            kind = "regular maintenance" if fact.kind == "Regular" else f"emergency ({fact.kind})"
            contains = f", contains {fact.supersedes}" if fact.supersedes else ""
            text = f"Notified {fact.request}: {kind}, needs {length(fact.duration)}{contains}"
        case Answer():
            text = f"{fact.word} {fact.request}{_slot_told(fact, zone)}"
        case Run():
            text = f"{fact.stage} {fact.request}"
        case Act():
            text = f"{fact.step} issue {fact.issue}"
        case Agreed():
            until = f"until {utc(fact.valid_until)}" if fact.valid_until else "without end"
            text = f"Agreement on {fact.clause}: {fact.value}, from {utc(fact.valid_from)} {until}"
        case Stretch() | Instructed() | Override() | LoadTest():
            text = _while_told(fact, zone)
        case Restored() | DatabaseRemoved() | Drilled() | Imported():
            text = _database_told(fact)
        case (
            ServiceStarted() | KeysOpened() | Delivered() | Retracted() | DeletionConfirmed()
            | DeletionWithdrawn() | FinalBackup() | OverrideWithdrawn()
        ):  # fmt: skip
            text = _plainly(fact)
    return text


def _plainly(
    fact: ServiceStarted | KeysOpened | Delivered | Retracted | DeletionConfirmed | DeletionWithdrawn
    | FinalBackup | OverrideWithdrawn,
) -> str:  # fmt: skip
    """A fact that says little more than its name; an incarnation is told by its uid (T-1)."""
    name = type(fact).__name__
    if isinstance(fact, DeletionConfirmed | DeletionWithdrawn | FinalBackup):
        made = f"{fact.object} " if isinstance(fact, FinalBackup) else ""
        return f"{name} {made}of the incarnation {fact.incarnation}"
    if isinstance(fact, Delivered | Retracted):
        return f"{name} {fact.request}"
    if isinstance(fact, OverrideWithdrawn):
        return f"{name} {fact.record}"
    return f"{name}: {PLAIN[type(fact)]}"


def _database_told(fact: Restored | DatabaseRemoved | Drilled | Imported) -> str:
    if isinstance(fact, Imported):
        where = f" ({fact.place})" if fact.place else ""
        return f"Imported {fact.source} {fact.origin}{where}: {fact.found}"
    if isinstance(fact, Drilled):
        return f"Drilled {fact.restore}: {'passed' if fact.passed else fact.reason}, {fact.found}"
    if isinstance(fact, DatabaseRemoved):
        of = f", of {fact.restore}" if fact.restore else ""
        return f"DatabaseRemoved {fact.cluster} (uid {fact.uid}){of}"
    point = f"{utc(fact.point)}{'' if fact.exact else ' or later'}"
    return f"Restored {fact.cluster} from {fact.source} to {point}, by {fact.restore}"


def _while_told(fact: Stretch | Instructed | Override | LoadTest, zone: str) -> str:
    """A fact that holds from one instant to another."""
    match fact:
        case Stretch():
            text, start, end = str(fact.word), fact.start, fact.end
        case Instructed():
            what = ", ".join(fact.scope) or "all managed objects"
            text = f"Instruction: {fact.grantee.kind} {fact.grantee.name} may change {what}"
            start, end = fact.valid_from, fact.valid_until
        case Override():
            limits = "no limits" if fact.factor is None else f"{fact.factor} times the published limits"
            text, start, end = f"Override: {fact.range} has {limits}", fact.since, fact.valid_until
        case LoadTest():
            text, start, end = f"LoadTest: from {', '.join(fact.ranges)}", fact.start, fact.end
    colon = ":" if isinstance(fact, Stretch) else ","
    return f"{text}{colon} {span(start, end, zone)}"


def _slot_told(answer: Answer, zone: str) -> str:
    if answer.slot is None:
        return ""
    anywhere = ", any time in it" if answer.any_time else ""
    return f": {span(answer.slot.start, answer.slot.end, zone)}{anywhere}"


def record_told(record: Record, zone: str) -> str:
    """What a record says, with its reference and reason."""
    spec = record.spec
    text = fact_told(record.fact, zone) if record.fact else _other_told(spec)
    why = ", ".join(word for word in (spec.reference, spec.reason) if word)
    return f"{text} ({why})" if why else text


def _other_told(spec: RecordSpec) -> str:
    """What a record says that is no fact for the clocks."""
    if spec.modification is not None:
        changed = spec.modification
        return f"{spec.fact} {changed.object}: {', '.join(changed.fields)} by {changed.manager}"
    if spec.closed is not None:
        return f"{spec.fact} {spec.closed.month}: {len(spec.closed.records)} records rolled up"
    return spec.fact
