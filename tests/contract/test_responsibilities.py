"""Who must act: the whole table (R-1), and no finding without a party."""

import ast
from pathlib import Path
from typing import get_args

import pytest

import dedicated
from builders import instance
from dedicated.api.instance import Infrastructure, Party
from dedicated.contract.responsibilities import Duty, responsible

TABLE: dict[Duty, tuple[Party, Party]] = {
    "Application": ("Provider", "Provider"),
    "Backup": ("Provider", "Customer"),
    "Compute": ("Provider", "Customer"),
    "Database": ("Customer", "Customer"),
    "Domain": ("Customer", "Customer"),
    "Networking": ("Provider", "Customer"),
    "Spec": ("Customer", "Customer"),
}
"""Duty: the party where the provider owns the infrastructure, and where the customer does."""


@pytest.mark.parametrize("duty", get_args(Duty))
def test_the_whole_table(duty: Duty) -> None:
    parties = tuple(responsible(duty, Infrastructure(owner=owner)) for owner in get_args(Party))
    assert parties == TABLE[duty]


def test_a_self_hosted_instance_is_the_customers_infrastructure() -> None:
    hosted = instance(infrastructure={"class": "SelfHosted", "owner": "Customer"}).spec.infrastructure
    assert responsible("Compute", hosted) == "Customer"


def test_every_finding_in_the_code_names_party_and_action() -> None:
    """Read from the source, so that a finding that no test reaches is judged too."""
    found = 0
    for path in Path(dedicated.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                found += 1
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                assert {"code", "responsible", "message", "action"} <= given.keys(), f"{path}:{node.lineno}"
                empty = [name for name, value in given.items() if name != "blocks" and is_empty(value)]
                assert not empty, f"{path}:{node.lineno}"
    assert found >= 10


def is_empty(value: ast.expr) -> bool:
    """Whether an argument is an empty text."""
    return isinstance(value, ast.Constant) and value.value == ""
