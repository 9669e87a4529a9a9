"""What is lost: a pod, a node or its zone in four ways, the database's primary with it, two in a row.

`hung` is the hardest: the frozen host's kernel still accepts connections, so that peers wait instead of
failing.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from dedicated.api.json import get_str
from scenarios import deeds, figures
from scenarios.model import Figure, Scenario, Step
from scenarios.record import Measurement
from scenarios.stage import Need, Stage, StageError
from service.provider import Fault

HOLD, HOLD_PRIMARY = 40.0, 90.0
"""Seconds for which a node is away: the grace period of 10 s, and what follows it. With the primary, until
the failover is over: on one machine a node that comes back takes the processors from it."""
FAULTS: tuple[Fault, ...] = ("crash", "partition", "hung", "dark")
WORDS: dict[Fault, str] = {
    "crash": "crashes",
    "partition": "is cut off",
    "hung": "hangs",
    "dark": "goes dark with its zone",
}
WITHOUT, WITH = 20.0, 75.0
"""Seconds of outage without and with the database's primary on the node; B-5 asks for less than 60."""
SPREAD = ("summary/zones", "summary/server", "HighlyAvailable", "Ready")
LIMITERS = ("summary/limiter", "summary/zones", "RateLimitExact")
DATABASE = (*SPREAD, "FailoverReady")


def losses() -> tuple[Scenario, ...]:
    """In their order."""
    return (
        Scenario(
            name="pod-lost",
            promise="A pod of the server dies, and users notice nothing.",
            clause="B-5",
            target="outage 0 s, 0 acknowledged writes lost, status within 15 s and 30 s",
            steps=partial(_lose_pod, component="server"),
            verdict=partial(_verdict, outage=0.0, signs=SPREAD),
            needs=frozenset({"clients"}),
            smoke=True,
        ),
        Scenario(
            name="limiter-lost",
            promise="A limiter dies, and the others serve on and keep count.",
            clause="RL-2",
            target="outage 0 s, 0 acknowledged writes lost, status within 15 s and 30 s",
            steps=partial(_lose_pod, component="limiter"),
            verdict=partial(_verdict, outage=0.0, signs=LIMITERS),
            needs=frozenset({"clients", "edge"}),
            smoke=True,
        ),
        *(_node(fault, primary=False) for fault in FAULTS),
        *(_node(fault, primary=True) for fault in FAULTS),
        Scenario(
            name="second-fault",
            promise="The primary's node hangs and heals, then the new primary's zone goes dark at once: "
            "no acknowledged write is lost, and no status is healthy over a diverged standby.",
            clause="B-5",
            target="0 acknowledged writes lost",
            steps=_twice,
            verdict=_twice_verdict,
            needs=frozenset({"clients", "own-database"}),
            seconds=900,
        ),
    )


def _node(fault: Fault, *, primary: bool) -> Scenario:
    limit = WITH if primary else WITHOUT
    needs: frozenset[Need] = frozenset({"clients", "own-database"} if primary else {"clients"})
    return Scenario(
        name=f"node-{fault}{'-primary' if primary else ''}",
        promise=f"A node {WORDS[fault]}, {'and' if primary else 'not'} the database's primary with it.",
        clause="B-5",
        target=f"outage < {limit:g} s, 0 acknowledged writes lost, status within 15 s and 30 s",
        steps=partial(_lose_node, fault=fault, primary=primary),
        verdict=_with_primary if primary else partial(_verdict, outage=limit, signs=SPREAD),
        needs=needs,
        seconds=600 if primary else 300,
        smoke=fault == "crash" and not primary,
    )


def _verdict(seen: Measurement, *, outage: float, signs: tuple[str, ...]) -> Sequence[Figure]:
    return (
        *figures.load(seen),
        *figures.outage(seen, outage),
        *figures.nothing_lost(seen),
        *figures.honest(seen, *signs),
    )


