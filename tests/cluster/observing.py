"""Looking on while an instance changes: its history, its children, and its public name.

A test that polls sees some of the states in between. What must never be, is looked for in the API
server's own history (a watch from an earlier resource version), which leaves none out.
"""

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import urllib3

from cluster.instances import condition, wait_for
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE, ZONE_LABEL
from dedicated.api.objects import DEPLOYMENT, INSTANCE, JOB, NODE, POD, SECRET, Kind
from dedicated.parts import measured
from testbed.client import Api
from testbed.cluster import Cluster
from testbed_oracles import Verdict, argo_health, judge

SECONDS = 120
"""Longest wait for a rollout: two workers share two processors."""
SERVER, LOGIN = "server", "login"
DISCOVERY, LOGIN_PAGE = "/.well-known/openid-configuration", "/ui/v2/login/loginname"
ARGO_OF = {
    "Current": "Healthy",
    "InProgress": "Progressing",
    "Failed": "Degraded",
    "Terminating": "Progressing",
}


@dataclass(slots=True)
class History:
    """Every version of a namespace's objects of one kind from the moment this was made.

    The API server remembers some minutes: look now and then.
    """

    api: Api
    path: str
    version: str
    bodies: list[Manifest] = field(default_factory=list)

    @classmethod
    def of(cls, api: Api, kind: Kind, namespace: str) -> "History":
        """Of a kind in a namespace (empty: in all), from now on."""
        root = "/apis" if kind.group else "/api"
        within = f"namespaces/{namespace}/" if namespace else ""
        path = f"{root}/{kind.api_version}/{within}{kind.plural}"
        return cls(api, path, get_str(api.request("GET", path), "metadata", "resourceVersion"))

    def look(self) -> list[Manifest]:
        """All versions so far, oldest first; a deleted object comes as it was last. Takes a second."""
        query = f"watch=1&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion={self.version}"
        url = f"{self.api.server}{self.path}?{query}"
        answer = self.api.pool.request("GET", url, headers=self.api.headers)
        for line in answer.data.decode().splitlines():
            event = as_manifest(json.loads(line))
            body = get_map(event, "object")
            assert event["type"] != "ERROR", body
            self.version = get_str(body, "metadata", "resourceVersion")
            if event["type"] != "BOOKMARK":
                self.bodies.append(body)
        return self.bodies


def kstatus_of(body: Manifest) -> Verdict:
    """What kstatus says, after checking that Argo CD's health says the same."""
    (verdict,) = judge([body])
    if get_map(body, "status"):
        assert argo_health(body).status == ARGO_OF[verdict.status], verdict
    return verdict.status


def never_current_before_ready(bodies: Sequence[Manifest]) -> Counter[str]:
    """kstatus' verdicts over an instance's history, how often each; Current always means Ready=True."""
    with_status = [body for body in bodies if get_map(body, "status")]
    verdicts = judge(with_status)
    for body, verdict in zip(with_status, verdicts, strict=True):
        if verdict.status == "Current":
            assert condition(body, "Ready")["status"] == "True", body["status"]
        assert argo_health(body).status == ARGO_OF[verdict.status], verdict
    return Counter(verdict.status for verdict in verdicts)


def change(api: Api, namespace: str, spec: Manifest, name: str = "acme") -> Manifest:
    """Merge something into an instance's spec; the object as stored."""
    return api.patch(INSTANCE, namespace, name, {"spec": spec}, manager="user")


def is_applied(body: Manifest | None) -> bool:
    """Whether this generation is rolled out: all that can be asked where the pods are simulated."""
    return (
        get_map(body, "status").get("observedGeneration") == get_map(body, "metadata").get("generation")
        and condition(body, "UpToDate").get("status") == "True"
    )


def wait_applied(api: Api, namespace: str, name: str = "acme") -> Manifest:
    """The instance once this generation is rolled out."""
    return wait_for(api, namespace, is_applied, name, seconds=SECONDS, what="UpToDate=True")


def wait_stalled(api: Api, namespace: str, reason: str, name: str = "acme") -> Manifest:
    """The instance once it is Stalled for a reason, as its tools see it too."""

    def stalled(body: Manifest | None) -> bool:
        found = condition(body, "Stalled")
        seen = get_int(body, "status", "observedGeneration") == get_int(body, "metadata", "generation")
        return seen and (found.get("status"), found.get("reason")) == ("True", reason)

    body = wait_for(api, namespace, stalled, name, what=f"Stalled/{reason}")
    assert kstatus_of(body) == "Failed"
    return body


def has_finding(code: str) -> Callable[[Manifest | None], bool]:
    """A predicate on an instance: it has a finding with this code."""
    return lambda body: any(get_str(item, "code") == code for item in get_list(body, "status", "findings"))


def finding(body: Manifest, code: str) -> Manifest:
    """The finding with this code; the test fails without it."""
    (found,) = (item for item in get_list(body, "status", "findings") if get_str(item, "code") == code)
    return as_manifest(found)


def wait_until(api: Api, namespace: str, holds: Callable[[], bool], *, what: str) -> None:
    """Until something holds that is not about one object."""
    api.wait_for("v1/namespaces", "", namespace, lambda _: holds(), timeout=SECONDS, what=what)


def pods(api: Api, namespace: str, component: str, name: str = "acme") -> list[Manifest]:
    """An instance's pods of one component that are not on their way out."""
    labels = f"{LABEL_INSTANCE}={name},{LABEL_COMPONENT}={component}"
    return [pod for pod in api.list(POD, namespace, labels=labels) if not _leaving(pod)]


