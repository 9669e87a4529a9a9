"""Who may write which record: the chart's policy on the real API server, whether the operator runs or not."""

from collections.abc import Iterator, Mapping

import pytest

from api.record_examples import EXAMPLES, FULL, record
from cluster.records_stage import EVERYTHING, bind, grant, policies_in_force, refusal, verbs, wrong
from cluster.standing import SIMULATED, records, stand_simulated, until
from cluster.validation import placed
from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.objects import RECORD, SERVICE
from dedicated.api.record import STATED_BY, Fact, Role
from dedicated.contract.rollup import KEPT
from helm_charts import of_kind
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import Settings, render

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

USERS: Mapping[str, tuple[Manifest, ...]] = {
    "operator": (verbs("act-as-operator"),),
    "customer": (verbs("act-as-customer"),),
    "provider": (verbs("act-as-provider"),),
    "own-operator": (verbs("act-as-provider", "act-as-operator"),),
    "both": (verbs("act-as-customer", "act-as-provider"),),
    "operating-customer": (verbs("act-as-customer", "act-as-operator"),),
    "restorer": (verbs("restore-records"),),
    "elsewhere": (verbs("act-as-operator", "act-as-customer", "act-as-provider", instance="other"),),
    "editor": (verbs("modify"),),
    "wildcard": (EVERYTHING,),
    "granted-wildcard": (EVERYTHING, verbs("act-as-operator"), verbs("act-as-provider")),
}
"""User -> what was granted to them beside creating and deleting records."""
SIDES: Mapping[str, frozenset[Role]] = {
    "operator": frozenset({"operator"}),
    "customer": frozenset({"customer"}),
    "provider": frozenset({"provider"}),
    "own-operator": frozenset({"provider", "operator"}),
}
"""User -> the sides that they may state facts for; all others: for none."""
BOTH_SIDES: Manifest = {"records": {"bothSides": "Allow"}}
BOTH: Mapping[str, frozenset[Role]] = {
    "both": frozenset({"customer", "provider"}),
    "operating-customer": frozenset({"customer", "operator"}),
}
"""The same where the values allow both sides at once."""


def written(fact: Fact, **fields: JsonValue) -> Manifest:
    """An example as it is written today: without a time."""
    return {**{key: value for key, value in EXAMPLES[fact].items() if key != "at"}, **fields}


STATEMENTS: Mapping[str, tuple[frozenset[Role], Manifest]] = {
    **{
        fact: (frozenset(role for role, facts in STATED_BY.items() if fact in facts), written(fact))
        for fact in EXAMPLES
        if fact != "Notified"
    },
    **{
        f"Notified {kind}": (
            frozenset({"operator" if kind == "Regular" else "provider"}),
            written("Notified", notice={"kind": kind, "duration": "2h"}),
        )
        for kind in ("Regular", "Security", "Performance")
    },
}
"""Statement -> the sides of which each may make it, and its spec."""


@pytest.fixture
def guarded(cluster: Cluster, make_namespace: MakeNamespace) -> Iterator[str]:
    """A namespace in which the policy of records is in force."""
    namespace = make_namespace(labels=SIMULATED)
    with policies_in_force(cluster, namespace, "records", probe=stated(namespace, by="nobody")):
        yield namespace


def stated(
    namespace: str, *, by: str, name: str = "acme-1", spec: Manifest | None = None, at: str = ""
) -> Manifest:
    """A record by a user; `at` empty: of now."""
    written_spec = {**(spec or FULL), "by": by}
    written_spec.pop("at", None)
    body = record({**written_spec, **({"at": at} if at else {})}, name=name)
    return placed(body, namespace)


def statements(
    cluster: Cluster, namespace: str, sides: Mapping[str, frozenset[Role]]
) -> list[tuple[str, bool, str]]:
    """Every statement by every user: what, whether it must be refused, what was said."""
    users = {who: grant(cluster, namespace, who, *rules) for who, rules in USERS.items()}
    users |= {"admin": cluster.api, "root": cluster.as_user("root", groups=("system:masters",))}
    return [
        (
            f"{who}: {what}",
            not sides.get(who, frozenset()) & may,
            refusal(api, stated(namespace, by=who, spec=spec)),
        )
        for who, api in users.items()
        for what, (may, spec) in STATEMENTS.items()
    ]


def test_every_fact_is_stated_by_its_side_alone(cluster: Cluster, guarded: str) -> None:
    found = statements(cluster, guarded, SIDES)
    assert not wrong(found), "\n".join(wrong(found))
    said = {what: text for what, refused, text in found if refused}
    need = "needs the verb act-as-customer on dedicatedinstance acme, granted by its name"
    assert f"fact Permitted {need}" in said["operator: Permitted"]
    assert f"fact Refused {need}" in said["wildcard: Refused"]
    assert "fact Delivered needs the verb act-as-operator or act-as-provider" in said["customer: Delivered"]
    assert "you hold verbs of both sides on dedicatedinstance acme" in said["both: Permitted"]
    assert "you hold verbs of both sides" in said["operating-customer: ServiceStarted"]


def test_both_sides_at_once_where_the_values_say_so(cluster: Cluster, make_namespace: MakeNamespace) -> None:
    namespace = make_namespace()
    probe = stated(namespace, by="nobody")
    with policies_in_force(cluster, namespace, "records", probe=probe, values=BOTH_SIDES):
        found = statements(cluster, namespace, {**SIDES, **BOTH})
        assert not wrong(found), "\n".join(wrong(found))


def test_nobody_states_a_fact_for_another(cluster: Cluster, guarded: str) -> None:
    operator = grant(cluster, guarded, "operator", verbs("act-as-operator"))
    text = refusal(operator, stated(guarded, by="customer"))
    assert "spec.by must be operator: a record is stated by who creates it" in text


