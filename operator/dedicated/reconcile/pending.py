"""What waits for a slot of maintenance: told in the status, and announced by the month's request.

Nothing is deferred silently: whatever `holding` keeps back is listed with what, why, not before when, and at
the latest when. `UpToDate` says the same in a line.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from dedicated.api.conditions import rfc3339
from dedicated.api.duration import parse_duration
from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.objects import Ref
from dedicated.contract.dates import month_of
from dedicated.contract.holidays import swiss_holidays
from dedicated.contract.maintenance import request_due, request_name
from dedicated.contract.releases import expected_downtime
from dedicated.contract.runs import next_slot
from dedicated.parts import server
from dedicated.reconcile.actions import Action, Ask, RecordFact, Tell
from dedicated.reconcile.holding import Sight
from dedicated.reconcile.obligations import Obligations
from dedicated.reconcile.requests import (
    asked_as,
    changes_in_words,
    is_announced,
    opened,
    release_in,
    told,
)
from dedicated.reconcile.status import is_served
from dedicated.reconcile.turns import listed
from dedicated.reconcile.upkeep import Upkeep


def waiting_for_slot(sight: Sight, on: Upkeep, later: Sequence[Ref]) -> tuple[JsonValue, ...]:
    """The items of `status.pendingActions`; `later` are the children that wait."""
    if not later:
        return ()
    owed, release = sight.judgement.obligations, sight.instance.spec.release
    wanted = _release_that_waits(sight)
    when = _not_before(sight, on, later, release=wanted)
    if wanted:
        channel = f"release.channel {release.channel} brings it"
        asked = channel if release.channel else "spec.release.version asks for it"
        return (_item("Release", f"ZITADEL {_running(sight)} -> {wanted}", asked, when, owed),)
    policy = sight.instance.spec.maintenance
    edited = "an edit of the spec, " if policy is not None and policy.confine == "AllChanges" else ""
    why = f"{edited}another rendering, image or credential changes them"
    return (_item("Change", listed(later), why, when, owed),)


def asking(sight: Sight, on: Upkeep, later: Sequence[Ref]) -> tuple[tuple[Action, ...], ...]:
    """What is to be written of requests: how far each is, and the month's own, with its notice."""
    owed = sight.judgement.obligations
    changed = told(sight.observed.asked, on.standings, on.gates, owed.terms)
    tells = tuple(Tell(item.name, status) for item, status in changed)
    stages: tuple[tuple[Action, ...], ...] = (tells,) if tells else ()
    month = request_due(owed.history, owed.terms, now=sight.now)
    if month is None or not is_served(sight.instance, sight.observed):
        return stages
    release = _release_that_waits(sight) if later else ""
    changes, downtime = _made(sight, request_name(month)) or (
        changes_in_words(later, release),
        _downtime(sight, release),
    )
    manifest, notice = opened(sight.instance, month, changes, downtime=downtime)
    return (*stages, (Ask(manifest),), (RecordFact(notice),))


def _made(sight: Sight, name: str) -> tuple[tuple[str, ...], str] | None:
    """The list and the downtime of a request that was made and not notified yet: the customer reads them
    there, whatever has turned up since. None where there is none."""
    spec = next((item.unnotified for item in sight.observed.asked if item.name == name), None)
    if spec is None:
        return None
    return tuple(str(text) for text in get_list(spec, "changes")), get_str(spec, "downtime") or "0s"


def announced_ones(on: Upkeep, later: Sequence[Ref]) -> tuple[Ref, ...]:
    """Those of the children that wait whose change the current request has announced."""
    return tuple(ref for ref in later if is_announced(ref, on.changes or ()))


def _running(sight: Sight) -> str:
    state = sight.observed.deployment(sight.instance.name, server.COMPONENT)
    return state.version if state else ""


def _release_that_waits(sight: Sight) -> str:
    """The release wanted where another one runs; else empty."""
    wanted = sight.judgement.wanted
    return wanted.release.version if wanted and wanted.release.version != _running(sight) else ""


def pending_words(items: Sequence[JsonValue]) -> str:
    """What `UpToDate` says of them."""
    found = [item for item in items if isinstance(item, dict)]
    dates = [f", not before {item['notBefore']}" if "notBefore" in item else "" for item in found]
    texts = (f"{item['what']} waits for a slot{date}" for item, date in zip(found, dates, strict=True))
    return "; ".join(texts)


def _downtime(sight: Sight, release: str) -> str:
    """What is expected of the release that waits, empty where none does; nothing else interrupts."""
    return expected_downtime(release, sight.catalogue, serving=_running(sight)) if release else "0s"


def _not_before(sight: Sight, on: Upkeep, later: Sequence[Ref], *, release: str) -> datetime | None:
    """The begin of the first slot in which it may be done: of a request that has announced it, else the first
    one that next month's request can use, after its notice."""
    owed = sight.judgement.obligations
    if not owed.terms.clocks:
        return owed.slots[0].start if owed.slots else None
    scheduled = [
        item.slot.start
        for item in on.standings
        if item.slot is not None
        and item.phase in {"Scheduled", "Gates", "Running"}
        and _announces(item.request.notified.changes, later, release)
    ]
    if scheduled:
        return min(scheduled)
    month = month_of(sight.now, owed.terms.zone).plus(1)
    following = month.start(owed.terms.zone)
    if downtime := parse_duration(_downtime(sight, release)):
        asked = asked_as(month, following, downtime)
        if slot := next_slot(asked, owed.terms, holidays=swiss_holidays(), now=following):
            return slot.start
    return next((slot.start for slot in owed.slots if slot.start >= following), following)


def _announces(changes: Sequence[str], later: Sequence[Ref], release: str) -> bool:
    if release:
        return release_in(changes) == release
    return all(is_announced(ref, changes) for ref in later)


def _item(
    kind: Literal["Release", "Change"],
    what: str,
    why: str,
    not_before: datetime | None,
    owed: Obligations,
) -> Manifest:
    item: Manifest = {"kind": kind, "what": what, "why": why}
    if not_before is not None:
        item["notBefore"] = rfc3339(not_before)
    if owed.clocks.floor is not None:
        item["atTheLatest"] = rfc3339(owed.clocks.floor.due)
    return item
