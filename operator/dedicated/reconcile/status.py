"""The status: conditions and facts of one pass, as a pure function of what was judged and observed.

`Ready` means: this generation is applied, the public name answers, server and login stand in at least two
zones, nothing is stalled. Side conditions do not flip it (conventions.md §1): a repaired modification or
a lost third zone is said in its own condition.
"""

from dataclasses import dataclass
from datetime import datetime

from dedicated.api.conditions import (
    AVAILABLE,
    READY,
    RECONCILING,
    STALLED,
    TEST_CLOCK,
    TYPES,
    UP_TO_DATE,
    Condition,
    condition_list,
    rfc3339,
    transition_time,
)
from dedicated.api.findings import Finding, finding_list, first_of
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.api.resource import Instance, Meta
from dedicated.contract import availability, clock_conditions, modifications, prerequisites
from dedicated.contract.availability import READY_ZONES, ZoneUse
from dedicated.contract.dates import earliest
from dedicated.contract.responsibilities import responsibilities
from dedicated.parts import keys, login, server
from dedicated.parts.limiter.names import limiter_name
from dedicated.parts.wanted import public_url
from dedicated.reconcile import databases, limits, service_level
from dedicated.reconcile.deletion_status import confirmation_status
from dedicated.reconcile.judgement import Judgement, serving_version
from dedicated.reconcile.maintenance_status import maintenance_status
from dedicated.reconcile.observed import Observed
from dedicated.reconcile.prerequisites_status import prerequisites_met
from dedicated.reconcile.rollouts import DeploymentState
from dedicated.reconcile.spread import highly_available, spread_over_zones, zone_uses, zones_status

FACTS = (
    "url", "summary", "versions", "zones", "responsibilities", "maintenance", "serviceLevel", "recovery",
    "restore", "database", "import",
    "keyBundle", "edge", "rateLimit",
)  # fmt: skip
"""Fields of the status that stay as they were while the spec cannot be read."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far this generation is: `waiting` says what is waited for, empty where all is applied."""

    waiting: str
    reason: str


NOTHING = Progress(waiting="", reason="")
"""Nothing is waited for."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Input of the status beside the instance. `upgrade` tells of changes that wait, or run, on their own;
    `later` are those that wait for a slot, as the status lists them. `restore` is what it tells of one, and
    `rolled` whether what serves runs as wanted."""

    judgement: Judgement
    observed: Observed
    progress: Progress
    upgrade: Progress = NOTHING
    later: tuple[JsonValue, ...] = ()
    restore: Manifest | None = None
    rolled: bool = False


def render(instance: Instance, facts: Facts, *, now: datetime) -> tuple[Manifest, datetime | None]:
    """The whole status, and when it changes by itself."""
    observed, judgement = facts.observed, facts.judgement
    uses = zone_uses(observed, *spread_over_zones(instance, observed))
    modified = modifications.newest(record.modification for record in observed.records)
    unmodified, forgotten = modifications.judge(modified, now=now)
    installed = is_served(instance, observed)
    available = _available(facts, installed=installed)
    meta, owed = instance.meta, judgement.obligations
    required = prerequisites_met(judgement, observed)
    promised = service_level.promised(instance, _unmet_since(required, facts, meta, now=now))
    level = service_level.judge(instance, observed, owed, promised, now=now)
    limited = limits.judge(instance, observed, judgement, promised, now=now)
    findings = (*judgement.findings, *level.findings, *limited.findings)
    conditions = (
        _ready(facts, uses, available),
        _reconciling(facts),
        _stalled(judgement.stalled),
        available,
        highly_available(observed, judgement.recovery, uses, installed=installed),
        required,
        _up_to_date(facts),
        unmodified,
        judgement.support.condition,
        *clock_conditions.conditions(owed.clocks, owed.terms),
        *level.conditions,
        *_of_data(instance, judgement),
        *limited.conditions,
        *_test_clock(observed),
    )
    status: Manifest = {
        "observedGeneration": meta.generation,
        "url": public_url(instance.spec.domain),
        **_in_short(instance, facts, uses, findings),
        "zones": zones_status(uses, observed, allowed=instance.spec.infrastructure.zones.names),
        "conditions": condition_list(conditions, previous=meta.status, generation=meta.generation, now=now),
        "responsibilities": responsibilities(instance.spec),
        "findings": finding_list(findings, instance.spec.contacts),
        "modifications": [fact.status() for fact in modified],
        "pendingActions": [*facts.later],
        "maintenance": maintenance_status(owed),
    }
    confirmed, unconfirmed_at = confirmation_status(instance, observed, now=now)
    shown: Manifest = {
        "adminSecret": f"{instance.name}-{keys.ADMIN}" if keys.needs_admin_secret(instance) else None,
        "serviceLevel": service_level.status_of(level.judgement),
        **_as_judged(instance, facts),
        "deletion": confirmed,
        "rateLimit": limited.status,
    }
    parts = (judgement.support, owed, level, judgement.recovery, judgement.escrow, judgement.way, limited)
    changes = (forgotten, _expiry(observed, now), unconfirmed_at, *(part.wake_at for part in parts))
    told = {field: value for field, value in shown.items() if value is not None}
    return status | told, earliest(*changes)


