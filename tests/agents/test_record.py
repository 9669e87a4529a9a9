"""The record of a running process: what changes while it is written is told, too."""

import asyncio
from typing import cast

import pytest

from dedicated.agents import record
from dedicated.agents.record import Record
from dedicated.cluster.own_object import OwnConfigMap


class Written:
    """A record in which a report changes while it is first written."""

    def __init__(self) -> None:
        self.report = "begun"
        self.texts: list[str] = []
        self.told = asyncio.Event()

    async def write(self, data: dict[str, str]) -> None:
        self.report = "half"
        self.texts.append(data["report"])
        if len(self.texts) > 1:
            self.told.set()


async def test_what_changes_during_a_write_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "TELL_SECONDS", 0.0)
    kept = Written()
    async with Record(cast(OwnConfigMap, kept), "report", lambda: kept.report).written_along():
        await asyncio.wait_for(kept.told.wait(), 30)
    assert kept.texts == ["begun", "half"]


class Slow:
    """A record whose API server takes its time, and does not stop when it is no longer waited for."""

    def __init__(self) -> None:
        self.begun, self.answer = asyncio.Event(), asyncio.Event()
        self.texts: list[str] = []

    async def write(self, data: dict[str, str]) -> None:
        self.begun.set()
        await self.answer.wait()
        self.texts.append(data["report"])


async def test_a_write_on_its_way_at_the_end_is_there_before_the_last_word() -> None:
    kept, report = Slow(), "storing"
    told = Record(cast(OwnConfigMap, kept), "report", lambda: report)
    async with told.written_along():
        await asyncio.wait_for(kept.begun.wait(), 30)
        asyncio.get_running_loop().call_soon(kept.answer.set)
    report = "completed"
    await told.last_word()
    assert kept.texts == ["storing", "completed"]
