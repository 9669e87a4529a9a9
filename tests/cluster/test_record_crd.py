"""ContractRecord on the real API server: bounds, immutability, and the ledger that kubectl shows."""

from typing import cast

import pytest

from api.counterexamples import TIME
from api.record_examples import EXAMPLES, FULL, cases, record
from cluster.validation import SHARE, dry_run, fault, faults, placed
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import RECORD
from dedicated.api.record import Fact
from dedicated.api.schema import RECORD_DEFINITION
from testbed.client import ApiError
from testbed.cluster import Cluster

STRETCHES = ("slot", "stretch", "agreement", "instruction", "override", "loadTest")
pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]


def first(item: Manifest, *names: str) -> str:
    """The first of some texts that an object has; empty where it has none."""
    return next((text for name in names if (text := get_str(item, name))), "")


@SHARE
def test_every_constraint_is_enforced(cluster: Cluster, every: int) -> None:
    for fact, spec in EXAMPLES.items():
        assert dry_run(cluster.api, RECORD, record(spec))[0] == 201, fact
    found = faults(fault(case, *dry_run(cluster.api, RECORD, case.body)) for case in tuple(cases())[::every])
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "patch", [{"by": "other"}, {"instance": "other"}, {"modification": {"manager": "other"}}]
)
def test_a_record_is_never_changed(cluster: Cluster, namespace: str, patch: Manifest) -> None:
    cluster.api.create(placed(record(), namespace))
    with pytest.raises(ApiError, match="spec is immutable: a correction is a new record"):
        cluster.api.patch(RECORD, namespace, "acme-1", {"spec": patch})
    labelled = cluster.api.patch(RECORD, namespace, "acme-1", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["spec"] == FULL


def test_what_a_month_holds_is_never_changed(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(placed(record(EXAMPLES["MonthClosed"]), namespace))
    forged: Manifest = {"records": [{"name": "a-1", "at": TIME, "spec": "{ }"}]}
    with pytest.raises(ApiError, match="spec is immutable"):
        cluster.api.patch(RECORD, namespace, "acme-1", {"spec": {"closed": forged}})


def test_kubectl_shows_a_ledger(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(placed(record(), namespace))
    header, row = cluster.kubectl("get", "crec", "-n", namespace).splitlines()
    short = [name.upper() for name, _, _, priority in RECORD_DEFINITION.columns if priority == 0]
    assert header.split() == ["NAME", *short]
    shown = row.split()
    assert shown.pop(4).endswith("s"), "its age"
    assert shown == [
        "acme-1",
        "acme",
        "ModificationRepaired",
        "Service/acme-server",
        "system:serviceaccount:dedicated-system:dedicated-operator",
    ]
    wide = cluster.kubectl("get", "contractrecords", "-n", namespace, "-o", "wide").splitlines()[1]
    assert wide.split()[-1] == "spec.sessionAffinity"


def test_each_fact_s_line_says_what_it_is_about(cluster: Cluster, namespace: str) -> None:
    for fact, spec in EXAMPLES.items():
        cluster.api.create(placed(record(spec, name=fact.lower()), namespace))
    header, *rows = cluster.kubectl("get", "crec", "-n", namespace, "-o", "wide").splitlines()
    starts = {name: header.index(name) for name in header.split()}

    def cell(row: str, name: str) -> str:
        later = [start for start in starts.values() if start > starts[name]]
        return row[starts[name] : min(later, default=None)].strip()

    for row in rows:
        spec = EXAMPLES[cast("Fact", cell(row, "FACT"))]
        assert cell(row, "ABOUT") == first(spec, "request", "issue", "withdraws")
        stretches = [get_map(spec, name) for name in STRETCHES]
        begins = [first(item, "start", "validFrom", "from") for item in stretches if item]
        ends = [first(item, "end", "validUntil", "until") for item in stretches if item]
        assert [cell(row, "FROM")] == (begins or [""])
        assert [cell(row, "UNTIL")] == (ends or [""])
        assert cell(row, "RECORDED-AT").endswith("Z")
        assert cell(row, "REFERENCE") == "T-1"
    assert len(rows) == len(EXAMPLES)


@pytest.mark.parametrize("path", RECORD_DEFINITION.selectable)
def test_records_are_selected_by_field(cluster: Cluster, namespace: str, path: str) -> None:
    refused = EXAMPLES["Refused"]
    cluster.api.create(placed(record(refused), namespace))
    cluster.api.create(placed(record({**FULL, "instance": "other"}, name="other-1"), namespace))
    value = refused[path.rpartition(".")[2]]
    selector = f"--field-selector={path.removeprefix('.')}={value}"
    found = cluster.kubectl("get", "crec", "-n", namespace, selector, "-o", "name").split()
    assert found == [f"contractrecord.{RECORD.group}/acme-1"]
    assert "contractrecord" in cluster.kubectl("get", "dedicated", "-n", namespace, "-o", "name")
