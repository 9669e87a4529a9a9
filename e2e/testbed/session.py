"""Starting, sharing and stopping a testbed from other processes.

`python -m testbed up` and any number of pytest processes may meet in one home: the first starts the
supervisor, each user holds a shared lock, and the testbed goes with the last user unless `up` asked
to keep it.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from testbed import tools
from testbed.home import CHECKOUT, Home, State, python_path, read_state
from testbed.locks import locked, open_lock, try_exclusive
from testbed.processes import end, read_identities, tail
from testbed.supervisor import clean

_START_SECONDS = 90
_STOP_SECONDS = 20


class StartError(RuntimeError):
    """The testbed did not start; the message ends with the supervisor's last words."""


@contextlib.contextmanager
def used(home: Home) -> Iterator[State]:
    """Use the testbed: started if it is not up, kept up meanwhile."""
    descriptor = open_lock(home.users)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield ensure(home)
    finally:
        os.close(descriptor)


def up(home: Home) -> tuple[State, bool]:
    """Start the testbed and leave it running; False if it was already up."""
    was_up = alive(home) is not None
    with used(home) as state:
        home.keep.touch()
    return state, not was_up


def alive(home: Home) -> State | None:
    """The state of a testbed that is up and whose supervisor lives."""
    state = read_state(home)
    if state is None or not any(
        identity.name == "supervisor" and identity.find() for identity in read_identities(home.processes)
    ):
        return None
    return state


def ensure(home: Home) -> State:
    """The state of the running testbed, started if need be. The caller holds the users' lock."""
    with locked(home.starting):
        if state := alive(home):
            return state
        _clear(home)
        _fetch_tools()
        return _start(home)


def _fetch_tools() -> None:
    for program in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl"):
        tools.binary(program)


def _start(home: Home) -> State:
    home.logs.mkdir(parents=True, exist_ok=True)
    log = home.logs / "supervisor.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "testbed", "serve", "--home", str(home.root)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": python_path()},
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    try:
        while (state := alive(home)) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"the testbed did not start; logs are in {home.logs}\n{tail(log)}")
            time.sleep(0.05)
    except BaseException:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        raise
    return state


def _clear(home: Home) -> None:
    """Remove what a killed testbed left."""
    home.state.unlink(missing_ok=True)
    home.keep.unlink(missing_ok=True)
    end(read_identities(home.processes))
    clean(home)
    shutil.rmtree(home.logs, ignore_errors=True)


def down(home: Home, *, keep_logs: bool = False) -> bool:
    """Stop the testbed and remove it; False if nothing was there."""
    if not home.root.exists():
        return False
    was = home.processes.exists()
    with locked(home.starting):
        home.keep.unlink(missing_ok=True)
        known = read_identities(home.processes)
        end([one for one in known if one.name == "supervisor"], seconds=_STOP_SECONDS)
        end(known)
        home.state.unlink(missing_ok=True)
        clean(home)
        if not keep_logs:
            shutil.rmtree(home.logs, ignore_errors=True)
            _remove_root(home)
    return was


def _remove_root(home: Home) -> None:
    """Remove the lock files too, unless somebody waits at one of them."""
    descriptor = open_lock(home.users)
    try:
        if try_exclusive(descriptor):
            shutil.rmtree(home.root, ignore_errors=True)
            with contextlib.suppress(OSError):
                if home.root.parent == CHECKOUT / ".cache":
                    home.root.parent.rmdir()
    finally:
        os.close(descriptor)


def keep_logs_of_failure(home: Home, target: Path) -> None:
    """Copy the logs away before the testbed goes."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(home.logs, target, ignore=shutil.ignore_patterns("audit.log"))
