"""Who must act: the whole table (R-1), and no finding without a party."""

import ast
from pathlib import Path
from typing import get_args

import pytest

import dedicated
from builders import body, clustered, instance, valid
from builders import spec as example
from dedicated.api.instance import BookedOption, Infrastructure, Party
from dedicated.api.json import get_list
from dedicated.contract.responsibilities import ROWS, Duty, check_options, responsibilities, responsible

TABLE: dict[Duty, tuple[Party, Party]] = {
    "Application": ("Provider", "Provider"),
    "Backup": ("Provider", "Customer"),
    "Compute": ("Provider", "Customer"),
    "DDoSProtection": ("Customer", "Customer"),
    "Data": ("Customer", "Customer"),
    "Database": ("Customer", "Customer"),
    "Domain": ("Customer", "Customer"),
    "Networking": ("Provider", "Customer"),
    "SMS": ("Customer", "Customer"),
    "SMTP": ("Customer", "Customer"),
    "Spec": ("Customer", "Customer"),
    "UserAccess": ("Customer", "Customer"),
    "WAF": ("Customer", "Customer"),
}
"""Without options: the party where the provider owns the infrastructure, and where the customer does."""


@pytest.mark.parametrize("duty", get_args(Duty))
def test_the_whole_table(duty: Duty) -> None:
    parties = tuple(responsible(duty, Infrastructure(owner=owner)) for owner in get_args(Party))
    assert parties == TABLE[duty]


def test_a_self_hosted_instance_is_the_customers_infrastructure() -> None:
    hosted = instance(infrastructure={"class": "SelfHosted", "owner": "Customer"}).spec.infrastructure
    assert responsible("Compute", hosted) == "Customer"


@pytest.mark.parametrize("owner", get_args(Party))
@pytest.mark.parametrize("booked", [(), ("WAF",), ("DDoSProtection",), ("DDoSProtection", "WAF")])
def test_what_is_booked_is_the_providers(owner: Party, booked: tuple[BookedOption, ...]) -> None:
    on = Infrastructure(owner=owner)
    for option in get_args(BookedOption):
        party = "Provider" if option in booked else "Customer"
        assert responsible(option, on, booked=booked) == party
    for duty in set(get_args(Duty)) - set(get_args(BookedOption)):
        assert responsible(duty, on, booked=booked) == responsible(duty, on)


def test_nothing_can_be_booked_where_the_provider_runs_nothing() -> None:
    hosted = instance(options=["WAF"], infrastructure={"class": "SelfHosted", "owner": "Customer"}).spec
    assert responsible("WAF", hosted.infrastructure, booked=hosted.options) == "Customer"
    (finding,) = check_options(hosted)
    assert (finding.code, finding.responsible) == ("OptionsWithoutEffect", "Provider")
    assert "WAF" in finding.message
    assert check_options(instance(options=["WAF"]).spec) == ()


def test_the_status_has_the_table_of_the_instance() -> None:
    spec = instance(options=["WAF"], infrastructure={"owner": "Customer"}).spec
    assert responsibilities(spec) == {
        "provider": ["WAF", "Application"],
        "customer": [
            "Data",
            "UserAccess",
            "SMTP",
            "SMS",
            "Domain",
            "DDoSProtection",
            "Backup",
            "Networking",
            "Compute",
            "Database",
        ],
    }
    assert {*ROWS} == {*get_args(Duty)} - {"Spec"}


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


def test_a_database_that_an_engine_runs_is_the_providers() -> None:
    spec = valid({**body(), "spec": example(**clustered("percona"))}).spec
    assert "Database" in get_list(responsibilities(spec), "provider")
    assert "Database" in get_list(responsibilities(instance().spec), "customer")
