"""The definition in people's hands: examples, defaults, and what kubectl makes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from api.constraints import crd_schema
from api.counterexamples import FULL, SMALL, STATUS, TIME, instance
from dedicated.api.instance import InstanceSpec
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import KIND
from dedicated.api.objects import INSTANCE
from dedicated.api.schema import INSTANCE_DEFINITION
from testbed.client import ApiError
from testbed.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def documents(path: Path) -> Iterator[Manifest]:
    for document in yaml.safe_load_all(path.read_text()):
        if document:
            yield as_manifest(document)


EXAMPLE_INSTANCES = [
    pytest.param(document, id=str(path.relative_to(EXAMPLES)))
    for path in sorted(EXAMPLES.rglob("*.yaml"))
    if "resource_customizations" not in path.parts
    for document in documents(path)
    if document.get("kind") == KIND
]


def placed(body: Manifest, namespace: str, name: str = "") -> Manifest:
    """The instance in another namespace, under another name if given."""
    metadata: Manifest = {**get_map(body, "metadata"), "namespace": namespace}
    return {**body, "metadata": {**metadata, "name": name} if name else metadata}


def small(namespace: str, spec: Manifest | None = None, *, name: str = "acme") -> Manifest:
    return placed(instance({**SMALL, **(spec or {})}), namespace, name)


def text(manifest: Manifest) -> str:
    return yaml.safe_dump(manifest)


@pytest.mark.parametrize("example", EXAMPLE_INSTANCES)
def test_an_example_applies_and_shows_no_diff_afterwards(
    cluster: Cluster, namespace: str, example: Manifest
) -> None:
    body = placed(example, namespace)
    manifest = text(body)
    cluster.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", stdin=manifest)
    stored = cluster.api.get(INSTANCE, namespace, get_str(body, "metadata", "name"))
    assert cluster.kubectl("diff", "--server-side", "-f", "-", stdin=manifest) == ""
    again = cluster.api.apply(body, manager="kubectl", dry_run=True)
    assert (again["spec"], again["metadata"]) == (stored["spec"], stored["metadata"])


def test_there_are_examples_for_all_ways() -> None:
    parts = {str(parameter.id).split("/", maxsplit=1)[0] for parameter in EXAMPLE_INSTANCES}
    imports = {f"import-{source}.yaml" for source in ("backup", "database", "export")}
    assert parts == {"instance.yaml", "percona.yaml", "quickstart", "gitops", *imports}


@pytest.mark.parametrize("spec", [SMALL, FULL, {**SMALL, "infrastructure": {}, "firstInstance": {}}])
def test_the_server_fills_in_the_defaults_of_the_models(
    cluster: Cluster, namespace: str, spec: Manifest
) -> None:
    stored = cluster.api.create(placed(instance(spec), namespace), dry_run=True)
    model = InstanceSpec.model_validate(spec)
    assert stored["spec"] == model.model_dump(by_alias=True, exclude_none=True)


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"replicas": 3}, "spec.replicas"),
        ({"server": {"replica": 3}}, "spec.server.replica"),
        ({"infrastructure": {"zones": {"minimun": 3}}}, "spec.infrastructure.zones.minimun"),
        ({"database": {"engine": "external", "percona": {}}}, "spec.database.percona"),
    ],
)
def test_kubectl_refuses_an_unknown_field(
    cluster: Cluster, namespace: str, patch: Manifest, field: str
) -> None:
    manifest = text(small(namespace, patch))
    with pytest.raises(AssertionError, match=f'unknown field "{field}"'):
        cluster.kubectl("create", "--validate=strict", "--dry-run=server", "-f", "-", stdin=manifest)


def test_configuration_of_zitadel_is_open(cluster: Cluster, namespace: str) -> None:
    config: Manifest = {"Log": {"Level": "debug"}, "SomethingNew": [1, {"a": None}]}
    stored = cluster.api.create(small(namespace, {"server": {"config": config}}))
    assert get_map(stored, "spec", "server", "config") == config


def test_kubectl_get_shows_the_columns(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(small(namespace))
    status: Manifest = {**STATUS, "url": "https://login.acme.example"}
    cluster.api.patch(INSTANCE, namespace, "acme", {"status": status}, subresource="status")
    short = [name.upper() for name, _, _, priority in INSTANCE_DEFINITION.columns if priority == 0]
    wide = [name.upper() for name, _, _, _ in INSTANCE_DEFINITION.columns]

    header, row = cluster.kubectl("get", "di", "-n", namespace).splitlines()
    assert header.split() == ["NAME", *short]
    shown = dict(zip(header.split(), row.split(), strict=True))
    assert shown.pop("AGE").endswith("s")
    assert shown == {
        "NAME": "acme",
        "READY": "True",
        "REASON": "Ready",
        "VERSION": "v4.15.2",
        "ZONES": "3/3",
        "UPTIME-%": get_str(STATUS, "serviceLevel", "current", "contract"),
        "NEXT-SLOT": TIME,
        "FINDINGS": "none",
    }
    header, row = cluster.kubectl("get", "di", "-n", namespace, "-o", "wide").splitlines()
    assert header.split() == ["NAME", *wide]
    assert "https://login.acme.example" in row


@pytest.mark.parametrize("name", ["di", "dedicatedinstance", "dedicatedinstances", "dedicated"])
def test_kubectl_knows_every_name_of_the_kind(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.api.create(small(namespace))
    found = cluster.kubectl("get", name, "-n", namespace, "-o", "name")
    assert found.strip() == "dedicatedinstance.dedicated.zitadel.com/acme"


@pytest.mark.parametrize("path", INSTANCE_DEFINITION.selectable)
def test_instances_are_selected_by_field(cluster: Cluster, namespace: str, path: str) -> None:
    infrastructure: Manifest = {"class": "SelfHosted", "owner": "Customer"}
    other: Manifest = {"plan": "Advanced", "domain": "login.other.example", "infrastructure": infrastructure}
    cluster.api.create(small(namespace))
    cluster.api.create(small(namespace, other, name="other"))
    for name in ("acme", "other"):
        value: JsonValue = cluster.api.get(INSTANCE, namespace, name)
        for step in path.removeprefix(".").split("."):
            value = as_manifest(value)[step]
        selector = f"--field-selector={path.removeprefix('.')}={value}"
        assert cluster.kubectl("get", "di", "-n", namespace, selector, "-o", "name").split() == [
            f"dedicatedinstance.dedicated.zitadel.com/{name}"
        ]


def test_kubectl_explains_every_field(cluster: Cluster) -> None:
    spec = get_map(crd_schema(), "properties", "spec", "properties")
    shown = cluster.kubectl("explain", "di.spec")
    for name in spec:
        assert f"\n  {name}\t<" in shown
    assert "Subscription plan of the booking." in shown
    deep = cluster.kubectl("explain", "di.spec.infrastructure.zones.minimum")
    assert get_str(spec, "infrastructure", "properties", "zones", "properties", "minimum", "description") in (
        " ".join(deep.split())
    )


def test_spec_and_status_are_written_apart(cluster: Cluster, namespace: str) -> None:
    created = cluster.api.create({**small(namespace), "status": STATUS})
    assert "status" not in created
    cluster.api.patch(
        INSTANCE, namespace, "acme", {"status": STATUS, "spec": {"plan": "Advanced"}}, subresource="status"
    )
    stored = cluster.api.get(INSTANCE, namespace, "acme")
    assert get_str(stored, "spec", "plan") == "Standard"
    assert get_list(stored, "status", "zones") == get_list(STATUS, "zones")
    assert get_map(stored, "metadata")["generation"] == 1


def test_merging_agreements_of_two_managers_by_clause(cluster: Cluster, namespace: str) -> None:
    first: JsonValue = [{"clause": "S-2", "record": "two-zones"}]
    second: JsonValue = [{"clause": "S-3", "record": "other"}]
    cluster.api.apply(small(namespace, {"agreements": first}), manager="git")
    partial: Manifest = {**small(namespace), "spec": {"agreements": second}}
    cluster.api.apply(partial, manager="lawyer", force=False)
    stored = cluster.api.get(INSTANCE, namespace, "acme")
    assert [get_str(item, "clause") for item in get_list(stored, "spec", "agreements")] == ["S-2", "S-3"]
    clash: Manifest = {**small(namespace), "spec": {"agreements": [{"clause": "S-2", "record": "mine"}]}}
    with pytest.raises(ApiError, match=r"agreements.*S-2.*record") as refused:
        cluster.api.apply(clash, manager="lawyer", force=False)
    assert refused.value.status == 409
