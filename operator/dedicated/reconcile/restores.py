"""Restores of an instance's database: how far each is, and what stands beside the database for it.

Each step is read from what is there (`contract.recovery.restore`), so that a restart finds its place. The new
cluster carries what it was made by and to which point; that it became the instance's database, and that one
is no longer needed, are records, made before anything follows from them (`restore_steps`). One restore is
under way at a time, and a Recovery waits for no other purpose. While anything is not as it must be, what
serves goes on serving.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dedicated.api.conditions import parse_time
from dedicated.api.instance_restore import Phase
from dedicated.api.json import digest, get_str
from dedicated.api.resource import Database, Instance, InvalidInstance
from dedicated.contract.facts import DatabaseRemoved, Fact, Restored
from dedicated.contract.recovery import proof, restore
from dedicated.contract.recovery.drills import known_drills, known_event
from dedicated.contract.recovery.proof import Goal, Terms, due
from dedicated.contract.recovery.restore import (
    BEGUN,
    ENDED,
    OVER,
    Known,
    Refusal,
    Target,
    database_in,
    expected,
    loss_refused,
    overdue_at,
    past_target,
    phase_of,
    replaced_at,
    switched_by,
    target_of,
)
from dedicated.contract.recovery.sampling import FRESH
from dedicated.contract.transfer.importing import is_imported, standing
from dedicated.parts import schema, verification
from dedicated.parts.database.engine import (
    ClusterState,
    cluster_name,
    restored_name,
)
from dedicated.parts.database.engines import BY_CLUSTER, adapter_of
from dedicated.parts.schema import JobState
from dedicated.parts.wanted import Wanted
from dedicated.reconcile.asked import RestoreOrder
from dedicated.reconcile.judgement import Judgement
from dedicated.reconcile.observed import Observed

RANKS = {"Recovery": 0, "Clone": 1, "Drill": 2}
"""Who begins first."""
SERVES = frozenset({"Live", "Retained"})
"""Once told, whatever is rolled out later."""
ANY_AGE = timedelta(days=36525)
"""A Recovery takes the newest point that there is, however old."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the restores of an instance are looked at with. `wanted` is at the release that runs; None where
    nothing can be rendered. `rolled`: what serves runs as the instance's database wants it."""

    instance: Instance
    observed: Observed
    judgement: Judgement
    wanted: Wanted | None
    now: datetime
    rolled: bool = False

    @property
    def zone(self) -> str:
        """The contract's."""
        return self.judgement.obligations.terms.zone

    @property
    def live(self) -> str:
        """The cluster that is the instance's database."""
        return cluster_name(self.instance)

    @property
    def removals(self) -> tuple[DatabaseRemoved, ...]:
        """What is on record as no longer needed; not of another database that had a name before."""
        children = self.observed.children.items()
        there = {ref.name: child.uid for ref, child in children if ref.kind in BY_CLUSTER}
        facts = (fact for fact in self.observed.facts if isinstance(fact, DatabaseRemoved))
        return tuple(fact for fact in facts if there.get(fact.cluster, fact.uid) == fact.uid)

    @property
    def answers(self) -> bool:
        """Whether the instance's database answers, by its engine's word or by a sample of now."""
        report, cluster = self.judgement.recovery.report, self.observed.engine.cluster
        latest = report.memory.latest if report else None
        fresh = latest is not None and self.now - latest.at <= FRESH
        return fresh or (cluster is not None and cluster.ready_servers > 0)


@dataclass(frozen=True, slots=True)
class Course:
    """One restore, and how far it is. `refusal` tells why it waits or does not begin, `target` what it
    reaches, `fact` that it was switched to; `part` is the database whose backups it is made from."""

    order: RestoreOrder
    cluster: str
    state: ClusterState | None
    known: Known
    phase: Phase
    refusal: Refusal | None = None
    target: Target | None = None
    judged: proof.Judgement | None = None
    fact: Restored | None = None
    setup: JobState | None = None
    verified: datetime | None = None
    keep_until: datetime | None = None
    source: str = ""
    part: str = ""

    @property
    def starts(self) -> bool:
        """Whether it begins now."""
        return self.phase == "Waiting" and self.refusal is None and self.target is not None

    @property
    def standing(self) -> bool:
        """Whether its database is kept as it is wanted."""
        return self.starts or (self.phase in ("Restoring", "Verifying", "Switching") and not self.fact)

    @property
    def superfluous(self) -> str:
        """The cluster that is no longer needed in the end: the old one after a switch, else the copy."""
        return self.fact.source if self.fact else self.cluster


