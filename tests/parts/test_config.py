"""ZITADEL's configuration: what is computed stands, what users set is kept, and names follow the content."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import EXISTING, OWN_KEY, body, instance, release, walk, wanted
from dedicated.api.instance import OWNED_CONFIG
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.api.resource import InvalidInstance, parse_instance
from dedicated.parts import config
from dedicated.parts.wanted import Wanted

JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FREE_KEYS = st.text(min_size=1, max_size=12).filter(
    lambda key: key.lower() not in {name.lower() for name in (*OWNED_CONFIG, *config.defaults())}
)
USER_CONFIG = st.dictionaries(FREE_KEYS, JSON, max_size=5)


def document(of: Wanted, file: str = config.CONFIG_FILE) -> Manifest:
    """A file of the ConfigMap."""
    found = json.loads(get_str(config.config_map(of), "data", file))
    assert isinstance(found, dict)
    return found


def with_config(value: Manifest) -> Wanted:
    """Wanted, with that user configuration."""
    return wanted(instance(server={"config": value}))


def name(of: Wanted) -> str:
    """The ConfigMap's name."""
    return get_str(config.config_map(of), "metadata", "name")


@settings(max_examples=80, deadline=None)
@given(USER_CONFIG)
def test_users_keys_are_kept_and_ours_stand(value: Manifest) -> None:
    found = document(with_config(value))
    for key, computed in config.computed(wanted()).items():
        assert found[key] == computed
    for key, wished in value.items():  # none of them is one of our defaults
        assert found[key] == wished


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(OWNED_CONFIG), JSON)
def test_even_a_key_that_slipped_past_validation_does_not_win(key: str, value: JsonValue) -> None:
    of = instance()
    server = of.spec.server.model_copy(update={"config": {key: value}})
    slipped = wanted(replace(of, spec=of.spec.model_copy(update={"server": server})))
    found = dict(walk(document(slipped)))
    for path, computed in walk(config.computed(wanted())):
        if not isinstance(computed, dict):
            assert found[path] == computed


@pytest.mark.parametrize("key", OWNED_CONFIG)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_keys_that_we_compute_are_refused_in_any_spelling(key: str, spelling: type[str]) -> None:
    found = parse_instance(body(server={"config": {spelling(key): "x"}}))
    assert isinstance(found, InvalidInstance)
    assert any("server.config" in path and key in why for path, why in found.problems)


def test_every_owned_key_is_computed_or_written_by_us() -> None:
    ours = {*config.computed(wanted()), *config.steps(wanted())}
    assert set(OWNED_CONFIG) == ours


def test_nothing_is_reported_home_unless_the_user_wants_it() -> None:
    assert document(wanted())["ServicePing"] == {"Enabled": False}
    assert document(with_config({"ServicePing": {"Enabled": True}}))["ServicePing"] == {"Enabled": True}


@settings(max_examples=50, deadline=None)
@given(USER_CONFIG, USER_CONFIG)
def test_the_name_follows_the_content(one: Manifest, other: Manifest) -> None:
    first, second = with_config(one), with_config(other)
    same = config.config_map(first)["data"] == config.config_map(second)["data"]
    assert (name(first) == name(second)) == same


def test_the_order_of_keys_is_no_content() -> None:
    assert name(with_config({"A": 1, "B": {"C": 1, "D": 2}})) == name(
        with_config({"B": {"D": 2, "C": 1}, "A": 1})
    )


def test_it_cannot_be_edited_in_place() -> None:
    assert config.config_map(wanted())["immutable"] is True


@pytest.mark.parametrize(
    ("other", "again"),
    [
        (replace(wanted(), release=release("v4.16.0")), True),
        (wanted(instance(domain="other.acme.example")), True),
        (with_config({"Eventstore": {"PushTimeout": "20s"}}), True),
        (with_config({"Log": {"Level": "debug"}}), False),
        (wanted(instance(server={"replicas": 9})), False),
        (replace(wanted(), database_mark="d2"), False),
        (wanted(instance(database={"external": {"maxConnections": 500}})), False),
    ],
    ids=["release", "domain", "event store", "log", "replicas", "credentials", "connections"],
)
def test_setup_runs_again_exactly_for_what_it_reads(other: Wanted, again: bool) -> None:
    assert (config.setup_digest(other) != config.setup_digest(wanted())) is again


@settings(max_examples=100, deadline=None)
@given(replicas=st.integers(3, 50), connections=st.integers(20, 10000))
def test_all_processes_together_stay_within_the_databases_budget(replicas: int, connections: int) -> None:
    of = wanted(
        instance(
            server={"replicas": replicas}, database={"external": {"maxConnections": connections}}
        )
    )
    pool, finding = config.pool_size(of)
    processes = replicas + 2  # one pod of surge, one setup Job
    possible = processes * config.POOL_LEAST + config.RESERVED_CONNECTIONS <= connections
    assert (finding is None) == possible
    assert 1 <= pool <= config.POOL_MOST
    if processes + config.RESERVED_CONNECTIONS <= connections:
        assert processes * pool + config.RESERVED_CONNECTIONS <= connections
    if finding is not None:
        needed = processes * config.POOL_LEAST + config.RESERVED_CONNECTIONS
        assert str(needed) in finding.action
        assert str(connections) in finding.message
    postgres = get_map(document(of), "Database", "postgres")
    assert get_int(postgres, "MaxOpenConns") == pool
    assert get_int(postgres, "MaxIdleConns") <= pool
    assert postgres["MaxConnLifetime"] == "30m", "unset lifetimes burn the database's processor"


def test_the_outside_is_tls_on_the_default_port_and_the_inside_is_not() -> None:
    found = document(wanted())
    assert found["ExternalSecure"] is True
    assert found["ExternalPort"] == 443
    assert found["TLS"] == {"Enabled": False}
    assert found["ExternalDomain"] == "login.acme.example"


def test_the_first_administrator_is_told_without_a_password() -> None:
    of = wanted(
        instance(firstInstance={"organization": "Acme", "admin": {"userName": "ada", "email": "a@b.example"}})
    )
    first = get_map(document(of, config.STEPS_FILE), "FirstInstance")
    human = get_map(first, "Org", "Human")
    assert get_str(first, "Org", "Name") == "Acme"
    assert (human["UserName"], get_str(human, "Email", "Address")) == ("ada", "a@b.example")
    assert human["PasswordChangeRequired"] is True
    assert "Password" not in human


def test_existing_data_gets_no_first_instance() -> None:
    of = wanted(instance(keys=OWN_KEY, database=EXISTING))
    assert document(of, config.STEPS_FILE) == {"FirstInstance": {"Skip": True}}


def test_system_users_sign_with_keys_and_have_what_they_need_only() -> None:
    users = get_map(document(wanted()), "SystemAPIUsers")
    assert set(users) == {"operator", "login-client"}
    for user in users.values():
        assert get_str(user, "Path").endswith("public.pem")
    (membership,) = get_list(users["login-client"], "Memberships")
    assert get_list(membership, "Roles") == ["IAM_LOGIN_CLIENT"]
