"""The recovery agent's two requests, on a real API server and with no right but get and patch of one name."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace
from testbed.pki import Authority

pytestmark = pytest.mark.cluster

NAME, AGENT = "acme-recovery", "dedicated-recovery-agent"
RBAC = "rbac.authorization.k8s.io"


def credentials_of(cluster: Cluster, namespace: str, account: str, folder: Path) -> Path:
    """A folder as in a pod of an account."""
    config = yaml.safe_load(cluster.account_kubeconfig(namespace, account).read_text())
    (folder / "token").write_text(config["users"][0]["user"]["token"])
    shutil.copy(cluster.ca, folder / "ca.crt")
    return folder


def grant(cluster: Cluster, namespace: str) -> None:
    """The account, and its one right."""
    rule: JsonValue = {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": [NAME],
        "verbs": ["get", "patch"],
    }
    subject: JsonValue = {"kind": "ServiceAccount", "name": "agent", "namespace": namespace}
    role: Manifest = {"apiGroup": RBAC, "kind": "Role", "name": "agent"}
    named: Manifest = {"metadata": {"name": "agent", "namespace": namespace}}
    cluster.api.create({"apiVersion": "v1", "kind": "ServiceAccount", **named})
    cluster.api.create({"apiVersion": f"{RBAC}/v1", "kind": "Role", **named, "rules": [rule]})
    binding: Manifest = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", **named}
    cluster.api.create({**binding, "roleRef": role, "subjects": [subject]})


async def test_the_record_is_read_and_written_and_never_made(
    cluster: Cluster, make_namespace: MakeNamespace, tmp_path: Path
) -> None:
    namespace = make_namespace()
    grant(cluster, namespace)
    folder, server = credentials_of(cluster, namespace, "agent", tmp_path), cluster.state.server
    heard: list[datetime] = []
    own = OwnConfigMap(server, folder, namespace, NAME, AGENT, heard.append)
    for ask in (own.read(), own.write({"report": "{}"})):
        with pytest.raises(OwnObjectError, match="does not exist"):
            await ask
    # As the operator makes it: of an object without any field, the API server would not note who owns what.
    metadata: Manifest = {"name": NAME, "namespace": namespace, "labels": {"example.test/of": "acme"}}
    cluster.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    assert await own.read() == {}
    await own.write({"report": "1", "samples": "[]"})
    await own.write({"report": "2"})
    assert await own.read() == {"report": "2", "samples": "[]"}
    assert all(abs(at - datetime.now(UTC)) < timedelta(seconds=30) for at in heard)
    found = cluster.api.get("v1/configmaps", namespace, NAME)
    owned = [
        get_map(entry, "fieldsV1")
        for entry in get_list(found, "metadata", "managedFields")
        if get_str(entry, "manager") == AGENT
    ]
    assert owned == [{"f:data": {".": {}, "f:report": {}, "f:samples": {}}}]
    with pytest.raises(OwnObjectError, match="right to it is missing"):
        await OwnConfigMap(server, folder, namespace, "another", AGENT).write({"report": "1"})
    (folder / "token").write_text("no-token")
    with pytest.raises(OwnObjectError, match="token is refused"):
        await own.read()


async def test_an_api_server_of_another_authority_is_not_spoken_to(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("planted")
    Authority(tmp_path).create()
    with pytest.raises(OwnObjectError, match="cannot be reached"):
        await OwnConfigMap(cluster.state.server, tmp_path, "default", NAME, AGENT).read()
