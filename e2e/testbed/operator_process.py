"""The operator under test: a real process, under its own ServiceAccount and the chart's rights.

Everything that ties the testbed to the operator's command line and chart is in `arguments`, `environment`
and `chart_values`; the rest neither knows nor cares.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import urllib3

import helm_charts
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_str
from faultproxy import proxied_kubeconfig
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.home import CHECKOUT
from testbed.processes import free_port, tied_to_parent

IMAGE_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "PYTHONUNBUFFERED": "1",
}
"""What the image sets (`Dockerfile`), but for its PATH and its bytecode, which it has already."""
PLACES = "places.yaml"
_READY_SECONDS = 30
_CLUSTER_SCOPED = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
_RIGHTS = {"ServiceAccount", "Role", "RoleBinding", *_CLUSTER_SCOPED}


@dataclass(frozen=True, slots=True)
class Settings:
    """How one operator process shall run."""

    namespace: str
    """Namespace of its ServiceAccount and Lease."""
    watch: tuple[str, ...]
    """Namespaces to watch; empty: all (cluster mode)."""
    identity: str = "operator-0"
    extra: tuple[str, ...] = ()
    """Further arguments of `dedicated run`."""
    env: dict[str, str] = field(default_factory=dict)
    values: Manifest = field(default_factory=dict)
    """Chart values over those of `chart_values`."""
    server: str = ""
    """URL of a proxy (`faultproxy`) in the API server's place; empty: none."""
    checkout: Path = CHECKOUT
    """Where its code and chart are taken from."""
    front: str = ""
    """Where public names lead (`names`); empty: to the testbed's front."""


def arguments(settings: Settings, cluster: Cluster, *, port: int, releases: Path) -> list[str]:
    """The arguments of `dedicated`. A map of places lies beside the releases, where the chart has one."""
    places = releases.with_name(PLACES)
    return [
        "run",
        f"--namespace-of-lease={settings.namespace}",
        *(f"--watch-namespace={namespace}" for namespace in settings.watch),
        f"--releases={releases}",
        *([f"--places={places}"] if places.exists() else []),
        f"--http=127.0.0.1:{port}",
        f"--resolve=*:443={settings.front or cluster.front}",
        f"--probe-ca-file={cluster.ca}",
        "--log-level=info",
        *settings.extra,
    ]


def command(settings: Settings, cluster: Cluster, *, port: int, releases: Path) -> list[str]:
    """The operator's command line."""
    return [sys.executable, "-m", "dedicated", *arguments(settings, cluster, port=port, releases=releases)]


def environment(settings: Settings, config: Path) -> dict[str, str]:
    """The operator's environment: nothing of ours but what it needs to start."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(settings.checkout / "operator"),
        **IMAGE_ENVIRONMENT,
        "KUBECONFIG": str(config),
        "POD_NAME": settings.identity,
        "POD_NAMESPACE": settings.namespace,
        **settings.env,
    }


def chart_values(settings: Settings) -> Manifest:
    """Values of the chart for an operator that runs outside the cluster."""
    watch: list[JsonValue] = list(settings.watch)
    return {
        "image": {"repository": "registry.test/dedicated-operator", "tag": "test"},
        "watchNamespaces": watch,
        "crds": {"enabled": False},
        **settings.values,
    }


def render(settings: Settings) -> list[Manifest]:
    """All manifests of the chart, as `helm template` gives them."""
    return helm_charts.render(
        helm_charts.OPERATOR,
        values=chart_values(settings),
        namespace=settings.namespace,
        charts=settings.checkout / "charts",
    )


def install_rights(cluster: Cluster, manifests: Sequence[Manifest], namespace: str) -> str:
    """Apply the chart's ServiceAccount and RBAC objects; returns the name of the ServiceAccount."""
    accounts = []
    for manifest in manifests:
        if get_str(manifest, "kind") in _RIGHTS:
            metadata = as_manifest(manifest["metadata"])
            if get_str(manifest, "kind") not in _CLUSTER_SCOPED:
                metadata.setdefault("namespace", namespace)
            cluster.api.apply(manifest, manager="helm")
            if get_str(manifest, "kind") == "ServiceAccount":
                accounts.append(get_str(metadata, "name"))
    if len(accounts) != 1:
        raise AssertionError(f"the chart renders {len(accounts)} ServiceAccounts instead of one")
    return accounts[0]


