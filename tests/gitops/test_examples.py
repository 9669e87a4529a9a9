"""The examples: of today's fields only, safe against deletion by a tool, and free of stale copies."""

from pathlib import Path

import pytest
import yaml

from dedicated.api.instance import InstanceSpec
from dedicated.api.json import Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import API_VERSION, GROUP, KIND
from testbed_oracles import CUSTOMIZATION

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GITOPS = EXAMPLES / "gitops"
NOT_MANIFESTS = {"health_test.yaml"}


def manifests(path: Path) -> list[Manifest]:
    return [as_manifest(document) for document in yaml.safe_load_all(path.read_text()) if document]


def one(path: Path, kind: str, name: str = "") -> Manifest:
    (found,) = (
        m for m in manifests(path) if m["kind"] == kind and name in ("", get_str(m, "metadata", "name"))
    )
    return found


FILES = sorted(path for path in EXAMPLES.rglob("*.yaml") if path.name not in NOT_MANIFESTS)
INSTANCES = [
    pytest.param(m, id=str(path.relative_to(EXAMPLES)))
    for path in FILES
    for m in manifests(path)
    if m["kind"] == KIND
]


@pytest.mark.parametrize("manifest", INSTANCES)
def test_instances_are_valid(manifest: Manifest) -> None:
    assert manifest["apiVersion"] == API_VERSION
    InstanceSpec.model_validate(manifest["spec"])


def test_the_full_examples_set_every_field() -> None:
    """A database of somebody else's has no backups here, and one that begins empty comes from nowhere."""
    names = ("instance.yaml", "percona.yaml", *(path.name for path in EXAMPLES.glob("import-*.yaml")))
    full, *others = (get_map(one(EXAMPLES / name, KIND), "spec") for name in names)
    fields = {field.alias or name for name, field in InstanceSpec.model_fields.items()}
    assert full.keys() | set().union(*others) == fields
    assert fields - full.keys() == {"backup", "from"}


def test_the_quickstart_secret_is_the_one_asked_for() -> None:
    secret = one(EXAMPLES / "quickstart/2-database.yaml", "Secret")
    instance = one(EXAMPLES / "quickstart/3-instance.yaml", KIND)
    assert get_str(instance, "spec", "database", "external", "secretRef", "name") == get_str(
        secret, "metadata", "name"
    )
    assert list(get_map(secret, "stringData")) == ["dsn"]


@pytest.mark.parametrize("kind", [KIND, "Namespace"])
def test_no_tool_deletes_an_instance_or_its_namespace(kind: str) -> None:
    annotations = get_map(one(GITOPS / "instances/acme.yaml", kind), "metadata", "annotations")
    assert annotations == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }


def test_argo_applications_leave_instances_when_deleted() -> None:
    application = one(GITOPS / "argocd/instances.yaml", "Application")
    assert "finalizers" not in get_map(application, "metadata")
    assert "ServerSideApply=true" in get_list(application, "spec", "syncPolicy", "syncOptions")


def test_argocd_cm_has_the_health_script() -> None:
    data = get_map(one(GITOPS / "argocd/argocd-cm.yaml", "ConfigMap"), "data")
    script = (CUSTOMIZATION / "health.lua").read_text()
    assert data == {f"resource.customizations.health.{GROUP}_{KIND}": script}


def test_flux_waits_for_the_operator_then_for_the_instances() -> None:
    path = GITOPS / "flux/kustomizations.yaml"
    operator, instances = (
        get_map(one(path, "Kustomization", name), "spec")
        for name in ("dedicated-operator", "dedicated-instances")
    )
    assert operator["wait"] is instances["wait"] is True
    assert instances["dependsOn"] == [{"name": "dedicated-operator"}]
    assert instances["deletionPolicy"] == "Orphan"
    (expressions,) = get_list(instances, "healthCheckExprs")
    assert (get_str(expressions, "apiVersion"), get_str(expressions, "kind")) == (API_VERSION, KIND)
    assert {"inProgress", "failed", "current"} < set(as_manifest(expressions))


def test_both_tools_install_the_same_values() -> None:
    application = one(GITOPS / "argocd/operator.yaml", "Application")
    release = one(GITOPS / "flux/operator/release.yaml", "HelmRelease")
    values = get_map(release, "spec", "values")
    assert values == get_map(application, "spec", "source", "helm", "valuesObject")
