"""pytest plugin: the testbed's cluster, a namespace and a database per test, the operator as a process.

`cluster` is shared by all workers and by whatever else uses the same home; a namespace isolates tests
from each other. A test that disturbs others (loses a zone, kills the API server) asks for `alone`: it
waits for the running tests to end and keeps new ones waiting.
"""

import contextlib
import re
import secrets
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.names import API_VERSION, PLURAL
from testbed import operator_process, protection
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.home import CHECKOUT, Home, default_home
from testbed.locks import fair, locked
from testbed.nodes import NODES, ZONES, return_zone
from testbed.operator_process import OperatorProcess, Settings
from testbed.rights_plugin import note_usage
from testbed.session import keep_logs_of_failure, used
from testbed.summary import summarize

_INSTANCES = f"{API_VERSION}/{PLURAL}"
_REMOVED_SECONDS = 30


@pytest.fixture(scope="session")
def testbed_home() -> Home:
    """Where the session's testbed lives."""
    return default_home()


@pytest.fixture(scope="session")
def cluster(testbed_home: Home, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The running control plane; started for the session if it is not up."""
    with used(testbed_home) as state:
        yield Cluster.of(testbed_home, state)
        note_usage(request.config, testbed_home)
        if request.session.testsfailed:
            target = testbed_home.root.with_name("testbed-failed-logs")
            keep_logs_of_failure(testbed_home, target)
            print(f"Logs of the testbed are kept in {target}", file=sys.stderr)


@pytest.fixture
def _turn(testbed_home: Home, request: pytest.FixtureRequest) -> Iterator[None]:
    """Share the cluster with other tests, or have it alone."""
    testbed_home.root.mkdir(parents=True, exist_ok=True)
    with fair(testbed_home.tests, shared="alone" not in request.fixturenames):
        yield


@pytest.fixture
def alone(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """No other test uses the cluster meanwhile; lost zones come back afterwards."""
    request.getfixturevalue("_turn")
    yield
    lost = cluster.api.list(NODES, labels="testbed/lost")
    for zone in ZONES:
        if any(get_str(node, "metadata", "name").startswith(zone) for node in lost):
            return_zone(cluster.api, zone)


class MakeNamespace(Protocol):
    """Type of the fixture `make_namespace`."""

    def __call__(self, *, labels: dict[str, str] | None = None) -> str:
        """A fresh namespace with Pod Security `restricted` enforced; labels are added."""


@pytest.fixture
def make_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[MakeNamespace]:
    """Factory of namespaces; deleted after the test, without waiting."""
    request.getfixturevalue("_turn")
    made: list[str] = []
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:30].strip("-")

    def make(*, labels: dict[str, str] | None = None) -> str:
        name = f"{stem}-{secrets.token_hex(3)}"
        values: dict[str, JsonValue] = {"pod-security.kubernetes.io/enforce": "restricted", **(labels or {})}
        cluster.api.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": values}}
        )
        made.append(name)
        return name

    yield make
    for name in made:
        remove_namespace(cluster, name)


def remove_namespace(cluster: Cluster, name: str) -> None:
    """Delete a namespace, and its instances before it comes to that: none outlives its test.

    The namespace controller takes minutes while kinds come and go, and finalizers are the operator's, which
    does not run any more. A request may be refused while a policy goes out of force: it is made again. What
    is left after 30 s is told, and is no fault of the test.
    """
    cluster.api.delete("v1/namespaces", "", name)
    deadline = time.monotonic() + _REMOVED_SECONDS
    while left := _left_instances(cluster, name):
        if time.monotonic() > deadline:
            print(f"{name}: not gone after {_REMOVED_SECONDS} s: {left}", file=sys.stderr)
            return
        time.sleep(0.2)


def _left_instances(cluster: Cluster, namespace: str) -> str:
    """What is left of a namespace's instances, told to go; empty: none."""
    try:
        return ", ".join(remove_instances(cluster, namespace))
    except ApiError as error:
        return "" if error.status == 404 else str(error)  # 404: a cluster without the kind


def remove_instances(cluster: Cluster, namespace: str = "") -> list[str]:
    """Tell instances to go, in all namespaces if none is named, and take their finalizers; those there were.

    One that is refused is among them: whoever waits for none asks again. ApiError if they cannot be listed.
    """
    found = [get_map(body, "metadata") for body in cluster.api.list(_INSTANCES, namespace)]
    for one in found:
        place, name = get_str(one, "namespace"), get_str(one, "name")
        with contextlib.suppress(ApiError):
            cluster.api.delete(_INSTANCES, place, name)
            cluster.api.patch(_INSTANCES, place, name, {"metadata": {"finalizers": None}})
    return [f"{get_str(one, 'namespace')}/{get_str(one, 'name')}" for one in found]


@pytest.fixture
def namespace(make_namespace: MakeNamespace) -> str:
    """A fresh namespace."""
    return make_namespace()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    """DSN of a fresh database, of the role that owns it."""
    name = f"t_{secrets.token_hex(5)}"
    yield cluster.postgres.create_database(name)
    with contextlib.suppress(psycopg.Error):
        cluster.postgres.drop_database(name)


@pytest.fixture(scope="session")
def crds(cluster: Cluster, testbed_home: Home) -> None:
    """The custom resource definitions of `crds/`, established, and known to kubectl.

    It remembers for minutes which kinds there were; asking for the list makes it look again. What it explains
    is published last.
    """
    with locked(testbed_home.root / "crds.lock"):
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CHECKOUT / "crds"))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=20s", "-f", str(CHECKOUT / "crds"))
        while PLURAL not in cluster.kubectl("api-resources", "-o", "name"):
            time.sleep(0.1)
        while "VERSION:" not in cluster.kubectl("explain", PLURAL, check=False):
            time.sleep(0.1)


