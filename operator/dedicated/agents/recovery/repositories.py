"""Repositories that an agent can list, each as the facts that the rules of recoverability take."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from dedicated.contract.recovery.repository import Damage, Listing
from dedicated.contract.recovery.wal import Ancestor, Segment, ancestry
from dedicated.parts.database import barman, pgbackrest
from dedicated.probes.barman import Barman
from dedicated.probes.repository import PgBackRest, RepositoryError


class Repository(Protocol):
    """What holds backups and the archived log of one database."""

    async def listing(self, *, at: datetime, archived_before: Segment | None, segment_size: int) -> Listing:
        """What is in it, asked from `at` on. Raises `probes.repository.RepositoryError`."""
        ...

    async def verify(self, *, segment_size: int) -> Damage:
        """What reading all of it shows to be damaged. Raises `probes.repository.RepositoryError`."""
        ...


@dataclass(frozen=True, slots=True)
class PgBackRestRepository:
    """A stanza of pgBackRest."""

    probe: PgBackRest

    async def listing(self, *, at: datetime, archived_before: Segment | None, segment_size: int) -> Listing:
        """What is in it: nothing, where the stanza was not made yet."""
        found = await self.probe.read()
        return Listing(
            at=at,
            archive=pgbackrest.archive_of(found.files, size=segment_size),
            backups=pgbackrest.backups_in(found.info, found.archive_id, size=segment_size),
            ancestors=_ancestors(found.history_of, found.history),
            archived_before=archived_before,
            segment_size=segment_size,
        )

    async def verify(self, *, segment_size: int) -> Damage:
        """What is damaged."""
        version = await self.probe.version()
        if newer := pgbackrest.unreadable_by(await self.probe.info(), version):
            raise RepositoryError(f"backups are made by pgBackRest {newer}, and this is {version}")
        damage = pgbackrest.damage_in(await self.probe.verify(), size=segment_size)
        if damage is None:
            raise RepositoryError("verify says nothing that can be read")
        return damage


@dataclass(frozen=True, slots=True)
class BarmanRepository:
    """A server of barman-cloud."""

    probe: Barman

    async def listing(self, *, at: datetime, archived_before: Segment | None, segment_size: int) -> Listing:
        """What is in it."""
        found = await self.probe.read()
        return Listing(
            at=at,
            archive=barman.archive_of(found.sizes, size=segment_size),
            backups=barman.backups_in(found.infos, found.sizes, size=segment_size),
            ancestors=barman.ancestors_in(found.history_name, found.history),
            archived_before=archived_before,
            segment_size=segment_size,
        )

    async def verify(self, *, segment_size: int) -> Damage:  # noqa: ARG002
        """Nothing: barman-cloud stores no checksums, so only a restore shows what is damaged."""
        return Damage()


def _ancestors(timeline: str, history: str) -> tuple[Ancestor, ...]:
    """None where the history cannot be read: then nothing is promised over it."""
    try:
        return ancestry(int(timeline, 16), history) if timeline else ()
    except ValueError:
        return ()


def set_back(listing: Listing, by: timedelta) -> Listing:
    """The listing with the times of its backups set back: those of a clock that is ahead promise too much."""
    backups = (
        replace(backup, started=backup.started - by, completed=backup.completed - by)
        for backup in listing.backups
    )
    return replace(listing, backups=tuple(backups)) if by else listing
