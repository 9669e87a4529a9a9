"""The fork server: real processes with their own environment and clock, that go when it goes."""

import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from cluster.standing import until
from testbed.forked import Clock, Forked, ForkServer, fork_server
from testbed.forkserver import stepped
from testbed.processes import free_port

ENDLESS = """
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""
RELEASES = "{images: {server: s, login: l}, versions: [{version: v1.0.0}]}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    with fork_server(tmp_path_factory.mktemp("fork") / "log") as made:
        yield made


def start(server: ForkServer, folder: Path, *arguments: str) -> Forked:
    clock = Clock(folder / "clock")
    clock.step(0)
    env = {"KUBECONFIG": str(folder / "config"), "POD_NAME": "operator-0"}
    return server.start(arguments, env=env, cwd=folder, log=folder / "log", clock=clock)


def standby(server: ForkServer, folder: Path) -> Forked:
    """An operator that waits for an API server which is not there."""
    (folder / "config").write_text(ENDLESS)
    (folder / "releases.yaml").write_text(RELEASES)
    forked = start(server, folder, "run", "--releases=releases.yaml", f"--http=127.0.0.1:{free_port()}")
    log = folder / "log"
    until(lambda: log.exists() and "serving" in log.read_text(), "a standby that serves")
    return forked


def test_output_and_exit_code(server: ForkServer, tmp_path: Path) -> None:
    assert start(server, tmp_path, "crds").wait(10) == 0
    assert "CustomResourceDefinition" in (tmp_path / "log").read_text()
    assert start(server, tmp_path, "run").wait(10) == 2
    assert "--releases" in (tmp_path / "log").read_text()


def test_signals(server: ForkServer, tmp_path: Path) -> None:
    forked = standby(server, tmp_path)
    assert forked.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0.01)
    forked.terminate()
    assert forked.wait(10) == 0
    again = standby(server, tmp_path)
    again.kill()
    assert again.wait(10) == -signal.SIGKILL
    again.kill()  # nobody else is hit


def test_children_end_with_the_fork_server(tmp_path: Path) -> None:
    with fork_server(tmp_path / "server.log") as made:
        process = psutil.Process(standby(made, tmp_path).pid)
    process.wait(10)
    assert not process.is_running()


def test_a_clock_that_is_stepped(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    now = stepped(clock.file)
    clock.step(3600)
    assert 3590 < (now() - datetime.now(UTC)).total_seconds() < 3610
    clock.step(-3600)
    assert -3610 < (now() - datetime.now(UTC)).total_seconds() < -3590
