"""The places of the backups, asked in the agent's loop.

A place that was not reached keeps its last reading, which ages by itself; the trouble is told meanwhile. So a
network that fails for some minutes makes nothing unknown that was known an hour ago.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from dedicated.agents.recovery.loops import Check, StoreError
from dedicated.agents.recovery.repositories import BarmanRepository
from dedicated.api.store import PLACES, BucketPlace, Store
from dedicated.probes.barman import Barman
from dedicated.probes.objects import Access
from dedicated.probes.store import Bucket, check, unreached


def places_in(text: str) -> tuple[Bucket, ...]:
    """The places of a file. Raises ValueError where it is none."""
    try:
        return tuple(_place(place) for place in PLACES.validate_json(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def checking(file: Path, *, now: Callable[[], datetime]) -> Check:
    """The check of the places in a file. Raises OSError and ValueError where there are none to be read."""
    places = places_in(file.read_text(encoding="utf-8"))
    known: dict[tuple[str, str], Store] = {}

    async def look() -> tuple[Store, ...]:
        lost = []
        for store in await check(places, now=now):
            if cause := unreached(store):
                lost.append(f"{store.name}: {cause}")
            else:
                known[store.role, store.name] = store
        if lost:
            raise StoreError("; ".join(lost), tuple(known.values()))
        return tuple(known.values())

    return look


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
