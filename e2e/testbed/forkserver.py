"""A process that has the operator imported already, and forks one whenever it is told to.

Imports are most of what a start costs (0.7 s of CPU), and a harness that tries every crash point starts
hundreds. Single-threaded, so that forking is safe; each child is a process like any other: own session, own
environment and output, and SIGKILL when this process ends, which it does when its standard input ends.

Orders and news are JSON objects, one a line: `{"id", "argv", "env", "cwd", "log", "clock"}` in,
`{"id", "pid"}` and later `{"ended": pid, "code": code}` out. `clock` is a file with the seconds by which the
child's wall clock is wrong at the moment; it is read at every look at the clock.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from dedicated.cli.main import main as dedicated
from testbed.processes import tied_to_parent


def stepped(clock: Path) -> Callable[[], datetime]:
    """A wall clock that is wrong by the seconds in a file."""
    return lambda: datetime.now(UTC) + timedelta(seconds=float(clock.read_text()))


def serve(orders: BinaryIO, news: BinaryIO) -> None:
    """Fork and reap until the orders end."""

    def tell(what: dict[str, int]) -> None:
        news.write(json.dumps(what).encode() + b"\n")
        news.flush()

    with _deaths() as deaths, selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        selector.register(deaths, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == deaths:
                    os.read(deaths, 4096)
                    for pid, code in _reaped():
                        tell({"ended": pid, "code": code})
                elif line := orders.readline():
                    order = json.loads(line)
                    tell({"id": order["id"], "pid": _forked(order)})
                else:
                    return


@contextlib.contextmanager
def _deaths() -> Iterator[int]:
    """A file descriptor that can be read when a child has ended."""
    ours, signals = os.pipe()
    for end in (ours, signals):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(signals, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    yield ours


def _reaped() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _forked(order: dict[str, Any]) -> int:
    tie = tied_to_parent()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        tie()
        _become(order)
        code = dedicated(order["argv"], now=stepped(Path(order["clock"])))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _become(order: dict[str, Any]) -> None:
    """Leave behind what was the fork server's."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for output in (1, 2):
        os.dup2(log, output)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])


def main() -> None:
    """Load the operator, then serve."""
    importlib.import_module("dedicated.controllers.main")  # what `dedicated run` imports only when it runs
    orders = os.fdopen(os.dup(0), "rb", buffering=0)
    news = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    gc.collect()
    gc.freeze()
    serve(orders, news)


if __name__ == "__main__":
    main()
