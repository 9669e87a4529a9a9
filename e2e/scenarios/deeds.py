"""What is done to the service, by kubectl or on a node. Each has its opposite beside it."""

import json
import shlex
from base64 import b64encode
from collections.abc import Sequence

from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from scenarios import figures
from scenarios.model import Step
from scenarios.stage import Stage, StageError

DNS = ("service", "kube-dns", "-n", "kube-system")
SEGMENT = "select pg_logical_emit_message(true, 'filler', ''); select pg_switch_wal()"
SEGMENTS = 40
"""More than the log holds in reserve."""
FILLER = "filler-of-a-scenario"
"""Name of the file that fills a volume."""


def nothing() -> None:
    """The clients work, or the cluster heals by itself: a step's mark says when."""


TOLD_AFTER = Step("the status has its time", nothing, what="note", hold=figures.HEALED)
"""Last, where the signs are none of those that say whether the service is whole."""


def pod_on(stage: Stage, component: str, *, not_on: str = "") -> tuple[str, str]:
    """A ready pod of a component and its node, not on the node named. StageError if there is none."""
    for pod in pods(stage, component):
        node = get_str(pod, "spec", "nodeName")
        if node != not_on and is_ready(pod):
            return get_str(pod, "metadata", "name"), node
    raise StageError(f"no ready pod of {component} outside of {not_on or 'no node'}")


def pods(stage: Stage, component: str) -> list[Manifest]:
    """All pods of a component of the instance."""
    labels = f"{LABEL_INSTANCE}={stage.instance},{LABEL_COMPONENT}={component}"
    return stage.provider.api.list("v1/pods", stage.namespace, labels=labels)


def is_ready(manifest: Manifest) -> bool:
    """Whether a pod or node says that it is ready, and a pod is not on its way out."""
    if get_str(manifest, "metadata", "deletionTimestamp"):
        return False
    conditions = (as_manifest(one) for one in get_list(manifest, "status", "conditions"))
    return any(get_str(one, "type") == "Ready" and get_str(one, "status") == "True" for one in conditions)


def crash_pod(stage: Stage, pod: str) -> None:
    """Kill every container of a pod at once, as the kernel does that is out of memory."""
    found = stage.provider.api.get("v1/pods", stage.namespace, pod)
    node = get_str(found, "spec", "nodeName")
    for container in map(as_manifest, get_list(found, "status", "containerStatuses")):
        number = get_str(container, "containerID").removeprefix("containerd://")
        stage.provider.in_node(node, "ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", number)


def restarts(manifest: Manifest) -> int:
    """How often the containers of a pod were started again."""
    statuses = map(as_manifest, get_list(manifest, "status", "containerStatuses"))
    return sum(get_int(one, "restartCount") for one in statuses)


def drain(stage: Stage, node: str) -> None:
    """Move all pods off a node, as for its maintenance, minding disruption budgets.

    The object store stands for one in another place, whose node nobody drains: it stays.
    """
    store = stage.store().split("/")[-1]
    options = (
        *("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s"),
        f"--pod-selector=app!={store}",
    )
    stage.provider.kubectl("drain", node, *options, seconds=170)


def uncordon(stage: Stage, node: str) -> None:
    """Let pods onto a node again."""
    stage.provider.kubectl("uncordon", node)


def replicas(stage: Stage, workload: str) -> int:
    """Wanted replicas of `NAMESPACE/KIND/NAME`."""
    namespace, kind, name = workload.split("/")
    shown = stage.provider.kubectl("get", kind, name, "-n", namespace, "-o", "json")
    return get_int(as_manifest(json.loads(shown)), "spec", "replicas")


def scale(stage: Stage, workload: str, count: int) -> None:
    """Set the replicas of `NAMESPACE/KIND/NAME`."""
    namespace, kind, name = workload.split("/")
    stage.provider.kubectl("scale", kind, name, "-n", namespace, f"--replicas={count}")


def dns_off(stage: Stage) -> None:
    """Lead the cluster's DNS address nowhere: questions are refused."""
    stage.provider.kubectl("patch", *DNS, "--type=merge", "-p", '{"spec":{"selector":{"away":"true"}}}')


def dns_on(stage: Stage) -> None:
    """Lead it to DNS again."""
    stage.provider.kubectl("patch", *DNS, "--type=merge", "-p", '{"spec":{"selector":{"away":null}}}')


def fill_volume(stage: Stage, pod: str, folder: str) -> None:
    """Write until the volume of a database's pod is full, and until the log needs room that is not there.

    PostgreSQL serves on with segments that it made before; so it is made to take new ones.
    """
    segment = f"psql -qAtc {shlex.quote(SEGMENT)} || break"
    more = f"for n in $(seq {SEGMENTS}); do {segment}; done"
    script = f"dd if=/dev/zero of={folder}/{FILLER} bs=1M; sync; {more}; true"
    stage.provider.kubectl("exec", pod, "-n", stage.namespace, "--", "sh", "-c", script, seconds=150)


def free_volume(stage: Stage, pod: str) -> None:
    """Remove what filled it, on its node, since its server may be down; harmless if nothing did."""
    claim = stage.provider.api.get("v1/persistentvolumeclaims", stage.namespace, pod)
    volume = stage.provider.api.get("v1/persistentvolumes", "", get_str(claim, "spec", "volumeName"))
    node = get_str(stage.provider.api.get("v1/pods", stage.namespace, pod), "spec", "nodeName")
    stage.provider.in_node(node, "find", get_str(volume, "spec", "local", "path"), "-name", FILLER, "-delete")


def certificate_of(stage: Stage, secret: str) -> Manifest:
    """The data of a Secret, to be put back."""
    return as_manifest(stage.provider.api.get("v1/secrets", stage.namespace, secret)["data"])


def put_certificate(stage: Stage, secret: str, data: Manifest) -> None:
    """Replace the data of a Secret."""
    stage.provider.api.patch("v1/secrets", stage.namespace, secret, {"data": data})


def as_data(pair: Sequence[str]) -> Manifest:
    """Certificate and key as a Secret of type kubernetes.io/tls holds them."""
    certificate, key = pair
    return {
        "tls.crt": b64encode(certificate.encode()).decode(),
        "tls.key": b64encode(key.encode()).decode(),
    }
