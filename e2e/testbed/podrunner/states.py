"""What is known of a pod's containers, and the status that kubelet would write for it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from dedicated.api.json import JsonValue, Manifest, array, get_str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running (yet, or between two runs)."""

    reason: str
    message: str = ""

    def manifest(self) -> Manifest:
        """As in a container's state."""
        return {"waiting": _filled({"reason": self.reason, "message": self.message})}


@dataclass(frozen=True, slots=True)
class Running:
    """Running since a time (RFC 3339)."""

    since: str

    def manifest(self) -> Manifest:
        """As in a container's state."""
        return {"running": {"startedAt": self.since}}


@dataclass(frozen=True, slots=True)
class Terminated:
    """Ended. Exit codes above 128 mean a signal."""

    code: int
    reason: str
    started: str
    finished: str
    message: str = ""

    def manifest(self) -> Manifest:
        """As in a container's state."""
        times: Manifest = {"startedAt": self.started, "finishedAt": self.finished}
        return {
            "terminated": {
                "exitCode": self.code,
                **_filled({"reason": self.reason, "message": self.message}),
                **times,
            }
        }


State = Waiting | Running | Terminated


@dataclass(slots=True)
class ContainerState:
    """One container: its present and last state, restarts, probes' verdicts."""

    name: str
    image: str
    state: State
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False

    def manifest(self) -> Manifest:
        """As in `containerStatuses`."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state.manifest(),
            "lastState": self.last.manifest() if self.last else {},
        }


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What a pod's status is made of besides its containers."""

    restart_policy: str
    ip: str
    host: str
    started: str


def _filled(values: dict[str, str]) -> Manifest:
    return {key: value for key, value in values.items() if value}


def succeeded(state: ContainerState) -> bool:
    """Ended well."""
    return isinstance(state.state, Terminated) and state.state.code == 0


def phase(policy: str, inits: Sequence[ContainerState], mains: Sequence[ContainerState]) -> str:
    """Kubelet's rules for `status.phase`."""
    if not all(map(succeeded, inits)):
        failed = any(isinstance(init.state, Terminated) and init.state.code != 0 for init in inits)
        return "Failed" if failed and policy == "Never" else "Pending"
    states = [main.state for main in mains]
    if any(isinstance(main.state, Waiting) and main.last is None for main in mains):
        return "Pending"
    if all(isinstance(state, Terminated) for state in states) and policy != "Always":
        if all(map(succeeded, mains)):
            return "Succeeded"
        return "Failed" if policy == "Never" else "Running"
    return "Running"


def status(
    facts: PodFacts,
    inits: Sequence[ContainerState],
    mains: Sequence[ContainerState],
    *,
    before: Manifest,
    now: str,
) -> Manifest:
    """The pod's status. `before` is the status written last: unchanged conditions keep their time."""
    current = phase(facts.restart_policy, inits, mains)
    known = {get_str(entry, "type"): entry for entry in _conditions_of(before)}
    conditions: list[JsonValue] = []
    for kind, holds, reason, message in _judge(current, inits, mains):
        value = "True" if holds else "False"
        old = known.get(kind)
        same = get_str(old, "status") == value
        condition: Manifest = {"type": kind, "status": value}
        condition["lastTransitionTime"] = get_str(old, "lastTransitionTime") if same else now
        # null removes a reason left from before: the API server merges conditions by type.
        conditions.append({**condition, "reason": reason or None, "message": message or None})
    return {
        "phase": current,
        "conditions": conditions,
        "hostIP": facts.host,
        "hostIPs": [{"ip": facts.host}],
        "podIP": facts.ip,
        "podIPs": [{"ip": facts.ip}],
        "startTime": facts.started,
        "initContainerStatuses": array([init.manifest() for init in inits]),
        "containerStatuses": array([main.manifest() for main in mains]),
    }


def _conditions_of(before: Manifest) -> list[JsonValue]:
    found = before.get("conditions")
    return found if isinstance(found, list) else []


def _judge(
    current: str, inits: Sequence[ContainerState], mains: Sequence[ContainerState]
) -> list[tuple[str, bool, str, str]]:
    """(condition, holds, reason, message)."""
    if current in {"Succeeded", "Failed"}:
        reason = "PodCompleted" if current == "Succeeded" else "PodFailed"
        initialized = current == "Succeeded" or all(map(succeeded, inits))
        return [
            ("PodReadyToStartContainers", False, "", ""),
            ("Initialized", initialized, "PodCompleted" if current == "Succeeded" else "", ""),
            ("ContainersReady", False, reason, ""),
            ("Ready", False, reason, ""),
        ]
    todo = [init.name for init in inits if not succeeded(init)]
    unready = [main.name for main in mains if not main.ready]
    incomplete = f"containers with incomplete status: [{' '.join(todo)}]" if todo else ""
    message = f"containers with unready status: [{' '.join(unready)}]" if unready else ""
    reason = "ContainersNotReady" if unready else ""
    return [
        ("PodReadyToStartContainers", True, "", ""),
        ("Initialized", not todo, "ContainersNotInitialized" if todo else "", incomplete),
        ("ContainersReady", not unready, reason, message),
        ("Ready", not unready, reason, message),
    ]
