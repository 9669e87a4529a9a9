"""The store of instances between two watches and our own writes."""

from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.api.objects import Key
from dedicated.controllers.instances import Instances, Presence, presence_of

ACME = Key("a", "acme")


def body(version: int, *, uid: str = "u1", **more: JsonValue) -> Manifest:
    metadata: Manifest = {
        "namespace": "a",
        "name": "acme",
        "uid": uid,
        "resourceVersion": str(version),
        "managedFields": [],
    }
    return {"metadata": metadata, **more}


class Bench:
    def __init__(self) -> None:
        self.clock = 0.0
        self.changes: list[Key] = []
        self.instances = Instances(changed=self.changes.append, monotonic=lambda: self.clock)

    def roll(self, old: Presence | None, new: Presence | None) -> None:
        self.instances.present(ACME, old, new)

    def version(self) -> str | None:
        held, told = self.instances.body(ACME), self.instances.presence(ACME)
        assert told == (presence_of(held) if held else None)
        return str(told.version) if told else None


def test_news_is_kept_without_managed_fields_and_told() -> None:
    it = Bench()
    it.instances.deliver("", body(1, spec={"plan": "Standard"}))
    assert it.changes == [ACME]
    held = it.instances.body(ACME)
    assert held is not None
    assert held["spec"] == {"plan": "Standard"}
    assert list(it.instances.keys) == [ACME]
    assert "managedFields" not in str(held)


def test_the_echo_of_our_own_write_and_older_news_are_no_news() -> None:
    it = Bench()
    it.instances.deliver("ADDED", body(1))
    it.instances.returned(body(5))
    assert it.changes == [ACME]
    for stale in (3, 5):
        it.instances.deliver("MODIFIED", body(stale))
    assert it.version() == "5"
    assert it.changes == [ACME]
    it.instances.deliver("MODIFIED", body(6))
    assert it.changes == [ACME, ACME]


def test_a_deletion_told_late_does_not_remove_the_successor() -> None:
    it = Bench()
    it.instances.deliver("ADDED", body(1))
    it.instances.deliver("ADDED", body(7, uid="u2"))
    it.instances.deliver("DELETED", body(6))
    assert it.version() == "7"
    it.instances.deliver("DELETED", body(8, uid="u2"))
    assert it.version() is None
    assert len(it.changes) == 3


def test_the_roll_finds_what_kopf_never_told() -> None:
    it = Bench()
    it.instances.deliver("ADDED", body(1))
    it.roll(None, Presence("u1", 1))
    it.roll(Presence("u1", 1), None)
    assert it.version() is None
    assert it.changes == [ACME, ACME]


def test_the_dead_do_not_come_back() -> None:
    it = Bench()
    it.instances.deliver("ADDED", body(1))
    it.roll(None, Presence("u1", 1))
    it.roll(Presence("u1", 1), None)
    it.instances.deliver("MODIFIED", body(2))
    it.instances.returned(body(3))
    assert it.version() is None
    it.instances.deliver("DELETED", body(4))
    it.instances.deliver("ADDED", body(5, uid="u2"))
    assert it.version() == "5"


def test_lateness_is_how_long_kopf_owes_a_body() -> None:
    it = Bench()
    assert it.instances.lateness() == 0
    it.roll(None, Presence("u1", 1))
    it.clock = 5.0
    assert it.instances.lateness() == 5
    it.instances.deliver("ADDED", body(1))
    assert it.instances.lateness() == 0
    it.roll(Presence("u1", 1), Presence("u1", 9))
    it.clock = 12.0
    it.instances.deliver("MODIFIED", body(8))
    assert it.instances.lateness() == 7
    it.instances.returned(body(10))
    assert it.instances.lateness() == 0
    it.roll(Presence("u1", 9), Presence("u1", 10))
    assert it.instances.lateness() == 0


def test_a_deletion_settles_the_debt() -> None:
    it = Bench()
    it.roll(None, Presence("u1", 1))
    it.clock = 100.0
    it.roll(Presence("u1", 1), None)
    assert it.instances.lateness() == 0


def test_after_a_restored_etcd_older_versions_count() -> None:
    it = Bench()
    it.instances.deliver("ADDED", body(900))
    it.roll(None, Presence("u1", 900))
    it.roll(Presence("u1", 900), Presence("u1", 40))
    it.instances.deliver("", body(40))
    assert it.version() == "40"
    assert it.instances.lateness() == 0


def test_what_is_being_deleted_is_not_alive() -> None:
    it = Bench()
    assert not it.instances.is_alive(ACME)
    it.instances.deliver("", body(1))
    assert it.instances.is_alive(ACME)
    leaving = body(2)
    leaving["metadata"] = {**get_map(leaving, "metadata"), "deletionTimestamp": "2026-01-01T00:00:00Z"}
    it.instances.deliver("MODIFIED", leaving)
    assert not it.instances.is_alive(ACME)


def test_the_end_is_looked_at_again_when_the_roll_knows_of_it_too() -> None:
    """Only then is it certain, and the namespace may be let go."""
    it = Bench()
    it.roll(None, Presence("u1", 1))
    it.instances.deliver("ADDED", body(1))
    it.instances.deliver("DELETED", body(2))
    before = len(it.changes)
    it.roll(Presence("u1", 1), None)
    assert len(it.changes) == before + 1
