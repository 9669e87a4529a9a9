"""The end of an instance with a database of its own: what must have happened before data goes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import CATALOGUE, NOW, UID, body, clustered, instance, spec, valid
from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.database import Engine
from dedicated.api.json import Manifest, get_list, get_str
from dedicated.api.objects import PERCONA_CLUSTER, VOLUME_CLAIM
from dedicated.api.resource import Instance
from dedicated.api.status import InstanceStatus
from dedicated.contract.deletion import VALID, confirmation, people
from dedicated.contract.ending import DeletionConfirmed, DeletionWithdrawn, FinalBackup
from dedicated.contract.facts import Agreed, DatabaseRemoved
from dedicated.reconcile.actions import Action, Ask, Delete, HandOver, RecordFact, SetFinalizers
from dedicated.reconcile.deletion import claims_wanted, plan_deletion
from dedicated.reconcile.deletion_status import confirmation_status
from dedicated.reconcile.observed import Failure, Observed
from reconcile.departure import CLAIMS, CLUSTER, COMPONENTS, KEYS, OWNED, SERVING, Departure, child, uid_of

CRUNCHY = "postgres-operator.crunchydata.com"
RETENTION = timedelta(days=30)
DATABASE = {ref for ref in COMPONENTS if ref.name.startswith("acme-database") and ref.kind != "Secret"}
EARLIER = NOW - timedelta(days=1)
AGREED = Agreed("no-backup", EARLIER, "paul", "T-1", "Skipped", "letter", EARLIER)
SKIPPED: Manifest = {
    "deletion": {"finalBackup": "Skipped"},
    "agreements": [{"clause": "T-1", "record": "no-backup"}],
}


def confirmed() -> Departure:
    found = Departure()
    found.confirm()
    return found


def backed_up() -> Departure:
    found = confirmed()
    found.step()
    found.pass_time(minutes=5)
    found.backup_ends(well=True)
    return found


def deletes(at: Departure) -> list[str]:
    return [str(action.ref) for action in at.done if isinstance(action, Delete)]


def test_without_a_confirmation_nothing_is_done_and_everything_runs_on() -> None:
    at = Departure()
    assert at.settle().actions == ()
    assert (at.phase, at.findings) == ("Confirmation", ["DeletionNotConfirmed"])
    assert set(at.children) == set(COMPONENTS)
    at.confirm(uid="another-incarnation")
    assert at.settle().actions == ()
    at.confirm()  # after the DELETE
    assert isinstance(at.step().actions[0], Ask)


def test_a_confirmation_is_good_for_seven_days_and_a_deletion_begun_in_them_goes_on() -> None:
    old = DeletionConfirmed("old", NOW - VALID, "carla", UID)
    at = Departure(facts={"old": old})
    assert at.settle().actions == ()
    assert at.phase == "Confirmation"
    at = Departure(facts={"old": replace(old, at=old.at + timedelta(seconds=1))})
    at.pass_time(days=20)
    assert isinstance(at.step().actions[0], Ask)


def test_a_confirmation_that_was_withdrawn_holds_the_deletion_wherever_it_is() -> None:
    at = confirmed()
    at.withdraw()  # in the same second: what withholds is the later word
    assert at.settle().actions == ()
    assert (at.phase, at.findings) == ("Confirmation", ["DeletionNotConfirmed"])
    assert "withdrawn by paul" in str(at.status["findings"])
    at.pass_time(minutes=1)
    at.confirm()
    at.step()
    at.backup_ends(well=True)
    at.settle()
    assert at.phase == "Retention"
    at.pass_time(days=1)
    at.withdraw()
    at.pass_time(days=40)
    assert at.settle().actions == ()
    assert at.phase == "Confirmation"
    assert CLUSTER in at.children
    at.confirm()
    at.settle()
    assert at.finalizers == ()


def test_while_it_goes_nothing_is_claimed_of_what_nobody_measures() -> None:
    said: Manifest = {
        "type": "Available", "status": "True", "reason": "PublicNameAnswers", "message": "200",
        "lastTransitionTime": rfc3339(EARLIER),
    }  # fmt: skip
    at = Departure(status={"conditions": [said]})
    at.step()
    conditions = {get_str(item, "type"): item for item in get_list(at.status, "conditions")}
    available = conditions["Available"]
    assert (get_str(available, "status"), get_str(available, "reason")) == ("Unknown", "BeingDeleted")
    assert get_str(available, "lastTransitionTime") == rfc3339(NOW)
    again = at.plan().status
    assert again == at.status


def test_data_goes_after_backup_record_and_retention_and_keys_stay() -> None:
    at = backed_up()
    assert [type(action) for action in at.step().actions] == [RecordFact]
    assert at.phase == "FinalBackup"
    (made,) = at.told(FinalBackup)
    assert isinstance(made, FinalBackup)
    assert made.object.startswith("PerconaPGBackup/")
    at.settle()
    assert at.phase == "Retention"
    assert deletes(at) == [str(ref) for ref in SERVING], "and the agent goes on measuring"
    due = made.at + RETENTION
    assert get_str(at.status, "deletion", "removeAfter") == rfc3339(due)
    assert at.plan().wake_at == due

    at.now = due - timedelta(seconds=1)
    assert at.settle().actions == ()
    at.now = due
    assert [type(action) for action in at.step().actions] == [RecordFact]
    assert at.step().actions == (Delete(CLUSTER, uid_of(CLUSTER.name)),)
    (gone,) = at.told(DatabaseRemoved)
    assert isinstance(gone, DatabaseRemoved)
    assert (gone.cluster, gone.uid) == (CLUSTER.name, uid_of(CLUSTER.name))
    at.settle()
    assert at.claims == set()
    assert at.finalizers == ()
    assert set(at.children) == set(COMPONENTS) - DATABASE - set(SERVING)
    assert isinstance(at.done[-1], SetFinalizers)


@pytest.mark.parametrize(
    ("engine", "selector"),
    [
        ("percona", f"{CRUNCHY}/cluster=acme-database,{CRUNCHY}/role=pgdata"),
        ("cloudnative-pg", "cnpg.io/cluster=acme-database,cnpg.io/pvcRole=PG_DATA"),
    ],
)
def test_volumes_of_data_are_read_once_their_cluster_is_gone_on_record(engine: Engine, selector: str) -> None:
    of = Departure(engine=engine).instance()
    assert isinstance(of, Instance)
    gone = DatabaseRemoved("gone", NOW, "operator", CLUSTER.name, "1")
    there = {CLUSTER: child(CLUSTER)}
    assert claims_wanted(of, Observed(facts=(gone,))) == (selector,)
    assert claims_wanted(of, Observed(facts=(gone,), children=there)) == ()
    before = replace(gone, at=NOW - timedelta(seconds=1))
    assert claims_wanted(of, Observed(facts=(before,))) == ()


def test_a_backup_that_fails_holds_the_deletion_and_is_asked_for_again_later_and_later() -> None:
    at = confirmed()
    waits = []
    for _ in range(7):
        assert isinstance(at.step().actions[0], Ask)
        at.backup_ends(well=False)
        held = at.settle()
        assert (at.phase, at.findings) == ("FinalBackup", ["FinalBackupFailing"])
        assert "no space left in the repository" in str(at.status["findings"])
        assert held.wake_at is not None
        waits.append(held.wake_at - at.now)
        at.now = held.wake_at
    assert waits == [timedelta(minutes=minutes) for minutes in (15, 30, 60, 120, 240, 240, 240)]
    assert set(at.children) == set(COMPONENTS)
    names = [get_str(ask.manifest, "metadata", "name") for ask in at.done if isinstance(ask, Ask)]
    assert len(set(names)) == len(names) == 7


def test_a_database_that_is_not_ready_holds_it_and_a_backup_that_runs_is_waited_for() -> None:
    at = confirmed()
    at.ready = False
    assert at.settle().actions == ()
    assert at.findings == ["FinalBackupFailing"]
    at.ready = True
    assert isinstance(at.step().actions[0], Ask)
    assert at.settle().actions == ()
    assert at.findings == []


def test_a_backup_that_began_before_the_deletion_is_not_the_final_one() -> None:
    at = backed_up()
    at.runs = [replace(run, asked=NOW - timedelta(seconds=1)) for run in at.runs]
    assert isinstance(at.step().actions[0], Ask)


def test_the_same_backup_is_asked_for_by_the_same_name() -> None:
    asks = [Departure(facts=confirmed().facts).step().actions for _ in range(2)]
    assert asks[0] == asks[1]


def test_without_a_backup_it_goes_by_an_agreement_in_force_alone() -> None:
    at = Departure(spec=SKIPPED)
    at.confirm()
    assert isinstance(at.plan().actions[0], Ask), "the agreement has no record"
    at.facts[AGREED.name] = AGREED
    at.settle()
    assert at.phase == "Retention"
    assert get_str(at.status, "deletion", "removeAfter") == rfc3339(NOW + RETENTION)
    late = replace(AGREED, at=NOW + timedelta(seconds=1))
    at = Departure(spec=SKIPPED, facts={**confirmed().facts, late.name: late})
    assert isinstance(at.plan().actions[0], Ask), "recorded after the DELETE"


@pytest.mark.parametrize("when", ["at once", "retained"])
def test_orphan_lets_everything_go_as_it_is(when: str) -> None:
    at = Departure() if when == "at once" else backed_up()
    at.settle()
    at.spec = {"deletion": {"policy": "Orphan"}}
    at.settle()
    handed = {action.seen.ref for action in at.done if isinstance(action, HandOver)}
    gone = set() if when == "at once" else set(SERVING)
    assert handed == (set(OWNED) | DATABASE) - gone
    assert set(at.children) == {*KEYS, *(ref for ref in COMPONENTS if ref.name == "acme-database-monitor")}
    assert at.claims == set(CLAIMS)
    assert at.finalizers == ()


def test_an_external_database_is_waited_for_by_nobody() -> None:
    at = Departure(engine="external")
    del at.children[CLUSTER]
    at.settle()
    assert at.done == [SetFinalizers(())]
    assert at.status == {}


def test_an_instance_that_never_had_its_database_goes() -> None:
    at = Departure()
    del at.children[CLUSTER]
    at.settle()
    assert at.done == [SetFinalizers(())]


def test_where_the_engine_is_unknown_nobody_says_that_there_is_no_database() -> None:
    at = Departure(missing=frozenset({PERCONA_CLUSTER.kind}))
    del at.children[CLUSTER]
    assert at.settle().actions == ()
    assert at.findings == ["EngineMissing"]


def test_a_spec_that_cannot_be_read_holds_a_database_and_nothing_else() -> None:
    at = Departure(spec={"plan": "None"})
    assert at.settle().actions == ()
    assert at.findings == ["InvalidSpec"]
    del at.children[CLUSTER]
    assert at.settle().actions == ()
    assert at.finalizers == ()


def test_what_the_api_server_refuses_is_told() -> None:
    at = backed_up()
    refused = Failure("fact FinalBackup", "RecordRefused", "not recorded: quota")
    assert "RecordRefused" not in at.findings
    seen = replace(at.observed(), failures=(refused,))
    told = plan_deletion(at.instance(), seen, catalogue=CATALOGUE, now=at.now).status
    assert told is not None
    assert [get_str(item, "code") for item in get_list(told, "findings")] == ["RecordRefused"]


def test_the_status_is_of_the_definitions_form_at_each_step() -> None:
    at = Departure()
    for what in ("pass", "confirm", "backup ends", "a month"):
        happen(at, what)
        at.settle()
        InstanceStatus.model_validate(at.status)
    steps = get_list(at.status, "deletion", "steps")
    states = [get_str(step, "state") for step in steps]
    assert states == ["Done", "Done", "Done", "NotApplicable", "NotApplicable", "Done", states[-1]]


def test_the_policy_is_told_who_confirmed_and_until_when() -> None:
    first = DeletionConfirmed("first", NOW, "carla", UID)
    second = DeletionConfirmed("second", NOW + timedelta(days=1), "paul", UID)
    of = valid({**body(), "spec": spec(**clustered())})
    for fact, now, by in (
        (first, NOW, "carla"),
        (first, NOW + VALID - timedelta(seconds=1), "carla"),
        (first, NOW + VALID, None),
        (replace(first, incarnation="another"), NOW, None),
        (second, NOW, None),
    ):
        told, until = confirmation_status(of, Observed(facts=(fact,)), now=now)
        assert (told and told["confirmedBy"]) == by
        assert until == (fact.at + VALID if by else None)
    newest = confirmation((first, second), UID, at=second.at)
    assert newest == second
    back = DeletionWithdrawn("back", second.at - timedelta(seconds=1), "anna", UID)
    assert confirmation((first, back), UID, at=NOW + timedelta(days=2)) is None
    assert confirmation((first, back, second), UID, at=second.at) == second
    assert confirmation((second, replace(back, at=second.at)), UID, at=second.at) is None
    assert confirmation((first, replace(back, incarnation="another")), UID, at=NOW) == first


@pytest.mark.parametrize(
    ("plan", "said", "wanted"),
    [
        ("Standard", None, "OnePerson"),
        ("Advanced", None, "TwoPeople"),
        ("Standard", "TwoPeople", "TwoPeople"),
        ("Advanced", "OnePerson", "OnePerson"),
    ],
)
def test_plan_advanced_wants_two_people(plan: str, said: str | None, wanted: str) -> None:
    deletion: Manifest = {"confirmation": said} if said else {}
    assert people(instance(plan=plan, deletion=deletion).spec) == wanted


# In any order.

HAPPENS = st.sampled_from(
    (
        *["pass"] * 6, "half a pass", "confirm", "confirm another", *["backup ends"] * 2, "backup fails",
        "break", "mend", "an hour", *["a month"] * 2, "orphan", "delete",
    )
)  # fmt: skip


def happen(at: Departure, what: str) -> None:
    """One thing that happens to an instance on its way out."""
    match what:
        case "pass" | "half a pass":
            actions = at.plan().actions
            for action in actions[: len(actions) // 2] if what == "half a pass" else actions:
                assert_allowed(at, action)
                at.carry_out(action)
        case "confirm" | "confirm another":
            at.confirm(uid=UID if what == "confirm" else "another-incarnation")
        case "backup ends" | "backup fails":
            at.backup_ends(well=what == "backup ends")
        case "break" | "mend":
            at.ready = what == "mend"
        case "an hour" | "a month":
            at.pass_time(hours=1 if what == "an hour" else 750)
        case "orphan" | "delete":
            at.spec = {"deletion": {"policy": what.capitalize()}}


def assert_allowed(at: Departure, action: Action) -> None:
    """That an action is not done before what has to be on record before it."""
    orphaned = at.spec.get("deletion") == {"policy": "Orphan"}
    if isinstance(action, SetFinalizers):
        whole = CLUSTER in at.children
        assert not whole
        assert orphaned or not at.claims or any(isinstance(one, HandOver) for one in at.done)
    if not isinstance(action, Delete):
        return
    assert action.ref not in KEYS
    assert action.ref.kind != "Secret"
    confirmations = [fact for fact in at.facts.values() if isinstance(fact, DeletionConfirmed)]
    assert any(fact.incarnation == UID for fact in confirmations)
    (final,) = [fact for fact in at.facts.values() if isinstance(fact, FinalBackup)]
    (made,) = [run for run in at.runs if run.name == final.object.partition("/")[2]]
    assert made.state == "Completed"
    assert made.asked >= NOW
    if action.ref in SERVING:
        return
    assert at.now >= final.at + RETENTION
    assert not set(SERVING) & set(at.children)
    assert at.told(DatabaseRemoved), "the record comes first"
    if action.ref.kind == VOLUME_CLAIM.kind:
        assert CLUSTER not in at.children
    elif action.ref != CLUSTER:
        assert not at.claims


@settings(max_examples=500, deadline=None)
@given(st.lists(HAPPENS, min_size=5, max_size=30))
def test_whatever_happens_data_goes_only_after_what_must_come_before(events: list[str]) -> None:
    at = Departure()
    for what in events:
        happen(at, what)
    # And left alone, with people and engine at work, it ends.
    at.ready, at.spec = True, {}
    for what in ("confirm", "pass", "a month", "pass", "pass", "backup ends", *["pass"] * 3):
        happen(at, what)
    for what in ("a month", *["pass"] * 8):
        happen(at, what)
    assert at.finalizers == ()
    assert set(KEYS) <= set(at.children)


def test_the_time_of_a_deletion_is_read() -> None:
    assert Departure().instance().meta.deleted == parse_time(rfc3339(NOW))
