"""The service level on a real control plane: an outage, a wiped status, an operator that was away.

The operator's wall clock is stepped, so that minutes pass at once; the gaps of a step are shorter than what
counts as a process that stood still.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from cluster.instances import condition, database_secret, instance, wait_for
from cluster.observing import SECONDS
from cluster.standing import changes_of, rest, until
from dedicated.api.json import JsonValue, Manifest, get_int, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import CONFIG_MAP, INSTANCE
from dedicated.cluster.lease import LEASE
from dedicated.parts import measured
from testbed import operator_process
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator
from testbed.forked import Clock, ForkServer, fork_server
from testbed.operator_process import Installed, Launch, OperatorProcess, Process, Settings

pytestmark = pytest.mark.cluster

GOOGLE: Manifest = {"class": "GoogleCloud"}
PATHS = ["/oauth/v2/keys"]
STEP = 40.0
"""Shorter than what counts as a process that stood still, longer than what makes a stretch worth a word."""
AWAY = 900.0
BEGIN = datetime(2027, 3, 10, 12, tzinfo=UTC)
"""In the middle of a month."""


@dataclass(slots=True)
class Timed:
    """A namespace with operators whose clock is the test's."""

    cluster: Cluster
    namespace: str
    installed: Installed
    settings: Settings
    forks: ForkServer
    clock: Clock
    ahead: float

    @property
    def api(self) -> Api:
        return self.cluster.api

    def pass_time(self, seconds: float) -> None:
        self.ahead += seconds
        self.clock.step(self.ahead)

    def start(self) -> OperatorProcess:
        return operator_process.launch(self.cluster, self.settings, self.installed, run=self._fork)

    def _fork(self, launch: Launch) -> Process:
        return self.forks.start(
            launch.arguments, env=launch.env, cwd=launch.cwd, log=launch.log, clock=self.clock
        )

    def fail(self, paths: list[str]) -> None:
        """From now on these paths answer 503; none: all is well."""
        failing: list[JsonValue] = list(paths)
        faults: Manifest = {"http.fail": {"paths": failing, "status": 503}} if paths else {}
        self.api.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "fakez-faults", "namespace": self.namespace},
                "data": {"faults.json": json.dumps(faults)},
            },
            manager="test",
        )

    def level(self) -> Manifest:
        return get_map(self.api.get(INSTANCE, self.namespace, "acme"), "status", "serviceLevel")

    def wait(self, holds: Callable[[Manifest], bool], what: str) -> Manifest:
        body = wait_for(
            self.api,
            self.namespace,
            lambda one: holds(get_map(one, "status", "serviceLevel")),
            seconds=SECONDS,
            what=what,
        )
        return get_map(body, "status", "serviceLevel")

    def months(self) -> list[Manifest]:
        """What is kept of the instance."""
        labels = f"{LABEL_INSTANCE}=acme,{LABEL_COMPONENT}={measured.COMPONENT}"
        return self.api.list(CONFIG_MAP, self.namespace, labels=labels)

    def lines(self) -> list[str]:
        return [line for item in self.months() for line in get_str(item, "data", "stretches").splitlines()]

    def gaps(self) -> list[str]:
        labels = f"{LABEL_COMPONENT}={measured.GAPS_COMPONENT}"
        found = self.api.list(CONFIG_MAP, self.namespace, labels=labels)
        return [line for item in found for line in get_str(item, "data", "stretches").splitlines()]

    def until(self) -> str:
        lease = self.api.find(LEASE, self.namespace, "dedicated-operator-measured")
        return get_str(lease, "spec", "renewTime")


@pytest.fixture
def timed(cluster: Cluster, crds: None, namespace: str, tmp_path: Path) -> Iterator[Timed]:
    extra = ("--probe-interval=0.5", "--measured-every=2", "--lease-seconds=3")
    settings = Settings(namespace, (namespace,), extra=extra)
    chart = operator_process.render(settings)
    installed = operator_process.install(cluster, settings, tmp_path / "operator", chart)
    clock = Clock(tmp_path / "clock")
    ahead = (BEGIN - datetime.now(UTC)).total_seconds()
    clock.step(ahead)
    with fork_server(tmp_path / "forks.log") as forks:
        yield Timed(cluster, namespace, installed, settings, forks, clock, ahead)
    operator_process.remove_rights(cluster, chart)


def stand(timed: Timed, database: str, infrastructure: Manifest = GOOGLE) -> OperatorProcess:
    """An instance that is measured, on this infrastructure."""
    operator = timed.start()
    timed.api.create(database_secret(timed.namespace, database))
    timed.api.create(instance(timed.namespace, infrastructure=infrastructure))
    timed.wait(bool, "a measured instance")
    return operator


