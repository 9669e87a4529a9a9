"""Releases (V-1, V-2): new instances, jumps, and the end of support to the second."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import EXISTING, OWN_KEY, instance
from dedicated.api.catalogue import Catalogue, CatalogueVersion, Images, PostgresRange, version_key
from dedicated.api.findings import Finding
from dedicated.api.instance import InstanceSpec
from dedicated.api.json import JsonValue
from dedicated.contract.releases import check, chosen, expected_downtime, path_to, support

ZONE = "Europe/Zurich"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def catalogue(*entries: CatalogueVersion) -> Catalogue:
    return Catalogue(images=Images(server="s", login="l"), versions=list(entries))


def stable(version: str, **fields: JsonValue) -> CatalogueVersion:
    return CatalogueVersion.model_validate({"version": version, "channel": "stable", **fields})


RISKY = catalogue(
    stable("v4.15.2", downtime="1h"),
    stable("v4.16.0", downtime="90s"),
    stable("v4.17.0", downtime="5m"),
    stable("v4.18.0"),
)
MAJORS = catalogue(
    stable("v2.71.0"),
    stable("v3.3.0"),
    stable("v3.4.0"),
    stable("v3.4.1"),
    stable("v3.4.9"),
    stable("v4.0.0"),
    stable("v4.15.2"),
    stable("v4.20.0"),
    stable("v5.0.0", upgradeFrom="v4.20.0"),
)


def wants(version: str | None = None, *, channel: str | None = None, **changes: JsonValue) -> InstanceSpec:
    return instance("acme", release={"version": version, "channel": channel}, **changes).spec


def refusals(
    spec: InstanceSpec,
    releases: Catalogue = MAJORS,
    *,
    serving: str = "",
    new: bool = False,
    now: datetime = NOW,
) -> tuple[Finding, ...]:
    return check(spec, releases, serving=serving, new=new, now=now, zone=ZONE)


# What may follow what.


@pytest.mark.parametrize(
    ("serving", "target", "path"),
    [
        ("v4.0.0", "v4.20.0", ("v4.20.0",)),
        ("v3.4.1", "v4.15.2", ("v4.15.2",)),
        ("v3.4.0", "v4.15.2", ("v3.4.9", "v4.15.2")),
        ("v3.3.0", "v4.0.0", ("v3.4.9", "v4.0.0")),
        ("v2.71.0", "v4.0.0", ("v3.4.9", "v4.0.0")),
        ("v4.15.2", "v5.0.0", ("v4.20.0", "v5.0.0")),
        ("v2.71.0", "v5.0.0", ("v3.4.9", "v4.20.0", "v5.0.0")),
    ],
)
def test_a_jump_over_a_stop_is_refused_with_the_path(
    serving: str, target: str, path: tuple[str, ...]
) -> None:
    entry = MAJORS.entry(target)
    assert entry is not None
    assert path_to(entry, MAJORS, serving=serving) == path
    found = refusals(wants(target), serving=serving)
    if len(path) == 1:
        assert found == ()
        return
    (finding,) = found
    assert (finding.code, finding.blocks, finding.responsible) == ("JumpRefused", "Stalled", "Provider")
    assert " -> ".join((serving, *path)) in finding.message
    assert finding.action == f"set spec.release.version to {path[0]} first"


def test_a_jump_without_a_way_says_what_the_catalogue_lacks() -> None:
    releases = catalogue(stable("v3.3.0"), stable("v3.4.0"), stable("v4.0.0"))
    (finding,) = refusals(wants("v4.0.0"), releases, serving="v3.3.0")
    assert finding.code == "JumpRefused"
    assert "has no way there" in finding.message
    assert "between v3.3.0 and v4.0.0, v3.4.1 or newer" in finding.action


def test_a_downgrade_is_refused_whatever_the_channel() -> None:
    for spec in (wants("v4.15.2"), wants(channel="stable")):
        releases = MAJORS if spec.release.version else catalogue(stable("v4.15.2"))
        (finding,) = refusals(spec, releases, serving="v4.15.3")
        assert (finding.code, finding.blocks) == ("DowngradeRefused", "Stalled")
        assert "v4.15.3" in finding.action


def test_an_unknown_release_names_those_there_are() -> None:
    (finding,) = refusals(wants("v9.9.9"), serving="v4.0.0")
    assert (finding.code, finding.blocks) == ("ReleaseUnknown", "Stalled")
    assert "spec.release.version v9.9.9" in finding.message
    assert "v4.15.2, v4.20.0, v5.0.0" in finding.message
    (finding,) = refusals(wants(channel="stable"), catalogue(CatalogueVersion(version="v4.0.0")))
    assert "spec.release.channel stable" in finding.message


def test_a_channel_goes_through_the_stops_one_by_one() -> None:
    serving, seen = "v2.71.0", []
    for _ in range(5):
        found = chosen(wants(channel="stable").release, MAJORS, serving=serving)
        assert found is not None
        assert refusals(wants(channel="stable"), serving=serving) == ()
        seen.append(serving := found.version)
    assert seen == ["v3.4.9", "v4.20.0", "v5.0.0", "v5.0.0", "v5.0.0"]


def test_the_release_that_serves_is_never_a_jump() -> None:
    releases = catalogue(stable("v4.15.2", upgradeFrom="v4.15.2"), stable("v4.16.0", upgradeFrom="v4.16.0"))
    assert refusals(wants("v4.15.2"), releases, serving="v4.15.2") == ()
    (finding,) = refusals(wants("v4.16.0"), releases, serving="v4.15.2")
    assert finding.code == "JumpRefused"


VERSIONS = st.from_regex(r"v[1-5]\.[0-3]\.[0-2]", fullmatch=True)


@settings(deadline=None)
@given(st.sets(VERSIONS, min_size=1, max_size=12), st.data())
def test_every_step_of_a_path_is_allowed_and_leads_forward(versions: set[str], data: st.DataObject) -> None:
    ordered = sorted(versions, key=version_key)
    sources = [data.draw(st.none() | st.sampled_from(ordered[: place + 1])) for place in range(len(ordered))]
    entries = [stable(version, upgradeFrom=of) for version, of in zip(ordered, sources, strict=True)]
    releases, target = catalogue(*entries), data.draw(st.sampled_from(entries))
    serving = data.draw(VERSIONS.filter(lambda v: version_key(v) < version_key(target.version)))
    path = path_to(target, releases, serving=serving)
    for before, after in pairwise((serving, *path)):
        assert version_key(before) < version_key(after)
        assert refusals(wants(after), releases, serving=before) == ()
    reached = _reachable(serving, releases)
    assert bool(path) == (target.version in reached), "a way is found exactly where there is one"


def _reachable(serving: str, releases: Catalogue) -> set[str]:
    """What can be reached by any number of allowed steps, step by step."""
    found, ahead = set[str](), [serving]
    while ahead:
        at = ahead.pop()
        for entry in releases.versions:
            newer = version_key(entry.version) > version_key(at) and entry.version not in found
            if newer and not refusals(wants(entry.version), releases, serving=at):
                found.add(entry.version)
                ahead.append(entry.version)
    return found


# New instances (V-1).

SUPPORTED = catalogue(
    stable("v4.14.0", supportedUntil="2026-05-31"),
    stable("v4.15.2", supportedUntil="2026-09-30"),
    CatalogueVersion(version="v4.16.0"),
)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("v4.16.0", "is of channel latest"),
        ("v4.14.0", "is not supported since 2026-06-01 00:00 Europe/Zurich"),
    ],
)
def test_a_new_instance_begins_with_a_supported_stable_release(version: str, says: str) -> None:
    (finding,) = refusals(wants(version), SUPPORTED, new=True)
    assert (finding.code, finding.blocks) == ("ReleaseNotForNew", "Creation")
    assert says in finding.message
    assert finding.action == "set spec.release.version to v4.15.2"
    assert refusals(wants(version), SUPPORTED) == (), "what was installed once goes on"


def test_a_new_instance_may_begin_where_it_is_allowed() -> None:
    assert refusals(wants("v4.15.2"), SUPPORTED, new=True) == ()
    end = datetime(2026, 5, 31, 22, 0, tzinfo=UTC)
    assert refusals(wants("v4.14.0"), SUPPORTED, new=True, now=end - SECOND) == ()
    assert len(refusals(wants("v4.14.0"), SUPPORTED, new=True, now=end)) == 1
    own = wants("v4.16.0", infrastructure={"class": "SelfHosted", "owner": "Customer"})
    assert refusals(own, SUPPORTED, new=True) == ()
    assert refusals(wants("v4.16.0", database=EXISTING, keys=OWN_KEY), SUPPORTED, new=True) == ()


def test_a_catalogue_without_a_release_for_new_instances_says_what_to_add() -> None:
    (finding,) = refusals(wants("v4.16.0"), catalogue(CatalogueVersion(version="v4.16.0")), new=True)
    assert "releases.versions" in finding.action


# Support.


def test_support_ends_after_its_last_day_in_the_contract_zone() -> None:
    end = datetime(2026, 9, 30, 22, 0, tzinfo=UTC)
    early = support("v4.15.2", SUPPORTED, kept_back="Provider", now=NOW, zone=ZONE)
    assert (early.condition.status, early.condition.reason) == ("True", "Supported")
    assert "until 2026-10-01 00:00 Europe/Zurich" in early.condition.message
    assert early.findings == ()
    assert early.wake_at == end - timedelta(days=30)

    ending = support("v4.15.2", SUPPORTED, kept_back="Customer", now=early.wake_at, zone=ZONE)
    assert ending.condition.status == "True"
    (told,) = ending.findings
    assert (told.code, told.responsible, told.deadline) == ("SupportEnds", "Customer", end)
    assert ending.wake_at == end
    assert support("v4.15.2", SUPPORTED, kept_back="Provider", now=end - SECOND, zone=ZONE).wake_at == end

    over = support("v4.15.2", SUPPORTED, kept_back="Customer", now=end, zone=ZONE)
    assert (over.condition.status, over.condition.reason) == ("False", "SupportEnded")
    (told,) = over.findings
    assert (told.code, told.responsible, told.blocks) == ("VersionUnsupported", "Customer", "")
    assert over.wake_at is None


def test_two_newer_majors_end_support_too() -> None:
    releases = catalogue(
        stable("v4.15.2", supportedUntil="2027-12-31", postgresql={"minimum": 14, "maximum": 18}),
        stable("v5.0.0", released="2026-07-01"),
        stable("v5.1.0", released="2026-08-01"),
        CatalogueVersion(version="v6.0.0", released=date(2026, 9, 1)),
        stable("v6.0.1", released="2026-10-01"),
    )
    end = datetime(2026, 9, 30, 22, 0, tzinfo=UTC)
    before = support("v4.15.2", releases, kept_back="Provider", now=NOW, zone=ZONE)
    assert before.wake_at == end - timedelta(days=30)
    assert "v4.15.2 on PostgreSQL 14 to 18 is supported until 2026-10-01" in before.condition.message
    last = support("v4.15.2", releases, kept_back="Provider", now=end - SECOND, zone=ZONE)
    assert last.condition.status == "True"
    over = support("v4.15.2", releases, kept_back="Customer", now=end, zone=ZONE)
    assert (over.condition.status, over.condition.reason) == ("False", "TwoMajorsBehind")
    assert "v5.0.0 and v6.0.1" in over.condition.message
    newer = support("v5.1.0", releases, kept_back="Customer", now=end, zone=ZONE)
    assert newer.condition.status == "Unknown", "one major behind, and without a date"


def test_what_is_not_known_is_not_claimed() -> None:
    missing = support("v4.13.0", SUPPORTED, kept_back="Provider", now=NOW, zone=ZONE)
    assert (missing.condition.status, missing.condition.reason) == ("Unknown", "NoDate")
    assert "no entry for v4.13.0" in missing.condition.message
    undated = support("v4.16.0", SUPPORTED, kept_back="Provider", now=NOW, zone=ZONE)
    assert "no supportedUntil for v4.16.0" in undated.condition.message
    nothing = support("", SUPPORTED, kept_back="Provider", now=NOW, zone=ZONE)
    assert nothing.condition.reason == "NotInstalled"
    assert PostgresRange(minimum=14, maximum=14).maximum == 14


@pytest.mark.parametrize(
    ("serving", "version", "downtime"),
    [
        ("v4.15.2", "v4.16.0", "90s"),
        ("v4.15.2", "v4.17.0", "5m"),
        ("v4.15.2", "v4.18.0", "5m"),
        ("v4.17.0", "v4.18.0", "0s"),
        ("v4.18.0", "v4.18.0", "0s"),
        ("v4.14.0", "v4.15.2", "1h"),
    ],
)
def test_an_upgrade_is_down_as_long_as_the_worst_release_on_its_way(
    serving: str, version: str, downtime: str
) -> None:
    assert expected_downtime(version, RISKY, serving=serving) == downtime
