"""What is wanted, out of a ConfigMap; its places; and what holds for an address."""

from pathlib import Path

import pytest

from dedicated.agents.limiter import places
from dedicated.agents.limiter.content import ContentError, Range, Told, content_of
from dedicated.agents.limiter.files import Folder
from dedicated.agents.limiter.places import PlaceError, Places, filled
from dedicated.agents.limiter.proving import Source, holding
from dedicated.contract.limiter_report import Bounds, Thresholds
from dedicated.contract.rate_limits import Policy, applied, canonical, policy_hash
from dedicated.parts.limiter.configuration import CONFIGURATION, content_digest, render
from dedicated.parts.limiter.names import HASH_KEY, POLICY_FILE, file_key
from dedicated.parts.limiter.site import Backend, Site
from dedicated.probes.edge import HOSTS, EdgeError
from limiter.agents import exempted, raised

SITE = Site("acme", "login.example.com", Backend("a.ns", 8080), Backend("b.ns", 3000), replicas=2)
POLICY = exempted(raised(raised(Policy(), "203.0.113.0/24", 2), "203.0.113.64/26", 5), "2001:db8:5::/48")


def data(policy: Policy = POLICY) -> dict[str, str]:
    files = [render(policy, SITE, number) for number in range(2)]
    shared = {name: text for name, text in files[0].items() if name != CONFIGURATION}
    own = {file_key(number, CONFIGURATION): files[number][CONFIGURATION] for number in range(2)}
    return {**own, **shared, POLICY_FILE: canonical(policy), HASH_KEY: policy_hash(policy)}


def test_each_replica_has_its_files_and_knows_those_before_it() -> None:
    first, second = (content_of(data(), replica=number) for number in range(2))
    assert (first.digest, second.digest) == tuple(
        content_digest(render(POLICY, SITE, number)) for number in range(2)
    )
    assert second.before == first.digest
    assert second.files == render(POLICY, SITE, 1)
    assert second.policy.hash == policy_hash(POLICY)


@pytest.mark.parametrize("missing", ["r1.haproxy.cfg", "ui_ban.map", POLICY_FILE, HASH_KEY])
def test_what_lacks_something_is_not_followed(missing: str) -> None:
    found = data()
    del found[missing]
    with pytest.raises(ContentError, match=missing):
        content_of(found, replica=1)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"ui":{"limit":606}}'])
def test_a_policy_that_tells_no_thresholds_is_not_followed(text: str) -> None:
    with pytest.raises(ContentError, match=r"policy\.json"):
        content_of({**data(), POLICY_FILE: text}, replica=0)


@pytest.mark.parametrize(
    "address",
    ["203.0.113.1", "203.0.113.64", "203.0.113.127", "198.51.100.1", "2001:db8:5::9", "2001:db8:6::9"],
)
def test_what_holds_for_an_address_is_what_the_contract_says(address: str) -> None:
    found = holding(content_of(data(), replica=0).policy, address)
    for kind, bounds in (("ui", found.thresholds.ui), ("api", found.thresholds.api)):
        right = applied(POLICY, address, "ui" if kind == "ui" else "api")
        assert found.exempt == right.exempt
        assert found.exempt or bounds == Bounds(right.threshold.limit, right.threshold.ban)


def test_places_are_filled_in() -> None:
    files = {
        "haproxy.cfg": "server a @PEER_0@:7000\nserver b @PEER_1@:7000\n@CLUSTER_DOMAIN@",
        "near.lst": "@NEAR@\n",
    }
    found = filled(files, Places({0: "10.0.0.1", 1: "fd00::1"}, "example.org", ("10.1.0.0/16", "fd00::/64")))
    assert found == {
        "haproxy.cfg": "server a 10.0.0.1:7000\nserver b [fd00::1]:7000\nexample.org",
        "near.lst": "10.1.0.0/16\nfd00::/64\n",
    }


async def test_a_name_that_does_not_resolve_is_told() -> None:
    with pytest.raises(PlaceError, match=r"acme-limiter-0\.ns-that-is-not-there\.svc"):
        await places.find({"haproxy.cfg": "@PEER_0@"}, instance="acme", namespace="ns-that-is-not-there")


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("search ns.svc.example.org svc.example.org example.org\n", "example.org"),
        (
            "nameserver 10.0.0.10\nsearch ns.svc.cluster.local svc.cluster.local cluster.local\n",
            "cluster.local",
        ),
        ("nameserver 10.0.0.10\n", "cluster.local"),
    ],
)
async def test_the_domain_is_that_of_the_resolver(tmp_path: Path, text: str, domain: str) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text(text)
    files = {"haproxy.cfg": "@CLUSTER_DOMAIN@"}
    found = await places.find(files, instance="acme", namespace="ns", resolver=resolver)
    assert found.domain == domain


def test_a_file_is_written_as_a_whole_and_only_where_it_differs(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "made")
    folder.write({"a": "1", "b": "2"})
    before = (folder.path / "a").stat().st_mtime_ns, (folder.path / "a").stat().st_ino
    folder.write({"a": "1", "b": "3"})
    assert ((folder.path / "a").stat().st_mtime_ns, (folder.path / "a").stat().st_ino) == before
    assert folder.read({"a": "", "b": "", "c": ""}) == {"a": "1", "b": "3"}
    assert sorted(file.name for file in folder.path.iterdir()) == ["a", "b"]


def test_a_proof_takes_addresses_that_no_range_holds() -> None:
    numbers = iter(range(10_000))
    everybody = Thresholds(Bounds(606, 2727), Bounds(3030, 9090))
    some = Told("h", everybody, 60, (Range("192.0.2.0/25", True, everybody),))
    source = Source(0, lambda: next(numbers), lambda: 7)
    assert source.take("ui", some) == "192.0.2.128"
    assert source.take("api", some) == "2001:db8:0:7::1"
    all_of_them = Told("h", everybody, 60, (Range("0.0.0.0/0", True, everybody),))
    with pytest.raises(EdgeError, match="no reserved address"):
        source.take("ui", all_of_them)


def test_replicas_prove_with_addresses_of_their_own() -> None:
    everybody = Told("h", Thresholds(Bounds(1, 1), Bounds(1, 1)), 60)
    taken = []
    for replica in range(3):
        source = Source(replica, iter(range(HOSTS)).__next__, lambda: 0)
        taken.append({source.take("ui", everybody) for _ in range(HOSTS)})
    assert [len(one) for one in taken] == [HOSTS] * 3
    assert len(taken[0] | taken[1] | taken[2]) == 3 * HOSTS
