"""The rate limit as conditions: configured, enforced, exact, told by the right address, with room to count?

What was not measured just now is `Unknown`, never `True`. `False` is said of what is certain even then: an
object that leads past the limiter, a header that anybody can write. Messages hold no figure that moves by
itself, so that a status at rest is not written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from dedicated.api.conditions import (
    CLIENT_ADDRESS_TRUSTED,
    RATE_LIMIT_CAPACITY,
    RATE_LIMIT_CONFIGURED,
    RATE_LIMIT_ENFORCED,
    RATE_LIMIT_EXACT,
    Condition,
    Status,
    condition_in,
)
from dedicated.api.json import Manifest, get_int, get_str
from dedicated.contract.dates import earliest, when
from dedicated.contract.limiter_report import Report, Thresholds
from dedicated.contract.limits_sight import STALE, Sight, fresh

JUDGED = (
    RATE_LIMIT_CONFIGURED,
    RATE_LIMIT_ENFORCED,
    RATE_LIMIT_EXACT,
    CLIENT_ADDRESS_TRUSTED,
    RATE_LIMIT_CAPACITY,
)
"""In the order of the status."""
GRACE = timedelta(minutes=5)
"""For how long a replica that says it has applied all may tell another policy than the one in force."""
LONGEST = timedelta(minutes=15)
"""How long a change may take: replica after replica, each proven through the minute of a ban."""
PROOF_FRESH = timedelta(hours=26)
"""A proof is made daily."""
FULL, ROOM_AGAIN = 80, 70
"""Per cent of the addresses that there is room for: from when on it is told, and until when."""
SHARED_PERCENT = 5
"""Per cent of requests that may come from addresses of the cluster: its own health checks, no more."""
REQUESTS_JUDGED = 50
"""Requests in a minute by which their addresses are judged."""
WIDEST = {4: 8, 6: 16}
"""Prefix length of the widest range that can be proxies: a wider one is everybody."""
SHOWN = 3

NO_EDGE = "nothing limits the way in, since it is not stated: set spec.edge"
EXTERNAL = "spec.rateLimit.enforcement is External: the customer enforces the limits, nothing here proves it"


@dataclass(frozen=True, slots=True)
class _Verdict:
    status: Status
    reason: str
    message: str

    def of(self, kind: str) -> Condition:
        return Condition(kind, self.status, self.reason, self.message)


def conditions(
    sight: Sight, before: Manifest, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """All five, in the order of `JUDGED`. `before` is the status as it stands."""
    if (nobody := _nobody(sight)) is not None:
        return tuple(
            Condition(kind, "False", "External", EXTERNAL)
            if kind == RATE_LIMIT_EXACT and sight.enforcement == "External"
            else nobody.of(kind)
            for kind in JUDGED
        )
    heard = fresh(sight.reports, now=now)
    silent = _silent(sight, heard)
    return (
        (_rejected(heard) or silent or _configured(sight, heard, now)).of(RATE_LIMIT_CONFIGURED),
        _enforced(sight, heard, silent, now).of(RATE_LIMIT_ENFORCED),
        (_apart(sight, heard) or silent or _exact(sight)).of(RATE_LIMIT_EXACT),
        (_forgeable(sight) or silent or _address(heard, before, generation)).of(CLIENT_ADDRESS_TRUSTED),
        (silent or _capacity(heard, before)).of(RATE_LIMIT_CAPACITY),
    )


def next_change(sight: Sight, *, now: datetime) -> datetime | None:
    """When one of them changes although nothing happens; None if none does."""
    return earliest(*(at for at in _changes(sight) if at > now))


def _changes(sight: Sight) -> Iterator[datetime]:
    just_after = timedelta(seconds=1)
    if _nobody(sight) is not None:
        return
    for report in sight.reports:
        yield report.measured_at + STALE + just_after
        if report.proof is not None:
            yield report.proof.at + PROOF_FRESH + just_after
    for report in sight.reports:
        if not _is_current(sight, report):
            yield _begun(sight, report) + GRACE
            yield _begun(sight, report) + LONGEST


def _nobody(sight: Sight) -> _Verdict | None:
    """Why there is no limiter to judge."""
    match sight.enforcement:
        case "NoEdge":
            return _Verdict("Unknown", "NoEdge", NO_EDGE)
        case "External":
            return _Verdict("Unknown", "External", EXTERNAL)
        case _ if not (sight.stands and sight.replicas):
            return _Verdict("Unknown", "NotInstalled", "the limiter does not stand yet")
    return None


def _silent(sight: Sight, heard: tuple[Report, ...]) -> _Verdict | None:
    """Which replicas tell nothing of now."""
    there = {report.replica for report in heard}
    missing = [number for number in range(sight.replicas) if number not in there]
    if not missing:
        return None
    last = {report.replica: report.measured_at for report in sight.reports}
    told = ", ".join(
        f"{number} since {when(last[number], sight.zone)}" if number in last else f"{number} never"
        for number in missing
    )
    text = f"replicas without a report of the last {STALE.seconds // 60} minutes: {told}"
    return _Verdict("Unknown", "NotReported", text)


def _rejected(heard: tuple[Report, ...]) -> _Verdict | None:
    found = [report for report in heard if report.phase == "Rejected"]
    if not found:
        return None
    cause = f": {found[0].message}" if found[0].message else ""
    text = f"{_named(found)} refused the configuration, and what was in force before goes on serving{cause}"
    return _Verdict("False", "ConfigRejected", f"{text}. Provider must act")


def _configured(sight: Sight, heard: tuple[Report, ...], now: datetime) -> _Verdict:
    behind = [report for report in heard if not _is_current(sight, report)]
    if not behind:
        return _Verdict("True", "Applied", f"what is wanted is in force in all {sight.replicas} replicas")
    late = [report for report in behind if now >= _begun(sight, report) + LONGEST]
    if not late:
        waiting = all(report.phase == "Waiting" for report in behind)
        text = f"{_named(behind)} still to apply what is wanted"
        return _Verdict("Unknown", "Waiting" if waiting else "Applying", text)
    text = f"{_named(late)} what is wanted since {when(sight.since, sight.zone)} is not in force"
    return _Verdict("False", "NotApplied", f"{text}. Provider must act")


def _begun(sight: Sight, report: Report) -> datetime:
    """Since when a replica has had what is wanted before it: a pod that is new begins anew."""
    return max(sight.since, report.started_at)


def _is_current(sight: Sight, report: Report) -> bool:
    return report.content == sight.contents[report.replica] and report.phase == "Applied"


def _enforced(sight: Sight, heard: tuple[Report, ...], silent: _Verdict | None, now: datetime) -> _Verdict:
    if (past := _past(sight)) is not None:
        return past
    disproven = [one for one in heard if one.proof and not one.proof.passed and _is_of_now(one)]
    if disproven:
        found = disproven[0].proof
        detail = f": {found.detail}" if found and found.detail else ""
        text = f"{_named(disproven)} not limited as the policy says{detail}. Provider must act"
        return _Verdict("False", "ProofFailed", text)
    other = [report for report in heard if _is_other(sight, report, now)]
    if other:
        return _Verdict("False", "HashMismatch", f"{_difference(sight, other)}. Provider must act")
    if sight.mode == "Shadow":
        text = "spec.rateLimit.mode is Shadow: requests are counted, and none is refused"
        return _Verdict("False", "Shadow", text)
    return silent or _unproven(sight, heard, now) or _proven(sight, heard)


def _past(sight: Sight) -> _Verdict | None:
    """What leads past the limiter."""
    objects = [str(way) for way in sight.ways.objects[:SHOWN]]
    if len(sight.ways.objects) > SHOWN:
        objects.append(f"{len(sight.ways.objects) - SHOWN} more")
    if sight.ways.direct == "Open" and sight.mode == "Enforce":
        objects.append("a pod of the server takes a connection that does not come from the limiter")
    if not objects:
        return None
    return _Verdict("False", "BypassFound", f"past the limiter lead: {', '.join(objects)}. Provider must act")


def _is_of_now(report: Report) -> bool:
    return report.proof is not None and report.proof.content == report.content


def _is_other(sight: Sight, report: Report, now: datetime) -> bool:
    """Whether a replica holds to another policy than the one in force, and no change explains it."""
    same = report.policy_hash == sight.policy_hash
    if same and (report.thresholds == sight.thresholds or report.phase in ("Waiting", "Applying")):
        return False
    begun = _begun(sight, report)
    if now >= begun + LONGEST:
        return True
    moving = report.phase in ("Waiting", "Applying")
    return not moving and (same or report.phase == "Rejected" or now >= begun + GRACE)


def _difference(sight: Sight, other: list[Report]) -> str:
    first = other[0]
    if first.policy_hash == sight.policy_hash:
        told, wanted = _words(first.thresholds), _words(sight.thresholds)
        return f"{_named(other)} the maps say {told}; the policy is {wanted}"
    return f"{_named(other)} holds to policy {first.policy_hash or 'unknown'} instead of {sight.policy_hash}"


def _unproven(sight: Sight, heard: tuple[Report, ...], now: datetime) -> _Verdict | None:
    """What is not proven, though nothing is known to be wrong."""
    late = [one for one in heard if not (_is_proven(one, now) or _is_being_proven(sight, one, now))]
    if late:
        hours = int(PROOF_FRESH.total_seconds()) // 3600
        text = f"{_named(late)} no proof of what runs there that is younger than {hours} hours"
        return _Verdict("Unknown", "NotProbed", text)
    if not sight.ways.looked:
        return _Verdict("Unknown", "NotProbed", "nobody has looked yet for ways past the limiter")
    if sight.ways.direct == "Unknown":
        text = "the connection past the limiter, which must fail, has told nothing yet"
        return _Verdict("Unknown", "NotProbed", text)
    return None


def _is_proven(report: Report, now: datetime) -> bool:
    return _is_of_now(report) and _is_young(report, now)


def _is_being_proven(sight: Sight, report: Report, now: datetime) -> bool:
    """Whether a replica that was proven is about to be proven for what is new."""
    moving = report.phase in ("Waiting", "Applying") and now < _begun(sight, report) + LONGEST
    return moving and _is_young(report, now) and report.proof is not None and report.proof.passed


def _is_young(report: Report, now: datetime) -> bool:
    return report.proof is not None and now - report.proof.at <= PROOF_FRESH


def _proven(sight: Sight, heard: tuple[Report, ...]) -> _Verdict:
    tried = (
        "no connection past it was tried (--trust-network)"
        if sight.ways.direct == "NotTried"
        else "a connection past it fails"
    )
    limits = f"{_words(sight.thresholds)}; in all {sight.replicas} replicas; {tried}"
    if any(one.policy_hash != sight.policy_hash or not _is_of_now(one) for one in heard):
        text = f"a change is being applied; each replica was proven before it; {tried}"
        return _Verdict("True", "Applying", text)
    last = max(report.proof.at for report in heard if report.proof)
    return _Verdict("True", "Proven", f"{limits}; last proof {when(last, sight.zone)}")


def _apart(sight: Sight, heard: tuple[Report, ...]) -> _Verdict | None:
    found = [report for report in heard if report.apart]
    if not found:
        return None
    text = (
        f"{_named(found)} the others' counts are not heard, so an address may be admitted "
        f"{sight.replicas} times its limit. Provider must act"
    )
    return _Verdict("False", "ReplicasApart", text)


def _exact(sight: Sight) -> _Verdict:
    shared = "counts are shared between" if sight.replicas > 1 else "counts are those of"
    text = f"windows slide, bans are the contract's, {shared} {sight.replicas} replicas"
    return _Verdict("True", "Exact", text)


def _forgeable(sight: Sight) -> _Verdict | None:
    """What the spec alone shows: a header that anybody may write, or that nobody is believed."""
    client = sight.client
    if client.source == "Connection":
        return None
    if not client.trusted:
        text = "spec.edge.clientAddress.trusted is empty: every client counts as the proxy before the limiter"
        return _Verdict("False", "NobodyTrusted", f"{text}. Provider must act")
    wide = [text for text in client.trusted if _is_everybody(text)]
    if not wide:
        return None
    text = f"{', '.join(wide[:SHOWN])} in spec.edge.clientAddress.trusted lets anybody choose an address"
    return _Verdict("False", "HeaderSpoofable", f"{text}. Provider must act")


def _is_everybody(text: str) -> bool:
    found = ip_network(text, strict=False)
    return found.prefixlen < WIDEST[found.version]


def _address(heard: tuple[Report, ...], before: Manifest, generation: int) -> _Verdict:
    """Whether clients are told apart. A minute with few requests tells nothing, and the last word stands."""
    counts = [report.requests.ui + report.requests.api for report in heard]
    total = sum(counts)
    if total < REQUESTS_JUDGED:
        known = condition_in(before, CLIENT_ADDRESS_TRUSTED)
        status, reason = get_str(known, "status"), get_str(known, "reason")
        if get_int(known, "observedGeneration") == generation and (status, reason) in _LASTING:
            return _Verdict(_LASTING[status, reason], reason, get_str(known, "message"))
        text = f"fewer than {REQUESTS_JUDGED} requests a minute so far: their addresses tell nothing"
        return _Verdict("Unknown", "NoTraffic", text)
    inside = sum(count * report.from_cluster for count, report in zip(counts, heard, strict=True))
    if inside * 100 > total * SHARED_PERCENT:
        text = (
            f"more than {SHARED_PERCENT} % of requests have an address of the cluster or of a proxy: "
            "their clients share one budget. Provider must act"
        )
        return _Verdict("False", "SharedAddress", text)
    text = f"at most {SHARED_PERCENT} % of requests have an address of the cluster or of a proxy"
    return _Verdict("True", "Trusted", text)


_LASTING: dict[tuple[str, str], Status] = {
    ("True", "Trusted"): "True",
    ("False", "SharedAddress"): "False",
}


def _capacity(heard: tuple[Report, ...], before: Manifest) -> _Verdict:
    known = [report for report in heard if report.room > 0]
    if len(known) < len(heard):
        return _Verdict("Unknown", "NotMeasured", "a replica does not tell how many addresses it can track")
    room = min(report.room for report in known)
    was = get_str(condition_in(before, RATE_LIMIT_CAPACITY), "status")
    bound = ROOM_AGAIN if was == "False" else FULL
    full = [one for one in known if max(one.tracked.ui, one.tracked.api) * 100 > one.room * bound]
    if not full:
        text = f"every replica tracks less than {FULL} % of the {room} addresses that it has room for"
        return _Verdict("True", "Room", text)
    text = (
        f"{_named(full)} more than {bound} % of the {room} addresses that there is room for; what does not "
        "fit is not limited. Provider must act"
    )
    return _Verdict("False", "NearlyFull", text)


def _named(reports: list[Report]) -> str:
    numbers = ", ".join(str(report.replica) for report in reports)
    return f"replica {numbers}:" if len(reports) == 1 else f"replicas {numbers}:"


def _words(found: Thresholds) -> str:
    return (
        f"ui {found.ui.limit} a minute, banned beyond {found.ui.ban} in three; "
        f"api {found.api.limit}, {found.api.ban}"
    )
