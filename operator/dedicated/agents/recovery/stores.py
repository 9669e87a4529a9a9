"""The places of the backups, asked in the agent's loop.

A place that was not reached keeps its last reading, which ages by itself; the trouble is told meanwhile. So a
network that fails for some minutes makes nothing unknown that was known an hour ago.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from dedicated.agents.recovery.repositories import BarmanRepository
from dedicated.api.store import PLACES, BucketPlace, Store
from dedicated.probes.barman import Barman
from dedicated.probes.objects import Access
from dedicated.probes.store import Bucket, away, check, unreached

AGAIN = timedelta(seconds=1)
"""From a question to the places that failed to the one that decides."""


def places_in(text: str) -> tuple[Bucket, ...]:
    """The places of a file. Raises ValueError where it is none."""
    try:
        return tuple(_place(place) for place in PLACES.validate_json(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


class Places:
    """The places of the backups, and what was last read of each."""

    def __init__(self, places: Sequence[Bucket], *, now: Callable[[], datetime]) -> None:
        self._places = places
        self._now = now
        self._known: dict[tuple[str, str], Store] = {}

    async def away(self) -> str:
        """Why places do not answer, twice in a row; empty where all do. Never raises."""
        if not await away(self._places):
            return ""
        await asyncio.sleep(AGAIN.total_seconds())
        return "; ".join(await away(self._places))

    async def check(self) -> tuple[Store, ...]:
        """What is known of all places that were ever reached. Never raises."""
        for store in await check(self._places, now=self._now):
            if not unreached(store):
                self._known[store.role, store.name] = store
        return tuple(self._known.values())


def barman_in(file: Path, server: str) -> BarmanRepository:
    """The server of barman-cloud in the bucket that is the repository. Raises OSError and ValueError where
    there is none."""
    for place in places_in(file.read_text(encoding="utf-8")):
        if place.role == "Repository":
            return BarmanRepository(Barman(place.name, f"{place.prefix}/{server}", place.access))
    raise ValueError(f"{file}: no bucket is the repository of {server}")


def _place(told: BucketPlace) -> Bucket:
    access = Access(
        told.endpoint, told.region, Path(told.credentials), Path(told.ca_file) if told.ca_file else None
    )
    return Bucket(told.bucket, access, told.prefix, told.role)
