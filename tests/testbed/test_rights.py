"""Holding the audit log against the chart's rights: what counts as used, what as denied."""

import json
from pathlib import Path

import pytest

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import GROUP
from testbed.rights import DECISION, Right, Usage, granted, usage, usage_of, verdict

ACCOUNT = "system:serviceaccount:home:dedicated-operator"
SERVICES = Right("", "services", "patch")


def event(
    verb: str,
    resource: str,
    *,
    user: str = ACCOUNT,
    code: int = 200,
    decision: str = "allow",
    group: str = "",
    agent: str = "dedicated-operator/0.1.0",
) -> Manifest:
    plural, _, subresource = resource.partition("/")
    ref: Manifest = {"resource": plural, "apiGroup": group, "namespace": "acme"}
    return {
        "verb": verb,
        "userAgent": agent,
        "user": {"username": user},
        "objectRef": {**ref, "subresource": subresource} if subresource else ref,
        "responseStatus": {"code": code},
        "annotations": {DECISION: decision},
    }


def role(*, labels: Manifest | None = None, **rule: JsonValue) -> Manifest:
    return {"kind": "ClusterRole", "metadata": {"labels": labels or {}}, "rules": [{**rule}]}


def test_what_was_allowed_was_used() -> None:
    found = usage_of(
        [
            event("patch", "services"),
            event("patch", "configmaps", code=201),
            event("patch", "dedicatedinstances/status", group=GROUP),
            event("get", "secrets", user="admin"),
            event("delete", "secrets", agent="python-urllib3/2", decision="forbid"),
            event("create", "selfsubjectaccessreviews"),
        ]
    )
    config_maps = {Right("", "configmaps", "patch"), Right("", "configmaps", "create")}
    status = Right(GROUP, "dedicatedinstances/status", "patch")
    assert found == Usage(frozenset({SERVICES, status, *config_maps}), frozenset(), 3)


def test_a_refusal_by_rbac_is_no_use_and_one_by_a_policy_is_no_denial() -> None:
    events = [event("get", "nodes", code=403, decision="forbid"), event("patch", "services", code=403)]
    found = usage_of(events)
    assert found.used == {SERVICES}
    assert found.denied == {f"get nodes in acme by {ACCOUNT}"}


def test_an_api_server_that_has_not_read_its_roles_yet_denies_nothing() -> None:
    found = usage_of([event("patch", "services", code=403, decision="forbid"), event("patch", "services")])
    assert found == Usage(frozenset({SERVICES}), frozenset(), 2)


def test_rights_for_people_are_not_the_operators() -> None:
    ours = role(apiGroups=[""], resources=["services"], verbs=["patch", "get"])
    theirs = role(
        apiGroups=[""],
        resources=["pods"],
        verbs=["get"],
        labels={"rbac.authorization.k8s.io/aggregate-to-view": "true"},
    )
    assert granted([ours, theirs]) == {SERVICES, Right("", "services", "get")}


@pytest.mark.parametrize("whole", [True, False])
def test_an_unused_right_is_told_of_a_whole_run_only(whole: bool) -> None:
    rights = frozenset({SERVICES, Right("", "pods", "get"), Right(GROUP, "dedicatedinstances", "modify")})
    found = Usage(frozenset({SERVICES}), frozenset({"get nodes in the cluster by somebody"}), 1)
    lines = verdict(found, rights, custom=("modify",), whole=whole)
    denied = ["denied: get nodes in the cluster by somebody"]
    assert lines == denied + (["granted, but used by no test: get pods"] if whole else [])


def test_workers_say_the_same_to_their_controller(tmp_path: Path) -> None:
    audit = tmp_path / "audit.log"
    lines = [json.dumps(event("patch", "services")), json.dumps(event("get", "nodes", decision="forbid"))]
    audit.write_text("\n".join(lines) + '\n{"half of a line: dedicated-operator')
    found = usage(audit)
    assert found.used == {SERVICES}
    assert found.requests == 2
    assert Usage.from_json(found.to_json()) == found
    assert Usage().fuller(found) == found
    assert usage(tmp_path / "nothing") == Usage()


def test_rights_on_a_kind_that_was_never_there_cannot_be_used() -> None:
    events = [
        *(event("list", "tcproutes", group="routes", code=404), event("list", "pods", code=404)),
        event("list", "pods"),
    ]
    found = usage_of(events)
    assert found.absent == {"tcproutes.routes"}
    assert Usage.from_json(found.to_json()) == found
    rights = frozenset({Right("routes", "tcproutes", "watch"), Right("", "pods", "watch")})
    assert verdict(found, rights, custom=(), whole=True) == ["granted, but used by no test: watch pods"]
