"""What is said of a database engine, and when a first setup may begin."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from builders import CATALOGUE, DATABASE_FOUND, NOW, UID, clustered, instance, wanted
from contract.test_recovery_store import GOOD
from dedicated.api.conditions import Condition
from dedicated.api.findings import Finding
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.objects import ENGINE_KINDS, PERCONA_CLUSTER
from dedicated.contract.recovery.objectives import CONTRACT
from dedicated.contract.recovery.report import Report
from dedicated.contract.residency import STORING
from dedicated.parts.database.engine import ClusterState, EngineState
from dedicated.parts.recovery_agent import Kept
from dedicated.parts.schema import JobState
from dedicated.reconcile.databases import DatabaseView, conditions, held_back, view
from dedicated.reconcile.desired import compose
from dedicated.reconcile.judgement import judge
from dedicated.reconcile.observed import Observed
from parts.engine_examples import of

ZONE = "Europe/Zurich"
READY = EngineState(cluster=ClusterState(ready=True, servers=3, ready_servers=3))
SEEN = Observed(engine=READY, database=DATABASE_FOUND)


VOLUME: Manifest = {
    "provider": "volume",
    "storage": {"size": "10Gi"},
    "encryption": {"clientSide": {"secretName": "passphrase"}},
}


def seen(
    engine: str = "percona",
    observed: Observed = SEEN,
    *,
    agreed: tuple[str, ...] = (),
    now: datetime = NOW,
    **changes: JsonValue,
) -> DatabaseView:
    return view(of(engine, **changes), observed, agreed=agreed, zone=ZONE, now=now)


def codes(found: DatabaseView) -> list[tuple[str, str]]:
    return [(finding.code, finding.blocks) for finding in found.findings]


def policy(engine: str, *agreed: str, mode: str = "native") -> Condition:
    agreements: list[JsonValue] = [{"clause": "B-2", "record": "without"}]
    found = of(engine, backup={"differential": {"mode": mode}}, agreements=agreements)
    return conditions(found, agreed=agreed)[1]


def test_an_external_database_has_nothing_to_be_rendered() -> None:
    assert view(instance(), SEEN, agreed=(), zone=ZONE, now=NOW) == DatabaseView()


@pytest.mark.parametrize("engine", ["percona", "cloudnative-pg"])
def test_a_whole_engine_is_rendered_and_not_waited_for(engine: str) -> None:
    found = seen(engine)
    assert (found.findings, found.waiting, found.objectives) == ((), "", CONTRACT)
    assert found.wanted is not None


def test_a_missing_engine_is_named_with_what_to_install() -> None:
    absent = EngineState(missing=frozenset(kind.kind for kind in ENGINE_KINDS))
    found = seen("cloudnative-pg", Observed(engine=absent))
    assert codes(found) == [("EngineMissing", "Rollout")] * 2
    assert "clusters, scheduledbackups, backups" in found.findings[0].message
    assert "CloudNativePG 1.30" in found.findings[0].action
    assert "Barman Cloud plugin 0.14" in found.findings[1].action
    assert found.wanted is None
    assert codes(seen("percona", Observed(engine=absent))) == [("EngineMissing", "Rollout")]


@pytest.mark.parametrize(
    ("engine", "backup", "code"),
    [
        ("percona", {"full": {"schedule": "99 1 * * *"}}, "ScheduleInvalid"),
        ("cloudnative-pg", {"repository": VOLUME}, "RepositoryUnsupported"),
        ("cloudnative-pg", {"repository": {"encryption": {"serverSide": None}}}, "EncryptionUnsupported"),
    ],
)
def test_what_the_engine_cannot_do_is_a_persons_to_change(engine: str, backup: Manifest, code: str) -> None:
    copies: Manifest = {"copies": [get_map(clustered(), "backup", "repository")]}
    found = seen(engine, backup={**backup, **(copies if code == "RepositoryUnsupported" else {})})
    assert (code, "Stalled") in codes(found)
    assert found.wanted is None


def test_a_volume_with_its_copy_needs_an_engine_that_has_both() -> None:
    copies: list[JsonValue] = [get_map(clustered(), "backup", "repository")]
    assert codes(seen("percona", backup={"repository": VOLUME, "copies": copies})) == []


def test_a_second_place_needs_an_engine_that_has_it() -> None:
    copies: Manifest = {"copies": [get_map(clustered(), "backup", "repository")]}
    assert codes(seen("cloudnative-pg", backup=copies)) == [("CopiesUnsupported", "Stalled")]
    assert codes(seen("percona", backup=copies)) == []


def test_differentials_that_are_too_rare_are_not_rendered() -> None:
    rare: Manifest = {"differential": {"schedule": "0 5,13 * * *"}}
    assert ("DifferentialsTooRare", "Rollout") in codes(seen(backup=rare))
    assert seen(backup=rare).wanted is None


def test_a_looser_objective_holds_with_its_agreement_alone() -> None:
    loose: Manifest = {"objectives": {"disasterRPO": "2h"}}
    agreements: list[JsonValue] = [{"clause": "B-3", "record": "two-hours"}]
    without = seen(backup=loose, agreements=agreements)
    assert codes(without) == [("AgreementNotValid", "")]
    assert without.objectives == CONTRACT
    held = seen(backup=loose, agreements=agreements, agreed=("B-3",))
    assert held.findings == ()
    assert held.objectives.disaster_rpo.total_seconds() == 7200


def test_schedules_are_rendered_anew_when_the_clock_of_the_zone_changes() -> None:
    winter = seen()
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert winter.wake_at == change
    assert winter.wanted is not None
    summer = seen(now=change)
    assert summer.wanted is not None
    later = seen(now=datetime(2026, 3, 29, 2, tzinfo=UTC))
    assert later.wanted is not None
    assert (winter.wanted.full.cron, later.wanted.full.cron) == ("0 0 * * *", "0 23 * * *")


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (Observed(), "is being made"),
        (Observed(engine=EngineState(cluster=ClusterState(servers=3, ready_servers=1))), "1 of 3 servers"),
        (Observed(engine=READY), "Secret acme-database-pguser-zitadel"),
    ],
)
def test_a_first_setup_waits_and_says_for_what(observed: Observed, words: str) -> None:
    assert words in seen(observed=observed).waiting
    later = replace(observed, jobs={"acme-init": JobState(complete=True)})
    assert seen(observed=later).waiting == ""


def test_the_cluster_is_rendered_while_the_schema_waits_for_it() -> None:
    found = seen(observed=Observed())
    made = compose(
        replace(wanted(of("percona")), engine=found.wanted),
        Observed(),
        database_ready=False,
        waiting_for=found.waiting,
    )
    kinds = [get_str(item, "kind") for item in made.manifests]
    assert PERCONA_CLUSTER.kind in kinds
    assert "Job" not in kinds
    assert made.waiting == "the database cluster is being made"


def test_which_engine_has_run_for_real() -> None:
    found = {engine: conditions(of(engine), agreed=())[0] for engine in ("percona", "cloudnative-pg")}
    assert (found["percona"].status, found["percona"].reason) == ("False", "NotRunYet")
    assert (found["cloudnative-pg"].status, found["cloudnative-pg"].reason) == ("True", "Verified")
    verified, satisfied = conditions(instance(), agreed=())
    assert (verified.status, satisfied.status, satisfied.reason) == ("True", "Unknown", "ObservedOnly")


def test_whether_the_engine_offers_what_the_contract_asks_for() -> None:
    assert policy("percona").reason == "Satisfied"
    lacking = policy("cloudnative-pg")
    assert (lacking.status, lacking.reason) == ("False", "DifferentialUnsupported")
    assert "no writes for 57 to 84 s" in lacking.message
    assert policy("cloudnative-pg", mode="walOnly").status == "False"
    assert policy("cloudnative-pg", "B-2", mode="walOnly").status == "True"
    assert policy("percona", mode="walOnly").reason == "AgreementNotValid"


def test_differentials_go_only_with_an_agreement_in_force() -> None:
    agreements: list[JsonValue] = [{"clause": "B-2", "record": "without"}]
    only_log: Manifest = {"differential": {"mode": "walOnly"}}
    kept = seen(backup=only_log, agreements=agreements).wanted
    gone = seen(backup=only_log, agreements=agreements, agreed=("B-2",)).wanted
    assert kept is not None
    assert gone is not None
    assert kept.differential is not None
    assert gone.differential is None


def test_nothing_is_rendered_before_the_store_was_found_good_and_nothing_is_taken_back_later() -> None:
    bad = Finding("StorePublic", "Provider", "bucket b: everybody may read it", "block it", blocks=STORING)
    other = replace(bad, blocks="Creation")
    before = seen("percona", Observed())
    assert before.wanted is not None
    held = held_back(before, [other, bad], Observed())
    assert held.wanted is None
    assert held.waiting == (
        "nothing is stored before its place is as it must be: bucket b: everybody may read it"
    )
    assert held_back(before, [other], Observed()) == before
    later = seen("percona")
    assert held_back(later, [bad], SEEN) == later


def test_a_bucket_outside_the_region_keeps_the_whole_database_from_being_made() -> None:
    """Of two stores that are good in all else."""
    made = []
    for region in ("eu-central-2", "eu-central-1"):
        endpoint = f"s3.{region}.amazonaws.com"
        one = of("percona", backup={"repository": {"endpoint": endpoint, "region": region}})
        told = Report(NOW, UID, stores=(replace(GOOD, name="acme-backup", at=NOW, endpoint=endpoint),))
        observed = Observed(nodes=(), agent_image="agent", recovery=Kept(NOW, told))
        wanted_now = judge(one, observed, CATALOGUE, now=NOW).wanted
        assert wanted_now is not None
        made.append(wanted_now.engine is not None)
    assert made == [True, False]
