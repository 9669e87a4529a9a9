"""The agents beside HAProxy, played for simulated pods: no request is limited, the words are the real ones.

A step looks at the limiters of a namespace. Each pod that is ready is a replica: what its ConfigMap holds is
`Applying` in one step and `Applied`, with its proof, in the next, one replica after the other as the real
agents do it. Reports are written as they are written there: under the replica's own key, by the agents'
account and field manager, when they tell something new and every two minutes at least.

On demand a replica is `raised` (it admits more than the policy says, so its proof fails), `stuck` (it keeps
what it has), `silent`, or refuses a new configuration (`refusing`, with HAProxy's words).
Limit: the figures of requests are those that a test sets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from dedicated.agents.limiter.content import content_of
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import CONFIG_MAP, POD
from dedicated.contract.limiter_report import (
    MANAGER,
    REST,
    Bounds,
    ClassProof,
    Phase,
    Proof,
    Report,
    key_of,
    material,
    to_json,
)
from dedicated.contract.rate_limits import BAN
from dedicated.parts.limiter.names import COMPONENT, limiter_name, report_name
from testbed.client import Api, ApiError, condition

ROOM = 131_072
VERSION = "3.2.9 (played)"


@dataclass(slots=True)
class Replica:
    """What one replica holds and has told. `held` is the ConfigMap's data that is in force in it."""

    pod: str
    held: dict[str, str]
    started: datetime
    proof: Proof | None = None
    applying: str = ""
    told: Report | None = None
    written: datetime | None = None


@dataclass(slots=True)
class LimiterAgents:
    """The agents of one namespace. `account` gives the API as one of its ServiceAccounts.

    `seen` is what every replica saw in the last minute; its identity, phase and proof are the replica's own.
    """

    api: Api
    namespace: str
    account: Callable[[str], Api]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    raised: dict[int, int] = field(default_factory=dict)
    stuck: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)
    refusing: str = ""
    seen: Report = field(default_factory=lambda: Report(0, datetime.now(UTC), room=ROOM))
    _replicas: dict[tuple[str, int], Replica] = field(default_factory=dict)
    _writers: dict[str, Api] = field(default_factory=dict)

    def step(self) -> None:
        """What the agents do next."""
        ready: dict[str, dict[int, str]] = {}
        for pod in self.api.list(POD, self.namespace, labels=f"{LABEL_COMPONENT}={COMPONENT}"):
            if condition(pod, "Ready") == "True" and not get_str(pod, "metadata", "deletionTimestamp"):
                instance = get_str(pod, "metadata", "labels", LABEL_INSTANCE)
                number = int(get_str(pod, "metadata", "name").rpartition("-")[2])
                ready.setdefault(instance, {})[number] = get_str(pod, "metadata", "uid")
        for key in [key for key in self._replicas if key[1] not in ready.get(key[0], {})]:
            del self._replicas[key]
        for instance, pods in ready.items():
            self._instance(instance, pods)

    def _instance(self, instance: str, pods: dict[int, str]) -> None:
        files = self.api.find(CONFIG_MAP, self.namespace, limiter_name(instance))
        if files is None:
            return
        data = {key: get_str(files, "data", key) for key in get_map(files, "data")}
        before_is_done = True
        for number, uid in sorted(pods.items()):
            known = self._replicas.get((instance, number))
            if known is None or known.pod != uid:
                known = self._replicas[instance, number] = Replica(uid, data, self.clock())
            report = self._turn(known, number, data, may_apply=before_is_done)
            before_is_done = report.proven or number in self.silent
            if number not in self.silent:
                self._tell(instance, known, report)

    def _turn(self, known: Replica, number: int, data: dict[str, str], *, may_apply: bool) -> Report:
        """How far a replica is with what is wanted."""
        phase: Phase = "Applied"
        wanted, message = content_of(data, replica=number).digest, ""
        held = content_of(known.held, replica=number).digest
        if wanted == held and known.proof is None:
            known.proof = self._prove(known.held, number)
        elif wanted != held and number not in self.stuck:
            phase, message = self._change(known, number, data, may_apply=may_apply)
        return self._report(known, number, wanted, phase, message)

    def _change(
        self, known: Replica, number: int, data: dict[str, str], *, may_apply: bool
    ) -> tuple[Phase, str]:
        if not may_apply:
            return "Waiting", f"replica {number - 1} is proven first"
        if self.refusing:
            return "Rejected", self.refusing
        wanted = content_of(data, replica=number).digest
        if known.applying != wanted:
            known.applying = wanted
            return "Applying", ""
        known.held, known.proof = data, self._prove(data, number)
        return "Applied", ""

    def _prove(self, held: dict[str, str], number: int) -> Proof:
        """What the real proof counts, in a limiter that does what its maps say."""
        content, raised = content_of(held, replica=number), self.raised.get(number, 0)
        thresholds = content.policy.thresholds
        ui, api = (_counted(found, raised) for found in (thresholds.ui, thresholds.api))
        detail = f"ui: {ui.admitted} admitted, not {thresholds.ui.limit}" if raised else ""
        ranges = len(content.policy.ranges)
        return Proof(self.clock(), content.digest, not raised, detail, ui, api, ranges)

    def _report(self, known: Replica, number: int, wanted: str, phase: Phase, message: str) -> Report:
        held = content_of(known.held, replica=number)
        return replace(
            self.seen,
            replica=number,
            measured_at=self.clock(),
            started_at=known.started,
            haproxy=VERSION,
            phase=phase,
            message=message,
            content=held.digest,
            wanted=wanted,
            policy_hash=held.policy.hash,
            thresholds=held.policy.thresholds,
            proof=known.proof,
        )

    def _tell(self, instance: str, known: Replica, report: Report) -> None:
        """Write a report that is due. What is not possible yet, or no more, the next step tries again."""
        if known.told is not None and known.written is not None:
            rests = self.clock() - known.written < timedelta(seconds=REST)
            if rests and material(known.told) == material(report):
                return
        name = report_name(instance)
        change: Manifest = {"data": {key_of(report.replica): to_json(report)}}
        try:
            writer = self._writers.get(name) or self.account(name)
            writer.patch(CONFIG_MAP, self.namespace, name, change, manager=MANAGER)
        except ApiError:
            return
        self._writers[name] = writer
        known.told, known.written = report, self.clock()


def _counted(found: Bounds, raised: int) -> ClassProof:
    admitted = found.limit + raised
    return ClassProof(admitted, admitted + 1, found.ban + 1, BAN)
