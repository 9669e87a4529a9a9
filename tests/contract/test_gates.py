"""The gates of M-14, one at a time: each with its figure, and none that stands for another."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contract.clock_facts import SECOND_SUNDAY, ZURICH, asked_months, at, terms
from contract.test_releases import catalogue, stable
from dedicated.api.conditions import Condition, Status
from dedicated.api.record import Gate
from dedicated.contract.facts import history
from dedicated.contract.gates import BACKUP, Protection, Replicas, failed, finding, gates
from dedicated.contract.holidays import swiss_holidays
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.runs import Standing, standings

WHOLE = (Replicas("server", 3, 3), Replicas("login", 3, 3))
RELEASES = catalogue(
    stable("v4.15.2", supportedUntil="2026-06-14"),
    stable("v4.14.0", supportedUntil="2026-06-13"),
    stable("v4.16.0"),
)
START = at("2026-06-14 02:00")


def standing(now: str = "2026-06-14 02:00") -> Standing:
    known = history(asked_months("2026-06"))
    (found,) = standings(known.requests, terms(SECOND_SUNDAY), holidays=swiss_holidays(), now=at(now))
    return found


def results(
    found: Standing | None = None,
    *,
    replicas: tuple[Replicas, ...] = WHOLE,
    protection: Protection | None = None,
    version: str = "v4.15.2",
    minutes: int = 0,
) -> dict[str, Gate]:
    now = START + timedelta(minutes=minutes)
    answered = gates(
        found or standing(),
        replicas=replicas,
        protection=protection,
        version=version,
        catalogue=RELEASES,
        zone=ZURICH,
        now=now,
    )
    assert len({gate.gate for gate in answered}) == len(answered)
    return {gate.gate: gate for gate in answered}


def test_all_is_well_and_what_cannot_be_known_is_said() -> None:
    found = results()
    assert failed(tuple(found.values())) is None
    assert {name: gate.result for name, gate in found.items() if gate.result != "Passed"} == dict.fromkeys(
        BACKUP, "NotApplicable"
    )
    assert found["Permission"].reason == "by an agreed window"
    assert found["TimeLeft"].reason == "240 min left, 120 min needed"
    assert found["ReplicasHealthy"].reason == "server 3/3 ready, login 3/3 ready"
    assert found["VersionSupported"].reason == "v4.15.2 until 2026-06-14"


def protection(rpo: Status = "True", continuous: Status = "True", *, fresh: bool = True) -> Protection:
    return Protection(
        Condition("RecoveryPointObjectiveMet", rpo, "Why", "x" * 300),
        Condition("WalContinuous", continuous, "Why", "words"),
        BackupRun("differential", START, START) if fresh else None,
    )


def test_the_backup_gates_pass_where_the_database_is_measured() -> None:
    found = results(protection=protection())
    assert {gate.result for gate in found.values()} == {"Passed"}
    assert found["FreshDifferential"].reason.startswith("differential of 2026-06-14T00:00:00Z")
    assert found["WalContinuous"].reason == "Why: words"
    assert finding(standing(), tuple(found.values())) == ()


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("RecoveryPointObjectiveMet", results(protection=protection(rpo="Unknown"))),
        ("RecoveryPointObjectiveMet", results(protection=protection(rpo="False"))),
        ("WalContinuous", results(protection=protection(continuous="Unknown"))),
        ("FreshDifferential", results(protection=protection(fresh=False))),
        ("Permission", results(standing("2026-06-13 12:00"))),
        ("TimeLeft", results(minutes=121)),
        ("ReplicasHealthy", results(replicas=(Replicas("server", 2, 3), WHOLE[1]))),
        ("ReplicasHealthy", results(replicas=())),
        ("VersionSupported", results(version="v4.14.0")),
        ("VersionSupported", results(version="v9.9.9")),
    ],
)
def test_one_gate_that_fails_holds_the_run_and_is_told_with_its_figure(
    name: str, answered: dict[str, Gate]
) -> None:
    held = failed(tuple(answered.values()))
    assert held is not None
    assert (held.gate, [gate.result for gate in answered.values()].count("Failed")) == (name, 1)
    told = {item.code: item for item in finding(standing(), tuple(answered.values()))}
    assert held.reason in told["MaintenanceGateFailed"].message
    assert told["MaintenanceGateFailed"].responsible == "Provider"


def test_a_release_without_a_date_is_not_held() -> None:
    assert results(version="v4.16.0")["VersionSupported"].result == "NotApplicable"


def test_the_missing_backup_gates_are_told_before_the_slot_begins() -> None:
    ahead = standing("2026-06-13 12:00")
    (told,) = finding(ahead, tuple(results().values()))
    assert (told.code, told.responsible, told.deadline) == ("RecoverabilityUnknown", "Customer", START)
    assert finding(replace(ahead, slot=None), ()) == ()
