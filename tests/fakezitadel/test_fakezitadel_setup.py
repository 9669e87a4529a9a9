"""setup and cleanup on a real PostgreSQL: what is written, what a killed setup leaves, what is refused."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from dedicated.agents.verify.opening import opened
from fakezitadel.driver import Fake, ended, until

pytestmark = pytest.mark.cluster

STEPS = (
    "01_fake_tables",
    "03_default_instance",
    "40_fake_1",
    "41_fake_2",
    "config_change",
    "projection_tables",
    "fake_projection_1",
    "fake_projection_2",
)
REPEATABLE = set(STEPS[4:])
FINISHED = {name: "repeatable.done" if name in REPEATABLE else "done" for name in STEPS}


def image(fake: Fake) -> Mapping[str, Any]:
    """All that must be equal between two databases set up alike: no random ids, no times, no failed tries."""
    return {
        "tables": fake.rows(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema in ('system', 'projections', 'eventstore') order by 1, 2"
        ),
        "keys": fake.rows("select id from system.encryption_keys order by id"),
        "constraints": fake.rows(
            "select unique_type, unique_field from eventstore.unique_constraints order by 1, 2"
        ),
        "events": fake.rows(
            "select event_type, payload->>'name', payload->>'lastRun' from eventstore.events2"
            " where event_type not in ('system.migration.started', 'system.migration.failed')"
            ' order by "position", in_tx_order'
        ),
        "states": fake.rows("select projection_name from projections.current_states order by 1"),
    }


def test_setup_runs_every_step_once(fresh: Fake) -> None:
    first = fresh.call("setup", "--init-projections=true")
    assert (first.code, fresh.states()) == (0, FINISHED)
    before = fresh.events()
    again = fresh.call("setup", "--init-projections=true")
    assert (again.code, fresh.events()) == (0, before)


def test_setup_without_schema(empty: Fake) -> None:
    for part in ("user", "database", "grant"):
        assert empty.call("init", part).code == 0
    outcome = empty.call("setup")
    assert outcome.code == 1
    assert r"relation \"eventstore.events\" does not exist" in outcome.text


def test_setup_of_another_address_moves_the_instance(ready: Fake) -> None:
    before = ready.events()
    moved = ready.with_config(ExternalDomain="new.example")
    assert moved.call("setup").code == 0
    assert moved.instance()["domains"] == ["new.example"]
    # started, the domain's own event, done
    assert ready.events() == before + 3
    domains = ready.rows(
        "select unique_field from eventstore.unique_constraints where unique_type = 'instance_domain'"
    )
    assert domains == [("new.example",)]


def test_an_upgrade_has_work_and_a_downgrade_is_refused(ready: Fake) -> None:
    newer = replace(ready, version="v4.15.2")
    assert newer.call("setup").code == 0
    assert newer.states()["43_fake_1"] == "done"
    before = ready.events()
    older = ready.call("setup")
    assert (older.code, ready.events()) == (1, before)
    assert "database was set up by v4.15.2, newer than v4.15.0: downgrade refused" in older.text


@pytest.mark.parametrize("masterkey", ["short", "x" * 32 + "\n", "ä" * 32])
def test_a_masterkey_of_the_wrong_length_fails_the_first_instance(fresh: Fake, masterkey: str) -> None:
    outcome = replace(fresh, masterkey=masterkey).call("setup")
    assert outcome.code == 1
    assert f"masterkey must be 32 bytes, but is {len(masterkey.encode())}" in outcome.text
    assert fresh.states()["03_default_instance"] == "failed"
    assert fresh.call("setup").code == 0


def test_skip_leaves_the_masterkey_to_the_projections(fresh: Fake) -> None:
    skipping = replace(fresh, steps={"Skip": True}, masterkey="short")
    assert skipping.call("setup").code == 0
    outcome = skipping.call("setup", "--init-projections")
    assert (outcome.code, "masterkey must be 32 bytes" in outcome.text) == (1, True)
    assert "03_default_instance" not in fresh.states()


def test_another_masterkey_cannot_read_the_keys(ready: Fake) -> None:
    outcome = replace(ready, masterkey="y" * 32).call("setup", "--init-projections")
    assert (outcome.code, "unable to decrypt key" in outcome.text) == (1, True)


@pytest.mark.parametrize(("masterkey", "readable"), [("", 1), ("y" * 32, 0)])
def test_a_verification_opens_it_as_it_opens_a_real_one(ready: Fake, masterkey: str, readable: int) -> None:
    stored = ready.rows("select id, key from system.encryption_keys")
    payloads = [
        row[0]
        for row in ready.rows("select payload from eventstore.events2 where event_type = 'web_key.added'")
    ]
    found = opened(stored, payloads, masterkey=(masterkey or ready.masterkey).encode())
    assert (found.keys, found.unlike, found.private_keys) == (len(stored), (), 1)
    assert (found.readable, found.opened) == (readable, readable * len(stored))


def test_a_setup_for_mirror_makes_no_instance(fresh: Fake) -> None:
    assert fresh.call("setup", "--for-mirror").code == 0
    assert fresh.rows("select * from projections.instances") == []


def test_no_way_to_identify_the_machine(fresh: Fake) -> None:
    lost = fresh.with_config(Machine={"Identification": {"Webhook": {"Enabled": True}}})
    outcome = lost.call("setup")
    assert (outcome.code, "identifying the machine" in outcome.text) == (2, True)
    assert fresh.states()["03_default_instance"] == "started"


def test_killed_at_every_step_it_ends_as_an_undisturbed_run(fresh: Fake) -> None:
    for name in STEPS:
        killed = replace(fresh, faults={"setup.killAtStep": name}).run("setup", "--init-projections")
        assert (killed.code, fresh.states()[name]) == (-9, "started"), killed.text
        cleaned = fresh.call("setup", "cleanup")
        assert (cleaned.code, "cleanup migration" in cleaned.text) == (0, True)
        assert fresh.states()[name] == "failed"
    assert fresh.call("setup", "--init-projections").code == 0
    undisturbed = fresh.with_postgres(
        Database="undisturbed", User={"Username": "undisturbed", "Password": "service-secret"}
    )
    assert undisturbed.call("init").code == 0
    assert undisturbed.call("setup", "--init-projections").code == 0
    assert image(fresh) == image(undisturbed)
    assert fresh.states() == FINISHED


def test_cleanup_with_nothing_stuck(ready: Fake) -> None:
    before = ready.events()
    outcome = ready.call("setup", "cleanup")
    assert (outcome.code, "there is no stuck migration" in outcome.text) == (0, True)
    assert ready.events() == before


def test_cleanup_ends_one_step_per_call(fresh: Fake) -> None:
    with fresh.connection() as connection:
        for name in ("one", "two"):
            connection.execute(
                "insert into eventstore.events2 select '', 'system', 'SYSTEM', 'system.migration.started',"
                " coalesce(max(\"sequence\"), 0) + 1, 1, now(), %s, 'system', 'SYSTEM', 1, 1"
                " from eventstore.events2",
                (json.dumps({"name": name}),),
            )
    assert fresh.call("setup", "cleanup").code == 0
    assert fresh.states() == {"one": "started", "two": "failed"}
    assert fresh.call("setup", "cleanup").code == 0
    assert fresh.states() == {"one": "failed", "two": "failed"}


def test_a_stuck_step_blocks_until_cleanup(fresh: Fake) -> None:
    assert replace(fresh, faults={"setup.panicAfterStarted": "40_fake_1"}).call("setup").code == 2
    waiting = fresh.spawn("setup")
    with ended(waiting):
        assert waiting.stdout is not None
        assert "migration already started, will check again in 5 seconds" in waiting.stdout.readline()
        assert fresh.call("setup", "cleanup").code == 0
        assert waiting.wait(20) == 0
    assert fresh.states()["projection_tables"] == "repeatable.done"


def test_cleanup_during_a_live_setup_breaks_it(fresh: Fake) -> None:
    faults = fresh.root / "faults.json"
    faults.write_text('{"setup.hangAtStep": "41_fake_2"}')
    live = replace(fresh, env={"FAKEZ_FAULTS_FILE": str(faults)}).spawn("setup")
    with ended(live):
        until(lambda: fresh.states().get("41_fake_2") == "started", live)
        assert fresh.call("setup", "cleanup").code == 0
        faults.unlink()
        text, _ = live.communicate(timeout=20)
    assert (live.returncode, "was canceled while it ran" in text) == (1, True)
    assert fresh.call("setup").code == 0


def test_sigterm_ends_a_setup_at_once(fresh: Fake) -> None:
    live = replace(fresh, faults={"setup.hangAtStep": "40_fake_1"}).spawn("setup")
    with ended(live):
        until(lambda: fresh.states().get("40_fake_1") == "started", live)
        before = fresh.events()
        live.terminate()
        assert live.wait(5) == -15
    assert fresh.events() == before


def test_two_setups_at_once_do_the_work_once(fresh: Fake) -> None:
    slow = replace(fresh, faults={"setup.delay": {"name": "*", "seconds": 0.05}})
    both = [slow.spawn("setup") for _ in range(2)]
    with ended(both[0]), ended(both[1]):
        outputs = [process.communicate(timeout=20)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    # The other one waits for each step, or loses the race for its start.
    assert codes in ([0, 0], [0, 1]), outputs
    assert codes == [0, 0] or any("Errors.Step.Started.AlreadyExists" in text for text in outputs)
    (starts,) = fresh.rows(
        "select count(*), count(distinct payload->>'name') from eventstore.events2"
        " where event_type = 'system.migration.started'"
    )
    assert starts[0] == starts[1] == len(STEPS) - 2


def test_failing_steps_are_run_again(fresh: Fake) -> None:
    failing = replace(fresh, faults={"setup.failAtStep": {"name": "41_fake_2", "times": 2}})
    codes = [failing.call("setup").code for _ in range(3)]
    assert codes == [1, 1, 0]


def test_legacy_failed_steps_block(fresh: Fake) -> None:
    failing = replace(fresh, faults={"setup.failAtStep": {"name": "41_fake_2"}})
    assert failing.call("setup").code == 1
    legacy = replace(fresh, faults={"setup.legacyFailed": True})
    outcome = legacy.call("setup")
    assert (outcome.code, "migration failed before" in outcome.text) == (1, True)
    assert fresh.call("setup").code == 0


def test_killed_before_its_files_the_instance_stays(fresh: Fake) -> None:
    killed = replace(fresh, faults={"setup.loseFiles": True}).run("setup")
    assert killed.code == -9
    assert len(fresh.rows("select id from projections.instances")) == 1
    assert fresh.call("setup", "cleanup").code == 0
    outcome = fresh.call("setup")
    assert (outcome.code, "Errors.Instance.Domain.AlreadyExists" in outcome.text) == (1, True)


def test_cleanup_can_fail(fresh: Fake) -> None:
    assert replace(fresh, faults={"cleanup.fail": True}).call("setup", "cleanup").code == 1


def test_unknown_keys_are_named_on_stderr(fresh: Fake) -> None:
    outcome = fresh.with_config(Prot=1).call("setup")
    assert outcome.code == 0
    assert outcome.text.count("unknown configuration is ignored: prot") == 1


def test_events_have_the_columns_of_the_real_thing(ready: Fake) -> None:
    (first,) = ready.rows(
        'select instance_id, aggregate_type, aggregate_id, event_type, "sequence", revision, creator,'
        ' "owner", in_tx_order, abs(extract(epoch from created_at) - "position") < 0.001, payload'
        " from eventstore.events2 where aggregate_id = 'SYSTEM' order by \"sequence\" limit 1"
    )
    started = ("", "system", "SYSTEM", "system.migration.started", 1, 1, "system", "SYSTEM", 1, True)
    assert first == (*started, {"name": "01_fake_tables"})
    with pytest.raises(psycopg.errors.UniqueViolation):
        ready.rows("insert into eventstore.events2 select * from eventstore.events2 limit 1 returning 1")
