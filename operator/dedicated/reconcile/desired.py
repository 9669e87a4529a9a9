"""What should exist now: the parts in their order, each behind its gate (design.md §6).

Gates: the schema waits for keys and database, the server for a setup that succeeded for its version, the
login of a new version for the server, the limiter for a server that serves. What waits is left as it is: old
pods serve meanwhile.
"""

from dataclasses import dataclass, replace

from dedicated.api.json import Manifest, digest, get_str
from dedicated.api.objects import DEPLOYMENT, JOB, Ref, ref_of
from dedicated.parts import config, escrow, login, network, recovery_agent, schema, server, workload
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.schema import JobState
from dedicated.parts.wanted import Wanted
from dedicated.reconcile import limiting
from dedicated.reconcile.observed import Observed


@dataclass(frozen=True, slots=True)
class Desired:
    """Manifests to hold, children to leave alone, and children to delete.

    `untouched` are children that a gate keeps as they are, `beside` those that are no part of the instance.
    `waiting` says in words what is waited for; empty: nothing. `complete` says that everything of this
    generation is wanted now.
    """

    manifests: tuple[Manifest, ...]
    untouched: frozenset[Ref]
    replaced: frozenset[Ref]
    waiting: str
    complete: bool
    beside: frozenset[Ref] = frozenset()


def compose(
    wanted: Wanted, observed: Observed, *, database_ready: bool, waiting_for: str = ""
) -> Desired:
    """Everything that should exist at this moment. The masterkey is known to be the right one.

    `waiting_for` says in words why the database is not ready.
    """
    config_map = config.config_map(wanted)
    config_name = get_str(config_map, "metadata", "name")
    on_server = server.workload(wanted, config_name=config_name)
    on_login = login.workload(wanted)
    base = (
        config_map,
        *workload.manifests(wanted, on_server),
        *workload.manifests(wanted, on_login),
        schema.service_account(wanted),
        *network.policies(wanted),
        *(adapter_of(wanted.instance).render(wanted.engine) if wanted.engine else ()),
        *(recovery_agent.manifests(wanted.agent) if wanted.agent else ()),
        *(escrow.manifests(wanted.escrow) if wanted.escrow else ()),
    )
    limiter = limiting.steps(wanted, observed)
    base = (*base, *limiter.manifests)
    steps = _schema_steps(wanted, observed, config_name=config_name, database_ready=database_ready)
    if waiting_for:
        steps = replace(steps, waiting=waiting_for)
    if steps.waiting:
        kept = frozenset(
            Ref(DEPLOYMENT.kind, f"{wanted.name}-{component}")
            for component in (server.COMPONENT, login.COMPONENT)
        )
        return Desired(
            manifests=(*base, *steps.manifests),
            untouched=kept | limiter.untouched,
            replaced=steps.replaced,
            waiting=steps.waiting,
            complete=False,
        )
    server_deployment = workload.deployment(wanted, on_server)
    login_deployment = workload.deployment(wanted, on_login)
    login_waits = not _login_may_follow(wanted, observed)
    text = f"rolling out the server; the login follows with {wanted.release.version}"
    manifests = (*base, *steps.manifests, server_deployment)
    behind = frozenset({ref_of(login_deployment)}) if login_waits else frozenset[Ref]()
    return Desired(
        manifests=manifests if login_waits else (*manifests, login_deployment),
        untouched=behind | limiter.untouched,
        replaced=steps.replaced,
        waiting=text if login_waits else limiter.waiting,
        complete=not (login_waits or limiter.waiting),
    )


@dataclass(frozen=True, slots=True)
class _SchemaSteps:
    manifests: tuple[Manifest, ...]
    replaced: frozenset[Ref]
    waiting: str


def _schema_steps(
    wanted: Wanted, observed: Observed, *, config_name: str, database_ready: bool
) -> _SchemaSteps:
    """The Jobs that should exist. The words stay the same from init to the end of setup: one status
    write tells of both."""
    setup_ref = schema.setup_ref(wanted)
    setup = observed.jobs.get(setup_ref.name, JobState())
    text = f"preparing the database schema for {wanted.release.version}"
    if not database_ready:
        return _SchemaSteps((), frozenset(), text)
    setup_job = schema.setup_job(wanted, config_name=config_name)
    init_job = schema.init_job(wanted, config_name=config_name)
    init = observed.jobs.get(schema.init_ref(wanted).name)
    jobs = (init_job,) if init is not None and init.complete else ()
    if setup.complete:  # then init was done too, whether its Job is still there or not
        return _SchemaSteps((*jobs, setup_job), frozenset(), "")
    if schema.needs_init(wanted) and not jobs:
        return _SchemaSteps(*_one_job(init_job, init, observed), text)
    manifests, replaced = _one_job(setup_job, observed.jobs.get(setup_ref.name), observed)
    return _SchemaSteps((*jobs, *manifests), replaced, text)


def _one_job(
    job: Manifest, state: JobState | None, observed: Observed
) -> tuple[tuple[Manifest, ...], frozenset[Ref]]:
    """Single flight: a Job is made only when no other is under way and no pod can still be at work.

    One that gets nowhere is replaced by what has been corrected since; one at work is left to its end.
    """
    if state is None:
        others = {name: other for name, other in observed.jobs.items() if not other.complete}
        stuck = (Ref(JOB.kind, name) for name, other in others.items() if _gets_nowhere(other, observed))
        at_work = any(pod.component == schema.COMPONENT and not pod.finished for pod in observed.pods)
        return ((), frozenset(stuck)) if others or at_work else ((job,), frozenset())
    if state.failed or (_outdated(job, observed) and _gets_nowhere(state, observed)):
        return (), frozenset() if state.deleting else frozenset({ref_of(job)})
    return (job,), frozenset()


def _outdated(job: Manifest, observed: Observed) -> bool:
    """Whether a Job runs with what has been corrected since."""
    child = observed.children.get(ref_of(job))
    return child is not None and child.applied != digest(job)


def _gets_nowhere(state: JobState, observed: Observed) -> bool:
    """Whether attempts failed, or a pod cannot start: no image, no such key in a Secret, no room."""
    pods = (pod for pod in observed.pods if pod.component == schema.COMPONENT and not pod.finished)
    return state.failed or state.failures > 0 or any(pod.problem for pod in pods)


def _login_may_follow(wanted: Wanted, observed: Observed) -> bool:
    """The login runs the server's release: on a first start at once, in an upgrade after the server."""
    current = observed.deployment(wanted.name, login.COMPONENT)
    if current is None or current.version == wanted.release.version:
        return True
    ahead = observed.deployment(wanted.name, server.COMPONENT)
    return ahead is not None and ahead.version == wanted.release.version and ahead.rolled_out
