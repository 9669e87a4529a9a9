"""The contract's clocks in a plan: terms from the spec, dates in the status, and rest until one comes."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW, body
from contract.clock_facts import act, asked_months, at, notified, ran, refused_months, said, service, slot
from dedicated.api.conditions import TEST_CLOCK, parse_time
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.resource import InvalidInstance, parse_instance
from dedicated.api.status import InstanceStatus
from dedicated.contract.dates import Month
from dedicated.contract.facts import Agreed, Fact
from dedicated.parts.config import merge
from dedicated.reconcile.actions import Plan
from dedicated.reconcile.observed import ServiceReading
from dedicated.reconcile.plan import plan
from reconcile.simulation import Cluster

SECOND_SUNDAY: Manifest = {"recurrence": "FREQ=MONTHLY;BYDAY=2SU", "start": "02:00", "duration": "4h"}
CLOCKS = {"RegularMaintenancePermitted", "EmergencyMaintenancePermitted", "MaintenanceWithinQuarter",
          "EscalationDue", "TerminationPermitted", "ServiceLevelInForce"}  # fmt: skip


def times(*windows: JsonValue, **others: JsonValue) -> Manifest:
    """Part of a spec: windows of the customer's own."""
    return {"plan": "Advanced", "maintenance": {"windows": list(windows), **others}}


STARTED = service("2025-12-20 10:00")
DOWN = ServiceReading(ok=False, detail="nobody answers")


def standing(
    *facts: Fact, now: datetime = NOW, spec: Manifest | None = None, ready: bool = True
) -> Cluster:
    """An instance that is at rest, with what is recorded of it; the first Ready starts the service."""
    cluster = deepcopy(at_rest(json.dumps(spec or {})))
    cluster.facts = {fact.name: fact for fact in facts}
    cluster.service = cluster.service if ready else DOWN
    cluster.server.now = now
    cluster.settle()
    return cluster


@cache
def at_rest(spec: str) -> Cluster:
    """An instance of this spec as nothing is recorded of it yet."""
    cluster = Cluster({**body(), "spec": merge(get_map(body(), "spec"), json.loads(spec))})
    cluster.stand()
    cluster.facts.clear()
    return cluster


def record(cluster: Cluster, fact: Fact) -> None:
    """Somebody records a fact."""
    cluster.facts[fact.name] = fact


def maintenance(cluster: Cluster) -> Manifest:
    return get_map(cluster.body, "status", "maintenance")


def findings(cluster: Cluster, code: str) -> list[Manifest]:
    found = [as_manifest(item) for item in get_list(cluster.body, "status", "findings")]
    return [item for item in found if item["code"] == code]


def message(cluster: Cluster, kind: str) -> str:
    (found,) = [
        item for item in get_list(cluster.body, "status", "conditions") if get_str(item, "type") == kind
    ]
    return get_str(found, "message")


def test_before_the_service_the_clocks_are_unknown_and_the_slots_are_told() -> None:
    cluster = standing(spec=times(SECOND_SUNDAY), ready=False)
    assert cluster.condition("RegularMaintenancePermitted") == ("Unknown", "ServiceNotStarted")
    assert cluster.condition("MaintenanceWithinQuarter") == ("Unknown", "ServiceNotStarted")
    assert cluster.condition("EmergencyMaintenancePermitted") == ("True", "NoEmergency")
    found = maintenance(cluster)
    assert get_list(found, "nextSlots")[:2] == [
        {
            "start": "2026-03-08T01:00:00Z",
            "end": "2026-03-08T05:00:00Z",
            "local": "Sun 2026-03-08 02:00 to 06:00 Europe/Zurich",
        },
        {
            "start": "2026-04-12T00:00:00Z",
            "end": "2026-04-12T04:00:00Z",
            "local": "Sun 2026-04-12 02:00 to 06:00 Europe/Zurich",
        },
    ]
    assert (found["permission"], found["months"], found["nextDates"]) == ("Window", [], [])
    assert cluster.findings() == []


def test_without_windows_the_providers_own_is_spread_by_identity() -> None:
    slots = get_list(maintenance(standing()), "nextSlots")
    other = Cluster(body("other"))
    other.step()
    assert get_list(maintenance(other), "nextSlots") != slots
    assert maintenance(standing())["permission"] == "Plan"


