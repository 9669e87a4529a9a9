"""The verification of a copy, cut at each of its calls and run again: one verdict, whole, and the same."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from agents.cutting import CutError, Cutter, When
from agents.test_verify_opening import payload, stored
from dedicated.agents.verify import looking, main
from dedicated.agents.verify.settings import Settings
from dedicated.api.json import JsonValue
from dedicated.cluster.own_object import Door
from dedicated.contract.recovery.proof import Goal, read_verdict
from dedicated.probes import copy as copies
from dedicated.probes.copy import Ending, Events
from lab.agent import NAMESPACE, UID
from lab.record_server import RecordServer, plant_credentials, record_server
from lab.sealed import MASTERKEY
from lab.verification import RECORD, RESTORE, SALT

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
T = TypeVar("T")


@dataclass
class Held:
    """A copy that replays the log twice that it is looked at, and can be read then."""

    cutter: Cutter
    replaying: int = 2

    def opened(self) -> object:
        """A session on it."""

        @asynccontextmanager
        async def session() -> AsyncIterator[Held]:
            yield self

        return session()

    async def is_recovered(self) -> str:
        self.replaying -= 1
        return await self._answered("it replays the log" if self.replaying >= 0 else "")

    async def ending(self) -> Ending:
        return await self._answered(Ending(100, True, AT, 40_000_000))

    async def read_all(self) -> tuple[int, int]:
        return await self._answered((3, 7))

    async def check_indexes(self) -> int | None:
        return await self._answered(5)

    async def events(self) -> Events | None:
        return await self._answered(Events(7, AT))

    async def encryption_keys(self) -> Sequence[tuple[str, str]]:
        return await self._answered(stored())

    async def sealed(self, _: Sequence[str], *, limit: int) -> Sequence[JsonValue]:
        return await self._answered([payload()][:limit])

    async def _answered(self, value: T) -> T:
        async def question() -> T:
            return value

        return await self.cutter.cuts(question)()


@pytest.fixture
def record() -> Iterator[RecordServer]:
    with record_server(namespace=NAMESPACE, name=RECORD) as server:
        yield server


@pytest.fixture
def settings(record: RecordServer, tmp_path: Path) -> Settings:
    (tmp_path / "masterkey").write_bytes(MASTERKEY)
    return Settings(
        restore=RESTORE,
        record=RECORD,
        namespace=NAMESPACE,
        incarnation=UID,
        goal=Goal(AT, newest=True),
        masterkey_file=tmp_path / "masterkey",
        samples_file=tmp_path / "none",
        api_server=record.url,
        timeout=timedelta(minutes=1),
        salt=SALT,
        credentials=plant_credentials(tmp_path / "pod"),
    )


def attempt(settings: Settings, cutter: Cutter) -> bool:
    """One process of the Job: whether it was left to its end."""
    copy = Held(cutter)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(main, "opened", copy.opened)
        patched.setattr(copies, "is_recovered", copy.is_recovered)
        patched.setattr(looking, "PAUSE", 0.0)
        patched.setattr(Door, "request", cutter.cuts(Door.request))
        try:
            asyncio.run(main.run(settings, now=lambda: AT, monotonic=lambda: 0.0))
        except CutError:
            return False
    return True


@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_it_is_killed_the_next_attempt_tells_the_same(
    record: RecordServer, settings: Settings, when: When
) -> None:
    assert attempt(settings, Cutter())
    (whole,) = record.writes
    verdict = read_verdict(whole.data, restore=RESTORE)
    assert verdict is not None
    assert {check.name: check.result for check in verdict.checks}["Keys"] == "Passed"
    cut_at = Counter[str]()
    for number in range(1, 100):
        record.data, record.writes = {}, []
        cutter = Cutter(number, when)
        if attempt(settings, cutter):
            break
        cut_at[cutter.calls[-1]] += 1
        # A verdict is there as a whole, or not at all; the same is written once more at the most.
        told_at_the_end = when == "after" and cutter.calls[-1] == "request"
        assert [write.data for write in record.writes] == [whole.data] * told_at_the_end
        assert attempt(settings, Cutter())
        assert [write.data for write in record.writes] == [whole.data] * (1 + told_at_the_end)
    # Recovery is asked for three times, six questions are looked into, and one verdict is written.
    assert cut_at == {"question": 9, "request": 1}
