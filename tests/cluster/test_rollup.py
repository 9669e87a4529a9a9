"""A closed month on the real API server: rolled up with the chart's rights, wherever the operator ends."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Queue
from typing import Literal

import pytest

from api.record_examples import EXAMPLES, record
from cluster.instances import wait_for
from cluster.observing import SECONDS, wait_applied
from cluster.records_stage import policies_in_force
from cluster.standing import SIMULATED, create_simulated, modifications, records, rest, until, writes
from cluster.validation import placed
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import RECORD
from dedicated.contract.reading import facts_in, modifications_in, read
from dedicated.contract.rollup import GRACE, SPREAD
from faultproxy import Asked, Decision, FaultProxy, Forward, Kill, fault_proxy, forward_all
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

When = Literal["before", "after"]
ENDS: tuple[tuple[str, When], ...] = (
    ("create", "before"),
    ("create", "after"),
    ("delete", "before"),
    ("delete", "after"),
)
OLD = datetime.now(UTC) - GRACE - SPREAD - timedelta(days=32)
"""In a month that is over for long enough, whatever day it is."""


def restored(namespace: str, name: str, spec: Manifest, *, at: datetime) -> Manifest:
    """A record of an old time."""
    body = record({**spec, "at": rfc3339(at)}, name=name)
    return placed(body, namespace)


def told(api: Api, namespace: str) -> tuple[object, object]:
    """Facts and modifications of the ledger as it stands."""
    readings = [reading for body in records(api, namespace) if (reading := read(body)) is not None]
    facts, changes = facts_in(readings), modifications_in(readings)
    return sorted(facts, key=lambda one: one.name), sorted(changes, key=lambda one: one.name)


def facts_of(api: Api, namespace: str) -> list[str]:
    return sorted(get_str(body, "spec", "fact") for body in records(api, namespace))


def ends_at_a_record(
    start: Callable[[], OperatorProcess], proxy: FaultProxy, *, verb: str, when: When
) -> None:
    """An operator that ends right before, or right after, its first such request."""
    started: Queue[OperatorProcess] = Queue()

    def policy(asked: Asked) -> Decision:
        is_it = (asked.verb, asked.resource) == (verb, RECORD.plural)
        # The request may come before the process is told of.
        return Kill(when, lambda: started.get(timeout=SECONDS).kill()) if is_it else Forward()

    proxy.follow(policy)
    operator = start()
    started.put(operator)
    until(lambda: operator.process.poll() is not None, f"dead {when} {verb}", seconds=SECONDS)
    proxy.follow(forward_all)


def test_a_month_is_rolled_up_wherever_the_operator_ends(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    api, namespace = cluster.api, make_namespace(labels=SIMULATED)
    for fact in ("Completed", "Refused", "ModificationRepaired", "Agreement"):
        spec = EXAMPLES[fact]
        api.create(restored(namespace, f"acme-{fact.lower()}", spec, at=OLD))
    fresh = {key: value for key, value in EXAMPLES["Withdrawn"].items() if key != "at"}
    body = record(fresh, name="acme-fresh")
    api.create(placed(body, namespace))
    before = told(api, namespace)
    probe = restored(namespace, "probe", EXAMPLES["Refused"], at=OLD)
    with (
        policies_in_force(cluster, namespace, "records", probe=probe),
        fault_proxy(server=cluster.state.server, ca=cluster.ca) as proxy,
    ):
        start = partial(run_operator, namespace, watch=(namespace,), server=proxy.url)
        create_simulated(api, namespace)
        for verb, when in ENDS:
            ends_at_a_record(start, proxy, verb=verb, when=when)
            assert told(api, namespace) == before
        operator = start()
        wait_applied(api, namespace)
        until(lambda: facts_of(api, namespace) == ["Agreement", "MonthClosed", "Withdrawn"], "rolled up")
        rest(cluster, operator)
        assert told(api, namespace) == before
        (closed,) = [body for body in records(api, namespace) if "closed" in get_map(body, "spec")]
        assert len(get_list(closed, "spec", "closed", "records")) == 3
        # What was repaired that month is still told, and a pass that finds it done writes nothing.
        wait_for(api, namespace, lambda body: len(modifications(body)) == 1, what="the modification told")
        since = cluster.audit_position()
        api.patch(RECORD, namespace, "acme-fresh", {"metadata": {"labels": {"a": "b"}}})
        rest(cluster, operator)
        assert not [line for line in writes(cluster, operator, since) if RECORD.plural in line]
