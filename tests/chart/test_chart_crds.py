"""The definitions in the charts: equal to the generated ones, and kept on uninstall."""

from pathlib import Path

import pytest
import yaml

import packager
from dedicated.api.json import Manifest, as_manifest, get_map
from helm_charts import CRDS, OPERATOR, of_kind, render

IMAGE: Manifest = {"repository": "registry.example/dedicated-operator"}


def generated() -> list[Manifest]:
    paths = sorted(packager.GENERATED.glob("*.yaml"))
    return [as_manifest(yaml.safe_load(path.read_text())) for path in paths]


def test_copies_are_current() -> None:
    assert packager.contents(packager.GENERATED), "crds/ is empty: run make crds"
    assert packager.stale_copies() == []


def test_sync_makes_copies_equal(tmp_path: Path) -> None:
    source, chart = tmp_path / "crds", tmp_path / "chart"
    source.mkdir()
    (source / "a.yaml").write_text("a: 1\n")
    packager.sync_crds(generated=source, charts=(chart,))
    assert packager.stale_copies(generated=source, charts=(chart,)) == []
    (source / "a.yaml").write_text("a: 2\n")
    (packager.chart_copies(chart) / "old.yaml").write_text("")
    assert packager.stale_copies(generated=source, charts=(chart,)) == ["chart: a.yaml", "chart: old.yaml"]
    packager.sync_crds(generated=source, charts=(chart,))
    assert packager.stale_copies(generated=source, charts=(chart,)) == []


@pytest.mark.cluster
@pytest.mark.parametrize("chart", [OPERATOR, CRDS])
@pytest.mark.parametrize("keep", [True, False])
def test_rendered_definitions_are_the_generated_ones(chart: str, keep: bool) -> None:
    values: Manifest = {"crds": {"keep": keep}, **({"image": IMAGE} if chart == OPERATOR else {})}
    rendered = of_kind(render(chart, values=values), "CustomResourceDefinition")
    assert [m["spec"] for m in rendered] == [m["spec"] for m in generated()]
    for manifest in rendered:
        annotations = get_map(manifest, "metadata", "annotations")
        assert annotations.get("helm.sh/resource-policy") == ("keep" if keep else None)
        assert get_map(manifest, "metadata", "labels")["app.kubernetes.io/managed-by"] == "Helm"


@pytest.mark.cluster
def test_definitions_can_be_left_to_others() -> None:
    manifests = render(OPERATOR, values={"image": IMAGE, "crds": {"enabled": False}})
    assert not of_kind(manifests, "CustomResourceDefinition")