def test_on_the_flexible_plan_without_windows_each_needs_a_record() -> None:
    found = maintenance(standing(spec={"plan": "Advanced"}))
    assert (found["permission"], found["nextSlots"]) == ("Record", [])
    asked = maintenance(standing(spec=times(SECOND_SUNDAY, approval="Required")))
    assert asked["permission"] == "Record"


REFUSED = (STARTED, *refused_months("2026-01", "2026-02", "2026-03"))


def test_three_refused_months_are_told_with_every_date_and_who_must_act() -> None:
    cluster = standing(*REFUSED, now=at("2026-03-15 12:00"), spec=times(approval="Required"))
    status, _ = cluster.condition("RegularMaintenancePermitted")
    assert status == "False"
    assert "2026-03-31T22:00:00Z (2026-04-01 00:00 Europe/Zurich)" in message(
        cluster, "RegularMaintenancePermitted"
    )
    dates = {get_str(item, "clause"): item for item in get_list(maintenance(cluster), "nextDates")}
    assert get_str(dates["M-7"], "at") == "2026-03-31T22:00:00Z"
    assert get_str(dates["M-7"], "local") == "Wed 2026-04-01 00:00 Europe/Zurich"
    assert get_str(dates["M-7"], "responsible") == "Customer"
    (finding,) = findings(cluster, "MaintenanceNotPermitted")
    assert finding["deadline"] == "2026-03-31T22:00:00Z"

    cluster.server.now = at("2026-04-01 00:00")
    cluster.settle()
    assert cluster.condition("EscalationDue") == ("True", "FailedToPermit")
    assert "EscalationDue" in cluster.told
    assert get_list(maintenance(cluster), "issues") == [
        {
            "name": "regular-2026-01",
            "kind": "Regular",
            "state": "EscalationDue",
            "failed": "2026-03-31T22:00:00Z",
        }
    ]
    assert get_list(maintenance(cluster), "voids") == [{"start": "2026-03-31T22:00:00Z"}]
    record(cluster, act("regular-2026-01", "2026-04-02 09:00", "Escalated"))
    cluster.server.now = at("2026-04-02 09:00")
    assert cluster.settle().wake_at == at("2026-04-08 00:00")
    cluster.server.now = at("2026-04-08 00:00")
    cluster.settle()
    assert cluster.condition("TerminationPermitted") == ("True", "NotResolved")
    assert cluster.condition("Ready") == ("True", "Ready")


def test_an_emergency_is_told_with_its_deadline() -> None:
    cve = notified("cve", "2026-06-01 09:00", "Security")
    cluster = standing(service("2026-05-02 10:00"), cve, now=at("2026-06-01 10:00"), spec=times())
    assert get_list(maintenance(cluster), "emergencies") == [
        {
            "request": "cve",
            "state": "Pending",
            "notified": "2026-06-01T07:00:00Z",
            "deadline": "2026-06-06T22:00:00Z",
        }
    ]
    assert cluster.condition("EmergencyMaintenancePermitted") == ("False", "PermissionNeeded")
    cluster.server.now = at("2026-06-07 00:00")
    cluster.settle()
    assert get_list(maintenance(cluster), "emergencies") == []
    (issue,) = get_list(maintenance(cluster), "issues")
    assert get_str(issue, "failed") == "2026-06-06T22:00:00Z"


def test_where_the_customer_runs_the_operator_there_are_no_clocks_and_no_floor() -> None:
    own: Manifest = {"infrastructure": {"class": "SelfHosted", "owner": "Customer"}}
    yearly: Manifest = {**SECOND_SUNDAY, "recurrence": "FREQ=MONTHLY;BYMONTH=6;BYDAY=2SU"}
    agreement: list[JsonValue] = [{"clause": "M-3", "record": "r"}]
    cluster = standing(*REFUSED, now=at("2026-04-02 00:00"), spec={**own, **times(yearly),
                                                                  "agreements": agreement})  # fmt: skip
    assert {cluster.condition(kind)[1] for kind in CLOCKS} == {"NotApplicable", "NoObjective"}
    assert [get_map(cluster.body, "status", "maintenance")[name] for name in ("months", "issues")] == [[], []]
    assert findings(cluster, "NoSlotBeforeDueDate") == []
    assert len(get_list(maintenance(cluster), "nextSlots")) == 1


# --- what does not hold is told, and what holds instead ------------------------------------------

QUARTERLY: Manifest = {**SECOND_SUNDAY, "recurrence": "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=-1"}
"""From 30 April to 31 July it is a day more than three months."""


