"""One seed: an instance is created, changed, moved to another version and meddled with while all goes wrong.

The harness is the kubelet too: it asks `/healthz` as the chart's probe does, and starts again what has not
been well for a minute. An operator that ends by itself has crashed.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from dedicated.api.conditions import UNMODIFIED
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import INSTANCE
from faultproxy import Asked, Exchange, Forward, forward_all
from faults.endstate import EndState, difference, end_state, settled
from faults.never import breaches
from faults.scenario import KEPT, is_gone, is_whole
from faults.scenarios import CHANGED
from faults.schedule import DELETED, EDITED, Schedule, Step, Trouble, calm, draw
from faults.site import LOOK, NAME, NEW, Site, Stage, site

AT_ONCE = 20
"""Most of a seed is waiting."""
REST_SECONDS = 420.0
"""A watch that fell silent is noticed after 70 s, kopf's after 180 s and six refusals of `/healthz`."""
PROBE_SECONDS, PROBE_FAILURES = 10.0, 6
"""The chart's liveness probe."""
PER_FAULT = 3
"""Requests that one fault may cause: the same again, or a list and a watch anew, or a pass once more."""
HEARTBEATS = 20
"""Renewals of the lease in a minute: one in a third of its 10 s, and what a start adds."""
_OPENING = frozenset({"list", "watch", "create selfsubjectaccessreviews"})
"""What a term of leading begins with: it looks at everything and asks for its rights."""
_WHO = "create selfsubjectreviews"
"""Each term asks once who it is."""
_PATH_DEPENDENT = frozenset({"observedGeneration", "generation", "modifications"})
_NOTED = frozenset({"deployment.kubernetes.io/revision"})


@dataclass(frozen=True, slots=True)
class Calm:
    """What the same steps lead to without trouble, the most requests in any minute of it, how many of them
    one term begins with, and of which kinds all are."""

    state: EndState
    busiest: int
    opening: int
    kinds: Counter[str]


@dataclass(frozen=True, slots=True)
class Passed:
    """How a seed ended."""

    seed: int
    wrong: str
    seconds: float
    requests: int
    faults: int
    busiest: int
    starts: int

    def report(self) -> str:
        """For people who want to see it again."""
        return (
            f"===== seed {self.seed}: {self.starts} starts, {self.faults} faults\n{self.wrong}\n"
            f"replay: make test-faults ARGS='--fault-seed {self.seed}'"
        )


@dataclass(slots=True)
class Kubelet:
    """Asks how the operator is, and ends it when it has not been well for a minute."""

    failures: int = 0
    asked: float = field(default_factory=time.monotonic)

    def look(self, at: Site) -> None:
        """Ask if it is time."""
        if at.operator is None or time.monotonic() - self.asked < PROBE_SECONDS:
            return
        self.asked = time.monotonic()
        self.failures = 0 if at.operator.http("/healthz")[0] == 200 else self.failures + 1
        if self.failures >= PROBE_FAILURES:
            at.kill()
            self.failures = 0


def uninterrupted(stage: Stage, deletes: bool) -> Calm:
    """The same steps in peace."""
    schedule = calm(deletes=deletes)
    with site(stage) as at:
        at.start()
        at.ready()
        _live_through(at, schedule, Kubelet())
        state = settled(at, None, calmed)
        wrong = breaches(at, at.history(), jobs_stay=False)
        assert not wrong, wrong
        log = at.proxy.log()
        assert _terms(log) == 1, "in peace one term does it all"
        opening = sum(_opens(exchange.asked) for exchange in log)
        return Calm(state, busiest_minute(_work(log)), opening, _kinds(log))


def weather(stage: Stage, seed: int, expected: Mapping[bool, Calm]) -> Passed:
    """Live through a seed. `expected` has the calm end of schedules that delete (True), or do not."""
    schedule, started = draw(seed), time.monotonic()
    with site(stage) as at:
        kubelet = Kubelet()
        wrong: list[str] = []
        try:
            at.proxy.follow(schedule.decide)
            at.start()
            _live_through(at, schedule, kubelet)
            known = expected[schedule.deletes]
            state = settled(at, known.state, calmed, seconds=REST_SECONDS)
            told = difference(known.state, state)
            wrong = [*breaches(at, at.history(), jobs_stay=False), *([told] if told else [])]
            log = at.proxy.log()
            allowed, found = _explained(known, log, at.starts, schedule), busiest_minute(_work(log))
            if found > allowed:
                more = (_kinds(log) - known.kinds).most_common()
                over = f"{found} requests in a minute, {allowed} are explained"
                wrong.append(f"{over}; more than in peace: {', '.join(f'{n} {kind}' for kind, n in more)}")
            beats = busiest_minute([one for one in log if _is_heartbeat(one)])
            if beats > HEARTBEATS * at.starts + PER_FAULT * _faults(log):
                wrong.append(f"the lease was renewed {beats} times in a minute, {HEARTBEATS} are due")
        except Exception as error:  # noqa: BLE001 - one seed's failure is told with all others'
            wrong.append(f"{type(error).__name__}: {error}")
        log = at.proxy.log()
        if wrong:
            wrong += ["log of the proxy, its end:", *(str(exchange) for exchange in log[-60:])]
        return Passed(
            seed=seed,
            wrong="\n".join(wrong),
            seconds=time.monotonic() - started,
            requests=len(log),
            busiest=busiest_minute(log),
            faults=_faults(log),
            starts=at.starts,
        )


