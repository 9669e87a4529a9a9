"""The limiter's files are a pure function of policy and site."""

import re
import time
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random

import pytest

from dedicated.api.edge import ClientAddress, Hsts
from dedicated.contract.rate_limits import API, UI, Entry, Kind, Policy, Threshold, applied, policy_hash
from dedicated.parts.limiter import tables, window
from dedicated.parts.limiter.configuration import (
    CONFIGURATION,
    content_digest,
    render,
    run_time,
    server_state,
    structure,
)
from dedicated.parts.limiter.maps import API_BAN, API_LIMIT, EXEMPT, UI_BAN, UI_LIMIT
from dedicated.parts.limiter.site import CLUSTER_DOMAIN, NEAR, Backend, Directories, Site
from limiter import generated

GOLDEN = Path(__file__).parent / "golden" / "limiter"
SITE = Site(
    name="acme",
    domain="login.example.com",
    server=Backend(f"acme-server-pods.ns.svc.{CLUSTER_DOMAIN}", 8080),
    login=Backend(f"acme-login-pods.ns.svc.{CLUSTER_DOMAIN}", 3000, 8),
    client_address=ClientAddress.model_validate(
        {"from": "XForwardedFor", "trusted": ["10.0.0.0/8"], "hops": 2}
    ),
)
ALONE = replace(
    SITE,
    replicas=1,
    tls=True,
    client_address=ClientAddress.model_validate({"from": "ProxyProtocol", "trusted": ["192.0.2.0/28"]}),
    hsts=Hsts(max_age=600, include_sub_domains=True),
)
RAISED = Policy(
    entries=(
        Entry("198.51.100.0/24", False, UI.times(2), API.times(2), "shared", generated.UNTIL),
        Entry("2001:db8:1::/48", True, UI, API, "load-test", generated.UNTIL),
    )
)
CASES = {
    "two-replicas": (Policy(), SITE, 0),
    "alone-tls-shadow": (replace(RAISED, mode="Shadow", ipv6_prefix=56), ALONE, 0),
    "third-of-three": (RAISED, replace(SITE, replicas=3, peers_tls=False), 2),
}
MAPS: dict[Kind, tuple[str, str]] = {"ui": (UI_LIMIT, UI_BAN), "api": (API_LIMIT, API_BAN)}


def configuration(policy: Policy = RAISED, site: Site = SITE, replica: int = 0) -> str:
    return render(policy, site, replica)[CONFIGURATION]


@pytest.mark.parametrize("case", CASES)
def test_files_are_the_golden_ones(case: str) -> None:
    files = render(*CASES[case])
    text = "".join(f"==> {name} <==\n{content}" for name, content in files.items())
    assert text == (GOLDEN / f"{case}.txt").read_text()


@pytest.mark.parametrize("seed", range(20))
def test_the_same_is_the_same(seed: int) -> None:
    chance, again = Random(seed), Random(seed)
    first = render(generated.policy(chance), generated.site(chance, Directories()), 0)
    second = render(generated.policy(again), generated.site(again, Directories()), 0)
    assert first == second
    assert content_digest(first) == content_digest(second)


def test_a_change_of_limits_needs_no_reload() -> None:
    before, after = (render(policy, SITE, 0) for policy in (Policy(), RAISED))
    assert structure(before) == structure(after)
    assert content_digest(before) != content_digest(after)
    assert {name for name in before if before[name] != after[name]} == {
        CONFIGURATION,
        UI_LIMIT,
        UI_BAN,
        API_LIMIT,
        API_BAN,
        EXEMPT,
    }
    assert f"str({policy_hash(RAISED)})" in after[CONFIGURATION]
    assert CONFIGURATION not in run_time(after)


@pytest.mark.parametrize(
    ("policy", "site"),
    [
        (replace(RAISED, mode="Shadow"), SITE),
        (replace(RAISED, ipv6_prefix=48), SITE),
        (RAISED, replace(SITE, replicas=3)),
        (RAISED, replace(SITE, tls=True)),
        (RAISED, replace(SITE, addresses=10_000)),
        (RAISED, replace(SITE, hsts=Hsts(max_age=1))),
    ],
)
def test_anything_else_does(policy: Policy, site: Site) -> None:
    assert structure(render(RAISED, SITE, 0)) != structure(render(policy, site, 0))


