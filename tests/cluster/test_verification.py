"""A verification's objects on the real API server: they are taken, and its word is its own alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from cluster.test_recovery_record import credentials_of
from contract.test_recovery_proof import GOOD
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import CONFIG_MAP
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.recovery.proof import MANAGER, VERDICT, to_json
from dedicated.parts.verification import isolation, verdict_of, verification
from parts.test_verification import COPY
from testbed import protection
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace

pytestmark = pytest.mark.cluster

RECORD = "drill-verdict"


def made(cluster: Cluster, namespace: str) -> None:
    """All that a verification is made of. What owns it, a ConfigMap here, is there first."""
    owner = cluster.api.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "drill", "namespace": namespace}}
    )
    uid = get_str(owner, "metadata", "uid")
    meta = COPY.instance.meta
    there = replace(COPY.instance, meta=replace(meta, key=replace(meta.key, namespace=namespace)))
    reference: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "name": "drill", "uid": uid}
    copy = replace(COPY, instance=there, owner=reference)
    for manifest in (isolation(copy), *verification(copy)):
        cluster.api.create(manifest)


async def test_its_word_is_taken_and_nothing_else(
    cluster: Cluster, make_namespace: MakeNamespace, tmp_path: Path
) -> None:
    namespace = make_namespace()
    made(cluster, namespace)
    policies = protection.policies(namespace, watch=(namespace,))
    protection.replace(cluster, namespace, old=(), new=policies)
    try:
        folder = credentials_of(cluster, namespace, RECORD, tmp_path)
        own = OwnConfigMap(cluster.state.server, folder, namespace, RECORD, MANAGER)
        await own.write({VERDICT: to_json(GOOD)})
        assert verdict_of(cluster.api.get(CONFIG_MAP, namespace, RECORD), uid="u1") == GOOD
        with pytest.raises(OwnObjectError, match="right to it is missing"):
            await replace(own, name="drill").write({VERDICT: "x"})
        _others_are_refused(cluster, namespace)
    finally:
        protection.replace(cluster, namespace, old=policies, new=())


def _others_are_refused(cluster: Cluster, namespace: str) -> None:
    """Another account with the right to it, and the process with more than its word."""
    accounts = [f"--serviceaccount={namespace}:{name}" for name in ("default", RECORD)]
    rights = ("--verb=get,patch,update,delete", "--resource=configmaps")
    cluster.kubectl("-n", namespace, "create", "role", "power", *rights)
    cluster.kubectl("-n", namespace, "create", "rolebinding", "power", "--role=power", *accounts)
    own, other = (cluster.as_account(namespace, name) for name in (RECORD, "default"))
    attempts: list[tuple[Api, Manifest]] = [
        (other, {"data": {VERDICT: "{}"}}),
        (own, {"data": {"report": "{}"}}),
        (own, {"metadata": {"labels": {"app.kubernetes.io/component": "recovery"}}}),
        (own, {"metadata": {"ownerReferences": None}}),
    ]
    for who, change in attempts:
        with pytest.raises(ApiError, match="only the provider may do this"):
            who.patch(CONFIG_MAP, namespace, RECORD, change, manager=MANAGER)
    with pytest.raises(ApiError, match="only the provider may do this"):
        own.delete(CONFIG_MAP, namespace, RECORD)