def _live_through(at: Site, schedule: Schedule, kubelet: Kubelet) -> None:
    started = time.monotonic()
    due: list[Step | Trouble] = sorted((*schedule.steps, *schedule.troubles), key=lambda one: one.at)

    while due or time.monotonic() - started < schedule.ends:
        kubelet.look(at)
        at.revive()
        while due and time.monotonic() - started >= due[0].at and _may(at, due[0]):
            now = due.pop(0)
            _strike(at, now) if isinstance(now, Trouble) else _do(at, now)
        time.sleep(LOOK)
    at.proxy.follow(forward_all)
    at.clock.step(0)  # that clocks are apart is told in the status
    at.rest(is_gone if schedule.deletes else is_whole, seconds=REST_SECONDS, look=kubelet.look)


def _may(at: Site, what: Step | Trouble) -> bool:
    """Users delete what they have seen made: before that, what is left of it depends on the moment."""
    if what != Step(what.at, "delete"):
        return True
    return set(end_state(at.api, at.namespace)) >= KEPT


def _strike(at: Site, trouble: Trouble) -> None:
    match trouble.what:
        case "outage":
            at.proxy.outage(trouble.seconds)
        case "clock":
            at.clock.step(trouble.seconds)
        case "stall":
            at.proxy.stall_watches(lambda asked: asked.resource in trouble.resources)
        case "close":
            at.proxy.close_watches(lambda asked: asked.resource in trouble.resources)


def _do(at: Site, step: Step) -> None:
    match step.what:
        case "create":
            at.create()
        case "configure":
            at.change(CHANGED)
        case "update":
            at.change({"release": {"version": NEW}})
        case "delete":
            at.api.delete(INSTANCE, at.namespace, NAME)
        case "remove":
            resource, name = DELETED[step.choice]
            at.api.delete(resource, at.namespace, name)
        case "edit":
            resource, name, body = EDITED[step.choice]
            if at.api.find(resource, at.namespace, name):
                at.api.patch(resource, at.namespace, name, body, manager="somebody")


def _work(log: Sequence[Exchange]) -> list[Exchange]:
    """The log without the lease's heartbeat, which comes by the clock: what takes longer has more of it."""
    return [exchange for exchange in log if not _is_heartbeat(exchange)]


def _kinds(log: Sequence[Exchange]) -> Counter[str]:
    return Counter(_kind(one.asked) for one in _work(log))


def _is_heartbeat(exchange: Exchange) -> bool:
    return _kind(exchange.asked) == "update leases"


def _kind(asked: Asked) -> str:
    return f"{asked.verb} {asked.resource}"


def busiest_minute(log: Sequence[Exchange]) -> int:
    """The most requests that came in any sixty seconds."""
    times = [exchange.at for exchange in log]
    first = most = 0
    for number, at in enumerate(times):
        while at - times[first] > 60.0:
            first += 1
        most = max(most, number - first + 1)
    return most


def _explained(known: Calm, log: Sequence[Exchange], starts: int, schedule: Schedule) -> int:
    """The most requests in a minute that peace, restarts, lost terms and faults explain.

    An outage may also cut off a beginning before it is known who begins.
    """
    lost = max(0, _terms(log) - starts) + (schedule.outage > 0)
    return known.busiest * starts + known.opening * lost + PER_FAULT * _faults(log)


def _terms(log: Sequence[Exchange]) -> int:
    return sum(_kind(one.asked) == _WHO and 200 <= one.status < 300 for one in log)


def _opens(asked: Asked) -> bool:
    return not _OPENING.isdisjoint({asked.verb, _kind(asked)})


def _faults(log: Sequence[Exchange]) -> int:
    return sum(not isinstance(exchange.decision, Forward) for exchange in log)


def calmed(state: EndState) -> EndState:
    """An end state without what depends on the way there: how often was rolled out, what was modified."""
    kept = {name: _calmed(item) for name, item in state.items() if name != "replica sets"}
    # A Job keeps the manifest that it was made with, of whatever version was wanted then.
    return {name: item if not name.startswith("Job/") else None for name, item in kept.items()}


def _calmed(value: JsonValue) -> JsonValue:
    match value:
        case {"type": kind} if kind == UNMODIFIED:
            return kind
        case {"operation": "Update", "fieldsV1": _}:  # what was patched out of somebody's hands
            return None
        case dict():
            return {
                key: _calmed(item)
                for key, item in value.items()
                if key not in _PATH_DEPENDENT and key not in _NOTED
            }
        case list():
            return [kept for kept in map(_calmed, value) if kept is not None]
    return value


@dataclass(frozen=True, slots=True)
class SeedResult:
    """All seeds of a test."""

    passed: tuple[Passed, ...]
    calm_busiest: int
    seconds: float

    def summary(self) -> Manifest:
        """Figures for bench/results."""
        return {
            "seeds": len(self.passed),
            "wrong": sum(bool(one.wrong) for one in self.passed),
            "starts": sum(one.starts for one in self.passed),
            "requests": sum(one.requests for one in self.passed),
            "faults": sum(one.faults for one in self.passed),
            "busiest_minute": max(one.busiest for one in self.passed),
            "busiest_minute_in_peace": self.calm_busiest,
            "seconds": round(self.seconds, 1),
        }

    def failures(self) -> str:
        """Reports of all seeds that ended wrong; empty if none."""
        return "\n\n".join(one.report() for one in self.passed if one.wrong)


def try_seeds(stage: Stage, seeds: Sequence[int]) -> SeedResult:
    """Live the steps in peace, then once for each seed."""
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        known = dict(zip((False, True), pool.map(partial(uninterrupted, stage), (False, True)), strict=True))
        passed = tuple(pool.map(lambda seed: weather(stage, seed, known), seeds))
    busiest = max(calm.busiest for calm in known.values())
    return SeedResult(passed, busiest, time.monotonic() - started)
