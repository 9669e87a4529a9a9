"""Who gets through the protection of an instance: every user, every attempt, on the real API server.

The instance's operator runs, and then runs no more: admission does not need it.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from cluster.instances import wait_for
from cluster.observing import SECONDS, is_applied
from cluster.protection_attempts import ATTEMPTS, END, FORBIDDEN, Attempt
from cluster.protection_stage import (
    OPERATOR,
    PLATFORM_GROUP,
    PLATFORM_USER,
    USERS,
    Outcome,
    Stage,
    User,
    install_route_kinds,
    prepare,
    remove,
)
from cluster.standing import SIMULATED, create_simulated, until
from dedicated.api.json import JsonValue, get_str
from dedicated.api.names import LABEL_INSTANCE
from testbed import protection
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, Protect, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

FEW = ("all standard verbs", "editor", "GitOps controller", "instructed")


@dataclass(frozen=True, slots=True)
class Scene:
    """A standing instance, users around it, and nothing protected yet."""

    stage: Stage
    operator: OperatorProcess


@pytest.fixture
def scene(cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator) -> Iterator[Scene]:
    """One instance, at rest."""
    namespace = make_namespace(labels=SIMULATED)
    operator = run_operator(namespace)
    create_simulated(cluster.api, namespace)
    wait_for(cluster.api, namespace, is_applied, seconds=SECONDS, what="rolled out")
    until(lambda: mark(cluster, namespace) == "acme", "the label of the namespace")
    install_route_kinds(cluster)
    yield Scene(prepare(cluster, namespace, (OPERATOR, *USERS)), operator)
    remove(cluster, namespace)


def mark(cluster: Cluster, namespace: str) -> str:
    """The instance that a namespace is labelled with."""
    return get_str(cluster.api.get("v1/namespaces", "", namespace), "metadata", "labels", LABEL_INSTANCE)


CONTROLLERS: JsonValue = {"users": [*protection.PLATFORM, PLATFORM_USER], "groups": [PLATFORM_GROUP]}
"""The value `platformControllers`: the testbed's own, and those that tests play."""


def chosen(*names: str) -> list[User]:
    """Users by name."""
    by_name = {user.name: user for user in USERS}
    return [by_name[name] for name in names]


def way_of(attempt: Attempt) -> str:
    """What a refusal says of how it can be done."""
    return "Delete the instance first" if attempt.name == END else "verb modify on"


def judge(user: User, attempt: Attempt, outcome: Outcome, *, wildcards: bool) -> str:
    """`refused`, `passed`, `no right` (RBAC was first), or in capitals what is wrong."""
    if user.must_pass(attempt, wildcards=wildcards):
        if outcome.by_policy:
            return "BLOCKED"
        return "no right" if outcome.by_rights else "passed"
    if outcome.by_policy:
        named = f".{attempt.guard}'" in outcome.message and way_of(attempt) in outcome.message
        return "refused" if named else "WRONG MESSAGE"
    return "no right" if outcome.by_rights else "GOT THROUGH"


def all_try(stage: Stage, users: Sequence[User], *, wildcards: bool = True) -> Counter[str]:
    """Every user makes every attempt: how many ended how. Fails where one ended wrongly."""
    count: Counter[str] = Counter()
    wrong = []
    for user in users:
        for attempt in ATTEMPTS:
            outcome = stage.send(user, attempt)
            verdict = judge(user, attempt, outcome, wildcards=wildcards)
            count[verdict] += 1
            if verdict.isupper():
                wrong.append(f"{verdict}: {user.name}: {attempt.name}: {outcome.status} {outcome.message}")
    assert not wrong, "\n".join([f"{len(wrong)} of {sum(count.values())}:", *wrong[:20]])
    return count


