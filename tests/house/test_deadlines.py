"""Whatever leaves the process has a deadline: a host that hangs accepts, and answers nothing for ever.

A call that may wait for somebody else is in a block with `asyncio.timeout`, or has a time limit among its
arguments. Where a caller holds the limit, `HELD` says who; a test of that caller proves it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from testbed.home import CHECKOUT

OPERATOR = CHECKOUT / "operator" / "dedicated"
WAITING = frozenset(
    {
        *("ClientSession", "create_subprocess_exec", "open_connection", "open_unix_connection"),
        *("getaddrinfo", "create_connection", "urlopen", "run_in_executor"),
    }
)
"""Last parts of the names of calls that wait for somebody else."""
SUBPROCESS = frozenset({"run", "call", "check_call", "check_output", "communicate"})
LIMITS = frozenset({"timeout", "limits"})
HELD = {
    ("probes/edge.py", "_connect"): "count: a block around all of it",
    ("probes/haproxy.py", "check"): "the wait for its end is in a block",
    ("probes/members.py", "_addresses"): "ask_members: a block around all names",
    ("probes/objects.py", "open_objects"): "Objects: a block around each question",
    ("probes/repository.py", "_run"): "the wait for its end is in a block",
    ("probes/service.py", "open_session"): "fetch: a limit for each question",
}
"""File and function of a call whose deadline somebody else holds."""


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call, bool]]:
    """Each call with the function that it is in, and whether a block with a time limit is around it."""

    def walk(node: ast.AST, function: str, limited: bool) -> Iterator[tuple[str, ast.Call, bool]]:
        for child in ast.iter_child_nodes(node):
            inside, name = limited, function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                inside, name = False, child.name
            if isinstance(child, ast.AsyncWith):
                inside = inside or any(ends_with(item.context_expr, "timeout") for item in child.items)
            if isinstance(child, ast.Call):
                yield name, child, inside
            yield from walk(child, name, inside)

    yield from walk(tree, "", limited=False)


def ends_with(node: ast.AST, name: str) -> bool:
    """Whether a call's name ends so."""
    return isinstance(node, ast.Call) and called(node) == name


def called(call: ast.Call) -> str:
    """The last part of the name that is called."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def waits(call: ast.Call) -> bool:
    """Whether a call may wait for somebody else."""
    name = called(call)
    of_subprocess = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "subprocess"
    return name in WAITING or (of_subprocess and name in SUBPROCESS)


def unlimited(source: str, place: str) -> list[str]:
    """The calls of a module that have no deadline."""
    return [
        f"{place}:{call.lineno} {called(call)} in {function}"
        for function, call, limited in calls(ast.parse(source))
        if waits(call)
        and not limited
        and not any(keyword.arg in LIMITS for keyword in call.keywords)
        and (place, function) not in HELD
    ]


def modules() -> list[Path]:
    """The operator's own."""
    return sorted(OPERATOR.rglob("*.py"))


def test_what_leaves_the_process_has_a_deadline() -> None:
    found = [
        text for path in modules() for text in unlimited(path.read_text(), str(path.relative_to(OPERATOR)))
    ]
    assert found == []


def test_the_rule_finds_what_has_none() -> None:
    assert unlimited("def f():\n    subprocess.run(['true'])", "x.py") == ["x.py:2 run in f"]
    assert unlimited("def f():\n    subprocess.run(['true'], timeout=1)", "x.py") == []
    held = "async def f():\n    async with asyncio.timeout(1), g():\n        await open_connection()"
    assert unlimited(held, "x.py") == []


def test_every_connection_to_a_database_has_limits_of_its_own() -> None:
    """By libpq's own settings: connecting, and a peer that acknowledges nothing."""
    connecting = [path for path in modules() if "AsyncConnection.connect(" in path.read_text()]
    assert connecting
    for path in connecting:
        text = path.read_text()
        assert '"connect_timeout"' in text, path
        assert '"tcp_user_timeout"' in text, path
        assert "psycopg.connect(" not in text, path