def remove_rights(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    """Delete what does not go with the namespace."""
    for manifest in manifests:
        if plural := _CLUSTER_SCOPED.get(get_str(manifest, "kind")):
            cluster.api.delete(
                f"{get_str(manifest, 'apiVersion')}/{plural}", "", get_str(manifest, "metadata", "name")
            )


def releases_of(manifests: Sequence[Manifest]) -> str:
    """The release catalogue that the chart would mount, as text."""
    if text := _mounted(manifests, "releases.yaml"):
        return text
    raise AssertionError("the chart renders no release catalogue")


def _mounted(manifests: Sequence[Manifest], file: str) -> str:
    """A file that the chart would mount; empty where it has none."""
    return next((text for one in manifests if (text := get_str(one, "data", file))), "")


class Process(Protocol):
    """What is asked of a process: the part of `subprocess.Popen` that `forked.Forked` has too."""

    @property
    def pid(self) -> int:
        """Its id."""

    def poll(self) -> int | None:
        """Exit code, or minus the signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code once it has ended. Raises `subprocess.TimeoutExpired`."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal."""

    def terminate(self) -> None:
        """SIGTERM."""

    def kill(self) -> None:
        """SIGKILL."""


@dataclass(slots=True)
class OperatorProcess:
    """One running operator."""

    process: Process
    log: Path
    """Standard error and output: JSON lines."""
    url: str
    """Of its health, readiness and metrics endpoints."""
    account: str
    """User name of its ServiceAccount, as the audit log has it."""
    api: Api
    """The API with its rights."""
    chart: tuple[Manifest, ...]
    """All manifests of its chart; the ServiceAccount and RBAC objects are installed."""

    def wait_ready(self, *, seconds: float = _READY_SECONDS) -> None:
        """Until `/readyz` answers 200. AssertionError with the log's end if it does not."""
        deadline = time.monotonic() + seconds
        while True:
            if (code := self.process.poll()) is not None:
                raise AssertionError(f"the operator ended with {code}\n{self.tail()}")
            status, body = self.http("/readyz")
            if status == 200:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"the operator is not ready after {seconds:g} s: {body}\n{self.tail()}")
            time.sleep(0.05)

    def http(self, path: str) -> tuple[int, str]:
        """GET of its own endpoints: status and body; (0, reason) if nobody answers."""
        try:
            answer = urllib3.request("GET", self.url + path, retries=False, timeout=5)
        except urllib3.exceptions.HTTPError as error:
            return 0, str(error)
        return answer.status, answer.data.decode(errors="replace")

    def logs(self) -> list[Manifest]:
        """Its log so far, one object a line; lines that are no JSON come as `{"message": line}`."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found.append(as_manifest(json.loads(line)))
            except (ValueError, TypeError):
                found.append({"message": line})
        return found

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, *, seconds: float = 15) -> int:
        """SIGTERM and wait; its exit code. Killed after the time."""
        self._continue()
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"the operator did not stop within {seconds:g} s of SIGTERM\n{self.tail()}"
            ) from None

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """SIGSTOP: alive, but it does nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._continue()

    def _continue(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class Installed:
    """What an operator finds where it starts: its account and rights, and its release catalogue."""

    account: str
    """User name of its ServiceAccount, as the audit log has it."""
    api: Api
    """The API with its rights."""
    config: Path
    """Its kubeconfig."""
    releases: Path
    chart: tuple[Manifest, ...]


def install(cluster: Cluster, settings: Settings, folder: Path, manifests: Sequence[Manifest]) -> Installed:
    """Install the rights of a rendered chart, and write the operator's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    account = install_rights(cluster, manifests, settings.namespace)
    direct = cluster.account_kubeconfig(settings.namespace, account)
    releases = folder / "releases.yaml"
    releases.write_text(releases_of(manifests))
    if places := _mounted(manifests, PLACES):
        (folder / PLACES).write_text(places)
    config = direct
    if settings.server:
        config = proxied_kubeconfig(folder / f"{settings.identity}.kubeconfig", direct, settings.server)
    user = f"system:serviceaccount:{settings.namespace}:{account}"
    return Installed(user, Api.from_kubeconfig(direct), config, releases, tuple(manifests))


def start(cluster: Cluster, settings: Settings, folder: Path, *, ready: bool = True) -> OperatorProcess:
    """Install its rights, start it, and wait until it is ready unless told not to."""
    return launch(cluster, settings, install(cluster, settings, folder, render(settings)), ready=ready)


def launch(
    cluster: Cluster,
    settings: Settings,
    installed: Installed,
    *,
    ready: bool = True,
    run: Callable[["Launch"], Process] | None = None,
) -> OperatorProcess:
    """Start an operator where its rights are installed, by a process of its own unless `run` says how."""
    port = free_port()
    folder = installed.releases.parent
    made = Launch(
        tuple(arguments(settings, cluster, port=port, releases=installed.releases)),
        environment(settings, installed.config),
        folder,
        folder / f"{settings.identity}-{port}.log",
    )
    operator = OperatorProcess(
        (run or run_alone)(made),
        made.log,
        f"http://127.0.0.1:{port}",
        installed.account,
        installed.api,
        installed.chart,
    )
    if ready:
        try:
            operator.wait_ready()
        except AssertionError:
            operator.kill()
            raise
    return operator


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to be started: `dedicated ARGUMENTS`."""

    arguments: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    log: Path


def run_alone(launch: Launch, *, module: str = "dedicated") -> Process:
    """A process of its own, tied to this one; `module` is run in the place of `dedicated`."""
    with launch.log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *launch.arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=launch.env,
            cwd=launch.cwd,
            start_new_session=True,
            preexec_fn=tied_to_parent(),  # noqa: PLW1509 - it only calls prctl
        )
