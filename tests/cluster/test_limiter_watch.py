"""The limiter agent's requests, on a real API server and with no right but those that its Role names."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.cluster.own_object import Door, OwnConfigMap, OwnObjectError
from dedicated.cluster.own_watch import OwnWatch
from dedicated.contract.limiter_report import MANAGER
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace

pytestmark = pytest.mark.cluster

WANTED, REPORT = "acme-limiter", "acme-limiter-report"
RBAC = "rbac.authorization.k8s.io"


def credentials_of(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """A folder as in a pod."""
    config = yaml.safe_load(cluster.account_kubeconfig(namespace, "agent").read_text())
    (folder / "token").write_text(config["users"][0]["user"]["token"])
    shutil.copy(cluster.ca, folder / "ca.crt")
    return folder


def grant(cluster: Cluster, namespace: str) -> None:
    """As `parts.limiter.objects.standing` does."""

    def rule(name: str, *verbs: str) -> JsonValue:
        return {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": [*verbs]}

    subject: JsonValue = {"kind": "ServiceAccount", "name": "agent", "namespace": namespace}
    named: Manifest = {"metadata": {"name": "agent", "namespace": namespace}}
    rules = [rule(REPORT, "get", "patch"), rule(WANTED, "get", "list", "watch")]
    cluster.api.create({"apiVersion": "v1", "kind": "ServiceAccount", **named})
    cluster.api.create({"apiVersion": f"{RBAC}/v1", "kind": "Role", **named, "rules": rules})
    role: Manifest = {"apiGroup": RBAC, "kind": "Role", "name": "agent"}
    binding: Manifest = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", **named}
    cluster.api.create({**binding, "roleRef": role, "subjects": [subject]})


def config_map(namespace: str, name: str, data: dict[str, JsonValue]) -> Manifest:
    metadata: Manifest = {"name": name, "namespace": namespace, "labels": {"example.test/of": "acme"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def following(followed: AsyncIterator[dict[str, str]]) -> dict[str, str]:
    """The next of it."""
    async with asyncio.timeout(10):
        return await anext(followed)


async def test_one_config_map_is_followed_and_another_written(
    cluster: Cluster, make_namespace: MakeNamespace, tmp_path: Path
) -> None:
    namespace = make_namespace()
    grant(cluster, namespace)
    folder = credentials_of(cluster, namespace, tmp_path)
    door = Door(cluster.state.server, folder)
    watch = OwnWatch(door, namespace, WANTED)
    with pytest.raises(OwnObjectError, match="acme-limiter does not exist"):
        await watch.read()
    cluster.api.create(config_map(namespace, WANTED, {"hash": "1"}))
    cluster.api.create(config_map(namespace, "another", {"hash": "0"}))
    assert await watch.read() == {"hash": "1"}
    followed = watch.follow()
    assert await following(followed) == {"hash": "1"}
    big = "x" * 400_000
    patch = "v1/configmaps", namespace, WANTED
    for value in ("2", big, "3"):
        cluster.api.patch(*patch, {"data": {"hash": value}})
        assert await following(followed) == {"hash": value}
    cluster.api.delete(*patch)
    with pytest.raises(OwnObjectError, match="was deleted"):
        await following(followed)
    with pytest.raises(OwnObjectError, match="right to it is missing"):
        await OwnWatch(door, namespace, "another").read()
    cluster.api.create(config_map(namespace, REPORT, {}))
    own = OwnConfigMap(cluster.state.server, folder, namespace, REPORT, MANAGER)
    await own.write({"r0": "{}"})
    await own.write({"r1": "{}"})
    found = cluster.api.get("v1/configmaps", namespace, REPORT)
    owned = [
        get_map(entry, "fieldsV1", "f:data")
        for entry in get_list(found, "metadata", "managedFields")
        if get_str(entry, "manager") == MANAGER
    ]
    assert [set(fields) - {"."} for fields in owned] == [{"f:r0", "f:r1"}]
