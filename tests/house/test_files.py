"""The shape of the house: small files, small functions, names that are explained."""

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
ROOTS = ("operator", "e2e", "tests", "bench")
SKIPPED = frozenset({"tools", "__pycache__"})
FILE_LINES = 400
FUNCTION_LINES = 60
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files() -> Iterator[Path]:
    """Every Python file of the project."""
    for root in ROOTS:
        for path in sorted((CHECKOUT / root).rglob("*.py")):
            if not SKIPPED & set(path.relative_to(CHECKOUT).parts):
                yield path


FILES = list(python_files())
PRODUCT = [path for path in FILES if path.is_relative_to(CHECKOUT / "operator")]


def told(found: dict[Path, list[str]]) -> list[str]:
    """What is wrong, with its place."""
    return [f"{path.relative_to(CHECKOUT)}: {text}" for path, texts in found.items() for text in texts]


def functions(path: Path) -> Iterator[Function]:
    """Every function of a file, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def long_file(path: Path) -> list[str]:
    """Whether a file is longer than a sitting."""
    length = len(path.read_text().splitlines())
    return [] if length < FILE_LINES else [f"{length} lines"]


def too_long(path: Path) -> list[str]:
    """Functions longer than a screen."""
    return [
        f"{node.name} has {length} lines"
        for node in functions(path)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) >= FUNCTION_LINES
    ]


def unexplained(path: Path) -> list[str]:
    """Public names of a module, and of its public classes, without a docstring."""
    tree = ast.parse(path.read_text())
    kinds = (*Function.__args__, ast.ClassDef)
    public = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    public += [
        inner
        for node in public
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, kinds) and not inner.name.startswith("_")
    ]
    missing = [node.name for node in public if not ast.get_docstring(node)]
    return missing if ast.get_docstring(tree) else [path.name, *missing]


def test_there_are_files_to_judge() -> None:
    assert len(PRODUCT) > 40


def test_files_are_small() -> None:
    assert told({path: long_file(path) for path in FILES}) == []


def test_functions_are_small() -> None:
    assert told({path: too_long(path) for path in FILES}) == []


def test_public_names_are_explained() -> None:
    assert told({path: unexplained(path) for path in PRODUCT}) == []


def test_the_judges_see_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    lines = "\n".join("        pass" for _ in range(FUNCTION_LINES))
    bad.write_text(f"class A:\n    def long(self):\n{lines}\n")
    assert too_long(bad) == [f"long has {FUNCTION_LINES + 1} lines"]
    assert unexplained(bad) == ["bad.py", "A", "long"]
    bad.write_text("\n" * FILE_LINES)
    assert long_file(bad) == [f"{FILE_LINES} lines"]
