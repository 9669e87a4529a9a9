"""The oracles over statuses made by hand: kstatus and Argo CD's interpreter judge as documented."""

from pathlib import Path

import pytest
import yaml

from dedicated.api.json import Manifest, as_manifest, get_list, get_str
from testbed_oracles import CUSTOMIZATION, ArgoHealth, Health, Judgement, Verdict, argo_health, judge

HEALTH_TEST = as_manifest(yaml.safe_load((CUSTOMIZATION / "health_test.yaml").read_text()))
CASES = {Path(get_str(case, "inputPath")).name: case for case in get_list(HEALTH_TEST, "tests")}
KSTATUS: dict[str, Verdict] = {
    "deleting.yaml": "Terminating",
    "first_sight.yaml": "InProgress",
    "healthy.yaml": "Current",
    "no_ready.yaml": "Current",
    "no_status.yaml": "Current",
    "not_serving.yaml": "InProgress",
    "progressing.yaml": "InProgress",
    "spec_not_seen.yaml": "InProgress",
    "stalled.yaml": "Failed",
    "stalled_before_edit.yaml": "InProgress",
}
UNSEEN = {"no_ready.yaml", "no_status.yaml"}
"""kstatus takes these for done: why the operator writes a first status at once."""
EQUIVALENT: dict[Verdict, Health] = {
    "Current": "Healthy",
    "InProgress": "Progressing",
    "Failed": "Degraded",
    "Terminating": "Progressing",
}


def stored(name: str) -> Manifest:
    return as_manifest(yaml.safe_load((CUSTOMIZATION / "testdata" / name).read_text()))


def test_every_test_object_has_its_case() -> None:
    assert set(CASES) == set(KSTATUS) == {path.name for path in (CUSTOMIZATION / "testdata").iterdir()}


@pytest.mark.parametrize("name", sorted(CASES))
def test_argo_health(name: str) -> None:
    expected = CASES[name]
    assert argo_health(stored(name)) == ArgoHealth(
        status=get_str(expected, "healthStatus", "status"),  # type: ignore[arg-type]
        message=get_str(expected, "healthStatus", "message"),
    )


@pytest.mark.cluster  # kstatus is built by the testbed.
def test_kstatus_and_argo_agree() -> None:
    names = sorted(KSTATUS)
    found = {name: j.status for name, j in zip(names, judge([stored(n) for n in names]), strict=True)}
    assert found == KSTATUS
    for name in set(names) - UNSEEN:
        assert argo_health(stored(name)).status == EQUIVALENT[found[name]], name
    assert {argo_health(stored(name)).status for name in UNSEEN} == {"Progressing"}


@pytest.mark.cluster  # kstatus is built by the testbed.
def test_kstatus_gives_one_line_per_object() -> None:
    stalled = stored("stalled.yaml")
    (condition,) = (c for c in get_list(stalled, "status", "conditions") if get_str(c, "type") == "Stalled")
    as_manifest(condition)["message"] = "first line\nsecond\tline"
    assert judge([stalled, stored("healthy.yaml")]) == [
        Judgement("Failed", "first line second line"),
        Judgement("Current", "Resource is Ready"),
    ]


@pytest.mark.cluster  # kstatus is built by the testbed.
def test_kstatus_refuses_what_is_no_object() -> None:
    with pytest.raises(ValueError, match="not a Kubernetes object"):
        judge([{"metadata": {"name": "x"}}])
