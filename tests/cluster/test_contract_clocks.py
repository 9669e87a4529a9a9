"""The contract's clocks on the API server: facts stated with kubectl by both sides, and every date as the
contract's table of worked dates has it, in a time that the test moves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from api.record_examples import EXAMPLES
from cluster.instances import condition, instance, wait_for
from cluster.observing import SECONDS, change, finding, has_finding
from cluster.records_stage import grant, policies_in_force, verbs
from cluster.standing import SIMULATED, Standing, children, records, rest, stand_simulated, until, writes
from contract.clock_facts import at
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE, RECORD
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

ASKED: Manifest = {"plan": "Advanced", "infrastructure": {"class": "GoogleCloud"},
                   "maintenance": {"approval": "Required"}}  # fmt: skip
"""Each maintenance is permitted by a record, and all objectives apply."""
SIDES = {"operator": "act-as-operator", "customer": "act-as-customer", "provider": "act-as-provider"}
SOON = timedelta(seconds=4)
"""Before a date, so that it comes by itself while the test looks on."""


@dataclass(slots=True)
class Stage:
    """An instance whose contract's time is the test's."""

    standing: Standing
    run_operator: RunOperator
    file: Path
    steps: list[JsonValue] = field(default_factory=list)
    stated: int = 0

    def turn(self, when: datetime | str) -> None:
        """From now on it is that time (text: as the clock in Zurich shows it)."""
        becomes = at(when) if isinstance(when, str) else when
        # A record's time has no fractions: the step begins with a whole second.
        since = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        self.steps.append({"since": rfc3339(since), "becomes": becomes.isoformat()})
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"steps": self.steps}))
        fresh.replace(self.file)
        until(lambda: datetime.now(UTC) >= since, "the step begun")
        metadata: Manifest = {"annotations": {"tests/turned": rfc3339(since)}}
        self.standing.api.patch(INSTANCE, self.standing.namespace, "acme", {"metadata": metadata})

    def state(self, who: str, fact: str, when: str = "", **fields: JsonValue) -> str:
        """A fact stated by a user with kubectl, at that time if given; the record's name."""
        if when:
            self.turn(when)
        self.stated += 1
        name = f"{fact.lower()}-{self.stated}"
        body: Manifest = {
            "apiVersion": RECORD.api_version,
            "kind": RECORD.kind,
            "metadata": {"name": name, "namespace": self.standing.namespace},
            "spec": {"instance": "acme", "fact": fact, "by": who, **fields},
        }
        self.standing.cluster.kubectl("create", "-f", "-", f"--as={who}", stdin=yaml.safe_dump(body))
        return name

    def wait(self, kind: str, status: str, reason: str) -> Manifest:
        """The instance once a condition is so."""

        def holds(body: Manifest | None) -> bool:
            found = condition(body, kind)
            return (found.get("status"), found.get("reason")) == (status, reason)

        api, namespace = self.standing.api, self.standing.namespace
        return wait_for(api, namespace, holds, seconds=SECONDS, what=f"{kind}={status}/{reason}")

    def restart(self) -> OperatorProcess:
        """Another operator, after the end of the one before."""
        namespace = self.standing.namespace
        return self.run_operator(namespace, watch=(namespace,), extra=(f"--test-clock={self.file}",))

    def issue(self, name: str) -> Manifest:
        """An open issue as the status tells it."""
        found = [
            item
            for item in get_list(self.standing.body(), "status", "maintenance", "issues")
            if isinstance(item, dict) and item["name"] == name
        ]
        return found[0] if found else {}