class RunOperator(Protocol):
    """Type of the fixture `run_operator`."""

    def __call__(
        self,
        namespace: str,
        *,
        watch: tuple[str, ...] | None = None,
        identity: str = "operator-0",
        extra: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        values: Manifest | None = None,
        server: str = "",
        ready: bool = True,
        checkout: Path = CHECKOUT,
    ) -> OperatorProcess:
        """Start an operator of `checkout` that lives in `namespace` and watches it, or `watch`.

        `watch=()` watches all namespaces, other tests' too: only with `alone`. `server` is a proxy's URL.
        """


@pytest.fixture
def run_operator(cluster: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunOperator]:
    """Factory of operator processes; stopped after the test. Brings the custom resource definitions."""
    request.getfixturevalue("crds")
    running: list[OperatorProcess] = []

    def run(
        namespace: str,
        *,
        watch: tuple[str, ...] | None = None,
        identity: str = "operator-0",
        extra: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        values: Manifest | None = None,
        server: str = "",
        ready: bool = True,
        checkout: Path = CHECKOUT,
    ) -> OperatorProcess:
        settings = Settings(
            namespace,
            (namespace,) if watch is None else watch,
            identity,
            extra,
            env or {},
            values or {},
            server,
            checkout,
        )
        operator = operator_process.start(cluster, settings, tmp_path / "operator", ready=ready)
        running.append(operator)
        return operator

    yield run
    for operator in running:
        if operator.process.poll() is None:
            operator.kill()
        operator_process.remove_rights(cluster, operator.chart)


class Protect(Protocol):
    """Type of the fixture `protect`."""

    def __call__(self, namespace: str, *watch: str, **values: JsonValue) -> None:
        """Put the chart's protection in force for `watch` (default: `namespace`), as installed by a release
        in `namespace`. `values` are those of the chart's section `protection`; a second call changes them."""


@pytest.fixture
def protect(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Protect]:
    """Protection of instances; removed after the test, before its namespaces are."""
    request.getfixturevalue("make_namespace")
    installed: dict[str, list[Manifest]] = {}

    def install(namespace: str, *watch: str, **values: JsonValue) -> None:
        old = installed.get(namespace, [])
        installed[namespace] = protection.policies(namespace, watch=watch or (namespace,), **values)
        protection.replace(cluster, namespace, old=old, new=installed[namespace])

    yield install
    for namespace, manifests in installed.items():
        protection.replace(cluster, namespace, old=manifests, new=[])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test's report what the cluster and the operator have to say."""
    report = yield
    fixtures: dict[str, object] = getattr(item, "funcargs", {})
    if report.failed and report.when in {"setup", "call"}:
        _add(report, "operator", lambda: _operator_tails(fixtures.get("tmp_path")))
        cluster, namespace = fixtures.get("cluster"), fixtures.get("namespace")
        if isinstance(cluster, Cluster) and isinstance(namespace, str):
            _add(report, f"namespace {namespace}", lambda: summarize(cluster, namespace))
    return report


def _add(report: pytest.TestReport, title: str, text: Callable[[], str]) -> None:
    try:
        content = text()
    except Exception as error:  # noqa: BLE001 - a report must not hide the failure that it is about
        content = f"not available: {error!r}"
    if content:
        report.sections.append((title, content))


def _operator_tails(folder: object) -> str:
    if not isinstance(folder, Path):
        return ""
    logs = sorted((folder / "operator").glob("*.log"))
    return "\n".join(
        f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-40:]) for log in logs
    )