def agreed(clause: str, *, until: str = "2027-01-01 00:00") -> Agreed:
    start = at("2026-01-01 00:00")
    return Agreed("signed", start, "provider", clause, "v", "letter", start, at(until))


def test_a_calendar_that_cannot_keep_the_floor_is_a_finding_with_the_first_failing_date() -> None:
    cluster = standing(service("2026-01-12 10:00"), spec=times(QUARTERLY))
    (finding,) = findings(cluster, "NoSlotBeforeDueDate")
    assert finding["responsible"] == "Customer"
    assert finding["deadline"] == "2026-07-30T22:00:00Z"
    assert "due before 2026-07-31 00:00 Europe/Zurich" in get_str(finding, "message")
    assert "the next slot: 2026-07-31 02:00" in get_str(finding, "message")
    assert cluster.condition("Ready")[0] == "True"
    record(cluster, agreed("M-3"))
    cluster.edit_spec(agreements=[{"clause": "M-3", "record": "signed"}])
    cluster.settle()
    assert findings(cluster, "NoSlotBeforeDueDate") == []


def test_before_the_service_the_floor_is_judged_as_if_it_began_today() -> None:
    cluster = standing(now=at("2026-01-12 10:00"), spec=times(QUARTERLY), ready=False)
    (finding,) = findings(cluster, "NoSlotBeforeDueDate")
    assert finding["deadline"] == "2026-07-30T22:00:00Z"


def test_freezes_can_take_the_slots_of_the_providers_own_window_too() -> None:
    frozen: list[JsonValue] = [
        {"from": f"2026-0{month}-01T00:00:00Z", "until": f"2026-0{month}-28T00:00:00Z", "reason": "audit"}
        for month in range(3, 8)
    ]
    cluster = standing(service("2026-02-20 10:00"), spec={"maintenance": {"freezes": frozen}})
    (finding,) = findings(cluster, "NoSlotBeforeDueDate")
    assert finding["deadline"] == "2026-05-20T22:00:00Z"
    assert "frozen until 2026-05-28 02:00 Europe/Zurich (audit)" in get_str(finding, "message")


def test_windows_on_the_plan_without_them_hold_only_while_the_agreement_does() -> None:
    spec: Manifest = {**times(SECOND_SUNDAY, approval="Required"), "plan": "Standard",
                      "agreements": [{"clause": "M-4", "record": "signed"}]}  # fmt: skip
    cluster = standing(STARTED, spec=spec)
    assert {"WindowsNotInPlan", "ApprovalNotInPlan"} <= set(cluster.findings())
    assert maintenance(cluster)["permission"] == "Plan"
    record(cluster, agreed("M-4", until="2026-03-20 00:00"))
    first = cluster.settle()
    assert not {"WindowsNotInPlan", "ApprovalNotInPlan"} & set(cluster.findings())
    assert maintenance(cluster)["permission"] == "Record"
    assert first.wake_at == at("2026-03-08 06:00")
    cluster.server.now = at("2026-03-08 06:00")
    assert cluster.settle().wake_at == at("2026-03-20 00:00")
    cluster.server.now = at("2026-03-20 00:00")
    cluster.settle()
    assert "WindowsNotInPlan" in cluster.findings()


def test_a_zone_that_nobody_knows_is_a_finding_and_the_contracts_is_in_force() -> None:
    cluster = standing(spec=times(SECOND_SUNDAY, timeZone="Europe/Zuerich"))
    (finding,) = findings(cluster, "TimeZoneUnknown")
    assert "Europe/Zuerich" in get_str(finding, "message")
    assert maintenance(cluster)["timeZone"] == "Europe/Zurich"
    assert cluster.condition("Stalled")[0] == "False"


def test_a_clock_moved_by_a_test_stands_in_every_status() -> None:
    cluster = standing()
    moved = replace(cluster.observed(), test_clock="at A it became B")
    for instance in (cluster.instance(), replace_spec(cluster)):
        decided = plan(instance, moved, catalogue=cluster.catalogue, now=NOW, settled={})
        conditions = get_list(decided.status, "conditions")
        (found,) = [item for item in conditions if get_str(item, "type") == TEST_CLOCK]
        assert get_str(found, "status") == "True"
        assert "at A it became B" in get_str(found, "message")
    assert TEST_CLOCK not in {
        get_str(item, "type") for item in get_list(cluster.body, "status", "conditions")
    }


