"""The service level in a pass: what is shown, what is kept, and when it changes by itself."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from builders import body, nodes
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import Ref
from dedicated.api.probing import Entry
from dedicated.api.status import InstanceStatus
from dedicated.contract import facts
from dedicated.contract.downtime import Record, Span, Stretch
from dedicated.parts.measured import record_of
from dedicated.reconcile.observed import ServiceReading
from reconcile.simulation import Cluster

NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
SINCE = datetime(2026, 3, 15, tzinfo=UTC)
GOOGLE: Manifest = {"class": "GoogleCloud"}


def stand(record: Record = Record()) -> Cluster:  # noqa: B008 - a value
    """An instance at rest, of which this is measured."""
    cluster = Cluster(body(infrastructure=GOOGLE))
    cluster.server.now = NOW
    cluster.stand()
    cluster.measured = record
    return cluster


def level(cluster: Cluster) -> Manifest:
    """What the status says after passes until nothing is to be done."""
    status = cluster.settle().status or {}
    InstanceStatus.model_validate(status)
    return get_map(status, "serviceLevel")


def kept(cluster: Cluster, key: str) -> dict[str, str]:
    """One field of each month that is kept."""
    names = [name for name in cluster.names("ConfigMap") if "-measured-" in name]
    return {name[-7:]: get_str(cluster.manifest("ConfigMap", name), "data", key) for name in names}


def stretch(day: int, *, month: int = 4, year: int = 2026, minutes: float | None = 10) -> Stretch:
    since = datetime(year, month, day, 12, tzinfo=UTC)
    until = None if minutes is None else since + timedelta(minutes=minutes)
    return Stretch(since, until, ("Keys",), "why")


def test_nothing_is_shown_or_kept_before_an_instance_is_measured() -> None:
    cluster = stand()
    assert level(cluster) == {}
    assert kept(cluster, "month") == {}
    assert cluster.condition("ServiceLevelMet") == ("Unknown", "NotMeasured")


def test_what_is_measured_is_kept_once_and_shown() -> None:
    cluster = stand(Record(SINCE, (stretch(20, month=3), stretch(2))))
    found = level(cluster)
    assert kept(cluster, "objective") == {"2026-03": "99.5", "2026-04": "99.5"}
    assert found["measuredAt"] == "2026-04-02T12:10:00Z"
    assert get_int(found, "current", "downtimeMinutes") == 10
    assert [get_str(month, "month") for month in get_list(found, "months")] == ["2026-03"]
    assert cluster.after_restart().actions == ()


def test_a_wiped_status_and_another_operator_give_the_same() -> None:
    record = Record(SINCE, (stretch(20, month=3), stretch(2), stretch(3, minutes=None)))
    cluster = stand(record)
    found = level(cluster)
    cluster.body["status"] = {}
    cluster.measured = record_of(cluster.months())
    assert cluster.measured == record
    assert level(cluster) == found


def test_figures_stand_still_while_it_goes_on_and_its_minute_wakes() -> None:
    cluster = stand(Record(SINCE, (stretch(20, minutes=None),)))
    first = level(cluster)
    assert first["downSince"] == "2026-04-20T12:00:00Z"
    due = cluster.plan().wake_at
    assert due is not None
    assert due <= NOW + timedelta(minutes=217)
    cluster.pass_time(minutes=90)
    assert level(cluster) == first
    assert cluster.condition("ServiceLevelMet") == ("True", "Within")
    cluster.pass_time(minutes=127)
    assert get_map(level(cluster), "current")["met"] is False
    assert cluster.condition("ServiceLevelMet") == ("False", "Missed")
    assert "ServiceLevelMissed" in cluster.findings()


def test_a_gap_of_the_operator_moves_no_status_until_it_matters() -> None:
    cluster = stand(Record(SINCE))
    level(cluster)
    before = cluster.body["status"]
    cluster.gaps = (gap(39),)
    assert cluster.after_restart().status == before
    assert cluster.after_restart().actions == ()
    cluster.gaps = (gap(44),)
    assert get_int(level(cluster), "current", "unknownMinutes") == 40
    assert "ServiceLevelPartlyMeasured" in cluster.findings()


def gap(minutes: int) -> Span:
    since = datetime(2026, 4, 3, tzinfo=UTC)
    return Span(since, since + timedelta(minutes=minutes))


def test_what_turns_out_not_to_count_is_taken_back() -> None:
    cluster = stand(Record(SINCE, (stretch(20, minutes=None),)))
    level(cluster)
    cluster.measured = Record(SINCE)
    level(cluster)
    assert kept(cluster, "stretches") == {"2026-03": "", "2026-04": ""}


def test_a_finished_month_keeps_its_objective() -> None:
    cluster = stand(Record(SINCE, (stretch(30, month=3, minutes=None),)))
    level(cluster)
    cluster.edit_spec(plan="Advanced")
    cluster.measured = Record(SINCE, (stretch(30, month=3, minutes=300), stretch(2)))
    found = level(cluster)
    assert kept(cluster, "objective") == {"2026-03": "99.5", "2026-04": "99.9"}
    assert [get_str(month, "objective") for month in get_list(found, "months")] == ["99.5"]


def test_months_beyond_thirteen_go_but_for_the_newest() -> None:
    old = datetime(2024, 5, 10, 12, tzinfo=UTC)
    cluster = stand(Record(old, (stretch(10, month=5, year=2024), stretch(10, month=6, year=2024))))
    cluster.server.now = old
    level(cluster)
    assert sorted(kept(cluster, "month")) == ["2024-05", "2024-06"]
    cluster.server.now = NOW
    cluster.settle()
    cluster.measured = record_of(cluster.months())
    found = level(cluster)
    assert sorted(kept(cluster, "month")) == ["2024-06"]
    assert found["measuredSince"] == "2024-05-10T12:00:00Z"
    assert len(get_list(found, "months")) == 12


def test_prerequisites_that_are_the_customers_suspend_it() -> None:
    cluster = stand(Record(SINCE))
    cluster.edit_spec(infrastructure={"class": "GoogleCloud", "owner": "Customer"})
    cluster.settle()
    assert cluster.condition("ServiceLevelInForce") == ("True", "InForce")
    cluster.nodes = nodes(zones=2)
    cluster.settle()
    assert cluster.condition("ServiceLevelInForce") == ("False", "PrerequisitesNotMet")
    cluster.nodes = nodes()
    cluster.service = ServiceReading(False, "no", Entry(None, "Certificate", "has expired"))
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("False", "CertificateNotTrusted")
    assert cluster.condition("ServiceLevelInForce") == ("True", "InForce")


def test_recorded_force_majeure_and_unmeasured_time_do_not_count() -> None:
    cluster = stand(Record(SINCE, (stretch(2), stretch(3), stretch(4))))
    assert get_int(level(cluster), "current", "downtimeMinutes") == 30
    words: tuple[Literal["ForceMajeure", "NotMeasured"], ...] = ("ForceMajeure", "NotMeasured")
    for day, word in enumerate(words, start=2):
        start = datetime(2026, 4, day, 12, tzinfo=UTC)
        end = start + timedelta(hours=1)
        cluster.facts[word] = facts.Stretch(word, end, "provider", word, start, end, "letter")
    current = get_map(level(cluster), "current")
    assert (current["downtimeMinutes"], current["excludedMinutes"]) == (10, 10)
    assert (current["observedDowntimeMinutes"], current["unknownMinutes"]) == (30, 40)


def test_an_announced_run_does_not_count_and_an_unannounced_one_does() -> None:
    cluster = stand(Record(SINCE, (stretch(16), stretch(17))))
    for day, notice in ((16, 1), (17, 16)):
        request, at = f"m{day}", datetime(2026, 4, notice, 6, tzinfo=UTC)
        length = timedelta(hours=2)
        cluster.facts[f"n{day}"] = facts.Notified(
            f"n{day}", at, "provider", request, "Regular", length, downtime=length
        )
        start = datetime(2026, 4, day, 11, 30, tzinfo=UTC)
        cluster.facts[f"s{day}"] = facts.Run(f"s{day}", start, "operator", request, "Started")
        cluster.facts[f"e{day}"] = facts.Run(f"e{day}", start + length, "operator", request, "Completed")
    current = get_map(level(cluster), "current")
    assert (current["downtimeMinutes"], current["excludedMinutes"]) == (10, 10)


def test_what_is_not_permitted_voids_it_from_the_failure_on() -> None:
    cluster = stand(Record(SINCE, (stretch(2), stretch(18))))
    cluster.edit_spec(plan="Advanced")
    at = datetime(2026, 4, 8, 6, tzinfo=UTC)
    cluster.facts["started"] = facts.ServiceStarted("started", SINCE, "operator")
    cluster.facts["cve"] = facts.Notified("cve", at, "provider", "cve", "Security", timedelta(hours=2))
    current = get_map(level(cluster), "current")
    assert current["downtimeMinutes"] == 10
    assert current["observedDowntimeMinutes"] == 20
    assert cluster.condition("ServiceLevelInForce") == ("False", "Void")


def test_what_was_measured_once_is_asked_on_also_where_nothing_serves() -> None:
    cluster = stand(Record(SINCE))
    del cluster.server.objects[Ref("Deployment", "acme-server")]
    assert cluster.plan().probe == "login.acme.example"


def test_a_month_that_is_missed_is_told_once_and_so_is_the_next_that_is_met() -> None:
    cluster = stand()
    cluster.told.clear()
    cluster.measured = Record(SINCE)
    level(cluster)
    assert cluster.told == [], "what is as it should be from the first measurement is no news"
    cluster.measured = Record(SINCE, (stretch(2, minutes=300),))
    level(cluster)
    cluster.measured = Record(SINCE, (stretch(2, minutes=300), stretch(5, minutes=300)))
    level(cluster)
    assert cluster.told == ["ServiceLevelMissed"]
    cluster.server.now = NOW + timedelta(days=12)
    level(cluster)
    assert cluster.told == ["ServiceLevelMissed", "ServiceLevelMet"]


def test_a_month_that_is_missed_is_told_also_where_it_was_not_known() -> None:
    cluster = stand(Record(SINCE, unmeasured=(gap(minutes=600),)))
    level(cluster)
    assert cluster.condition("ServiceLevelMet") == ("Unknown", "PartlyMeasured")
    cluster.told.clear()
    cluster.measured = Record(SINCE, (stretch(12, minutes=300),), unmeasured=(gap(minutes=600),))
    level(cluster)
    assert cluster.told == ["ServiceLevelMissed"]