def _expiry(observed: Observed, now: datetime) -> datetime | None:
    return prerequisites.entry_change(observed.service.entry, now=now) if observed.service else None


def _as_judged(instance: Instance, facts: Facts) -> Manifest:
    """What the judgement has ready; None where there is nothing to tell."""
    judgement = facts.judgement
    return {
        "recovery": judgement.recovery.status,
        "restore": facts.restore,
        "database": _database(instance, facts),
        "import": judgement.arrival.status,
        "keyBundle": judgement.escrow.status,
        "edge": judgement.way.status,
    }


def _database(instance: Instance, facts: Facts) -> Manifest | None:
    """The restored database that serves: the one before goes on being told until it is rolled out to."""
    database = instance.database
    if not facts.rolled or database.point is None:
        return get_map(instance.meta.status, "database") or None
    point = rfc3339(database.point)
    return {"cluster": database.cluster, "restoredFrom": database.source, "restoredTo": point}


def _in_short(
    instance: Instance, facts: Facts, uses: tuple[ZoneUse, ...], findings: tuple[Finding, ...]
) -> Manifest:
    """The columns of `kubectl get`, and the releases."""
    on_server = facts.observed.deployment(instance.name, server.COMPONENT)
    on_login = facts.observed.deployment(instance.name, login.COMPONENT)
    on_limiter = facts.observed.stateful_sets.get(limiter_name(instance.name))
    return {
        "summary": {
            "version": _version_text(facts, on_server, on_login),
            "zones": f"{min(use.zones for use in uses)}/{facts.judgement.zones}",
            "server": _count(on_server),
            "login": _count(on_login),
            **({"limiter": _count(on_limiter)} if on_limiter else {}),
            "findings": _findings_text(findings),
        },
        "versions": _versions(instance, facts, on_server, on_login),
    }


def _of_data(instance: Instance, judgement: Judgement) -> tuple[Condition, ...]:
    """Could the data be restored, where is it, and what is the engine good for?"""
    return (
        *judgement.recovery.conditions,
        judgement.located.condition,
        *databases.conditions(instance, agreed=judgement.obligations.agreed),
        judgement.escrow.condition,
    )


def render_invalid(
    meta: Meta, findings: tuple[Finding, ...], observed: Observed, *, now: datetime
) -> Manifest:
    """The status of a spec that cannot be read: what was known stays, the judgement is stalled."""
    text = "; ".join(finding.message for finding in findings)
    kept: Manifest = {key: meta.status[key] for key in FACTS if key in meta.status}
    conditions = (
        Condition(READY, "False", "InvalidSpec", text),
        Condition(RECONCILING, "False", "Stalled", "nothing is changed until the spec is corrected"),
        Condition(STALLED, "True", "InvalidSpec", text),
        *(
            Condition(kind, "Unknown", "InvalidSpec", "not judged while the spec is invalid")
            for kind in TYPES
            if kind not in {READY, RECONCILING, STALLED}
        ),
        *_test_clock(observed),
    )
    return {
        **kept,
        "observedGeneration": meta.generation,
        "conditions": condition_list(
            conditions, previous=meta.status, generation=meta.generation, now=now
        ),
        "findings": finding_list(findings),
    }


def _unmet_since(
    required: Condition, facts: Facts, meta: Meta, *, now: datetime
) -> datetime | None:
    """Since when prerequisites that are the customer's are not met (L-2), as far as the status tells."""
    found = [item for item in facts.judgement.findings if item.code in prerequisites.INFRASTRUCTURE]
    if all(finding.responsible != "Customer" for finding in found):
        return None
    return transition_time(meta.status, required) or now


def _test_clock(observed: Observed) -> tuple[Condition, ...]:
    if not observed.test_clock:
        return ()
    text = f"a test moves the contract's time: {observed.test_clock}"
    return (Condition(TEST_CLOCK, "True", "Test", text),)


