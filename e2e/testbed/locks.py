"""File locks that the kernel releases with the process, however it ends.

A reference count kept in a file is wrong after the first SIGKILL. A shared `flock` held for a
process's life is a count that cannot be wrong.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def open_lock(path: Path) -> int:
    """A file descriptor to lock; closing it (or the end of the process) releases the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a file, waiting for it as long as it takes."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def try_exclusive(descriptor: int) -> bool:
    """Take the lock if nobody else holds it in any way."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def fair(path: Path, *, shared: bool) -> Iterator[None]:
    """Shared or exclusive use without starving those who need it alone.

    `flock` lets newcomers share past a waiting exclusive request, so everybody passes a turnstile
    first, and who waits to be alone keeps it closed.
    """
    with contextlib.ExitStack() as stack:
        with locked(path.with_suffix(".turn")):
            stack.enter_context(locked(path, shared=shared))
        yield
