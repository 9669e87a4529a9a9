"""A command's conversation with an API server that is played: it asks at once, and waits for nothing."""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import TypeVar

import pytest

from dedicated.cli import cluster as conversation
from dedicated.cli.frame import Cluster

T = TypeVar("T")
Api = TypeVar("Api")


def converse(monkeypatch: pytest.MonkeyPatch, command: ModuleType, api: Api) -> None:
    """Let a command's module ask this API, and not sleep in between."""

    async def at_once(_seconds: float) -> None:
        return None

    def ask(_: Cluster, work: Callable[[Api, str], Awaitable[T]]) -> T:
        waiting = work(api, "acme").__await__()
        try:
            while True:
                next(waiting)
        except StopIteration as end:
            value: T = end.value
            return value

    monkeypatch.setattr(conversation, "ask", ask)
    monkeypatch.setattr(command, "sleep", at_once)