def test_a_time_is_written_by_who_restores_records_only(cluster: Cluster, guarded: str) -> None:
    restorers = {
        "restorer": grant(cluster, guarded, "restorer", verbs("restore-records")),
        "operator": grant(cluster, guarded, "operator", verbs("act-as-operator")),
        "customer": grant(cluster, guarded, "customer", verbs("act-as-customer")),
        "wildcard": grant(cluster, guarded, "wildcard", EVERYTHING),
        "elsewhere": grant(cluster, guarded, "elsewhere", verbs("restore-records", instance="other")),
        "admin": cluster.api,
    }
    for who, api in restorers.items():
        for what, (_, spec) in STATEMENTS.items():
            text = refusal(api, stated(guarded, by="who-stated-it", spec=spec, at="2026-01-31T12:00:00Z"))
            assert ("spec.at is for records that are brought back" in text) == (who != "restorer"), what
    # Without a time it is an ordinary record, also of somebody who restores.
    assert "needs the verb act-as-operator" in refusal(
        restorers["restorer"], stated(guarded, by="restorer")
    )


def test_a_record_is_deleted_by_who_restores_records_or_rolls_them_up(cluster: Cluster, guarded: str) -> None:
    users = {who: grant(cluster, guarded, who, *rules) for who, rules in USERS.items()} | {
        "admin": cluster.api
    }
    may = {"restorer": set(EXAMPLES), "operator": set(EXAMPLES) - KEPT, "own-operator": set(EXAMPLES) - KEPT}
    may["operating-customer"] = may["operator"]
    names = {fact: f"acme-{fact.lower()}" for fact in EXAMPLES}
    for fact, name in names.items():
        at = "2026-01-31T12:00:00Z"
        users["restorer"].create(stated(guarded, by="a", name=name, spec=EXAMPLES[fact], at=at))
    found = [
        (f"{who}: {fact}", fact not in may.get(who, set()), refused_deletion(api, guarded, name))
        for who, api in users.items()
        for fact, name in names.items()
    ]
    assert not wrong(found), "\n".join(wrong(found))
    assert all("records are not deleted" in said for _, refused, said in found if refused)
    with pytest.raises(ApiError, match="records are not deleted"):
        users["operator"].request("DELETE", collection(guarded))
    assert {get_str(item, "spec", "fact") for item in records(cluster.api, guarded)} >= KEPT


def collection(namespace: str) -> str:
    """Path of the records of a namespace."""
    return f"/apis/{RECORD.api_version}/namespaces/{namespace}/{RECORD.plural}"


def refused_deletion(api: Api, namespace: str, name: str) -> str:
    """Why a deletion is refused; empty where it would be accepted. Nothing is deleted."""
    try:
        api.request("DELETE", f"{collection(namespace)}/{name}", query={"dryRun": "All"})
    except ApiError as error:
        if error.status != 403:
            raise
        return error.message
    return ""


def test_a_namespace_with_records_ends(cluster: Cluster, guarded: str) -> None:
    operator = grant(cluster, guarded, "operator", verbs("act-as-operator"))
    operator.create(stated(guarded, by="operator"))
    cluster.api.delete("v1/namespaces", "", guarded)
    cluster.api.wait_for("v1/namespaces", "", guarded, lambda body: body is None, what="gone")


def test_other_namespaces_are_not_concerned(cluster: Cluster, guarded: str, namespace: str) -> None:
    assert refusal(cluster.api, stated(namespace, by="whoever")) == ""
    assert refusal(cluster.api, stated(guarded, by="whoever")) != ""


def test_the_chart_has_a_role_for_each_side_to_bind(cluster: Cluster, guarded: str) -> None:
    roles = {
        get_str(role, "metadata", "name").rpartition(":")[2]: role
        for role in of_kind(render(Settings(guarded, (guarded,))), "ClusterRole")
        if get_str(role, "metadata", "name").endswith((":customer", ":provider", ":restorer"))
    }
    assert roles.keys() == {"customer", "provider", "restorer"}
    said = {}
    for side, role in roles.items():
        cluster.api.apply(role, manager="helm")
        bind(cluster, guarded, side, kind="ClusterRole", role=get_str(role, "metadata", "name"))
    try:
        for side in roles:
            may = {fact for fact, (sides, _) in STATEMENTS.items() if side in sides}
            body = {what: stated(guarded, by=side, spec=spec) for what, (_, spec) in STATEMENTS.items()}
            api = cluster.as_user(side)
            said = {what: refusal(api, statement) for what, statement in body.items()}
            assert {what for what, text in said.items() if not text} == may, side
        brought_back = stated(guarded, by="whoever", at="2026-01-31T12:00:00Z")
        assert refusal(cluster.as_user("restorer"), brought_back) == ""
    finally:
        for role in roles.values():
            name = get_str(role, "metadata", "name")
            cluster.api.delete("rbac.authorization.k8s.io/v1/clusterroles", "", name)


def test_the_operator_writes_its_facts_with_the_rights_of_the_chart(
    cluster: Cluster, guarded: str, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, guarded, run_operator)
    body: Manifest = {"spec": {"sessionAffinity": "ClientIP"}}
    at.api.patch(SERVICE, guarded, "acme-server", body, manager="somebody")
    until(lambda: len(records(at.api, guarded)) == 1, "recorded")
    (found,) = records(at.api, guarded)
    assert get_str(found, "spec", "by") == at.operator.account
    kept = stated(guarded, by="somebody", name="kept", spec=EXAMPLES["Agreement"], at="2026-01-31T12:00:00Z")
    grant(cluster, guarded, "restorer", verbs("restore-records")).create(kept)
    with pytest.raises(ApiError, match="records are not deleted"):
        at.operator.api.delete(RECORD, guarded, "kept")