def pod_names(api: Api, namespace: str, *components: str) -> set[str]:
    """Names of the pods that stay."""
    chosen = components or (SERVER, LOGIN)
    return {get_str(pod, "metadata", "name") for one in chosen for pod in pods(api, namespace, one)}


def pods_by_zone(api: Api, namespace: str, component: str) -> dict[str, int]:
    """How many pods that stay are in each zone."""
    zones = {
        get_str(node, "metadata", "name"): get_str(node, "metadata", "labels", ZONE_LABEL)
        for node in api.list(NODE)
    }
    return dict(Counter(zones[get_str(pod, "spec", "nodeName")] for pod in pods(api, namespace, component)))


def uids(api: Api, namespace: str, *kinds: Kind) -> dict[str, str]:
    """`kind/name` -> uid of everything of these kinds that belongs to an instance.

    But for the months of its service level: they are no children, and come when something was measured.
    """
    children = f"{LABEL_INSTANCE},{LABEL_COMPONENT}!={measured.COMPONENT}"
    return {
        f"{kind.kind}/{get_str(item, 'metadata', 'name')}": get_str(item, "metadata", "uid")
        for kind in kinds
        for item in api.list(kind, namespace, labels=children)
    }


def versions(api: Api, namespace: str, *kinds: Kind) -> dict[str, int]:
    """`kind/name` -> generation: moves only when a spec is changed."""
    return {
        f"{kind.kind}/{get_str(item, 'metadata', 'name')}": get_int(item, "metadata", "generation")
        for kind in kinds
        for item in api.list(kind, namespace, labels=LABEL_INSTANCE)
    }


def work(api: Api, namespace: str) -> tuple[dict[str, str], dict[str, int]]:
    """Jobs and Deployments: uids, and generations."""
    return uids(api, namespace, DEPLOYMENT, JOB), versions(api, namespace, DEPLOYMENT, JOB)


def schema_pods_at_once(history: Sequence[Manifest]) -> int:
    """The most schema pods that were at work at any one moment of the pods' history."""
    at_work: set[str] = set()
    most = 0
    for pod in history:
        if get_str(pod, "metadata", "labels", LABEL_COMPONENT) != "schema":
            continue
        name, phase = get_str(pod, "metadata", "name"), get_str(pod, "status", "phase")
        # A pod leaves the API when its kubelet says that all of it has ended.
        over = phase in {"Succeeded", "Failed"} or (_leaving(pod) and _grace_over(pod))
        (at_work.discard if over else at_work.add)(name)
        most = max(most, len(at_work))
    return most


def _leaving(pod: Manifest) -> bool:
    return bool(get_map(pod, "metadata").get("deletionTimestamp"))


def _grace_over(pod: Manifest) -> bool:
    return get_map(pod, "metadata").get("deletionGracePeriodSeconds") == 0


def secret_data(api: Api, namespace: str, name: str) -> dict[str, JsonValue]:
    """The data of a Secret, still encoded."""
    return get_map(api.get(SECRET, namespace, name), "data")


def secret(namespace: str, name: str, **values: str) -> Manifest:
    """A user's Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": dict(values),
    }


def restorable(manifest: Manifest) -> Manifest:
    """An object as a backup keeps it: without what the API server gave it."""
    kept = ("name", "namespace", "labels", "annotations")
    metadata = {key: value for key, value in get_map(manifest, "metadata").items() if key in kept}
    return {key: value for key, value in {**manifest, "metadata": metadata}.items() if key != "status"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser at the public name."""

    pool: urllib3.HTTPSConnectionPool
    domain: str
    answers: list[tuple[str, int, str]]
    """Path, status (0: none) and body, of the visits by `visited`."""

    def failures(self, path: str = "", *, since: int = 0) -> list[tuple[str, int, str]]:
        """Visits that went wrong: of one path where it is named, after a number of visits."""
        asked = (visit for visit in self.answers[since:] if visit[0] == path or not path)
        return [visit for visit in asked if visit[1] != 200]

    def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: str = ""
    ) -> tuple[int, str]:
        """Status and body of one answer."""
        given = {"Host": self.domain, **(headers or {})}
        answer = self.pool.request(method, path, headers=given, body=body.encode() or None)
        return answer.status, answer.data.decode(errors="replace")


def visitor(cluster: Cluster, domain: str) -> Visitor:
    """A browser that finds the public name at the testbed's front."""
    host, _, port = cluster.front.rpartition(":")
    pool = urllib3.HTTPSConnectionPool(
        host,
        int(port),
        ca_certs=str(cluster.ca),
        server_hostname=domain,
        assert_hostname=domain,
        retries=False,
        timeout=10,
    )
    return Visitor(pool, domain, [])


@contextlib.contextmanager
def visited(cluster: Cluster, domain: str) -> Iterator[Visitor]:
    """Ask the public name for server and login without pause for the time of the context."""
    guest, over = visitor(cluster, domain), threading.Event()

    def visit() -> None:
        while not over.wait(0.05):
            for path in (DISCOVERY, LOGIN_PAGE):
                try:
                    status, text = guest.ask(path)
                except urllib3.exceptions.HTTPError as error:
                    status, text = 0, str(error)
                guest.answers.append((path, status, text[:200]))

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield guest
    finally:
        over.set()
        thread.join()
