"""Whose field of an instance is whose: the chart's policy on the real API server, for each field and user."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from api.edge_examples import SERVICE
from api.key_examples import KEY_BUNDLE
from cluster.instances import instance
from cluster.records_stage import EVERYTHING, grant, policies_in_force, verbs, wrong
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.api.objects import INSTANCE
from dedicated.parts.config import merge
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

WRITES: Manifest = {
    "apiGroups": [INSTANCE.group],
    "resources": [INSTANCE.plural],
    "verbs": ["get", "create", "update", "patch"],
}
USERS: Mapping[str, tuple[Manifest, ...]] = {
    "provider": (verbs("act-as-provider"),),
    "customer": (verbs("act-as-customer"),),
    "editor": (),
    "operator": (verbs("act-as-operator"),),
    "both": (verbs("act-as-customer", "act-as-provider"),),
    "elsewhere": (verbs("act-as-customer", "act-as-provider", instance="other"),),
    "wildcard": (EVERYTHING,),
}
WINDOW: Manifest = {"recurrence": "FREQ=MONTHLY;BYDAY=2SU", "start": "02:00", "duration": "4h"}
FREEZE: Manifest = {"from": "2026-12-20T00:00:00Z", "until": "2027-01-05T00:00:00Z", "reason": "closing"}
PROVIDERS: Mapping[str, Manifest] = {
    "plan": {"plan": "Standard", "maintenance": None},
    "release": {"release": {"version": "v4.16.0"}},
    "agreements": {"agreements": [{"clause": "S-2", "record": "two-zones"}]},
    "options": {"options": ["WAF"]},
    "production": {"production": True},
    "sizing": {"sizing": {"clients": 5000}},
    "keyBundle": {"keyBundle": KEY_BUNDLE},
    "edge": {"edge": SERVICE},
    "rateLimit": {"rateLimit": {"enforcement": "External"}},
    "contacts.provider": {"contacts": {"provider": "operations@provider.example"}},
    "infrastructure.class": {"infrastructure": {"class": "GoogleCloud"}},
    "maintenance.timeZone": {"maintenance": {"timeZone": "America/New_York"}},
    "deletion.policy": {"deletion": {"policy": "Orphan"}},
    "deletion.finalBackup": {
        "deletion": {"finalBackup": "Skipped"}, "agreements": [{"clause": "T-1", "record": "no-backup"}],
    },
    "deletion.retentionDays": {"deletion": {"retentionDays": 7}},
    "deletion.confirmation": {"deletion": {"confirmation": "OnePerson"}},
}
CUSTOMERS: Mapping[str, Manifest] = {
    "domain": {"domain": "login.other.example"},
    "contacts.customer": {"contacts": {"customer": "+41 71 000 00 00"}},
    "maintenance.windows": {"maintenance": {"windows": [WINDOW]}},
    "maintenance.freezes": {"maintenance": {"freezes": [FREEZE]}},
    "maintenance.approval": {"maintenance": {"approval": "Required"}},
}
PERMITTING = ("maintenance.windows", "maintenance.freezes", "maintenance.approval")
OPEN: Mapping[str, Manifest] = {
    "server.replicas": {"server": {"replicas": 4}},
    "infrastructure.zones": {"infrastructure": {"zones": {"names": ["a", "b", "c"]}}},
    "maintenance.confine": {"maintenance": {"confine": "AllChanges"}},
    "the same again": {"plan": "Advanced"},
}
"""Field -> a change of it that is valid."""


@dataclass(frozen=True, slots=True)
class Stage:
    """An instance of plan Advanced, and everybody who tries to change it."""

    namespace: str
    users: Mapping[str, Api]

    def change(self, who: str, spec: Manifest) -> str:
        """Why a change is refused; empty where it would be accepted. Nothing is stored."""
        path = f"/apis/{INSTANCE.api_version}/namespaces/{self.namespace}/{INSTANCE.plural}/acme"
        return self._refusal(who, "PATCH", path, {"spec": spec}, content="merge")

    def create(self, who: str, spec: Manifest) -> str:
        """The same for a new instance; verbs on it are granted to those who have them on `acme`."""
        body = instance(self.namespace)
        body = {**body, "spec": merge(get_map(body, "spec"), spec)}
        path = f"/apis/{INSTANCE.api_version}/namespaces/{self.namespace}/{INSTANCE.plural}"
        return self._refusal(who, "POST", path, body)

    def _refusal(self, who: str, method: str, path: str, body: JsonValue, *, content: str = "") -> str:
        try:
            self.users[who].request(method, path, body=body, content=content, query={"dryRun": "All"})
        except ApiError as error:
            if error.status != 403:
                raise
            return error.message
        return ""


def prepare(cluster: Cluster, namespace: str, **values: JsonValue) -> AbstractContextManager[None]:
    """The policy in force; it is seen by an administrator's creation, who was granted nothing by name."""
    given: Manifest = {"fieldAuthority": {"mode": "Deny"}, **values}
    return policies_in_force(
        cluster, namespace, "authority", probe=instance(namespace), values=given
    )


