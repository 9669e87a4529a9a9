"""Every alert says how severe it is, who must act and where to read on, and asks for what is exported."""

import json
import re
from collections import Counter

import pytest

from alerts.exported import (
    DASHBOARD,
    TARGET_LABELS,
    cases,
    dashboard_queries,
    dashboard_variables,
    rules,
    selectors,
    series,
    values_of,
)
from dedicated.api.conditions import TYPES
from dedicated.api.json import Manifest, get_list, get_map, get_str
from testbed.home import CHECKOUT

RULES = rules()
SEVERITIES = {
    "1": ["DedicatedInstanceUnavailable"],
    "2": [
        "DedicatedInstanceNotHighlyAvailable",
        "DedicatedOperatorDown",
        "DedicatedOperatorNoLeader",
        "DedicatedRecoveryPointAtRisk",
        "DedicatedRecoveryPointMissed",
        "DedicatedRecoveryLogHasGap",
        "DedicatedRecoveryFailed",
        "DedicatedRecoveryRestoreNotProven",
        "DedicatedRecoveryNotMeasured",
        "DedicatedRecoveryBlind",
        "DedicatedKeysNotEscrowed",
        "DedicatedDatabaseFailoverNotReady",
        "DedicatedCertificateAboutToExpire",
    ],
}
"""SU-4: a core service failed; redundancy lost, the recovery point at risk, all services about to fail, or
nobody who would see it. All else is 3."""


def name_of(rule: Manifest) -> str:
    return get_str(rule, "alert")


def label(rule: Manifest, name: str) -> str:
    return get_str(rule, "labels", name)


def sections() -> set[str]:
    """The headings of the runbook, as a link names them."""
    text = (CHECKOUT / "docs" / "alerts.md").read_text()
    return {heading.lower() for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_an_alert_says_how_severe_it_is_and_who_must_act(rule: Manifest) -> None:
    wanted = next((severity for severity, names in SEVERITIES.items() if name_of(rule) in names), "3")
    assert label(rule, "contract_severity") == wanted
    assert label(rule, "severity") == ("warning" if wanted == "3" else "critical")
    party = label(rule, "party")
    told_by_the_finding = re.search(r"by \([^)]*\bparty\)", get_str(rule, "expr")) is not None
    assert (party in {"Provider", "Customer"}) != told_by_the_finding
    annotations = get_map(rule, "annotations")
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert f"{party or '{{ $labels.party }}'}:" in str(annotations["description"])


def test_the_runbook_has_a_section_on_every_alert_and_no_other() -> None:
    for rule in RULES:
        anchor = name_of(rule).lower()
        assert get_str(rule, "annotations", "runbook_url") == f"docs/alerts.md#{anchor}"
    assert sections() == {name_of(rule).lower() for rule in RULES}


def test_every_alert_is_tested_to_fire_and_to_be_silent() -> None:
    firing = Counter(get_str(case, "alertname") for case in cases() if get_list(case, "exp_alerts"))
    silent = Counter(get_str(case, "alertname") for case in cases() if not get_list(case, "exp_alerts"))
    wanted = Counter(map(name_of, RULES))
    assert firing >= wanted
    assert set(silent) == set(wanted)


def test_only_what_is_exported_is_asked_for() -> None:
    exported = series()
    texts = [get_str(rule, "expr") for rule in RULES] + dashboard_queries() + dashboard_variables()
    asked = [selector for text in texts for selector in selectors(text)]
    assert len(asked) > len(RULES)
    for name, labels in asked:
        assert name in exported
        assert labels <= exported[name] | TARGET_LABELS, name


def test_only_conditions_that_exist_are_asked_for() -> None:
    alerted = values_of("condition")
    assert alerted <= set(TYPES)
    assert {"Available", "HighlyAvailable", "Stalled", "TerminationPermitted"} <= alerted


def test_only_codes_of_findings_that_exist_are_asked_for() -> None:
    sources = "".join(path.read_text() for path in (CHECKOUT / "operator").rglob("*.py"))
    for code in values_of("code") - {"0", "429", "5.."}:
        assert f'"{code}"' in sources
    assert "MaintenanceOverdue" in values_of("code")
    assert '"NoObjective"' in sources  # the reason that leaves ServiceLevelNotInForce silent


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = get_list(dashboard, "panels")
    ids = [get_map(panel)["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    for panel in panels:
        assert get_str(panel, "type") == "row" or get_list(panel, "targets"), panel
    assert {get_str(item, "name") for item in get_list(dashboard, "templating", "list")} == {
        "datasource",
        "namespace",
        "name",
    }
