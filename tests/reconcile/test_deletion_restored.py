"""The end of an instance that was restored, or whose keys are kept elsewhere: all of its databases, and the
bundle that opens their backups."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.key_examples import KEY_BUNDLE
from builders import IDENTITY, NOW
from dedicated.api.conditions import rfc3339
from dedicated.api.instance_restore import Purpose
from dedicated.api.json import Manifest, get_list, get_str
from dedicated.api.names import ANNOTATION_KEYS
from dedicated.api.objects import JOB, PERCONA_BACKUP, PERCONA_CLUSTER, Ref
from dedicated.api.resource import Instance
from dedicated.contract.ending import FinalBackup
from dedicated.contract.facts import DatabaseRemoved, Restored
from dedicated.parts.database.engine import Origin
from dedicated.parts.database.percona import DELETE_VOLUMES
from dedicated.parts.escrow import Kept
from dedicated.reconcile.actions import Action, Ask, Delete, RecordFact
from dedicated.reconcile.asked import RestoreOrder
from dedicated.reconcile.restores import cluster_for
from reconcile.departure import CLUSTER, SERVING, Departure, child, uid_of

LIVE, COPY = (Ref(PERCONA_CLUSTER.kind, f"acme-db-{mark}") for mark in ("aaaaaa", "bbbbbb"))
EARLIER = NOW - timedelta(days=1)
RESTORED = Restored(
    "s", EARLIER, "op", "lost", LIVE.name, CLUSTER.name, EARLIER, False, EARLIER, EARLIER, timedelta(days=7)
)
RECORD, BINDING = Ref("ConfigMap", "acme-escrow"), Ref("RoleBinding", "acme-escrow")


def restored() -> Departure:
    """Its database is a restored one, the old one is kept, and a copy is looked at."""
    at = Departure(facts={"s": RESTORED})
    at.children |= {ref: replace(child(ref), component="database") for ref in (LIVE, COPY)}
    at.runs = []
    at.confirm()
    return at


def asked(action: Action, kind: str) -> bool:
    return isinstance(action, Ask) and action.manifest["kind"] == kind


def test_the_database_that_serves_is_backed_up_and_all_of_them_go() -> None:
    at = restored()
    (order,) = at.step().actions
    assert isinstance(order, Ask)
    assert get_str(order.manifest, "spec", "pgCluster") == LIVE.name
    assert get_str(order.manifest, "metadata", "annotations", ANNOTATION_KEYS) == IDENTITY.masterkey
    at.backup_ends(well=True)
    at.settle()
    assert {CLUSTER, LIVE, COPY} <= at.children.keys()
    at.pass_time(days=31)
    at.settle()
    assert not {CLUSTER, LIVE, COPY} & at.children.keys()
    removals = [one for one in at.told(DatabaseRemoved) if isinstance(one, DatabaseRemoved)]
    assert {(one.cluster, one.restore) for one in removals} == {
        (ref.name, None) for ref in (CLUSTER, LIVE, COPY)
    }
    assert (at.claims, at.finalizers) == (set(), ())


def test_a_backup_of_the_database_before_is_not_the_final_one() -> None:
    at = restored()
    at.step()
    at.runs = [replace(run, cluster=CLUSTER.name) for run in at.runs]
    at.backup_ends(well=True)
    assert asked(at.step().actions[0], PERCONA_BACKUP.kind)
    assert at.told(FinalBackup) == []


def test_what_a_restore_needs_no_more_goes_as_it_would_have() -> None:
    at = restored()
    at.facts["r"] = DatabaseRemoved("r", EARLIER, "op", COPY.name, uid_of(COPY.name), "lost")
    at.step()
    at.backup_ends(well=True)
    at.settle()
    assert COPY not in at.children, "before the days are over"
    at.pass_time(days=31)
    at.settle()
    deletions = {one.ref: one for one in at.done if isinstance(one, Delete)}
    assert deletions[COPY].finalizer == DELETE_VOLUMES
    assert deletions[LIVE].finalizer == "", "what is in a repository on a volume stays"


def asked_for(at: Departure, name: str, purpose: Purpose, status: Manifest) -> Ref:
    """A restore, and the cluster that it has made."""
    at.restores[name] = RestoreOrder(name, f"uid-{name}", "acme", purpose, rfc3339(EARLIER), status=status)
    found = at.instance()
    assert isinstance(found, Instance)
    ref = Ref(PERCONA_CLUSTER.kind, cluster_for(found, f"uid-{name}"))
    at.children[ref] = replace(child(ref), component="database")
    at.origins[ref.name] = Origin(name, EARLIER, exact=False)
    return ref


def test_open_restores_end_before_the_last_step_and_their_copies_go_on_record() -> None:
    at = restored()
    del at.children[COPY]
    copies = {
        asked_for(at, "clone", "Clone", {"phase": "Ready", "cluster": "told"}),
        asked_for(at, "drill", "Drill", {"phase": "Verifying"}),
        asked_for(at, "again", "Recovery", {"phase": "Switching"}),
    }
    asked_for(at, "failed", "Clone", {"phase": "Failed", "reason": "Corrupted", "message": "page 7"})
    at.step()
    assert {one.told for one in at.restores.values()} == {"Ready", "Verifying", "Switching", "Failed"}
    at.backup_ends(well=True)
    at.step()
    at.step()
    assert at.phase == "Restores"
    assert at.restores["clone"].status == {
        "phase": "Failed", "reason": "InstanceDeleted", "message": "the instance was deleted",
        "cluster": "told",
    }  # fmt: skip
    assert at.restores["failed"].status["reason"] == "Corrupted"
    assert copies <= at.children.keys(), "recorded first"
    removals = [one for one in at.told(DatabaseRemoved) if isinstance(one, DatabaseRemoved)]
    assert {one.restore for one in removals} == {"clone", "drill", "again", "failed"}
    at.settle()
    assert at.phase == "Retention"
    assert not copies & at.children.keys()
    assert {CLUSTER, LIVE} <= at.children.keys()
    told = {get_str(step, "name"): step for step in get_list(at.status, "deletion", "steps")}
    assert get_str(told["Restores"], "state") == "Done"
    assert "again, clone, drill" in get_str(told["Restores"], "message")
    gone = {one.ref: one.finalizer for one in at.done if isinstance(one, Delete)}
    assert {gone[ref] for ref in copies} == {DELETE_VOLUMES}


def test_the_database_before_a_switch_goes_with_the_instance_and_its_restore_says_so() -> None:
    at = restored()
    del at.children[COPY]
    ref = asked_for(at, "lost", "Recovery", {"phase": "Retained"})
    at.facts["s"] = replace(RESTORED, cluster=ref.name)
    del at.children[LIVE]
    at.step()
    at.backup_ends(well=True)
    at.settle()
    assert at.restores["lost"].told == "Retained"
    at.pass_time(days=31)
    at.settle()
    assert at.restores["lost"].told == "Removed"
    assert (at.children.get(CLUSTER), at.finalizers) == (None, ())


def test_a_copy_that_is_handed_over_is_told_to_be_nobodys() -> None:
    at = restored()
    at.spec["deletion"] = {"policy": "Orphan"}
    ref = asked_for(at, "clone", "Clone", {"phase": "Ready"})
    at.settle()
    assert at.finalizers == ()
    assert f"{ref.name} stays" in str(at.restores["clone"].status["message"])
    assert [one for one in at.done if isinstance(one, Delete)] == []


def kept() -> Departure:
    """With a key bundle whose Job has written nothing yet; the final backup is made."""
    at = Departure(spec={"keyBundle": KEY_BUNDLE})
    at.children |= {ref: replace(child(ref), component="escrow") for ref in (RECORD, BINDING)}
    at.escrow.kept = Kept(NOW, None)
    at.confirm()
    at.step()
    at.backup_ends(well=True)
    return at


def test_bundle_and_ledger_are_written_with_each_record_before_what_follows_from_it() -> None:
    at = kept()
    at.settle()
    assert at.phase == "Retention"
    at.pass_time(days=31)
    at.settle()
    assert at.finalizers == ()
    jobs = [number for number, action in enumerate(at.done) if asked(action, JOB.kind)]
    facts = {
        action.statement.fact: number
        for number, action in enumerate(at.done)
        if isinstance(action, RecordFact)
    }
    gone = {action.ref: number for number, action in enumerate(at.done) if isinstance(action, Delete)}
    assert any(facts["FinalBackup"] < job < gone[SERVING[0]] for job in jobs)
    assert any(facts["DatabaseRemoved"] < job < gone[CLUSTER] for job in jobs)


def test_nothing_goes_while_the_bundle_is_not_written() -> None:
    at = kept()
    at.escrow.works = False
    at.step()
    for _ in range(3):
        at.pass_time(days=31)
        at.step()
        assert at.phase == "KeysEscrowed"
    assert set(SERVING) | {CLUSTER} <= at.children.keys()
    assert at.findings == ["KeysNotEscrowed"]


@pytest.mark.parametrize("without", ["record", "masterkey"])
def test_a_bundle_that_cannot_be_written_is_told(without: str) -> None:
    at = kept()
    at.step()
    if without == "record":
        at.escrow.kept = None
        del at.children[RECORD]
    else:
        at.escrow.versions["acme-masterkey"] = ""
    at.step()
    assert at.phase == "KeysEscrowed"
    assert at.findings == ["KeysNotEscrowed"]
    del at.spec["keyBundle"]
    at.step()
    assert at.phase == "Retention"
