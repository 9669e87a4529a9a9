"""Waiting for what the operator tells, and a text that says why when it does not come.

The text is for whoever reads the log of a run and has no cluster any more: conditions and findings, pods with
what holds them up, warnings, and the last lines of containers that failed and of the operator.
"""

import time
from collections.abc import Callable, Iterator

from dedicated.api.conditions import condition_in
from dedicated.api.json import Manifest, get_list, get_map, get_str
from service import instance, operator
from service.provider import Provider, ProviderError

PODS = "v1/pods"
_LINES = 15


class NotReadyError(AssertionError):
    """Something did not come within its time; the text says what stood in its way."""


def until(
    met: Callable[[], bool], what: str, *, seconds: float, pause: float = 0.3, why: Callable[[], str] = str
) -> float:
    """Look until it is so; the seconds it took. NotReadyError with `why()` after `seconds`."""
    begun = time.monotonic()
    while True:
        if met():
            return time.monotonic() - begun
        if time.monotonic() - begun > seconds:
            raise NotReadyError(f"{what}: not within {seconds:g} s\n{why()}")
        time.sleep(pause)


def conditions(
    provider: Provider, *kinds: str, seconds: float, tell: Callable[[str], None] = lambda _: None
) -> float:
    """Until conditions of the instance are True; the seconds it took. `tell` gets each new word of them."""
    told = dict.fromkeys(kinds, "")

    def met() -> bool:
        status = get_map(provider.api.get(instance.RESOURCE, instance.NAMESPACE, instance.NAME), "status")
        found = {kind: condition_in(status, kind) for kind in kinds}
        for kind, entry in found.items():
            text = " ".join(get_str(entry, part) for part in ("status", "reason", "message"))
            if text.strip() and text != told[kind]:
                told[kind] = text
                tell(f"{kind}: {text}")
        return all(get_str(entry, "status") == "True" for entry in found.values())

    return until(met, " and ".join(kinds), seconds=seconds, why=lambda: explain(provider))


def rollout(provider: Provider, namespace: str, *names: str, seconds: float = 180) -> None:
    """Until workloads (`statefulset/NAME`) are rolled out. NotReadyError with their pods."""
    for name in names:
        try:
            told = f"--timeout={seconds:.0f}s"
            provider.kubectl("-n", namespace, "rollout", "status", name, told, seconds=seconds + 10)
        except ProviderError as error:
            text = "\n".join([str(error), *_namespace(provider, namespace)])
            raise NotReadyError(f"{name} in {namespace} is not rolled out\n{text}") from error


def explain(provider: Provider) -> str:
    """Why the instance is not as it should be, as far as the cluster tells."""
    return "\n".join(_explained(provider))


def _explained(provider: Provider) -> Iterator[str]:
    body = provider.api.find(instance.RESOURCE, instance.NAMESPACE, instance.NAME)
    yield "conditions that are not True:"
    for entry in get_list(body, "status", "conditions"):
        if get_str(entry, "status") != "True":
            yield "  " + " ".join(get_str(entry, part) for part in ("type", "status", "reason", "message"))
    yield "findings:"
    for entry in get_list(body, "status", "findings"):
        yield "  " + "; ".join(get_str(entry, part) for part in ("code", "message", "action"))
    for namespace in (instance.NAMESPACE, operator.NAMESPACE):
        yield from _namespace(provider, namespace)
    yield "log of the operator:"
    arguments = ("logs", "-n", operator.NAMESPACE, f"deployment/{operator.RELEASE}", "--all-pods=true")
    yield provider.kubectl(*arguments, f"--tail={_LINES}", check=False, seconds=20)


def _namespace(provider: Provider, namespace: str) -> Iterator[str]:
    yield f"pods of {namespace}:"
    for pod in provider.api.list(PODS, namespace):
        name, node = get_str(pod, "metadata", "name"), get_str(pod, "spec", "nodeName")
        phase, held = get_str(pod, "status", "phase"), list(_held(pod))
        yield f"  {name} on {node or 'no node'}: {phase} {'; '.join(held)}"
        for container in _failed(pod):
            arguments = ("logs", "-n", namespace, name, "-c", container, f"--tail={_LINES}")
            yield f"  log of {name}/{container}:"
            yield provider.kubectl(*arguments, check=False, seconds=20)
    yield f"warnings in {namespace}:"
    warnings = provider.api.list("v1/events", namespace, fields="type=Warning")
    for event in warnings[-_LINES:]:
        about = f"{get_str(event, 'involvedObject', 'kind')}/{get_str(event, 'involvedObject', 'name')}"
        yield f"  {about} {get_str(event, 'reason')}: {get_str(event, 'message')[:400]}"


def _held(pod: Manifest) -> Iterator[str]:
    """What keeps a pod from being ready."""
    for entry in get_list(pod, "status", "conditions"):
        if get_str(entry, "status") == "False" and get_str(entry, "type") == "PodScheduled":
            yield get_str(entry, "message")
    for status in _statuses(pod):
        for state in ("waiting", "terminated"):
            found = get_map(status, "state", state)
            if found and get_str(found, "reason") != "Completed":
                words = " ".join(get_str(found, part) for part in ("reason", "message"))
                yield f"{get_str(status, 'name')} {words}"


def _failed(pod: Manifest) -> Iterator[str]:
    """Containers that ended in an error, now or before, or that run and are not ready."""
    for status in _statuses(pod):
        ended = any(get_map(status, part, "terminated").get("exitCode") for part in ("state", "lastState"))
        running = get_map(status, "state", "running")
        if ended or (running and status.get("ready") is False):
            yield get_str(status, "name")


def _statuses(pod: Manifest) -> Iterator[Manifest]:
    for part in ("initContainerStatuses", "containerStatuses"):
        yield from (get_map(entry) for entry in get_list(pod, "status", part))
