"""The release catalogue as a file: today's form, the previous chart's, and what is refused."""

from datetime import date

import pytest
import yaml
from pydantic import ValidationError

from dedicated.api.catalogue import Catalogue, resolve
from dedicated.api.instance import Release

IMAGES = "images: {server: s, login: l}\n"


def read(versions: str) -> Catalogue:
    """The catalogue of YAML text, by the way that the operator reads it."""
    return Catalogue.model_validate(yaml.safe_load(f"{IMAGES}versions:\n{versions}"))


def test_a_catalogue_of_the_previous_chart_is_read() -> None:
    found = read(
        "  - {version: v4.15.2, channel: stable, serverDigest: '', loginDigest: ''}\n"
        "  - {version: v4.16.0, channel: latest}\n"
    )
    assert [entry.version for entry in found.versions] == ["v4.15.2", "v4.16.0"]
    assert found.versions[0].supported_until is None


@pytest.mark.parametrize("written", ["2026-09-30", "'2026-09-30'"])
def test_a_day_may_be_quoted_or_not(written: str) -> None:
    found = read(f"  - {{version: v4.15.2, supportedUntil: {written}, released: {written}}}\n")
    assert found.versions[0].supported_until == found.versions[0].released == date(2026, 9, 30)


@pytest.mark.parametrize(
    "fields",
    [
        "supportedUntil: soon",
        "supportedUntil: 2026-02-30",
        "upgradeFrom: '3.4'",
        "postgresql: {minimum: 18, maximum: 14}",
        "postgresql: {minimum: 14}",
        "until: 2026-09-30",
        "downtime: 5 minutes",
        "downtime: 2h1s",
    ],
)
def test_what_cannot_be_meant_is_refused(fields: str) -> None:
    with pytest.raises((ValidationError, yaml.YAMLError, ValueError)):
        read(f"  - {{version: v4.15.2, {fields}}}\n")


def test_downtime_is_nothing_unless_it_is_said() -> None:
    found = read("  - {version: v4.15.2}\n  - {version: v4.16.0, downtime: 2h}\n")
    assert [entry.downtime for entry in found.versions] == ["0s", "2h"]


def test_channels_mean_the_newest_by_number() -> None:
    found = read(
        "  - {version: v4.9.0, channel: stable}\n"
        "  - {version: v4.15.2, channel: stable}\n"
        "  - {version: v4.16.0}\n"
    )
    stable, latest = (resolve(Release(channel=name), found) for name in ("stable", "latest"))
    assert stable is not None
    assert latest is not None
    assert (stable.version, latest.version) == ("v4.15.2", "v4.16.0")
    assert resolve(Release(version="v4.10.0"), found) is None
