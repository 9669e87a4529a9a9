"""The testbed starts and goes without a trace, whoever ends it and however."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from testbed.home import Home, read_state
from testbed.processes import read_identities
from testbed.session import down

pytestmark = pytest.mark.cluster


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    found = Home(tmp_path / "home")
    yield found
    down(found)


def run(home: Home, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "testbed", "--home", str(home.root), *args],
        capture_output=True,
        text=True,
        check=False,
    )


def of(home: Home) -> list[psutil.Process]:
    """Processes that work for a testbed: started by its supervisor, or speaking of its directory."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if str(home.root) in words and process.pid != os.getpid():
            found.append(process)
    return found + [one for identity in read_identities(home.processes) if (one := identity.find())]


def left(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; dead ones that nobody has reaped yet do not count."""
    running = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def eventually(condition: Callable[[], bool], what: str, *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_up_twice_then_down_leaves_nothing(home: Home) -> None:
    first = run(home, "up")
    assert first.returncode == 0, first.stderr
    state = read_state(home)
    assert state is not None
    assert run(home, "up").stdout.startswith("The testbed was already up.")
    names = {identity.name for identity in read_identities(home.processes) if identity.find()}
    assert names >= {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
        "pod-runner",
    }
    elsewhere = Path((home.root / "postgres-directory").read_text())
    running = of(home)
    answer = run(home, "down")
    assert (answer.returncode, answer.stdout) == (0, "The testbed is down.\n")
    assert not left(running)
    assert not home.root.exists()
    assert not elsewhere.exists()
    assert run(home, "down").stdout == "Nothing was up.\n"


_USER = """
import sys
from pathlib import Path
from testbed.home import Home
from testbed.session import used
with used(Home(Path(sys.argv[1]))):
    print("up", flush=True)
    sys.stdin.read()
"""


def test_killed_user_takes_the_testbed_along(home: Home) -> None:
    command = [sys.executable, "-c", _USER, str(home.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "up\n"
        running = of(home)
        user.kill()
    eventually(lambda: not left(running), "processes are left")
    assert not home.state.exists()
    assert not home.run.exists()


def test_killed_supervisor_takes_its_children_along(home: Home) -> None:
    assert run(home, "up").returncode == 0
    state = read_state(home)
    assert state is not None
    running = of(home)
    os.kill(state.supervisor, signal.SIGKILL)
    eventually(lambda: not left(running), "processes are left")
    assert run(home, "status").returncode == 1
    run(home, "down")
    assert not home.root.exists()