def with_database(instance: Instance | InvalidInstance, facts: Iterable[Fact]) -> Instance | InvalidInstance:
    """The instance with the database that the records say it has, and whether its import is on record."""
    if isinstance(instance, InvalidInstance):
        return instance
    known = standing(facts) if instance.spec.from_ else tuple(facts)
    cluster = cluster_name(instance) if instance.spec.backup else ""
    done = is_imported(known, incarnation=instance.meta.uid, cluster=cluster)
    return replace(instance, database=database_in(known), imported=done)


def cluster_for(instance: Instance, uid: str) -> str:
    """Name of the database that a restore makes."""
    return restored_name(instance, digest([uid])[:6])


def courses(scene: Scene) -> tuple[Course, ...]:
    """All restores, in the order in which they may begin; what keeps one waiting is told in it."""
    ordered = sorted(scene.observed.restores, key=lambda one: (RANKS[one.purpose], one.created, one.name))
    found = [_course(scene, order) for order in ordered]
    begun = next((one for one in found if one.phase in BEGUN - OVER), None)
    waiting = [one for one in found if one.phase == "Waiting" and one.refusal is None]
    turn = begun or (waiting[0] if waiting else None)
    recovers = any(one.order.purpose == "Recovery" for one in waiting)
    if turn is begun and begun is not None and recovers and begun.order.purpose != "Recovery":
        text = "a Recovery begins in its place; ask for it again afterwards"
        yields = replace(begun, phase="Failed", refusal=Refusal("YieldedToRecovery", text))
        found = [_kept(yields, scene) if one is begun else one for one in found]
    return tuple(
        replace(one, refusal=_queued(turn)) if one in waiting and one is not turn and turn else one
        for one in found
    )


def _queued(turn: Course) -> Refusal:
    text = f"it begins when {turn.order.name} has ended"
    return Refusal("AnotherRuns", text, waits=True)


def _course(scene: Scene, order: RestoreOrder) -> Course:
    """One restore by itself."""
    observed, facts = scene.observed, scene.observed.facts
    cluster = cluster_for(scene.instance, order.uid)
    fact = switched_by(facts, order.name, cluster)
    beside = observed.engine.others.get(cluster)
    state = observed.engine.cluster if cluster == scene.live else beside
    refusal, target = _entry(scene, order, state)
    if fact is not None:
        refusal, target = None, Target(fact.point, fact.exact)
    judged, verified = _judged(scene, order, target)
    left = left_at(scene, order)
    part = left.source if left else scene.live
    setup = _setup(scene, order, database_for(scene, cluster, part, target)) if target else None
    old = fact.source if fact else cluster
    removal = next((one for one in scene.removals if one.cluster == old), None)
    kind = adapter_of(scene.instance).cluster_kind
    # Where the engine's kinds are unknown, so is whether the new database is there.
    unseen = kind is not None and kind.kind in observed.engine.missing
    told, remembered = order.told, ENDED if unseen else BEGUN | ENDED
    known = Known(
        purpose=order.purpose,
        told=told if told in remembered else None,
        refused=state is None and refusal is not None and not refusal.waits,
        made=state is not None,
        ready=state is not None and state.ready,
        overdue=_is_overdue(scene, state),
        verdict="" if judged is None else "Passed" if judged.passed else "Failed",
        unprepared=setup is not None and setup.failed,
        switched=fact is not None,
        rolled=scene.rolled or order.told in SERVES,
        backed=is_backed(scene),
        recorded=removal is not None,
        gone=removal is not None and not _exists(scene, old),
    )
    course = Course(order, cluster, state, known, "Waiting", refusal, target, judged, fact, setup, verified)
    return _kept(replace(course, phase=phase_of(known), source=scene.live, part=part), scene)


def _kept(course: Course, scene: Scene) -> Course:
    """The same with the time until which what is no longer needed is kept, and what follows from it."""
    until = parse_time(get_str(course.order.status, "keepUntil"))
    if course.fact is not None:
        until = course.fact.at + course.fact.retain
    elif course.phase == "Ready" and until is None:
        until = (course.verified or scene.now) + course.order.retain
    elif course.phase == "Failed" and until is None and course.known.made:
        until = scene.now + course.order.retain
    known = replace(course.known, due=until is not None and scene.now >= until)
    phase = course.phase if course.phase == "Failed" else phase_of(known)
    return replace(course, known=known, phase=phase, keep_until=until)


def left_at(scene: Scene, order: RestoreOrder) -> Restored | None:
    """The switch that a restore's target lies before; None where the database in use is restored from."""
    target = order.target
    return None if target is None else replaced_at(scene.observed.facts, scene.live, target)


