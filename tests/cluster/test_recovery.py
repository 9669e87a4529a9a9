"""The recovery agent's record on the real API server: whose word it is, what it changes, how it stays."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from api.key_examples import KEY_BUNDLE
from builders import clustered
from cluster.engine_stage import RECORD, tell
from cluster.instances import condition, instance, wait_for
from cluster.observing import SECONDS
from cluster.standing import SIMULATED, Standing, modifications, until
from contract.recovery_facts import backup, good_store, listing
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, INSTANCE
from dedicated.contract.recovery.escrow import MANAGER as ESCROW_MANAGER
from dedicated.contract.recovery.points import recoverability
from dedicated.contract.recovery.report import MANAGER, Report, to_json
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.sampling import Memory, Sample
from dedicated.contract.recovery.wal import SEGMENT
from engines.escrow_jobs import EscrowJobs
from engines.simulator import playing
from testbed import protection
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

ESCROW = "acme-escrow"
FIELDS = {"host": "db.example.test", "port": "5432", "dbname": "zitadel", "user": "zitadel", "password": "x"}


def secret(namespace: str, name: str, fields: dict[str, str]) -> Manifest:
    data: dict[str, JsonValue] = {
        key: base64.b64encode(value.encode()).decode() for key, value in fields.items()
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def report(uid: str) -> Report:
    """All is well now."""
    now = datetime.now(UTC)
    begun = now - timedelta(minutes=1)
    memory = Memory((Sample(now, int(7.5 * SEGMENT), 1),))
    full = replace(backup(3), started=begun, completed=begun)
    found = recoverability(replace(listing({1: range(3, 9)}, full), at=now), memory, now=now)
    return Report(now, uid, found, memory, (BackupRun("full", begun, now),), stores=(good_store(now),))


@pytest.fixture
def at(cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator) -> Standing:
    """An instance with a database that an engine runs, whose record is there."""
    namespace = make_namespace(labels=SIMULATED)
    operator = run_operator(namespace, extra=("--agent-image", "registry.test/dedicated-operator:test"))
    cluster.api.create(secret(namespace, "acme-database-pguser-zitadel", FIELDS))
    cluster.api.create(secret(namespace, "passphrase", {"passphrase": "unused"}))
    changes = clustered()
    given = get_map(changes, "database")
    database: JsonValue = {key: value for key, value in given.items() if value is not None}
    anywhere: JsonValue = {"dataLocation": {"region": "Global"}}
    cluster.api.create(
        instance(
            namespace,
            infrastructure=anywhere,
            database=database,
            backup=changes["backup"],
            keyBundle=KEY_BUNDLE,
        )
    )
    found = Standing(cluster, namespace, operator)
    until(lambda: cluster.api.find(CONFIG_MAP, namespace, RECORD) is not None, "the record", seconds=SECONDS)
    kept = EscrowJobs(cluster.api, namespace, partial(cluster.as_account, namespace))
    with playing(kept):
        wait_for(cluster.api, namespace, keys_kept, seconds=SECONDS, what="the keys kept")
        found.rest()
    return found


def keys_kept(body: Manifest | None) -> bool:
    return condition(body, "KeysEscrowed").get("status") == "True"


def protected(body: Manifest | None) -> bool:
    return condition(body, "DataProtected").get("status") == "True"


def test_the_agents_word_is_believed_and_nobody_elses(at: Standing) -> None:
    api, namespace = at.api, at.namespace
    agent = at.cluster.as_account(namespace, RECORD)
    uid = get_str(at.body(), "metadata", "uid")
    policies = protection.policies(namespace, watch=(namespace,))
    protection.replace(at.cluster, namespace, old=(), new=policies)
    try:
        assert condition(at.body(), "DataProtected").get("status") == "Unknown"
        tell(agent, namespace, to_json(report(uid)))
        body = wait_for(api, namespace, protected, seconds=SECONDS, what="DataProtected=True")
        assert get_map(body, "status", "recovery")["frontier"] == "0/9000000"
        at.rest()
        assert modifications(at.body()) == [], "its word is nobody's modification"
        _others_are_refused(at, agent)
        writer = at.cluster.as_account(namespace, ESCROW)
        writer.patch(CONFIG_MAP, namespace, ESCROW, {"data": {"report": "{}"}}, manager=ESCROW_MANAGER)
        wait_for(api, namespace, lambda body: not protected(body), what="no claim without a report")
        more: tuple[Manifest, ...] = ({"data": {"samples": ""}}, {"metadata": {"annotations": {"a": "b"}}})
        for change in more:
            with pytest.raises(ApiError, match="only the provider may do this"):
                writer.patch(CONFIG_MAP, namespace, ESCROW, change, manager=ESCROW_MANAGER)
        with pytest.raises(ApiError, match="only the provider may do this"):
            agent.patch(CONFIG_MAP, namespace, ESCROW, {"data": {"report": "{}"}}, manager=MANAGER)
    finally:
        protection.replace(at.cluster, namespace, old=policies, new=())


def _others_are_refused(at: Standing, agent: Api) -> None:
    """Another account with the right to it, the agent elsewhere, and the agent with more than its word."""
    namespace = at.namespace
    accounts = [f"--serviceaccount={namespace}:{name}" for name in ("default", RECORD, ESCROW)]
    rights = ("--verb=get,patch,update,delete", "--resource=configmaps")
    at.cluster.kubectl("-n", namespace, "create", "role", "power", *rights)
    at.cluster.kubectl("-n", namespace, "create", "rolebinding", "power", "--role=power", *accounts)
    other = at.cluster.as_account(namespace, "default")
    text: Manifest = {"data": {"report": "{}"}}
    attempts: list[tuple[Api, str, Manifest]] = [
        (other, RECORD, text),
        (agent, "acme-recovery-settings", text),
        (agent, RECORD, {"data": {"other": "x"}}),
        (agent, RECORD, {"metadata": {"labels": {"app.kubernetes.io/component": "config"}}}),
        (agent, RECORD, {"metadata": {"annotations": {"a": "b"}}}),
        (agent, RECORD, {"metadata": {"ownerReferences": None}}),
    ]
    for who, name, change in attempts:
        with pytest.raises(ApiError, match="only the provider may do this"):
            who.patch(CONFIG_MAP, namespace, name, change, manager=MANAGER)
    with pytest.raises(ApiError, match="only the provider may do this"):
        agent.delete(CONFIG_MAP, namespace, RECORD)


def test_without_more_rights_it_reaches_its_record_alone(at: Standing) -> None:
    agent = at.cluster.as_account(at.namespace, RECORD)
    assert get_str(agent.get(CONFIG_MAP, at.namespace, RECORD), "metadata", "name") == RECORD
    for kind, name in ((CONFIG_MAP, "acme-identity"), (DEPLOYMENT, "acme-recovery"), (INSTANCE, "acme")):
        with pytest.raises(ApiError, match="forbidden"):
            agent.get(kind, at.namespace, name)
    with pytest.raises(ApiError, match="forbidden"):
        agent.delete(CONFIG_MAP, at.namespace, RECORD)


def test_a_record_that_was_deleted_is_made_again_and_claims_nothing(at: Standing) -> None:
    api, namespace = at.api, at.namespace
    agent = at.cluster.as_account(namespace, RECORD)
    tell(agent, namespace, to_json(report(get_str(at.body(), "metadata", "uid"))))
    wait_for(api, namespace, protected, seconds=SECONDS, what="DataProtected=True")
    api.delete(CONFIG_MAP, namespace, RECORD)
    until(lambda: api.find(CONFIG_MAP, namespace, RECORD) is not None, "the record again")
    wait_for(api, namespace, lambda body: not protected(body), seconds=SECONDS, what="no claim")
    assert "recovery" not in get_map(at.body(), "status")
