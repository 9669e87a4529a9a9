"""Prerequisites of the infrastructure (O-3, P-5): each check red and green, with its party."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import instance, nodes
from dedicated.api.findings import Finding
from dedicated.api.instance import Infrastructure, Zones
from dedicated.api.probing import Entry, Trouble
from dedicated.contract.prerequisites import (
    CODES,
    Node,
    Platform,
    check_entry,
    check_images,
    check_mail,
    check_nodes,
    check_platform,
    entry_change,
    zones_of,
)

NODES = st.lists(
    st.builds(
        Node,
        name=st.text(max_size=3),
        zone=st.sampled_from(["", "a", "b", "c", "d"]),
        schedulable=st.booleans(),
        cpu=st.sampled_from([Decimal(2), Decimal(4)]),
        memory=st.sampled_from([Decimal(4 * 10**9), Decimal(8 * 10**9)]),
    ),
    max_size=8,
)
OWN = instance().spec.infrastructure
CUSTOMERS = instance(infrastructure={"owner": "Customer"}).spec.infrastructure
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def of_nodes(
    found: tuple[Node, ...] | list[Node] | None,
    *,
    on: Infrastructure = OWN,
    needed: int = 3,
    agreed: tuple[str, ...] = (),
) -> tuple[Finding, ...]:
    return check_nodes(found, infrastructure=on, needed=needed, agreed=agreed)


@settings(max_examples=100, deadline=None)
@given(NODES, st.integers(1, 4))
def test_a_zone_counts_with_one_schedulable_node_that_is_large_enough(found: list[Node], needed: int) -> None:
    usable = {node.zone for node in found if node.schedulable and node.zone}
    large = {
        node.zone
        for node in found
        if node.schedulable and node.zone and node.cpu >= 4 and node.memory >= 8 * 10**9
    }
    findings = of_nodes(found, needed=needed)
    codes = [finding.code for finding in findings]
    assert codes == (
        ["TooFewZones"] if len(usable) < needed else ["NodesTooSmall"] if len(large) < needed else []
    )
    for finding in findings:
        count = len(usable if finding.code == "TooFewZones" else large)
        assert f"{count} zones" in finding.message
        assert f"{needed} are needed" in finding.message
        assert finding.blocks == "Creation"


def test_nodes_without_zone_or_room_do_not_count() -> None:
    found = (*nodes(2), Node("x", "", True), Node("y", "z3", False))
    (finding,) = of_nodes(found)
    assert "(z1, z2)" in finding.message


def test_only_named_zones_count() -> None:
    pinned = Infrastructure(zones=Zones(names=["z1", "z2", "z9"]))
    (finding,) = of_nodes(nodes(5), on=pinned)
    assert "2 zones of those named (z1, z2, z9)" in finding.message
    assert zones_of(nodes(5), allowed=["z2", "z9"]) == ["z2"]


def test_small_nodes_are_told_by_their_largest() -> None:
    small = (
        Node("small", "z3", True, Decimal(2), Decimal(16 * 10**9)),
        Node("smaller", "z3", True, Decimal("3.5"), Decimal(3 * 10**9)),
        Node("away", "z3", False, Decimal(64), Decimal(64 * 10**9)),
    )
    (finding,) = of_nodes((*nodes(2), *small))
    assert finding.message == (
        "2 zones have a schedulable node of at least 4 CPUs and 8 GB, 3 are needed (P-5); "
        "largest elsewhere: z3: 2 CPUs, 16.0 GB"
    )


def test_an_agreement_lifts_the_size_and_not_the_zones() -> None:
    small = tuple(Node(node.name, node.zone, True) for node in nodes(3))
    assert [finding.code for finding in of_nodes(small)] == ["NodesTooSmall"]
    assert of_nodes(small, agreed=("P-5",)) == ()
    assert [finding.code for finding in of_nodes(small, agreed=("S-2",))] == ["NodesTooSmall"]
    assert [finding.code for finding in of_nodes(small[:4], agreed=("P-5",))] == ["TooFewZones"]


def test_the_owner_of_the_infrastructure_must_act() -> None:
    for on, party in ((OWN, "Provider"), (CUSTOMERS, "Customer")):
        found = (
            *of_nodes((), on=on),
            *of_nodes(tuple(Node(node.name, node.zone, True) for node in nodes(3)), on=on),
            *check_platform(Platform("v1.29.9", ahead=40), infrastructure=on),
            *check_images(["server: ErrImagePull"], infrastructure=on),
        )
        assert [finding.code for finding in found] == [
            "TooFewZones",
            "NodesTooSmall",
            "KubernetesTooOld",
            "ClocksApart",
            "ImageNotPullable",
        ]
        assert {finding.responsible for finding in found} == {party}


def test_what_may_not_be_read_is_unknown_and_blocks_nothing() -> None:
    (zones,) = of_nodes(None)
    assert (zones.code, zones.blocks) == ("ZonesUnknown", "")
    assert "rbac.nodes" in zones.action
    (version,) = check_platform(Platform(ahead=99), infrastructure=OWN)
    assert (version.code, version.blocks, version.responsible) == ("KubernetesUnknown", "", "Provider")


@pytest.mark.parametrize(
    ("version", "good"),
    [("v1.30.0", True), ("v1.36.4+k3s1", True), ("v2.0.1", True), ("v1.29.15", False), ("v0.31.0", False)],
)
def test_kubernetes_is_new_enough(version: str, good: bool) -> None:
    found = check_platform(Platform(version), infrastructure=OWN)
    assert [finding.code for finding in found] == ([] if good else ["KubernetesTooOld"])
    assert all(version in finding.message and finding.blocks == "Creation" for finding in found)


@pytest.mark.parametrize(
    ("ahead", "said"), [(40, "40 s ahead of"), (-120, "120 s behind"), (30, ""), (-30, "")]
)
def test_clocks_are_within_30_seconds(ahead: int, said: str) -> None:
    found = check_platform(Platform("v1.36.0", ahead), infrastructure=OWN)
    assert [finding.code for finding in found] == (["ClocksApart"] if said else [])
    assert all(said in finding.message and not finding.blocks for finding in found)


def of_entry(entry: Entry, *, now: datetime = NOW) -> tuple[Finding, ...]:
    return check_entry(entry, domain="login.acme.example", infrastructure=OWN, zone="Europe/Zurich", now=now)


def test_a_certificate_is_renewed_21_days_before_its_end() -> None:
    entry = Entry(NOW + timedelta(days=30))
    begins = entry_change(entry, now=NOW)
    assert begins == NOW + timedelta(days=9)
    assert of_entry(entry, now=begins - timedelta(seconds=1)) == ()
    (finding,) = of_entry(entry, now=begins)
    assert (finding.code, finding.responsible) == ("CertificateExpires", "Customer")
    assert finding.deadline == NOW + timedelta(days=30)
    assert "2026-03-31" in finding.message
    assert "21 days" in finding.message
    assert entry_change(entry, now=begins) is None
    assert entry_change(Entry(), now=NOW) is None


@pytest.mark.parametrize(
    ("trouble", "code"), [("Name", "NameNotResolved"), ("Certificate", "CertificateNotTrusted")]
)
def test_trouble_with_the_entry_is_the_domains(trouble: Trouble, code: str) -> None:
    (finding,) = of_entry(Entry(None, trouble, "has expired"))
    assert (finding.code, finding.responsible, finding.blocks) == (code, "Customer", "")
    assert "login.acme.example" in finding.message
    assert ("has expired" in finding.message) == (trouble == "Certificate")
    assert of_entry(Entry()) == ()


def test_images_that_cannot_be_pulled_are_told_by_container() -> None:
    problems = [
        "server: ErrImagePull",
        "server: ImagePullBackOff",
        "setup: CrashLoopBackOff",
        "not scheduled: x",
    ]
    (finding,) = check_images(problems, infrastructure=OWN)
    assert "the image of server (" in finding.message
    assert check_images(problems[2:], infrastructure=OWN) == ()


def test_mail_in_production_is_the_customers() -> None:
    (finding,) = check_mail(False, infrastructure=OWN)
    assert (finding.code, finding.responsible, finding.blocks) == ("MailMissing", "Customer", "")
    assert check_mail(True, infrastructure=OWN) == check_mail(None, infrastructure=OWN) == ()


def test_every_code_is_known_as_a_prerequisite() -> None:
    small = tuple(Node(node.name, node.zone, True) for node in nodes(3))
    found = {
        finding.code
        for findings in (
            of_nodes(None),
            of_nodes(()),
            of_nodes(small),
            check_platform(Platform(), infrastructure=OWN),
            check_platform(Platform("v1.0", 60), infrastructure=OWN),
            of_entry(Entry(NOW)),
            of_entry(Entry(None, "Name")),
            of_entry(Entry(None, "Certificate")),
            check_images(["a: ErrImagePull"], infrastructure=OWN),
            check_mail(False, infrastructure=OWN),
        )
        for finding in findings
    }
    assert found == CODES
