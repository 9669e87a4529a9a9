"""What a namespace looks like, on one page: for the report of a failed test."""

import contextlib

from dedicated.api.json import Manifest, get_int, get_list, get_str
from dedicated.api.names import API_VERSION, PLURAL
from testbed.client import ApiError, condition
from testbed.cluster import Cluster
from testbed.marking import RUN_BY
from testbed.processes import tail


def summarize(cluster: Cluster, namespace: str) -> str:
    """Instances with conditions, pods with states, jobs, events; the end of failed pods' output."""
    api, lines = cluster.api, [f"instances, pods and events of {namespace}:"]
    with contextlib.suppress(ApiError):
        for instance in api.list(f"{API_VERSION}/{PLURAL}", namespace):
            lines.append(f"instance {_name(instance)}")
            lines += [
                f"  {get_str(entry, 'type')}={get_str(entry, 'status')} {get_str(entry, 'reason')}: "
                f"{get_str(entry, 'message')}"
                for entry in get_list(instance, "status", "conditions")
            ]
    for job in api.list("batch/v1/jobs", namespace):
        counts = (get_int(job, "status", "succeeded"), get_int(job, "status", "failed"))
        lines.append(f"job {_name(job)}: {counts[0]} succeeded, {counts[1]} failed")
    for pod in api.list("v1/pods", namespace):
        lines += _pod_lines(cluster, namespace, pod)
    for event in api.list("events.k8s.io/v1/events", namespace)[-20:]:
        about = f"{get_str(event, 'regarding', 'kind')}/{get_str(event, 'regarding', 'name')}"
        lines.append(f"event {about} {get_str(event, 'reason')}: {get_str(event, 'note')[:200]}")
    return "\n".join(lines)


def _pod_lines(cluster: Cluster, namespace: str, pod: Manifest) -> list[str]:
    ready = condition(pod, "Ready") == "True"
    where = get_str(pod, "spec", "nodeName")
    lines = [f"pod {_name(pod)}: {get_str(pod, 'status', 'phase')} ready={ready} node={where}"]
    for group in ("initContainerStatuses", "containerStatuses"):
        lines += [f"  {get_str(entry, 'name')}: {_state(entry)}" for entry in get_list(pod, "status", group)]
    if not ready and get_str(pod, "metadata", "annotations", RUN_BY):
        for log in sorted(cluster.home.pods.glob(f"{namespace}/{_name(pod)}_*/*.log")):
            lines += [f"  | {line}" for line in tail(log, 10).splitlines()]
    return lines


def _state(status: object) -> str:
    state = status.get("state") if isinstance(status, dict) else None
    return str(state or "unknown")


def _name(manifest: Manifest) -> str:
    return get_str(manifest, "metadata", "name")
