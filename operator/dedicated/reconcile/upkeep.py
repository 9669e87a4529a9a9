"""The maintenance of an instance in one pass: which request is on, what it may do, what is recorded of it.

A run is: gates, the record of the start, setup with the new image, server and login, the public name read
well after the rollout, the record of the end. Steps begin inside the slot alone (M-15): setup is one, and
server with login is one, since a login of another release serves nobody; what has begun is let end. A run
that fails before its setup has succeeded leaves the old release serving; afterwards what stands is held, and
never set back. Everything follows from records and from what is observed, so that an operator that ends
between any two requests goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dedicated.api.catalogue import Catalogue, ResolvedRelease, version_key
from dedicated.api.conditions import RPO_MET, WAL_CONTINUOUS, rfc3339, shorten
from dedicated.api.findings import Finding
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.record import Gate
from dedicated.api.resource import Instance
from dedicated.contract import gates as gating
from dedicated.contract import notice
from dedicated.contract.gates import Protection, Replicas
from dedicated.contract.holidays import swiss_holidays
from dedicated.contract.records import Statement
from dedicated.contract.recovery.verdict import fresh_backup
from dedicated.contract.releases import may_follow
from dedicated.contract.runs import Standing, next_to_run, standings
from dedicated.parts import login, schema, server
from dedicated.parts.limiter import names as limiter
from dedicated.reconcile.judgement import Judgement, serving_version
from dedicated.reconcile.observed import Observed
from dedicated.reconcile.recovery import Recovery
from dedicated.reconcile.requests import release_in
from dedicated.reconcile.status import is_served

REASON_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What maintenance says of this pass.

    `mode` tells what may be done with changes that wait for a slot: Free (none does), Waits, or Running,
    which brings `release` and the `changes` announced (None: whatever there is). It may change at `wake_at`.
    """

    mode: Literal["Free", "Waits", "Running"]
    standings: tuple[Standing, ...]
    current: Standing | None
    release: ResolvedRelease | None
    changes: tuple[str, ...] | None
    gates: tuple[Gate, ...]
    findings: tuple[Finding, ...]
    wake_at: datetime | None


def upkeep(
    instance: Instance, observed: Observed, judgement: Judgement, catalogue: Catalogue, *, now: datetime
) -> Upkeep:
    """Judge the requests there are."""
    owed = judgement.obligations
    holidays = swiss_holidays()
    requests = owed.history.requests if owed.terms.clocks else ()
    found = standings(requests, owed.terms, holidays=holidays, now=now)
    current = next_to_run(found)
    release = _release(instance, observed, judgement, catalogue, current)
    answers: tuple[Gate, ...] = ()
    if current is not None and current.phase == "Gates":
        answers = gating.gates(
            current,
            replicas=replicas(instance, observed),
            protection=_protection(judgement.recovery, now),
            version=release.version if release else "",
            catalogue=catalogue,
            zone=owed.terms.zone,
            now=now,
        )
    wakes = [item.wake_at for item in found if item.wake_at is not None and item.open]
    return Upkeep(
        mode=_mode(instance, observed, judgement, current, release, now=now),
        standings=found,
        current=current,
        release=release,
        changes=current.request.notified.changes if current else None,
        gates=answers,
        findings=(
            *(gating.finding(current, answers) if current and answers else ()),
            *_failures(found),
            *notice.findings(found, owed.terms, holidays=holidays, now=now),
        ),
        wake_at=min(wakes, default=None),
    )


def _protection(found: Recovery, now: datetime) -> Protection | None:
    """What the agent reported, for the gates; None with a database that somebody else runs."""
    if not found.managed:
        return None
    return Protection(
        found.condition(RPO_MET),
        found.condition(WAL_CONTINUOUS),
        fresh_backup(found.report, now=now) if found.report else None,
    )


def replicas(instance: Instance, observed: Observed) -> tuple[Replicas, ...]:
    """Ready pods of server, login and, where there is one, limiter."""
    states = (
        *((name, observed.deployment(instance.name, name)) for name in (server.COMPONENT, login.COMPONENT)),
        (limiter.COMPONENT, observed.stateful_sets.get(limiter.limiter_name(instance.name))),
    )
    return tuple(Replicas(name, state.ready, state.replicas) for name, state in states if state is not None)


def conclusion(
    instance: Instance,
    observed: Observed,
    found: Upkeep,
    *,
    busy: str,
    waiting: bool,
    proven: bool,
    now: datetime,
) -> Statement | None:
    """What is to be recorded of the run now, if anything.

    `busy` says what is not rolled out yet, empty where all is; `waiting` says that announced changes wait
    although the run is on; `proven` that the public name was read after the rollout.
    """
    current = found.current
    if current is None:
        return None
    name, number = current.request.name, len(current.request.starts)
    if current.phase == "Gates":
        if gating.failed(found.gates) is not None:
            return None
        listed: list[JsonValue] = [gate.model_dump(by_alias=True) for gate in found.gates]
        run: Manifest = {"gates": listed, **({"version": found.release.version} if found.release else {})}
        return _statement(instance, f"started-{name}-{number + 1}", "Started", name, run=run)
    reading = observed.service
    if not busy and not waiting and proven and reading is not None and reading.ok:
        return _statement(instance, f"completed-{name}", "Completed", name)
    cause = _cause(instance, observed, found, busy=busy, now=now)
    if not cause:
        return None
    reason = shorten(cause, REASON_LIMIT)
    return _statement(instance, f"failed-{name}-{number}", "Failed", name, reason=reason)