@pytest.mark.slow
def test_nobody_gets_through_without_a_grant_and_the_platform_is_never_blocked(
    scene: Scene, protect: Protect, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = scene.stage
    protect(stage.namespace, platformControllers=CONTROLLERS)
    count = all_try(stage, (OPERATOR, *USERS))
    protect(stage.namespace, platformControllers=CONTROLLERS, wildcardAdmins="Deny")
    wildcards = [user for user in USERS if user.standing == "wildcard"]
    count += all_try(stage, (OPERATOR, *wildcards, *chosen("instructed")), wildcards=False)
    scene.operator.kill()
    count += all_try(stage, [user for user in USERS if user.standing == "ordinary"], wildcards=False)
    with capsys.disabled():
        sys.stderr.write(f"protection: {len(USERS) + 1} users, {len(ATTEMPTS)} attempts: {dict(count)}\n")
    assert count["refused"] > len(FORBIDDEN) * len(wildcards)


def test_the_attempts_are_real_and_the_refusals_the_protection_s(scene: Scene, protect: Protect) -> None:
    """Without protection each succeeds; under it, for who is instructed. The policy refuses the rest."""
    stage = scene.stage
    power, instructed = chosen("all standard verbs", "instructed")
    for attempt in ATTEMPTS:
        outcome = stage.send(power, attempt)
        assert attempt.loose or outcome.status < 400, (attempt.name, outcome)
    protect(stage.namespace, platformControllers=CONTROLLERS)
    for attempt in ATTEMPTS:
        if attempt.instances == ("acme",) and not attempt.loose and attempt.name != END:
            outcome = stage.send(instructed, attempt)
            assert outcome.status < 400, (attempt.name, outcome)
            assert not any("ValidatingAdmissionPolicy" in text for text in outcome.warnings), outcome
    all_try(stage, (OPERATOR, *chosen(*FEW)))
    scene.operator.kill()
    all_try(stage, chosen(*FEW))


def test_warnings(scene: Scene, protect: Protect) -> None:
    """Mode Warn lets everybody through and says so; so does Deny for who may do everything, but for the
    namespace."""
    stage = scene.stage
    power, root = chosen("all standard verbs", "cluster admin")
    for mode, user in (("Deny", root), ("Warn", power)):
        protect(stage.namespace, platformControllers=CONTROLLERS, mode=mode)
        for attempt in ATTEMPTS:
            outcome = stage.send(user, attempt)
            assert outcome.by_policy == (mode == "Deny" and attempt.guard == "namespace"), attempt.name
            if outcome.by_policy:
                continue
            warned = [text for text in outcome.warnings if "ValidatingAdmissionPolicy" in text]
            assert bool(warned) == (attempt.guard != "free"), (attempt.name, outcome)
            says = "you may do everything" if mode == "Deny" else way_of(attempt)
            assert all(says in text for text in warned), (attempt.name, outcome)


def test_what_people_read(scene: Scene, protect: Protect) -> None:
    stage, cluster = scene.stage, scene.stage.cluster
    protect(stage.namespace, platformControllers=CONTROLLERS)
    config = cluster.user_kubeconfig("ed")

    def says(*arguments: str) -> str:
        return cluster.kubectl("-n", stage.namespace, *arguments, config=config, check=False).strip()

    need = (
        "To do it you need the provider's instruction: the verb modify on "
        f"dedicatedinstances.dedicated.zitadel.com acme in namespace {stage.namespace}, "
        "by a RoleBinding to you (docs/security.md)."
    )
    assert says("scale", "deployment", "acme-server", "--replicas=1").endswith(
        "denied request: The scale of deployments acme-server belongs to a dedicated instance: "
        f"only the provider may do this. {need}"
    )
    assert says("delete", "service", "acme-server").endswith(
        "denied request: Service acme-server belongs to the dedicated instance acme: "
        f"only the provider may do this. {need}"
    )
    pod = stage.names["pod"]
    assert says("exec", pod, "--", "id").endswith(
        f"denied request: pods/exec of {pod} in namespace {stage.namespace}, which belongs to the "
        f"dedicated instance acme: only the provider may do this. {need}"
    )
    admin = cluster.kubectl("delete", "namespace", stage.namespace, "--dry-run=server", check=False)
    assert "forbidden" in admin
    assert f"kubectl delete dedicatedinstance acme -n {stage.namespace}" in admin


def test_a_grant_as_the_documentation_has_it(scene: Scene, protect: Protect) -> None:
    stage, cluster = scene.stage, scene.stage.cluster
    protect(stage.namespace, platformControllers=CONTROLLERS)
    config = cluster.user_kubeconfig("ed")
    here = ("-n", stage.namespace)
    change = (*here, "annotate", "service", "acme-server", "example.com/note=x")
    assert "denied request" in cluster.kubectl(*change, config=config, check=False)
    role = ("--verb=modify", "--resource=dedicatedinstances.dedicated.zitadel.com", "--resource-name=acme")
    anna = cluster.user_kubeconfig("anna")
    tried = cluster.kubectl(*here, "create", "role", "own", *role, config=anna, check=False)
    assert "attempting to grant RBAC permissions not currently held" in tried, "an admin of the namespace"
    cluster.kubectl(*here, "create", "role", "instruction", *role)
    cluster.kubectl(*here, "create", "rolebinding", "instruction", "--role=instruction", "--user=ed")
    until(lambda: "annotated" in cluster.kubectl(*change, config=config, check=False), "the grant counts")
    cluster.kubectl(*here, "delete", "rolebinding", "instruction")
    again = (*change[:-1], "example.com/note=y")
    until(
        lambda: "denied request" in cluster.kubectl(*again, "--overwrite", config=config, check=False),
        "it ends",
    )
