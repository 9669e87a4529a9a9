"""`dedicated ledger` and `status`: the same from files as from the cluster, as a person reads them."""

import json
from datetime import UTC, datetime
from pathlib import Path

from cli.running import WINDOW, golden, instance, record, run, three_refused, written
from dedicated.api.json import Manifest, get_str

NOTICE: Manifest = {"kind": "Regular", "duration": "2h"}
DEADLINE = "2026-05-09T22:00:00Z (2026-05-10 00:00 Europe/Zurich)"
ASKED: Manifest = {"approval": "Required"}


def history() -> list[Manifest]:
    """A service of five months whose requests were refused, and other things that were recorded."""
    return [
        record("started", "2026-01-05T08:00:00Z", "ServiceStarted", by="operator"),
        *(
            record(f"asked-{month}", f"{month}-01T06:00:00Z", "Notified", by="operator",
                   request=f"regular-{month}", notice=NOTICE)
            for month in ("2026-02", "2026-03", "2026-04")
        ),
        *three_refused(),
        record(
            "edit", "2026-03-09T10:00:00Z", "ModificationRepaired", by="operator",
            modification={"object": "Service/acme-server", "fields": ["spec.type"], "manager": "kubectl-edit",
                          "operation": "Update", "at": "2026-03-09T09:59:59Z"},
        ),
        record(
            "dump", "2026-05-12T08:00:00Z", "Instruction", by="ops@provider.example", reason="memory dump",
            instruction={"grantee": {"kind": "User", "name": "eve"}, "scope": ["Deployment/acme-server"],
                         "validFrom": "2026-05-12T08:00:00Z", "validUntil": "2026-05-13T08:00:00Z"},
        ),
    ]  # fmt: skip


def files(folder: Path, body: Manifest, *records: Manifest) -> tuple[str, ...]:
    return ("-f", written(folder, "i.yaml", body), "--records", written(folder, "r.yaml", *records))


def test_the_ledger_tells_who_what_when_and_what_it_did(tmp_path: Path) -> None:
    ran = run("ledger", *files(tmp_path, instance(maintenance=ASKED), *history()))
    assert (ran.code, ran.out) == (0, golden("ledger"))


def test_the_ledger_for_programs(tmp_path: Path) -> None:
    ran = run("ledger", *files(tmp_path, instance(maintenance=ASKED), *history()), "-o", "json")
    rows = {row["name"]: row for row in json.loads(ran.out)}
    assert len(rows) == len(history())
    assert rows["escalated"] == {
        "name": "escalated",
        "at": "2026-05-04T08:00:00Z",
        "local": "2026-05-04T10:00:00+02:00",
        "spec": {
            "instance": "acme",
            "fact": "Escalated",
            "by": "ops@provider.example",
            "issue": "regular-2026-02",
            "reference": "TICKET-7",
        },
        "effects": [f"issue regular-2026-02: escalated; to be resolved before {DEADLINE}"],
    }


def test_what_time_alone_did_is_no_records_effect(tmp_path: Path) -> None:
    ran = run("ledger", *files(tmp_path, instance(maintenance=ASKED), *history()), "-o", "json")
    told = [effect for row in json.loads(ran.out) for effect in row["effects"]]
    assert not [text for text in told if "the gate is open" in text]


def test_a_ledger_without_records(tmp_path: Path) -> None:
    ran = run("ledger", *files(tmp_path, instance()))
    assert (ran.code, ran.out) == (0, "acme/acme has no records\n")
    assert run("ledger", *files(tmp_path, instance()), "-o", "json").out == "[]\n"


def told_by_operator() -> Manifest:
    """An instance with the status of a running service."""
    sizing: Manifest = {"clients": 5000, "requestsPerSecond": 200}
    body = instance(maintenance={"windows": [WINDOW]}, sizing=sizing)
    condition: Manifest = {"observedGeneration": 1, "lastTransitionTime": "2026-11-28T08:00:00Z"}
    return {
        **body,
        "metadata": {"name": "acme", "namespace": "acme", "generation": 2},
        "status": {
            "observedGeneration": 1,
            "summary": {"version": "v4.15.2", "zones": "2/3", "server": "3/3", "login": "3/3"},
            "rateLimit": {
                "limits": {"ui": {"limit": 606, "ban": 2727}, "api": {"limit": 3030, "ban": 9090}},
                "observed": {
                    "measuredAt": "2026-11-28T08:55:00Z", "requestsPerMinute": 12000,
                    "refusedPerMinute": [
                        {"class": "ui", "limited": 40, "banned": 14},
                        {"class": "api", "limited": 6, "banned": 0},
                    ],
                },
            },
            "serviceLevel": {
                "downSince": "2026-11-28T07:58:00Z",
                "current": {"month": "2026-11", "contract": "99.981", "downtimeMinutes": 8,
                            "allowedMinutes": 43, "unknownMinutes": 40},
            },
            "conditions": [
                {**condition, "type": "Ready", "status": "False", "reason": "TooFewZonesInUse",
                 "message": "server and login stand in 2 zones, 3 are wanted"},
                {**condition, "type": "Stalled", "status": "False", "reason": "NotStalled", "message": ""},
                {**condition, "type": "Available", "status": "True", "reason": "Available", "message": "ok"},
                {**condition, "type": "EscalationDue", "status": "False", "reason": "Nothing", "message": ""},
            ],
            "findings": [
                {"code": "TooFewZones", "responsible": "Customer", "action": "add nodes",
                 "message": "2 zones have a node, 3 are needed", "deadline": "2026-12-01T00:00:00Z"},
            ],
        },
    }  # fmt: skip


def test_the_status_is_one_screen(tmp_path: Path) -> None:
    started = record("started", "2026-10-05T08:00:00Z", "ServiceStarted", by="operator")
    ran = run("status", *files(tmp_path, told_by_operator(), started))
    assert (ran.code, ran.out) == (0, golden("status"))
    assert len(ran.out.splitlines()) <= 40


def test_the_status_before_any_operator(tmp_path: Path) -> None:
    ran = run("status", *files(tmp_path, instance("Standard", infrastructure={})))
    assert (ran.code, ran.out) == (0, golden("status-new"))


def test_what_is_overdue_and_void_is_told(tmp_path: Path) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    ran = run("status", *files(tmp_path, instance(maintenance=ASKED), *history()), now=now)
    overdue = "2026-04-05T22:00:00Z (2026-04-06 00:00 Europe/Zurich): Customer (M-3)"
    assert f"  quarterly floor  overdue since {overdue}\n" in ran.out
    void = "2026-04-30T22:00:00Z (2026-05-01 00:00 Europe/Zurich) (M-11)"
    assert f"  service level    void since {void}\n" in ran.out


def test_the_status_for_programs(tmp_path: Path) -> None:
    found = json.loads(run("status", *files(tmp_path, told_by_operator()), "-o", "json").out)
    assert found["promised"]["availability"] == "99.9 % per month (L-1)"
    assert found["measured"]["zones"] == "2/3"
    assert get_str(found["findings"][0], "code") == "TooFewZones"
