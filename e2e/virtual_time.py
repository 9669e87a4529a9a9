"""An event loop in which waiting takes no time: when all tasks wait, the clock jumps to the next timer.

For tests of what waits (queue, lease, events, prober): their clock is `loop.time`, ten minutes pass in a
millisecond, and the order of things is always the same. No sockets, no threads.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everything waits for something that nobody will do")
        self.now += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose `time` starts at 0 and moves only when all tasks wait."""

    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now() -> float:
    """Virtual seconds since the start."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Let everything happen that is due at this moment."""
    for _ in range(50):
        await asyncio.sleep(0)


def burn(seconds: float) -> None:
    """Use time up without letting anybody else run, as a busy loop does."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.jumping.now += seconds
