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
