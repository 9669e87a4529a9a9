"""The key bundle in a pass: one Job for each change, whatever is cut off in between; what is said of it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.key_examples import KEY_BUNDLE
from builders import IDENTITY, NOW, body, clustered, spec
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import JOB, PERCONA_BACKUP, ROLE, Ref
from dedicated.api.status import InstanceStatus
from dedicated.contract.facts import KeysOpened
from dedicated.contract.recovery.escrow import Attempt, Trouble
from dedicated.parts.escrow import Kept
from dedicated.reconcile.actions import Action, Ask, Delete
from dedicated.reconcile.observed import PodState
from reconcile.played_escrow import arguments
from reconcile.simulation import Cluster
from reconcile.test_plan_recovery import managed

IMAGE = "images.example.test/operator:1"


def kept_instance(**changes: Manifest) -> Cluster:
    """An instance with an external database, whose keys are kept."""
    of: Manifest = {**body(), "spec": spec(keyBundle=KEY_BUNDLE, **changes)}
    return Cluster(of, agent_image=IMAGE)


def jobs(actions: tuple[Action, ...]) -> list[Manifest]:
    """Jobs of the key bundle among what a plan asks for."""
    return [one.manifest for one in actions if isinstance(one, Ask) and one.manifest["kind"] == JOB.kind]


def test_one_job_keeps_keys_and_ledger_and_then_there_is_rest() -> None:
    cluster = kept_instance()
    decided = cluster.stand()
    assert decided.actions == ()
    assert cluster.condition("KeysEscrowed") == ("True", "Escrowed")
    assert cluster.condition("DataProtected") == ("Unknown", "NotMeasured"), "its owner answers"
    (job,) = cluster.escrow.jobs
    told = arguments(job)
    assert told["--bundle"]
    assert told["--ledger"]
    assert told["--masterkey"] == "acme-masterkey/masterkey"
    status = get_map(cluster.body, "status", "keyBundle")
    assert status["fingerprint"] == IDENTITY.masterkey
    InstanceStatus.model_validate(cluster.body["status"])
    assert cluster.after_restart().actions == ()


def test_a_change_of_the_spec_of_a_secret_or_of_the_recipients_is_a_new_bundle() -> None:
    cluster = kept_instance()
    cluster.stand()
    cluster.edit_spec(server={"config": {"AuditLogRetention": "1h"}})
    cluster.step()
    assert cluster.condition("KeysEscrowed") == ("False", "BundleStale")
    cluster.stand()
    cluster.escrow.versions["acme-operator-key"] = "uid/2"
    cluster.settle()
    fewer = get_list(KEY_BUNDLE, "recipients")[::-1]
    cluster.edit_spec(keyBundle={"recipients": fewer})
    cluster.settle()
    bundle = cluster.escrow.kept and cluster.escrow.kept.report and cluster.escrow.kept.report.bundle
    assert bundle
    assert bundle.number >= 4
    assert cluster.condition("KeysEscrowed") == ("True", "Escrowed")


def test_records_are_written_together_and_in_time() -> None:
    cluster = kept_instance()
    cluster.stand()
    before = len(cluster.escrow.jobs)
    cluster.asked["m-1"] = {"metadata": {"name": "m-1", "generation": 1}, "spec": {"instance": "acme"}}
    decided = cluster.plan()
    assert jobs(decided.actions) == [], "within two minutes of the last"
    assert decided.wake_at is not None
    cluster.pass_time(minutes=2)
    (job,) = jobs(cluster.plan().actions)
    assert "--bundle" not in arguments(job)
    cluster.settle()
    assert len(cluster.escrow.jobs) == before + 1


def test_without_a_recipient_an_engine_does_not_protect_and_an_external_database_claims_nothing() -> None:
    alone = Cluster(body(), agent_image=IMAGE)
    alone.stand()
    assert alone.condition("KeysEscrowed") == ("Unknown", "NotConfigured")
    assert "KeysNotEscrowed" not in alone.findings()
    assert Ref(ROLE.kind, "acme-escrow") not in alone.server.objects
    own = Cluster({**body(), "spec": spec(**clustered())}, agent_image=IMAGE)
    own.settle()
    assert own.condition("KeysEscrowed") == ("False", "NotConfigured")
    assert "KeysEscrowed (NotConfigured)" in own.message("DataProtected")
    assert "KeysNotEscrowed" in own.findings()


def test_nothing_is_written_outside_the_region_nor_without_what_belongs_into_it() -> None:
    where: Manifest = {"endpoint": "s3.us-east-1.amazonaws.com", "region": "us-east-1"}
    outside = kept_instance(infrastructure={"dataLocation": {"region": "Switzerland"}})
    outside.edit_spec(keyBundle={"repository": where})
    outside.stand()
    assert outside.condition("KeysEscrowed") == ("False", "OutsideRegion")
    assert outside.escrow.jobs == []
    assert "OutsideRegion" in outside.findings(), "as each place of data"
    lacking = kept_instance()
    lacking.escrow.versions["acme-login-key"] = ""
    lacking.escrow.kept = Kept(NOW, None)
    lacking.stand()
    assert lacking.condition("KeysEscrowed") == ("False", "SecretMissing")
    assert "acme-login-key" in lacking.message("KeysEscrowed")
    assert lacking.escrow.jobs == []


def test_a_masterkey_that_is_gone_is_not_written_over_and_the_bundle_named() -> None:
    cluster = kept_instance()
    cluster.stand()
    before = len(cluster.escrow.jobs)
    cluster.delete(Ref("Secret", "acme-masterkey"))
    cluster.settle()
    assert cluster.condition("Stalled") == ("True", "MasterkeyLost")
    assert cluster.condition("KeysEscrowed") == ("False", "BundleStale")
    assert "holds the masterkey that is missing" in cluster.message("KeysEscrowed")
    assert len(cluster.escrow.jobs) == before


def test_a_trouble_is_told_with_its_cause_and_who_acts() -> None:
    cluster = kept_instance()
    cluster.stand()
    known = cluster.escrow.kept
    assert known is not None
    assert known.report is not None
    trouble = Trouble("Bundle", cluster.server.now, "the store refuses to put: AccessDenied")
    cluster.escrow.works = False
    cluster.escrow.kept = replace(known, report=replace(known.report, trouble=trouble))
    cluster.edit_spec(contacts={"customer": "+41 71 000 00 00"})
    cluster.step()
    assert cluster.condition("KeysEscrowed") == ("False", "WriteFailed")
    assert "AccessDenied" in cluster.message("KeysEscrowed")
    assert "KeysNotEscrowed" in cluster.findings()


def with_a_job() -> tuple[Cluster, Ref]:
    """An instance with a change whose Job is made and has not written yet."""
    cluster = kept_instance()
    cluster.stand()
    cluster.escrow.works = False
    cluster.edit_spec(contacts={"customer": "+41 71 000 00 00"})
    cluster.step()
    job = cluster.escrow.jobs[-1]
    cluster.server.create(job, manager="dedicated-operator")
    return cluster, Ref(JOB.kind, get_str(job, "metadata", "name"))


@pytest.mark.parametrize(
    ("failures", "problem", "changed", "goes"),
    [(0, "", False, False), (0, "", True, False), (2, "", True, True), (0, "no image", True, True),
     (2, "no image", False, False)],
)  # fmt: skip
def test_a_job_at_work_is_let_end_and_one_that_gets_nowhere_with_what_is_past_goes(
    failures: int, problem: str, changed: bool, goes: bool
) -> None:
    cluster, ref = with_a_job()
    cluster.escrow.attempts = (Attempt(ref.name, cluster.server.now, failures),)
    if problem:
        cluster.pods.append(PodState("escrow-0", "escrow", "z1-1", False, False, False, problem))
    if changed:
        cluster.edit_spec(contacts={"customer": "+41 71 111 11 11"})
    decided = cluster.plan()
    assert jobs(decided.actions) == [], "one at a time"
    assert (ref in {one.ref for one in decided.actions if isinstance(one, Delete)}) == goes


@pytest.mark.parametrize(
    ("image", "failures", "problem", "goes"),
    [("operator:0", 0, "no image", True), ("operator:0", 2, "", True), ("operator:0", 0, "", False),
     (IMAGE, 2, "no image", False), ("", 2, "no image", False)],
)  # fmt: skip
def test_a_job_of_another_operator_that_gets_nowhere_is_made_anew(
    image: str, failures: int, problem: str, goes: bool
) -> None:
    cluster, ref = with_a_job()
    cluster.escrow.attempts = (Attempt(ref.name, cluster.server.now, failures, image=image),)
    if problem:
        cluster.pods.append(PodState("escrow-0", "escrow", "z1-1", False, False, False, problem))
    decided = cluster.plan()
    assert (ref in {one.ref for one in decided.actions if isinstance(one, Delete)}) == goes


def test_a_job_that_ended_is_taken_away_and_nothing_else_of_the_instance() -> None:
    cluster, ref = with_a_job()
    deleted = [one.ref for one in cluster.plan().actions if isinstance(one, Delete)]
    assert deleted == [ref]
    cluster.escrow.attempts = (Attempt(ref.name, cluster.server.now, 7, failed=True),)
    deleted = [one.ref for one in cluster.plan().actions if isinstance(one, Delete)]
    assert deleted == [ref]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=25))
def test_cut_off_between_any_two_writes_it_ends_the_same(cuts: list[int]) -> None:
    """Each cut is a pass of which only so many actions are carried out, by a process that then ends."""
    whole, cluster = kept_instance(), kept_instance()
    whole.stand()
    for cut in cuts:
        decided = cluster.plan()
        if decided.status is not None:
            cluster.body["status"] = decided.status
        cluster.carry_out(decided.actions[:cut])
        cluster.settled = {}
    cluster.stand()
    names = [get_str(job, "metadata", "name") for job in cluster.escrow.jobs]
    assert len(names) == len(set(names))
    assert cluster.condition("KeysEscrowed") == ("True", "Escrowed")
    assert cluster.after_restart().actions == ()
    assert cluster.escrow.kept is not None
    assert whole.escrow.kept is not None
    one, other = cluster.escrow.kept.report, whole.escrow.kept.report
    assert one is not None
    assert other is not None
    assert one.bundle is not None
    assert other.bundle is not None
    assert one.bundle.mark == other.bundle.mark



def test_that_a_recipient_opened_one_is_told_from_its_record() -> None:
    cluster = kept_instance()
    cluster.stand()
    opened = KeysOpened("acme-opened", cluster.server.now, "alice", "bundle 1")
    cluster.facts[opened.name] = opened
    cluster.settle()
    assert get_map(cluster.body, "status", "keyBundle")["openedAt"] == rfc3339(opened.at)
    assert "opened last" in cluster.message("KeysEscrowed")


def test_a_backup_that_is_asked_for_says_which_masterkey_it_needs() -> None:
    cluster = managed(agent_image=IMAGE)
    cluster.stand()
    cluster.engine = replace(cluster.engine, runs=())
    cluster.step()
    orders = [one for one in cluster.asked.values() if one["kind"] == PERCONA_BACKUP.kind]
    assert orders
    for order in orders:
        assert get_map(order, "metadata", "annotations") == {"dedicated.zitadel.com/keys": IDENTITY.masterkey}
        assert f"--annotation=keys={IDENTITY.masterkey}" in get_list(order, "spec", "options")


def test_an_order_that_ended_is_told_in_the_ledger_within_its_minutes() -> None:
    cluster = kept_instance()
    cluster.stand()
    before = cluster.plan()
    assert jobs(before.actions) == []
    cluster.restores.bodies["lost"] = {
        "metadata": {"name": "lost", "uid": "r1", "creationTimestamp": rfc3339(cluster.server.now)},
        "spec": {"instance": "acme", "purpose": "Clone"},
        "status": {"phase": "Failed", "reason": "ExternalDatabase", "message": "it is external"},
    }
    cluster.pass_time(minutes=5)
    (job,) = jobs(cluster.plan().actions)
    assert "--ledger" in arguments(job)
    assert "--bundle" not in arguments(job)
