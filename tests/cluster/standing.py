"""An instance that stands, with its operator: where tests begin that ask what happens to it later."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cluster.instances import database_secret, instance, wait_ready
from cluster.observing import SECONDS, wait_applied
from dedicated.api.json import Manifest, as_manifest, get_list, get_str
from dedicated.api.names import FIELD_MANAGER, LABEL_INSTANCE
from dedicated.api.objects import CHILD_KINDS, INSTANCE, RECORD
from testbed.client import Api
from testbed.cluster import Cluster, Request
from testbed.fixtures import RunOperator
from testbed.operator_process import OperatorProcess

SIMULATED = {"testbed/pods": "simulated"}
NOWHERE = "postgresql://acme:unused@db.example.test:5432/acme"
"""For instances whose pods are simulated: nobody connects."""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
UPKEEP = frozenset({"leases", "selfsubjectaccessreviews", "selfsubjectreviews"})
"""Leading, and asking for one's own name and rights: no change of anything."""
QUIET = 2.5
"""Longer than the operator holds back a status in which only figures moved."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An instance in a namespace of its own, and the operator that watches it."""

    cluster: Cluster
    namespace: str
    operator: OperatorProcess

    @property
    def api(self) -> Api:
        """The administrator's API."""
        return self.cluster.api

    def body(self) -> Manifest:
        """The instance now."""
        return self.api.get(INSTANCE, self.namespace, "acme")

    def writes(self, since: int) -> list[str]:
        """The operator's writes after a position of the audit log."""
        return writes(self.cluster, self.operator, since)

    def rest(self) -> None:
        """Wait until the operator has nothing to do."""
        rest(self.cluster, self.operator)


def stand_simulated(
    cluster: Cluster, namespace: str, run_operator: RunOperator, *, extra: tuple[str, ...] = ()
) -> Standing:
    """A rolled out instance whose pods are simulated, its operator (with `extra` arguments) at rest."""
    operator = run_operator(namespace, watch=(namespace,), extra=extra)
    create_simulated(cluster.api, namespace)
    wait_applied(cluster.api, namespace)
    standing = Standing(cluster, namespace, operator)
    standing.rest()
    return standing


def stand(cluster: Cluster, namespace: str, database: str, run_operator: RunOperator) -> Standing:
    """A Ready instance with real processes behind its pods."""
    operator = run_operator(namespace, watch=(namespace,))
    cluster.api.create(database_secret(namespace, database))
    cluster.api.create(instance(namespace))
    wait_ready(cluster.api, namespace, seconds=SECONDS)
    return Standing(cluster, namespace, operator)


def create_simulated(api: Api, namespace: str) -> None:
    """An instance with a database Secret that leads nowhere."""
    api.create(database_secret(namespace, NOWHERE))
    api.create(instance(namespace))


def until(holds: Callable[[], bool], what: str, *, seconds: float = 30) -> float:
    """Look every 50 ms; the seconds it took. AssertionError after `seconds`."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - started


def changes_of(requests: list[Request]) -> list[str]:
    """Those requests that change anything, as text."""
    return [
        f"{request.verb} {request.resource} {request.namespace}/{request.name} {request.code}"
        for request in requests
        if request.verb in WRITES and request.resource not in UPKEEP
    ]


def writes(cluster: Cluster, operator: OperatorProcess, since: int) -> list[str]:
    """An operator's writes after a position of the audit log."""
    return changes_of(cluster.requests(since=since, user=operator.account))


def rest(cluster: Cluster, operator: OperatorProcess) -> None:
    """Wait until the operator has not written for a while."""
    last, since = time.monotonic(), cluster.audit_position()

    def silent() -> bool:
        nonlocal last, since
        position = cluster.audit_position()
        if writes(cluster, operator, since):
            last = time.monotonic()
        since = position
        return time.monotonic() - last > QUIET

    until(silent, "an operator at rest", seconds=SECONDS)


def refused(cluster: Cluster, operator: OperatorProcess, since: int) -> list[str]:
    """The operator's requests that its rights did not allow."""
    return [
        f"{request.verb} {request.resource} {request.namespace}/{request.name}"
        for request in cluster.requests(since=since, user=operator.account)
        if request.code == 403
    ]


def modifications(body: Manifest) -> list[Manifest]:
    """What the status tells of modifications, newest first."""
    return [as_manifest(item) for item in get_list(body, "status", "modifications")]


def modification_of(body: Manifest, child: str) -> Manifest:
    """What the status tells of one child (`Kind/name`); empty if nothing."""
    return next((item for item in modifications(body) if item["object"] == child), {})


def records(api: Api, namespace: str) -> list[Manifest]:
    """All ContractRecords of a namespace, oldest first."""
    found = api.list(RECORD, namespace)
    return sorted(found, key=lambda item: get_str(item, "metadata", "creationTimestamp"))


def events_of(api: Api, namespace: str, reason: str = "") -> list[Manifest]:
    """The operator's events, of one reason if given."""
    return [
        event
        for event in api.list("events.k8s.io/v1/events", namespace)
        if get_str(event, "reportingController").startswith("dedicated")
        and reason in ("", get_str(event, "reason"))
    ]


def children(api: Api, namespace: str) -> dict[str, Manifest]:
    """`Kind/name` -> everything that belongs to an instance in the namespace."""
    return {
        f"{kind.kind}/{get_str(item, 'metadata', 'name')}": item
        for kind in CHILD_KINDS
        for item in api.list(kind, namespace, labels=LABEL_INSTANCE)
    }


def own_fields(body: Manifest) -> dict[str, Manifest]:
    """`operation subresource` -> fields that the operator owns on an object."""
    return {
        f"{get_str(entry, 'operation')} {get_str(entry, 'subresource')}".strip(): as_manifest(entry)
        for entry in get_list(body, "metadata", "managedFields")
        if get_str(entry, "manager") == FIELD_MANAGER
    }