@pytest.mark.parametrize("seed", range(40))
def test_maps_say_what_the_policy_applies(seed: int) -> None:
    chance = Random(seed)
    policy = generated.policy(chance)
    files = render(policy, SITE, 0)
    within = [str(ip_network(entry.range)[0]) for entry in policy.entries]
    for address in ["203.0.113.1", "2001:db8:ffff::1", *within]:
        for kind, names in MAPS.items():
            held = applied(policy, address, kind)
            if not held.exempt:
                assert Threshold(*(looked_up(files[name], address) for name in names)) == held.threshold
            else:
                assert any(ip_address(address) in ip_network(line) for line in files[EXEMPT].split())


def looked_up(text: str, address: str) -> int:
    """As `map_ip_int` does: the longest prefix."""
    rows = [line.split() for line in text.splitlines()]
    held = [(ip_network(range_), int(count)) for range_, count in rows]
    return max((row for row in held if ip_address(address) in row[0]), key=lambda row: row[0].prefixlen)[1]


@pytest.mark.parametrize("seed", range(30))
def test_names_are_defined_once_and_every_one_is_used(seed: int) -> None:
    chance = Random(seed)
    policy, site = generated.policy(chance), generated.site(chance, Directories())
    text = configuration(policy, site, chance.randrange(site.replicas))
    tables_made = re.findall(r"(?m)^    table (\w+) ", text)
    assert Counter(tables_made).most_common(1)[0][1] == 1
    assert set(re.findall(r"\brl/(\w+)", text)) == set(tables_made)
    sections = re.findall(r"(?m)^(?:backend|frontend) (\w+)", text)
    assert Counter(sections).most_common(1)[0][1] == 1
    used = set(re.findall(r"(?:use|default)_backend (\w+)", text)) | set(re.findall(r" table (\w+) if", text))
    assert used == set(re.findall(r"(?m)^backend (\w+)", text))


@pytest.mark.parametrize("replica", range(3))
def test_a_replica_writes_its_own_share_alone_but_for_one_that_would_be_forgotten(replica: int) -> None:
    text = configuration(site=replace(SITE, replicas=3), replica=replica)
    for name, rest in re.findall(r"src_inc_gpc0\(rl/((?:adm|off)_\w+)\)(.*)", text):
        assert name.endswith(f"_r{replica}") or f"table_expire(rl/{name}," in rest, name


def test_a_group_is_the_tolerance_and_its_number_is_not_used_twice_within_a_window() -> None:
    for published, tolerant in ((600, UI.limit), (2700, UI.ban), (3000, API.limit), (9000, API.ban)):
        assert window.group(tolerant) == tolerant - published
        assert 4 * tolerant // window.group(tolerant) < window.GROUPS


def test_shadow_refuses_nobody_but_the_probe() -> None:
    text = configuration(replace(RAISED, mode="Shadow"))
    edge, probes = text.split("\nbackend probe_ui")
    assert "status 429" not in edge
    assert probes.count("return status 429") == 2
    assert "table refused" in edge, "it counts"


def test_the_log_holds_no_address_and_no_path() -> None:
    formats = re.findall(r"(?m)log-format .*", configuration())
    assert formats == ['log-format "%ST %Ta %b %[var(txn.near)]"']
    assert re.findall(r"(?m)^    log .*", configuration()) == [
        "    log /run/limiter/log.sock format raw local0"
    ]


def test_memory_is_that_of_the_tables() -> None:
    for replicas in (1, 2, 3):
        site = replace(SITE, replicas=replicas)
        sizes = re.findall(r"(?m)^    table \w+ type ipv6 size (\d+) ", configuration(site=site))
        told = tables.memory_bytes(site.addresses, replicas)
        assert told == tables.BASE_BYTES + tables.ENTRY_BYTES * sum(map(int, sizes))


def test_only_known_words_are_left_to_the_agent() -> None:
    text = "".join(render(RAISED, SITE, 0).values())
    assert set(re.findall(r"@\w+@", text)) == {CLUSTER_DOMAIN, NEAR, "@PEER_1@"}


def test_a_new_worker_knows_the_servers_that_are_up() -> None:
    head = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight\n"
    up = "9 api 1 server1 10.0.0.7 2 0 1\n"
    others = "9 api 2 server2 - 0 32 1\n9 api 3 server3 10.0.0.8 0 0 1\n9 api 4 server4 10.0.0.9 2 1 1\n\n"
    assert server_state(head + up + others) == head + up
    assert server_state("1\n") == server_state("") == "1\n"


def test_rendering_is_quick() -> None:
    chance = Random(0)
    policy = Policy(
        entries=tuple(generated.entry(chance, f"198.51.{one}.0/24") for one in range(200)),
    )
    took = []
    for _ in range(10):
        begun = time.process_time()
        render(policy, replace(SITE, replicas=3), 0)
        took.append(time.process_time() - begun)
    assert min(took) < 0.005
