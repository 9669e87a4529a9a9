"""What an instance's engine and its agent's absence mean for the protection of its data, in a pass."""

from api.key_examples import KEY_BUNDLE
from builders import clustered, spec
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import PERCONA_CLUSTER
from dedicated.parts.database.engine import EngineState
from dedicated.parts.recovery_agent import Kept
from reconcile.simulation import Cluster
from reconcile.test_obligations import agreed
from reconcile.test_plan_recovery import IMAGE, managed, report, tell


def test_without_an_agent_nothing_is_stored_and_what_is_there_goes_on() -> None:
    cluster = managed()
    cluster.engine, cluster.secrets = EngineState(), {}
    cluster.settle()
    assert cluster.findings() == ["AgentMissing", "KeysNotEscrowed"]
    assert cluster.names(PERCONA_CLUSTER.kind) == []
    assert "nothing is stored before its place" in cluster.message("Reconciling")
    assert "without --agent-image" in cluster.message("Reconciling")
    there = managed()
    there.stand()
    assert there.findings() == ["AgentMissing", "KeysNotEscrowed"]
    assert there.condition("Ready")[0] == "True"
    assert there.names(PERCONA_CLUSTER.kind) == ["acme-database"]


def reported(engine: str, secret: str, *, mode: str, agreements: bool) -> Cluster:
    """An instance whose agent reports that all is well."""
    cluster = managed(engine, secret=secret, agent_image=IMAGE)
    told: list[JsonValue] = [{"clause": "B-2", "record": "signed"}] if agreements else []
    changed: Manifest = {"differential": {"mode": mode}}
    cluster.body["spec"] = spec(**clustered(engine, backup=changed, agreements=told, keyBundle=KEY_BUNDLE))
    if agreements:
        fact = agreed("B-2")
        cluster.facts[fact.name] = fact
    cluster.stand()
    cluster.recovery = Kept(cluster.server.now, None)
    tell(cluster, report(cluster.server.now))
    return cluster


def test_an_engine_without_differentials_protects_less_than_promised_unless_that_was_agreed() -> None:
    lacking = reported("cloudnative-pg", "acme-database-app", mode="native", agreements=False)
    assert lacking.condition("DataProtected") == ("False", "NotProtected")
    assert lacking.message("DataProtected") == (
        "BackupPolicySatisfied (DifferentialUnsupported). "
        "Provider must agree on differential.mode walOnly, or use percona"
    )
    for kind in ("RecoveryPointObjectiveMet", "WalContinuous"):
        assert lacking.condition(kind)[0] == "True", "what gates ask for"
    assert lacking.condition("Ready")[0] == "True"
    waived = reported("cloudnative-pg", "acme-database-app", mode="walOnly", agreements=True)
    assert waived.condition("DataProtected") == ("True", "Protected")


def test_what_the_engine_lacks_is_told_while_nobody_reports_too() -> None:
    cluster = managed("cloudnative-pg", secret="acme-database-app", agent_image=IMAGE)
    cluster.stand()
    assert cluster.condition("DataProtected") == ("False", "NotProtected")
    assert "BackupPolicySatisfied" in cluster.message("DataProtected")
