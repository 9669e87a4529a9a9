"""Notice and list of a month's request in passes: downtime from the catalogue to the run (M-12), and changes
that turn up after the announcement (M-5), never in a second request of the month (M-2)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dedicated.api.catalogue import CatalogueVersion
from dedicated.api.json import JsonValue, get_list, get_map, get_str
from dedicated.contract.facts import Notified
from dedicated.reconcile.actions import Ask
from dedicated.reconcile.requests import CHECKS
from reconcile.maintaining import (
    MARCH,
    NEWER,
    REQUEST,
    RISKY,
    SERVER,
    SLOT,
    START,
    announced,
    at,
    facts,
    finish,
    phase,
    policy,
    standing,
    version,
)
from reconcile.simulation import Cluster

SUNDAYS: list[JsonValue] = [
    {"recurrence": f"FREQ=MONTHLY;BYDAY={number}SU", "start": "02:00", "duration": "4h"} for number in (1, 3)
]
TWO_WINDOWS, FIRST_SUNDAY = policy(windows=SUNDAYS), policy(windows=SUNDAYS[:1])
FIRST, THIRD = datetime(2026, 3, 1, 1, 0, tzinfo=UTC), datetime(2026, 3, 15, 1, 0, tzinfo=UTC)
"""Sundays of March, 02:00 in Zurich: an hour or two weeks after the request."""
APRIL = datetime(2026, 3, 31, 22, 0, tzinfo=UTC)
TWO_NEWER = RISKY.model_copy(
    update={"versions": [*RISKY.versions, CatalogueVersion(version="v4.18.0", channel="stable")]}
)


def pending(cluster: Cluster) -> dict[str, str]:
    """The item of `status.pendingActions`."""
    (item,) = get_list(cluster.body, "status", "pendingActions")
    return {key: str(value) for key, value in get_map(item).items()}


def notice(cluster: Cluster, name: str = REQUEST) -> Notified:
    (found,) = [
        fact for fact in cluster.facts.values() if isinstance(fact, Notified) and fact.request == name
    ]
    return found


# Notice of downtime.


def test_downtime_goes_from_the_catalogue_through_the_request_to_its_slot() -> None:
    cluster = standing(maintenance=TWO_WINDOWS)
    cluster.catalogue = RISKY
    at(cluster, START + timedelta(days=1))
    assert pending(cluster)["notBefore"] == "2026-03-15T01:00:00Z", "after the notice of the 1st"
    at(cluster, MARCH)
    assert get_str(cluster.asked[REQUEST], "spec", "downtime") == "5m"
    assert notice(cluster).downtime == timedelta(minutes=5)
    assert pending(cluster)["notBefore"] == "2026-03-15T01:00:00Z"
    at(cluster, FIRST)
    assert phase(cluster) == "Scheduled"
    assert version(cluster, SERVER) == "v4.15.2"
    at(cluster, THIRD)
    finish(cluster)
    assert phase(cluster) == "Completed"
    assert version(cluster, SERVER) == "v4.17.0"


def test_without_downtime_the_first_window_is_taken() -> None:
    cluster = standing(maintenance=TWO_WINDOWS)
    cluster.catalogue = NEWER
    at(cluster, START + timedelta(days=1))
    assert pending(cluster)["notBefore"] == "2026-03-01T01:00:00Z"
    at(cluster, MARCH)
    assert get_str(cluster.asked[REQUEST], "spec", "downtime") == "0s"
    at(cluster, FIRST)
    assert phase(cluster) == "Running"


def test_a_month_that_brings_no_release_expects_no_downtime() -> None:
    cluster = standing()
    at(cluster, MARCH)
    cluster.catalogue = RISKY
    assert notice(cluster).downtime == timedelta(0)
    assert get_str(cluster.asked[REQUEST], "spec", "downtime") == "0s"


def test_a_window_before_the_notice_is_over_is_told_where_the_month_has_no_other() -> None:
    cluster = announced(standing(maintenance=FIRST_SUNDAY), RISKY)
    assert phase(cluster) == "Scheduled"
    assert "NoticeTooShort" in cluster.findings()
    at(cluster, FIRST)
    assert phase(cluster) == "Running", "a late notice does not forbid the run"
    in_time = announced(catalogue=RISKY)
    assert "NoticeTooShort" not in in_time.findings()


def test_a_year_without_its_holidays_is_a_finding_of_the_instance() -> None:
    cluster = standing()
    at(cluster, datetime(2040, 9, 1, 12, 0, tzinfo=UTC))
    assert "HolidaysUnknown" not in cluster.findings()
    at(cluster, datetime(2040, 10, 5, 12, 0, tzinfo=UTC))
    assert "HolidaysUnknown" in cluster.findings()


# What turns up after the announcement.


def test_the_notice_says_what_the_request_does_whatever_turned_up_between_the_two() -> None:
    cluster = standing()
    cluster.server.now = MARCH
    asks = [action for action in cluster.plan().actions if isinstance(action, Ask)]
    cluster.carry_out(tuple(asks))  # and the operator ends before the notice
    cluster.catalogue = RISKY
    cluster.settle()
    assert list(notice(cluster).changes) == get_list(cluster.asked[REQUEST], "spec", "changes") == [CHECKS]
    assert notice(cluster).downtime == timedelta(0)
    at(cluster, SLOT)
    assert version(cluster, SERVER) == "v4.15.2"


@pytest.mark.parametrize("ends", [False, True])
def test_a_newer_release_after_the_announcement_waits_and_the_announced_one_runs(*, ends: bool) -> None:
    cluster = announced(catalogue=RISKY)
    cluster.catalogue = TWO_NEWER
    at(cluster, MARCH + timedelta(days=1))
    assert pending(cluster)["what"] == "ZITADEL v4.15.2 -> v4.18.0"
    assert pending(cluster)["notBefore"] == "2026-04-12T00:00:00Z", "the slot of April"
    if ends:
        cluster.after_restart()
    at(cluster, SLOT)
    finish(cluster)
    assert phase(cluster) == "Completed"
    assert version(cluster, SERVER) == "v4.17.0", "nothing that was not announced (M-5)"
    assert pending(cluster)["what"] == "ZITADEL v4.17.0 -> v4.18.0"
    at(cluster, APRIL)
    assert sorted(cluster.asked) == [REQUEST, "regular-2026-04"], "one request a month (M-2)"
    assert notice(cluster, "regular-2026-04").changes[0] == "ZITADEL v4.18.0"
    assert notice(cluster, "regular-2026-04").downtime == timedelta(0), "its own, and of nothing before it"


def test_a_pin_to_another_release_after_the_announcement_is_not_overruled() -> None:
    cluster = announced(standing(maintenance=policy(confine="AllChanges")))
    cluster.edit_spec(release={"channel": None, "version": "v4.16.0"})
    at(cluster, SLOT)
    assert phase(cluster) == "Completed"
    assert version(cluster, SERVER) == "v4.15.2", "neither what nobody wants nor what nobody announced"
    at(cluster, APRIL)
    assert sorted(cluster.asked) == [REQUEST, "regular-2026-04"]
    assert notice(cluster, "regular-2026-04").changes[0] == "ZITADEL v4.16.0"


def test_an_emergency_that_contains_another_takes_its_place_with_a_clock_of_its_own() -> None:
    cluster = announced()
    first = Notified(
        "n-1", START + timedelta(days=10), "provider", "patch-1", "Security", timedelta(hours=1),
        reference="A-1", changes=("ZITADEL v4.16.0",),
    )  # fmt: skip
    second = replace(
        first, name="n-2", at=first.at + timedelta(days=1), request="patch-2", supersedes="patch-1",
        changes=("ZITADEL v4.17.0",),
    )  # fmt: skip
    cluster.facts.update({fact.name: fact for fact in (first, second)})
    at(cluster, SLOT)
    assert "started-patch-2-1" in facts(cluster)
    finish(cluster)
    assert version(cluster, SERVER) == "v4.17.0"
    assert not any("patch-1" in name for name in facts(cluster))
    assert f"completed-{REQUEST}" in facts(cluster), "the month's own is run all the same (M-2)"
