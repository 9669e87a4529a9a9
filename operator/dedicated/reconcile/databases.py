"""What is said of an instance's database engine in one pass, and what its objects are rendered from.

The engine's operator may be missing when ours starts, and come later: that is a finding, nothing is rendered
meanwhile, and what was rendered before stays. Until the first setup the database is waited for; afterwards an
engine that is not whole holds nothing up, since what serves has a pool and a Job has retries of its own.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.backup import Backup
from dedicated.api.conditions import BACKUP_POLICY_SATISFIED, ENGINE_VERIFIED, Condition
from dedicated.api.findings import Finding
from dedicated.api.resource import Instance
from dedicated.contract.recovery.drills import DrillScheduleError, parse_drill_schedule
from dedicated.contract.recovery.objectives import (
    CONTRACT,
    RecoveryObjectives,
    objectives_in_force,
    objectives_wanted,
)
from dedicated.contract.recovery.rendering import rendering
from dedicated.contract.recovery.schedule import (
    Schedule,
    ScheduleError,
    judge_schedules,
    parse_schedule,
)
from dedicated.contract.residency import STORING
from dedicated.parts.database.engine import Adapter, EngineWanted
from dedicated.parts.database.engines import adapter_of
from dedicated.reconcile.observed import Observed

DIFFERENTIALS = "B-2"
"""The clause of differential backups."""
NO_DIFFERENTIALS = "DifferentialUnsupported"
POLICY_REMEDY = "Provider must agree on differential.mode walOnly, or use percona"


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """`wanted` is None where nothing can be rendered; `waiting` says why a first setup cannot begin, empty
    where it can. Without schedules that can be read there are none. `wake_at`: a schedule's line changes."""

    findings: tuple[Finding, ...] = ()
    wanted: EngineWanted | None = None
    waiting: str = ""
    objectives: RecoveryObjectives = CONTRACT
    full: Schedule | None = None
    differential: Schedule | None = None
    wake_at: datetime | None = None


def view(
    instance: Instance, observed: Observed, *, agreed: Collection[str], zone: str, now: datetime
) -> DatabaseView:
    """Judge the engine. `zone` is the contract's."""
    backup, adapter = instance.spec.backup, adapter_of(instance)
    if backup is None:
        return DatabaseView()
    objectives, found = objectives_in_force(objectives_wanted(backup), agreed=agreed)
    findings = [*found, *_missing(adapter, observed), *_unsupported(instance, backup, adapter)]
    try:
        full = parse_schedule(backup.full.schedule)
        differential = parse_schedule(backup.differential.schedule)
        parse_drill_schedule(backup.drill.schedule)
    except (ScheduleError, DrillScheduleError) as error:
        findings.append(_spec_finding("ScheduleInvalid", f"spec.backup: {error}", "correct the schedule"))
        return DatabaseView(tuple(findings), objectives=objectives, waiting=findings[-1].message)
    kept = _differentials(backup, adapter, agreed)
    findings += judge_schedules(full, differential) if kept else ()
    lines = [rendering(schedule, zone, now=now) for schedule in (full, differential)]
    possible = not any(finding.blocks for finding in findings)
    wanted = EngineWanted(instance, lines[0], lines[1] if kept else None, objectives.archive_interval)
    return DatabaseView(
        findings=tuple(findings),
        wanted=wanted if possible else None,
        waiting=_waiting(instance, observed, adapter),
        objectives=objectives,
        full=full,
        differential=differential if kept else full,
        wake_at=min(line.until for line in lines),
    )


def held_back(view: DatabaseView, findings: Iterable[Finding], observed: Observed) -> DatabaseView:
    """The view as long as a place of the backups was not found good (D-1, D-2): without a database yet,
    nothing is rendered, so that nothing is stored there. A database that is there goes on as it is.
    """
    gate = next((finding for finding in findings if finding.blocks == STORING), None)
    if gate is None or observed.engine.cluster is not None:
        return view
    text = f"nothing is stored before its place is as it must be: {gate.message}"
    return replace(view, wanted=None, waiting=text if view.waiting else "")