@pytest.fixture
def stage(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> Iterator[Stage]:
    """An instance under Advanced, both sides as users of their own, and the policy of records in force."""
    with staged(cluster, make_namespace(labels=SIMULATED), run_operator, tmp_path) as found:
        yield found


@contextmanager
def staged(
    cluster: Cluster, namespace: str, run_operator: RunOperator, folder: Path
) -> Iterator[Stage]:
    file = folder / "steps.json"
    file.write_text(json.dumps({"steps": []}))
    standing = stand_simulated(cluster, namespace, run_operator, extra=(f"--test-clock={file}",))
    change(cluster.api, namespace, ASKED)
    for who, verb in SIDES.items():
        grant(cluster, namespace, who, verbs(verb))
    probe: Manifest = {
        "apiVersion": RECORD.api_version,
        "kind": RECORD.kind,
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": {**EXAMPLES["Refused"], "by": "nobody"},
    }
    get_map(probe, "spec").pop("at", None)
    with policies_in_force(cluster, namespace, "records", probe=probe):
        yield Stage(standing, run_operator, file)


def regular(stage: Stage, month: str) -> None:
    """The month's request, opened on its 1st and refused on the 10th."""
    name = f"regular-{month}"
    notice: Manifest = {"kind": "Regular", "duration": "2h", "changes": ["restart"]}
    stage.state("operator", "Notified", f"{month}-01 00:00", request=name, notice=notice)
    stage.state("customer", "Refused", f"{month}-10 12:00", request=name)


def test_three_refused_months_to_the_end_of_the_notice(cluster: Cluster, stage: Stage) -> None:
    body = stage.wait("TestClock", "True", "Test")
    assert condition(body, "RegularMaintenancePermitted")["reason"] == "ServiceNotStarted"
    stage.state("operator", "ServiceStarted", "2025-12-20 10:00")
    stage.wait("RegularMaintenancePermitted", "True", "Partial")
    objects = sorted(children(stage.standing.api, stage.standing.namespace))
    for month in ("2026-01", "2026-02", "2026-03"):
        regular(stage, month)
    body = stage.wait("RegularMaintenancePermitted", "False", "Refused")
    assert "2026-03-31T22:00:00Z (2026-04-01 00:00 Europe/Zurich)" in str(
        condition(body, "RegularMaintenancePermitted")["message"]
    )
    months = get_list(body, "status", "maintenance", "months")
    assert [(get_str(item, "month"), get_str(item, "state")) for item in months] == [
        ("2026-03", "Refused"),
        ("2026-02", "Refused"),
        ("2026-01", "Refused"),
        ("2025-12", "Partial"),
    ]
    early = stage.state("provider", "Escalated", issue="regular-2026-01", reference="ticket 1")
    wait_for(stage.standing.api, stage.standing.namespace, has_finding("RecordWithoutEffect"))
    assert early in get_str(finding(stage.standing.body(), "RecordWithoutEffect"), "message")

    # The third month ends while the operator has nothing to do but wait for it.
    stage.turn(at("2026-04-01 00:00") - SOON)
    stage.wait("EscalationDue", "True", "FailedToPermit")
    failed: Manifest = {"name": "regular-2026-01", "kind": "Regular", "failed": "2026-03-31T22:00:00Z"}
    assert stage.issue("regular-2026-01") == {**failed, "state": "EscalationDue"}
    assert get_list(stage.standing.body(), "status", "maintenance", "voids") == [
        {"start": "2026-03-31T22:00:00Z"}
    ]
    described = cluster.kubectl("describe", "di", "acme", "-n", stage.standing.namespace)
    assert "Provider: record Escalated" in described
    assert "2026-04-01 00:00 Europe/Zurich" in described

    stage.state("provider", "Escalated", "2026-04-02 09:00", issue="regular-2026-01", reference="ticket 2")
    body = stage.wait("TerminationPermitted", "False", "Escalated")
    assert stage.issue("regular-2026-01")["deadline"] == "2026-04-07T22:00:00Z"
    stage.turn(at("2026-04-08 00:00") - SOON)
    stage.wait("TerminationPermitted", "True", "NotResolved")
    stage.state("provider", "TerminationNotice", "2026-04-09 11:00", issue="regular-2026-01", reference="l")
    stage.wait("TerminationPermitted", "False", "NoticeGiven")
    assert stage.issue("regular-2026-01")["effective"] == "2026-05-09T22:00:00Z"
    stage.turn(at("2026-05-10 00:00") - SOON)
    stage.wait("TerminationPermitted", "False", "TerminationEffective")
    # The operator ends nothing.
    assert sorted(children(stage.standing.api, stage.standing.namespace)) == objects
    assert condition(stage.standing.body(), "Stalled")["status"] == "False"


@pytest.mark.slow
def test_an_emergency_of_five_days(stage: Stage) -> None:
    stage.state("operator", "ServiceStarted", "2026-05-02 10:00")
    notice: Manifest = {"kind": "Security", "duration": "2h", "changes": ["v4.15.3"]}
    notified: Manifest = {"request": "cve-1", "notice": notice, "reference": "advisory 1"}
    stage.state("provider", "Notified", "2026-06-01 09:00", **notified)
    body = stage.wait("EmergencyMaintenancePermitted", "False", "PermissionNeeded")
    (pending,) = get_list(body, "status", "maintenance", "emergencies")
    assert get_str(pending, "deadline") == "2026-06-06T22:00:00Z"
    told = [item for item in get_list(body, "status", "findings") if "cve-1" in get_str(item, "message")]
    assert [get_str(item, "responsible") for item in told] == ["Customer"]
    stage.turn(at("2026-06-07 00:00") - SOON)
    stage.wait("EscalationDue", "True", "FailedToPermit")
    body = stage.wait("ServiceLevelInForce", "False", "Void")
    stage.state("provider", "Escalated", "2026-06-08 10:00", issue="cve-1", reference="ticket 1")
    stage.wait("TerminationPermitted", "False", "Escalated")
    assert stage.issue("cve-1")["deadline"] == "2026-06-13T22:00:00Z"
    stage.turn("2026-06-14 00:00")
    stage.wait("TerminationPermitted", "True", "NotResolved")
    stage.state("provider", "TerminationNotice", "2026-06-15 11:00", issue="cve-1", reference="letter 1")
    stage.wait("TerminationPermitted", "False", "NoticeGiven")
    assert stage.issue("cve-1")["effective"] == "2026-07-15T22:00:00Z"
    stage.state("provider", "TerminationWithdrawn", issue="cve-1", reference="letter 2")
    stage.wait("TerminationPermitted", "False", "NothingEscalated")


def test_an_operator_that_was_away_tells_the_same_and_writes_nothing_twice(
    cluster: Cluster, stage: Stage
) -> None:
    stage.state("operator", "ServiceStarted", "2026-05-02 10:00")
    notice: Manifest = {"kind": "Security", "duration": "2h"}
    stage.state("provider", "Notified", "2026-06-01 09:00", request="cve-1", notice=notice, reference="a")
    stage.wait("EmergencyMaintenancePermitted", "False", "PermissionNeeded")
    until(lambda: len(records(stage.standing.api, stage.standing.namespace)) == 3, "June is asked for")
    assert stage.standing.operator.stop() == 0
    stage.turn("2026-08-20 09:00")
    again = stage.restart()
    body = stage.wait("EscalationDue", "True", "FailedToPermit")
    assert stage.issue("cve-1")["failed"] == "2026-06-06T22:00:00Z"
    states = {
        get_str(item, "month"): get_str(item, "state")
        for item in get_list(body, "status", "maintenance", "months")
    }
    assert states == {
        "2026-05": "Partial",
        "2026-06": "Unanswered",
        "2026-07": "NotAsked",
        "2026-08": "NotAsked",
    }
    rest(cluster, again)
    before = stage.standing.body()
    assert again.stop() == 0
    since = cluster.audit_position()
    rest(cluster, stage.restart())
    assert writes(cluster, again, since) == []
    assert stage.standing.body() == before


def test_a_permission_in_time_stops_the_clock(stage: Stage) -> None:
    stage.state("operator", "ServiceStarted", "2026-05-02 10:00")
    notice: Manifest = {"kind": "Performance", "duration": "1h"}
    stage.state(
        "provider", "Notified", "2026-03-25 23:30", request="fix-1", notice=notice, reference="a-1"
    )
    body = stage.wait("EmergencyMaintenancePermitted", "False", "PermissionNeeded")
    (pending,) = get_list(body, "status", "maintenance", "emergencies")
    assert get_str(pending, "deadline") == "2026-03-30T22:30:00Z"  # the 120 h floor of K-2
    slot: Manifest = {"start": "2026-03-28T02:00:00+01:00", "end": "2026-03-28T04:00:00+01:00"}
    stage.state("customer", "Permitted", request="fix-1", slot=slot)
    stage.wait("EmergencyMaintenancePermitted", "True", "Permitted")
    stage.state("customer", "Withdrawn", request="fix-1")
    stage.wait("EmergencyMaintenancePermitted", "False", "PermissionNeeded")


# --- windows -------------------------------------------------------------------------------------

WINDOW: Manifest = {"recurrence": "FREQ=MONTHLY;BYDAY=2SU", "start": "02:00", "duration": "4h"}


@pytest.mark.parametrize(
    ("typo", "says"),
    [
        (
            {"recurrence": "FREQ=MONTLY;BYDAY=2SU"},
            ("windows[0].recurrence", "(it is FREQ=MONTLY;BYDAY=2SU)", "such as FREQ=MONTHLY;BYDAY=2SU"),
        ),
        ({"recurrence": "FREQ=WEEKLY;BYDAY=2SU"}, ("windows[0].recurrence", "such as BYDAY=SU")),
        ({"duration": "90m"}, ("windows[0].duration", "90m", "from 2h to 168h")),
        ({"start": "2:00"}, ("windows[0].start", "2:00")),
    ],
)
def test_a_typo_in_a_window_is_refused_with_field_value_reason_and_fix(
    cluster: Cluster, namespace: str, typo: Manifest, says: tuple[str, ...]
) -> None:
    body = instance(namespace, plan="Advanced", maintenance={"windows": [{**WINDOW, **typo}]})
    with pytest.raises(AssertionError) as refused:
        cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))
    for part in says:
        assert part in str(refused.value)


def test_windows_that_come_too_rarely_are_a_finding_with_the_first_failing_date(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    standing = stand_simulated(cluster, namespace, run_operator)
    rare: Manifest = {**WINDOW, "recurrence": "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=-1"}
    change(cluster.api, namespace, {"plan": "Advanced", "maintenance": {"windows": [rare]}})
    body = wait_for(cluster.api, namespace, has_finding("NoSlotBeforeDueDate"))
    found = finding(body, "NoSlotBeforeDueDate")
    assert get_str(found, "deadline")[5:] == "07-30T22:00:00Z"
    slots = get_list(body, "status", "maintenance", "nextSlots")
    assert len(slots) == 3
    assert "02:00 to 06:00 Europe/Zurich" in get_str(slots[0], "local")
    described = cluster.kubectl("describe", "di", "acme", "-n", namespace)
    assert "Next Slots:" in described
    change(cluster.api, namespace, {"maintenance": {"windows": [WINDOW]}})
    wait_for(cluster.api, namespace, lambda body: not has_finding("NoSlotBeforeDueDate")(body))
    standing.rest()
