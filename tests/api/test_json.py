"""The hash of a value, kept or not."""

import hashlib
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from dedicated.api.json import HASH_BYTES, JsonValue, canonical, copied, digest

VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES)
def test_a_hash_is_that_of_the_canonical_text_each_time(value: JsonValue) -> None:
    expected = hashlib.blake2b(canonical(value), digest_size=HASH_BYTES).hexdigest()
    assert [digest(value), digest(value), digest(copied(value))] == [expected] * 3


def test_values_that_python_calls_equal_have_each_their_own() -> None:
    values: list[JsonValue] = [{"n": one} for one in (1, 1.0, True, "1")]
    assert all(digest(one) != digest(other) for one, other in combinations(values, 2))


def test_what_is_changed_has_another_hash_and_order_has_none() -> None:
    value: dict[str, JsonValue] = {"a": [1, {"b": "c"}], "d": None}
    before, other = digest(value), copied(value)
    value["a"] = [1, {"b": "e"}]
    assert digest(value) != before == digest(other) == digest({"d": None, "a": [1, {"b": "c"}]})
