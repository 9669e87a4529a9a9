"""What recovery figures cost: status writes of instances at rest whose agents report each minute.

Instances on played Percona, with the agents played beside them. A quarter of an hour passes in steps of a
minute: the operator's wall clock and the agents' are the same file's. The limit is that of
`reconcile/recovery.py`: where nothing but time changes, a status is written every five minutes.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

from bench.figure import Figure, at_most, report
from bench.stage import SETTLE_SECONDS, Stage, until
from cluster.engine_stage import arguments, create_kept
from cluster.instances import condition
from cluster.standing import NOWHERE
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import INSTANCE
from engines import definitions
from engines.escrow_jobs import EscrowJobs
from engines.recovery_agent import RecoveryAgents
from engines.simulator import Simulator
from testbed import operator_process
from testbed.forked import Clock, fork_server
from testbed.operator_process import Settings

INSTANCES, MINUTES = 20, 15
WORKERS = 6
"""Namespaces that are played at once."""
PERIOD = 5
"""Minutes in which a status may be written once."""


def status_writes(stage: Stage) -> Iterator[Figure]:
    """Nothing where the engines' definitions are not at hand."""
    source = definitions.folder()
    if source is None:
        stage.say(definitions.REASON)
        return
    definitions.install(stage.cluster, source)
    stage.stopped()
    clock = Clock(stage.folder / "clock")
    stage.folder.mkdir(parents=True, exist_ok=True)
    clock.step(0)
    settings = Settings(stage.home, (), extra=arguments(stage.folder))
    installed = operator_process.install(
        stage.cluster, settings, stage.folder, operator_process.render(settings)
    )
    with fork_server(stage.folder / "forks.log") as forks:
        stage.operator = operator_process.launch(
            stage.cluster,
            settings,
            installed,
            run=lambda made: forks.start(
                made.arguments, env=made.env, cwd=made.cwd, log=made.log, clock=clock
            ),
        )
        try:
            yield from _measured(stage, clock)
        finally:
            stage.stopped()


def _measured(stage: Stage, clock: Clock) -> Iterator[Figure]:
    ahead = timedelta(0)
    namespaces = [stage.new_namespace() for _ in range(INSTANCES)]
    played = [
        (
            Simulator(stage.cluster.api, name, NOWHERE),
            _agents(stage, name, lambda: ahead),
            EscrowJobs(stage.cluster.api, name, partial(stage.cluster.as_account, name)),
        )
        for name in namespaces
    ]
    for name in namespaces:
        create_kept(stage.cluster.api, name)

    def play() -> None:
        with ThreadPoolExecutor(WORKERS) as workers:
            list(workers.map(_step, played))

    def protected() -> bool:
        play()
        return all(_is_protected(body) for body in _bodies(stage, namespaces))

    stage.say(f"{INSTANCES} instances on a played engine")
    until("all data protected", protected, seconds=SETTLE_SECONDS)
    stage.rest(namespaces, quiet=3)
    since = stage.cluster.audit_position()
    for minute in range(1, MINUTES + 1):
        ahead = timedelta(minutes=minute)
        clock.step(ahead.total_seconds())
        play()
    until("all data protected to the end", protected)
    written = [call for call in stage.writes(since) if call.namespace in namespaces]
    statuses = [call for call in written if call.resource == "dedicatedinstances/status"]
    periods = INSTANCES * MINUTES / PERIOD
    yield at_most("recovery_status_writes_per_instance_in_5_min", len(statuses) / periods, "writes", 1)
    yield report("recovery_other_writes", len(written) - len(statuses), "writes")
    for name in namespaces:
        stage.remove(name)


def _step(played: tuple[Simulator, RecoveryAgents, EscrowJobs]) -> None:
    for one in played:
        one.step()


def _agents(stage: Stage, namespace: str, ahead: Callable[[], timedelta]) -> RecoveryAgents:
    return RecoveryAgents(
        stage.cluster.api,
        namespace,
        partial(stage.cluster.as_account, namespace),
        clock=lambda: datetime.now(UTC) + ahead(),
    )


def _bodies(stage: Stage, namespaces: list[str]) -> list[Manifest]:
    found = stage.cluster.api.list(INSTANCE)
    return [body for body in found if get_str(body, "metadata", "namespace") in namespaces]


def _is_protected(body: Manifest) -> bool:
    return condition(body, "DataProtected").get("status") == "True"
