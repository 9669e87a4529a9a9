"""Objects older than a rule: what the API server lets pass, and what the operator says of it.

The definition itself cannot be loosened while others use it, so a copy of it stands in another group:
first without some constraints, then with all.
"""

import copy
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from api.counterexamples import SMALL, STATUS, instance, merged
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import VERSION
from dedicated.api.resource import InvalidInstance, parse_instance
from dedicated.api.schema import INSTANCE_DEFINITION
from testbed.client import ApiError
from testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

DEFINITIONS = "apiextensions.k8s.io/v1/customresourcedefinitions"
COPY_KIND, COPY_PLURAL = "InstanceCopy", "instancecopies"
Change = Callable[[Manifest], None]
"""Changes the schema of the spec in place."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of our definition in a group of its own."""

    cluster: Cluster
    group: str

    @property
    def instances(self) -> str:
        return f"{self.group}/{VERSION}/{COPY_PLURAL}"

    @property
    def name(self) -> str:
        return f"{COPY_PLURAL}.{self.group}"

    def install(self, change: Change) -> None:
        """Create or replace the copy; new rules are in force some time later."""
        manifest = copy.deepcopy(INSTANCE_DEFINITION.crd())
        spec = get_map(manifest, "spec")
        spec["group"] = self.group
        # Other names than the original's, which kubectl looks up in any group.
        spec["names"] = {"kind": COPY_KIND, "plural": COPY_PLURAL}
        (version,) = get_list(spec, "versions")
        change(get_map(version, "schema", "openAPIV3Schema", "properties", "spec", "properties"))
        manifest["metadata"] = {"name": self.name}
        self.cluster.api.apply(manifest)

    def body(self, namespace: str, patch: JsonValue, *, name: str = "acme") -> Manifest:
        body = instance(merged(SMALL, patch), name=name)
        metadata: Manifest = {"name": name, "namespace": namespace}
        kind: Manifest = {"apiVersion": f"{self.group}/{VERSION}", "kind": COPY_KIND}
        return {**body, **kind, "metadata": metadata}

    def create(self, namespace: str, patch: JsonValue, *, name: str = "acme") -> Manifest:
        return self.cluster.api.create(self.body(namespace, patch, name=name))

    def patch(
        self, namespace: str, body: Manifest, *, name: str = "acme", subresource: str = ""
    ) -> Manifest:
        return self.cluster.api.patch(self.instances, namespace, name, body, subresource=subresource)

    def refusal(self, namespace: str, patch: JsonValue) -> str:
        """What a dry-run creation is refused with; empty if it is accepted."""
        try:
            self.cluster.api.create(self.body(namespace, patch, name="trial"), dry_run=True)
        except ApiError as error:
            return str(error)
        return ""

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, f"not within 30 s: {what}"
            time.sleep(0.05)


class MakeCopy(Protocol):
    """Type of the fixture `make_copy`."""

    def __call__(self, namespace: str, change: Change) -> Copy:
        """A copy of the definition with a change, in use."""


@pytest.fixture
def make_copy(cluster: Cluster) -> Iterator[MakeCopy]:
    made: list[Copy] = []

    def make(namespace: str, change: Change) -> Copy:
        found = Copy(cluster, f"copy-{secrets.token_hex(3)}.example.test")
        made.append(found)
        found.install(change)
        found.wait_until(lambda: found.refusal(namespace, {}) == "", "the copy is served")
        return found

    yield make
    for found in made:
        cluster.api.delete(DEFINITIONS, "", found.name)


def unchanged(spec: Manifest) -> None:
    """The definition as it is."""
    del spec


def loosened(spec: Manifest) -> None:
    """As an older version might have been: any domain and any location."""
    get_map(spec, "domain").pop("pattern")
    infrastructure = get_map(spec, "infrastructure", "properties")
    get_map(infrastructure, "dataLocation").pop("x-kubernetes-validations")


OLD: Manifest = {
    "domain": "LOGIN.ACME.EXAMPLE",
    "infrastructure": {"dataLocation": {"region": "Switzerland", "countries": ["CH"]}},
}
LOCATION = "set exactly one of region and countries"


def test_what_an_older_definition_allowed_may_stay_but_not_change(
    make_copy: MakeCopy, namespace: str
) -> None:
    definition = make_copy(namespace, loosened)
    definition.create(namespace, OLD)
    definition.install(unchanged)
    definition.wait_until(lambda: definition.refusal(namespace, OLD) != "", "the rules are in force")

    stored = definition.patch(namespace, {"spec": {"plan": "Advanced", "login": {"replicas": 4}}})
    assert get_str(stored, "spec", "domain") == OLD["domain"]
    assert get_map(stored, "metadata")["generation"] == 2
    with pytest.raises(ApiError, match=r"spec\.domain.*should match") as refused:
        definition.patch(namespace, {"spec": {"domain": "ALSO.ACME.EXAMPLE"}})
    assert refused.value.status == 422
    definition.patch(namespace, {"spec": {"domain": "login.acme.example"}})

    found = parse_instance(as_manifest(stored))
    assert isinstance(found, InvalidInstance)
    problems = dict(found.problems)
    assert problems.keys() == {"spec.domain", "spec.infrastructure.dataLocation.region"}
    assert "pattern" in problems["spec.domain"]
    assert problems["spec.infrastructure.dataLocation.region"] == LOCATION


def without_zone_rule(spec: Manifest) -> None:
    """As an older version might have been: fewer names than zones wanted."""
    get_map(spec, "infrastructure", "properties", "zones").pop("x-kubernetes-validations")


def test_an_object_that_breaks_a_rule_can_still_be_labelled_and_get_a_status(
    make_copy: MakeCopy, namespace: str
) -> None:
    """The operator writes its finalizer and `Stalled` to what it cannot read."""
    few: Manifest = {"infrastructure": {"zones": {"names": ["zone-a"]}}}
    definition = make_copy(namespace, without_zone_rule)
    definition.create(namespace, few)
    definition.install(unchanged)
    message = "names must list at least as many zones as minimum"
    definition.wait_until(lambda: message in definition.refusal(namespace, few), "the rule is in force")

    metadata: Manifest = {"labels": {"a": "b"}, "finalizers": ["example.test/finalizer"]}
    definition.patch(namespace, {"metadata": metadata})
    stored = definition.patch(namespace, {"status": STATUS}, subresource="status")
    assert get_list(stored, "status", "conditions")
    definition.patch(namespace, {"metadata": {"finalizers": None}})
    with pytest.raises(ApiError, match=message):
        definition.patch(namespace, {"spec": {"infrastructure": {"zones": {"names": ["zone-b"]}}}})
