"""The release catalogue: which ZITADEL releases this operator runs, and from which images.

It is product data that the chart brings (a ConfigMap, mounted as a file). A release that is not in it is
refused: an unknown image or an untested version is not rolled out by a typing error. What a catalogue does
not say (dates, the oldest release to come from) is not known, and told so; an older one is read as ever.
"""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from dedicated.api.duration import Duration, parse_duration
from dedicated.api.instance import Release
from dedicated.api.maintenance import SHORTEST_WINDOW
from dedicated.api.rules import ApiModel, Rule


def _day(value: object) -> object:
    """YAML hands over a date or a text, depending on who wrote it."""
    return date.fromisoformat(value) if isinstance(value, str) else value


Repository = Annotated[str, Field(min_length=1, max_length=255)]
Digest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
Version = Annotated[str, Field(pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+$")]
Day = Annotated[date, BeforeValidator(_day)]
Channel = Literal["stable", "latest"]


class Images(ApiModel):
    """Repositories, without tag."""

    server: Repository
    login: Repository


class PostgresRange(ApiModel):
    """Major versions of PostgreSQL that a release runs on, both included."""

    rules: ClassVar = (
        Rule(
            cel="self.minimum <= self.maximum",
            message="minimum must not be above maximum",
            field="minimum",
            holds=lambda self: self.minimum <= self.maximum,
        ),
    )
    minimum: Annotated[int, Field(ge=1)]
    maximum: Annotated[int, Field(ge=1)]


class CatalogueVersion(ApiModel):
    """One release. `supported_until` is its last day of support (V-1), `released` the day it became stable.

    `upgrade_from` is the oldest release that may be upgraded to it without a stop in between; `downtime` the
    interruption to be expected of an upgrade to it (M-12).
    """

    rules: ClassVar = (
        Rule(
            cel="duration(self.downtime) <= duration('2h')",
            message="downtime must not be longer than the 2 h of a regular maintenance",
            field="downtime",
            holds=lambda self: parse_duration(self.downtime) <= SHORTEST_WINDOW,
        ),
    )
    version: Version
    channel: Channel = "latest"
    server_digest: Digest = ""
    login_digest: Digest = ""
    released: Day | None = None
    supported_until: Day | None = None
    upgrade_from: Version | None = None
    downtime: Duration = "0s"
    postgresql: PostgresRange | None = None


class Catalogue(ApiModel):
    """All releases."""

    images: Images
    versions: Annotated[list[CatalogueVersion], Field(min_length=1)]

    def entry(self, version: str) -> CatalogueVersion | None:
        """What the catalogue says of a release; None where it does not have it."""
        return next((entry for entry in self.versions if entry.version == version), None)

    def channel(self, name: Channel) -> list[CatalogueVersion]:
        """The releases that a channel can mean: `latest` all of them, `stable` the stable ones."""
        return [entry for entry in self.versions if name in ("latest", entry.channel)]

    def images_of(self, entry: CatalogueVersion) -> "ResolvedRelease":
        """A release of this catalogue with its images."""
        return ResolvedRelease(
            version=entry.version,
            server_image=_image(self.images.server, entry.version, entry.server_digest),
            login_image=_image(self.images.login, entry.version, entry.login_digest),
        )


class ResolvedRelease(ApiModel):
    """A release with the images to run."""

    version: str
    server_image: str
    login_image: str


@lru_cache(maxsize=256)
def version_key(version: str) -> tuple[int, ...]:
    """`v4.15.2` as (4, 15, 2), for comparing. An empty tuple where it is not a version."""
    numbers = version.removeprefix("v").split(".")
    return tuple(int(number) for number in numbers) if all(n.isdigit() for n in numbers) else ()


def resolve(release: Release, catalogue: Catalogue) -> ResolvedRelease | None:
    """The release wanted, or None where the catalogue does not have it.

    Channel `latest` takes the newest release of all, `stable` the newest stable one.
    """
    if release.version is not None:
        entry = catalogue.entry(release.version)
    else:
        entry = newest(catalogue.channel(release.channel or "stable"))
    return catalogue.images_of(entry) if entry else None


def newest(entries: Iterable[CatalogueVersion]) -> CatalogueVersion | None:
    """The newest of some releases; None of none."""
    return max(entries, key=lambda entry: version_key(entry.version), default=None)


def _image(repository: str, version: str, digest: str) -> str:
    return f"{repository}:{version}@{digest}" if digest else f"{repository}:{version}"
