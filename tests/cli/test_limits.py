"""`dedicated limits`: the limits in force, and those of one client, for a person and for a program."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from cli.limiter_reports import PROOF, both, report, told
from cli.running import NOW, golden, instance, record, run
from dedicated.api.json import JsonValue, Manifest
from dedicated.cli import limits as screen
from dedicated.cli import limits_command as command
from dedicated.cli.limits import sight_of
from dedicated.contract.rate_limits import policy_in_force

EDGE: Manifest = {"service": {}, "clientAddress": {"from": "XForwardedFor", "trusted": ["10.0.0.0/8"]}}
OFFICE = record(
    "acme-office", "2026-11-01T08:00:00Z", "Override",
    by="ops@provider.example", reference="TICKET-12", reason="offices of Acme",
    override={"range": "198.51.100.0/28", "factor": 4, "validUntil": "2027-10-31T23:00:00Z"},
)  # fmt: skip
MONITOR = record(
    "acme-monitor", "2026-11-02T08:00:00Z", "Override",
    by="ops@provider.example", reference="TICKET-13", reason="monitoring",
    override={"range": "2001:db8:7::/48", "exempt": True, "validUntil": "2027-01-31T23:00:00Z"},
)  # fmt: skip
LATE = record(
    "acme-late", "2026-11-27T08:00:00Z", "LoadTest", by="ops@provider.example", reference="TICKET-14",
    loadTest={
        "ranges": ["192.0.2.0/29"], "from": "2026-12-01T08:00:00Z", "until": "2026-12-01T18:00:00Z"
    },
)  # fmt: skip


def judged(**spec: JsonValue) -> Manifest:
    """An instance as an operator has judged it."""
    conditions: list[JsonValue] = [
        {"type": kind, "status": status, "reason": reason, "message": message}
        for kind, status, reason, message in (
            ("RateLimitConfigured", "Unknown", "Waiting", "replica 1: still to apply what is wanted"),
            ("RateLimitEnforced", "True", "Applying", "a change is being applied"),
            ("RateLimitExact", "True", "Exact", "m"),
        )
    ]
    findings: list[JsonValue] = [
        {
            "code": "RecordWithoutEffect",
            "responsible": "Provider",
            "message": "m",
            "action": "record it again",
        },
        {"code": "TooFewZones", "responsible": "Customer", "message": "m", "action": "add nodes"},
    ]
    return {
        **instance(edge=EDGE, **spec),
        "status": {"conditions": conditions, "findings": findings},
    }


def say(
    monkeypatch: pytest.MonkeyPatch,
    body: Manifest,
    reports: Manifest,
    *records: Manifest,
    ask: tuple[str, ...],
) -> str:
    """What the command says of an instance, its records and its reports."""
    monkeypatch.setattr(command, "in_cluster", lambda *_: sight_of(body, list(records), reports, now=NOW))
    ended = run("limits", *ask)
    assert ended.code == 0, ended.err
    return ended.out


def test_all_on_one_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    source = sight_of(judged(), [OFFICE, MONITOR, LATE], {}, now=NOW).source
    policy = policy_in_force(None, source.facts, now=NOW).policy
    found = say(monkeypatch, judged(), both(policy), OFFICE, MONITOR, LATE, ask=("acme",))
    assert found == golden("limits")


def test_nobody_has_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    found = say(monkeypatch, instance(edge=EDGE), {}, ask=("acme",))
    assert "RateLimitEnforced=Unknown" in found
    assert "no operator has seen it yet" in found
    assert "Replicas that report: none" in found
    assert "last minute" not in found


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "spec.edge is not set"),
        ({"rateLimit": {"enforcement": "External"}}, "enforcement is External"),
        ({"edge": EDGE, "rateLimit": {"mode": "Shadow"}}, "mode Shadow"),
    ],
)
def test_where_nothing_is_refused_it_says_so(
    spec: Manifest, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = instance(**spec)
    assert words in say(monkeypatch, body, {}, ask=("acme",))
    assert words in say(monkeypatch, body, {}, ask=("check", "acme", "203.0.113.7", "/ui/login"))


def test_what_shadow_mode_counts_was_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    body = judged(rateLimit={"mode": "Shadow"})
    assert "WOULD BE LIMITED" in say(monkeypatch, body, told(report()), ask=("acme",))


def test_an_old_report_says_nothing_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    old = replace(report(), measured_at=NOW - timedelta(minutes=6))
    found = say(monkeypatch, judged(), told(old), ask=("acme",))
    assert "6m ago (says nothing of now)" in found
    assert "last minute" not in found


def test_a_failed_proof_and_another_policy_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = replace(PROOF, passed=False, detail="ui: 701 admitted, not 606")
    wrong = replace(report(), policy_hash="0123456789abcdef", proof=failed)
    found = say(monkeypatch, judged(), told(wrong), ask=("acme",))
    assert "another: 0123456789abcdef" in found
    assert "FAILED 3h ago: ui: 701 admitted, not 606" in found


def test_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(say(monkeypatch, judged(), both(), OFFICE, ask=("acme", "-o", "json")))
    assert [one["limit"] for one in found["policy"]["classes"]] == [606, 3030]
    assert found["policy"]["ranges"][0]["record"] == "acme-office"
    assert found["lastMinute"][0] == {"class": "ui", "requests": 1800, "limited": 80, "banned": 14, "bans": 2}
    assert found["refusedPaths"][0] == {"path": "/ui/login", "refused": 61}
    assert [item["code"] for item in found["findings"]] == ["RecordWithoutEffect"]


def test_what_holds_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    found = say(monkeypatch, judged(), {}, OFFICE, ask=("check", "acme", "203.0.113.7", "/v2/token?a=/ui/"))
    assert "203.0.113.7/32" in found
    assert "api: everything else" in found
    assert "3030 admitted in 60 s" in found
    assert "more than 9090 sent in 180 s" in found
    assert "published policy" in found


def test_what_a_record_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    found = say(monkeypatch, judged(), {}, OFFICE, ask=("check", "acme", "198.51.100.3", "/ui/v2/login"))
    assert "ui: /ui/ and below" in found
    assert "2424 admitted in 60 s" in found
    assert "acme-office, on 198.51.100.0/28" in found
    assert "2027-10-31T23:00Z (Mon 2027-11-01 00:00 Europe/Zurich)" in found


def test_whom_a_record_exempts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("check", "acme", "2001:db8:7:1:2:3:4:5", "/", "-o", "json")
    found = json.loads(say(monkeypatch, judged(), {}, MONITOR, ask=asked))
    assert found["client"] == "2001:db8:7:1::/64"
    assert (found["exempt"], found["limit"], found["record"]) == (True, None, "acme-monitor")


def test_a_path_of_no_class(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("check", "acme", "203.0.113.7", "/x/..%2fui/")
    assert "400: the path walks up" in say(monkeypatch, judged(), {}, ask=asked)
    found = json.loads(say(monkeypatch, judged(), {}, ask=(*asked, "-o", "json")))
    assert found["class"] is None


@pytest.mark.parametrize(
    ("address", "path", "words"),
    [
        ("203.0.113.0/24", "/", "is no IP address"),
        ("acme.example", "/", "is no IP address"),
        ("203.0.113.7", "ui/login", "is no path"),
    ],
)
def test_what_cannot_be_asked(address: str, path: str, words: str) -> None:
    ended = run("limits", "check", "acme", address, path)
    assert ended.code == 2
    assert words in ended.err


def test_an_instance_may_be_called_as_a_command_is(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def at(name: str, *_: object) -> screen.Sight:
        names.append(name)
        return sight_of(instance(), [], {}, now=NOW)

    monkeypatch.setattr(command, "in_cluster", at)
    assert run("limits", "-n", "acme", "other").code == 0
    assert run("limits", "show", "check").code == 0
    assert names == ["other", "check"]
