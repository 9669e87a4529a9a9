"""YAML is read as kubectl reads it."""

from pathlib import Path

import pytest

from dedicated.api.json import JsonValue
from dedicated.cli.manifests import read
from dedicated.cli.terminal import Failure


def value(tmp_path: Path, text: str) -> JsonValue:
    """The value of `a` in an object."""
    file = tmp_path / "object.yaml"
    file.write_text(f"kind: X\na: {text}\n", encoding="utf-8")
    return read(str(file), "X")[0]["a"]


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("02:00", "02:00"),
        ("22:30:00", "22:30:00"),
        ("2026-12-20", "2026-12-20"),
        ("2026-12-20T00:00:00Z", "2026-12-20T00:00:00Z"),
        ("3", 3),
        ("-7", -7),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("v4.15.2", "v4.15.2"),
        ("4h", "4h"),
        ("1.2.3", "1.2.3"),
        ("true", True),
        ("~", None),
        ("{b: [1, 02:00]}", {"b": [1, "02:00"]}),
    ],
)
def test_scalars(tmp_path: Path, text: str, read_as: JsonValue) -> None:
    found = value(tmp_path, text)
    assert found == read_as
    assert type(found) is type(read_as)


def test_lists_of_kubectl_are_opened(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    inner = "{kind: XList, items: [{kind: X, n: 2}]}"
    file.write_text(f"kind: List\nitems: [{{kind: X, n: 1}}, {{kind: Y}}, {inner}]")
    assert [body["n"] for body in read(str(file), "X")] == [1, 2]


def test_a_merge_key_is_no_key_that_stands_twice(tmp_path: Path) -> None:
    file = tmp_path / "merged.yaml"
    file.write_text("base: &b {c: 1}\nkind: X\na: {<<: *b, <<: *b, d: 2}\n")
    assert read(str(file), "X")[0]["a"] == {"c": 1, "d": 2}


@pytest.mark.parametrize("text", ["kind: X\na: {b: 1, b: 2}", "kind: X\nkind: X"])
def test_a_key_stands_once(tmp_path: Path, text: str) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text(text)
    with pytest.raises(Failure, match="stands twice"):
        read(str(file), "X")
