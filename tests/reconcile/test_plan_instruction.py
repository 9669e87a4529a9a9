"""While the provider's instruction is in force its grantee may change things; then all of it is undone."""

from dataclasses import replace
from datetime import timedelta

from dedicated.api.json import get_list, get_map, get_str
from dedicated.api.objects import ROLE, ROLE_BINDING, Ref
from dedicated.contract.facts import Grantee, Instructed
from dedicated.reconcile.actions import Apply, Delete
from reconcile.edits import SERVICE, add_port, put, standing
from reconcile.simulation import Cluster

BINDING = Ref(ROLE_BINDING.kind, "acme-instruction")
ROLE_REF = Ref(ROLE.kind, "acme-instruction")
HOURS = timedelta(hours=4)


def instruct(cluster: Cluster, *, scope: tuple[str, ...] = (), name: str = "jane") -> Instructed:
    """An instruction from now on."""
    now = cluster.server.now
    fact = Instructed(f"i-{name}", now, "provider", Grantee("User", name), scope, now, now + HOURS, "test")
    cluster.facts[fact.name] = fact
    return fact


def ports(cluster: Cluster) -> int:
    return len(get_list(cluster.manifest(SERVICE.kind, SERVICE.name), "spec", "ports"))


def test_the_instructed_are_let_through_for_as_long() -> None:
    cluster = standing()
    fact = instruct(cluster)
    decided = cluster.plan()
    assert decided.wake_at == fact.valid_until
    cluster.settle()
    role, binding = (cluster.manifest(ref.kind, ref.name) for ref in (ROLE_REF, BINDING))
    assert get_list(role, "rules") == [
        {
            "apiGroups": ["dedicated.zitadel.com"],
            "resources": ["dedicatedinstances"],
            "resourceNames": ["acme"],
            "verbs": ["modify"],
        }
    ]
    assert [get_str(who, "name") for who in get_list(binding, "subjects")] == ["jane"]
    # An instruction is no part of what was specified.
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.findings() == ["InstructionInForce"]
    instruct(cluster, name="anna")
    cluster.settle()
    binding = cluster.manifest(BINDING.kind, BINDING.name)
    assert [get_str(who, "name") for who in get_list(binding, "subjects")] == ["anna", "jane"]
    cluster.pass_time(hours=4)
    cluster.settle()
    assert not {ROLE_REF, BINDING} & cluster.server.objects.keys()
    assert cluster.findings() == []


def test_a_binding_is_written_when_its_role_is_there() -> None:
    cluster = standing()
    instruct(cluster)
    stages = [[a.ref for a in stage if isinstance(a, Apply)] for stage in cluster.plan().stages]
    (role,) = (number for number, refs in enumerate(stages) if ROLE_REF in refs)
    (binding,) = (number for number, refs in enumerate(stages) if BINDING in refs)
    assert role < binding


def test_a_restart_changes_nothing_of_it() -> None:
    cluster = standing()
    instruct(cluster)
    cluster.settle()
    assert cluster.after_restart().actions == ()


def test_what_is_changed_meanwhile_is_kept_and_then_undone_and_nobody_is_blamed() -> None:
    cluster = standing()
    before = ports(cluster)
    instruct(cluster, scope=(str(SERVICE),))
    cluster.settle()
    cluster.pass_time(hours=1)
    cluster.edit(SERVICE, add_port)
    cluster.settle()
    cluster.after_restart()
    assert ports(cluster) == before + 1
    cluster.pass_time(hours=2, minutes=59, seconds=59)
    assert cluster.plan().actions == ()
    cluster.pass_time(seconds=1)
    cluster.settle()
    assert ports(cluster) == before
    assert cluster.records == {}
    assert cluster.condition("Unmodified") == ("True", "NoModification")


def test_a_change_outside_the_scope_or_before_is_a_modification() -> None:
    cluster = standing()
    before = ports(cluster)
    cluster.edit(SERVICE, add_port)  # written before the instruction, seen after it
    cluster.pass_time(seconds=1)
    instruct(cluster)
    cluster.settle()
    assert ports(cluster) == before
    assert len(cluster.records) == 1
    other = standing()
    instruct(other, scope=("Deployment/acme-server",))
    other.settle()
    other.edit(SERVICE, add_port)
    other.settle()
    assert ports(other) == before
    assert len(other.records) == 1


def test_nobody_instructs_another_by_the_binding() -> None:
    cluster = standing()
    instruct(cluster)
    cluster.settle()
    cluster.edit(BINDING, put("subjects", value=[{"kind": "User", "name": "eve"}]))
    cluster.settle()
    subjects = get_list(cluster.manifest(BINDING.kind, BINDING.name), "subjects")
    assert [get_str(who, "name") for who in subjects] == ["jane"]
    assert len(cluster.records) == 1


def test_it_ends_also_where_nothing_may_be_built() -> None:
    cluster = standing()
    fact = instruct(cluster)
    cluster.settle()
    cluster.edit_spec(release={"version": "v9.9.9"})
    assert not [action for action in cluster.plan().actions if isinstance(action, Delete | Apply)]
    assert cluster.plan().wake_at == fact.valid_until
    cluster.pass_time(hours=4)
    cluster.settle()
    assert not {ROLE_REF, BINDING} & cluster.server.objects.keys()
    assert cluster.condition("Stalled")[0] == "True"


def test_a_service_account_is_named_with_its_namespace() -> None:
    cluster = standing()
    fact = instruct(cluster)
    account = Grantee("ServiceAccount", "deployer", "tools")
    cluster.facts[fact.name] = replace(fact, grantee=account)
    cluster.settle()
    (subject,) = get_list(cluster.manifest(BINDING.kind, BINDING.name), "subjects")
    assert get_map(subject) == {"kind": "ServiceAccount", "name": "deployer", "namespace": "tools"}
