"""promtool's word on rules, alerts, the dashboard's queries and the page of metrics."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.exposition import generate_latest

from alerts.exported import CASES, DASHBOARD, RULES, agent_registry, dashboard_queries, registry
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from helm_charts import OPERATOR, of_kind, render
from testbed.tools import binary

pytestmark = pytest.mark.cluster  # promtool and Helm are built by the testbed.


def promtool(*arguments: str | Path, given: str = "") -> tuple[int, str]:
    """Exit code and all output."""
    done = subprocess.run(
        [binary("promtool"), *arguments], input=given, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def chart(**metrics: JsonValue) -> list[Manifest]:
    return render(OPERATOR, values={"image": {"repository": "registry.example/o"}, "metrics": metrics})


def test_the_rules_are_valid() -> None:
    code, said = promtool("check", "rules", "--lint-fatal", RULES)
    assert code == 0, said


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_alerts_fire_and_are_silent(path: Path) -> None:
    code, said = promtool("test", "rules", path)
    assert code == 0, said


def test_the_dashboard_s_queries_are_promql(tmp_path: Path) -> None:
    queries: list[JsonValue] = [
        {"record": f"query:{number}", "expr": query} for number, query in enumerate(dashboard_queries())
    ]
    assert len(queries) > 20
    (tmp_path / "queries.yaml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": queries}]}))
    code, said = promtool("check", "rules", tmp_path / "queries.yaml")
    assert code == 0, said


def test_the_page_of_metrics_follows_the_conventions() -> None:
    for page in (registry(), agent_registry()):
        code, said = promtool("check", "metrics", given=generate_latest(page).decode())
        assert (code, said) == (0, "")


def test_the_chart_ships_the_rule_file_with_links_to_the_runbook() -> None:
    assert not of_kind(chart(), "PrometheusRule")
    (bare,) = of_kind(chart(prometheusRule={"enabled": True}), "PrometheusRule")
    assert get_map(bare, "spec") == yaml.safe_load(RULES.read_text())
    base = "https://git.example.com/dedicated/blob/main/"
    (linked,) = of_kind(
        chart(prometheusRule={"enabled": True, "docsUrl": base, "labels": {"release": "prometheus"}}),
        "PrometheusRule",
    )
    assert get_str(linked, "metadata", "labels", "release") == "prometheus"
    links = {
        get_str(rule, "annotations", "runbook_url")
        for group in get_list(linked, "spec", "groups")
        for rule in get_list(group, "rules")
    }
    assert f"{base}docs/alerts.md#dedicatedinstanceunavailable" in links
    assert all(link.startswith(base) for link in links)


def test_the_chart_ships_the_dashboard_for_the_sidecar() -> None:
    def dashboards(manifests: list[Manifest]) -> list[Manifest]:
        found = of_kind(manifests, "ConfigMap")
        return [item for item in found if get_str(item, "metadata", "name").endswith("-dashboard")]

    assert not dashboards(chart())
    (found,) = dashboards(chart(dashboard={"enabled": True, "annotations": {"folder": "Identity"}}))
    assert get_str(found, "metadata", "labels", "grafana_dashboard") == "1"
    assert get_str(found, "metadata", "annotations", "folder") == "Identity"
    assert json.loads(get_str(found, "data", "dedicated-operator.json")) == json.loads(DASHBOARD.read_text())
