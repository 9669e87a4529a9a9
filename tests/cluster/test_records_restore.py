"""The ledger after a disaster: all records brought back from a dump are the same facts at the same times."""

import time

import pytest

from api.record_examples import EXAMPLES, record
from cluster.records_stage import grant, policies_in_force, verbs
from cluster.standing import records
from cluster.test_records_policy import stated
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import RECORD
from dedicated.contract.facts import history
from dedicated.contract.reading import facts_in, modifications_in, read
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]


def told(api: Api, namespace: str) -> tuple[object, object]:
    """All that is computed from."""
    readings = [reading for body in records(api, namespace) if (reading := read(body)) is not None]
    return history(facts_in(readings)), sorted(modifications_in(readings), key=lambda one: one.name)


def brought_back(dumped: Manifest) -> Manifest:
    """A record of a dump, to be created anew: its time becomes a field, unless it is one already."""
    metadata, spec = get_map(dumped, "metadata"), get_map(dumped, "spec")
    at = get_str(spec, "at") or get_str(metadata, "creationTimestamp")
    kept: Manifest = {key: metadata[key] for key in ("name", "namespace", "labels") if key in metadata}
    return {**dumped, "metadata": kept, "spec": {**spec, "at": at}}


def test_a_dump_is_the_ledger(cluster: Cluster, make_namespace: MakeNamespace) -> None:
    namespace = make_namespace()
    with policies_in_force(cluster, namespace, "records", probe=stated(namespace, by="nobody")):
        operator = grant(cluster, namespace, "operator", verbs("act-as-operator"))
        customer = grant(cluster, namespace, "customer", verbs("act-as-customer"))
        provider = grant(cluster, namespace, "provider", verbs("act-as-provider"))
        restorer = grant(cluster, namespace, "restorer", verbs("restore-records"))
        authors = {"operator": operator, "customer": customer, "provider": provider}
        for by, fact in (
            ("operator", "ServiceStarted"),
            ("provider", "Notified"),
            ("customer", "Refused"),
            ("customer", "Permitted"),
            ("operator", "ModificationRepaired"),
            ("operator", "MonthClosed"),
            ("provider", "Agreement"),
        ):
            spec = next(spec for name, spec in EXAMPLES.items() if name == fact)
            authors[by].create(stated(namespace, by=by, name=f"acme-{fact.lower()}", spec=spec))
        old = record(EXAMPLES["Withdrawn"], name="acme-old")
        restorer.create({**old, "metadata": {**get_map(old, "metadata"), "namespace": namespace}})
        before, dump = told(cluster.api, namespace), records(cluster.api, namespace)
        for body in dump:
            restorer.delete(RECORD, namespace, get_str(body, "metadata", "name"))
        assert records(cluster.api, namespace) == []
        time.sleep(1.1)  # another second of the API server: a time that was not kept would show
        for body in dump:
            restorer.create(brought_back(body))
        assert told(cluster.api, namespace) == before
        again = records(cluster.api, namespace)
        assert all(get_str(body, "metadata", "creationTimestamp") for body in again)
        assert {get_str(body, "spec", "by") for body in again} >= set(authors)
