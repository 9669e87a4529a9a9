"""The pod runner on the real control plane: what kubelet would do with the same pods."""

import json
from collections.abc import Callable

import pytest
import urllib3

from dedicated.api.json import JsonValue, Manifest, array, get_int, get_list, get_map, get_str
from testbed.client import condition
from testbed.cluster import Cluster
from testbed.podrunner.network import loopback, runs_here
from testbed.stub_pods import PORT, container, http_probe, pod

pytestmark = pytest.mark.cluster
PODS = "v1/pods"
MOUNTS: list[JsonValue] = [
    {"name": "all", "mountPath": "/etc/all"},
    {"name": "keys", "mountPath": "/keys/k", "subPath": "deep/k"},
]
SOURCES: list[JsonValue] = [
    {"configMap": {"name": "settings"}},
    {"secret": {"name": "keys", "optional": True}},
]
VOLUMES: list[JsonValue] = [
    {"name": "all", "projected": {"sources": SOURCES}},
    {"name": "keys", "secret": {"secretName": "keys", "items": [{"key": "master", "path": "deep/k"}]}},
]


def is_ready(found: Manifest | None) -> bool:
    return condition(found, "Ready") == "True"


def phase_is(phase: str) -> Callable[[Manifest | None], bool]:
    return lambda found: get_str(found, "status", "phase") == phase


def first(found: Manifest | None, group: str = "containerStatuses") -> Manifest:
    statuses = get_list(found, "status", group)
    return get_map({"first": statuses[0]}, "first") if statuses else {}


def waits_for(reason: str) -> Callable[[Manifest | None], bool]:
    return lambda found: get_str(first(found), "state", "waiting", "reason") == reason


def ask(found: Manifest, path: str, *, method: str = "GET") -> str:
    address = loopback(get_str(found, "status", "podIP"))
    answer = urllib3.request(method, f"http://{address}:{PORT}{path}", retries=False, timeout=5)
    assert answer.status == 200, path
    return answer.data.decode()


def environment(cluster: Cluster, namespace: str, spec: Manifest) -> dict[str, str]:
    """What the process of a pod sees."""
    cluster.api.create(spec)
    found = cluster.api.wait_for(PODS, namespace, "p", is_ready, what="ready")
    return dict(json.loads(ask(found, "/env")))


def config(namespace: str, kind: str, name: str, **data: str) -> Manifest:
    field = "stringData" if kind == "Secret" else "data"
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        field: dict(data),
    }


def test_environment_and_files_are_laid_out(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(config(namespace, "Secret", "keys", master="m" * 32, other="o"))
    cluster.api.create(config(namespace, "ConfigMap", "settings", **{"a.yaml": "Port: 1"}))
    main = container(
        "serve",
        str(PORT),
        env=[
            {"name": "PLAIN", "value": "x-$(SECRET)-$$(SECRET)"},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "other"}}},
            {"name": "LATE", "value": "$(SECRET)"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {
                "name": "LIMIT",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
            },
        ],
        envFrom=[{"prefix": "S_", "secretRef": {"name": "keys"}}],
        resources={"limits": {"memory": "1Gi"}},
        volumeMounts=MOUNTS,
        readinessProbe=http_probe("/ready"),
    )
    seen = environment(cluster, namespace, pod(namespace, main, volumes=VOLUMES))
    assert seen["PLAIN"] == "x-$(SECRET)-$(SECRET)"  # not yet defined there, and escaped
    assert (seen["SECRET"], seen["LATE"], seen["S_other"]) == ("o", "o", "o")
    assert (seen["POD"], seen["LIMIT"]) == ("p", "1024")
    assert seen["FAKEZ_VERSION"] == "v1"
    found = cluster.api.get(PODS, namespace, "p")
    assert ask(found, "/file?path=/etc/all/a.yaml") == "Port: 1"
    assert ask(found, "/file?path=/keys/k") == "m" * 32


def test_probes_send_the_host_header_and_readiness_follows(cluster: Cluster, namespace: str) -> None:
    main = container("serve", str(PORT), readinessProbe=http_probe("/ready", failureThreshold=1))
    cluster.api.create(pod(namespace, main))
    found = cluster.api.wait_for(PODS, namespace, "p", is_ready, what="ready")
    assert json.loads(ask(found, "/env"))["PROBED_AS"] == "public.test"
    ask(found, "/flags/unready", method="POST")
    unready = cluster.api.wait_for(PODS, namespace, "p", lambda p: not is_ready(p), timeout=5, what="unready")
    assert get_str(unready, "status", "phase") == "Running"
    ask(found, "/flags/unready", method="DELETE")
    cluster.api.wait_for(PODS, namespace, "p", is_ready, timeout=3, what="ready again")


def test_missing_secret_is_told_and_waited_for(cluster: Cluster, namespace: str) -> None:
    reference: Manifest = {"secretKeyRef": {"name": "late", "key": "a"}}
    cluster.api.create(pod(namespace, container("sleep", env=[{"name": "A", "valueFrom": reference}])))
    found = cluster.api.wait_for(PODS, namespace, "p", waits_for("CreateContainerConfigError"))
    assert get_str(first(found), "state", "waiting", "message") == 'secret "late" not found'
    assert get_str(found, "status", "phase") == "Pending"
    cluster.api.create(config(namespace, "Secret", "late", b="1"))
    cluster.api.wait_for(
        PODS, namespace, "p", lambda p: "find key a" in get_str(first(p), "state", "waiting", "message")
    )
    cluster.api.patch("v1/secrets", namespace, "late", {"stringData": {"a": "1"}})
    cluster.api.wait_for(PODS, namespace, "p", is_ready)


