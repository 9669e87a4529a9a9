"""The release catalogue: which ZITADEL releases this operator runs, and from which images.

It is product data that the chart brings (a ConfigMap, mounted as a file). A release that is not in it is
refused: an unknown image or an untested version is not rolled out by a typing error.
"""

from typing import Annotated, Literal

from pydantic import Field

from dedicated.api.instance import Release
from dedicated.api.rules import ApiModel

Repository = Annotated[str, Field(min_length=1, max_length=255)]
Digest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]


class Images(ApiModel):
    """Repositories, without tag."""

    server: Repository
    login: Repository


class CatalogueVersion(ApiModel):
    """One release."""

    version: Annotated[str, Field(pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+$")]
    channel: Literal["stable", "latest"] = "latest"
    server_digest: Digest = ""
    login_digest: Digest = ""


class Catalogue(ApiModel):
    """All releases."""

    images: Images
    versions: Annotated[list[CatalogueVersion], Field(min_length=1)]


class ResolvedRelease(ApiModel):
    """A release with the images to run."""

    version: str
    server_image: str
    login_image: str


def version_key(version: str) -> tuple[int, ...]:
    """`v4.15.2` as (4, 15, 2), for comparing. An empty tuple where it is not a version."""
    numbers = version.removeprefix("v").split(".")
    return tuple(int(number) for number in numbers) if all(n.isdigit() for n in numbers) else ()


def resolve(release: Release, catalogue: Catalogue) -> ResolvedRelease | None:
    """The release wanted, or None where the catalogue does not have it.

    Channel `latest` takes the newest release of all, `stable` the newest stable one.
    """
    if release.version is not None:
        matching = [entry for entry in catalogue.versions if entry.version == release.version]
    else:
        matching = [entry for entry in catalogue.versions if release.channel in ("latest", entry.channel)]
    if not matching:
        return None
    entry = max(matching, key=lambda candidate: version_key(candidate.version))
    return ResolvedRelease(
        version=entry.version,
        server_image=_image(catalogue.images.server, entry.version, entry.server_digest),
        login_image=_image(catalogue.images.login, entry.version, entry.login_digest),
    )


def _image(repository: str, version: str, digest: str) -> str:
    return f"{repository}:{version}@{digest}" if digest else f"{repository}:{version}"
