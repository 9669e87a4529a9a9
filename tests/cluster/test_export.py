"""`InstanceExport` on the real API server, its process played: what is made, told, and taken away."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api.export_examples import DRILL, HALF, IMMUTABLE, PHYSICAL, STATUS, VALID_FOR, cases, order
from cluster.engine_stage import AGENT
from cluster.standing import SIMULATED, Standing, stand_simulated, until
from cluster.validation import dry_run, fault, faults, placed
from contract.export_examples import REPORT
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, INSTANCE, INSTANCE_EXPORT, JOB, KIND_BY_NAME, Ref
from dedicated.api.resource import Instance, parse_instance
from dedicated.api.schema import EXPORT_DEFINITION
from dedicated.contract.transfer.export import MANAGER, Report, report_json
from dedicated.parts.export import refs
from testbed import protection
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

ACCOUNT = RECORD = "acme-export"


def test_every_constraint_of_the_spec_is_enforced(cluster: Cluster) -> None:
    assert dry_run(cluster.api, INSTANCE_EXPORT, order())[0] == 201
    broken = [case for case in cases() if case.constraint.path[:1] != ("status",)]
    found = faults(fault(case, *dry_run(cluster.api, INSTANCE_EXPORT, case.body)) for case in broken)
    assert not found, "\n".join(found)
    for valid_for, taken in VALID_FOR:
        code, answer = dry_run(cluster.api, INSTANCE_EXPORT, order(spec={**PHYSICAL, "validFor": valid_for}))
        assert code == (201 if taken else 422), valid_for
        assert taken or "validFor must be 5m to 168h" in get_str(answer, "message")


def test_what_is_neither_handed_over_nor_a_drill_is_refused(cluster: Cluster) -> None:
    assert dry_run(cluster.api, INSTANCE_EXPORT, order(spec=DRILL))[0] == 201
    for spec in HALF:
        code, answer = dry_run(cluster.api, INSTANCE_EXPORT, order(spec=spec))
        assert (code, "purpose Drill is Logical and has neither" in get_str(answer, "message")) == (422, True)


def test_what_is_ordered_never_changes_and_kubectl_shows_what_came_of_it(
    cluster: Cluster, namespace: str
) -> None:
    cluster.api.create(placed(order(), namespace))
    with pytest.raises(ApiError, match=IMMUTABLE.rpartition("/")[2]):
        cluster.api.patch(INSTANCE_EXPORT, namespace, "out", {"spec": {"keepDays": 8}})
    cluster.api.patch(INSTANCE_EXPORT, namespace, "out", {"status": STATUS}, subresource="status")
    header, row = cluster.kubectl("get", "ie", "-n", namespace).splitlines()
    short = [name.upper() for name, _, _, priority in EXPORT_DEFINITION.columns if priority == 0]
    assert header.split() == ["NAME", *short]
    assert row.split()[:5] == ["out", "acme", "Completed", "1", "2"]


@pytest.fixture
def standing(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> Iterator[Standing]:
    """An instance under the chart's protection."""
    namespace = make_namespace(labels=SIMULATED)
    found = stand_simulated(cluster, namespace, run_operator, extra=AGENT)
    policies = protection.policies(namespace, watch=(namespace,))
    protection.replace(cluster, namespace, old=(), new=policies)
    yield found
    protection.replace(cluster, namespace, old=policies, new=())


def status(standing: Standing, name: str = "out") -> Manifest:
    return get_map(standing.api.find(INSTANCE_EXPORT, standing.namespace, name), "status")


def told(standing: Standing, name: str = "out", **wanted: JsonValue) -> None:
    """Wait until an order's status says so."""
    until(lambda: wanted.items() <= status(standing, name).items(), f"{name}: {wanted}", seconds=60)


def report(standing: Standing, found: Report, *, name: str = "out") -> None:
    """Write a report as the export's process does, by its own account."""
    api = standing.cluster.as_account(standing.namespace, ACCOUNT)
    uid = get_str(standing.api.get(INSTANCE_EXPORT, standing.namespace, name), "metadata", "uid")
    data: Manifest = {"data": {"report": report_json(replace(found, export=uid))}}

    def is_written() -> bool:
        try:
            api.patch(CONFIG_MAP, standing.namespace, RECORD, data, manager=MANAGER)
        except ApiError as error:
            if error.status in {401, 403, 404}:  # its rights come into force a moment after the Job
                return False
            raise
        return True

    until(is_written, "the report", seconds=60)