def test_missing_mount_keeps_the_pod_pending(cluster: Cluster, namespace: str) -> None:
    volume: Manifest = {"name": "v", "configMap": {"name": "late"}}
    main = container("sleep", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    cluster.api.create(pod(namespace, main, volumes=[volume]))
    found = cluster.api.wait_for(PODS, namespace, "p", waits_for("ContainerCreating"))
    assert not is_ready(found)
    cluster.api.create(config(namespace, "ConfigMap", "late", a="1"))
    cluster.api.wait_for(PODS, namespace, "p", is_ready)


@pytest.mark.parametrize(
    ("image", "command", "reason"),
    [
        ("registry.test/zitadel:nightly", [], "ErrImagePull"),
        ("registry.test/zitadel@sha256:" + 64 * "0", ["/bin/sh", "-c", "true"], "StartError"),
        ("registry.test/testbed-stub:v1", ["/app/other"], "StartError"),
    ],
)
def test_what_a_container_engine_refuses_is_refused(
    cluster: Cluster, namespace: str, image: str, command: list[str], reason: str
) -> None:
    main: Manifest = {**container("start"), "image": image, "command": array(command)}
    cluster.api.create(pod(namespace, main, restartPolicy="Never"))

    def refused(found: Manifest | None) -> bool:
        state = get_map(first(found), "state")
        told = {get_str(state, "waiting", "reason"), get_str(state, "terminated", "reason")}
        return reason in told or (reason == "ErrImagePull" and "ImagePullBackOff" in told)

    cluster.api.wait_for(PODS, namespace, "p", refused, timeout=10, what=reason)


def test_service_links_are_injected_unless_switched_off(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "zitadel", "namespace": namespace},
            "spec": {"selector": {"app": "none"}, "ports": [{"name": "http", "port": 8080}]},
        }
    )
    address = get_str(cluster.api.get("v1/services", namespace, "zitadel"), "spec", "clusterIP")
    main = container("serve", str(PORT), readinessProbe=http_probe("/ready"))
    linked = environment(cluster, namespace, pod(namespace, main))
    assert linked["ZITADEL_PORT"] == f"tcp://{address}:8080"
    assert linked["ZITADEL_SERVICE_PORT_HTTP"] == "8080"
    cluster.api.delete(PODS, namespace, "p", grace=0)
    cluster.api.wait_for(PODS, namespace, "p", lambda found: found is None)
    seen = environment(cluster, namespace, pod(namespace, main, enableServiceLinks=False))
    assert "ZITADEL_PORT" not in seen
    assert "KUBERNETES_SERVICE_HOST" in seen


def test_failing_job_fails_and_a_good_one_succeeds(cluster: Cluster, namespace: str) -> None:
    for name, code in (("good", "0"), ("bad", "3")):
        template = pod(namespace, container("exit", code), restartPolicy="Never")
        cluster.api.create(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"backoffLimit": 0, "template": {"spec": template["spec"]}},
            }
        )
    jobs = "batch/v1/jobs"
    cluster.api.wait_for(jobs, namespace, "good", lambda job: condition(job, "Complete") == "True")
    cluster.api.wait_for(jobs, namespace, "bad", lambda job: condition(job, "Failed") == "True")
    failed = cluster.api.list(PODS, namespace, labels="batch.kubernetes.io/job-name=bad")[0]
    assert get_str(failed, "status", "phase") == "Failed"
    assert get_int(first(failed), "state", "terminated", "exitCode") == 3


def test_init_containers_come_first_and_block(cluster: Cluster, namespace: str) -> None:
    init = container("exit", "1", name="init")
    cluster.api.create(pod(namespace, container("sleep"), initContainers=[init]))
    group = "initContainerStatuses"
    found = cluster.api.wait_for(
        PODS,
        namespace,
        "p",
        lambda p: get_int(first(p, group), "restartCount") >= 1,
        what="a restart of init",
    )
    assert get_str(first(found), "state", "waiting", "reason") == "PodInitializing"
    assert get_int(first(found, group), "lastState", "terminated", "exitCode") == 1
    assert condition(found, "Initialized") == "False"


def test_dead_process_is_restarted(cluster: Cluster, namespace: str) -> None:
    main = container(
        "serve",
        str(PORT),
        readinessProbe=http_probe("/ready"),
        livenessProbe=http_probe("/live", failureThreshold=1),
    )
    cluster.api.create(pod(namespace, main))
    found = cluster.api.wait_for(PODS, namespace, "p", is_ready, what="ready")
    ask(found, "/flags/dead", method="POST")
    cluster.api.wait_for(
        PODS, namespace, "p", lambda p: is_ready(p) and get_int(first(p), "restartCount") == 1, timeout=15
    )


def test_deletion_ends_the_process_and_then_the_pod(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(pod(namespace, container("serve", str(PORT), readinessProbe=http_probe("/ready"))))
    found = cluster.api.wait_for(PODS, namespace, "p", is_ready, what="ready")
    cluster.api.delete(PODS, namespace, "p")
    cluster.api.wait_for(PODS, namespace, "p", lambda gone: gone is None, timeout=5, what="gone")
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(found, "/env")


def test_simulated_namespace_runs_no_process(cluster: Cluster, make_namespace: Callable[..., str]) -> None:
    namespace = make_namespace(labels={"testbed/pods": "simulated"})
    cluster.api.create(pod(namespace, container("serve", str(PORT))))
    found = cluster.api.wait_for(PODS, namespace, "p", is_ready, what="ready")
    assert not get_str(found, "metadata", "annotations", "testbed/run-by")
    assert not runs_here(get_str(found, "status", "podIP"))
