"""The harness's own rules: what a seed means, what counts as the same end, what is hot."""

from collections import Counter
from typing import cast

import pytest

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import CONFIG_MAP, INSTANCE, JOB, POD, SECRET, Kind
from faultproxy import Answer, Asked, Exchange, Forward
from faults.chronicle import Chronicle
from faults.crashpoints import Point, all_points
from faults.endstate import difference, neutral, reduced
from faults.never import at_work_at_once, backed_up_at_once, made_twice, recorded_twice
from faults.options import POINTS_OF_A_COMMIT, chosen_of, points_of, seeds_of
from faults.scenarios import SCENARIOS
from faults.schedule import OUTAGE, Schedule, calm, draw
from faults.storm import busiest_minute, calmed
from testbed.client import Api

SEEDS = range(300)


def asked(number: int = 1, *, verb: str = "apply", resource: str = "services") -> Asked:
    return Asked(number, 0, verb, "", resource, "a", "b")


def test_a_seed_is_a_schedule() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def test_seeds_draw_every_kind_of_trouble() -> None:
    schedules = [draw(seed) for seed in SEEDS]
    troubles = Counter(trouble.what for schedule in schedules for trouble in schedule.troubles)
    assert troubles.keys() == {"outage", "clock", "stall", "close"}
    assert 50 < sum(schedule.outage == OUTAGE for schedule in schedules) < 150
    steps = {step.what for schedule in schedules for step in schedule.steps}
    assert steps == {"create", "configure", "update", "remove", "edit", "delete"}
    faults = [fault for one in schedules for fault in one.on_requests.values()]
    assert {fault.status for fault in faults if isinstance(fault, Answer)} == {409, 410, 429, 500, 503}
    kinds = {type(fault).__name__ for fault in faults}
    assert kinds == {"Answer", "Reset", "Half", "Delay"}
    watches = {type(fault).__name__ for one in schedules for fault in one.on_watches.values()}
    assert watches == {"Answer", "Reset", "Half", "CloseWatch", "ExpireWatch", "StallWatch"}


def test_all_that_users_do_happens_before_the_weather_clears() -> None:
    for schedule in (draw(seed) for seed in SEEDS):
        moments = [step.at for step in schedule.steps]
        assert moments == sorted(moments)
        assert moments[0] == 0.0
        assert moments[-1] < schedule.ends
        assert all(trouble.at < schedule.ends for trouble in schedule.troubles)
        assert not schedule.deletes or schedule.steps[-1].what == "delete"


def test_no_answer_that_no_api_server_gives() -> None:
    faults: dict[int, Answer] = {1: Answer(409), 2: Answer(410)}
    schedule = Schedule(0, (), (), dict(faults), {}, 0.0)
    assert schedule.decide(asked(1)) == Answer(409)
    assert schedule.decide(asked(1, verb="get")) == Forward()
    assert schedule.decide(asked(2, verb="list")) == Answer(410)
    assert schedule.decide(asked(2)) == Forward()


def test_calm_has_the_same_end_as_its_seeds() -> None:
    ends = {step.what for step in calm(deletes=True).steps}
    assert ends == {step.what for seed in SEEDS for step in draw(seed).steps}


def test_a_commit_chooses_its_scenario_and_seeds() -> None:
    chosen = Counter(chosen_of(list(SCENARIOS), f"{number:040x}").name for number in range(200))
    assert chosen.keys() == {scenario.name for scenario in SCENARIOS}
    assert seeds_of("a", 200)[:6] == seeds_of("a", 6)
    assert len(set(seeds_of("a", 200))) == 200
    assert seeds_of("a", 6) != seeds_of("b", 6)


def test_a_commit_chooses_some_points_of_many_and_all_of_a_few() -> None:
    many, few = all_points("engine", 55), all_points("deletion", 2)
    chosen = points_of(many, "a")
    assert len(chosen) == POINTS_OF_A_COMMIT
    assert chosen == points_of(many, "a") == tuple(point for point in many if point in chosen)
    assert chosen != points_of(many, "b")
    assert points_of(few, "a") == tuple(few)


def test_points_are_before_and_after_each_write() -> None:
    points = all_points("creation", 2)
    assert [str(point) for point in points] == [
        "creation:1:before",
        "creation:1:after",
        "creation:2:before",
        "creation:2:after",
    ]
    assert [Point.parse(str(point)) for point in points] == points
    with pytest.raises(ValueError, match="before or after"):
        Point.parse("creation:1:during")


def config_map(namespace: str, **data: JsonValue) -> Manifest:
    return {
        "kind": "ConfigMap",
        "metadata": {
            "name": "acme-config",
            "namespace": namespace,
            "uid": namespace,
            "resourceVersion": "7",
            "annotations": {"dedicated.zitadel.com/applied": namespace},
            "ownerReferences": [{"uid": f"00000000-0000-0000-0000-00000000000{namespace[-1]}"}],
        },
        "data": dict(data),
    }