def replace_spec(cluster: Cluster) -> InvalidInstance:
    found = parse_instance({**cluster.body, "spec": {"plan": "None"}})
    assert isinstance(found, InvalidInstance)
    return found


# --- rest ----------------------------------------------------------------------------------------

MONTHS = tuple(Month(2026, number) for number in range(1, 13))
START = at("2026-01-05 10:00")


@st.composite
def histories(draw: st.DrawFn) -> tuple[Fact, ...]:
    """A year of facts: months asked, answered, run; emergencies; acts."""
    facts: list[Fact] = [service("2026-01-05 10:00")]
    for month in MONTHS:
        name = f"regular-{month}"
        if draw(st.booleans()):
            facts += asked_months(str(month))
            word = draw(st.sampled_from(["", "Refused", "Permitted", "Done"]))
            if word == "Refused":
                facts.append(said(name, f"{month}-07 09:00", "Refused"))
            elif word:
                window = slot(f"{month}-12 02:00", f"{month}-12 06:00")
                facts.append(said(name, f"{month}-07 09:00", "Permitted", window))
            if word == "Done":
                facts.append(ran(name, f"{month}-12 03:00"))
    for day in draw(st.sets(st.integers(1, 28), max_size=2)):
        facts.append(notified(f"cve-{day}", f"2026-05-{day:02} 09:00", "Security"))
        facts.append(act(f"cve-{day}", f"2026-06-{day:02} 09:00", "Escalated"))
    return tuple(facts)


SPECS = st.sampled_from(
    [
        {},
        {"plan": "Advanced"},
        times(SECOND_SUNDAY),
        times(QUARTERLY),
        times(SECOND_SUNDAY, approval="Required"),
    ]
)
MOMENTS = st.integers(0, 365 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))


def decided(cluster: Cluster, now: datetime) -> Plan:
    cluster.server.now = now
    return cluster.plan()


@settings(max_examples=40, deadline=None)
@given(histories(), SPECS, MOMENTS, st.floats(0, 1))
def test_nothing_moves_before_the_date_that_the_pass_asks_for(
    facts: tuple[Fact, ...], spec: Manifest, now: datetime, share: float
) -> None:
    """No value of the status moves with the time that passes, so a fleet at rest writes nothing."""
    known = tuple(fact for fact in facts if fact.at <= now)
    cluster = standing(*known, now=now, spec=spec)
    first = decided(cluster, now)
    assert first.actions == ()
    until = first.wake_at or now + timedelta(days=400)
    assert until > now
    later = decided(cluster, min(now + share * (until - now), until - timedelta(microseconds=1)))
    assert later.status == first.status
    assert later.wake_at == first.wake_at


@settings(max_examples=40, deadline=None)
@given(histories(), SPECS, MOMENTS)
def test_clocks_never_change_what_is_said_of_the_instance_itself(
    facts: tuple[Fact, ...], spec: Manifest, now: datetime
) -> None:
    def others(found: Sequence[Fact]) -> list[tuple[str, str, str]]:
        cluster = standing(*found, now=now, spec=spec)
        assert cluster.plan().actions == ()
        return [
            (get_str(item, "type"), get_str(item, "status"), get_str(item, "reason"))
            for item in get_list(cluster.body, "status", "conditions")
            if get_str(item, "type") not in CLOCKS
        ]

    assert others(facts) == others((STARTED,))


def test_a_long_history_leaves_a_bounded_status() -> None:
    months = [Month(2020, 1).plus(n) for n in range(72)]
    facts = [notified(f"cve-{month}", f"{month}-03 09:00", "Security") for month in months]
    cluster = standing(service("2020-01-05 10:00"), *facts, now=at("2026-01-20 00:00"), spec=times())
    InstanceStatus.model_validate(cluster.body["status"])
    assert len(get_list(maintenance(cluster), "months")) == 24
    assert get_str(get_list(maintenance(cluster), "months")[0], "month") == "2026-01"
    assert len(get_list(maintenance(cluster), "issues")) == 10


@pytest.mark.parametrize("now", [NOW, datetime(2026, 10, 24, 23, 59, 59, 999999, tzinfo=UTC)])
def test_every_time_of_the_status_is_one(now: datetime) -> None:
    cluster = standing(*REFUSED, now=now, spec=times(SECOND_SUNDAY))
    for item in get_list(maintenance(cluster), "nextDates"):
        date = parse_time(get_str(item, "at"))
        assert date is not None
        assert date > now