def _with_primary(seen: Measurement) -> Sequence[Figure]:
    """Where the engine may take longer than B-5 promises, the status has to say so before."""
    return (
        *_verdict(seen, outage=WITH, signs=DATABASE),
        *figures.servers_healed(seen, *DATABASE),
        *figures.said_before(seen, "B-5 said unmet before the fault", "unmet/B-5", value="told"),
    )


def _twice_verdict(seen: Measurement) -> Sequence[Figure]:
    """May stop serving, must lose nothing, and must tell."""
    return (
        *figures.load(seen),
        *figures.nothing_lost(seen),
        *figures.outage(seen, None),
        *figures.honest(seen, *DATABASE),
        *figures.servers_healed(seen, *DATABASE),
    )


def _lose_pod(stage: Stage, component: str) -> Sequence[Step]:
    pod, node = deeds.pod_on(stage, component)
    before = deeds.restarts(stage.provider.api.get("v1/pods", stage.namespace, pod))
    kill, again = partial(deeds.crash_pod, stage, pod), partial(_again, stage, component, pod, before)
    return (
        Step(f"{component} pod on {node} killed", kill, until=again, patience=90),
        Step("started again", deeds.nothing, what="note", undo=deeds.nothing),
    )


def _again(stage: Stage, component: str, pod: str, before: int) -> bool:
    found = {get_str(one, "metadata", "name"): one for one in deeds.pods(stage, component)}
    return deeds.restarts(found.get(pod, {})) > before and all(map(deeds.is_ready, found.values()))


def _lose_node(stage: Stage, *, fault: Fault, primary: bool) -> Iterator[Step]:
    if primary:
        yield from _apart_from_store(stage)
    database = stage.primary_node()
    if primary and not database:
        raise StageError("nobody can say where the database's primary is")
    node = database if primary else deeds.pod_on(stage, "server", not_on=database)[1]
    yield _node_step(stage, node, fault, hold=HOLD_PRIMARY if primary else HOLD)


def _apart_from_store(stage: Stage) -> Iterator[Step]:
    """The store stands for one in another place: who is promoted asks it for log, and would wait for it."""
    lost = stage.store_node()

    def apart() -> bool:
        return stage.primary_node() not in ("", lost)

    if not apart():
        leave = partial(stage.switch_over, lost)
        yield Step("the primary leaves the store's node", leave, what="note", until=apart)


def _node_step(stage: Stage, node: str, fault: Fault, *, hold: float, settle: bool = True) -> Step:
    return Step(
        f"{node} {WORDS[fault]}",
        partial(stage.provider.break_node, node, fault),
        undo=partial(stage.provider.heal_node, node),
        hold=hold,
        patience=300,
        settle=settle,
    )


def _twice(stage: Stage) -> Iterator[Step]:
    """The second node is chosen once the first has failed over: only then is the new primary known."""
    yield from _apart_from_store(stage)
    first = stage.primary_node()
    second: list[str] = []

    def dark() -> None:
        second.append(stage.primary_node())
        stage.provider.break_node(second[0], "dark")

    def light() -> None:
        for node in second:
            stage.provider.heal_node(node)

    def promoted() -> bool:
        return stage.primary_node() not in ("", first)

    yield Step(
        f"{first} hangs, until another is primary",
        partial(stage.provider.break_node, first, "hung"),
        undo=partial(stage.provider.heal_node, first),
        hold=20,
        until=promoted,
        settle=False,
    )
    yield Step("the new primary's zone goes dark", dark, undo=light, hold=80, settle=False)

    def serves() -> bool:
        return not stage.unsettled(redundant=False)

    def rests() -> bool:
        return not stage.unsettled() or _person_is_asked(stage)

    yield Step("serves again", deeds.nothing, what="note", until=serves, patience=300, settle=False)
    yield Step("whole, or a person told", deeds.nothing, what="note", until=rests, patience=300, settle=False)


def _person_is_asked(stage: Stage) -> bool:
    """A server that left the primary's history waits for a person, who is told so."""
    return any((one.name, one.reason) == ("FailoverReady", "StandbyDiverged") for one in stage.states(0.0))
