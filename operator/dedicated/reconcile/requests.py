"""`Maintenance` objects: opened once a month (M-2), and told how far each is.

The object is for people to read; what counts are the records. So the object is made first and the notice
recorded right after it: an operator that ends in between finds the object there, and records the notice of
what it says. Its status is a function of records and time, its conditions' times included.
A change is announced in words that are compared when it runs: what is not in the list does not run (M-5).
Limit: one regular request a month (M-2), so a change that turns up after it is announced by the next one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from dedicated.api.conditions import rfc3339
from dedicated.api.duration import parse_duration
from dedicated.api.json import JsonValue, Manifest, digest
from dedicated.api.maintenance_request import CHANGES
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, JOB, MAINTENANCE, Ref
from dedicated.api.record import Gate
from dedicated.api.resource import Instance
from dedicated.contract.dates import Month
from dedicated.contract.facts import Notified, Request
from dedicated.contract.gates import failed
from dedicated.contract.maintenance import request_name
from dedicated.contract.permission import Terms
from dedicated.contract.records import Statement
from dedicated.contract.runs import Standing, next_words, slot_words
from dedicated.reconcile.asked import Asked

CHECKS = "checks of platform, replicas and public name"
"""What every regular maintenance does, also where nothing else is pending (M-2)."""
DURATION = "2h"
"""Of a regular maintenance: the shortest usable slot (M-4)."""
LENGTH = parse_duration(DURATION)
RELEASE = re.compile(r"ZITADEL (v[0-9]+\.[0-9]+\.[0-9]+)")
COMES_WITH_RELEASE = frozenset({CONFIG_MAP.kind, DEPLOYMENT.kind, JOB.kind})
"""Kinds of which a new release makes anew what it needs."""


def changes_in_words(pending: Iterable[Ref], release: str) -> tuple[str, ...]:
    """The list of changes to announce; `release` is empty where it stays."""
    found = [f"ZITADEL {release}"] if release else []
    found += sorted({_word(ref) for ref in pending if not (release and ref.kind == JOB.kind)})
    return (*found[: CHANGES - 1], CHECKS)


def is_announced(ref: Ref, changes: Sequence[str]) -> bool:
    """Whether the change of a child was announced, by itself or with a release."""
    return _word(ref) in changes or (ref.kind in COMES_WITH_RELEASE and bool(release_in(changes)))


def release_in(changes: Iterable[str]) -> str:
    """The release that was announced, or empty."""
    return next((found[1] for text in changes if (found := RELEASE.fullmatch(text))), "")


def opened(
    instance: Instance, month: Month, changes: Sequence[str], *, downtime: str
) -> tuple[Manifest, Statement]:
    """The regular request of a month, and the notice of it. `downtime` is what is expected (M-12)."""
    name = request_name(month)
    listed: list[JsonValue] = list(changes)
    notice: Manifest = {"kind": "Regular", "duration": DURATION, "downtime": downtime, "changes": listed}
    manifest: Manifest = {
        "apiVersion": MAINTENANCE.api_version,
        "kind": MAINTENANCE.kind,
        "metadata": {
            "name": name,
            "namespace": instance.namespace,
            "labels": {LABEL_INSTANCE: instance.name},
        },
        "spec": {"instance": instance.name, **notice},
    }
    fields: Manifest = {"request": name, "notice": notice}
    return manifest, Statement(f"{instance.name}-notified-{name}", instance.name, "Notified", fields)


def asked_as(month: Month, at: datetime, downtime: timedelta) -> Request:
    """The regular request of a month as it will be, notified at an instant."""
    return Request(Notified("", at, "", request_name(month), "Regular", LENGTH, downtime=downtime))


def told(
    asked: Sequence[Asked], standings: Sequence[Standing], current: tuple[Gate, ...], terms: Terms
) -> Iterator[tuple[Asked, Manifest]]:
    """The statuses to write: of each object whose status says something else. `current` are the answers of
    the gates for the request whose turn it is."""
    found = {item.request.name: item for item in standings}
    for item in asked:
        standing = found.get(item.name)
        status = _status(standing, current, terms) if standing else _pending()
        status["observedGeneration"] = item.generation
        if digest(status) != item.told:
            yield item, status


def _word(ref: Ref) -> str:
    """A change as it is announced. The names of configurations follow from their content."""
    return "configuration" if ref.kind == CONFIG_MAP.kind else "setup" if ref.kind == JOB.kind else str(ref)


def _pending() -> Manifest:
    text = "not notified yet; its clocks start with the record. Provider: record Notified"
    return {"phase": "Pending", "summary": {"slot": "", "next": text}}


def _status(found: Standing, current: tuple[Gate, ...], terms: Terms) -> Manifest:
    start = found.request.last("Started")
    gates = start.gates if start and found.phase not in {"Gates", "Scheduled"} else ()
    gates = current if found.phase == "Gates" else gates
    held = failed(gates) if found.phase == "Gates" else None
    waits_for = f"{held.gate}: {held.reason}" if held else ""
    slot, follows = found.slot, next_words(found, terms, waits_for=waits_for)
    status: Manifest = {
        "phase": found.phase,
        "summary": {"slot": slot_words(slot, terms), "next": follows},
        "notifiedAt": rfc3339(found.request.notified.at),
        "gates": [gate.model_dump(by_alias=True, exclude_none=True) for gate in gates],
        "conditions": list(_conditions(found, slot_words(slot, terms) or follows, follows)),
    }
    if slot is not None:
        status["slot"] = {"start": rfc3339(slot.start), "end": rfc3339(slot.end), "basis": slot.basis}
    instants = {"deadline": found.deadline, "startedAt": found.started, "endedAt": found.ended}
    status.update({key: rfc3339(at) for key, at in instants.items() if at is not None})
    return status


def _conditions(found: Standing, permission: str, follows: str) -> Iterator[Manifest]:
    """What they say, with the times of the records that they follow from."""
    notified = found.request.notified.at
    said = [answer.at for answer in found.request.answers if answer.at >= notified]
    permitted = found.slot is not None or found.phase in {"Permitted", "Completed"}
    basis = found.slot.basis if found.slot else found.phase
    yield _condition("Permitted", permitted, basis, permission, rfc3339(max(said, default=notified)))
    done = found.request.completed
    yield _condition("Completed", done is not None, found.phase, follows, rfc3339(done or notified))


def _condition(kind: str, holds: bool, reason: str, message: str, since: str) -> Manifest:
    return {
        "type": kind,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    }