def _ready(facts: Facts, uses: tuple[ZoneUse, ...], available: Condition) -> Condition:
    stalled = facts.judgement.stalled
    if stalled is not None:
        return Condition(READY, "False", stalled.code, f"{stalled.message}. {stalled.responsible} must act")
    if facts.progress.waiting:
        return Condition(READY, "False", facts.progress.reason, facts.progress.waiting)
    if available.status != "True":
        return Condition(READY, available.status, available.reason, available.message)
    if facts.observed.nodes is not None and not availability.in_enough_zones(uses):
        _, figures = availability.survives_any_zone(uses)
        return Condition(READY, "False", "TooFewZonesInUse", f"{figures}; {READY_ZONES} are needed (S-2)")
    return Condition(READY, "True", "Ready", "the instance runs as specified and its public name answers")


def _reconciling(facts: Facts) -> Condition:
    if facts.judgement.stalled is not None:
        return Condition(RECONCILING, "False", "Stalled", "nothing is changed until the finding is solved")
    if facts.progress.waiting:
        return Condition(RECONCILING, "True", facts.progress.reason, facts.progress.waiting)
    return Condition(RECONCILING, "False", "Applied", "this generation is applied")


def _stalled(finding: Finding | None) -> Condition:
    if finding is None:
        return Condition(STALLED, "False", "NotStalled", "no person has to act")
    return Condition(
        STALLED, "True", finding.code, f"{finding.message}. {finding.responsible}: {finding.action}"
    )


def is_served(instance: Instance, observed: Observed) -> bool:
    """Whether there can be a service to judge: until the first rollout has a ready pod there is none."""
    state = observed.deployment(instance.name, server.COMPONENT)
    return state is not None and state.served


def _available(facts: Facts, *, installed: bool) -> Condition:
    if not installed:
        return Condition(AVAILABLE, "Unknown", "NotInstalled", "the server is not installed yet")
    reading = facts.observed.service
    if reading is None:
        return Condition(AVAILABLE, "Unknown", "NotProbed", "the public name was not read yet")
    if reading.ok:
        return Condition(AVAILABLE, "True", "PublicNameAnswers", reading.detail)
    return Condition(AVAILABLE, "False", "PublicNameFails", reading.detail)


def _up_to_date(facts: Facts) -> Condition:
    wanted = facts.judgement.wanted
    if wanted is None:
        return Condition(UP_TO_DATE, "Unknown", "ReleaseUnknown", "the release wanted is not known")
    if facts.upgrade.waiting:
        text = f"{wanted.release.version} is wanted: {facts.upgrade.waiting}"
        return Condition(UP_TO_DATE, "False", facts.upgrade.reason, text)
    if facts.progress.waiting or facts.judgement.stalled is not None:
        blocked = facts.judgement.stalled
        text = blocked.message if blocked else facts.progress.waiting
        reason = blocked.code if blocked else facts.progress.reason
        return Condition(UP_TO_DATE, "False", reason, f"{wanted.release.version} is wanted: {text}")
    return Condition(UP_TO_DATE, "True", "UpToDate", f"{wanted.release.version} runs on every pod")


def _version_text(
    facts: Facts, on_server: DeploymentState | None, on_login: DeploymentState | None
) -> str:
    """The release that runs, and the one on its way: the login is the last to follow."""
    wanted = facts.judgement.wanted.release.version if facts.judgement.wanted else ""
    if on_server is None or not on_server.served:
        return f"-> {wanted}" if wanted else ""
    running = on_server.version
    if on_login is not None and running == wanted:
        running = on_login.version
    return f"{running} -> {wanted}" if wanted and running != wanted else running


def _versions(
    instance: Instance, facts: Facts, on_server: DeploymentState | None, on_login: DeploymentState | None
) -> Manifest:
    complete = serving_version(instance, facts.observed)
    wanted = facts.judgement.wanted
    found = {
        "wanted": wanted.release.version if wanted else "",
        "schema": complete,
        "server": on_server.version if on_server and on_server.rolled_out else "",
        "login": on_login.version if on_login and on_login.rolled_out else "",
    }
    return {key: value for key, value in found.items() if value}


def _count(state: DeploymentState | None) -> str:
    return f"{state.ready}/{state.replicas}" if state else "-"


def _findings_text(findings: tuple[Finding, ...]) -> str:
    """The first to be solved, who must, and how many other codes there are."""
    first = first_of(findings)
    if first is None:
        return ""
    codes = {finding.code for finding in findings}
    more = f" +{len(codes) - 1}" if len(codes) > 1 else ""
    return f"{first.responsible}: {first.code}{more}"