def _entry(
    scene: Scene, order: RestoreOrder, state: ClusterState | None
) -> tuple[Refusal | None, Target | None]:
    """What a restore reaches, and why it does not begin. Once its database is there, that tells its point."""
    if state is not None and state.origin is not None:
        return None, Target(state.origin.point, state.origin.exact)
    refusal = _impossible(scene)
    if refusal is not None:
        return refusal, None
    report, left = scene.judgement.recovery.report, left_at(scene, order)
    target = target_of(report.found if report else None, order.target, zone=scene.zone)
    if left is not None and order.target is not None:
        target = past_target(left, order.target, zone=scene.zone)
    if isinstance(target, Refusal):
        return target, None
    if order.purpose != "Recovery":
        return None, target
    return loss_refused(target, accepted=order.accepted, answers=scene.answers, zone=scene.zone), target


def _impossible(scene: Scene) -> Refusal | None:
    """Why no restore can begin now, whatever is asked for."""
    judgement = scene.judgement
    if adapter_of(scene.instance).cluster_kind is None:
        return Refusal("ExternalDatabase", "the database is external: whoever runs it restores it")
    if judgement.stalled is not None:
        return Refusal("InstanceStalled", judgement.stalled.message, waits=True)
    if judgement.arrival.waiting:
        return Refusal("ImportRuns", judgement.arrival.waiting, waits=True)
    if judgement.database.wanted is None or scene.wanted is None or not scene.observed.agent_image:
        first = judgement.first("Rollout") or judgement.first("Creation")
        text = first.message if first else "nothing can be rendered, or no agent can verify"
        return Refusal("NotPossibleNow", text, waits=True)
    return None


def expectation(scene: Scene) -> timedelta | None:
    """How long a restore takes, as far as that can be told."""
    report = scene.judgement.recovery.report
    return expected(report.found if report else None, scene.observed.facts)


def estimated(scene: Scene) -> timedelta | None:
    """The same at the rates that are assumed: what a measured restore is held against."""
    report = scene.judgement.recovery.report
    return restore.estimated(report.found if report else None)


def _is_overdue(scene: Scene, state: ClusterState | None) -> bool:
    begun = state.created if state else None
    return begun is not None and scene.now >= overdue_at(begun, expectation(scene))


def is_backed(scene: Scene) -> bool:
    """Whether the instance's database can be restored by itself, as its repository tells."""
    report = scene.judgement.recovery.report
    return report is not None and report.found is not None and report.found.backup is not None


def _exists(scene: Scene, cluster: str) -> bool:
    return cluster == scene.live or cluster in scene.observed.engine.others


def _judged(
    scene: Scene, order: RestoreOrder, target: Target | None
) -> tuple[proof.Judgement | None, datetime | None]:
    """What the verification has come to; None while it has not."""
    observed = scene.observed
    verdict, job = observed.verdicts.get(order.uid), observed.tasks.get(verification.verdict_name(order.name))
    if target is None or (verdict is None and (job is None or not job.failed)):
        return None, None
    drill, left = order.purpose == "Drill", left_at(scene, order)
    report = scene.judgement.recovery.report
    earliest = report.found.earliest if report and report.found else None
    terms = Terms(
        asked=parse_time(order.created) or scene.now,
        zone=scene.zone,
        goal=goal_of(scene, order, target),
        events_until=known_event(known_drills(observed.facts), target.point if target.exact else None),
        oldest=scene.judgement.database.objectives.disaster_rpo if drill else ANY_AGE,
        earliest=left.earliest if left else earliest,
        fingerprint=observed.identity.masterkey if observed.identity else "",
        strict=order.purpose != "Recovery" and left is None,  # nobody samples what serves no more
    )
    failure = "" if verdict else "the verification's Job failed: read its log"
    return proof.judge(verdict, terms, failure=failure), verdict.written if verdict else None


def database_for(scene: Scene, cluster: str, part: str, target: Target) -> Instance:
    """The instance with the database that a restore makes from the backups of another."""
    replaces = scene.live if part != scene.live else ""
    return replace(scene.instance, database=Database(cluster, part, target.point, target.exact, replaces))


def prepared_for(scene: Scene, instance: Instance) -> Wanted | None:
    """What is wanted with the new database: its user's Secret has fields, as with every engine of ours."""
    return scene.wanted and replace(scene.wanted, instance=instance, database_form="Fields")


def _setup(scene: Scene, order: RestoreOrder, instance: Instance) -> JobState | None:
    """The setup Job against the new database, where it is there."""
    wanted = prepared_for(scene, instance) if order.purpose == "Recovery" else None
    return scene.observed.jobs.get(schema.setup_ref(wanted).name) if wanted else None


def goal_of(scene: Scene, order: RestoreOrder, target: Target) -> Goal:
    """What has to be in the copy. A drill to the newest point has to bring all that was to be archived by
    then, also where it is known that it will not: a gap fails it."""
    at = target.point
    if order.purpose == "Drill" and not target.exact and (asked := parse_time(order.created)) is not None:
        at = max(at, due(asked, scene.judgement.database.objectives.archive_interval))
    return Goal(at, newest=not target.exact)