def _statement(
    instance: Instance, suffix: str, fact: Literal["Started", "Completed", "Failed"], request: str,
    **fields: JsonValue,
) -> Statement:  # fmt: skip
    return Statement(f"{instance.name}-{suffix}", instance.name, fact, {"request": request, **fields})


def _cause(instance: Instance, observed: Observed, found: Upkeep, *, busy: str, now: datetime) -> str:
    """Why the run has failed; empty where it goes on."""
    current, prefix = found.current, f"{instance.name}-{schema.SETUP}-"
    version = found.release.version if found.release else ""
    setups = [
        state
        for name, state in observed.jobs.items()
        if name.startswith(prefix) and state.version == version and not state.complete
    ]
    failed = next((state for state in setups if state.failed or state.failures > 0), None)
    pods = [pod.problem for pod in observed.pods if pod.component == schema.COMPONENT and pod.problem]
    text = f"setup of {version} failed {failed.failures} times" if failed else ""
    text = f"{text} ({pods[-1]}); what served before serves on" if text and pods else text
    if failed is not None and failed.failed:
        return text
    if current is None or current.may_step(now) or found.mode == "Running":
        return ""
    if failed is None and setups:
        return ""  # a setup at work is let end, however late it is (M-15)
    reading = observed.service
    silent = f"the public name: {reading.detail}" if reading is not None and not reading.ok else ""
    ended = f"the slot ended {rfc3339(current.slot.end)}" if current.slot else "its slot is not permitted"
    return "; ".join(part for part in (ended, text or busy, silent) if part)


def _mode(
    instance: Instance,
    observed: Observed,
    judgement: Judgement,
    current: Standing | None,
    release: ResolvedRelease | None,
    *,
    now: datetime,
) -> Literal["Free", "Waits", "Running"]:
    owed = judgement.obligations
    if instance.spec.maintenance is None or not is_served(instance, observed):
        return "Free"
    if not owed.terms.clocks:
        # Who runs instances for themselves asks nobody: the windows say when.
        return "Running" if owed.slots and owed.slots[0].start <= now else "Waits"
    if current is None or current.phase != "Running" or release is None:
        return "Waits"
    return "Running" if current.may_step(now) or _is_rolling(instance, observed, release) else "Waits"


def _is_rolling(instance: Instance, observed: Observed, release: ResolvedRelease) -> bool:
    """Whether the step of server and login has begun, has not ended, and is not stuck."""
    on_server = observed.deployment(instance.name, server.COMPONENT)
    on_login = observed.deployment(instance.name, login.COMPONENT)
    if on_server is None or on_login is None or on_server.version != release.version:
        return False
    stuck = any(pod.problem for pod in observed.pods if pod.component != schema.COMPONENT)
    ended = on_server.rolled_out and on_login.rolled_out and on_login.version == release.version
    return not ended and not stuck


def _release(
    instance: Instance,
    observed: Observed,
    judgement: Judgement,
    catalogue: Catalogue,
    current: Standing | None,
) -> ResolvedRelease | None:
    """The release that the current request leaves behind: the one recorded at its start, else the one that
    it announced, where the spec still asks for it; else what runs. Without clocks: what the spec asks for."""
    wanted = judgement.wanted.release if judgement.wanted else None
    if not judgement.obligations.terms.clocks:
        return wanted
    running = observed.deployment(instance.name, server.COMPONENT)
    entry = catalogue.entry(running.version) if running else None
    stays = catalogue.images_of(entry) if entry else None
    if current is None or wanted is None:
        return stays
    started = current.request.last("Started")
    if current.phase == "Running" and started is not None:
        entry = catalogue.entry(started.version)
        return catalogue.images_of(entry) if entry else stays
    entry = catalogue.entry(release_in(current.request.notified.changes))
    if entry is None:
        return stays
    newer = version_key(entry.version) <= version_key(wanted.version) and instance.spec.release.channel
    follows = may_follow(entry, serving_version(instance, observed))
    asked_for = entry.version == wanted.version or (newer and follows)
    return catalogue.images_of(entry) if asked_for else stays


def _failures(found: Sequence[Standing]) -> tuple[Finding, ...]:
    """Runs that failed, until their request is closed."""
    return tuple(
        Finding(
            code="MaintenanceFailed",
            responsible="Provider",
            message=f"{item.request.name} failed {rfc3339(last.at)}: {last.reason}",
            action=f"mend the cause; next: {rfc3339(item.slot.start)}"
            if item.slot
            else "mend the cause; it needs another slot",
            deadline=item.slot.start if item.slot else None,
        )
        for item in found
        if item.phase in {"Failed", "Scheduled", "Gates"} and (last := item.request.last("Failed"))
    )
