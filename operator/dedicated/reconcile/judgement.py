"""What is to be said before anything is built: every finding of one pass, and what each holds up."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.catalogue import Catalogue, ResolvedRelease, version_key
from dedicated.api.findings import Finding
from dedicated.api.json import digest, get_list, get_str
from dedicated.api.objects import SECRET, Ref
from dedicated.api.resource import Instance, InvalidInstance
from dedicated.contract import agreements, isolation, prerequisites, releases
from dedicated.contract.releases import Support
from dedicated.contract.responsibilities import check_options, responsible
from dedicated.parts import config, keys, schema, server
from dedicated.parts.database import external
from dedicated.parts.recovery_agent import AgentWanted
from dedicated.parts.recovery_source import source_of
from dedicated.parts.wanted import Wanted
from dedicated.reconcile import arrival, databases, edge, escrow, imports, limiting, recovery
from dedicated.reconcile.arrival import Arrival
from dedicated.reconcile.databases import DatabaseView
from dedicated.reconcile.edge import NO_EDGE, Edge
from dedicated.reconcile.escrow import Escrow
from dedicated.reconcile.limiting import NO_LIMITER, Limiting
from dedicated.reconcile.location import Located, locate
from dedicated.reconcile.obligations import Obligations, obligations
from dedicated.reconcile.observed import Observed
from dedicated.reconcile.recovery import Recovery

REFUSALS = frozenset({"ApplyRefused", "EngineVersionUnsupported", "NameTaken"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """Findings, and what they leave possible. `wanted` is None where nothing can be rendered.

    `support` is what is said of the release that serves, `recovery` of what could be restored.
    """

    findings: tuple[Finding, ...]
    wanted: Wanted | None
    zones: int
    installed: bool
    obligations: Obligations
    support: Support
    located: Located
    database: DatabaseView
    recovery: Recovery
    escrow: Escrow
    way: Edge = NO_EDGE
    limiting: Limiting = NO_LIMITER
    arrival: Arrival = arrival.NOTHING

    def first(self, *blocks: str) -> Finding | None:
        """The first finding that blocks one of these, or None."""
        return next((finding for finding in self.findings if finding.blocks in blocks), None)

    @property
    def stalled(self) -> Finding | None:
        """What only a person can solve."""
        return self.first("Stalled")

    @property
    def refused(self) -> Finding | None:
        """What the API server refused in the last pass."""
        return next((finding for finding in self.findings if finding.code in REFUSALS), None)

    @property
    def holding(self) -> Finding | None:
        """What holds up building: a person's duty, or a prerequisite of the first installation."""
        return self.stalled or (None if self.installed else self.first("Creation"))


def judge(instance: Instance, observed: Observed, catalogue: Catalogue, *, now: datetime) -> Judgement:
    """Judge one snapshot."""
    installed = is_installed(observed)
    owed = obligations(instance, observed, now=now)
    zones, findings = agreements.zones_in_force(instance.spec, agreed=owed.agreed)
    engine = databases.view(instance, observed, agreed=owed.agreed, zone=owed.terms.zone, now=now)
    recoverable = recovery.judge(instance, observed, owed, engine, now=now)
    located = locate(
        instance.spec.infrastructure,
        observed,
        installed=installed,
        backup=instance.spec.backup,
        stores=recoverable.stores,
        bundle=instance.spec.key_bundle,
        now=now,
    )
    found = [
        *isolation.check_namespace(instance.namespace, senior=observed.senior),
        *findings,
        *_prerequisites(instance, observed, owed, zones, now=now),
        *located.findings,
        *check_options(instance.spec),
        *refusals(observed),
        *owed.findings,
    ]
    key_finding = keys.judge(
        instance, identity=observed.identity, masterkey=observed.masterkey, used=installed
    )
    found += [key_finding] if key_finding else []
    found += [*engine.findings, *_database_secret(instance, observed), *recoverable.findings]
    serving = serving_version(instance, observed)
    arriving = instance.arriving
    before = serving or (arriving.zitadel_version if arriving else "")
    release = releases.chosen(instance.spec.release, catalogue, serving=before)
    zone, floor = owed.terms.zone, owed.clocks.floor
    found += releases.check(instance.spec, catalogue, serving=before, new=not installed, now=now, zone=zone)
    kept_back = floor.responsible if floor else "Provider"
    supported = releases.support(serving, catalogue, kept_back=kept_back, now=now, zone=zone)
    found += supported.findings
    engine = databases.held_back(engine, found, observed)
    coming = imports.arrival(instance, observed, engine, release, zone=zone, now=now)
    found += coming.findings
    wanted = _wanted(instance, observed, release, zones, engine, recoverable) if release else None
    if wanted is not None:
        _, budget = config.pool_size(wanted)
        found += [budget] if budget else []
        found += _schema_findings(wanted, observed)
    limits = limiting.judge(instance, observed, zones=zones, now=now)
    way = edge.judge(instance, observed, zone=zone, now=now)
    found += [*limits.findings, *way.findings]
    kept = escrow.judge(instance, observed, wanted, located, serving=serving, zone=zone, now=now)
    found += kept.findings
    policy = databases.conditions(instance, agreed=owed.agreed)[1]
    recoverable = recovery.with_whole(recoverable, policy=policy, kept=kept.condition)
    wanted = replace(wanted, escrow=kept.wanted, limiter=limits.wanted) if wanted else None
    return Judgement(
        tuple(found), wanted, zones, installed, owed, supported, located, engine, recoverable, kept, way,
        limits, coming,
    )