def owner_of_job(standing: Standing) -> str:
    """Uid of the order that the Job is made for; empty where there is none."""
    job = get_map(standing.api.find(JOB, standing.namespace, RECORD))
    return "".join(get_str(owner, "uid") for owner in get_list(job, "metadata", "ownerReferences"))


def there(standing: Standing) -> list[str]:
    """What of an export is there."""
    instance = parse_instance(standing.body())
    assert isinstance(instance, Instance)
    return [str(ref) for ref in refs(instance) if is_there(standing, ref)]


def is_there(standing: Standing, ref: Ref) -> bool:
    return standing.api.find(KIND_BY_NAME[ref.kind], standing.namespace, ref.name) is not None


def test_an_export_is_made_told_and_swept_and_the_next_one_begins(standing: Standing) -> None:
    api, namespace = standing.api, standing.namespace
    before = get_str(api.get(INSTANCE, namespace, "acme"), "metadata", "generation")
    api.create(placed(order(), namespace))
    api.create(placed(order(name="second"), namespace))
    told(standing, phase="Pending", reason="Asked")
    told(standing, "second", phase="Pending", reason="AnotherRuns")
    until(lambda: api.find(JOB, namespace, RECORD) is not None, "the Job")
    job = api.get(JOB, namespace, RECORD)
    owners = get_list(job, "metadata", "ownerReferences")
    assert [get_str(owner, "kind") for owner in owners] == ["InstanceExport"]

    report(standing, replace(REPORT, step="Dumping"))
    told(standing, phase="Dumping", progress={"bytes": 5, "total": 10})
    account = standing.cluster.as_account(namespace, ACCOUNT)
    with pytest.raises(ApiError, match="belongs to the dedicated instance"):
        account.patch(CONFIG_MAP, namespace, RECORD, {"data": {"other": "x"}}, manager=MANAGER)
    complete = replace(
        REPORT, step="Completed", written=datetime.now(UTC), manifest="m.json", manifest_sha256="0" * 64
    )
    report(standing, complete)
    told(standing, phase="Completed", manifest="m.json", manifestSha256="0" * 64)
    told(standing, "second", phase="Pending", reason="Asked")
    uid = get_str(api.get(INSTANCE_EXPORT, namespace, "second"), "metadata", "uid")
    until(lambda: owner_of_job(standing) == uid, "the second one's Job")

    report(standing, complete, name="second")
    told(standing, "second", phase="Completed")
    until(lambda: not there(standing), "what was made is taken away", seconds=60)
    assert status(standing)["phase"] == "Completed"
    assert get_str(api.get(INSTANCE, namespace, "acme"), "metadata", "generation") == before


def test_an_operator_that_is_killed_goes_on_with_the_export(
    standing: Standing, run_operator: RunOperator
) -> None:
    api, namespace = standing.api, standing.namespace
    api.create(placed(order(), namespace))
    until(lambda: api.find(JOB, namespace, RECORD) is not None, "the Job")
    uid = get_str(api.get(JOB, namespace, RECORD), "metadata", "uid")
    standing.operator.kill()
    report(standing, replace(REPORT, step="Verifying"))
    run_operator(namespace, watch=(namespace,), extra=AGENT)
    told(standing, phase="Verifying")
    assert get_str(api.get(JOB, namespace, RECORD), "metadata", "uid") == uid


def test_an_export_of_nobody_and_one_outside_end_at_once(standing: Standing) -> None:
    api, namespace = standing.api, standing.namespace
    nobody = order(spec={**get_map(order(), "spec"), "instance": "nobody"}, name="nobody")
    api.create(placed(nobody, namespace))
    told(standing, "nobody", phase="Failed", reason="UnknownInstance")
    spec = {name: value for name, value in get_map(order(), "spec").items() if name != "image"}
    api.create(placed(order(spec=spec, name="imageless"), namespace))
    told(standing, "imageless", phase="Failed", reason="ImageMissing")
    api.create(placed(order(spec=PHYSICAL, name="physical"), namespace))
    told(standing, "physical", phase="Failed", reason="PhysicalNotOffered")
    assert there(standing) == []


def test_an_order_that_ended_long_ago_is_taken_away(standing: Standing) -> None:
    api, namespace = standing.api, standing.namespace
    spec = {name: value for name, value in get_map(order(), "spec").items() if name != "image"}
    api.create(placed(order(spec=spec), namespace))
    told(standing, phase="Failed")
    ended: Manifest = {"status": {"completedAt": "2020-01-01T00:00:00Z"}}
    api.patch(INSTANCE_EXPORT, namespace, "out", ended, subresource="status")
    until(lambda: not is_there(standing, Ref(INSTANCE_EXPORT.kind, "out")), "the order goes", seconds=60)
