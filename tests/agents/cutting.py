"""A process that is killed at one of its calls to the outside, as far as that goes within a test.

What is wrapped counts its calls. At the chosen one `CutError` is raised, before the call or after it; it is
no `Exception`, so that nothing which handles errors sees it, and whatever of the process still runs gets no
call through any more. What a real SIGKILL leaves is tried in `tests/lab`.
"""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, ParamSpec, TypeVar

When = Literal["before", "after"]

P = ParamSpec("P")
T = TypeVar("T")


class CutError(BaseException):
    """The process is dead."""


@dataclass
class Cutter:
    """Where one run of a process is cut: at its `at`-th call (0: nowhere). `calls` are the names of those it
    made."""

    at: int = 0
    when: When = "before"
    calls: list[str] = field(default_factory=list)
    dead: bool = False

    def cuts(self, call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """The call, as one at which the process may be cut."""

        @functools.wraps(call)
        async def cut(*args: P.args, **kwargs: P.kwargs) -> T:
            number = self._reached(call.__name__)
            found = await call(*args, **kwargs)
            self._left(number)
            return found

        return cut

    def cuts_sync(self, call: Callable[P, T]) -> Callable[P, T]:
        """The same of one that is not awaited."""

        @functools.wraps(call)
        def cut(*args: P.args, **kwargs: P.kwargs) -> T:
            number = self._reached(call.__name__)
            found = call(*args, **kwargs)
            self._left(number)
            return found

        return cut

    def _reached(self, name: str) -> int:
        """Number of the call; others may be made before it is left."""
        self._live()
        self.calls.append(name)
        self.dead = self.when == "before" and len(self.calls) == self.at
        self._live()
        return len(self.calls)

    def _left(self, number: int) -> None:
        self.dead = self.dead or (self.when == "after" and number == self.at)
        self._live()

    def _live(self) -> None:
        if self.dead:
            raise CutError
