"""New instances: how many requests they cost, and how soon their first children are there."""

from collections import Counter
from collections.abc import Iterator

from bench.figure import Figure, at_most, below, median, report
from bench.stage import CHILDREN, GATED, Call, Stage, seconds_of
from dedicated.api.objects import CHILD_KINDS, INSTANCE

ROUNDS = 5
AT_ONCE = 20
OBJECTS = CHILDREN + 1
"""The namespace is one more: it gets its label."""
FIRST_WAVE = tuple(kind for kind in CHILD_KINDS if kind not in GATED)
FIRST_WAVE_PLURALS = frozenset(kind.plural for kind in FIRST_WAVE)
FIRST_WAVE_CHILDREN = CHILDREN - 4
"""Two Jobs and two Deployments come behind gates."""


def one_instance(stage: Stage) -> Iterator[Figure]:
    """Instances one after the other: requests until all children exist, and the first wave's time."""
    stage.running()
    waves: list[float] = []
    beyond: list[float] = []
    events: list[float] = []
    for round_number in range(ROUNDS):
        namespace = stage.new_namespace()
        since = stage.cluster.audit_position()
        stage.create_instance(namespace)
        stage.rest([namespace], quiet=2.0)
        calls = [call for call in stage.calls(since) if call.namespace == namespace and not call.upkeep]
        until_all = _until_all_exist(stage, namespace, calls)
        waves.append(_first_wave(stage, namespace, since, calls))
        beyond.append(sum(call.resource != "events" for call in until_all) - OBJECTS)
        events.append(sum(call.resource == "events" for call in until_all))
        kinds = Counter(f"{call.verb} {call.resource}" for call in until_all)
        stage.say(f"instance {round_number + 1} of {ROUNDS}: {_most(kinds)}")
        stage.remove(namespace)
    yield at_most("new_instance_requests_beyond_one_per_object", max(beyond), "requests", 3)
    yield report("new_instance_events_until_all_children", max(events), "requests")
    yield below("first_wave_one_instance", median(waves), "seconds", 0.5)


def many_instances(stage: Stage) -> Iterator[Figure]:
    """Twenty instances applied at once: the last child of the last first wave."""
    stage.running()
    namespaces = [stage.new_namespace() for _ in range(AT_ONCE)]
    since = stage.cluster.audit_position()
    for namespace in namespaces:
        stage.create_instance(namespace)
    stage.crowd += namespaces
    stage.rest(namespaces)
    calls = stage.calls(since)
    started = min(_applied_at(stage, namespace, since) for namespace in namespaces)
    done = [
        started_at + _first_wave(stage, namespace, since, [c for c in calls if c.namespace == namespace])
        for namespace in namespaces
        if (started_at := _applied_at(stage, namespace, since))
    ]
    yield below("first_wave_twenty_at_once", max(done) - started, "seconds", 5)


def _applied_at(stage: Stage, namespace: str, since: int) -> float:
    """When the API server received the instance."""
    requests = stage.cluster.requests(since=since, user="admin")
    return min(
        seconds_of(request.at)
        for request in requests
        if request.namespace == namespace and request.resource == INSTANCE.plural and request.verb == "patch"
    )


def _first_wave(stage: Stage, namespace: str, since: int, calls: list[Call]) -> float:
    """Seconds from the instance to the last child that waits for no gate."""
    made = [call for call in calls if call.code == 201 and call.resource in FIRST_WAVE_PLURALS]
    if len({(call.resource, call.name) for call in made}) != FIRST_WAVE_CHILDREN:
        raise AssertionError(f"{namespace}: {len(made)} first children made, not {FIRST_WAVE_CHILDREN}")
    return max(call.done for call in made) - _applied_at(stage, namespace, since)


def _until_all_exist(stage: Stage, namespace: str, calls: list[Call]) -> list[Call]:
    """The operator's requests up to the one that made the last child."""
    exist = stage.children(namespace)
    if len(exist) != CHILDREN:
        raise AssertionError(f"{namespace}: {len(exist)} children, not {CHILDREN}")
    plurals = {kind.plural for kind in CHILD_KINDS}
    made = [call for call in calls if call.code == 201 and call.resource in plurals]
    last = max(call.done for call in made)
    return [call for call in calls if call.at <= last]


def _most(kinds: Counter[str]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
