"""Data location: everything that holds data is inside, or is named (D-1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedicated.api.instance import DataLocation, Infrastructure
from dedicated.contract.places import Atlas, built_in, place_of_bucket, place_of_node
from dedicated.contract.residency import (
    Holding,
    UnknownRegionError,
    Verdict,
    compliant,
    countries_of,
    findings,
    judge,
    may_hold,
)

ATLAS = built_in()
SWISS = frozenset({"CH"})
EVERY = frozenset({"*"})
NODE = Holding("Node", "a", "gcp:europe-west6")
FRANKFURT = Holding("Bucket", "b", "aws:eu-central-1")
VIRGINIA = Holding("ReplicationTarget", "b-copy", "aws:us-east-1")
BARE = Holding("Node", "bare", "")
DENIED = Holding("Bucket", "shut", None)
OWN = Holding("Volume", "pv", "cellar")


@pytest.mark.parametrize(
    ("region", "inside", "outside"),
    [
        ("Switzerland", ["gcp:europe-west6", "azure:switzerlandnorth"], ["aws:eu-central-1"]),
        (
            "GDPR safe countries",
            ["aws:eu-west-1", "aws:ap-southeast-6", "gcp:eur4", "azure:norwayeast", "azure:austriaeast"],
            ["aws:us-east-1", "gcp:northamerica-northeast1", "aws:ap-southeast-1", ""],
        ),
        ("Global", ["aws:us-east-1", "nowhere", ""], []),
    ],
)  # fmt: skip
def test_regions_of_the_contract(region: str, inside: list[str], outside: list[str]) -> None:
    allowed = countries_of(DataLocation(region=region), ATLAS)
    assert [place for place in inside if not may_hold(place, allowed=allowed, atlas=ATLAS)] == []
    assert [place for place in outside if may_hold(place, allowed=allowed, atlas=ATLAS)] == []


def test_countries_may_be_listed_and_an_unknown_region_is_refused() -> None:
    assert countries_of(DataLocation(countries=["CH", "DE"]), ATLAS) == {"CH", "DE"}
    with pytest.raises(UnknownRegionError, match="'Alps' is not known; known are GDPR"):
        countries_of(DataLocation(region="Alps"), ATLAS)
    alps = ATLAS.extended(regions={"Alps": frozenset({"CH", "AT"})}, places={})
    assert countries_of(DataLocation(region="Alps"), alps) == {"CH", "AT"}
    assert countries_of(DataLocation(region="Switzerland"), alps) == SWISS


def test_a_place_of_several_countries_needs_all_of_them() -> None:
    assert not may_hold("gcp:eur4", allowed=frozenset({"NL"}), atlas=ATLAS)
    assert may_hold("gcp:eur4", allowed=frozenset({"NL", "FI"}), atlas=ATLAS)


@pytest.mark.parametrize(
    ("holdings", "status", "reason", "words"),
    [
        ((NODE,), "True", "InsideRegion", "CH"),
        ((), "True", "InsideRegion", "CH"),
        ((NODE, FRANKFURT), "False", "OutsideRegion", "Bucket b (aws:eu-central-1)"),
        ((NODE, VIRGINIA, BARE), "False", "OutsideRegion", "ReplicationTarget b-copy (aws:us-east-1)"),
        ((NODE, BARE), "Unknown", "PlaceUnknown", "Node bare (unlabelled)"),
        ((DENIED,), "Unknown", "PlaceUnknown", "Bucket shut (not readable)"),
        ((OWN,), "Unknown", "PlaceUnknown", "Volume pv (cellar)"),
    ],
)
def test_the_condition(holdings: tuple[Holding, ...], status: str, reason: str, words: str) -> None:
    condition = compliant(judge(holdings, allowed=SWISS, atlas=ATLAS), allowed=SWISS)
    assert (condition.status, condition.reason) == (status, reason)
    assert words in condition.message


def test_without_a_region_nothing_is_claimed() -> None:
    assert compliant(None, allowed=frozenset()).status == "Unknown"


def test_everywhere_nothing_offends() -> None:
    everything = (NODE, FRANKFURT, VIRGINIA, BARE, DENIED, OWN)
    assert compliant(judge(everything, allowed=EVERY, atlas=ATLAS), allowed=EVERY).status == "True"


def test_many_offenders_are_counted() -> None:
    many = [Holding("Node", f"n{number}", "aws:us-east-1") for number in range(8)]
    assert "n4 (aws:us-east-1) and 3 more" in compliant(
        judge(many, allowed=SWISS, atlas=ATLAS), allowed=SWISS
    ).message  # fmt: skip


def test_findings_name_the_offender_who_must_act_and_what_to_do() -> None:
    verdict = judge((VIRGINIA, BARE, DENIED, OWN, FRANKFURT), allowed=SWISS, atlas=ATLAS)
    assert verdict == Verdict((FRANKFURT, VIRGINIA), (DENIED, BARE, OWN))
    infrastructure = Infrastructure.model_validate({"owner": "Customer"})
    found = findings(verdict, infrastructure=infrastructure, allowed=SWISS)
    assert [(item.code, item.responsible) for item in found] == [
        ("OutsideRegion", "Customer"),
        ("OutsideRegion", "Customer"),
        ("PlaceUnknown", "Customer"),
        ("PlaceUnknown", "Customer"),
        ("PlaceUnknown", "Customer"),
    ]
    assert [item.action for item in found] == [
        "move it, and delete the data that is there",
        "end the replication, and delete the data that is there",
        "let the operator read where it is",
        "label it with its region",
        "add cellar and its country to the operator's map of places",
    ]
    assert [item.blocks for item in found] == ["Storing", "Storing", "Storing", "Creation", "Creation"]


@pytest.mark.parametrize(
    ("endpoint", "region", "place"),
    [
        ("s3.eu-central-1.amazonaws.com", "eu-central-1", "aws:eu-central-1"),
        ("https://s3.amazonaws.com", None, "aws:us-east-1"),
        ("https://s3.amazonaws.com:443/path", "EU", "aws:eu-west-1"),
        ("https://storage.googleapis.com", "EUROPE-WEST6", "gcp:europe-west6"),
        ("https://storage.googleapis.com", None, ""),
        ("acme.blob.core.windows.net", "switzerlandnorth", "azure:switzerlandnorth"),
        ("https://s3.example.com", "eu-central-1", "s3.example.com/eu-central-1"),
        ("minio.storage.svc:9000", None, "minio.storage.svc"),
        ("notamazonaws.com", "eu-central-1", "notamazonaws.com/eu-central-1"),
        ("amazonaws.com.example.com", "eu-central-1", "amazonaws.com.example.com/eu-central-1"),
    ],
)
def test_the_same_label_counts_only_at_its_own_cloud(endpoint: str, region: str | None, place: str) -> None:
    assert place_of_bucket(endpoint, region) == place


def test_a_host_is_placed_by_the_operator_as_a_whole_or_by_region() -> None:
    places = {"s3.example.com": SWISS, "s3.example.com/de": frozenset({"DE"})}
    atlas = ATLAS.extended(regions={}, places=places)
    assert atlas.countries("s3.example.com/ch") == SWISS
    assert atlas.countries("s3.example.com/de") == {"DE"}
    assert atlas.countries("other.example.com/ch") == frozenset()


@pytest.mark.parametrize(
    ("provider", "region", "place"),
    [
        ("gce://project/europe-west6-a/node", "europe-west6", "gcp:europe-west6"),
        ("aws:///eu-central-2a/i-0", "eu-central-2", "aws:eu-central-2"),
        ("kind://docker/kind/node", "cellar", "cellar"),
        ("", "eu-central-2", "eu-central-2"),
        ("gce://project/europe-west6-a/node", "", ""),
    ],
)
def test_places_of_nodes(provider: str, region: str, place: str) -> None:
    assert place_of_node(provider, region) == place


def test_the_map_is_of_countries() -> None:
    every = [*ATLAS.places.values(), *(c for n, c in ATLAS.regions.items() if n != "Global")]
    assert all(len(country) == 2 and country.isupper() for countries in every for country in countries)


COUNTRIES = st.frozensets(st.sampled_from(["CH", "DE", "US"]), min_size=1)
PLACES = st.sampled_from(["a", "b", "c", "d", "", None])


@given(COUNTRIES, st.dictionaries(st.sampled_from("abc"), COUNTRIES), st.lists(PLACES, max_size=6))
def test_true_only_where_each_is_known_to_be_inside(
    allowed: frozenset[str], places: dict[str, frozenset[str]], held: list[str | None]
) -> None:
    atlas = Atlas({}, places)
    holdings = [Holding("Node", str(number), place) for number, place in enumerate(held)]
    condition = compliant(judge(holdings, allowed=allowed, atlas=atlas), allowed=allowed)
    inside = [place is not None and place in places and places[place] <= allowed for place in held]
    outside = [place is not None and place in places and not places[place] <= allowed for place in held]
    expected = "False" if any(outside) else "True" if all(inside) else "Unknown"
    assert condition.status == expected
