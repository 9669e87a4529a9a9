"""Promises that hold for every pod of an instance: each pod template that any part renders is walked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    EXISTING,
    OWN_KEY,
    children,
    containers,
    instance,
    limited,
    pod_templates,
    walk,
    wanted,
)
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.resource import Instance

SHAPES = {
    "new database": instance(),
    "existing database": instance(keys=OWN_KEY, database=EXISTING),
    "pinned zones": instance(infrastructure={"zones": {"names": ["a", "b", "c"]}}),
    "own resources": instance(
        server={"replicas": 7, "resources": {"limits": {"cpu": "2"}}}, login={"resources": {"requests": {}}}
    ),
}
LIMITER = [item for item in children(limited()) if get_str(item, "kind") == "StatefulSet"]
TEMPLATES = [
    pytest.param(template, id=f"{shape}/{get_str(template, 'metadata', 'labels', LABEL_COMPONENT)}/{number}")
    for shape, of in SHAPES.items()
    for number, template in enumerate(pod_templates(children(wanted(of))))
] + [pytest.param(template, id="limiter") for template in pod_templates(LIMITER)]


def test_there_are_templates_to_judge() -> None:
    assert len(TEMPLATES) == 4 * len(SHAPES) + 1


@pytest.mark.parametrize("template", TEMPLATES)
def test_it_meets_pod_security_restricted(template: Manifest) -> None:
    """The rules of the Pod Security Standard's level `restricted`, one by one."""
    pod = get_map(template, "spec")
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        assert field not in pod
    context = get_map(pod, "securityContext")
    assert context["runAsNonRoot"] is True
    assert get_int(context, "runAsUser") > 0
    assert get_str(context, "seccompProfile", "type") == "RuntimeDefault"
    for volume in get_list(pod, "volumes"):
        sources = set(get_map(volume)) - {"name"}
        assert sources <= {"configMap", "emptyDir", "secret", "projected"}
    for container in containers(template):
        own = get_map(container, "securityContext")
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert get_map(own, "capabilities") == {"drop": ["ALL"]}
        assert "privileged" not in own
        assert not [port for port in get_list(container, "ports") if "hostPort" in get_map(port)]


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_service_becomes_a_setting_and_no_token_is_mounted(template: Manifest) -> None:
    pod = get_map(template, "spec")
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("template", TEMPLATES)
def test_it_runs_under_an_account_of_its_own(template: Manifest) -> None:
    component = get_str(template, "metadata", "labels", LABEL_COMPONENT)
    # The limiter's is called as the report is that it writes: the protection tells it by that.
    own = f"acme-{component}" + ("-report" if component == "limiter" else "")
    assert get_str(template, "spec", "serviceAccountName") == own
    assert get_str(template, "metadata", "labels", LABEL_INSTANCE) == "acme"


@pytest.mark.parametrize("template", TEMPLATES)
def test_it_asks_for_what_it_needs_and_is_bounded_in_memory(template: Manifest) -> None:
    for container in containers(template):
        resources = get_map(container, "resources")
        assert get_str(resources, "limits", "memory") or get_str(resources, "limits", "cpu")
        assert get_map(resources, "requests") or get_map(resources, "limits")


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_mount_has_its_volume_and_every_volume_a_mount(template: Manifest) -> None:
    volumes = [get_str(volume, "name") for volume in get_list(template, "spec", "volumes")]
    assert len(volumes) == len(set(volumes))
    mounted = {
        get_str(mount, "name") for each in containers(template) for mount in get_list(each, "volumeMounts")
    }
    assert mounted == set(volumes)


@pytest.mark.parametrize("template", TEMPLATES)
def test_environment_and_mounts_are_unambiguous(template: Manifest) -> None:
    for container in containers(template):
        names = [get_str(variable, "name") for variable in get_list(container, "env")]
        assert len(names) == len(set(names))
        paths = [get_str(mount, "mountPath") for mount in get_list(container, "volumeMounts")]
        assert len(paths) == len(set(paths))
        for variable in map(as_manifest, get_list(container, "env")):
            assert ("value" in variable) != ("valueFrom" in variable)


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_private_key_of_the_operator_reaches_no_pod(template: Manifest) -> None:
    for volume in get_list(template, "spec", "volumes"):
        secret = get_map(volume, "secret")
        if get_str(secret, "secretName").endswith("operator-key"):
            assert [get_str(item, "key") for item in get_list(secret, "items")] == ["public.pem"]


AMBIGUOUS_ALLOWED = {"emptyDir", "namespaceSelector", "resources"}
"""Where an empty object has a meaning of its own."""


@settings(max_examples=50, deadline=None)
@given(
    zones=st.integers(1, 9),
    replicas=st.integers(1, 50),
    resources=st.sampled_from([{}, {"requests": {}}, {"limits": {"memory": "2Gi"}}]),
    names=st.sampled_from([None, ["a", "b", "c", "d", "e", "f", "g", "h", "i"]]),
)
def test_every_manifest_is_fit_for_server_side_apply(
    zones: int, replicas: int, resources: dict[str, JsonValue], names: list[JsonValue] | None
) -> None:
    replicas = max(zones, replicas)
    pinned: Manifest = {"minimum": zones, **({"names": names} if names else {})}
    of = instance(
        infrastructure={"zones": pinned},
        agreements=[{"clause": "S-2", "record": "r"}],
        server={"replicas": replicas, "resources": resources},
        login={"replicas": replicas, "resources": resources},
    )
    for manifest in children(wanted(of, zones=zones)):
        for path, value in walk(manifest):
            assert value is not None, path
            if value in ({}, []) and path[-1] not in AMBIGUOUS_ALLOWED:
                assert path[-2:] == ("egress", "0"), path  # the rule that allows everything


LISTS = {
    "containers": ("name",),
    "env": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}


@pytest.mark.parametrize("of", SHAPES.values(), ids=SHAPES)
def test_items_of_keyed_lists_have_their_keys(of: Instance) -> None:
    judged = 0
    for manifest in children(wanted(of)):
        for path, value in walk(manifest):
            keys = LISTS.get(path[-1]) if path else None
            if path and path[-1] == "ports" and manifest["kind"] != "NetworkPolicy":
                keys = ("protocol",)
            if keys and isinstance(value, list):
                found = [tuple(get_map(item).get(key) for key in keys) for item in value]
                assert all(None not in item for item in found), path
                assert len(found) == len(set(found)), path
                judged += 1
    assert judged > 20