def test_what_differs_between_any_two_runs_is_no_difference() -> None:
    one, two = config_map("faults-1", host="db.faults-1"), config_map("faults-2", host="db.faults-2")
    states: list[dict[str, JsonValue]] = [
        {"c": neutral(reduced(body), place)} for body, place in ((one, "faults-1"), (two, "faults-2"))
    ]
    assert difference(*states) == ""
    other: dict[str, JsonValue] = {"c": neutral(reduced(config_map("faults-2", host="db")), "faults-2")}
    told = difference(states[0], other)
    assert '-   "host": "db.NAMESPACE"' in told
    assert '+   "host": "db"' in told
    assert difference(states[0], {}) != ""


def test_how_long_a_slot_was_open_is_no_difference() -> None:
    one: Manifest = {"reason": "239 min left, 120 min needed"}
    two: Manifest = {"reason": "238 min left, 120 min needed"}
    assert neutral(one, "faults-1") == neutral(two, "faults-2")
    assert neutral({"reason": "239 min left, 60 min needed"}, "faults-1") != neutral(one, "faults-1")
    at = "good until 2038-01-10T00:5{0}:00Z (2038-01-10 01:5{0} Europe/Zurich)"
    assert neutral({"message": at.format(8)}, "faults-1") == neutral({"message": at.format(9)}, "faults-1")


def test_how_long_a_restore_took_is_no_difference() -> None:
    def told(seconds: int, reason: str = "Proven") -> Manifest:
        message = f"1 of 1 encryption keys opened, in {seconds}s of 4h (B-4)"
        return {"restoreSeconds": seconds, "took": f"{seconds}s", "message": message, "reason": reason}

    assert neutral(told(4), "faults-1") == neutral(told(61), "faults-1")
    assert neutral(told(4), "faults-1") != neutral(told(4, "Corrupted"), "faults-1")


def test_the_way_there_is_no_difference_after_a_storm() -> None:
    def state(generation: int, modified: bool, spec: str) -> dict[str, JsonValue]:
        conditions: list[JsonValue] = [{"type": "Unmodified", "status": str(modified)}, {"type": "Ready"}]
        return {
            "Deployment/a": {"metadata": {"generation": generation}, "spec": spec},
            "DedicatedInstance/acme": {"status": {"conditions": conditions, "modifications": [modified]}},
        }

    assert calmed(state(1, False, "same")) == calmed(state(2, True, "same"))
    assert calmed(state(1, False, "same")) != calmed(state(1, False, "other"))


def body(name: str, uid: str = "", **status: JsonValue) -> Manifest:
    labels: Manifest = {"app.kubernetes.io/component": "schema"}
    return {"metadata": {"name": name, "uid": uid, "labels": labels}, "status": dict(status)}


def test_a_key_made_twice_is_told() -> None:
    assert list(made_twice("Secret", [body("k", "1"), body("k", "1"), body("l", "2")])) == []
    assert list(made_twice("Secret", [body("k", "1"), body("k", "2")])) == ["Secret k was made 2 times"]


def test_a_second_run_of_a_request_is_told() -> None:
    records: list[Manifest] = [
        {"spec": {"request": request, "fact": fact}}
        for request, fact in (("a", "Started"), ("a", "Completed"), ("b", "Started"), ("b", "Permitted"))
    ]
    assert list(recorded_twice([*records, records[3]])) == [], "a customer may answer as often as they like"
    assert list(recorded_twice([*records, records[0]])) == ["a is Started 2 times"]


def test_two_pods_at_work_at_once_are_told() -> None:
    pods = [body("a", phase="Running"), body("a", phase="Succeeded"), body("b", phase="Running")]
    history: dict[Kind, list[Manifest]] = {POD: pods, JOB: [], SECRET: [], CONFIG_MAP: [], INSTANCE: []}
    assert list(at_work_at_once(history)) == []
    history[POD] = [pods[0], pods[2]]
    history[JOB] = [body("setup", active=2)]
    assert list(at_work_at_once(history)) == [
        "2 schema pods were at work at once",
        "Job setup had 2 pods",
    ]


def test_two_backups_at_once_are_told() -> None:
    one, done, two = body("a", state="Running"), body("a", state="Succeeded"), body("b", state="Starting")
    assert list(backed_up_at_once([one, done, two])) == []
    assert list(backed_up_at_once([one, two, done])) == ["backups at once: ['a', 'b']"]


def test_names_of_backups_are_no_difference_but_their_number_is() -> None:
    one, two, more = "acme-diff-ib-0f0f0f0f", "acme-diff-ib-12345678", "acme-diff-12345678"
    assert neutral(body(one), "faults-1") == neutral(body(two), "faults-1")
    assert neutral(body(one), "faults-1") != neutral(body(more), "faults-1")


def test_a_chronicle_knows_what_it_may_have_missed() -> None:
    kept = Chronicle(cast(Api, None))
    assert kept.take(POD, b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": "7"}}}') == "7"
    assert kept.take(POD, b'{"kind": "Status", "code": 429}') == ""
    assert [len(bodies) for bodies in kept.of("").values()] == [0, 0, 0, 0, 1]
    for line in (b'{"type": "ERROR", "object": {"code": 410}}', b'{"kind": "Status", "code": 410}'):
        kept.take(POD, line)
    assert len(kept.holes) == 2


def test_the_busiest_minute() -> None:
    times = [0.0, 1.0, 30.0, 59.0, 61.5, 200.0]
    log = [Exchange(asked(), Forward(), at) for at in times]
    assert busiest_minute(log) == 4
    assert busiest_minute([]) == 0