def _wanted(
    instance: Instance,
    observed: Observed,
    release: ResolvedRelease,
    zones: int,
    engine: DatabaseView,
    recoverable: Recovery,
) -> Wanted:
    """What is to be rendered, but for the key bundle's Job."""
    return Wanted(
        instance=instance,
        release=release,
        zones=zones,
        database_form=observed.database.form,
        database_port=observed.database.port if observed.database.usable else None,
        database_mark=observed.database.mark,
        keys_mark=_keys_mark(instance, observed),
        engine=engine.wanted,
        agent=_agent(instance, observed, recoverable),
    )


def _prerequisites(
    instance: Instance, observed: Observed, owed: Obligations, zones: int, *, now: datetime
) -> Iterator[Finding]:
    """What of the infrastructure is not as it must be (P-5)."""
    infrastructure = instance.spec.infrastructure
    yield from prerequisites.check_nodes(
        observed.nodes, infrastructure=infrastructure, needed=zones, agreed=owed.agreed
    )
    yield from prerequisites.check_platform(observed.platform, infrastructure=infrastructure)
    if observed.service is not None:
        yield from prerequisites.check_entry(
            observed.service.entry,
            domain=instance.spec.domain,
            infrastructure=infrastructure,
            zone=owed.terms.zone,
            now=now,
        )
    if instance.spec.production:
        active = _mail_told(instance) if observed.mail is None else observed.mail
        yield from prerequisites.check_mail(active, infrastructure=infrastructure)
    problems = [pod.problem for pod in observed.pods if pod.problem and not pod.deleting]
    yield from prerequisites.check_images(problems, infrastructure=infrastructure)


def _mail_told(instance: Instance) -> bool | None:
    """What the status says of the mail provider: an operator that has just started takes a minute to ask."""
    told = (get_str(item, "code") for item in get_list(instance.meta.status, "findings"))
    return False if prerequisites.MAIL_MISSING in told else None


def judge_invalid(instance: InvalidInstance) -> tuple[Finding, ...]:
    """Findings of a spec that breaks today's rules: path and reason each."""
    return tuple(
        Finding(
            code="InvalidSpec",
            responsible="Customer",
            message=f"{path}: {reason}",
            action="correct the field; children are left as they are until then",
            blocks="Stalled",
        )
        for path, reason in instance.problems
    )


def is_installed(observed: Observed) -> bool:
    """Whether a database may hold data of this instance: a schema Job or a server was made once."""
    return bool(observed.jobs) or bool(observed.deployments)


def serving_version(instance: Instance, observed: Observed) -> str:
    """The newest release known to the database or the server; empty before the first.

    Of an instance that goes nothing may serve any more: its status tells what did.
    """
    setups = f"{instance.name}-{schema.SETUP}-"
    versions = [
        state.version for name, state in observed.jobs.items() if state.complete and name.startswith(setups)
    ]
    deployment = observed.deployment(instance.name, server.COMPONENT)
    versions += [deployment.version] if deployment else []
    if instance.meta.deleting:
        versions.append(get_str(instance.meta.status, "versions", "schema"))
    return max((v for v in versions if version_key(v)), key=version_key, default="")


def _database_secret(instance: Instance, observed: Observed) -> Iterator[Finding]:
    """The Secret of an external database. Without a usable masterkey it is not judged: its mark is keyed with
    it."""
    if instance.spec.database.external is not None and observed.masterkey.found:
        finding = external.judge(instance, observed.database)
        if finding is not None:
            yield finding


def _agent(instance: Instance, observed: Observed, found: Recovery) -> AgentWanted | None:
    """The recovery agent; none without an image, or where it cannot read what there is."""
    connected = observed.database.usable or is_installed(observed)
    source = source_of(instance, connected=connected) if observed.agent_image else None
    if source is None or found.promised is None:
        return None
    return AgentWanted(instance, observed.agent_image, source, found.promised.objectives)


def _keys_mark(instance: Instance, observed: Observed) -> str:
    """Pods read a key pair when they start: one made anew reaches them by a rollout."""
    refs = (Ref(SECRET.kind, f"{instance.name}-{suffix}") for suffix in (keys.OPERATOR_KEY, keys.LOGIN_KEY))
    return digest([child.uid if (child := observed.children.get(ref)) else "" for ref in refs])


def _schema_findings(wanted: Wanted, observed: Observed) -> list[Finding]:
    found = []
    for name in (schema.init_ref(wanted).name, schema.setup_ref(wanted).name):
        state = observed.jobs.get(name)
        if state is None or state.complete or state.failures == 0:
            continue
        pods = [pod.problem for pod in observed.pods if pod.component == schema.COMPONENT and pod.problem]
        cause = f" ({pods[-1]})" if pods else ""
        log = f"kubectl logs -n {wanted.instance.namespace} job/{name} --all-containers"
        found.append(
            Finding(
                code="SchemaJobFailing",
                responsible=responsible("Application", wanted.spec.infrastructure),
                message=f"Job {name} failed {state.failures} times{cause}; it is retried with back-off, "
                "and what serves goes on serving",
                action=f"read its log: {log}",
            )
        )
    return found


def refusals(observed: Observed) -> list[Finding]:
    """What the API server refused in the last pass."""
    return [
        Finding(
            code=failure.reason,
            responsible="Provider",
            message=f"{failure.what}: {failure.message}",
            action=(
                "correct the cause; what comes next is recorded again"
                if failure.reason == "RecordRefused"
                else "correct the cause; the operator tries again by itself"
            ),
        )
        for failure in observed.failures
    ]
