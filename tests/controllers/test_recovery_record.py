"""The recovery agent's record as the informers keep it, and what metrics say of what was judged from it."""

from prometheus_client.exposition import generate_latest

from builders import instance
from contract.test_recovery_report import FULL
from dedicated.api.json import Manifest, get_map
from dedicated.api.objects import Key
from dedicated.contract.recovery.report import to_json
from dedicated.controllers.figures import figures_of
from dedicated.controllers.informers import entry_of
from dedicated.controllers.metrics import make_metrics
from dedicated.parts.recovery_agent import record


def read(text: str) -> Manifest:
    """The record as the API server gives it."""
    made = record(instance())
    metadata: Manifest = {**get_map(made, "metadata"), "creationTimestamp": "2026-03-01T12:00:00Z"}
    return {**made, "metadata": metadata, "data": {"report": text, "samples": "[]"}}


def test_the_report_is_kept_and_its_samples_are_not() -> None:
    kept = entry_of(read(to_json(FULL))).recovery
    assert kept is not None
    assert kept.report == FULL
    assert kept.made is not None


def test_what_is_no_report_is_kept_as_none() -> None:
    kept = entry_of(read("nonsense")).recovery
    assert kept is not None
    assert kept.report is None


def test_figures_are_instants_and_absent_where_nothing_is_known() -> None:
    metrics = make_metrics()
    told: Manifest = {
        "measuredAt": "1970-01-01T01:00:00Z",
        "objective": "1h",
        "newestRecoverablePoint": "1970-01-01T00:59:00Z",
    }
    metrics.instances.show(Key("a", "acme"), figures_of({}, {"recovery": told}))
    without: Manifest = {**told, "newestRecoverablePoint": ""}
    metrics.instances.show(Key("a", "bare"), figures_of({}, {"recovery": without}))
    metrics.instances.show(Key("a", "external"), figures_of({}, {}))
    page = generate_latest(metrics.registry).decode().splitlines()
    found = {line for line in page if line.startswith("dedicated_instance_") and "recover" in line}
    newest = "dedicated_instance_newest_recoverable_point_timestamp_seconds"
    assert found == {
        f'{newest}{{name="acme",namespace="a"}} 3540.0',
        *(
            f'dedicated_instance_recovery_{name}{{name="{of}",namespace="a"}} 3600.0'
            for name in ("objective_seconds", "measured_timestamp_seconds")
            for of in ("acme", "bare")
        ),
    }
