"""An instance that is gone, and a term that has ended, leave no object behind."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from cluster.instances import instance
from cluster.leading import LEASES, works
from cluster.observing import SECONDS, wait_applied
from cluster.standing import SIMULATED, create_simulated, until
from dedicated.api.json import Manifest, as_manifest, get_int, get_map
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import CHILD_KINDS, CONFIG_MAP, INSTANCE, POD, SECRET
from testbed import operator_process
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace
from testbed.home import python_path
from testbed.operator_process import OperatorProcess, Settings, run_alone

pytestmark = pytest.mark.cluster

TESTS = Path(__file__).parents[1]
BOUNDED = frozenset(
    {
        "dedicated.cluster.events._Told",
        "dedicated.cluster.events._Allowance",
        "dedicated.api.objects.Key",
    }
)
"""What is remembered of the past up to a number: events told, and wake-ups that were taken back."""
LOOKS = 8


@dataclass(frozen=True, slots=True)
class Counted:
    """An operator that tells what it holds, and where it lives."""

    cluster: Cluster
    namespace: str
    operator: OperatorProcess
    file: Path

    def look(self) -> Manifest:
        """What it holds now."""
        self.file.unlink(missing_ok=True)
        os.kill(self.operator.process.pid, signal.SIGUSR1)
        until(self.file.exists, "counts")
        return as_manifest(json.loads(self.file.read_text()))

    def held(self) -> Counter[str]:
        """The most of each type in some looks: readings and passes come and go."""
        most = self._counts()
        for _ in range(LOOKS):
            time.sleep(0.1)
            most |= self._counts()
        return most

    def returns_to(self, before: Counter[str]) -> None:
        """Wait for a moment with no more of any type than before. AssertionError tells what is."""
        more: Counter[str] = Counter()

        def nothing_more() -> bool:
            nonlocal more
            more = self._counts() - before
            return not more.keys() - BOUNDED

        try:
            until(nothing_more, "no more objects than before", seconds=15)
        except AssertionError as error:
            raise AssertionError(f"{error}: {more}") from None

    def next_term(self) -> None:
        """Somebody takes the lease away and lets it expire; the operator leads again."""
        before = self._transitions()
        lease: Manifest = {"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 1}}
        self.cluster.api.patch(LEASES, self.namespace, "dedicated-operator", lease, manager="somebody")
        until(lambda: self._transitions() > before and works(self.operator), "the next term")

    def _counts(self) -> Counter[str]:
        return Counter({name: int(str(number)) for name, number in get_map(self.look(), "counts").items()})

    def _transitions(self) -> int:
        lease = self.cluster.api.get(LEASES, self.namespace, "dedicated-operator")
        return get_int(lease, "spec", "leaseTransitions")


@pytest.fixture
def counted(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, tmp_path: Path
) -> Iterator[Counted]:
    """An operator that tells what it holds."""
    namespace = make_namespace(labels=SIMULATED)
    file = tmp_path / "counts.json"
    env = {"PYTHONPATH": os.pathsep.join((python_path(), str(TESTS))), "COUNTS": str(file)}
    settings = Settings(namespace, (namespace,), extra=("--lease-seconds=3",), env=env)
    installed = operator_process.install(cluster, settings, tmp_path, operator_process.render(settings))
    run = partial(run_alone, module="cluster.counting")
    operator = operator_process.launch(cluster, settings, installed, run=run)
    yield Counted(cluster, namespace, operator, file)
    operator.kill()
    operator_process.remove_rights(cluster, operator.chart)


def test_an_instance_that_is_gone_leaves_nothing(counted: Counted) -> None:
    api = counted.cluster.api
    create_simulated(api, counted.namespace)
    come_and_go(counted)
    before = counted.held()
    api.create(instance(counted.namespace))
    come_and_go(counted)
    counted.returns_to(before)


def come_and_go(counted: Counted) -> None:
    """The instance is rolled out, then deleted, and all goes that is not to stay."""
    api, namespace = counted.cluster.api, counted.namespace
    wait_applied(api, namespace)
    api.delete(INSTANCE, namespace, "acme")
    going = (INSTANCE, POD, *(kind for kind in CHILD_KINDS if kind not in (SECRET, CONFIG_MAP)))
    until(
        lambda: not any(api.list(kind, namespace, labels=LABEL_INSTANCE) for kind in going),
        "all gone",
        seconds=SECONDS,
    )


def test_a_term_that_has_ended_leaves_nothing(counted: Counted) -> None:
    create_simulated(counted.cluster.api, counted.namespace)
    wait_applied(counted.cluster.api, counted.namespace)
    counted.next_term()
    before = counted.held()
    for _ in range(2):
        counted.next_term()
        assert counted.look()["uncollected"] == 1, "the last term is left until a collection comes by chance"
    counted.returns_to(before)
