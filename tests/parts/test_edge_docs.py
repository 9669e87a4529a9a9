"""The examples of docs/edge.md are what the operator, or the API server of their own project, takes."""

import re

import pytest
import yaml

from builders import instance
from dedicated.api.json import Manifest, as_manifest, get_map, get_str
from dedicated.parts.edge.entries import ENTRIES, entry_of
from parts.upstream import refused, schema_of
from testbed.home import CHECKOUT

TEXT = (CHECKOUT / "docs" / "edge.md").read_text()
BLOCKS = [as_manifest(yaml.safe_load(text)) for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
EDGES = [get_map(block, "edge") for block in BLOCKS if "edge" in block]
PROJECTS = {"gateway.networking.k8s.io": "gateway-api", "gateway.envoyproxy.io": "envoy-gateway"}
OBJECTS = [block for block in BLOCKS if "kind" in block]


def test_every_way_in_has_an_example_that_the_operator_takes() -> None:
    found = {entry_of(instance(edge=edge)).kind for edge in EDGES}
    assert found == set(ENTRIES)


@pytest.mark.parametrize("item", OBJECTS, ids=lambda item: get_str(item, "kind"))
def test_what_stands_beside_is_valid(item: Manifest) -> None:
    project = PROJECTS[get_str(item, "apiVersion").partition("/")[0]]
    assert list(refused(item, schema_of(project, get_str(item, "kind")))) == []


def test_every_finding_of_a_way_in_is_in_the_table() -> None:
    sources = "".join(
        (CHECKOUT / "operator" / "dedicated" / name).read_text()
        for name in (
            "contract/certificate.py",
            "reconcile/edge.py",
            "parts/edge/gateway.py",
            "parts/edge/certificate.py",
        )
    )
    codes = set(
        re.findall(r'"((?:Certificate|GatewayApi|CertManager|Route|IngressController)[A-Z]\w+)"', sources)
    )
    assert len(codes) == 7
    assert codes == set(re.findall(r"^\| `(\w+)` \| (?:Customer|owner)", TEXT, re.MULTILINE))