def conditions(instance: Instance, *, agreed: Collection[str]) -> tuple[Condition, Condition]:
    """Whether the engine has run for real here, and whether it offers what the contract asks for."""
    adapter, backup = adapter_of(instance), instance.spec.backup
    offered = adapter.capabilities
    if backup is None:
        text = "the database is external: its owner runs it and backs it up"
        return (
            Condition(ENGINE_VERIFIED, "True", "External", text),
            Condition(BACKUP_POLICY_SATISFIED, "Unknown", "ObservedOnly", text),
        )
    verified = Condition(
        ENGINE_VERIFIED,
        "False",
        "NotRunYet",
        f"{adapter.engine} is rendered from its source and definitions; it has not run here for real",
    )
    if offered.verified:
        text = f"{adapter.engine} has run here for real; docs/engines.md tells what of it"
        verified = Condition(ENGINE_VERIFIED, "True", "Verified", text)
    return verified, _policy(backup, adapter, agreed)


def _policy(backup: Backup, adapter: Adapter, agreed: Collection[str]) -> Condition:
    kind, gaps = BACKUP_POLICY_SATISFIED, adapter.capabilities.gaps
    lacks = "; ".join(f"{gap.text} ({gap.clause})" for gap in gaps)
    without = backup.differential.mode == "walOnly"
    if not adapter.capabilities.differential and not (without and DIFFERENTIALS in agreed):
        text = f"{adapter.engine}: {lacks}. {POLICY_REMEDY}"
        return Condition(kind, "False", NO_DIFFERENTIALS, text)
    if without and DIFFERENTIALS not in agreed:
        text = "no agreement on B-2 is in force: differential backups are made all the same"
        return Condition(kind, "True", "AgreementNotValid", text)
    text = f"{adapter.engine} makes what spec.backup asks for"
    return Condition(kind, "True", "Satisfied", f"{text}; it has {lacks}" if lacks else text)


def _differentials(backup: Backup, adapter: Adapter, agreed: Collection[str]) -> bool:
    """Whether differential backups are made."""
    waived = backup.differential.mode == "walOnly" and DIFFERENTIALS in agreed
    return adapter.capabilities.differential and not waived


def _missing(adapter: Adapter, observed: Observed) -> Iterator[Finding]:
    absent = [item for item in adapter.requirements if item.kind.kind in observed.engine.missing]
    for install in dict.fromkeys(item.install for item in absent):
        kinds = ", ".join(item.kind.plural for item in absent if item.install == install)
        yield Finding(
            code="EngineMissing",
            responsible="Provider",
            message=f"engine {adapter.engine} is not installed: the API server has no {kinds}",
            action=f"{install}; it is looked for once a minute",
            blocks="Rollout",
        )


def _unsupported(instance: Instance, backup: Backup, adapter: Adapter) -> Iterator[Finding]:
    """What of the spec the engine cannot do at all."""
    name, offered = adapter.engine, adapter.capabilities
    if backup.repository.provider == "volume" and not offered.volumes:
        yield _spec_finding(
            "RepositoryUnsupported",
            f"engine {name} stores backups with provider s3 only, not volume",
            "create the instance with a repository of provider s3",
        )
    if backup.copies and not offered.copies:
        yield _spec_finding(
            "CopiesUnsupported",
            f"engine {name} stores backups in one place only, spec.backup.copies has {len(backup.copies)}",
            "remove spec.backup.copies, and let the store replicate within the data location",
        )
    encryption = backup.repository.encryption
    if not offered.client_side_encryption and encryption.server_side is None:
        yield _spec_finding(
            "EncryptionUnsupported",
            f"engine {name} cannot encrypt backups before they leave, and encryption.serverSide is not set",
            f"create {instance.name} with encryption.serverSide",
        )


def _spec_finding(code: str, message: str, action: str) -> Finding:
    return Finding(code=code, responsible="Provider", message=message, action=action, blocks="Stalled")


def _waiting(instance: Instance, observed: Observed, adapter: Adapter) -> str:
    if observed.jobs or observed.deployments:
        return ""
    state = observed.engine.cluster
    if state is None:
        return "the database cluster is being made"
    if not state.ready:
        ready = f"{state.ready_servers} of {state.servers} servers ready"
        return f"the database cluster has {ready}: {state.message}"
    if not observed.database.usable:
        return f"the engine has not made Secret {adapter.connection(instance).secret} yet"
    return ""