def test_an_outage_is_measured_kept_and_judged(timed: Timed, database: str) -> None:
    operator = stand(timed, database)
    first = timed.level()
    assert (get_str(first, "current", "contract"), timed.lines()) == ("100.000", [])
    _an_outage(timed)
    body = wait_for(timed.api, timed.namespace, lambda one: "downSince" not in _level(one), what="over")
    level = _level(body)
    minutes = get_int(level, "current", "downtimeMinutes")
    assert minutes >= 1
    assert get_int(level, "current", "observedDowntimeMinutes") == minutes
    assert get_str(level, "current", "objective") == "99.5"
    met = condition(body, "ServiceLevelMet")
    assert (met["status"], met["reason"]) == ("True", "Within")
    assert condition(body, "ServiceLevelInForce")["reason"] == "InForce"
    (line,) = timed.lines()
    assert line.startswith("Core 20")
    assert "Keys GET https://" in line
    assert "answered 503" in line
    (kept,) = timed.months()
    assert not get_map(kept, "metadata").get("ownerReferences")

    rest(timed.cluster, operator)
    timed.api.patch(INSTANCE, timed.namespace, "acme", {"status": None}, subresource="status")
    timed.wait(lambda again: again == level, "the same after a wipe")
    assert operator.stop() == 0
    timed.api.patch(INSTANCE, timed.namespace, "acme", {"status": None}, subresource="status")
    timed.start()
    timed.wait(lambda again: again == level, "the same after a restart")


def test_who_was_away_says_so_and_writes_nothing_else(timed: Timed, database: str) -> None:
    # Without clocks: records have the API server's time, so maintenance would be asked for in vain.
    operator = stand(timed, database, {"class": "SelfHosted", "owner": "Customer"})
    until(lambda: bool(timed.until()), "the first word")
    rest(timed.cluster, operator)
    assert timed.gaps() == []
    level, kept, since = timed.level(), timed.months(), timed.until()
    operator.kill()
    timed.pass_time(AWAY)
    position = timed.cluster.audit_position()
    again = timed.start()
    until(lambda: bool(timed.gaps()), "a gap", seconds=SECONDS)
    (gap,) = timed.gaps()
    assert gap.startswith("Unmeasured 20")
    assert gap.split(" ")[1] >= f"{since[:19]}Z"
    rest(timed.cluster, again)
    assert timed.until() > since
    changes = changes_of(timed.cluster.requests(since=position, user=again.account))
    assert len(changes) == 1, changes
    assert "configmaps" in changes[0]
    assert (timed.level(), timed.months()) == (level, kept)


def test_what_goes_on_over_a_restart_is_one_outage(timed: Timed, database: str) -> None:
    operator = stand(timed, database)
    timed.fail(PATHS)
    _down(timed)
    operator.kill()
    (open_,) = timed.lines()
    timed.start()
    timed.fail([])
    level = timed.wait(lambda level: bool(level) and not level.get("downSince"), "over")
    assert get_int(level, "current", "downtimeMinutes") >= 1
    (line,) = timed.lines()
    assert line.split(" ")[1] == open_.split(" ")[1]
    assert open_.split(" ")[2] == measured.OPEN


def test_sessions_and_tokens_are_asked_for_by_one_probe_client(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    def made(event: str) -> int:
        text = "select count(*) from eventstore.events2 where event_type = %s"
        with psycopg.connect(database) as connection:
            found = connection.execute(text, (event,)).fetchone()
        return int(found[0]) if found else 0

    extra = ("--probe-interval=0.3",)
    operator = run_operator(namespace, watch=(namespace,), extra=extra)
    cluster.api.create(database_secret(namespace, database))
    cluster.api.create(instance(namespace, production=True))
    wait_for(cluster.api, namespace, lambda one: bool(_level(one)), seconds=SECONDS, what="measured")
    wait_for(
        cluster.api,
        namespace,
        lambda one: condition(one, "PrerequisitesMet").get("reason") == "MailMissing",
        seconds=SECONDS,
        what="the mail provider is missed",
    )
    with psycopg.connect(database) as connection:  # as an administrator of the instance does
        connection.execute("update projections.instances set data = jsonb_set(data, '{mail}', 'true')")
    wait_for(
        cluster.api,
        namespace,
        lambda one: condition(one, "PrerequisitesMet")["reason"] == "Met",
        seconds=SECONDS,
        what="the mail provider is found",
    )
    until(lambda: made("oidc_session.added") > 1, "two tokens", seconds=SECONDS)
    until(lambda: made("session.terminated") > 1, "two sessions", seconds=SECONDS)
    operator.stop()
    before = made("oidc_session.added")
    run_operator(namespace, watch=(namespace,), identity="operator-1", extra=extra)
    until(lambda: made("oidc_session.added") > before, "a token for the next operator", seconds=SECONDS)
    assert (made("user.machine.added"), made("user.machine.key.added")) == (1, 1)


def _an_outage(timed: Timed) -> None:
    timed.fail(PATHS)
    _down(timed)
    assert timed.lines()[0].split(" ")[2] == measured.OPEN
    timed.fail([])


def _down(timed: Timed) -> None:
    """The outage is seen, and has lasted more than a minute."""
    until(
        lambda: condition(timed.api.get(INSTANCE, timed.namespace, "acme"), "Available")["status"] == "False",
        "the outage is seen",
        seconds=SECONDS,
    )
    timed.pass_time(STEP)
    timed.wait(lambda level: bool(level.get("downSince")), "down")
    told = timed.until()
    timed.pass_time(STEP)
    until(lambda: timed.until() > told, "measured so far", seconds=SECONDS)


def _level(body: Manifest | None) -> Manifest:
    return get_map(body, "status", "serviceLevel")