def users(cluster: Cluster, namespace: str) -> Mapping[str, Api]:
    found = {who: grant(cluster, namespace, who, WRITES, *rules) for who, rules in USERS.items()}
    return found | {"admin": cluster.api}


@pytest.fixture
def stage(cluster: Cluster, make_namespace: MakeNamespace) -> Iterator[Stage]:
    """The policy in force around an instance."""
    namespace = make_namespace()
    with prepare(cluster, namespace):
        yield Stage(namespace, users(cluster, namespace))


def stand(cluster: Cluster, stage: Stage) -> None:
    """The instance, as the provider creates it, with a maintenance policy of its defaults."""
    body = instance(stage.namespace)
    spec: Manifest = {**get_map(body, "spec"), "plan": "Advanced", "maintenance": {}}
    stage.users["provider"].create({**body, "spec": spec})
    assert cluster.api.find(INSTANCE, stage.namespace, "acme") is not None


def changes(stage: Stage, *, both: bool) -> list[tuple[str, bool, str]]:
    """Every change by every user: what, whether it must be refused, what was said."""
    found = []
    for sides, table in (({"provider"}, PROVIDERS), ({"customer"}, CUSTOMERS), (set(USERS), OPEN)):
        for who in stage.users:
            may = who in sides or table is OPEN or (both and who == "both")
            found += [
                (f"{who}: {field}", not may, stage.change(who, change)) for field, change in table.items()
            ]
    return found


def test_every_field_is_its_side_s(cluster: Cluster, stage: Stage) -> None:
    stand(cluster, stage)
    found = changes(stage, both=False)
    assert not wrong(found), "\n".join(wrong(found))
    said = {what: text for what, _, text in found}
    needs = "it needs the verb act-as-provider on dedicatedinstance acme"
    assert f"spec.plan: the provider decides on this; {needs}" in said["customer: plan"]
    assert "spec.domain: the customer decides on this" in said["provider: domain"]
    assert "you hold verbs of both sides" in said["both: domain"]
    several = stage.change("editor", PROVIDERS["release"] | PROVIDERS["infrastructure.class"])
    assert "spec.release, spec.infrastructure.class: the provider decides on this" in several
    # The operator's own writes touch no spec.
    assert stage.change("operator", {}) == ""


def test_an_instance_begins_with_its_booking(stage: Stage) -> None:
    found = [(f"{who} creates", who != "provider", stage.create(who, {})) for who in stage.users]
    for field, change in CUSTOMERS.items():
        spec = {"plan": "Advanced", **change}
        found.append((f"with {field}", field in PERMITTING, stage.create("provider", spec)))
    assert not wrong(found), "\n".join(wrong(found))


def test_both_sides_at_once_where_the_values_say_so(cluster: Cluster, make_namespace: MakeNamespace) -> None:
    namespace = make_namespace()
    with prepare(cluster, namespace, records={"bothSides": "Allow"}):
        stage = Stage(namespace, users(cluster, namespace))
        assert stage.create("both", {"plan": "Advanced", **CUSTOMERS["maintenance.windows"]}) == ""
        stand(cluster, stage)
        found = changes(stage, both=True)
        assert not wrong(found), "\n".join(wrong(found))
