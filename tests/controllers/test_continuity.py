"""Until when was measured, and what was not: one Lease, one object a month."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import Kind
from dedicated.cluster.errors import ApiError
from dedicated.controllers.continuity import PATIENCE, Continuity, Place
from dedicated.parts import measured
from virtual_time import now, run_virtual

START = datetime(2026, 3, 31, 23, 50, tzinfo=UTC)
LEASE = "dedicated-operator-measured"


@dataclass
class Stage:
    """An API server with one Lease and some ConfigMaps; the wall clock is virtual, and can jump."""

    lease: Manifest | None = None
    maps: dict[str, Manifest] = field(default_factory=dict)
    away: bool = False
    writes: int = 0
    jumped: float = 0.0
    heard: bool = True
    held: datetime | None = None
    covered: list[datetime] = field(default_factory=list)
    told: list[datetime] = field(default_factory=list)
    gaps_found: int = 0

    async def get(self, _kind: Kind, _namespace: str, _name: str) -> Manifest:
        if self.lease is None:
            raise ApiError(status=404, reason="NotFound", message="none")
        return self.lease

    async def list(
        self, _kind: Kind, _namespace: str | None = None, *, selector: str = ""
    ) -> tuple[list[Manifest], str]:
        assert selector.endswith(measured.GAPS_COMPONENT)
        return list(self.maps.values()), "1"

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        assert self.lease is None
        return await self.update(kind, manifest)

    async def update(self, _kind: Kind, manifest: Manifest) -> Manifest:
        self._answer()
        self.lease = manifest
        return manifest

    async def apply(self, _kind: Kind, manifest: Manifest, *, force: bool = True) -> Manifest:
        assert force
        self._answer()
        self.maps[get_str(manifest, "metadata", "name")] = manifest
        return manifest

    def _answer(self) -> None:
        if self.away:
            raise ApiError(status=503, reason="NoAnswer", message="away")
        self.writes += 1

    def wall(self) -> datetime:
        return START + timedelta(seconds=now() + self.jumped)

    def continuity(self) -> Continuity:
        return Continuity(
            store=self,
            place=Place("home", LEASE, "operator-0"),
            every=60.0,
            now=self.wall,
            heard_all=lambda: self.heard,
            held=lambda _: self.held,
            covered=self.covered.append,
            gap_found=self._gap,
            told=self.told.append,
        )

    def _gap(self) -> None:
        self.gaps_found += 1

    @property
    def until(self) -> float:
        """Seconds from the start up to which measuring is told."""
        text = get_str(self.lease or {}, "spec", "renewTime")
        return (datetime.fromisoformat(text) - START).total_seconds()

    @property
    def lines(self) -> Sequence[str]:
        """The gaps told."""
        return [get_str(item, "data", "stretches").strip() for _, item in sorted(self.maps.items())]


async def spoken(stage: Stage, seconds: float) -> Continuity:
    """An operator that leads for some seconds."""
    continuity = stage.continuity()
    await continuity.begin()
    task = asyncio.create_task(continuity.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return continuity


def test_it_is_said_once_a_minute_and_nothing_else_is_written() -> None:
    async def main() -> None:
        stage = Stage()
        continuity = await spoken(stage, 601)
        assert (stage.writes, stage.until, stage.lines) == (11, 600, [])
        assert stage.covered == [START]
        assert stage.told[-1] == START + timedelta(seconds=600)
        await continuity.end()
        assert stage.until == 601

    run_virtual(main())


@pytest.mark.parametrize(
    ("away", "lines"), [(59, []), (60, ["Unmeasured 2026-03-31T23:50:00Z 2026-03-31T23:51:00Z"])]
)
def test_what_lies_between_two_terms_is_a_gap_from_a_minute_on(away: float, lines: list[str]) -> None:
    async def main() -> None:
        stage = Stage()
        await spoken(stage, 1)
        await asyncio.sleep(away - 1)
        again = await spoken(stage, 1)
        assert stage.lines == lines
        assert len(again.gaps) == stage.gaps_found == len(lines)
        assert stage.until == away
        assert (await spoken(stage, 1)).gaps == again.gaps, "the next one knows them too"

    run_virtual(main())


def test_a_gap_ends_when_every_instance_was_heard_again_or_patience_does() -> None:
    async def main() -> None:
        stage = Stage()
        await spoken(stage, 1)
        stage.heard = False
        continuity = await spoken(stage, 100)
        assert (stage.until, stage.lines) == (0, [])
        await continuity.end()
        assert stage.until == 0, "who never spoke has no last word"
        await spoken(stage, PATIENCE.total_seconds() + 2)
        assert stage.lines == ["Unmeasured 2026-03-31T23:50:00Z 2026-03-31T23:56:41Z"]

    run_virtual(main())


def test_a_process_that_stood_still_says_so() -> None:
    async def main() -> None:
        stage = Stage()
        continuity = stage.continuity()
        await continuity.begin()
        await continuity.beat()
        stage.jumped = 119
        await continuity.beat()
        assert stage.lines == []
        stage.jumped += 120
        await continuity.beat()
        assert stage.lines == ["Unmeasured 2026-03-31T23:51:59Z 2026-03-31T23:53:59Z"]
        stage.jumped -= 3600
        await continuity.beat()
        assert len(stage.lines) == 1, "a clock put back is no gap"
        assert len(stage.covered) == 1

    run_virtual(main())


def test_it_never_says_more_than_is_written() -> None:
    async def main() -> None:
        stage = Stage(held=START + timedelta(seconds=30))
        await spoken(stage, 121)
        assert stage.until == 30
        stage.held = None
        await asyncio.sleep(400)
        await spoken(stage, 1)
        assert stage.lines == ["Unmeasured 2026-03-31T23:50:30Z 2026-03-31T23:58:41Z"]

    run_virtual(main())


def test_an_api_server_that_is_away_makes_no_gap() -> None:
    async def main() -> None:
        stage = Stage()
        continuity = stage.continuity()
        await continuity.begin()
        task = asyncio.create_task(continuity.run())
        await asyncio.sleep(61)
        stage.away = True
        await asyncio.sleep(600)
        assert stage.until == 60
        stage.away = False
        await asyncio.sleep(60)
        assert (stage.until, stage.lines) == (720, [])
        task.cancel()

    run_virtual(main())


def test_a_gap_that_could_not_be_kept_is_kept_later() -> None:
    async def main() -> None:
        stage = Stage()
        await spoken(stage, 1)
        stage.away = True
        await asyncio.sleep(300)
        continuity = stage.continuity()
        await continuity.begin()
        await continuity.beat()
        assert (stage.lines, stage.covered) == ([], [START])
        stage.away = False
        await continuity.beat()
        assert len(stage.lines) == 1

    run_virtual(main())


def test_gaps_are_one_object_a_month() -> None:
    async def main() -> None:
        stage = Stage()
        for _ in range(5):
            await spoken(stage, 1)
            await asyncio.sleep(199)
        assert sorted(stage.maps) == [f"{LEASE}-not-2026-03", f"{LEASE}-not-2026-04"]
        assert [len(text.splitlines()) for text in stage.lines] == [3, 1]
        for manifest in stage.maps.values():
            assert get_map(manifest, "metadata")["namespace"] == "home"

    run_virtual(main())
