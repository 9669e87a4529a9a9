"""Releases (V-1, V-2): which may be installed, which may follow which, and until when one is supported.

A jump goes forward, and from no older release than the new one names; a downgrade has no way but a restore.
Where the catalogue names none, a major is entered from the major before it, v4 from v3.4.1 on: its sessions
must be signed by web keys first (advisory A-10017). What is refused is told with the path to take.

Support ends after the last day that the catalogue gives, counted in the contract zone, and also when two
newer majors are stable, whoever kept the instance back (V-2). Neither stops anything: both are told ahead.
Choices where the contract is silent: a channel goes through the stops that its newest release asks for, one
after the other; a database brought along (`Existing`) and class SelfHosted may begin with any release.
Limit: the release that a database brought along was written by is not known, so its first jump is not judged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.catalogue import (
    Catalogue,
    CatalogueVersion,
    ResolvedRelease,
    newest,
    resolve,
    version_key,
)
from dedicated.api.conditions import VERSION_SUPPORTED, Condition
from dedicated.api.duration import parse_duration
from dedicated.api.findings import Finding
from dedicated.api.instance import InstanceSpec, Party, Release
from dedicated.contract.dates import start_of_day, wall

OLDEST = {4: "v3.4.1"}
"""From where a major may be entered, where it is not any release of the major before."""
LEAD = timedelta(days=30)
"""How long before its support ends a release is told as ending: one regular maintenance lies in between."""
MAJORS = 2
"""Newer stable majors that end the support of a release (V-2)."""


@dataclass(frozen=True, slots=True)
class Support:
    """What is said of the release that serves; `wake_at` is when that changes by itself."""

    condition: Condition
    findings: tuple[Finding, ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _End:
    """An end of support, and why."""

    at: datetime
    reason: str
    why: str


def chosen(release: Release, catalogue: Catalogue, *, serving: str) -> ResolvedRelease | None:
    """The release to run next, or None where the catalogue does not have it.

    A pin is taken by its word. A channel means the newest release that may follow the one that serves now;
    where none may, the newest of all, to be refused with the path.
    """
    if release.channel is None or not serving:
        return resolve(release, catalogue)
    entries = catalogue.channel(release.channel)
    following = [entry for entry in entries if may_follow(entry, serving)]
    entry = newest(following or entries)
    return catalogue.images_of(entry) if entry else None


def path_to(target: CatalogueVersion, catalogue: Catalogue, *, serving: str) -> tuple[str, ...]:
    """The releases to go through, `target` last; empty where the catalogue has no way there."""
    stops = [target]
    while version_key(serving) < version_key(oldest_source(stops[0])):
        needed, before = version_key(oldest_source(stops[0])), version_key(stops[0].version)
        between = [
            entry
            for entry in catalogue.versions
            if needed <= version_key(entry.version) < before
            and version_key(serving) < version_key(entry.version)
        ]
        if not between:
            return ()
        # The one that can be reached from farthest back; of these the newest.
        back = min(version_key(oldest_source(entry)) for entry in between)
        stop = newest(entry for entry in between if version_key(oldest_source(entry)) == back)
        stops.insert(0, stop or between[0])
    return tuple(entry.version for entry in stops)


def oldest_source(entry: CatalogueVersion) -> str:
    """The oldest release from which a release may be reached without a stop."""
    major = version_key(entry.version)[0]
    return entry.upgrade_from or OLDEST.get(major, f"v{max(0, major - 1)}.0.0")


def check(
    spec: InstanceSpec, catalogue: Catalogue, *, serving: str, new: bool, now: datetime, zone: str
) -> tuple[Finding, ...]:
    """What forbids the release wanted. `serving` is the newest release that the database was set up for,
    empty before the first; `new` says that nothing was installed yet.
    """
    release = chosen(spec.release, catalogue, serving=serving)
    if release is None:
        return (_unknown(spec.release, catalogue),)
    entry = catalogue.entry(release.version)
    assert entry is not None
    if serving:
        if version_key(entry.version) < version_key(serving):
            return (_downgrade(entry.version, serving),)
        return () if may_follow(entry, serving) else (_jump(entry, catalogue, serving=serving),)
    fresh = new and not spec.brings_data and spec.infrastructure.class_ != "SelfHosted"
    if fresh and (reason := _not_for_new(entry, now=now, zone=zone)):
        return (_new(entry.version, reason, catalogue, now=now, zone=zone),)
    return ()


def support(serving: str, catalogue: Catalogue, *, kept_back: Party, now: datetime, zone: str) -> Support:
    """Until when the release that serves is supported (V-1, V-2); `kept_back` must act where it is not."""
    if not serving:
        return _unknown_support("NotInstalled", "no release serves yet")
    entry = catalogue.entry(serving)
    ends = [*_two_majors(serving, catalogue, zone=zone)]
    end = end_of_support(entry, zone) if entry else None
    if end is not None:
        ends.append(_End(end, "SupportEnded", "its last day of support (V-1)"))
    first = min(ends, key=lambda found: found.at, default=None)
    if first is not None and now >= first.at:
        text = f"support of {serving} ended {wall(first.at, zone)}: {first.why}"
        return _ended(first.reason, text, kept_back)
    if first is None or end is None:
        said = "no supportedUntil for" if entry else "no entry for"
        text = f"the release catalogue has {said} {serving}. Provider: add it to releases.versions"
        return _unknown_support("NoDate", text, wake_at=first.at if first else None)
    text = f"{serving}{_on_postgres(entry)} is supported until {wall(first.at, zone)}: {first.why}"
    condition = Condition(VERSION_SUPPORTED, "True", "Supported", text)
    if now < first.at - LEAD:
        return Support(condition, wake_at=first.at - LEAD)
    action = "permit and run an upgrade to a newer release before"
    ending = Finding(
        code="SupportEnds", responsible=kept_back, message=text, action=action, deadline=first.at
    )
    return Support(condition, (ending,), wake_at=first.at)


def expected_downtime(version: str, catalogue: Catalogue, *, serving: str) -> str:
    """The interruption to be expected of an upgrade (M-12), as the catalogue writes it: the longest of the
    releases on the way, since one setup does the work of all of them."""
    passed = (
        entry.downtime
        for entry in catalogue.versions
        if version_key(serving) < version_key(entry.version) <= version_key(version)
    )
    return max(passed, key=parse_duration, default="0s")


def end_of_support(entry: CatalogueVersion, zone: str) -> datetime | None:
    """The instant at which a release is no longer supported; None where that is not known."""
    last = entry.supported_until
    return start_of_day(last + timedelta(days=1), zone) if last else None


def may_follow(entry: CatalogueVersion, serving: str) -> bool:
    """Whether a release may run right after another; the same one may, whatever it was reached from."""
    version = version_key(entry.version)
    reachable = version_key(serving) >= version_key(oldest_source(entry))
    return version == version_key(serving) or (version > version_key(serving) and reachable)


def _not_for_new(entry: CatalogueVersion, *, now: datetime, zone: str) -> str:
    """Why a new instance may not begin with a release; empty where it may."""
    if entry.channel != "stable":
        return f"is of channel {entry.channel}"
    end = end_of_support(entry, zone)
    return f"is not supported since {wall(end, zone)}" if end is not None and now >= end else ""


def _two_majors(serving: str, catalogue: Catalogue, *, zone: str) -> Iterator[_End]:
    """When the second newer major becomes stable, where the catalogue says so."""
    first: dict[int, tuple[datetime, str]] = {}
    for entry in catalogue.versions:
        major = version_key(entry.version)[0]
        if entry.channel == "stable" and entry.released and major > version_key(serving)[0]:
            begun = (start_of_day(entry.released, zone), entry.version)
            first[major] = min(first.get(major, begun), begun)
    begun_majors = sorted(first.values())[:MAJORS]
    if len(begun_majors) == MAJORS:
        names = " and ".join(version for _, version in begun_majors)
        yield _End(begun_majors[-1][0], "TwoMajorsBehind", f"{names} are two newer majors (V-2)")


def _unknown(wanted: Release, catalogue: Catalogue) -> Finding:
    known = ", ".join(entry.version for entry in catalogue.versions)
    field, value = ("version", wanted.version) if wanted.version else ("channel", wanted.channel)
    return _refusal(
        "ReleaseUnknown",
        f"spec.release.{field} {value} is not in the release catalogue (versions: {known})",
        "choose one of these, or have it added to chart value releases.versions",
    )


def _downgrade(version: str, serving: str) -> Finding:
    return _refusal(
        "DowngradeRefused",
        f"{version} is older than {serving}, which the database is set up for; "
        "ZITADEL has no way back, so nothing is changed",
        f"set spec.release to {serving} or newer; the way back is a restore of a backup",
    )


def _jump(entry: CatalogueVersion, catalogue: Catalogue, *, serving: str) -> Finding:
    path = path_to(entry, catalogue, serving=serving)
    needed = oldest_source(entry)
    text = f"{entry.version} can be reached from {needed} or newer, and {serving} serves, which goes on"
    if not path:
        way = f"add a release between {serving} and {entry.version}, {needed} or newer, to releases.versions"
        return _refusal("JumpRefused", f"{text}; the release catalogue has no way there", way)
    action = f"set spec.release.version to {path[0]} first"
    return _refusal("JumpRefused", f"{text}; the path is {' -> '.join((serving, *path))}", action)


def _new(version: str, reason: str, catalogue: Catalogue, *, now: datetime, zone: str) -> Finding:
    usable = newest(entry for entry in catalogue.versions if not _not_for_new(entry, now=now, zone=zone))
    action = (
        f"set spec.release.version to {usable.version}"
        if usable
        else "add a supported stable release to chart value releases.versions"
    )
    return Finding(
        code="ReleaseNotForNew",
        responsible="Provider",
        message=f"{version} {reason}; a new instance begins with a supported stable release (V-1)",
        action=action,
        blocks="Creation",
    )


def _refusal(code: str, message: str, action: str) -> Finding:
    return Finding(code=code, responsible="Provider", message=message, action=action, blocks="Stalled")


def _ended(reason: str, text: str, kept_back: Party) -> Support:
    action = "permit and run an upgrade to a supported release"
    return Support(
        Condition(VERSION_SUPPORTED, "False", reason, f"{text}. {kept_back}: {action}"),
        (Finding(code="VersionUnsupported", responsible=kept_back, message=text, action=action),),
    )


def _unknown_support(reason: str, text: str, *, wake_at: datetime | None = None) -> Support:
    return Support(Condition(VERSION_SUPPORTED, "Unknown", reason, text), wake_at=wake_at)


def _on_postgres(entry: CatalogueVersion | None) -> str:
    found = entry.postgresql if entry else None
    return f" on PostgreSQL {found.minimum} to {found.maximum}" if found else ""
