"""Where places are: regions of the contract, and regions of clouds, as countries (D-1).

A place is written as its cloud and its label, `aws:eu-central-2`, or as the label alone where a cluster's
operator made it up. What is not on the map is nowhere: never guessed from its name.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from urllib.parse import urlsplit

from dedicated.api.places import Places

EVERYWHERE = "*"
CLOUDS_OF_NODES = {"aws": "aws", "gce": "gcp", "azure": "azure"}
"""Scheme of a node's `spec.providerID`, and the cloud that it means."""
CLOUDS_OF_HOSTS = {
    "amazonaws.com": "aws",
    "storage.googleapis.com": "gcp",
    "blob.core.windows.net": "azure",
}
"""End of the name of a store's host, and the cloud that it means."""
AWS_FIRST, AWS_EUROPE = "us-east-1", "eu-west-1"
"""What Amazon's store answers nothing for, and what it answers `EU` for."""


@dataclass(frozen=True, slots=True)
class Atlas:
    """Countries by region of the contract, and by place."""

    regions: Mapping[str, frozenset[str]]
    places: Mapping[str, frozenset[str]]

    def extended(
        self, *, regions: Mapping[str, frozenset[str]], places: Mapping[str, frozenset[str]]
    ) -> "Atlas":
        """With what an operator's configuration adds or says otherwise."""
        return Atlas({**self.regions, **regions}, {**self.places, **places})

    def countries(self, place: str) -> frozenset[str]:
        """The countries of a place; none where it is not on the map.

        A region of a host that is not itself on the map is where the host is.
        """
        return self.places.get(place) or self.places.get(place.partition("/")[0]) or frozenset()


def atlas_of(configured: Places) -> Atlas:
    """The map that the operator brings along, with what its configuration adds or says otherwise."""
    return built_in().extended(
        regions={name: frozenset(countries) for name, countries in configured.regions.items()},
        places={name: frozenset(countries) for name, countries in configured.places.items()},
    )


@cache
def built_in() -> Atlas:
    """The map that the operator brings along."""
    regions = _table("regions.toml")
    clouds = _table("places.toml")
    return Atlas(
        {name: frozenset(countries) for name, countries in regions.items()},
        {
            f"{cloud}:{label}": frozenset(countries.split("+"))
            for cloud, by_country in clouds.items()
            for countries, labels in by_country.items()
            for label in labels
        },
    )


def place_of_node(provider_id: str, region: str) -> str:
    """The place of a node, from its provider's id and its label `topology.kubernetes.io/region`."""
    if not region:
        return ""
    cloud = CLOUDS_OF_NODES.get(provider_id.partition("://")[0])
    return f"{cloud}:{region}" if cloud else region


def place_of_bucket(endpoint: str, region: str | None) -> str:
    """The place of a bucket, from its store's endpoint and the region that the store answers.

    Amazon's store answers nothing for its first region.
    """
    host = _host(endpoint)
    cloud = _cloud(host)
    if cloud == "aws":
        return f"aws:{AWS_EUROPE if region == 'EU' else region or AWS_FIRST}"
    if cloud is not None:
        return f"{cloud}:{region.lower()}" if region else ""
    return f"{host}/{region}" if region else host


def is_amazon(endpoint: str) -> bool:
    """Whether a store is Amazon's, where a bucket's name is one in the world."""
    return _cloud(_host(endpoint)) == "aws"


def _host(endpoint: str) -> str:
    return urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname or ""


def _cloud(host: str) -> str | None:
    ends = (cloud for end, cloud in CLOUDS_OF_HOSTS.items() if host == end or host.endswith(f".{end}"))
    return next(ends, None)


def _table(name: str) -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(resources.files(__name__).joinpath(name).read_text(encoding="utf-8"))
