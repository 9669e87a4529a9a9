"""Reading an instance: whatever its body holds, the answer is an instance or a list of (path, reason)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from api.counterexamples import FULL, SMALL, instance, merged
from dedicated.api.json import JsonValue, Manifest, canonical
from dedicated.api.objects import Key
from dedicated.api.resource import PATH_LIMIT, Instance, InvalidInstance, parse_instance

# Others may use the machine meanwhile: how long an example takes says nothing.
UNHURRIED = settings(deadline=None)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
# Depth and width of a value do not matter to the models; small ones find as much.
ANYTHING: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def paths(value: JsonValue, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value inside a value."""
    inner: list[tuple[str | int, JsonValue]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [found for step, item in inner for found in ((*path, step), *paths(item, (*path, step)))]


def with_value(value: JsonValue, path: tuple[str | int, ...], new: JsonValue) -> JsonValue:
    """The value with the part at `path` replaced."""
    match value, path:
        case dict(), (str() as step, *rest):
            return {**value, step: with_value(value[step], tuple(rest), new)}
        case list(), (int() as step, *rest):
            return [*value[:step], with_value(value[step], tuple(rest), new), *value[step + 1 :]]
        case _:
            return new


def judged(spec: JsonValue) -> Instance | InvalidInstance:
    """The verdict, with what holds of each checked."""
    found = parse_instance(instance(spec))
    if isinstance(found, InvalidInstance):
        assert found.problems
        for path, reason in found.problems:
            assert path == "spec" or path.startswith(("spec.", "spec["))
            assert len(path) <= PATH_LIMIT
            assert reason
    else:
        canonical(found.spec.model_dump(mode="json", by_alias=True, exclude_none=True))
    return found


@UNHURRIED
@given(ANYTHING)
def test_any_value_as_spec(spec: JsonValue) -> None:
    judged(spec)


@UNHURRIED
@given(st.dictionaries(st.sampled_from(sorted(FULL)), ANYTHING))
def test_any_value_in_a_field(given_fields: Manifest) -> None:
    judged({**SMALL, **given_fields})


@UNHURRIED
@given(st.sampled_from(sorted(paths(FULL), key=str)), ANYTHING)
def test_any_value_anywhere_in_a_full_spec(path: tuple[str | int, ...], value: JsonValue) -> None:
    judged(with_value(FULL, path, value))


@UNHURRIED
@given(st.dictionaries(st.text(), ANYTHING, max_size=4))
def test_any_metadata_and_status(parts: Manifest) -> None:
    body: Manifest = {**instance(SMALL), "metadata": parts, "status": parts}
    assert isinstance(parse_instance(body), Instance)


def test_the_smallest_spec() -> None:
    found = judged(SMALL)
    assert isinstance(found, Instance)
    assert (found.spec.server.replicas, found.spec.infrastructure.zones.minimum) == (3, 3)


def test_metadata() -> None:
    body = instance(SMALL)
    body["metadata"] = {
        "name": "acme",
        "namespace": "customer",
        "uid": "u-1",
        "generation": 3,
        "resourceVersion": "17",
        "finalizers": ["one", "two"],
        "deletionTimestamp": "2026-01-31T12:00:00Z",
    }
    found = parse_instance({**body, "status": {"url": "https://a.example"}})
    assert isinstance(found, Instance)
    assert (found.namespace, found.name) == ("customer", "acme")
    meta = found.meta
    assert (meta.key, meta.uid, meta.generation) == (Key("customer", "acme"), "u-1", 3)
    assert (meta.resource_version, meta.finalizers, meta.deleting) == ("17", ("one", "two"), True)
    assert meta.status == {"url": "https://a.example"}


def problems(patch: Manifest) -> tuple[tuple[str, str], ...]:
    found = judged(merged(SMALL, patch))
    assert isinstance(found, InvalidInstance)
    return found.problems


def test_every_problem_is_told_at_once() -> None:
    existing: Manifest = {"database": {"external": {"state": "Existing"}}}
    found = problems({"server": {"replicas": 2}, "login": {"replicas": 2}, **existing})
    assert [path for path, _ in found] == ["spec.keys", "spec.server.replicas", "spec.login.replicas"]
    found = problems({"plan": "Gold", "server": {"replicas": 0, "config": {"TLS": {}}}, "surprise": 1})
    assert {path for path, _ in found} == {"spec.plan", "spec.server.replicas", "spec.surprise"}


def test_two_rules_of_one_part_are_told_at_once() -> None:
    found = problems({"server": {"config": {"Port": 1, "TLS": {}}}})
    assert found == (
        ("spec.server.config", "config.Port is computed by the operator: remove it"),
        ("spec.server.config", "config.TLS is computed by the operator: remove it"),
    )


def test_computed_configuration_is_refused_in_any_case() -> None:
    """The API server cannot see these: ZITADEL reads `externaldomain` as `ExternalDomain`."""
    ((path, reason),) = problems({"server": {"config": {"externaldomain": "a.example"}}})
    assert path == "spec.server.config"
    assert reason == "config.ExternalDomain is computed by the operator: remove it"


def test_items_are_told_by_index() -> None:
    agreements: list[JsonValue] = [{"clause": "S-2", "record": "a"}, {"clause": "S2", "record": "a"}]
    ((path, _),) = problems({"agreements": agreements})
    assert path == "spec.agreements[1].clause"


def test_values_are_not_told() -> None:
    found = problems({"domain": "S3CRET VALUE", "server": {"replicas": "S3CRET"}})
    assert "S3CRET" not in str(found)


def test_a_bottomless_value_is_told() -> None:
    deep: Manifest = {}
    for _ in range(400):
        deep = {"a": deep}
    ((path, reason),) = problems({"server": {"config": deep}})
    assert path.startswith("spec.server.config.a")
    assert "depth" in reason


def test_text_that_is_not_unicode_is_told() -> None:
    assert [path for path, _ in problems({"domain": "\ud800"})] == ["spec.domain"]
